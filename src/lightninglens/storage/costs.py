"""What channels earned and cost by the node's own books, in the database of what was forwarded.

Everything here can be read from the node again: writing it twice changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from lightninglens.core.costs import BalanceSum, CostKind, HourSum, OnChainCost, SelfPayment, SettledSum
from lightninglens.core.errors import DataError, LensError
from lightninglens.core.ids import NodeId, signed, unsigned
from lightninglens.core.node import ClosedChannel
from lightninglens.core.units import NS_PER_HOUR, Msat, UnixNs
from lightninglens.storage.files.codec import from_json, to_json
from lightninglens.storage.sqlite.engine import READ_ONLY

_WRITE_PAYMENT = (
    "INSERT INTO self_payments"
    " (payment_hash, part, settled_ns, outgoing_channel_id, incoming_channel_id, amount_msat, fee_msat)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_WRITE_COST = (
    "INSERT INTO on_chain_costs"
    " (channel_point, kind, channel_id, peer_id, transaction_id, at_ns, fee_msat, unknown)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (channel_point, kind) DO UPDATE SET"
    " channel_id = excluded.channel_id, transaction_id = excluded.transaction_id, at_ns = excluded.at_ns,"
    " fee_msat = excluded.fee_msat, unknown = excluded.unknown WHERE excluded.fee_msat IS NOT NULL"
)
_WRITE_CLOSED = "INSERT INTO closed_channels (channel_id, body) VALUES (?, ?) ON CONFLICT DO NOTHING"
_WRITE_SETTLED = (
    "INSERT INTO settled_hours (hour, incoming_channel_id, outgoing_channel_id, forwards, amount_msat, fee_msat)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_WRITE_NUMBER = (
    "INSERT INTO numbers (name, value) VALUES (?, ?)"
    " ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)"
)
_PAYMENTS_NS, _HEIGHT, _SETTLED_NS = "self_payments_ns", "costs_height", "settled_hours_ns"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostsRead:
    """How far the node's books were read."""

    self_payments_ns: int
    """Payments that began before are known; 0 where none was ever read, as for the next field."""
    height: int
    """Up to which block the costs on the chain are known."""
    settled_ns: int
    """Until when the forwards that settled are known."""


