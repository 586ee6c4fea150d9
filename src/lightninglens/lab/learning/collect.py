"""Stages 1 and 2: what was recorded, whatever its form, becomes three CSV files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lightninglens.core.errors import ConfigError, DataError
from lightninglens.lab.learning import frames, raw, runs, user_csv
from lightninglens.lab.learning.collected import Collected, join, tidy
from lightninglens.lab.learning.formats import ATTEMPTS, CHANNEL_STATES, TRANSACTIONS
from lightninglens.lab.learning.report import StageReport
from lightninglens.storage.files.tables import Table

STAGE = "collect"
RAW_FOLDER = "raw"
TABLES: dict[str, Table] = {
    "transactions": TRANSACTIONS,
    "attempts": ATTEMPTS,
    "channel_states": CHANNEL_STATES,
}
_OPTIONAL = ("fee", "sender_id", "receiver_id", "node1_id", "node2_id", "failure_reason", "failed_hop")
"""What is rightly empty in many rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What was found to read, by form."""

    recordings: tuple[Path, ...] = ()
    runs: tuple[Path, ...] = ()
    tables: tuple[Path, ...] = ()
    ignored: tuple[Path, ...] = ()
    """Files in a directory that are nothing of all this."""


def collect(inputs: Sequence[Path], out: Path, *, columns: Mapping[str, str] | None = None) -> StageReport:
    """Read recordings, runs or CSV files and write `transactions.csv`, `attempts.csv` and `channel_states.csv`.

    Raises ConfigError when there is nothing to read, DataError when what there is tells of no payment.
    """
    found = gather(inputs, columns=columns)
    written = {name: out / f"{name}.csv" for name in TABLES}
    parts = {name: getattr(found, name) for name in TABLES}
    rows = sum(frames.write_csv(TABLES[name], parts[name], path) for name, path in written.items())
    counted = ("transactions", "channel_states")
    missing = {
        f"{name}.{column}": count
        for name in counted
        for column, count in frames.count_missing(TABLES[name], parts[name], _OPTIONAL).items()
    }
    return StageReport(
        stage=STAGE,
        rows_in=found.rows_in,
        rows_out=rows,
        paths=tuple(written.values()),
        dropped=dict(found.dropped),
        missing=missing,
        notes=tuple(found.notes),
    )


def gather(inputs: Sequence[Path], *, columns: Mapping[str, str] | None = None) -> Collected:
    """Return what all inputs tell, tidied; raises as `collect`."""
    parts = []
    notes: list[str] = []
    for path in inputs:
        sources = find_sources(path)
        if sources.recordings:
            parts.append(raw.read_recordings(sources.recordings))
        parts += [runs.read_run(run) for run in sources.runs]
        parts += [user_csv.read_user_csv(table, columns) for table in sources.tables]
        if sources.ignored:
            notes.append(f"{path}: {len(sources.ignored)} files there are no recordings and were left alone")
    found = tidy(join(_apart(parts)))
    found.notes += notes
    if not found.transactions.height:
        why = ", ".join(f"{count:,} {reason}" for reason, count in found.dropped.items()) or "there are no rows"
        raise DataError(f"there is no payment in it ({why})", where=", ".join(map(str, inputs)))
    return found


def find_sources(path: Path) -> Sources:
    """Return what a path means: a recording, a CSV, a run, or a directory with some; raises ConfigError."""
    if path.is_file():
        if path.suffix.lower() == ".csv":
            return Sources(tables=(path,))
        if raw.is_recording(path):
            return Sources(recordings=(path,))
        if path.stat().st_size and _is_binary(path):
            raise DataError("this is neither a recording nor a CSV file", where=str(path))
        return Sources(tables=(path,)) if path.suffix.lower() in {".txt", ".tsv"} else Sources(recordings=(path,))
    if not path.is_dir():
        raise ConfigError(f"{path}: no such file or directory")
    if runs.is_run(path):
        return Sources(runs=(path,))
    folder = path / RAW_FOLDER if (path / RAW_FOLDER).is_dir() else path
    files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    recordings = tuple(file for file in files if file.suffix in {".jsonl", ".json"} and raw.is_recording(file))
    inner = tuple(sorted(entry for entry in folder.iterdir() if entry.is_dir() and runs.is_run(entry)))
    if not recordings and not inner:
        raise ConfigError(
            f"{folder}: there is no recording (`lens up` writes them), no run (`lens sim run`) and no CSV was named"
        )
    return Sources(recordings=recordings, runs=inner, ignored=tuple(set(files) - set(recordings)))


def _is_binary(path: Path) -> bool:
    with path.open("rb") as file:
        return b"\0" in file.read(1 << 16)


def _apart(parts: Sequence[Collected]) -> list[Collected]:
    """Return the parts with worlds of the same name from different inputs told apart."""
    taken: set[str] = set()
    for part in parts:
        worlds = set(part.transactions["world"]) | set(part.channel_states["world"])
        names = {}
        for world in sorted(worlds):
            name, number = world, 2
            while name in taken:
                name, number = f"{world} ({number})", number + 1
            names[world] = name
            taken.add(name)
        if any(old != new for old, new in names.items()):
            renamed = pl.col("world").replace(names)
            for table in TABLES:
                setattr(part, table, getattr(part, table).with_columns(renamed))
    return list(parts)
