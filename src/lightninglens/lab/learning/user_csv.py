"""A CSV of transactions that somebody else wrote: the 17 columns of the source documents, or other names.

Nothing is made up: what has no column stays unknown. Channels are learned from
snapshot rows, and from the sender's channel where payments carry it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from lightninglens.core.errors import ConfigError, DataError
from lightninglens.core.units import MSAT_PER_SAT
from lightninglens.lab.learning import frames
from lightninglens.lab.learning.collected import Collected
from lightninglens.lab.learning.formats import ATTEMPTS, CHANNEL_STATES, OTHER_NAMES, TIME, TRANSACTIONS

NEEDED = ("timestamp", "sender", "receiver", "amount")
OURS = tuple(dict.fromkeys([*OTHER_NAMES, *(column.name for column in TRANSACTIONS.columns), "channel_after"]))


def read_user_csv(path: Path, columns: Mapping[str, str] | None = None) -> Collected:
    """Return what a CSV tells; `columns` says by our name what the file calls a column.

    Raises DataError when it is no CSV of transactions, ConfigError when `columns` names what does not exist.
    """
    found = frames.read_text_csv(path)
    if not found.width:
        raise DataError("the file is empty", where=str(path))
    named = _renamed(found, columns or {}, path)
    world = pl.col("world").fill_null(path.stem) if "world" in named.columns else pl.lit(path.stem)
    named = named.with_columns(world.alias("world"), pl.int_range(1, pl.len() + 1).alias("row"))
    kind = pl.col("type").str.to_lowercase() if "type" in named.columns else pl.lit("payment")
    is_snapshot = (kind == "snapshot").fill_null(value=False)
    snapshots, payments = named.filter(is_snapshot), named.filter(~is_snapshot)
    dropped: Counter[str] = Counter()
    notes = [] if "type" in named.columns else ["there is no column for the type: every row is taken for a payment"]
    states = _snapshot_states(snapshots, dropped)
    states = pl.concat([states, _states_of_payments(payments, states, dropped)])
    if not states.height:
        notes.append("the file tells of no channel: no features of channels can be made from it")
    return Collected(
        transactions=_transactions(payments, kind),
        attempts=pl.DataFrame(schema=ATTEMPTS.schema),
        channel_states=states,
        rows_in=named.height,
        dropped=dropped,
        notes=[*notes, "the file has no single attempts: only the reduced set of features can be made from it"],
    )


def _renamed(found: pl.DataFrame, columns: Mapping[str, str], path: Path) -> pl.DataFrame:
    """Return the columns that we know, by our names; the exact name goes before another one."""
    theirs = {_plain(name): name for name in reversed(found.columns)}
    chosen: dict[str, str] = {}
    for ours, named in columns.items():
        if ours not in OURS:
            raise ConfigError(f"there is no column {ours!r} to be filled; there are {', '.join(OURS)}")
        if named not in found.columns:
            raise ConfigError(f"{path} has no column {named!r}; it has {', '.join(found.columns)[:300]}")
        chosen[ours] = named
    for ours in OURS:
        match = next((theirs[name] for name in (ours, *OTHER_NAMES.get(ours, ())) if name in theirs), None)
        if ours not in chosen and match is not None and match not in chosen.values():
            chosen[ours] = match
    for needed in NEEDED:
        if not {needed, f"{needed}_id", f"{needed}_msat"} & set(chosen):
            known = ", ".join((needed, *OTHER_NAMES[needed]))
            raise DataError(
                f"no column says the {needed}: it would be called one of {known}."
                f" Say which it is with --column {needed}=NAME",
                where=str(path),
            )
    return found.select(pl.col(named).alias(ours) for ours, named in chosen.items())


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _transactions(payments: pl.DataFrame, kind: pl.Expr) -> pl.DataFrame:
    """Return the payments with our types; a cell that is not of its type is unknown."""
    there = set(payments.columns)
    cells = {name: frames.typed(name, dtype) for name, dtype in TRANSACTIONS.schema.items() if name in there}
    for name in ("amount", "fee"):
        if f"{name}_msat" in there:
            cells[name] = frames.numbers(pl.col(f"{name}_msat")) / MSAT_PER_SAT
    cells["type"] = kind
    row = pl.concat_str(pl.lit("row "), pl.col("row"))
    cells["payment_id"] = pl.coalesce("payment_id", row) if "payment_id" in there else row
    absent = {name: pl.lit(None) for name in TRANSACTIONS.schema if name not in cells}
    made = payments.select(expression.alias(name) for name, expression in (cells | absent).items())
    arrived = pl.col("success").fill_null(value=False)
    return made.select(pl.col(name).cast(dtype) for name, dtype in TRANSACTIONS.schema.items()).with_columns(
        # A fee is paid by what arrives; the 0 of a failure is no fee of 0.
        fee=pl.when(arrived & (pl.col("fee") >= 0)).then("fee")
    )


def _parsed(text: str | None) -> Any:
    """Return what a JSON cell holds, encoded once or, as in the source documents' files, twice."""
    try:
        value = orjson.loads(text or "null")
        return orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        return None