class CostTables:
    """The tables, through a store's own engine."""

    def __init__(self, engine: sa.Engine, path: Path) -> None:
        self._engine = engine
        self._path = path

    def write_self_payments(self, payments: Iterable[SelfPayment], *, read_ns: int | None = None) -> None:
        """Write payments to oneself; `read_ns`: all that began before is written now. Raises LensError."""
        rows = [
            (
                each.payment_hash,
                each.part,
                each.settled_ns,
                signed(each.outgoing_channel_id),
                signed(each.incoming_channel_id),
                each.amount_msat,
                each.fee_msat,
            )
            for each in payments
        ]
        self._write((_WRITE_PAYMENT, rows), (_WRITE_NUMBER, [(_PAYMENTS_NS, read_ns)] if read_ns is not None else []))

    def write_on_chain(self, costs: Iterable[OnChainCost], closed: Iterable[ClosedChannel], *, height: int) -> None:
        """Write what is known up to a block. A fee that was known stays known. Raises LensError."""
        rows = [
            (
                each.channel_point,
                each.kind.value,
                signed(each.channel_id),
                each.peer_id,
                each.transaction_id,
                each.at_ns,
                each.fee_msat,
                each.unknown,
            )
            for each in costs
        ]
        gone = [(signed(each.channel_id), to_json(each).decode()) for each in closed]
        self._write((_WRITE_COST, rows), (_WRITE_CLOSED, gone), (_WRITE_NUMBER, [(_HEIGHT, height)]))

    def write_settled(self, sums: Iterable[SettledSum], *, from_hour: int, until_ns: int) -> None:
        """Write what settled from an hour on until a time, in place of what was known of it; raises LensError."""
        rows = [(each.hour, signed(each[1]), signed(each[2]), *each[3:]) for each in sums]
        self._write(
            ("DELETE FROM settled_hours WHERE hour >= ?", [(from_hour,)]),
            (_WRITE_SETTLED, rows),
            (_WRITE_NUMBER, [(_SETTLED_NS, until_ns)]),
        )

    def read_until(self) -> CostsRead:
        """Return how far the node's books were read; raises DataError."""
        found = dict(self._read("SELECT name, value FROM numbers"))
        return CostsRead(
            self_payments_ns=found.get(_PAYMENTS_NS, 0),
            height=found.get(_HEIGHT, 0),
            settled_ns=found.get(_SETTLED_NS, 0),
        )

    def self_payments(self, *, since_ns: int, until_ns: int) -> list[SelfPayment]:
        """Return the payments to oneself that settled in a time, oldest first; raises DataError."""
        rows = self._read(
            "SELECT payment_hash, part, settled_ns, outgoing_channel_id, incoming_channel_id, amount_msat, fee_msat"
            " FROM self_payments WHERE settled_ns >= ? AND settled_ns < ? ORDER BY settled_ns",
            (since_ns, until_ns),
        )
        return [
            SelfPayment(
                payment_hash=row[0],
                part=row[1],
                settled_ns=UnixNs(row[2]),
                outgoing_channel_id=unsigned(row[3]),
                incoming_channel_id=unsigned(row[4]),
                amount_msat=Msat(row[5]),
                fee_msat=Msat(row[6]),
            )
            for row in rows
        ]

    def on_chain(self, *, since_ns: int, until_ns: int) -> list[OnChainCost]:
        """Return what channels cost on the chain in a time, oldest first; raises DataError."""
        rows = self._read(
            "SELECT channel_point, kind, channel_id, peer_id, transaction_id, at_ns, fee_msat, unknown"
            " FROM on_chain_costs WHERE at_ns >= ? AND at_ns < ? ORDER BY at_ns, channel_point",
            (since_ns, until_ns),
        )
        return [
            OnChainCost(
                channel_point=row[0],
                kind=CostKind(row[1]),
                channel_id=unsigned(row[2]),
                peer_id=NodeId(row[3]),
                transaction_id=row[4],
                at_ns=UnixNs(row[5]),
                fee_msat=None if row[6] is None else Msat(row[6]),
                unknown=row[7],
            )
            for row in rows
        ]

    def closed_channels(self) -> list[ClosedChannel]:
        """Return the channels that the node once had; raises DataError."""
        rows = self._read("SELECT body FROM closed_channels ORDER BY channel_id")
        return [from_json(ClosedChannel, row[0].encode(), where=str(self._path)) for row in rows]

    def settled(self, *, since_ns: int, until_ns: int) -> list[SettledSum]:
        """Return what settled in the whole hours that a time touches, by pair of channels; raises DataError."""
        rows = self._read(
            "SELECT 0, incoming_channel_id, outgoing_channel_id, SUM(forwards), SUM(amount_msat), SUM(fee_msat)"
            " FROM settled_hours WHERE hour >= ? AND hour < ? GROUP BY incoming_channel_id, outgoing_channel_id",
            _hours(since_ns, until_ns),
        )
        return [SettledSum(row[0], unsigned(row[1]), unsigned(row[2]), *row[3:]) for row in rows]

    def settled_by_hour(self, *, since_ns: int, until_ns: int) -> list[HourSum]:
        """Return what settled in each of the whole hours that a time touches; raises DataError."""
        rows = self._read(
            "SELECT hour, SUM(forwards), SUM(amount_msat), SUM(fee_msat) FROM settled_hours"
            " WHERE hour >= ? AND hour < ? GROUP BY hour",
            _hours(since_ns, until_ns),
        )
        return [HourSum(*row) for row in rows]

    def balances(self, *, since_ns: int, until_ns: int) -> list[BalanceSum]:
        """Return what was seen of each channel's balance in the hours that a time touches; raises DataError."""
        rows = self._read(
            "SELECT channel_id, COUNT(*), SUM(active), SUM(local_msat) FROM balances"
            " WHERE hour >= ? AND hour < ? GROUP BY channel_id",
            _hours(since_ns, until_ns),
        )
        return [BalanceSum(unsigned(row[0]), *row[1:]) for row in rows]

    def _write(self, *statements: tuple[str, Sequence[tuple[Any, ...]]]) -> None:
        try:
            with self._engine.begin() as connection:
                for statement, rows in statements:
                    if rows:
                        connection.exec_driver_sql(statement, list(rows))
        except sa.exc.DatabaseError as problem:
            raise LensError(f"{self._path}: what channels cost cannot be written ({problem.orig})") from None

    def _read(self, query: str, values: tuple[Any, ...] = ()) -> Sequence[Any]:
        try:
            with self._engine.connect().execution_options(**READ_ONLY) as connection:
                return connection.exec_driver_sql(query, values).fetchall()
        except sa.exc.DatabaseError as problem:
            raise DataError(f"what channels cost cannot be read ({problem.orig})", where=str(self._path)) from None


def _hours(since_ns: int, until_ns: int) -> tuple[int, int]:
    return since_ns // NS_PER_HOUR, -(-until_ns // NS_PER_HOUR)
