"""The path search, compiled: Dijkstra from the receiver with LND's distance.

Source: LND `routing/pathfind.go` (findPath, newRoute), `routing/unified_edges.go`.
Plain-Python twin: tests/reference/pathfinding.py.

Ties, which LND leaves to the order of a Go map, go to the greater probability
(as LND's heap does) and then to the lower node index, so that a run is
repeatable.
"""

from typing import Any, NamedTuple

import numpy as np

from lightninglens.core.channels import MAX_INBOUND_RATE_PPM
from lightninglens.core.jit import kernel
from lightninglens.routing._bimodal import bimodal_prior
from lightninglens.routing._probability import capacity_factor, load_history, pair_probability
from lightninglens.routing.state import BIMODAL, MAX_HOPS

FOUND = 0
NO_ROUTE = 1
INSUFFICIENT_BALANCE = 2
TOO_MANY_HOPS = 3

ONION_BYTES = 1300
_HMAC_BYTES = 32
_PPM = np.int64(1_000_000)
_MAX_INBOUND_RATE_PPM = np.int64(MAX_INBOUND_RATE_PPM)
_INFINITY = np.int64(2**62)
_ARITY = 4
_PREFERENCE_SCALE = 0.9
"""Keeps the extremes of the time preference away from a cost of 0 and of infinity."""


class Query(NamedTuple):
    """One search, with everything in it that depends only on the query."""

    sender: Any
    receiver: Any
    amount: Any
    fee_limit: Any
    final_cltv: Any
    """Absolute height at which the last HTLC expires."""
    cltv_limit: Any
    """Absolute height that no HTLC of the route may go beyond."""
    outgoing: Any
    """Direction that the route must leave by, or -1."""
    last_hop: Any
    """Node that the route must come from last, or -1."""
    attempt_cost: Any
    now: Any


