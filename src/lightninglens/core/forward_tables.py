"""Sums and refused payments as tables: columns of equal length over a list of channels, joined and merged at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.attempts import AttemptState, EstimatedPayment, FailureCause
from lightninglens.core.forward_sums import MOST_BUCKET, UNKNOWN_DISTANCE, SumKey, SumValues, distance_of
from lightninglens.core.ids import ChannelId, signed


class Sums(NamedTuple):
    """Sums as columns of equal length; channels are rows of a list."""

    hour: NDArray[np.int64]
    """The first hour of what was summed: of an hour, of a day, or of all that is known."""
    incoming: NDArray[np.int64]
    outgoing: NDArray[np.int64]
    bucket: NDArray[np.int64]
    distance: NDArray[np.int64]
    state: NDArray[np.int64]
    cause: NDArray[np.int64]
    attempts: NDArray[np.int64]
    amount_msat: NDArray[np.int64]
    fee_msat: NDArray[np.int64]
    payments: NDArray[np.int64]
    payment_amount_msat: NDArray[np.int64]
    payment_fee_msat: NDArray[np.int64]
    held_ns: NDArray[np.int64]


class Refused(NamedTuple):
    """Payments of which our node refused at least one attempt, oldest first, as columns of equal length."""

    incoming: NDArray[np.int64]
    outgoing: NDArray[np.int64]
    began_ns: NDArray[np.int64]
    amount_msat: NDArray[np.int64]
    fee_msat: NDArray[np.int64]
    cause: NDArray[np.int64]
    state: NDArray[np.int64]
    settled_fee_msat: NDArray[np.int64]
    elsewhere_fee_msat: NDArray[np.int64]
    refused_here: NDArray[np.int64]
    outgoing_spendable_msat: NDArray[np.int64]
    """-1 where nobody looked, as in the next column."""
    incoming_spendable_msat: NDArray[np.int64]
    distance: NDArray[np.int64]
    probing: NDArray[np.bool_]


Columns = TypeVar("Columns", Sums, Refused)
_KEYS = len(SumKey._fields)
_INCOMING: dict[type, int] = {Sums: Sums._fields.index("incoming"), Refused: Refused._fields.index("incoming")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Generic[Columns]):
    """Columns with a list of channels of their own, so that tables can be kept apart and joined."""

    channels: NDArray[np.uint64]
    """Ids, ascending."""
    columns: Columns
    """`incoming` and `outgoing` are rows of `channels`; whole numbers, however narrow."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.columns.incoming)

    def only(self, chosen: NDArray[np.bool_]) -> "Table[Columns]":
        """Return the chosen rows."""
        return Table(channels=self.channels, columns=_like(self.columns, (each[chosen] for each in self.columns)))

    def over(self, channels: NDArray[np.uint64]) -> Columns:
        """Return the columns, wide, over a longer list of channels."""
        rows = np.searchsorted(channels, self.channels)
        columns = self.columns
        incoming, outgoing = rows[columns.incoming], rows[columns.outgoing]
        return _wide(type(columns), columns._replace(incoming=incoming, outgoing=outgoing))

    def narrowed(self) -> "Table[Columns]":
        """Return the same in the narrowest columns that hold it."""
        return Table(channels=self.channels, columns=_like(self.columns, map(_narrow, self.columns)))


def sum_table(sums: Iterable[tuple[SumKey, SumValues]]) -> Table[Sums]:
    """Return sums as a table."""
    return table_of_rows(Sums, [(key[0], *map(signed, key[1:3]), *key[3:], *values) for key, values in sums])


def refused_table(payments: Iterable[EstimatedPayment]) -> Table[Refused]:
    """Return payments that were refused here as a table."""
    return table_of_rows(Refused, [_refused_row(each) for each in payments])


def table_of_rows(kind: type[Columns], rows: Sequence[Sequence[Any]]) -> Table[Columns]:
    """Return rows, which name channels by their `signed` ids, as a table."""
    columns = _wide(kind, zip(*rows, strict=True) if rows else [()] * len(kind._fields))
    ids = np.concatenate((columns.incoming, columns.outgoing)).view(np.uint64)
    channels, places = np.unique(ids, return_inverse=True)
    incoming, outgoing = places[: len(rows)], places[len(rows) :]
    return Table(channels=channels, columns=columns._replace(incoming=incoming, outgoing=outgoing))


def joined(kind: type[Columns], tables: Sequence[Table[Columns]]) -> Table[Columns]:
    """Return the rows of all tables in one."""
    if not tables:
        return table_of_rows(kind, ())
    channels = np.unique(np.concatenate([each.channels for each in tables]))
    parts = [each.over(channels) for each in tables]
    return Table(channels=channels, columns=kind._make(map(np.concatenate, zip(*parts, strict=True))))


def merged(table: Table[Sums]) -> Table[Sums]:
    """Return sums with one row for each key, ordered by it; rows that sum to nothing are left out."""
    if not len(table):
        return table
    columns = _wide(Sums, table.columns)
    pairs = columns.incoming * len(table.channels) + columns.outgoing
    kinds = columns.hour - columns.hour.min()
    ranges = (MOST_BUCKET + 1, UNKNOWN_DISTANCE + 1, len(AttemptState), len(FailureCause))
    for column, many in zip(columns[_INCOMING[Sums] + 2 : _KEYS], ranges, strict=True):
        kinds = kinds * many + column
    order = np.lexsort((pairs, kinds))
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (np.diff(pairs[order]) != 0) | (np.diff(kinds[order]) != 0)
    starts = np.flatnonzero(begins)
    keys = (each[order[starts]] for each in columns[:_KEYS])
    values = [np.add.reduceat(each[order], starts) for each in columns[_KEYS:]]
    found = Table(channels=table.channels, columns=Sums(*keys, *values))
    return found.only(np.any(values, axis=0))


def _refused_row(payment: EstimatedPayment) -> tuple[int, ...]:
    spendable = (payment.outgoing_spendable_msat, payment.incoming_spendable_msat)
    return (
        signed(payment.incoming_channel_id),
        signed(payment.outgoing_channel_id),
        payment.began_ns,
        payment.amount_msat,
        payment.fee_msat,
        payment.cause,
        payment.state,
        payment.settled_fee_msat,
        payment.elsewhere_fee_msat,
        payment.refused_here,
        *(-1 if each is None else each for each in spendable),
        distance_of(payment.remaining_blocks),
        payment.probing,
    )


def _wide(kind: type[Columns], columns: Iterable[Any]) -> Columns:
    return kind._make(
        np.asarray(each, np.bool_ if name == "probing" else np.int64)
        for name, each in zip(kind._fields, columns, strict=True)
    )


def _like(columns: Columns, values: Iterable[NDArray[Any]]) -> Columns:
    return type(columns)._make(values)


def _narrow(column: NDArray[Any]) -> NDArray[Any]:
    if not len(column) or column.dtype == np.bool_:
        return column.astype(np.int8)
    least, most = int(column.min()), int(column.max())
    bits = next(each for each in (8, 16, 32, 64) if -(2 ** (each - 1)) <= least and most < 2 ** (each - 1))
    return column.astype(f"i{bits // 8}")


class Recorded(NamedTuple):
    """What is on record of a window."""

    sums: Table[Sums]
    history: Table[Sums]
    """Of all that is known, for rates: it may be longer than the window."""
    refused: Table[Refused]
    peers: dict[ChannelId, str]
    """Who was last seen at the other end of each channel."""
