"""What a node was asked to forward, in a SQLite database of its own: written in batches, each whole or not at all.

A batch is on disk when `write` returns: a killed process loses none of it, and a
power cut at most the last few. Raw attempts are kept for a time, sums for longer.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from lightninglens.core.attempts import AttemptChanges, AttemptState, EstimatedPayment, FailureCause, ForwardAttempt
from lightninglens.core.channels import ChannelState
from lightninglens.core.errors import DataError, LensError
from lightninglens.core.forward_sums import SumKey, SumValues, sums_of
from lightninglens.core.forward_tables import Recorded
from lightninglens.core.forwards import Gap, GapReason
from lightninglens.core.ids import ChannelId, signed, unsigned
from lightninglens.core.units import NS_PER_HOUR, UnixNs
from lightninglens.storage.costs import CostTables
from lightninglens.storage.files.codec import from_json, to_json
from lightninglens.storage.forward_packs import forget_packs, pack_over, recorded
from lightninglens.storage.sqlite.engine import READ_ONLY
from lightninglens.storage.sqlite.store import SqliteStore

FORWARDS_FILE = "forwards.db"

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
_NONSENSE = (ArithmeticError, AttributeError, TypeError, ValueError)
"""What comes of a row that is damaged: SQLite gives back whatever is there."""

Record = TypeVar("Record")


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
            (_WRITE_SUM, [(key.hour, *map(signed, key[1:3]), *key[3:], *values) for key, values in sums.items()]),
            (_WRITE_NUMBER, [(_NEXT_PAYMENT, batch.next_payment)]),
            (_WRITE_COVERED, [batch.covered] if batch.covered else []),
            (_WRITE_CHANNEL, [_channel_row(each, batch.seen_ns) for each in batch.channels]),
            (_WRITE_BALANCE, [_balance_row(each, batch.seen_ns) for each in batch.channels]),
        ]
        with self._changing("what was forwarded cannot be written") as connection:
            for statement, values in rows:
                if values:
                    connection.exec_driver_sql(statement, values)
            for gap in batch.gaps:
                connection.exec_driver_sql(
                    "INSERT INTO gaps (from_ns, to_ns, reason, detail, lost, forwards) VALUES (?, ?, ?, ?, ?, ?)",
                    (gap.from_ns, gap.to_ns, gap.reason.value, gap.detail, gap.lost, _count(gap)),
                )

    def attempt(self, key: tuple[ChannelId, int]) -> ForwardAttempt | None:
        """Return an attempt by its channel and number; raises DataError."""
        query = f"SELECT {', '.join(_ATTEMPT)} FROM attempts WHERE incoming_channel_id = ? AND incoming_htlc_id = ?"  # noqa: S608
        found = self._read(query, (signed(key[0]), key[1]), _attempt)
        return found[0] if found else None

    def ended(self, _key: tuple[ChannelId, int]) -> bool:
        """Return False: what has ended is kept as a whole."""
        return False

    def highest_htlc_id(self, incoming_channel_id: ChannelId) -> int:
        """Return the highest number of an HTLC that came by a channel, -1 where none did; raises DataError."""
        query = "SELECT ifnull(max(incoming_htlc_id), -1) FROM attempts WHERE incoming_channel_id = ?"
        return self._read(query, (signed(incoming_channel_id),), _number)[0]

    def newest(self, limit: int, *, before: int | None = None) -> list[tuple[int, ForwardAttempt]]:
        """Return attempts with their numbers, newest first; raises DataError."""
        query = (
            f"SELECT sequence, {', '.join(_ATTEMPT)} FROM attempts WHERE sequence < ?"  # noqa: S608 - names
            " ORDER BY sequence DESC LIMIT ?"
        )
        limits = (_MOST_SIGNED - 1 if before is None else before, limit)
        return self._read(query, limits, lambda row: (row[0], _attempt(row[1:])))

    def oldest(self, limit: int, *, after: int = 0) -> list[tuple[int, ForwardAttempt]]:
        """Return attempts with their numbers, in the order in which they were first written; raises DataError."""
        query = (
            f"SELECT sequence, {', '.join(_ATTEMPT)} FROM attempts WHERE sequence > ?"  # noqa: S608 - names
            " ORDER BY sequence LIMIT ?"
        )
        return self._read(query, (after, limit), lambda row: (row[0], _attempt(row[1:])))

    def refused_at(self, channel_id: ChannelId, *, since_ns: int, until_ns: int, limit: int) -> list[ForwardAttempt]:
        """Return what our node refused to send out over a channel, newest first; raises DataError."""
        query = (
            f"SELECT {', '.join(_ATTEMPT)} FROM attempts WHERE outgoing_channel_id = ? AND state = 3"  # noqa: S608
            " AND began_ns >= ? AND began_ns < ? ORDER BY began_ns DESC LIMIT ?"
        )
        return self._read(query, (signed(channel_id), since_ns, until_ns, limit), _attempt)

    def peers(self) -> dict[ChannelId, str]:
        """Return who was at the other end of every channel that was ever seen; raises DataError."""
        query = "SELECT channel_id, peer_id FROM channels"
        return dict(self._read(query, (), lambda row: (unsigned(row[0]), str(row[1]))))

    def recorded(self, *, since_ns: int, until_ns: int) -> Recorded:
        """Return what an analysis of a time is made of; raises DataError.

        Sums are of the whole hours that the time touches, and of whole days where no
        hours are kept any more.
        """
        peers = self.peers()
        with self._reading() as connection:
            return recorded(connection, peers, since_ns=since_ns, until_ns=until_ns)

    def covered(self, *, since_ns: int, until_ns: int) -> list[tuple[int, int]]:
        """Return the times in which everything was seen, cut to a window, oldest first."""
        query = "SELECT from_ns, to_ns FROM covered WHERE to_ns > ? AND from_ns < ? ORDER BY from_ns"
        return self._read(query, (since_ns, until_ns), lambda row: (max(row[0], since_ns), min(row[1], until_ns)))

    def gaps(self, *, since_ns: int, until_ns: int) -> list[Gap]:
        """Return the gaps that reach into a window, oldest first; their forwards are counted, not kept here."""
        query = "SELECT from_ns, to_ns, reason, detail, lost FROM gaps WHERE to_ns > ? AND from_ns < ? ORDER BY from_ns"
        return self._read(query, (since_ns, until_ns), _gap)

    def channels(self) -> list[tuple[int, ChannelState]]:
        """Return every channel as last seen, with when that was."""
        return self._read(
            "SELECT seen_ns, body FROM channels ORDER BY channel_id",
            (),
            lambda row: (row[0], from_json(ChannelState, row[1].encode(), where=str(self._path))),
        )

    def unresolved(self) -> list[ForwardAttempt]:
        """Return the attempts of which nobody has seen how they ended."""
        query = f"SELECT {', '.join(_ATTEMPT)} FROM attempts WHERE state IN (0, 4) ORDER BY sequence"  # noqa: S608
        return self._read(query, (), _attempt)

    def open_payments(self) -> list[EstimatedPayment]:
        """Return the payments that were open when the last batch was written."""
        query = f"SELECT {', '.join(_PAYMENT)} FROM payments WHERE closed = 0 ORDER BY number"  # noqa: S608 - names
        return self._read(query, (), _payment)

    def covered_until_ns(self) -> int | None:
        """Return until when anything was seen; None when nothing ever was."""
        found = self._read("SELECT to_ns FROM covered ORDER BY to_ns DESC LIMIT 1", (), _number)
        return found[0] if found else None

    def next_payment(self) -> int:
        """Return the first number that no payment has yet."""
        found = self._read("SELECT value FROM numbers WHERE name = ?", (_NEXT_PAYMENT,), _number)
        return found[0] if found else 1

    def pack(self, *, now_ns: int) -> None:
        """Pack the hours and days that are over, so that they take little and are read at once; raises LensError."""
        more = True
        while more:
            with self._changing("what is over cannot be packed") as connection:
                more = pack_over(connection, now_ns // NS_PER_HOUR)

    def forget(self, *, before_ns: int) -> int:
        """Delete the raw attempts and refused payments that began before a time; returns how many rows. Sums stay."""
        with self._changing("old attempts cannot be deleted") as connection:
            first = connection.exec_driver_sql(
                "SELECT min(sequence) FROM attempts WHERE began_ns >= ?", (before_ns,)
            ).scalar()
            last = connection.exec_driver_sql("SELECT max(sequence) FROM attempts").scalar()
            limit = first if first is not None else (last or 0) + 1
            gone = connection.exec_driver_sql("DELETE FROM attempts WHERE sequence < ?", (limit,)).rowcount
            gone += connection.exec_driver_sql("DELETE FROM payments WHERE began_ns < ?", (before_ns,)).rowcount
            forget_packs(connection, before_hour=before_ns // NS_PER_HOUR)
        return int(gone)

    def _read(self, query: str, values: tuple[Any, ...], make: Callable[[Sequence[Any]], Record]) -> list[Record]:
        with self._reading() as connection:
            return [make(row) for row in connection.exec_driver_sql(query, values).fetchall()]

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """One state of the file, whatever is written meanwhile, and without holding up who writes."""
        try:
            with self._engine.connect().execution_options(**READ_ONLY) as connection:
                yield connection
        except sa.exc.DatabaseError as problem:
            raise DataError(f"what was forwarded cannot be read ({problem.orig})", where=str(self._path)) from None
        except _NONSENSE as problem:
            raise self._damaged(problem) from None

    @contextmanager
    def _changing(self, what: str) -> Iterator[sa.Connection]:
        """One transaction, whole or not at all."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except sa.exc.DatabaseError as problem:
            raise LensError(f"{self._path}: {what} ({problem.orig}); what was written before is safe") from None
        except _NONSENSE as problem:
            raise self._damaged(problem) from None

    def _damaged(self, problem: Exception) -> DataError:
        return DataError(
            f"a record is damaged ({problem}). The file was left as it is: restore a backup, or move it and its -wal"
            " and -shm files aside and begin anew",
            where=str(self._path),
        )


