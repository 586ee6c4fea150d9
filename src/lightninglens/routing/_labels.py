"""What a search asks, what its labels mean, and the route that they spell, compiled.

Source: LND `routing/pathfind.go` (getProbabilityBasedDist, newRoute).
Plain-Python twin: tests/reference/pathfinding.py.
"""

from typing import Any, NamedTuple

import numpy as np

from lightninglens.core.jit import inlined, kernel
from lightninglens.routing._bounds import INFINITY
from lightninglens.routing._fees import edge_inbound_fee, hop_payload_bytes, outbound_fee
from lightninglens.routing._heap import settles_before
from lightninglens.routing.state import MAX_HOPS

FOUND = 0
NO_ROUTE = 1
INSUFFICIENT_BALANCE = 2
TOO_MANY_HOPS = 3

_FARTHEST = INFINITY - 1
"""The distance of what is too far for the integers, but has been reached."""

_PPM = np.int64(1_000_000)
_PREFERENCE_SCALE = 0.9
"""Keeps the extremes of the time preference away from a cost of 0 and of infinity."""


class Query(NamedTuple):
    """One search, with everything in it that depends only on the query."""

    sender: Any
    goal: Any
    """The place of the sender's label: the sender's own, or NOBODY's where the sender's is in use."""
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
def attempt_cost(estimator: Any, amount: Any) -> Any:
    """Return what a failed attempt counts for in msat, greater the more the sender prefers speed to cost."""
    cost = np.float64(np.int64(estimator.attempt_cost_msat) + amount * estimator.attempt_cost_ppm // _PPM)
    preference = estimator.time_preference * _PREFERENCE_SCALE
    return cost * (1.0 / (0.5 - preference / 2.0) - 1.0)


@kernel
def distance_of(weight: Any, attempts: Any) -> Any:
    """Return LND's distance: fees and risk, and the expected cost of attempts, in whole msat."""
    exact = np.float64(weight) + attempts
    return np.int64(exact) if exact < 4.6e18 else _FARTHEST


@kernel
def onion_bytes(edges: Any, labels: Any, node: Any, receiver: Any) -> Any:
    """Return how much of the onion the way from a labelled node takes."""
    size: Any = np.int64(0)
    while node != receiver:
        label = labels[node]
        node = edges[label.edge].target
        size += hop_payload_bytes(
            label.amount_msat - label.outbound_fee_msat, np.int64(labels[node].cltv_blocks), False
        )
    return size + hop_payload_bytes(labels[receiver].amount_msat, np.int64(labels[receiver].cltv_blocks), True)


@kernel
def begin(reach: Any, labels: Any, query: Any, generation: Any) -> None:
    """Label the receiver, and let neither end be labelled by another node."""
    start, receiver, goal = labels[query.receiver], reach[query.receiver], reach[query.sender]
    start.weight = 0
    start.amount_msat = query.amount
    start.outbound_fee_msat = 0
    start.probability = 1.0
    start.cltv_blocks = np.int32(query.final_cltv)
    start.edge = np.int32(-1)
    start.hops = np.int32(0)
    if receiver.generation != generation:
        receiver.generation = generation
        receiver.own_row = np.int32(-1)
    receiver.distance = np.int64(-1)
    receiver.to_sender = np.int16(0)
    goal.generation = generation
    goal.heap_slot = np.int32(-1)
    goal.distance = np.int64(-1)
    goal.to_sender = np.int16(0)


@kernel
def settles_first(reach: Any, labels: Any, receiver: Any, node: Any, former: Any) -> Any:
    """Say whether `node` settles before the node `former` in the plain search, where the receiver is the first."""
    return former != receiver and settles_before(reach, labels, node, former)


@inlined
def write_route(view: Any, scratch: Any, query: Any, routes: Any, out: Any) -> Any:
    """Follow the labels from the sender and fix the amounts from the receiver back (newRoute)."""
    hops = 0
    node = np.int64(query.goal)
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
