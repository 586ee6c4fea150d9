"""Recordings of the feed (`lightninglens/raw/1`) as transactions, attempts and channel states.

A file of bare feed messages, as a client of the feed may have kept them, is read
too. What cannot be read is left out and counted; a recording that was cut off
by a crash is read up to there.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
import polars as pl

from lightninglens.core.errors import DataError
from lightninglens.core.units import MSAT_PER_SAT
from lightninglens.lab.learning import frames
from lightninglens.lab.learning.collected import Collected, empty, join
from lightninglens.lab.learning.formats import ATTEMPTS, CHANNEL_STATES, TIME, TRANSACTIONS
from lightninglens.storage.files.tables import Table

FORMAT: Final = "lightninglens/raw/1"
MAX_LINE_BYTES: Final = 256 * 1024 * 1024
_US_PER_MS: Final = 1_000
_CHANNEL_NEWS: Final = ("state_update", "channel_update")

Rows = dict[str, list[Any]]


def is_recording(path: Path) -> bool:
    """Tell whether a file begins as a recording or with a message of the feed; raises DataError if unreadable."""
    try:
        with path.open("rb") as file:
            first = _parse(file.readline(MAX_LINE_BYTES))
    except OSError as problem:
        raise DataError(problem.strerror or str(problem), where=str(path)) from None
    return first is not None and (first.get("format") == FORMAT or isinstance(first.get("type"), str))


def read_recordings(paths: Sequence[Path]) -> Collected:
    """Return what recordings tell; those that go on where another ended are one world."""
    heads = sorted((_head(path), path.name, path) for path in paths)
    parts: list[_World] = []
    dropped: Counter[str] = Counter()
    for (_, world_ms), _, path in heads:
        if not parts or world_ms is None or world_ms < parts[-1].latest_ms:
            parts.append(_World(name=path.stem))
        parts[-1].read(path, dropped)
    found = join([part.collected() for part in parts]) if parts else empty()
    found.dropped += dropped
    return found


def _head(path: Path) -> tuple[int, int | None]:
    """Return when a recording was begun, and the world's time then; None for bare messages."""
    with path.open("rb") as file:
        first = _parse(file.readline(MAX_LINE_BYTES)) or {}
    started, world = first.get("started_ms"), first.get("world_ms")
    return (started if isinstance(started, int) else 0), (world if isinstance(world, int) else None)


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _rows(table: Table) -> Rows:
    return {column.name: [] for column in table.columns}