@kernel
def proportional_fee(amount: Any, rate_ppm: Any) -> Any:
    """Return amount * rate / 10**6 truncated towards zero, without overflow."""
    size = abs(rate_ppm)
    fee = (amount // _PPM) * size + (amount % _PPM) * size // _PPM
    return fee if rate_ppm >= 0 else -fee


@kernel
def outbound_fee(edge: Any, amount: Any) -> Any:
    """Return what the node at an edge's start asks for sending `amount` over it."""
    return edge.base_fee_msat + proportional_fee(amount, edge.fee_rate_ppm)


@kernel
def inbound_fee(base_msat: Any, rate_ppm: Any, amount: Any) -> Any:
    """Return what a node asks for an HTLC that arrives, its rate capped at ten times the amount (CalcFee)."""
    return base_msat + proportional_fee(amount, max(min(rate_ppm, _MAX_INBOUND_RATE_PPM), -_MAX_INBOUND_RATE_PPM))


@kernel
def edge_inbound_fee(edge: Any, amount: Any) -> Any:
    """Return what the node at an edge's end asks for `amount` arriving over it."""
    return inbound_fee(np.int64(edge.inbound_base_fee_msat), np.int64(edge.inbound_fee_rate_ppm), amount)


@kernel
def capped_inbound_fee(edge: Any, amount: Any, next_outbound_fee: Any) -> Any:
    """Return the inbound fee at an edge's end: a discount never exceeds that node's outbound fee."""
    return max(edge_inbound_fee(edge, amount), -next_outbound_fee)


@kernel
def _varint_bytes(value: Any) -> Any:
    size = 1
    while value >= 256:
        value >>= 8
        size += 1
    return size


@kernel
def hop_payload_bytes(amount: Any, cltv: Any, last: Any) -> Any:
    """Return a hop's share of the onion (BOLT 4, tlv_payload); the last hop carries payment data."""
    size = 2 + _varint_bytes(amount) + 2 + _varint_bytes(cltv)
    size += 2 + 32 + _varint_bytes(amount) if last else 10
    return size + 1 + _HMAC_BYTES


@kernel
def _in_range(edge: Any, amount: Any) -> Any:
    return (
        amount <= edge.capacity_msat
        and (edge.max_htlc_msat == 0 or amount <= edge.max_htlc_msat)
        and amount >= edge.min_htlc_msat
    )


@kernel
def _before(labels: Any, first: Any, second: Any) -> Any:
    """Say whether node `first` leaves the heap before node `second`."""
    a, b = labels[first], labels[second]
    if a.distance != b.distance:
        return a.distance < b.distance
    if a.probability != b.probability:
        return a.probability > b.probability
    return first < second


@kernel
def _raise_node(labels: Any, heap: Any, slot: Any) -> None:
    node = heap[slot]
    while slot > 0:
        parent = (slot - 1) // _ARITY
        if not _before(labels, node, heap[parent]):
            break
        heap[slot] = heap[parent]
        labels[heap[slot]].heap_slot = np.int32(slot)
        slot = parent
    heap[slot] = node
    labels[node].heap_slot = np.int32(slot)


@kernel
def _pop(labels: Any, heap: Any, size: Any) -> Any:
    """Take the first node from a heap of `size` nodes."""
    top = heap[0]
    size -= 1
    labels[top].heap_slot = -1
    if size > 0:
        node = heap[size]
        slot = np.int64(0)
        while True:
            child = slot * _ARITY + 1
            if child >= size:
                break
            best: Any = child
            for other in range(child + 1, min(child + _ARITY, size)):
                if _before(labels, heap[other], heap[best]):
                    best = other
            if not _before(labels, heap[best], node):
                break
            heap[slot] = heap[best]
            labels[heap[slot]].heap_slot = np.int32(slot)
            slot = best
        heap[slot] = node
        labels[node].heap_slot = np.int32(slot)
    return top


@kernel
def local_limits(view: Any, channels: Any, sender: Any, outgoing: Any) -> Any:
    """Return the greatest and the total amount that a sender can send out now.

    `channels.spendable_msat` is per direction; `outgoing` restricts to one direction, -1 to none.
    """
    greatest: Any = np.int64(0)
    total: Any = np.int64(0)
    for row in range(channels.first_out[sender], channels.first_out[sender + 1]):
        direction = channels.out_direction[row]
        if view.position[direction] < 0 or (outgoing >= 0 and direction != outgoing):
            continue
        bandwidth = bandwidth_msat(channels, direction)
        greatest = max(greatest, bandwidth)
        total += bandwidth
    return greatest, total


@kernel
def bandwidth_msat(channels: Any, direction: Any) -> Any:
    """Return what a node can send over its own channel now: 0 when it is down or its slots are full."""
    if not channels.active[direction // 2] or channels.pending_htlcs[direction] >= channels.max_htlcs:
        return np.int64(0)
    return channels.spendable_msat[direction]


@kernel
def _pick_own(edges: Any, channels: Any, first: Any, end: Any, outgoing: Any, received: Any, next_fee: Any) -> Any:
    """Return the row of the sender's own channel with the most bandwidth, -1 when none serves (getEdgeLocal)."""
    best: Any = np.int64(-1)
    best_bandwidth: Any = np.int64(0)
    for row in range(first, end):
        edge = edges[row]
        amount = received
        if next_fee >= 0:
            amount += capped_inbound_fee(edge, received, next_fee)
        if not _in_range(edge, amount) or (outgoing >= 0 and edge.direction != outgoing):
            continue
        bandwidth = bandwidth_msat(channels, edge.direction)
        if amount <= bandwidth and bandwidth >= best_bandwidth:
            best_bandwidth = bandwidth
            best = row
    return best


@kernel
def _pick_parallel(edges: Any, first: Any, end: Any, received: Any, next_fee: Any) -> Any:
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
        if edge.disabled or not _in_range(edge, amount):
            continue
        largest = max(largest, edge.capacity_msat)
        longest = max(longest, np.int64(edge.time_lock_delta_blocks))
        fee = outbound_fee(edge, amount) + inbound
        if fee >= best_fee:
            best_fee = fee
            best = row
    return best, longest, largest


@kernel
def _run(view: Any, scratch: Any, memory: Any, estimator: Any, channels: Any, query: Any) -> Any:
    """Settle nodes from the receiver until the sender's turn comes; return whether it came.

    One long function on purpose: everything the inner loop touches is a local
    variable, which makes it about ten times as fast as calls that pass the
    arrays around.
    """
    edges, labels, heap = view.edges, scratch.labels, scratch.heap
    first_edge, payload_bytes = view.first_edge, scratch.payload_bytes
    generation = np.int32(scratch.counters[0])
    sender, receiver = np.int32(query.sender), np.int32(query.receiver)
    amount_sent, fee_limit = query.amount, query.fee_limit
    cost, cltv_limit = query.attempt_cost, query.cltv_limit
    hop_probability, least = estimator.hop_probability, estimator.min_probability
    fraction, risk = estimator.capacity_fraction, estimator.risk_factor_billionths
    bimodal, scale = estimator.kind == BIMODAL, estimator.bimodal_scale_msat
    to_self = sender == receiver
    size = np.int64(0)
    settled = np.int64(0)

    node = receiver
    at_distance = np.int64(0)
    at_weight = np.int64(0)
    received = np.int64(amount_sent)
    next_fee = np.int64(-1)
    at_cltv = np.int64(query.final_cltv)
    at_probability = 1.0
    at_payload = np.int64(hop_payload_bytes(amount_sent, query.final_cltv, True))

    while True:
        settled += 1
        row = np.int64(first_edge[node])
        end = np.int64(first_edge[node + 1])
        while row < end:
            edge = edges[row]
            source = edge.source
            first = row
            row += 1
            while row < end and edges[row].source == source:
                row += 1
            own = source == sender
            if edge.leaf and not own and node != sender:
                continue  # its only peer is this node: no route can come through it, except from this node back to it
            label = labels[source]
            known = label.generation == generation
            if known and label.distance < at_distance:
                continue
            if next_fee < 0 and query.last_hop >= 0 and source != query.last_hop:
                continue
            if source == receiver and not to_self:
                continue

            best = first
            delta = np.int64(edge.time_lock_delta_blocks)
            capacity = edge.capacity_msat
            if own:
                best = _pick_own(edges, channels, first, row, query.outgoing, received, next_fee)
                delta = np.int64(0)
            elif row - first > 1:
                best, delta, capacity = _pick_parallel(edges, first, row, received, next_fee)
            elif edge.disabled:
                continue
            if best < 0:
                continue
            edge = edges[best]
            inbound = np.int64(0)
            if next_fee >= 0 and (edge.inbound_base_fee_msat != 0 or edge.inbound_fee_rate_ppm != 0):
                inbound = capped_inbound_fee(edge, received, next_fee)
            amount = received + inbound
            if not _in_range(edge, amount):
                continue
            total_fee = amount - amount_sent
            cltv = at_cltv + delta
            if (total_fee > 0 and total_fee > fee_limit) or cltv > cltv_limit:
                continue
            fee = np.int64(0) if own else outbound_fee(edge, amount)
            weight = at_weight + max(fee + inbound, np.int64(0))
            weight += amount * delta * risk // 1_000_000_000
            if known and np.float64(weight) + cost / at_probability > np.float64(label.distance) + 1.0:
                continue  # worse already if the hop were certain

            if own or label.history_generation == generation:
                hop = pair_probability(memory, scratch, estimator, sender, source, node, amount, capacity, query.now)
            elif bimodal:
                hop = bimodal_prior(amount, capacity, scale)
            else:
                hop = hop_probability * capacity_factor(amount, capacity, fraction)
            probability = at_probability * hop
            if hop == 0.0 or probability < least:
                continue
            exact = np.float64(weight) + cost / probability
            distance = np.int64(exact) if exact < 4.6e18 else _INFINITY
            if known and (
                distance > label.distance or (distance == label.distance and probability <= label.probability)
            ):
                continue
            reached = labels[sender]
            if reached.generation == generation and distance > reached.distance:
                continue  # the sender leaves the heap before this node would
            payload = at_payload
            if not own:
                payload += hop_payload_bytes(amount, at_cltv, False)
            if payload > ONION_BYTES:
                continue

            label.distance = distance
            label.weight = weight
            label.amount_msat = amount + fee
            label.outbound_fee_msat = fee
            label.probability = probability
            label.cltv_blocks = np.int32(cltv)
            label.edge = np.int32(best)
            payload_bytes[source] = payload
            if known and label.heap_slot >= 0:
                _raise_node(labels, heap, np.int64(label.heap_slot))
            else:
                label.generation = generation
                heap[size] = source
                size += 1
                _raise_node(labels, heap, size - 1)

        if size == 0:
            break
        node = _pop(labels, heap, size)
        size -= 1
        if node == sender:
            break
        label = labels[node]
        at_distance = label.distance
        at_weight = label.weight
        received = label.amount_msat
        next_fee = label.outbound_fee_msat
        at_cltv = np.int64(label.cltv_blocks)
        at_probability = label.probability
        at_payload = np.int64(payload_bytes[node])
    scratch.counters[1] = settled
    return labels[sender].generation == generation


@kernel
def attempt_cost(estimator: Any, amount: Any) -> Any:
    """Return what a failed attempt counts for in msat, greater the more the sender prefers speed to cost."""
    cost = np.float64(np.int64(estimator.attempt_cost_msat) + amount * estimator.attempt_cost_ppm // _PPM)
    preference = estimator.time_preference * _PREFERENCE_SCALE
    return cost * (1.0 / (0.5 - preference / 2.0) - 1.0)


@kernel
def find_route(
    view: Any,
    scratch: Any,
    memory: Any,
    estimator: Any,
    channels: Any,
    sender: Any,
    receiver: Any,
    amount: Any,
    fee_limit: Any,
    height: Any,
    final_delta: Any,
    cltv_limit: Any,
    outgoing: Any,
    last_hop: Any,
    now: Any,
    routes: Any,
    out: Any,
) -> Any:
    """Search a route and write it into row `out`; return FOUND or why there is none.

    Times are ns, heights blocks; `cltv_limit` is the greatest total time lock in
    blocks, `final_delta` what the receiver asks for.
    """
    greatest, total = local_limits(view, channels, sender, outgoing)
    routes.hops[out] = 0
    if total < amount:
        return INSUFFICIENT_BALANCE
    if greatest < amount:
        return NO_ROUTE
    scratch.counters[0] += 1
    load_history(memory, scratch, sender)
    cost = attempt_cost(estimator, amount)
    query = Query(
        sender,
        receiver,
        amount,
        fee_limit,
        height + final_delta,
        height + cltv_limit,
        outgoing,
        last_hop,
        cost,
        now,
    )
    if not _run(view, scratch, memory, estimator, channels, query):
        return NO_ROUTE
    return _write_route(view, scratch, query, routes, out)


@kernel
def _write_route(view: Any, scratch: Any, query: Any, routes: Any, out: Any) -> Any:
    """Follow the labels from the sender and fix the amounts from the receiver back (newRoute)."""
    hops = 0
    node = np.int64(query.sender)
    while hops == 0 or node != query.receiver:
        if hops == MAX_HOPS:
            return TOO_MANY_HOPS
        edge = view.edges[scratch.labels[node].edge]
        routes.direction[out, hops] = edge.direction
        hops += 1
        node = np.int64(edge.target)
        last = node == query.receiver
        routes.cltv_blocks[out, hops - 1] = query.final_cltv if last else scratch.labels[node].cltv_blocks
    routes.hops[out] = hops
    amount = query.amount
    routes.amount_msat[out, hops - 1] = amount
    for hop in range(hops - 2, -1, -1):
        following = view.edges[view.position[routes.direction[out, hop + 1]]]
        edge = view.edges[view.position[routes.direction[out, hop]]]
        fee = outbound_fee(following, amount)
        amount += max(fee + edge_inbound_fee(edge, amount + fee), np.int64(0))
        routes.amount_msat[out, hop] = amount
    return FOUND
