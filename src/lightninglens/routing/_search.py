"""The path search, compiled: Dijkstra from the receiver with LND's distance.

Source: LND `routing/pathfind.go` (findPath, newRoute).
Plain-Python twin: tests/reference/pathfinding.py.

Ties, which LND leaves to the order of a Go map, go to the greater probability
(as LND's heap does), then to fewer hops, then to the lower node index, so that
a run is repeatable.
"""

from typing import Any

import numpy as np

from lightninglens.core.jit import kernel
from lightninglens.routing._bimodal import bimodal_prior
from lightninglens.routing._bounds import (
    DIRECTED_BELOW,
    INFINITY,
    fill_bounds,
    greatest_hop_probability,
    greatest_own_probability,
    greatest_prior,
    mark_peers,
    mark_peers_of_peers,
)
from lightninglens.routing._edges import pick_parallel
from lightninglens.routing._fees import (
    ONION_BYTES,
    capped_inbound_fee,
    hop_payload_bytes,
    in_range,
    outbound_fee,
)
from lightninglens.routing._heap import pop_node, raise_node
from lightninglens.routing._labels import (
    INSUFFICIENT_BALANCE,
    NO_ROUTE,
    Query,
    attempt_cost,
    begin,
    distance_of,
    onion_bytes,
    settles_first,
    write_route,
)
from lightninglens.routing._memory import remembered
from lightninglens.routing._nearness import NEAR, look_from_sender, turn_heap
from lightninglens.routing._own_hop import likely_distance, relax_own
from lightninglens.routing._probability import capacity_factor, load_history, pair_probability
from lightninglens.routing.state import BIMODAL

HORIZON = 700
"""Channels of the sender's peers that are worth looking at before a search; 0 makes it the plain one."""

UNREACHED = 0
REACHED = 1
UNSURE = 2
"""How a search ended; UNSURE when its guess of the sender's distance has turned out too small."""

_SURELY_FIT = 20
"""Hops of other nodes that fit an onion with the sender's, whatever the amounts: 91 bytes for the last, 59 for each."""


