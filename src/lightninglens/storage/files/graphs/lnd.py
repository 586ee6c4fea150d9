"""LND's graph: the JSON of `lncli describegraph` and of REST `/v1/graph`.

Field names and kinds: LND `lnrpc/lightning.proto`, ChannelGraph, ChannelEdge,
RoutingPolicy. 64-bit integers are printed as strings, 32-bit ones as numbers;
both are read for every field. A direction without a channel_update is null.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import orjson

from lightninglens.core.errors import DataError
from lightninglens.core.graph import NetworkGraph, PolicyColumns
from lightninglens.core.units import MSAT_PER_SAT
from lightninglens.storage.files.graphs import columns
from lightninglens.storage.files.graphs.columns import CAPACITY_SAT, POLICY_BOUNDS, Place
from lightninglens.storage.files.graphs.model import ParsedGraph

_FIELDS: Final = {
    "base_fee_msat": "fee_base_msat",
    "fee_rate_ppm": "fee_rate_milli_msat",
    "time_lock_delta_blocks": "time_lock_delta",
    "min_htlc_msat": "min_htlc",
    "max_htlc_msat": "max_htlc_msat",
    "inbound_base_fee_msat": "inbound_fee_base_msat",
    "inbound_fee_rate_ppm": "inbound_fee_rate_milli_msat",
    "last_update_s": "last_update",
}
_OPTIONAL: Final = frozenset({"max_htlc_msat", "inbound_base_fee_msat", "inbound_fee_rate_ppm", "last_update_s"})
"""Fields that older versions of LND do not print; 0 then."""

_SIDES: Final = ("node1_policy", "node2_policy")
_NO_CAPACITY_HINT: Final = (
    " (a node with routing.assumechanvalid, as with Neutrino, does not know capacities: export from one that does)"
)


def parse_lnd(document: dict[str, Any]) -> ParsedGraph:
    """Return the graph of a parsed describegraph document.

    Raises:
        DataError: naming the JSON path of the first thing that is wrong.
    """
    nodes = columns.objects(_list(document, "nodes"), _at("nodes"))
    edges = columns.objects(_list(document, "edges"), _at("edges"))
    columns.check_counts(len(nodes), len(edges))
    ids = columns.channel_ids(columns.field(edges, "channel_id", _at("edges")), _at("edges", "channel_id"))
    capacity_sat = _capacities(edges)
    policies, unlimited = _policies(edges, capacity_sat)
    first, second = (
        columns.node_ids(columns.field(edges, key, _at("edges")), _at("edges", key))
        for key in ("node1_pub", "node2_pub")
    )
    graph, swapped = columns.assemble(
        nodes=columns.node_ids(columns.field(nodes, "pub_key", _at("nodes")), _at("nodes", "pub_key")),
        names=columns.aliases(columns.field(nodes, "alias", _at("nodes"), default=""), _at("nodes", "alias")),
        ids=ids,
        ends=(first, second),
        capacity_sat=capacity_sat,
        policies=policies,
        node_place=_at("nodes"),
        channel_place=_at("edges"),
    )
    newest_node = columns.integers(
        columns.field(nodes, "last_update", _at("nodes"), default=0),
        POLICY_BOUNDS["last_update_s"],
        _at("nodes", "last_update"),
    )
    return ParsedGraph(
        graph=graph,
        snapshot_s=int(max(newest_node.max(initial=0), policies.last_update_s.max(initial=0))),
        adjusted=columns.counted(
            channels_with_the_greater_node_id_first_turned_round=swapped,
            directions_without_max_htlc_limited_by_capacity=unlimited,
        ),
    )


def _list(document: dict[str, Any], key: str) -> list[Any]:
    value = document[key]
    if type(value) is not list:
        raise DataError(f"expected a list, found {columns.shown(value)}", where=key)
    return value


def _at(kind: str, key: str = "") -> Place:
    ending = f".{key}" if key else ""
    return lambda row: f"{kind}[{row}]{ending}"


def _capacities(edges: Sequence[dict[str, Any]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    values = columns.field(edges, "capacity", _at("edges"))
    place = _at("edges", "capacity")
    zero = next((row for row, value in enumerate(values) if value in (0, "0") and value is not False), None)
    if zero is not None:
        raise DataError(f"the capacity is 0{_NO_CAPACITY_HINT}", where=place(zero))
    return columns.integers(values, CAPACITY_SAT, place)


def _policies(
    edges: Sequence[dict[str, Any]], capacity_sat: np.ndarray[Any, np.dtype[np.int64]]
) -> tuple[PolicyColumns, int]:
    """Return the policies, and how many of them set no greatest HTLC."""
    announced = []
    directions = []
    for side, key in enumerate(_SIDES):
        for row, value in enumerate(columns.field(edges, key, _at("edges"), default=None)):
            if value is not None:
                announced.append(value)
                directions.append(2 * row + side)

    def place(key: str) -> Place:
        ending = f".{key}" if key else ""
        return lambda row: f"edges[{directions[row] // 2}].{_SIDES[directions[row] % 2]}{ending}"

    columns.objects(announced, place(""))
    where = np.array(directions, np.int64)
    policies = PolicyColumns.unknown(2 * len(edges))
    policies.known[where] = True
    policies.disabled[where] = columns.booleans(
        columns.field(announced, "disabled", place(""), default=False), place("disabled")
    )
    for name, key in _FIELDS.items():
        values = (
            columns.field(announced, key, place(""), default=0)
            if name in _OPTIONAL
            else columns.field(announced, key, place(""))
        )
        getattr(policies, name)[where] = columns.integers(values, POLICY_BOUNDS[name], place(key))
    # LND prints 0 for an update without the field, and then takes it as no limit.
    unlimited = policies.known & (policies.max_htlc_msat == 0)
    policies.max_htlc_msat[unlimited] = np.repeat(capacity_sat, 2)[unlimited] * MSAT_PER_SAT
    return policies, int(unlimited.sum())


def render_lnd(graph: NetworkGraph, snapshot_s: int) -> Iterator[bytes]:
    """Yield the JSON of `lncli describegraph`, piece by piece.

    What a `NetworkGraph` does not hold is filled: no addresses and features,
    LND's default colour, and a channel point whose transaction id is made from
    the channel id (its output index is the real one).
    """
    yield b'{"nodes":['
    yield from _joined(len(graph.node_ids), lambda row: _node(graph, row, snapshot_s))
    yield b'],"edges":['
    updates = graph.policies.last_update_s.reshape(-1, 2).max(axis=1, initial=0)
    yield from _joined(graph.channel_count, lambda row: _edge(graph, row, int(updates[row])))
    yield b"]}\n"


def _joined(count: int, render: Callable[[int], dict[str, Any]]) -> Iterator[bytes]:
    for row in range(count):
        yield (b"," if row else b"") + orjson.dumps(render(row))


def _node(graph: NetworkGraph, row: int, snapshot_s: int) -> dict[str, Any]:
    return {
        "last_update": snapshot_s,
        "pub_key": graph.node_ids[row],
        "alias": graph.aliases[row],
        "addresses": [],
        "color": "#3399ff",
        "features": {},
        "custom_records": {},
    }


def _edge(graph: NetworkGraph, row: int, last_update_s: int) -> dict[str, Any]:
    channel_id = graph.channel_id(row)
    funding = hashlib.sha256(f"lightninglens/channel_point/{channel_id}".encode()).hexdigest()
    return {
        "channel_id": str(int(channel_id)),
        "chan_point": f"{funding}:{channel_id.output}",
        "last_update": last_update_s,
        "node1_pub": graph.node_ids[graph.node1[row]],
        "node2_pub": graph.node_ids[graph.node2[row]],
        "capacity": str(graph.capacity_sat[row]),
        "node1_policy": _policy(graph.policies, 2 * row),
        "node2_policy": _policy(graph.policies, 2 * row + 1),
        "custom_records": {},
    }


def _policy(policies: PolicyColumns, direction: int) -> dict[str, Any] | None:
    policy = policies.get(direction)
    if policy is None:
        return None
    return {
        "time_lock_delta": policy.time_lock_delta_blocks,
        "min_htlc": str(policy.min_htlc_msat),
        "fee_base_msat": str(policy.base_fee_msat),
        "fee_rate_milli_msat": str(policy.fee_rate_ppm),
        "disabled": policy.disabled,
        "max_htlc_msat": str(policy.max_htlc_msat),
        "last_update": int(policies.last_update_s[direction]),
        "custom_records": {},
        "inbound_fee_base_msat": policy.inbound_base_fee_msat,
        "inbound_fee_rate_milli_msat": policy.inbound_fee_rate_ppm,
    }
