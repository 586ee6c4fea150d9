"""The sender's own hop, compiled: how likely it is, and what a way to one of its peers comes to with it.

Source: LND `routing/pathfind.go` (findPath, processEdge).
Plain-Python twin: tests/reference/pathfinding.py.
"""

from typing import Any

import numpy as np

from lightninglens.core.jit import inlined
from lightninglens.routing._bounds import INFINITY
from lightninglens.routing._edges import pick_own
from lightninglens.routing._fees import capped_inbound_fee
from lightninglens.routing._labels import distance_of, settles_first
from lightninglens.routing._probability import pair_probability


@inlined
def sender_probability(
    remembers: Any, scratch: Any, estimator: Any, query: Any, peer: Any, amount: Any, capacity: Any
) -> Any:
    """Return the probability of the sender's hop to a peer."""
    tried = scratch.tried[query.sender]
    if scratch.reach[query.sender].history_generation != scratch.counters[0]:
        tried.place = np.int32(-1)
    return pair_probability(
        remembers, tried, scratch.ignored, estimator, True, query.sender, peer, amount, capacity, query.now
    )


@inlined
def likely_distance(
    remembers: Any, scratch: Any, estimator: Any, query: Any, peer: Any, amount: Any, capacity: Any
) -> Any:
    """Return what the sender's distance will hardly be above, now that a peer has been labelled.

    Whatever label the peer settles with has a distance d of at most this one's,
    and c / p of at most d; so with the sender's hop of probability q the
    distance is at most d / q. It fails where that label does not fit the
    sender's channel or the limits of the payment.
    """
    hop = sender_probability(remembers, scratch, estimator, query, peer, amount, capacity)
    return np.int64(np.float64(scratch.reach[peer].distance) / hop) + 4 if hop > 0.0 else INFINITY


@inlined
def relax_own(
    view: Any,
    scratch: Any,
    remembers: Any,
    estimator: Any,
    channels: Any,
    query: Any,
    node: Any,
    own_row: Any,
    former_distance: Any,
) -> Any:
    """Extend a settled node's way by the sender's own channels to it, `own_row` being the first.

    Returns the sender's distance, `former_distance` where this way is not better.
    """
    edges, labels, reach = view.edges, scratch.labels, scratch.reach
    label, goal = labels[node], labels[query.goal]
    received, weight = label.amount_msat, label.weight
    next_fee = label.outbound_fee_msat if node != query.receiver else np.int64(-1)
    best = pick_own(edges, channels, np.int64(own_row), query.outgoing, received, next_fee)
    if best < 0:
        return former_distance
    edge = edges[best]
    inbound = np.int64(0)
    if next_fee >= 0:
        inbound = capped_inbound_fee(edge, received, next_fee)
    amount = received + inbound
    total_fee = amount - query.amount
    if (total_fee > 0 and total_fee > query.fee_limit) or label.cltv_blocks > query.cltv_limit:
        return former_distance
    hop = sender_probability(remembers, scratch, estimator, query, node, amount, edge.capacity_msat)
    probability = label.probability * hop
    if hop == 0.0 or probability < estimator.min_probability:
        return former_distance
    weight += max(inbound, np.int64(0))
    distance = distance_of(weight, query.attempt_cost / probability)
    if distance > former_distance:
        return former_distance
    if distance == former_distance:
        former = edges[goal.edge].target
        if probability < goal.probability or (
            probability == goal.probability and not settles_first(reach, labels, query.receiver, node, former)
        ):
            return former_distance
    goal.probability = probability
    goal.edge = np.int32(best)
    return distance
