"""Stage 4: features of every channel side at fixed steps of time, with the target where it is known.

Three files: `NAME.csv` with the rows, `NAME.moves.csv` with rebalances that could
have been made and what each would have gained, and `NAME.json`, which says how
they were made and holds their hashes.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import polars as pl

from lightninglens.core.errors import DataError
from lightninglens.core.ids import ChannelId
from lightninglens.core.observations import ChannelSeen, Observation, PaymentSeen
from lightninglens.core.records import STRICT
from lightninglens.core.units import NS_PER_SECOND
from lightninglens.lab.learning import frames
from lightninglens.lab.learning.formats import TIME
from lightninglens.lab.learning.observations import WorldSeen, read_worlds
from lightninglens.lab.learning.report import StageReport
from lightninglens.learn.dataset import Dataset, DatasetOptions, build_dataset, concatenate, targets_by_name
from lightninglens.learn.features import FeatureTracker
from lightninglens.learn.moves import Moves
from lightninglens.storage.files.atomic import atomic_writer
from lightninglens.storage.files.codec import read_record, to_json
from lightninglens.storage.files.runs import sha256_of
from lightninglens.storage.files.tables import Column, Table

STAGE = "features"
FORMAT: Final = "lightninglens/features/1"
ROWS_FORMAT: Final = "lightninglens/csv/features/1"
MOST_ROWS: Final = 2_000_000
_NS_PER_US: Final = 1_000

MOVES = Table(
    format="lightninglens/csv/moves/1",
    meaning="Stage 4, `features.moves.csv`: rebalances that could have been made, judged by what followed.",
    columns=(
        Column(name="outgoing_row", dtype=pl.Int64(), meaning="row of features.csv, from 0: the side that gives"),
        Column(name="incoming_row", dtype=pl.Int64(), meaning="row of the side that is filled"),
        Column(name="amount_msat", dtype=pl.Int64(), meaning=""),
        Column(name="cost_msat", dtype=pl.Int64(), meaning="assumed cost of the circle"),
        Column(name="gain_msat", dtype=pl.Int64(), meaning="what it would have been worth, before its cost"),
    ),
)

_BEFORE: Final = (("world", pl.String()), ("timestamp", TIME), ("channel_id", pl.String()), ("node", pl.String()))
_AFTER: Final = (
    ("share_now", pl.Float64()),
    ("target_share", pl.Float64()),
    ("baseline_share", pl.Float64()),
    ("failing_now_msat", pl.Int64()),
    ("failing_best_msat", pl.Int64()),
)
OTHER_COLUMNS: Final[Mapping[str, str]] = {
    "world": "as in transactions",
    "timestamp": "the moment; nothing later is in the features",
    "channel_id": "",
    "node": "whose side it is: node id, or name where there is no id",
    "share_now": "local share at the moment",
    "target_share": "the share that would have failed the least volume over the horizon; empty: not known yet",
    "baseline_share": "what the fixed targets of the baseline want; empty: it has none for this channel",
    "failing_now_msat": "volume that failed over the horizon in the replay from share_now",
    "failing_best_msat": "the same from target_share",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureFiles:
    """How a file of features was made."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    format: str = FORMAT
    source: str
    """What data, in words."""
    features: tuple[str, ...]
    reduced: bool
    """Without features of single channels' flows, which need attempts."""
    horizon_ns: int
    step_ns: int
    own_payment_worth_ppm: int
    worlds: tuple[str, ...]
    payments: int
    rows: int
    rows_with_target: int
    dropped: Mapping[str, int]
    rows_sha256: str
    moves_sha256: str

    @property
    def options(self) -> DatasetOptions:
        """The options of the data set."""
        return DatasetOptions(
            horizon_ns=self.horizon_ns,
            step_ns=self.step_ns,
            own_payment_worth_ppm=self.own_payment_worth_ppm,
            reduced=self.reduced,
        )


def sidecars(path: Path) -> tuple[Path, Path]:
    """Return where the moves and the record of a file of features are."""
    return path.with_suffix(".moves.csv"), path.with_suffix(".json")


def make_features(source: Path, out: Path, options: DatasetOptions, *, described: str = "") -> StageReport:
    """Read what `transform` wrote to `source`, and write features to the file `out`; raises DataError."""
    worlds = read_worlds(source)
    _check_size(worlds, options)
    reduced = options.reduced
    if reduced is None:
        reduced = not all(_has_attempts(world.observations) for world in worlds)
    options = DatasetOptions(
        horizon_ns=options.horizon_ns,
        step_ns=options.step_ns,
        own_payment_worth_ppm=options.own_payment_worth_ppm,
        reduced=reduced,
    )
    made = concatenate([build_dataset(world.observations, options, targets=_targets(world)) for world in worlds])
    record = _write(made, worlds, out, described or ", ".join(world.name for world in worlds))
    dropped = Counter(made.dropped)
    if damaged := sum(world.dropped for world in worlds):
        dropped["payments' attempts that could not be read: the payments count without them"] += damaged
    return StageReport(
        stage=STAGE,
        rows_in=sum(len(world.observations) for world in worlds),
        rows_out=record.rows,
        paths=(out, *sidecars(out)),
        dropped=dropped,
        missing=_empty_cells(made),
        notes=_notes(record, made),
    )