@dataclass(slots=True)
class _World:
    """What one world's recordings tell, row by row."""

    name: str
    latest_ms: int = 0
    lines: int = 0
    ids: dict[str, str] = field(default_factory=dict)
    """Node ids by name: the feed tells of each channel the id of its other end."""
    transactions: Rows = field(default_factory=lambda: _rows(TRANSACTIONS))
    attempts: Rows = field(default_factory=lambda: _rows(ATTEMPTS))
    states: Rows = field(default_factory=lambda: _rows(CHANNEL_STATES))
    newest: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def read(self, path: Path, dropped: Counter[str]) -> None:
        for line in _lines(path, dropped):
            self.lines += 1
            record = _parse(line)
            if record is None:
                dropped["lines that are no JSON object"] += 1
                continue
            message = record.get("message", record)
            if not isinstance(message, dict) or not isinstance(message.get("type"), str):
                dropped["lines without a message"] += 1
                continue
            world_ms = record.get("world_ms")
            if isinstance(world_ms, int) and world_ms >= self.latest_ms:
                self.latest_ms = world_ms
            self._take(message, world_ms if isinstance(world_ms, int) else None, dropped)

    def _take(self, message: dict[str, Any], world_ms: int | None, dropped: Counter[str]) -> None:
        kind, data = message["type"], message.get("data")
        if kind == "transaction":
            if not (isinstance(data, dict) and self._take_transaction(data)):
                dropped["transactions that are not of the feed's form"] += 1
        elif kind in _CHANNEL_NEWS:
            channels = data.get("channels") if kind == "state_update" and isinstance(data, dict) else data
            self._take_channels(channels, world_ms, dropped)
        else:
            dropped[f"messages about something else ({kind[:40]})"] += 1

    def _take_transaction(self, data: dict[str, Any]) -> bool:
        if not _is_number(data.get("amount")):
            return False
        log = data.get("attempt_log")
        payment_id = _text(data.get("payment_id"))
        payment_id = f"line {self.lines}" if payment_id is None else payment_id
        ends = {name: _text(data.get(name)) for name in ("sender", "receiver")}
        fee = data["fee_msat"] / MSAT_PER_SAT if _is_number(data.get("fee_msat")) else _number(data.get("fee"))
        row = {
            "payment_id": payment_id,
            "timestamp": _text(data.get("timestamp")),
            "duration_ms": _number(data.get("duration_ms")),
            "type": _text(data.get("type")) or "payment",
            **ends,
            "amount": _number(data.get("amount")),
            "fee": fee if data.get("success") is True else None,
            "route_length": _number(data.get("route_length")),
            "success": data["success"] if isinstance(data.get("success"), bool) else None,
            "attempts": len(log) if isinstance(log, list) else None,
            "failure_reason": _text(data.get("failure_reason")),
            "description": _text(data.get("description")),
        }
        self._append(self.transactions, row)
        for number, attempt in enumerate(log if isinstance(log, list) else [], start=1):
            if isinstance(attempt, dict):
                self._append(self.attempts, {"payment_id": payment_id, "number": number, **_attempt(attempt)})
        return True

    def _take_channels(self, channels: Any, world_ms: int | None, dropped: Counter[str]) -> None:
        if not isinstance(channels, dict) or world_ms is None:
            dropped["channel news without channels or time"] += 1
            return
        for node, entries in channels.items():
            for entry in entries if isinstance(entries, list) else []:
                if not isinstance(entry, dict) or not isinstance(entry.get("channel_id"), str):
                    dropped["channels that are not of the feed's form"] += 1
                    continue
                self._take_channel(node, entry, world_ms)

    def _take_channel(self, node: str, entry: dict[str, Any], world_ms: int) -> None:
        peer, peer_id = _text(entry.get("remote_node")), _text(entry.get("remote_pubkey"))
        if peer is not None and peer_id is not None:
            self.ids.setdefault(peer, peer_id)
        local, remote = _number(entry.get("local_balance")), _number(entry.get("remote_balance"))
        ends = [(node, local), (peer or "", remote)]
        (node1, balance1), (node2, balance2) = sorted(ends, key=lambda end: end[0])
        known = (_number(entry.get("capacity")), balance1, balance2)
        if self.newest.get(entry["channel_id"]) == known:
            return
        self.newest[entry["channel_id"]] = known
        row = {
            "timestamp": world_ms,
            "channel_id": entry["channel_id"],
            "node1": node1,
            "node2": node2,
            "capacity": known[0],
            "node1_balance": balance1,
            "node2_balance": balance2,
        }
        self._append(self.states, row)

    def _append(self, rows: Rows, row: dict[str, Any]) -> None:
        for name, values in rows.items():
            values.append(self.name if name == "world" else row.get(name))

    def collected(self) -> Collected:
        """Return the rows as frames, with node ids where they are known."""
        ended = frames.times(pl.col("timestamp"))
        duration = pl.duration(microseconds=(pl.col("duration_ms").fill_null(0.0) * _US_PER_MS).cast(pl.Int64))
        transactions = _frame(TRANSACTIONS, self.transactions, {"timestamp": pl.String()})
        attempts = _frame(ATTEMPTS, self.attempts, {"timestamp": pl.String(), "duration_ms": pl.String()})
        states = _frame(CHANNEL_STATES, self.states, {"timestamp": pl.Int64()})
        began = frames.times(pl.col("timestamp"))
        took = (frames.times(pl.col("duration_ms")) - began).dt.total_microseconds() / _US_PER_MS
        return Collected(
            transactions=transactions.with_columns(
                (ended - duration).alias("timestamp"), *self._ids("sender", "receiver")
            ),
            attempts=attempts.with_columns(began.alias("timestamp"), took.alias("duration_ms")),
            channel_states=states.with_columns(
                (pl.col("timestamp") * _US_PER_MS).cast(TIME).alias("timestamp"), *self._ids("node1", "node2")
            ),
            rows_in=self.lines,
        )

    def _ids(self, *names: str) -> list[pl.Expr]:
        return [
            pl.col(name).replace_strict(self.ids, default=None, return_dtype=pl.String).alias(f"{name}_id")
            for name in names
        ]


def _frame(table: Table, rows: Rows, raw: dict[str, pl.DataType]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={**table.schema, **raw}, strict=False)


def _attempt(attempt: dict[str, Any]) -> dict[str, Any]:
    """Return an attempt's cells; when it ended takes the place of how long it took until both are read as times."""
    return {
        "timestamp": _text(attempt.get("started")),
        "duration_ms": _text(attempt.get("ended")),
        "channel_ids": _list(attempt.get("channel_ids")),
        "node_ids": _list(attempt.get("nodes")),
        "hop_amounts_msat": _list(attempt.get("hop_amounts_msat")),
        "settled": attempt["settled"] if isinstance(attempt.get("settled"), bool) else None,
        "failed_hop": _number(attempt.get("failed_hop")),
        "code": _text(attempt.get("code")),
    }


def _lines(path: Path, dropped: Counter[str]) -> Iterator[bytes]:
    """Yield the lines of a file that are whole."""
    try:
        with path.open("rb") as file:
            while line := file.readline(MAX_LINE_BYTES):
                if not line.endswith(b"\n") and _parse(line) is None:
                    dropped["lines that were cut off"] += 1
                    return
                if line.strip():
                    yield line
    except OSError as problem:
        raise DataError(problem.strerror or str(problem), where=str(path)) from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**62


def _number(value: Any) -> int | float | None:
    return value if _is_number(value) else None


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, str) or _is_number(value) else None


def _list(values: Any) -> str | None:
    return " ".join(map(str, values)) if isinstance(values, list) else None
