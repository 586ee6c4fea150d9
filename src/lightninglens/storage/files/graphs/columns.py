"""Turn lists of parsed values into checked columns, naming the first value that is wrong.

The common case (all values of one kind, all in range) is decided on whole
columns; only when it fails is each value looked at, to say where.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import DataError
from lightninglens.core.graph import NetworkGraph, PolicyColumns
from lightninglens.core.ids import ChannelId, NodeId, parse_node_id
from lightninglens.core.units import MAX_MONEY_MSAT, MAX_MONEY_SAT, MAX_UINT32

MAX_NODES: Final = 200_000
MAX_CHANNELS: Final = 1_000_000
MAX_ALIAS_CHARACTERS: Final = 128
"""An alias has 32 bytes on the wire (BOLT 7); a renderer may have escaped some."""

Place = Callable[[int], str]
"""From the position of a value in its column to where it stands in the file."""


class Bounds(NamedTuple):
    """Lowest and highest value allowed, both included."""

    low: int
    high: int


CAPACITY_SAT: Final = Bounds(1, MAX_MONEY_SAT)

POLICY_BOUNDS: Final[Mapping[str, Bounds]] = {
    "base_fee_msat": Bounds(0, MAX_UINT32),
    "fee_rate_ppm": Bounds(0, MAX_UINT32),
    "time_lock_delta_blocks": Bounds(0, 2**16 - 1),
    "min_htlc_msat": Bounds(0, MAX_MONEY_MSAT),
    "max_htlc_msat": Bounds(0, MAX_MONEY_MSAT),
    "inbound_base_fee_msat": Bounds(-(2**31), 2**31 - 1),
    "inbound_fee_rate_ppm": Bounds(-(2**31), 2**31 - 1),
    "last_update_s": Bounds(0, MAX_UINT32),
}
"""Ranges of BOLT 7's `channel_update`, and of LND's inbound fee record (two int32)."""

_DIGITS = re.compile(r"-?[0-9]{1,20}")
_REQUIRED: Final = object()


def shown(value: object) -> str:
    """Return `value` short enough for an error message."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def objects(values: Sequence[Any], place: Place) -> Sequence[dict[str, Any]]:
    """Return `values` when all are JSON objects; raises DataError naming the first that is not."""
    if set(map(type, values)) - {dict}:
        for row, value in enumerate(values):
            if type(value) is not dict:
                raise DataError(f"expected an object, found {shown(value)}", where=place(row))
    return values


def field(rows: Sequence[dict[str, Any]], key: str, place: Place, *, default: object = _REQUIRED) -> list[Any]:
    """Return one field of every object.

    Raises:
        DataError: an object lacks it and there is no `default`.
    """
    if default is not _REQUIRED:
        return [row.get(key, default) for row in rows]
    try:
        return [row[key] for row in rows]
    except KeyError:
        position = next(position for position, row in enumerate(rows) if key not in row)
        raise DataError(f"the field {key} is missing", where=place(position)) from None


def integers(values: Sequence[Any], bounds: Bounds, place: Place) -> NDArray[np.int64]:
    """Return integers, given as JSON numbers or as strings of digits, as LND prints 64-bit ones.

    Raises:
        DataError: a value is something else, has a fraction, or is out of `bounds`.
    """
    column = _uniform_integers(values)
    if column is None:
        column = np.array([_integer(value, bounds, place, row) for row, value in enumerate(values)], np.int64)
    in_range(column, bounds, place)
    return column


def _uniform_integers(values: Sequence[Any]) -> NDArray[np.int64] | None:
    kinds = set(map(type, values))
    if kinds == {str}:
        joined = "".join(values)
        lengths = set(map(len, values))
        if not (joined.isascii() and joined.isdigit() and min(lengths) > 0 and max(lengths) <= 18):
            return None
        return np.array(list(map(int, values)), np.int64)
    if kinds <= {int}:
        try:
            return np.array(values, np.int64)
        except OverflowError:
            return None
    return None


def _integer(value: object, bounds: Bounds, place: Place, row: int) -> int:
    if type(value) is str and _DIGITS.fullmatch(value):
        value = int(value)
    if type(value) is not int:
        raise DataError(f"expected a whole number, found {shown(value)}", where=place(row))
    if not bounds.low <= value <= bounds.high:
        _refuse(value, bounds, place(row))
    return value


def in_range(column: NDArray[np.int64], bounds: Bounds, place: Place) -> None:
    """Raise DataError for the first value of `column` outside `bounds`."""
    wrong = (column < bounds.low) | (column > bounds.high)
    if wrong.any():
        row = int(np.argmax(wrong))
        _refuse(int(column[row]), bounds, place(row))


def _refuse(value: int, bounds: Bounds, where: str) -> NoReturn:
    raise DataError(f"{value} is out of range ({bounds.low} to {bounds.high})", where=where)


def booleans(values: Sequence[Any], place: Place) -> NDArray[np.bool_]:
    """Return true and false; raises DataError for the first value that is neither."""
    if set(map(type, values)) - {bool}:
        for row, value in enumerate(values):
            if type(value) is not bool:
                raise DataError(f"expected true or false, found {shown(value)}", where=place(row))
    return np.array(values, np.bool_)


def node_ids(values: Sequence[Any], place: Place) -> list[NodeId]:
    """Return public keys; raises DataError for the first that has not the form of one."""
    for row, value in enumerate(values):
        if type(value) is not str:
            raise DataError(f"expected a node id, found {shown(value)}", where=place(row))
        try:
            parse_node_id(value)
        except ValueError as error:
            raise DataError(str(error), where=place(row)) from None
    return list(values)