def read_features(path: Path) -> tuple[Dataset, FeatureFiles]:
    """Return the rows of a file of features whose target is known.

    Raises DataError when a file is missing, changed or not of the format.
    """
    moves_path, record_path = sidecars(path)
    if not path.is_file():
        raise DataError("no such file: `lens learn features` makes one", where=str(path))
    if not record_path.is_file():
        raise DataError(
            f"beside it {record_path.name} is missing, which says how the features were made:"
            " `lens learn features` writes both",
            where=str(path),
        )
    record = read_record(FeatureFiles, record_path)
    for file, expected in ((path, record.rows_sha256), (moves_path, record.moves_sha256)):
        if not file.is_file() or sha256_of(file) != expected:
            raise DataError(
                f"it is not the file that {record_path.name} describes: make the features anew", where=str(file)
            )
    rows = frames.read_stage_csv(rows_table(record.features), path).filter(pl.col("target_share").is_not_null())
    moves = frames.read_stage_csv(MOVES, moves_path)
    return _dataset(rows, moves, record), record


def rows_table(features: Sequence[str]) -> Table:
    """Return the format of a file of features."""
    columns = [*_BEFORE, *((name, pl.Float64()) for name in features), *_AFTER]
    seen = dict(columns)  # share_now and the like are not features, but a name may not stand twice
    return Table(
        format=ROWS_FORMAT,
        meaning="Stage 4, `features.csv`: one row per side of a channel and step of time.",
        columns=tuple(
            Column(name=name, dtype=dtype, meaning=OTHER_COLUMNS.get(name, "")) for name, dtype in seen.items()
        ),
    )


def _has_attempts(observations: Sequence[Observation]) -> bool:
    return any(isinstance(seen, PaymentSeen) and seen.attempts is not None for seen in observations)


def _targets(world: WorldSeen) -> dict[tuple[ChannelId, str], float]:
    channels = {seen.channel_id: seen for seen in world.observations if isinstance(seen, ChannelSeen)}
    return targets_by_name(channels.values(), world.names)


