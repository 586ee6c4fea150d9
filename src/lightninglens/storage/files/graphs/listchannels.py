"""Core Lightning's graph as JSON: `lightning-cli listchannels`, with `listnodes` for the aliases.

Source: Core Lightning `doc/schemas/listchannels.json`, `plugins/topology.c`.
There is one object for each direction that has a channel_update, so a channel
that nobody announced a policy for does not appear, and neither does a node
without channels.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import DataError
from lightninglens.core.graph import PolicyColumns
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import MAX_MONEY_MSAT, MSAT_PER_SAT
from lightninglens.storage.files.graphs import columns
from lightninglens.storage.files.graphs.columns import CAPACITY_SAT, POLICY_BOUNDS, Bounds, Place
from lightninglens.storage.files.graphs.model import ParsedGraph

_FIELDS: Final = {
    "base_fee_msat": "base_fee_millisatoshi",
    "fee_rate_ppm": "fee_per_millionth",
    "time_lock_delta_blocks": "delay",
    "last_update_s": "last_update",
}
_PlaceOf = Callable[[str], Place]
"""From the name of a field to the places of its values."""

_INT64: Final = Bounds(0, 2**63 - 1)


def parse_listchannels(document: Mapping[str, Any]) -> ParsedGraph:
    """Return the graph of a parsed listchannels document; a `nodes` list in it gives the aliases.

    Raises:
        DataError: naming the JSON path of the first thing that is wrong.
    """
    if type(document["channels"]) is not list:
        raise DataError(f"expected a list, found {columns.shown(document['channels'])}", where="channels")
    everything = columns.objects(document["channels"], _at(range(len(document["channels"]))))
    # Twice the channels: the limit itself is checked once they are paired.
    columns.check_counts(0, (len(everything) + 1) // 2)
    public, private = _public(everything)
    rows = [everything[row] for row in public]
    place = _places(public)
    ids = columns.channel_ids(columns.field(rows, "short_channel_id", place("")), place("short_channel_id"))
    source = columns.node_ids(columns.field(rows, "source", place("")), place("source"))
    destination = columns.node_ids(columns.field(rows, "destination", place("")), place("destination"))
    side = _sides(rows, source, destination, place)
    channels, first_row, channel_of = np.unique(ids, return_index=True, return_inverse=True)
    _check_pairs(ids, side, channel_of, first_row, source, destination, public)

    capacity_sat = _capacity_sat(rows, place)
    _check_capacities(ids, capacity_sat, channel_of, first_row, public)
    policies, clamped = _policies(rows, 2 * channel_of + side, 2 * len(channels), capacity_sat, place)
    ends = (
        [min(source[row], destination[row]) for row in first_row],
        [max(source[row], destination[row]) for row in first_row],
    )
    nodes = list(dict.fromkeys(node for pair in zip(*ends, strict=True) for node in pair))
    names = parse_listnodes(document) if "nodes" in document else {}
    graph, _ = columns.assemble(
        nodes=nodes,
        names=[names.get(node, "") for node in nodes],
        ids=channels,
        ends=ends,
        capacity_sat=capacity_sat[first_row],
        policies=policies,
        node_place=lambda row: f"node {nodes[row]}",
        channel_place=lambda row: f"channels[{public[first_row[row]]}]",
    )
    return ParsedGraph(
        graph=graph,
        snapshot_s=int(policies.last_update_s.max(initial=0)),
        dropped=columns.counted(private_channel_directions=private),
        adjusted=columns.counted(htlc_limits_above_21_million_btc_lowered=clamped),
    )


def parse_listnodes(document: Mapping[str, Any]) -> dict[NodeId, str]:
    """Return the aliases in the `nodes` list of a listnodes document; raises DataError."""
    if type(document["nodes"]) is not list:
        raise DataError(f"expected a list, found {columns.shown(document['nodes'])}", where="nodes")
    rows = columns.objects(document["nodes"], lambda row: f"nodes[{row}]")
    ids = columns.node_ids(
        columns.field(rows, "nodeid", lambda row: f"nodes[{row}]"), lambda row: f"nodes[{row}].nodeid"
    )
    names = columns.aliases(
        columns.field(rows, "alias", lambda row: f"nodes[{row}]", default=""), lambda row: f"nodes[{row}].alias"
    )
    return dict(zip(ids, names, strict=True))


def _at(positions: Sequence[int], key: str = "") -> Place:
    ending = f".{key}" if key else ""
    return lambda row: f"channels[{positions[row]}]{ending}"


def _places(positions: Sequence[int]) -> _PlaceOf:
    return lambda key: _at(positions, key)


def _public(rows: Sequence[dict[str, Any]]) -> tuple[list[int], int]:
    """Return the positions of announced directions, and how many others there are."""
    values = columns.field(rows, "public", _at(range(len(rows))), default=True)
    announced = columns.booleans(values, _at(range(len(rows)), "public"))
    return np.flatnonzero(announced).tolist(), int((~announced).sum())


def _sides(
    rows: Sequence[dict[str, Any]], source: Sequence[str], destination: Sequence[str], place: _PlaceOf
) -> NDArray[np.int64]:
    """Return 0 where the source is the lesser key; raises DataError where the file's direction contradicts."""
    side = np.fromiter((a > b for a, b in zip(source, destination, strict=True)), np.int64, len(rows))
    stated = columns.integers(columns.field(rows, "direction", place("")), Bounds(0, 1), place("direction"))
    if (wrong := stated != side).any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"direction is {stated[row]}, but the source is the {'greater' if side[row] else 'lesser'} of the two ids",
            where=place("direction")(row),
        )
    return side


