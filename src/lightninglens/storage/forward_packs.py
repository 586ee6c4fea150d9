"""Hours that are over, packed into columns: a row takes some 40 bytes, and thousands are read at once.

What is new are rows, which change as news come. An hour after an hour is over its
rows become a pack; when a day is over its hours are summed up in one more, and the
latest days in a history for rates. Rows and packs add up: what comes late stays a
row until the next day is packed.
"""

import struct
import zlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import numpy as np
import sqlalchemy as sa

from lightninglens.core.forward_sums import BLOCKS_PER_DISTANCE, MOST_DISTANCE, UNKNOWN_DISTANCE, SumKey, SumValues
from lightninglens.core.forward_tables import Columns, Recorded, Refused, Sums, Table, joined, merged, table_of_rows
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import NS_PER_HOUR

HOURS_PER_DAY = 24
HOUR_DAYS = 35
"""For so many days sums are kept by the hour."""
HISTORY_DAYS = 90
"""Rates of settling are of so many days."""
DAY_DAYS = 400
"""For so many days more than single attempts sums are kept by the day."""
MOST_HOURS_AT_ONCE = 48
"""As many are packed in one transaction: who writes meanwhile waits."""

_HEAD = struct.Struct("<BIII")
_FORM = 1
_FOREVER = 2**40
_SUM_ROW = ", ".join((*SumKey._fields, *SumValues._fields))
_DISTANCE = (
    f"CASE WHEN remaining_blocks IS NULL THEN {UNKNOWN_DISTANCE}"
    f" ELSE min(max(remaining_blocks, 0) / {BLOCKS_PER_DISTANCE}, {MOST_DISTANCE}) END"
)
_REFUSED_ROW = (
    "incoming_channel_id, outgoing_channel_id, began_ns, amount_msat, fee_msat, cause, state, settled_fee_msat,"
    " elsewhere_fee_msat, refused_here, ifnull(outgoing_spendable_msat, -1), ifnull(incoming_spendable_msat, -1),"
    f" {_DISTANCE}, probing"
)
_DELETE = "DELETE FROM packs WHERE kind = ? AND to_hour <= ?"
_HAS_DAY = "EXISTS (SELECT 1 FROM packs AS day WHERE day.kind = ? AND day.from_hour = {} / 24 * 24)"


class _Kind(StrEnum):
    """What a pack holds."""

    HOUR = "sums of an hour"
    DAY = "sums of a day"
    HISTORY = "sums of the days that rates are of"
    REFUSED = "payments refused in an hour"


def recorded(connection: sa.Connection, peers: dict[ChannelId, str], *, since_ns: int, until_ns: int) -> Recorded:
    """Return what is on record of a time, by whole hours; a day of which no hours are kept any more is all in it."""
    from_hour, to_hour = since_ns // NS_PER_HOUR, -(-until_ns // NS_PER_HOUR)
    rows = _sum_rows(connection, 0, _FOREVER)
    window = rows.only((rows.columns.hour >= from_hour) & (rows.columns.hour < to_hour))
    return Recorded(
        sums=joined(Sums, [*_packs_between(connection, from_hour, to_hour), window]),
        history=joined(Sums, [*_history(connection), rows]),
        refused=_refused_between(connection, since_ns, until_ns),
        peers=peers,
    )


def _packs_between(connection: sa.Connection, from_hour: int, to_hour: int) -> list[Table[Sums]]:
    first, last = _day_of(from_hour), _day_of(to_hour - 1) + HOURS_PER_DAY
    hours = _begins(connection, _Kind.HOUR, first, last)
    kept = set(map(_day_of, hours))
    days = {
        day
        for day in _begins(connection, _Kind.DAY, first, last)
        if day not in kept or (from_hour <= day and day + HOURS_PER_DAY <= to_hour)
    }
    rest = [hour for hour in hours if from_hour <= hour < to_hour and _day_of(hour) not in days]
    packs = [_read(connection, _Kind.DAY, day, Sums) for day in sorted(days)]
    return packs + [_read(connection, _Kind.HOUR, hour, Sums) for hour in rest]