def _row(record: ForwardAttempt | EstimatedPayment, names: Iterable[str]) -> tuple[Any, ...]:
    return tuple(
        signed(value) if name in _CHANNEL_IDS else (None if value is None else int(value))
        for name in names
        for value in (getattr(record, name),)
    )


def _attempt(row: Sequence[Any]) -> ForwardAttempt:
    values = dict(zip(_ATTEMPT, row, strict=True))
    values |= {name: unsigned(values[name]) for name in _CHANNEL_IDS}
    values |= {"state": AttemptState(values["state"]), "cause": FailureCause(values["cause"])}
    return ForwardAttempt(**values)


def _payment(row: Sequence[Any]) -> EstimatedPayment:
    values = dict(zip(_PAYMENT, row, strict=True))
    values |= {name: unsigned(values[name]) for name in _CHANNEL_IDS}
    values |= {"state": AttemptState(values["state"]), "cause": FailureCause(values["cause"])}
    values |= {name: bool(values[name]) for name in ("probing", "closed")}
    return EstimatedPayment(**values)


def _number(row: Sequence[Any]) -> int:
    return int(row[0])


def _gap(row: Sequence[Any]) -> Gap:
    return Gap(from_ns=UnixNs(row[0]), to_ns=UnixNs(row[1]), reason=GapReason(row[2]), detail=row[3], lost=row[4])


def _channel_row(state: ChannelState, seen_ns: int) -> tuple[Any, ...]:
    return signed(state.channel_id), seen_ns, str(state.peer_id), to_json(state).decode()


def _balance_row(state: ChannelState, seen_ns: int) -> tuple[Any, ...]:
    amounts = (state.local_msat, state.remote_msat, state.outbound_msat, state.inbound_msat)
    return seen_ns // NS_PER_HOUR, signed(state.channel_id), *amounts, int(state.active)


def _count(gap: Gap) -> int | None:
    return None if gap.forwards is None else len(gap.forwards)
