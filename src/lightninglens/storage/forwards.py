"""What a node was asked to forward, in a SQLite database of its own: written in batches, each whole or not at all.

A batch is on disk when `write` returns: a killed process loses none of it, and a
power cut at most the last few. Raw attempts are kept for a time, sums for good.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from lightninglens.core.attempts import AttemptChanges, AttemptState, EstimatedPayment, FailureCause, ForwardAttempt
from lightninglens.core.channels import ChannelState
from lightninglens.core.errors import DataError, LensError
from lightninglens.core.forward_sums import SumKey, SumValues, sums_of
from lightninglens.core.forwards import Gap, GapReason
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import NS_PER_HOUR, UnixNs
from lightninglens.storage.costs import CostTables
from lightninglens.storage.files.codec import from_json, to_json
from lightninglens.storage.sqlite.store import SqliteStore

FORWARDS_FILE = "forwards.db"

_ID_RANGE = 2**64
_MOST_SIGNED = 2**63

_ATTEMPT = (
    "incoming_channel_id", "incoming_htlc_id", "outgoing_channel_id", "outgoing_htlc_id", "began_ns", "ended_ns",
    "state", "cause", "incoming_amount_msat", "outgoing_amount_msat", "outgoing_spendable_msat",
    "incoming_spendable_msat", "remaining_blocks", "payment",
)  # fmt: skip
_PAYMENT = (
    "number", "incoming_channel_id", "outgoing_channel_id", "began_ns", "latest_ns", "attempts", "amount_msat",
    "fee_msat", "settled_msat", "settled_fee_msat", "state", "cause", "refused_here", "failed_downstream",
    "outgoing_spendable_msat", "incoming_spendable_msat", "remaining_blocks", "elsewhere_fee_msat", "probing", "closed",
)  # fmt: skip
_CHANNEL_IDS = frozenset({"incoming_channel_id", "outgoing_channel_id"})
_NEXT_PAYMENT = "next_payment"


def _upsert(table: str, columns: Sequence[str], keys: Sequence[str], change: Callable[[str], str]) -> str:
    """Return SQL that writes a row, or changes the one of the same key."""
    changed = ", ".join(change(each) for each in columns if each not in keys)
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - names
        f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changed}"
    )


_WRITE_ATTEMPT = _upsert("attempts", _ATTEMPT, _ATTEMPT[:2], lambda name: f"{name} = excluded.{name}")
_WRITE_PAYMENT = _upsert("payments", _PAYMENT, _PAYMENT[:1], lambda name: f"{name} = excluded.{name}")
_WRITE_SUM = _upsert(
    "sums", (*SumKey._fields, *SumValues._fields), SumKey._fields, lambda name: f"{name} = {name} + excluded.{name}"
)
_WRITE_NUMBER = _upsert("numbers", ("name", "value"), ("name",), lambda name: f"{name} = max({name}, excluded.{name})")
_WRITE_CHANNEL = _upsert(
    "channels", ("channel_id", "seen_ns", "peer_id", "body"), ("channel_id",), lambda name: f"{name} = excluded.{name}"
)
_BALANCE = ("hour", "channel_id", "local_msat", "remote_msat", "outbound_msat", "inbound_msat", "active")
_WRITE_BALANCE = _upsert("balances", _BALANCE, _BALANCE[:2], lambda name: f"{name} = excluded.{name}")
_WRITE_COVERED = _upsert("covered", ("from_ns", "to_ns"), ("from_ns",), lambda name: f"{name} = excluded.{name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is written at once."""

    changes: AttemptChanges
    next_payment: int
    """The first number that no payment has yet."""
    covered: tuple[int, int] | None = None
    """From when, of this connection, until when everything was seen."""
    gaps: tuple[Gap, ...] = ()
    channels: tuple[ChannelState, ...] = ()
    """A look at all channels, if there was one."""
    seen_ns: int = 0
    """When that was."""


