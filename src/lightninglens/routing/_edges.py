"""Parallel channels as one edge, compiled: the sender's own, and those of other nodes.

Source: LND `routing/unified_edges.go`. Plain-Python twin: tests/reference/pathfinding.py.
"""

from typing import Any

import numpy as np

from lightninglens.core.jit import kernel
from lightninglens.routing._fees import capped_inbound_fee, in_range, outbound_fee

_INFINITY = np.int64(2**62)


@kernel
def bandwidth_msat(channels: Any, direction: Any) -> Any:
    """Return what a node can send over its own channel now: 0 when it is down or its slots are full."""
    if not channels.active[direction // 2] or channels.pending_htlcs[direction] >= channels.max_htlcs:
        return np.int64(0)
    return channels.spendable_msat[direction]


@kernel
def pick_own(edges: Any, channels: Any, first: Any, outgoing: Any, received: Any, next_fee: Any) -> Any:
    """Return the row of the sender's own channel with the most bandwidth, -1 when none serves (getEdgeLocal).

    `next_fee` is what the peer asks for sending on, -1 when it is the receiver.
    """
    best: Any = np.int64(-1)
    best_bandwidth: Any = np.int64(0)
    source, target = edges[first].source, edges[first].target
    row = np.int64(first)
    while row < edges.shape[0] and edges[row].source == source and edges[row].target == target:
        edge = edges[row]
        amount = received
        if next_fee >= 0:
            amount += capped_inbound_fee(edge, received, next_fee)
        if in_range(edge, amount) and (outgoing < 0 or edge.direction == outgoing):
            bandwidth = bandwidth_msat(channels, edge.direction)
            if amount <= bandwidth and bandwidth >= best_bandwidth:
                best_bandwidth = bandwidth
                best = row
        row += 1
    return best


@kernel
def pick_parallel(edges: Any, first: Any, end: Any, received: Any, next_fee: Any) -> Any:
    """Return (row, time lock delta, capacity) of parallel channels of another node (getEdgeNetwork).

    Of the usable ones the dearest, with the longest time lock and the greatest
    capacity of any, since the node may forward over whichever it likes.
    """
    best: Any = np.int64(-1)
    best_fee: Any = -_INFINITY
    longest: Any = np.int64(0)
    largest: Any = np.int64(0)
    for row in range(first, end):
        edge = edges[row]
        inbound = np.int64(0)
        if next_fee >= 0:
            inbound = capped_inbound_fee(edge, received, next_fee)
        amount = received + inbound
        if edge.disabled or not in_range(edge, amount):
            continue
        largest = max(largest, edge.capacity_msat)
        longest = max(longest, np.int64(edge.time_lock_delta_blocks))
        fee = outbound_fee(edge, amount) + inbound
        if fee >= best_fee:
            best_fee = fee
            best = row
    return best, longest, largest