def _check_size(worlds: Sequence[WorldSeen], options: DatasetOptions) -> None:
    """Raise DataError when there are no channels, or more rows would come out than there is room for."""
    rows = 0
    for world in worlds:
        channels = {seen.channel_id for seen in world.observations if isinstance(seen, ChannelSeen)}
        first, last = _span_ns(world.observations)
        rows += 2 * len(channels) * ((last - first) // options.step_ns + 1)
    if not rows:
        raise DataError(
            "the data tell of no channel with both ends and balances, and features are of channels:"
            " see the channel columns in docs/how-to/train-a-model.md",
            where=", ".join(world.name for world in worlds),
        )
    if rows > MOST_ROWS:
        raise DataError(
            f"that would be {rows:,} rows, and {MOST_ROWS:,} is the most: give fewer channels or a longer step"
            " (--step-minutes)",
            where=", ".join(world.name for world in worlds),
        )


def _span_ns(observations: Sequence[Observation]) -> tuple[int, int]:
    times = [
        seen.seen_ns if isinstance(seen, ChannelSeen) else seen.ended_ns for seen in (observations[0], observations[-1])
    ]
    return times[0], times[1]


def _write(made: Dataset, worlds: Sequence[WorldSeen], out: Path, described: str) -> FeatureFiles:
    table = rows_table(made.features)
    known = _rows_frame(made, worlds)
    later = [pl.DataFrame(list(_rows_ahead(world, made)), schema=table.schema, orient="row") for world in worlds]
    moves_path, record_path = sidecars(out)
    rows = frames.write_csv(table, pl.concat([known.select(table.schema.names()), *later]), out)
    moves = pl.DataFrame({name: getattr(made.moves, name) for name in MOVES.schema})
    frames.write_csv(MOVES, moves, moves_path)
    record = FeatureFiles(
        source=described,
        features=made.features,
        reduced=made.reduced,
        horizon_ns=made.options.horizon_ns,
        step_ns=made.options.step_ns,
        own_payment_worth_ppm=made.options.own_payment_worth_ppm,
        worlds=tuple(world.name for world in worlds),
        payments=made.payments,
        rows=rows,
        rows_with_target=len(made.y),
        dropped=made.dropped,
        rows_sha256=sha256_of(out),
        moves_sha256=sha256_of(moves_path),
    )
    with atomic_writer(record_path) as file:
        file.write(to_json(record))
    return record


def _rows_frame(made: Dataset, worlds: Sequence[WorldSeen]) -> pl.DataFrame:
    names = {row: world.name for row, world in enumerate(worlds)}
    ids = {packed: str(ChannelId(packed)) for packed in np.unique(made.channel_id).tolist()}
    columns = {
        "world": [names[row] for row in made.world.tolist()],
        "timestamp": pl.Series(made.time_ns // _NS_PER_US, dtype=pl.Int64).cast(TIME),
        "channel_id": [ids[packed] for packed in made.channel_id.tolist()],
        "node": list(made.node_id),
        **{name: _or_null(made.X[:, column]) for column, name in enumerate(made.features)},
        "share_now": made.share_now,
        "target_share": made.y,
        "baseline_share": _or_null(made.baseline),
        "failing_now_msat": made.failing_now_msat,
        "failing_best_msat": made.failing_best_msat,
    }
    return pl.DataFrame(columns, schema=dict(rows_table(made.features).schema))


def _or_null(values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> pl.Series:
    return pl.Series(values, nan_to_null=True, dtype=pl.Float64)


def _rows_ahead(world: WorldSeen, made: Dataset) -> Iterator[tuple[object, ...]]:
    """Yield rows of the last horizon, of which nobody knows yet what share would have been best."""
    step, tracker = made.options.step_ns, FeatureTracker()
    first_ns, last_ns = _span_ns(world.observations)
    targets = _targets(world)
    next_ns = first_ns // step * step + step
    for seen in [*world.observations, None]:
        time_ns = last_ns + 1 if seen is None else _time_ns(seen)
        while next_ns < time_ns:
            if next_ns + made.options.horizon_ns > last_ns:
                yield from _rows_at(tracker, next_ns, world.name, made.features, targets)
            next_ns += step
        if seen is not None:
            tracker.observe(seen)


def _rows_at(
    tracker: FeatureTracker,
    now_ns: int,
    world: str,
    features: Sequence[str],
    targets: Mapping[tuple[ChannelId, str], float],
) -> Iterator[tuple[object, ...]]:
    moment = datetime.fromtimestamp(now_ns // NS_PER_SECOND, UTC).replace(tzinfo=None)
    for channel_id, node_id in tracker.sides():
        row = tracker.row(channel_id, node_id, now_ns)
        values = [None if row[name] != row[name] else row[name] for name in features]
        share = tracker.share(channel_id, node_id)
        ends = (share, None, targets.get((channel_id, node_id)), None, None)
        yield (world, moment, str(channel_id), node_id, *values, *ends)


def _time_ns(seen: Observation) -> int:
    return seen.seen_ns if isinstance(seen, ChannelSeen) else seen.ended_ns


def _dataset(rows: pl.DataFrame, moves: pl.DataFrame, record: FeatureFiles) -> Dataset:
    numbers = {name: row for row, name in enumerate(record.worlds)}
    known = rows["channel_id"].unique().to_list()
    packed = {text: int(ChannelId.parse(text)) for text in known}
    return Dataset(
        options=record.options,
        reduced=record.reduced,
        features=record.features,
        world=rows["world"].replace_strict(numbers, return_dtype=pl.Int32).to_numpy(),
        time_ns=rows["timestamp"].dt.epoch("us").to_numpy() * _NS_PER_US,
        channel_id=rows["channel_id"].replace_strict(packed, return_dtype=pl.UInt64).to_numpy(),
        node_id=tuple(rows["node"].to_list()),
        X=rows.select(pl.col(name).fill_null(float("nan")) for name in record.features).to_numpy(),
        y=rows["target_share"].to_numpy(),
        share_now=rows["share_now"].to_numpy(),
        baseline=rows["baseline_share"].fill_null(float("nan")).to_numpy(),
        failing_now_msat=rows["failing_now_msat"].to_numpy(),
        failing_best_msat=rows["failing_best_msat"].to_numpy(),
        moves=Moves(**{name: moves[name].to_numpy() for name in MOVES.schema}),
        payments=record.payments,
        dropped=record.dropped,
    )


def _empty_cells(made: Dataset) -> dict[str, int]:
    counts = np.isnan(made.X).sum(axis=0).tolist()
    return {name: count for name, count in zip(made.features, counts, strict=True) if count}


def _notes(record: FeatureFiles, made: Dataset) -> tuple[str, ...]:
    hours = record.horizon_ns / NS_PER_SECOND / 3_600
    notes = [
        f"{record.rows_with_target:,} rows have a target; of the last {hours:g} h of each world it is not known yet"
    ]
    if made.reduced:
        notes.append("the reduced set of features: the data have no single attempts, so no flow of a channel is known")
    return tuple(notes)