def aliases(values: Sequence[Any], place: Place) -> list[str]:
    """Return aliases; raises DataError for the first that is not a short string."""
    for row, value in enumerate(values):
        if type(value) is not str:
            raise DataError(f"expected an alias, found {shown(value)}", where=place(row))
        if len(value) > MAX_ALIAS_CHARACTERS:
            raise DataError(f"an alias of {len(value)} characters (at most {MAX_ALIAS_CHARACTERS})", where=place(row))
    return list(values)


def channel_ids(values: Sequence[Any], place: Place) -> NDArray[np.uint64]:
    """Return channel ids given as text (`800000x1x0` or packed) or as numbers; raises DataError."""
    packed = []
    for row, value in enumerate(values):
        try:
            if type(value) is str:
                packed.append(int(ChannelId.parse(value)))
                continue
            if type(value) is int:
                packed.append(int(ChannelId(value)))
                continue
        except ValueError as error:
            raise DataError(str(error), where=place(row)) from None
        raise DataError(f"expected a channel id, found {shown(value)}", where=place(row))
    return np.array(packed, np.uint64)


def check_counts(nodes: int, channels: int) -> None:
    """Raise DataError when a graph is larger than any network we know how to handle."""
    if nodes > MAX_NODES:
        raise DataError(f"{nodes} nodes are too many (at most {MAX_NODES})")
    if channels > MAX_CHANNELS:
        raise DataError(f"{channels} channels are too many (at most {MAX_CHANNELS})")


def assemble(
    *,
    nodes: Sequence[NodeId],
    names: Sequence[str],
    ids: NDArray[np.uint64],
    ends: tuple[Sequence[NodeId], Sequence[NodeId]],
    capacity_sat: NDArray[np.int64],
    policies: PolicyColumns,
    node_place: Place,
    channel_place: Place,
) -> tuple[NetworkGraph, int]:
    """Join checked columns to a graph in which node1 is the lesser key.

    Returns the graph, and how many channels named their greater key first and
    were turned round together with their policies.

    Raises:
        DataError: too many rows, a node or a channel twice, a channel from a
            node to itself, or one that names a node which is not in the list.
    """
    check_counts(len(nodes), len(ids))
    index = _index(nodes, node_place)
    _refuse_duplicates(ids, channel_place)
    first, second = _rows(ends, index, ids, channel_place)
    if (loops := first == second).any():
        row = int(np.argmax(loops))
        raise DataError(f"channel {_name(ids, row)} joins node {nodes[first[row]]} to itself", where=channel_place(row))
    swapped = np.fromiter((a > b for a, b in zip(*ends, strict=True)), np.bool_, len(ids))
    turned = _turn(policies, swapped) if swapped.any() else policies
    graph = NetworkGraph(
        node_ids=tuple(nodes),
        aliases=tuple(names),
        channel_ids=ids,
        node1=np.where(swapped, second, first).astype(np.int32),
        node2=np.where(swapped, first, second).astype(np.int32),
        capacity_sat=capacity_sat,
        policies=turned,
    )
    return graph, int(swapped.sum())


def _index(nodes: Sequence[NodeId], place: Place) -> dict[NodeId, int]:
    index = {node: row for row, node in enumerate(nodes)}
    if len(index) < len(nodes):
        first: dict[NodeId, int] = {}
        for row, node in enumerate(nodes):
            if node in first:
                raise DataError(f"node {node} is there twice, first at {place(first[node])}", where=place(row))
            first[node] = row
    return index


def _refuse_duplicates(ids: NDArray[np.uint64], place: Place) -> None:
    order = np.argsort(ids, kind="stable")
    repeats = np.flatnonzero(ids[order][1:] == ids[order][:-1])
    if len(repeats):
        at = repeats[np.argmin(order[repeats + 1])]
        earlier, later = int(order[at]), int(order[at + 1])
        raise DataError(f"channel {_name(ids, later)} is there twice, first at {place(earlier)}", where=place(later))


def _rows(
    ends: tuple[Sequence[NodeId], Sequence[NodeId]],
    index: Mapping[NodeId, int],
    ids: NDArray[np.uint64],
    place: Place,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    try:
        first, second = (np.fromiter(map(index.__getitem__, side), np.int32, len(side)) for side in ends)
    except KeyError:
        pairs = enumerate(zip(*ends, strict=True))
        row, node = next((row, node) for row, pair in pairs for node in pair if node not in index)
        problem = f"channel {_name(ids, row)} names node {node}, which is not among the nodes"
        raise DataError(problem, where=place(row)) from None
    return first, second


def _name(ids: NDArray[np.uint64], row: int) -> ChannelId:
    return ChannelId(int(ids[row]))


def _turn(policies: PolicyColumns, swapped: NDArray[np.bool_]) -> PolicyColumns:
    """Exchange the two directions of the `swapped` channels."""
    order = np.arange(2 * len(swapped)).reshape(-1, 2)
    order[swapped] = order[swapped][:, ::-1]
    rows = order.reshape(-1)
    return PolicyColumns(**{name: getattr(policies, name)[rows] for name in policies.__slots__})


def counted(**reasons: int) -> dict[str, int]:
    """Return the reasons with a count above zero, underscores read as blanks."""
    return {reason.replace("_", " "): int(count) for reason, count in reasons.items() if count}
