"""How far it is at least to the sender, looked up from the sender's side, compiled.

The bounds of `_bounds` count hops, and a sender that remembers successes may
count on 0.95 at any of them. Where a search has settled many nodes and the
sender's turn has not come, the network is walked from the sender on: over its
peers and over the nodes of which it remembers pairs, each with the greatest
probability that its memory can give. What lies behind a node that was never
tried comes after a hop of the prior probability at least.

docs/adr/0042 says why the search stays exact.
"""

from typing import Any

import numpy as np

from lightninglens.core.jit import inlined, kernel
from lightninglens.routing._bounds import INFINITY, greatest_own_probability, mark
from lightninglens.routing._heap import raise_node
from lightninglens.routing._memory import next_size
from lightninglens.routing._probability import fill_greatest
from lightninglens.routing.memory import FIRST_BLOCK, FIRST_NODES, LARGEST_BLOCK, LARGEST_NODES

NEAR = 4
"""In `to_sender`: the node's own bound stands in `Scratch.to_go`."""

_MOST_PAIRS = 15_000
"""Pairs that one walk looks at; what lies behind more of them is bounded together."""
_MARGIN_MSAT = 4
_FARTHEST_STEP = 2.0**50
"""More than any way that a search with these bounds finds; many of them still fit an integer."""

_COUNT = 0
_END = 1
_LEFT = 2
_UNTRIED_FROM = 3
_TRIED_FROM = 4
"""Places in `Scratch.walk`: nodes with a bound of their own, the end of the queue, pairs that may still be looked at,
and the least bounds of nodes not walked over: of those never tried, and of the others."""

_LABELLED = 0
_UNTRIED = 1
_TRIED = 2
"""What bounds the probability of a node's way to the receiver: that the receiver labelled it, or the hop out of it."""


@kernel
def _step(attempts: Any, probability: Any) -> Any:
    """Return what a hop of a probability adds at least where the attempts count for as much."""
    added = attempts * (1.0 / probability - 1.0)
    return max(np.int64(min(added, _FARTHEST_STEP)) - _MARGIN_MSAT, np.int64(0))


@kernel
def _kind(here: Any, generation: Any) -> Any:
    if here.generation == generation and here.distance < INFINITY and here.to_receiver == 1:
        return _LABELLED
    return _TRIED if here.history_generation == generation else _UNTRIED


@inlined
def _approach(scratch: Any, node: Any, bound: Any, generation: Any) -> None:
    """Lower a node's bound, and put a tried node into the queue of those to walk over."""
    here, walk = scratch.reach[node], scratch.walk
    known = here.generation == generation
    if known and here.to_sender == NEAR:
        if scratch.to_go[node] <= bound:
            return
    else:
        if not known:
            mark(scratch.reach, node, generation, -1, NEAR)
        here.to_sender = np.int16(NEAR)
        scratch.near[walk[_COUNT]] = node
        walk[_COUNT] += 1
    scratch.to_go[node] = bound
    if here.history_generation != generation and here.own_row < 0:
        walk[_UNTRIED_FROM] = min(walk[_UNTRIED_FROM], bound)
    elif walk[_END] < scratch.waiting.shape[0]:
        scratch.waiting[walk[_END]] = node
        walk[_END] += 1
    else:
        walk[_TRIED_FROM] = min(walk[_TRIED_FROM], bound)


@inlined
def _approach_peers(view: Any, scratch: Any, query: Any, attempts: Any, own_greatest: Any, generation: Any) -> None:
    """Begin at the peers that the sender can pay through."""
    for place in range(view.first_out[query.sender], view.first_out[query.sender + 1]):
        peer = view.outgoing[place].peer
        here = scratch.reach[peer]
        if here.generation == generation and here.own_row >= 0 and peer != query.receiver:
            bound = _step(attempts[_kind(here, generation)], own_greatest)
            _approach(scratch, peer, bound, generation)


@inlined
def _approach_next(
    view: Any, scratch: Any, query: Any, attempts: Any, node: Any, probability: Any, generation: Any
) -> None:
    """Bound the nodes to which a node has a channel."""
    here = scratch.to_go[node]
    steps = (
        here + _step(attempts[_LABELLED], probability),
        here + _step(attempts[_UNTRIED], probability),
        here + _step(attempts[_TRIED], probability),
    )
    for place in range(view.first_out[node], view.first_out_leaf[node]):
        pair = view.outgoing[place]
        if pair.capacity_msat < query.amount:
            break
        scratch.walk[_LEFT] -= 1
        if pair.peer != query.sender and pair.peer != query.receiver:
            _approach(scratch, pair.peer, steps[_kind(scratch.reach[pair.peer], generation)], generation)


@inlined
def _approach_successes(
    scratch: Any, remembered: Any, query: Any, attempts: Any, node: Any, probability: Any, generation: Any
) -> None:
    """Bound the nodes to which a node has carried as much before."""
    here = scratch.to_go[node]
    known = remembered.nodes[scratch.tried[node].place]
    left, block, size = np.int64(known.pairs), np.int64(known.first), np.int64(FIRST_BLOCK)
    while left > 0:
        for row in range(block, block + min(left, size)):
            peer = remembered.to_node[row]
            there = scratch.reach[peer]
            carried = remembered.results[row].success_msat >= query.amount
            if carried and peer != query.sender and there.generation == generation and there.to_sender == NEAR:
                bound = here + _step(attempts[_kind(there, generation)], probability)
                _approach(scratch, peer, bound, generation)
        left -= size
        size = next_size(size, LARGEST_BLOCK)
        block = np.int64(remembered.next_block[block])