def _snapshot_states(snapshots: pl.DataFrame, dropped: Counter[str]) -> pl.DataFrame:
    if "channel_before" not in snapshots.columns:
        return pl.DataFrame(schema=CHANNEL_STATES.schema)
    rows = list(_snapshot_rows(snapshots, dropped))
    return _states(rows)


def _snapshot_rows(snapshots: pl.DataFrame, dropped: Counter[str]) -> Iterator[dict[str, Any]]:
    for world, time, text in snapshots.select("world", frames.times(pl.col("timestamp")), "channel_before").iter_rows():
        channels = _parsed(text)
        if not isinstance(channels, list):
            dropped["snapshots that are no list of channels"] += 1
            continue
        for channel in channels:
            if not isinstance(channel, dict):
                dropped["channels of a snapshot that are no object"] += 1
                continue
            same = ("channel_id", "node1", "node2", "capacity", "node1_balance", "node2_balance")
            yield {"world": world, "timestamp": time, **{name: channel.get(name) for name in same}}


def _states_of_payments(payments: pl.DataFrame, known: pl.DataFrame, dropped: Counter[str]) -> pl.DataFrame:
    """Return the states of channels that no snapshot tells of, as senders saw them before they paid.

    The two ends of such a channel are known when exactly two nodes have paid
    over it first, or one has and another was paid over it alone.
    """
    if "channel_before" not in payments.columns:
        return pl.DataFrame(schema=CHANNEL_STATES.schema)
    seen_in_snapshots = set(known.select("world", "channel_id").unique().iter_rows())
    rows = [row for row in _payment_rows(payments) if (row["world"], row["channel_id"]) not in seen_in_snapshots]
    ends: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        key = row["world"], row["channel_id"]
        ends.setdefault(key, set()).add(row["sender"])
        if row["alone"]:
            ends[key].add(row["receiver"])
    made = []
    for row in rows:
        both = ends[row["world"], row["channel_id"]]
        if len(both) != 2 or None in both:
            dropped["channel states of payments whose channel's two ends the file does not tell"] += 1
            continue
        (peer,) = both - {row["sender"]}
        made.append({**row, "node1": row["sender"], "node2": peer})
    return _states(made)


def _payment_rows(payments: pl.DataFrame) -> Iterator[dict[str, Any]]:
    there = payments.columns
    hops = frames.numbers(pl.col("route_length")) if "route_length" in there else pl.lit(None, pl.Float64)
    ends = [pl.col(name) if name in there else pl.lit(None, pl.String).alias(name) for name in ("sender", "receiver")]
    cells = payments.select("world", frames.times(pl.col("timestamp")), *ends, hops.alias("hops"), "channel_before")
    for world, time, sender, receiver, hop_count, text in cells.iter_rows():
        channel = _parsed(text) if text is not None else None
        if isinstance(channel, dict) and isinstance(channel.get("channel_id"), str | int):
            yield {
                "world": world,
                "timestamp": time,
                "channel_id": str(channel["channel_id"]),
                "sender": sender,
                "receiver": receiver,
                "alone": hop_count == 1,
                "capacity": channel.get("capacity"),
                "node1_balance": channel.get("local_balance"),
                "node2_balance": channel.get("remote_balance"),
            }


def _states(rows: list[dict[str, Any]]) -> pl.DataFrame:
    names = [column.name for column in CHANNEL_STATES.columns]
    text = [{name: _cell(row.get(name)) for name in names if name != "timestamp"} for row in rows]
    frame = pl.DataFrame(text, schema={name: pl.String for name in names if name != "timestamp"})
    times = pl.Series("timestamp", [row["timestamp"] for row in rows], dtype=TIME)
    typed = [
        pl.col(name) if name == "timestamp" else frames.typed(name, dtype)
        for name, dtype in CHANNEL_STATES.schema.items()
    ]
    return frame.with_columns(times).select(typed)


def _cell(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