@kernel
def settle(
    view: Any,
    scratch: Any,
    memory: Any,
    estimator: Any,
    channels: Any,
    query: Any,
    greatest: Any,
    horizon: Any,
    guess: Any,
) -> Any:
    """Settle nodes from the receiver until the sender's turn comes; return REACHED, UNREACHED or UNSURE.

    `greatest` bounds the probability of other nodes' hops. `horizon` 0 is the
    plain search; else it is how many channels of its peers are looked at to
    give the search its direction. With `guess` what lies beyond a likely
    distance of the sender is left out, a node with many pairs has a stand-in in
    the heap for those that can wait, and a long search is directed anew
    (docs/adr/0042); the answer is UNSURE where the sender is farther than
    guessed.

    One long function on purpose: everything the inner loop touches is a local
    variable, which makes it about ten times as fast as calls that pass the
    arrays around.
    """
    edges, pairs, reach, labels = view.edges, view.incoming, scratch.reach, scratch.labels
    keys, nodes = scratch.heap_keys, scratch.heap_nodes
    first_pair, first_leaf = view.first_in, view.first_in_leaf
    generation = np.int32(scratch.counters[0])
    sender, receiver = np.int32(query.sender), np.int32(query.receiver)
    amount_sent, fee_limit = query.amount, query.fee_limit
    cost, cltv_limit = query.attempt_cost, query.cltv_limit
    hop_probability, least = estimator.hop_probability, estimator.min_probability
    fraction, risk = estimator.capacity_fraction, estimator.risk_factor_billionths
    prior = greatest_prior(estimator)
    bimodal, bimodal_scale = estimator.kind == BIMODAL, estimator.bimodal_scale_msat
    patience, many_pairs = scratch.counters[2], scratch.counters[3]
    remembers = remembered(memory)
    size = np.int64(0)
    settled = np.int64(0)

    bounds = scratch.bounds
    elsewhere = np.int16(2)
    if horizon > 0 and greatest < 1.0:
        fill_bounds(bounds, cost, greatest, greatest_own_probability(estimator))
        elsewhere = np.int16(mark_peers_of_peers(view, reach, sender, amount_sent, generation, horizon))
    else:
        bounds[:] = 0

    begin(reach, labels, query, generation)
    sender_distance: Any = INFINITY
    likely: Any = INFINITY
    farthest: Any = INFINITY
    nearest_hop: Any = 0.0
    node = receiver
    at_start = True
    whole = False
    stand_ins = np.int64(labels.shape[0])

    while True:
        settled += 0 if whole else 1
        if settled == patience and not whole and guess and sender != receiver and greatest < 1.0:
            look_from_sender(view, scratch, memory, remembers, estimator, query, nearest_hop, greatest, prior)
            size = turn_heap(scratch, size, farthest)
        label = labels[node]
        at_weight = label.weight
        received = label.amount_msat
        next_fee = label.outbound_fee_msat
        at_cltv = np.int64(label.cltv_blocks)
        at_probability = label.probability
        at_hops = label.hops
        least_amount = received - next_fee
        if at_start:
            next_fee = np.int64(-1)
        if (
            reach[node].own_row >= 0
            and not whole
            and node != sender
            and (not at_start or query.last_hop < 0 or query.last_hop == sender)
        ):
            sender_distance = relax_own(
                view, scratch, remembers, estimator, channels, query, node, reach[node].own_row, sender_distance
            )
            farthest = min(sender_distance, likely)
        best_probability = at_probability * greatest
        pair_row = np.int64(first_pair[node])
        pair_end = np.int64(first_leaf[node])
        partly = guess and not whole and not at_start and node != sender and pair_end - pair_row > many_pairs
        skipped = False
        if node == sender:
            pair_end = np.int64(first_pair[node + 1])
        if best_probability < least:
            pair_end = pair_row
        nearest = distance_of(at_weight, cost / best_probability)
        nearest_untried = distance_of(at_weight, cost / (at_probability * prior))
        while pair_row < pair_end:
            pair = pairs[pair_row]
            source = pair.peer
            pair_row += 1
            if pair.capacity_msat < least_amount:
                if pair_row > first_leaf[node]:
                    break
                pair_row = np.int64(first_leaf[node])
                continue
            seen = reach[source]
            known = seen.generation == generation
            tried = seen.history_generation == generation
            if partly and not tried:
                # The rest is bounded by `bounds[elsewhere, 2]`: neither near the sender nor a peer of the receiver.
                if not known or (seen.to_sender == elsewhere and seen.own_row < 0 and seen.to_receiver != 1):
                    skipped = True
                    continue
            least_distance = nearest if tried else nearest_untried
            if known and seen.distance < least_distance:
                continue
            reached = known and seen.distance < INFINITY
            if reached and seen.heap_slot < 0:
                continue
            to_receiver = 1 if at_start else (seen.to_receiver if reached else 2)
            if known and seen.to_sender == NEAR:
                to_go = scratch.to_go[source]
            else:
                to_go = bounds[seen.to_sender if known else elsewhere, to_receiver]
            if least_distance + to_go > farthest:
                continue
            if at_start and query.last_hop >= 0 and source != query.last_hop:
                continue
            first = np.int64(pair.first_row)
            end = np.int64(pairs[pair_row].first_row)
            edge = edges[first]
            best = first
            delta = np.int64(edge.time_lock_delta_blocks)
            capacity = edge.capacity_msat
            if end - first > 1:
                best, delta, capacity = pick_parallel(edges, first, end, received, next_fee)
                if best < 0:
                    continue
                edge = edges[best]
            elif edge.disabled:
                continue
            inbound = np.int64(0)
            if next_fee >= 0:
                inbound = capped_inbound_fee(edge, received, next_fee)
            amount = received + inbound
            if not in_range(edge, amount):
                continue
            total_fee = amount - amount_sent
            cltv = at_cltv + delta
            if (total_fee > 0 and total_fee > fee_limit) or cltv > cltv_limit:
                continue
            fee = outbound_fee(edge, amount)
            weight = at_weight + max(fee + inbound, np.int64(0))
            weight += amount * delta * risk // 1_000_000_000

            there = labels[source]
            if tried:
                hop = pair_probability(
                    remembers,
                    scratch.tried[source],
                    scratch.ignored,
                    estimator,
                    source == sender,
                    source,
                    node,
                    amount,
                    capacity,
                    query.now,
                )
            elif bimodal:
                hop = bimodal_prior(amount, capacity, bimodal_scale)
            else:
                hop = hop_probability * capacity_factor(amount, capacity, fraction)
            probability = at_probability * hop
            if hop == 0.0 or probability < least:
                continue
            attempts = cost / probability
            distance = distance_of(weight, attempts)
            key = distance + to_go
            if key > farthest:
                continue
            if reached:
                if distance > seen.distance:
                    continue
                if distance == seen.distance:
                    if probability < there.probability:
                        continue
                    former = edges[there.edge].target
                    if probability == there.probability and not settles_first(reach, labels, receiver, node, former):
                        continue
            if at_hops >= _SURELY_FIT:
                payload = hop_payload_bytes(amount, at_cltv, False) + onion_bytes(edges, labels, node, receiver)
                if payload > ONION_BYTES:
                    continue

            if at_start:
                nearest_hop = max(nearest_hop, probability)
            there.weight = weight
            there.amount_msat = amount + fee
            there.outbound_fee_msat = fee
            there.probability = probability
            there.cltv_blocks = np.int32(cltv)
            there.edge = np.int32(best)
            there.hops = at_hops + np.int32(1)
            seen.distance = distance
            seen.to_receiver = np.int16(to_receiver)
            if not known:
                seen.generation = generation
                seen.own_row = np.int32(-1)
                seen.to_sender = elsewhere
            if reached:
                raise_node(keys, nodes, reach, labels, np.int64(seen.heap_slot), key, source)
            else:
                raise_node(keys, nodes, reach, labels, size, key, source)
                size += 1
            if guess and seen.own_row >= 0:
                likely = min(likely, likely_distance(remembers, scratch, estimator, query, source, amount, capacity))
                farthest = min(sender_distance, likely)

        if skipped and nearest_untried + bounds[elsewhere, 2] <= farthest:
            stand_in = np.int32(node + stand_ins)
            reach[stand_in].distance = np.int64(-2 - node)  # before any node of the same key
            scratch.later[node] = nearest_untried
            raise_node(keys, nodes, reach, labels, size, nearest_untried + bounds[elsewhere, 2], stand_in)
            size += 1

        if size == 0 or keys[0] > farthest:
            break
        node = pop_node(keys, nodes, reach, labels, size)
        size -= 1
        at_start = False
        whole = node >= stand_ins
        if whole:
            node = np.int32(node - stand_ins)
    scratch.counters[1] = settled
    if sender_distance > likely:
        return UNSURE
    return REACHED if sender_distance < INFINITY else UNREACHED


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
    horizon: Any = HORIZON,
) -> Any:
    """Search a route and write it into row `out`; return FOUND or why there is none.

    Times are ns, heights blocks; `cltv_limit` is the greatest total time lock in
    blocks, `final_delta` what the receiver asks for.
    """
    routes.hops[out] = 0
    cost = attempt_cost(estimator, amount)
    query = Query(
        sender,
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
    exact = cost < estimator.min_probability * DIRECTED_BELOW and fee_limit < DIRECTED_BELOW and amount < DIRECTED_BELOW
    directed = exact and horizon > 0
    guessing = directed
    while True:
        scratch.counters[0] += 1
        generation = np.int32(scratch.counters[0])
        greatest, total = mark_peers(view, scratch.reach, channels, sender, outgoing, amount, generation)
        if total < amount:
            return INSUFFICIENT_BALANCE
        if greatest < amount:
            return NO_ROUTE
        load_history(memory, scratch, sender)
        most = greatest_hop_probability(estimator, memory.has_succeeded[sender])
        ended = settle(view, scratch, memory, estimator, channels, query, most, horizon if directed else 0, guessing)
        if ended != UNSURE:
            break
        guessing = False
    if ended == UNREACHED:
        return NO_ROUTE
    return write_route(view, scratch, query, routes, out)