def _history(connection: sa.Connection) -> list[Table[Sums]]:
    """Return the packs that rates are taken from: of the latest days, and of what is in none yet."""
    days = [_read(connection, _Kind.HISTORY, first, Sums) for first in _begins(connection, _Kind.HISTORY)]
    return days + [_read(connection, _Kind.HOUR, hour, Sums) for hour in _hours_without_day(connection, _FOREVER)]


def _refused_between(connection: sa.Connection, since_ns: int, until_ns: int) -> Table[Refused]:
    """Return the payments that began in a time and were refused here at least once."""
    begins = _begins(connection, _Kind.REFUSED, since_ns // NS_PER_HOUR, -(-until_ns // NS_PER_HOUR))
    packs = [_read(connection, _Kind.REFUSED, begin, Refused) for begin in begins]
    rows = connection.exec_driver_sql(
        f"SELECT {_REFUSED_ROW} FROM payments WHERE began_ns >= ? AND began_ns < ? AND refused_here > 0",  # noqa: S608
        (since_ns, until_ns),
    )
    found = joined(Refused, [*packs, table_of_rows(Refused, rows.fetchall())])
    began_ns = found.columns.began_ns
    inside = (began_ns >= since_ns) & (began_ns < until_ns)
    return found if inside.all() else found.only(inside)


def pack_over(connection: sa.Connection, now_hour: int) -> bool:
    """Pack what is over, as much as one transaction should take; tell whether there is more."""
    over = now_hour - 1
    days_over = _day_of(over)
    oldest = _oldest_without_day(connection, days_over)
    if oldest is not None:
        limit = min(days_over, _day_of(oldest) + MOST_HOURS_AT_ONCE)
        changed = _pack_sums(connection, range(limit))
        _pack_refused(connection, range(limit))
        changed |= {day: _make_day(connection, day) for day in _days_to_make(connection, limit)}
        _change_history(connection, changed, days_over)
        if limit < days_over:
            return True
    new = range(days_over, over)
    changed = _pack_sums(connection, new, but=_begins(connection, _Kind.HOUR, new.start, new.stop))
    _pack_refused(connection, new, but=_begins(connection, _Kind.REFUSED, new.start, new.stop))
    _change_history(connection, changed, days_over)
    # Of so old a day its sum is enough: an hour that stayed, or came late, would be taken for all that is known of it.
    connection.exec_driver_sql(
        f"{_DELETE} AND {_HAS_DAY.format('packs.from_hour')}",
        (_Kind.HOUR.value, now_hour - HOUR_DAYS * HOURS_PER_DAY, _Kind.DAY.value),
    )
    return False


def forget_packs(connection: sa.Connection, *, before_hour: int) -> None:
    """Delete the refused payments that began before an hour, and the days that are too old beside them."""
    connection.exec_driver_sql(_DELETE, (_Kind.REFUSED.value, before_hour))
    connection.exec_driver_sql(_DELETE, (_Kind.DAY.value, before_hour - DAY_DAYS * HOURS_PER_DAY))


def _pack_sums(connection: sa.Connection, hours: range, *, but: Sequence[int] = ()) -> dict[int, Table[Sums]]:
    """Make the rows of hours packs; returns what this adds to days that are packed already."""
    table = _sum_rows(connection, hours.start, hours.stop)
    taken = table.columns.hour
    added: dict[int, Table[Sums]] = {}
    for hour in sorted(set(taken.tolist()) - set(but)):
        _add_sums(connection, _Kind.HOUR, hour, table.only(taken == hour))
        connection.exec_driver_sql("DELETE FROM sums WHERE hour = ?", (hour,))
    new = table.only(~np.isin(taken, list(but)))
    days = new.columns.hour // HOURS_PER_DAY * HOURS_PER_DAY
    for day in _begins(connection, _Kind.DAY, hours.start, hours.stop):
        if np.any(days == day):
            added[day] = _of_day(new.only(days == day), day)
            _add_sums(connection, _Kind.DAY, day, added[day])
    return added


def _pack_refused(connection: sa.Connection, hours: range, *, but: Sequence[int] = ()) -> None:
    """Make the rows of payments that are over packs."""
    where = "WHERE closed = 1 AND began_ns >= ? AND began_ns < ?"
    times = (hours.start * NS_PER_HOUR, hours.stop * NS_PER_HOUR)
    rows = connection.exec_driver_sql(f"SELECT {_REFUSED_ROW} FROM payments {where} ORDER BY began_ns", times)  # noqa: S608
    table = table_of_rows(Refused, rows.fetchall())
    taken = table.columns.began_ns // NS_PER_HOUR
    for hour in sorted(set(taken.tolist()) - set(but)):
        _add_refused(connection, hour, table.only(taken == hour))
        connection.exec_driver_sql(f"DELETE FROM payments {where}", (hour * NS_PER_HOUR, (hour + 1) * NS_PER_HOUR))  # noqa: S608


def _make_day(connection: sa.Connection, day: int) -> Table[Sums]:
    """Sum up the packed hours of a day."""
    hours = _begins(connection, _Kind.HOUR, day, day + HOURS_PER_DAY)
    whole = _of_day(joined(Sums, [_read(connection, _Kind.HOUR, hour, Sums) for hour in hours]), day)
    _add_sums(connection, _Kind.DAY, day, whole)
    return whole


def _change_history(connection: sa.Connection, added: dict[int, Table[Sums]], days_over: int) -> None:
    """Let the history be of the days before `days_over`, knowing what was added to which day since it last changed."""
    wanted = max(days_over - HISTORY_DAYS * HOURS_PER_DAY, 0)
    (first,) = _begins(connection, _Kind.HISTORY) or (_FOREVER,)
    if not added and first == wanted:
        return
    parts = [table for day, table in added.items() if day >= first]
    parts += [_read(connection, _Kind.DAY, day, Sums) for day in _begins(connection, _Kind.DAY, wanted, first)]
    for day in _begins(connection, _Kind.DAY, first, wanted):
        parts.append(_negative(_read(connection, _Kind.DAY, day, Sums)))
    if first != _FOREVER:
        parts.append(_read(connection, _Kind.HISTORY, first, Sums))
        connection.exec_driver_sql("DELETE FROM packs WHERE kind = ?", (_Kind.HISTORY.value,))
    _add_sums(connection, _Kind.HISTORY, wanted, _of_day(joined(Sums, parts), wanted))


def _of_day(table: Table[Sums], day: int) -> Table[Sums]:
    """Return sums of hours as those of the day that begins with hour `day`."""
    hour = np.full(len(table), day, np.int64)
    return merged(Table(channels=table.channels, columns=table.columns._replace(hour=hour)))


def _negative(table: Table[Sums]) -> Table[Sums]:
    keys = len(SumKey._fields)
    values = (-each.astype(np.int64) for each in table.columns[keys:])
    return Table(channels=table.channels, columns=Sums(*table.columns[:keys], *values))


def _day_of(hour: int) -> int:
    """Return the first hour of the day that an hour is in."""
    return hour // HOURS_PER_DAY * HOURS_PER_DAY


def _oldest_without_day(connection: sa.Connection, before_hour: int) -> int | None:
    """Return the oldest hour of which the day is not summed up."""
    row = connection.exec_driver_sql(
        f"SELECT min(hour) FROM sums WHERE hour < ? AND NOT {_HAS_DAY.format('sums.hour')}",  # noqa: S608 - ours
        (before_hour, _Kind.DAY.value),
    ).scalar()
    found = [*_hours_without_day(connection, before_hour)[:1], *([] if row is None else [row])]
    return min(found, default=None)


def _hours_without_day(connection: sa.Connection, before_hour: int) -> list[int]:
    """Return the packed hours of which the day is not summed up, oldest first."""
    rows = connection.exec_driver_sql(
        "SELECT from_hour FROM packs WHERE kind = ? AND from_hour < ?"  # noqa: S608 - ours
        f" AND NOT {_HAS_DAY.format('packs.from_hour')} ORDER BY from_hour",
        (_Kind.HOUR.value, before_hour, _Kind.DAY.value),
    )
    return [row[0] for row in rows]


def _days_to_make(connection: sa.Connection, before_hour: int) -> list[int]:
    return sorted(set(map(_day_of, _hours_without_day(connection, before_hour))))


def _sum_rows(connection: sa.Connection, from_hour: int, to_hour: int) -> Table[Sums]:
    query = f"SELECT {_SUM_ROW} FROM sums WHERE hour >= ? AND hour < ?"  # noqa: S608 - names
    return table_of_rows(Sums, connection.exec_driver_sql(query, (from_hour, to_hour)).fetchall())


def _begins(connection: sa.Connection, kind: _Kind, from_hour: int = 0, to_hour: int = _FOREVER) -> list[int]:
    """Return with which hours the packs of a kind begin, oldest first."""
    query = "SELECT from_hour FROM packs WHERE kind = ? AND from_hour >= ? AND from_hour < ? ORDER BY from_hour"
    return [row[0] for row in connection.exec_driver_sql(query, (kind.value, from_hour, to_hour))]


def _add_sums(connection: sa.Connection, kind: _Kind, from_hour: int, table: Table[Sums]) -> None:
    """Add sums to the pack of a kind that begins with an hour."""
    before = _find(connection, kind, from_hour, Sums)
    whole = table if before is None else merged(joined(Sums, [before, table]))
    _write(connection, kind, from_hour, from_hour + (1 if kind is _Kind.HOUR else HOURS_PER_DAY), whole)


def _add_refused(connection: sa.Connection, hour: int, table: Table[Refused]) -> None:
    """Add payments to the pack of an hour."""
    before = _find(connection, _Kind.REFUSED, hour, Refused)
    whole = table if before is None else joined(Refused, [before, table])
    _write(connection, _Kind.REFUSED, hour, hour + 1, whole)


def _write(connection: sa.Connection, kind: _Kind, from_hour: int, to_hour: int, table: Table[Any]) -> None:
    connection.exec_driver_sql(
        "INSERT INTO packs (kind, from_hour, to_hour, body) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (kind, from_hour) DO UPDATE SET body = excluded.body",
        (kind.value, from_hour, to_hour, _to_bytes(table)),
    )


def _read(connection: sa.Connection, kind: _Kind, from_hour: int, columns: type[Columns]) -> Table[Columns]:
    found = _find(connection, kind, from_hour, columns)
    return table_of_rows(columns, ()) if found is None else found


def _find(connection: sa.Connection, kind: _Kind, from_hour: int, columns: type[Columns]) -> Table[Columns] | None:
    query = "SELECT body FROM packs WHERE kind = ? AND from_hour = ?"
    body = connection.exec_driver_sql(query, (kind.value, from_hour)).scalar()
    return None if body is None else _from_bytes(body, columns, f"{kind.value} {from_hour}")


def _to_bytes(table: Table[Any]) -> bytes:
    """Return a table: a head, the width of each column, ids of channels, columns; little-endian."""
    narrow = table.narrowed()
    columns = [each.astype(each.dtype.newbyteorder("<")) for each in narrow.columns]
    widths = bytes(each.itemsize for each in columns)
    body = b"".join((widths, narrow.channels.astype("<u8").tobytes(), *(each.tobytes() for each in columns)))
    return _HEAD.pack(_FORM, len(narrow.channels), len(table), zlib.crc32(body)) + body


def _from_bytes(packed: bytes, kind: type[Columns], name: str) -> Table[Columns]:
    """Return the table; raises ValueError where it is not what was written."""
    body = memoryview(packed)[_HEAD.size :]
    form, channel_count, rows, checksum = _HEAD.unpack_from(packed.ljust(_HEAD.size, b"\0"))
    if form != _FORM or zlib.crc32(body) != checksum:
        raise ValueError(name)
    widths = bytes(body[: len(kind._fields)])
    at = len(widths) + 8 * channel_count
    columns = []
    for width in widths:
        columns.append(np.frombuffer(body, f"<i{width}", rows, at))
        at += width * rows
    channels = np.frombuffer(body, "<u8", channel_count, len(widths))
    return Table(channels=channels, columns=kind._make(columns))