class ForwardStore(SqliteStore):
    """The database at `path`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, schema="forwards", durability="normal")
        self.costs = CostTables(self._engine, path)
        """What channels earned and cost, in the same database."""

    def write(self, batch: Batch) -> None:
        """Write a batch, whole or not at all; raises LensError when the disk refuses."""
        changes = batch.changes
        sums = sums_of(changes.ended, changes.closed, {})
        over = [(each.number,) for each in changes.payments.values() if each.closed and not each.refused_here]
        kept = [each for each in changes.payments.values() if not each.closed or each.refused_here]
        rows: list[tuple[str, list[tuple[Any, ...]]]] = [
            (_WRITE_ATTEMPT, [_row(each, _ATTEMPT) for each in changes.attempts.values()]),
            (_WRITE_PAYMENT, [_row(each, _PAYMENT) for each in kept]),
            ("DELETE FROM payments WHERE number = ?", over),
            (_WRITE_SUM, [(key.hour, *map(_signed, key[1:3]), *key[3:], *values) for key, values in sums.items()]),
            (_WRITE_NUMBER, [(_NEXT_PAYMENT, batch.next_payment)]),
            (_WRITE_COVERED, [batch.covered] if batch.covered else []),
            (_WRITE_CHANNEL, [_channel_row(each, batch.seen_ns) for each in batch.channels]),
            (_WRITE_BALANCE, [_balance_row(each, batch.seen_ns) for each in batch.channels]),
        ]
        try:
            with self._engine.begin() as connection:
                for statement, values in rows:
                    if values:
                        connection.exec_driver_sql(statement, values)
                for gap in batch.gaps:
                    connection.exec_driver_sql(
                        "INSERT INTO gaps (from_ns, to_ns, reason, detail, lost, forwards) VALUES (?, ?, ?, ?, ?, ?)",
                        (gap.from_ns, gap.to_ns, gap.reason.value, gap.detail, gap.lost, _count(gap)),
                    )
        except sa.exc.DatabaseError as problem:
            raise LensError(
                f"{self._path}: what was forwarded cannot be written ({problem.orig}); what was written before is safe"
            ) from None

    def attempt(self, key: tuple[ChannelId, int]) -> ForwardAttempt | None:
        """Return an attempt by its channel and number; raises DataError."""
        query = f"SELECT {', '.join(_ATTEMPT)} FROM attempts WHERE incoming_channel_id = ? AND incoming_htlc_id = ?"  # noqa: S608
        found = self._read(query, (_signed(key[0]), key[1]))
        return _attempt(found[0]) if found else None

    def highest_htlc_id(self, incoming_channel_id: ChannelId) -> int:
        """Return the highest number of an HTLC that came by a channel, -1 where none did; raises DataError."""
        query = "SELECT max(incoming_htlc_id) FROM attempts WHERE incoming_channel_id = ?"
        found = self._read(query, (_signed(incoming_channel_id),))[0][0]
        return -1 if found is None else int(found)

    def newest(self, limit: int, *, before: int | None = None) -> list[tuple[int, ForwardAttempt]]:
        """Return attempts with their numbers, newest first; raises DataError."""
        query = (
            f"SELECT sequence, {', '.join(_ATTEMPT)} FROM attempts WHERE sequence < ?"  # noqa: S608 - names
            " ORDER BY sequence DESC LIMIT ?"
        )
        rows = self._read(query, (_MOST_SIGNED - 1 if before is None else before, limit))
        return [(row[0], _attempt(row[1:])) for row in rows]

    def oldest(self, limit: int, *, after: int = 0) -> list[tuple[int, ForwardAttempt]]:
        """Return attempts with their numbers, in the order in which they were first written; raises DataError."""
        query = (
            f"SELECT sequence, {', '.join(_ATTEMPT)} FROM attempts WHERE sequence > ?"  # noqa: S608 - names
            " ORDER BY sequence LIMIT ?"
        )
        return [(row[0], _attempt(row[1:])) for row in self._read(query, (after, limit))]

    def refused_at(self, channel_id: ChannelId, *, since_ns: int, until_ns: int, limit: int) -> list[ForwardAttempt]:
        """Return what our node refused to send out over a channel, newest first; raises DataError."""
        query = (
            f"SELECT {', '.join(_ATTEMPT)} FROM attempts WHERE outgoing_channel_id = ? AND state = 3"  # noqa: S608
            " AND began_ns >= ? AND began_ns < ? ORDER BY began_ns DESC LIMIT ?"
        )
        return [_attempt(row) for row in self._read(query, (_signed(channel_id), since_ns, until_ns, limit))]

    def refused_payments(self, *, since_ns: int, until_ns: int) -> list[EstimatedPayment]:
        """Return the payments that began in a time and were refused here at least once, oldest first."""
        query = (
            f"SELECT {', '.join(_PAYMENT)} FROM payments WHERE began_ns >= ? AND began_ns < ?"  # noqa: S608
            " AND refused_here > 0 ORDER BY began_ns"
        )
        return [_payment(row) for row in self._read(query, (since_ns, until_ns))]

    def sums(self, *, since_ns: int, until_ns: int, by_hour: bool = False) -> list[tuple[SumKey, SumValues]]:
        """Return sums over the whole hours that a time touches; each hour by itself, or all under hour 0."""
        hour = "hour" if by_hour else "0"
        totals = ", ".join(f"SUM({name})" for name in SumValues._fields)
        key = f"{hour}, {', '.join(SumKey._fields[1:])}"
        group = ", ".join(SumKey._fields[0 if by_hour else 1 :])
        query = f"SELECT {key}, {totals} FROM sums WHERE hour >= ? AND hour < ? GROUP BY {group}"  # noqa: S608 - names
        rows = self._read(query, (since_ns // NS_PER_HOUR, -(-until_ns // NS_PER_HOUR)))
        return [(SumKey(row[0], _channel(row[1]), _channel(row[2]), *row[3:7]), SumValues(*row[7:])) for row in rows]

    def covered(self, *, since_ns: int, until_ns: int) -> list[tuple[int, int]]:
        """Return the times in which everything was seen, cut to a window, oldest first."""
        rows = self._read(
            "SELECT from_ns, to_ns FROM covered WHERE to_ns > ? AND from_ns < ? ORDER BY from_ns", (since_ns, until_ns)
        )
        return [(max(begin, since_ns), min(end, until_ns)) for begin, end in rows]

    def gaps(self, *, since_ns: int, until_ns: int) -> list[Gap]:
        """Return the gaps that reach into a window, oldest first; their forwards are counted, not kept here."""
        query = "SELECT from_ns, to_ns, reason, detail, lost FROM gaps WHERE to_ns > ? AND from_ns < ? ORDER BY from_ns"
        return [
            Gap(from_ns=UnixNs(row[0]), to_ns=UnixNs(row[1]), reason=GapReason(row[2]), detail=row[3], lost=row[4])
            for row in self._read(query, (since_ns, until_ns))
        ]

    def channels(self) -> list[tuple[int, ChannelState]]:
        """Return every channel as last seen, with when that was."""
        return [
            (row[0], from_json(ChannelState, row[1].encode(), where=str(self._path)))
            for row in self._read("SELECT seen_ns, body FROM channels ORDER BY channel_id", ())
        ]

    def peers(self) -> dict[ChannelId, str]:
        """Return who was at the other end of every channel that was ever seen."""
        rows = self._read("SELECT channel_id, peer_id FROM channels", ())
        return {_channel(channel_id): peer_id for channel_id, peer_id in rows}

    def unresolved(self) -> list[ForwardAttempt]:
        """Return the attempts of which nobody has seen how they ended."""
        query = f"SELECT {', '.join(_ATTEMPT)} FROM attempts WHERE state IN (0, 4) ORDER BY sequence"  # noqa: S608
        return [_attempt(row) for row in self._read(query, ())]

    def open_payments(self) -> list[EstimatedPayment]:
        """Return the payments that were open when the last batch was written."""
        query = f"SELECT {', '.join(_PAYMENT)} FROM payments WHERE closed = 0 ORDER BY number"  # noqa: S608 - names
        return [_payment(row) for row in self._read(query, ())]

    def covered_until_ns(self) -> int | None:
        """Return until when anything was seen; None when nothing ever was."""
        return self._read("SELECT max(to_ns) FROM covered", ())[0][0]  # type: ignore[no-any-return]

    def next_payment(self) -> int:
        """Return the first number that no payment has yet."""
        rows = self._read("SELECT value FROM numbers WHERE name = ?", (_NEXT_PAYMENT,))
        return int(rows[0][0]) if rows else 1

    def forget(self, *, before_ns: int) -> int:
        """Delete the raw attempts and refused payments that began before a time; returns how many. Sums stay."""
        try:
            with self._engine.begin() as connection:
                first = connection.exec_driver_sql(
                    "SELECT min(sequence) FROM attempts WHERE began_ns >= ?", (before_ns,)
                ).scalar()
                last = connection.exec_driver_sql("SELECT max(sequence) FROM attempts").scalar()
                limit = first if first is not None else (last or 0) + 1
                gone = connection.exec_driver_sql("DELETE FROM attempts WHERE sequence < ?", (limit,)).rowcount
                gone += connection.exec_driver_sql("DELETE FROM payments WHERE began_ns < ?", (before_ns,)).rowcount
        except sa.exc.DatabaseError as problem:
            raise LensError(f"{self._path}: old attempts cannot be deleted ({problem.orig})") from None
        return int(gone)

    def _read(self, query: str, values: tuple[Any, ...]) -> Sequence[Any]:
        try:
            with self._engine.connect() as connection:
                return connection.exec_driver_sql(query, values).fetchall()
        except sa.exc.DatabaseError as problem:
            raise DataError(f"what was forwarded cannot be read ({problem.orig})", where=str(self._path)) from None


def _signed(channel_id: int) -> int:
    return channel_id - _ID_RANGE if channel_id >= _MOST_SIGNED else int(channel_id)


def _channel(signed: int) -> ChannelId:
    return ChannelId(signed % _ID_RANGE)


def _row(record: ForwardAttempt | EstimatedPayment, names: Iterable[str]) -> tuple[Any, ...]:
    return tuple(
        _signed(value) if name in _CHANNEL_IDS else (None if value is None else int(value))
        for name in names
        for value in (getattr(record, name),)
    )


def _attempt(row: Sequence[Any]) -> ForwardAttempt:
    values = dict(zip(_ATTEMPT, row, strict=True))
    values |= {name: _channel(values[name]) for name in _CHANNEL_IDS}
    values |= {"state": AttemptState(values["state"]), "cause": FailureCause(values["cause"])}
    return ForwardAttempt(**values)


def _payment(row: Sequence[Any]) -> EstimatedPayment:
    values = dict(zip(_PAYMENT, row, strict=True))
    values |= {name: _channel(values[name]) for name in _CHANNEL_IDS}
    values |= {"state": AttemptState(values["state"]), "cause": FailureCause(values["cause"])}
    values |= {name: bool(values[name]) for name in ("probing", "closed")}
    return EstimatedPayment(**values)


def _channel_row(state: ChannelState, seen_ns: int) -> tuple[Any, ...]:
    return _signed(state.channel_id), seen_ns, str(state.peer_id), to_json(state).decode()


def _balance_row(state: ChannelState, seen_ns: int) -> tuple[Any, ...]:
    amounts = (state.local_msat, state.remote_msat, state.outbound_msat, state.inbound_msat)
    return seen_ns // NS_PER_HOUR, _signed(state.channel_id), *amounts, int(state.active)


def _count(gap: Gap) -> int | None:
    return None if gap.forwards is None else len(gap.forwards)
