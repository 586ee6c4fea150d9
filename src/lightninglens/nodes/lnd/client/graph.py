"""LND's DescribeGraph as columns."""

from itertools import compress
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import DataError
from lightninglens.core.graph import NetworkGraph, PolicyColumns
from lightninglens.core.ids import NodeId, parse_node_id
from lightninglens.nodes.lnd.client.faults import clean
from lightninglens.nodes.lnd.contract import lnrpc

_FIELDS = {
    "disabled": "disabled",
    "base_fee_msat": "fee_base_msat",
    "fee_rate_ppm": "fee_rate_milli_msat",
    "time_lock_delta_blocks": "time_lock_delta",
    "min_htlc_msat": "min_htlc",
    "max_htlc_msat": "max_htlc_msat",
    "inbound_base_fee_msat": "inbound_fee_base_msat",
    "inbound_fee_rate_ppm": "inbound_fee_rate_milli_msat",
    "last_update_s": "last_update",
}
_COLUMNS, _VALUES = tuple(_FIELDS), attrgetter(*_FIELDS.values())
_MAX_INT64 = 2**63 - 1


def network_graph(said: lnrpc.ChannelGraph) -> NetworkGraph:
    """Return the graph; raises DataError for one that contradicts itself.

    A node that only a channel names has no announcement, so no alias.
    """
    names = {node.pub_key: clean(node.alias) for node in said.nodes}
    edges = list(said.edges)
    for edge in edges:
        names.setdefault(edge.node1_pub, "")
        names.setdefault(edge.node2_pub, "")
    try:
        node_ids = tuple(map(parse_node_id, names))
    except ValueError as problem:
        raise DataError(str(problem), where="DescribeGraph") from None
    row: dict[NodeId, int] = {node_id: place for place, node_id in enumerate(node_ids)}
    channel_ids = np.fromiter((edge.channel_id for edge in edges), np.uint64, len(edges))
    if len(np.unique(channel_ids)) != len(edges):
        raise DataError("a channel is there twice", where="DescribeGraph")
    ends = [
        np.fromiter((row[NodeId(getattr(edge, side))] for edge in edges), np.int32, len(edges))
        for side in ("node1_pub", "node2_pub")
    ]
    return NetworkGraph(
        node_ids=node_ids,
        aliases=tuple(names.values()),
        channel_ids=channel_ids,
        node1=ends[0],
        node2=ends[1],
        capacity_sat=np.fromiter((edge.capacity for edge in edges), np.int64, len(edges)),
        policies=_policies(edges),
    )


def _policies(edges: list[lnrpc.ChannelEdge]) -> PolicyColumns:
    """Return both directions of each channel; what was never announced stays unknown."""
    columns = PolicyColumns.unknown(2 * len(edges))
    for side in (0, 1):
        name = f"node{side + 1}_policy"
        known = np.fromiter((edge.HasField(name) for edge in edges), np.bool_, len(edges))  # type: ignore[arg-type]
        rows = 2 * np.flatnonzero(known) + side
        values = _numbers(list(map(_VALUES, map(attrgetter(name), compress(edges, known)))))
        columns.known[rows] = True
        for place, column in enumerate(_COLUMNS):
            getattr(columns, column)[rows] = values[:, place]
    return columns


def _numbers(rows: list[tuple[int, ...]]) -> NDArray[np.int64]:
    """Return a row for each policy; a limit beyond int64 is none."""
    try:
        return np.array(rows, np.int64).reshape(-1, len(_COLUMNS))
    except OverflowError:
        return _numbers([tuple(min(value, _MAX_INT64) for value in row) for row in rows])