def _check_pairs(
    ids: NDArray[np.uint64],
    side: NDArray[np.int64],
    channel_of: NDArray[np.int64],
    first_row: NDArray[np.int64],
    source: Sequence[str],
    destination: Sequence[str],
    public: Sequence[int],
) -> None:
    seen: dict[int, int] = {}
    for row, direction in enumerate((2 * channel_of + side).tolist()):
        name, here = ChannelId(int(ids[row])), f"channels[{public[row]}]"
        if direction in seen:
            raise DataError(
                f"channel {name} is there twice in direction {direction % 2}, "
                f"first at channels[{public[seen[direction]]}]",
                where=here,
            )
        seen[direction] = row
        first = int(first_row[channel_of[row]])
        if {source[row], destination[row]} != {source[first], destination[first]}:
            raise DataError(f"channel {name} joins other nodes here than at channels[{public[first]}]", where=here)


def _msat(rows: Sequence[dict[str, Any]], key: str, place: _PlaceOf, **default: object) -> NDArray[np.int64]:
    """Return amounts, given as numbers or with the suffix that versions before 23.08 printed."""
    values = [_wire_msat(value) for value in columns.field(rows, key, place(""), **default)]
    return columns.integers(values, _INT64, place(key))


def _wire_msat(value: object) -> object:
    if type(value) is str and value.endswith("msat"):
        return value.removesuffix("msat")
    if type(value) is int and _INT64.high < value < 2**64:
        return _INT64.high
    return value


def _capacity_sat(rows: Sequence[dict[str, Any]], place: _PlaceOf) -> NDArray[np.int64]:
    capacity_msat = _msat(rows, "amount_msat", place)
    if (odd := capacity_msat % MSAT_PER_SAT != 0).any():
        row = int(np.argmax(odd))
        raise DataError(
            f"the capacity {capacity_msat[row]} msat is not whole satoshis", where=place("amount_msat")(row)
        )
    capacity_sat = capacity_msat // MSAT_PER_SAT
    columns.in_range(capacity_sat, CAPACITY_SAT, place("amount_msat"))
    return capacity_sat


def _check_capacities(
    ids: NDArray[np.uint64],
    capacity_sat: NDArray[np.int64],
    channel_of: NDArray[np.int64],
    first_row: NDArray[np.int64],
    public: Sequence[int],
) -> None:
    if (differs := capacity_sat != capacity_sat[first_row][channel_of]).any():
        row = int(np.argmax(differs))
        first = public[int(first_row[channel_of[row]])]
        raise DataError(
            f"channel {ChannelId(int(ids[row]))} has another capacity here than at channels[{first}]",
            where=f"channels[{public[row]}].amount_msat",
        )


def _policies(
    rows: Sequence[dict[str, Any]],
    directions: NDArray[np.int64],
    count: int,
    capacity_sat: NDArray[np.int64],
    place: _PlaceOf,
) -> tuple[PolicyColumns, int]:
    """Return the policies, and how many HTLC limits beyond all money were lowered."""
    policies = PolicyColumns.unknown(count)
    policies.known[directions] = True
    policies.disabled[directions] = ~columns.booleans(columns.field(rows, "active", place("")), place("active"))
    for name, key in _FIELDS.items():
        values = columns.field(rows, key, place(""))
        getattr(policies, name)[directions] = columns.integers(values, POLICY_BOUNDS[name], place(key))
    least = _msat(rows, "htlc_minimum_msat", place)
    most = _msat(rows, "htlc_maximum_msat", place, default=0)
    clamped = int((least > MAX_MONEY_MSAT).sum() + (most > MAX_MONEY_MSAT).sum())
    policies.min_htlc_msat[directions] = np.minimum(least, MAX_MONEY_MSAT)
    absent = np.array(["htlc_maximum_msat" not in row for row in rows], np.bool_)
    policies.max_htlc_msat[directions] = np.where(absent, capacity_sat * MSAT_PER_SAT, np.minimum(most, MAX_MONEY_MSAT))
    return policies, clamped