@inlined
def _bound_beyond(walk: Any, attempts: Any, prior: Any, greatest: Any) -> Any:
    """Return what bounds a node behind those that were walked over, from what counts there for attempts."""
    return min(walk[_UNTRIED_FROM] + _step(attempts, prior), walk[_TRIED_FROM] + _step(attempts, greatest))


@inlined
def _walk_over_waiting(
    view: Any,
    scratch: Any,
    remembered: Any,
    estimator: Any,
    query: Any,
    attempts: Any,
    prior: Any,
    own_greatest: Any,
    generation: Any,
    first: Any,
) -> Any:
    """Walk over the nodes in the queue from `first` on, and over those that join it; return where it ends."""
    walk = scratch.walk
    place: Any = np.int64(first)
    while place < walk[_END]:
        node = scratch.waiting[place]
        place += 1
        if walk[_LEFT] <= 0:
            walk[_TRIED_FROM] = min(walk[_TRIED_FROM], scratch.to_go[node])
            continue
        if scratch.reach[node].history_generation != generation:
            _approach_next(view, scratch, query, attempts, node, prior, generation)
            continue
        tried = scratch.tried[node]
        if tried.best == 0.0:
            fill_greatest(remembered, tried, estimator, query.amount, query.now)
        _approach_next(view, scratch, query, attempts, node, tried.others, generation)
        if tried.best > tried.others:
            _approach_successes(scratch, remembered, query, attempts, node, own_greatest, generation)
    return place


@kernel
def look_from_sender(
    view: Any,
    scratch: Any,
    memory: Any,
    remembered: Any,
    estimator: Any,
    query: Any,
    nearest: Any,
    greatest: Any,
    prior: Any,
) -> None:
    """Bound the way to the sender, for each node near it or near one that it remembers, and for all others together.

    `nearest` bounds the probability of the hop to the receiver, `greatest` that of
    any hop and `prior` that of a hop out of a node of which nothing is remembered.
    The bounds of the others go into `Scratch.bounds`.
    """
    generation = np.int32(scratch.counters[0])
    walk, reach = scratch.walk, scratch.reach
    counted = query.attempt_cost / nearest
    attempts = (counted, counted / prior, counted / greatest)
    own_greatest = greatest_own_probability(estimator)
    walk[:] = 0
    walk[_LEFT] = _MOST_PAIRS
    walk[_UNTRIED_FROM] = INFINITY
    walk[_TRIED_FROM] = INFINITY
    _approach_peers(view, scratch, query, attempts, own_greatest, generation)
    place = _walk_over_waiting(
        view, scratch, remembered, estimator, query, attempts, prior, own_greatest, generation, np.int64(0)
    )
    left, block = np.int64(memory.nodes_of_sender[query.sender]), np.int64(memory.first_of_sender[query.sender])
    size = np.int64(FIRST_NODES)
    while left > 0:
        for row in range(block, block + min(left, size)):
            node = memory.nodes[row].node
            here = reach[node]
            near = here.generation == generation and here.to_sender == NEAR
            if near or node == query.sender or node == query.receiver:
                continue
            bound = _bound_beyond(walk, attempts[_kind(here, generation)], prior, greatest)
            _approach(scratch, node, bound, generation)
            place = _walk_over_waiting(
                view, scratch, remembered, estimator, query, attempts, prior, own_greatest, generation, place
            )
        left -= size
        size = next_size(size, LARGEST_NODES)
        block = np.int64(memory.next_nodes[block])
    labelled = _bound_beyond(walk, attempts[_LABELLED], prior, greatest)
    others = _bound_beyond(walk, attempts[_UNTRIED], prior, greatest)
    scratch.bounds[:, 1] = labelled
    scratch.bounds[:, 2] = others
    for row in range(walk[_COUNT]):
        node = scratch.near[row]
        beyond = labelled if _kind(reach[node], generation) == _LABELLED else others
        scratch.to_go[node] = min(scratch.to_go[node], beyond)


@kernel
def turn_heap(scratch: Any, size: Any, farthest: Any) -> Any:
    """Order the heap by the bounds that are known now, leave out what lies too far, and return its size."""
    keys, nodes, reach, labels = scratch.heap_keys, scratch.heap_nodes, scratch.reach, scratch.labels
    kept: Any = np.int64(0)
    for place in range(size):
        node = nodes[place]
        here = reach[node]
        if node >= labels.shape[0]:
            key = scratch.later[node - labels.shape[0]]
        else:
            near = here.to_sender == NEAR
            key = here.distance + (scratch.to_go[node] if near else scratch.bounds[3, here.to_receiver])
        if key <= farthest:
            raise_node(keys, nodes, reach, labels, kept, key, node)
            kept += 1
        elif node < labels.shape[0]:
            here.distance = INFINITY
            here.heap_slot = np.int32(-1)
    return kept
