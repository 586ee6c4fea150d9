"""One search for many senders to the same receiver and amount, compiled.

docs/adr/0041 says when a sender's answer from the tree is the plain search's.
"""

from typing import Any

import numpy as np

from lightninglens.core.jit import inlined, kernel
from lightninglens.routing._bounds import INFINITY, greatest_prior
from lightninglens.routing._edges import bandwidth_msat
from lightninglens.routing._labels import INSUFFICIENT_BALANCE, NO_ROUTE, Query, attempt_cost, write_route
from lightninglens.routing._memory import remembered
from lightninglens.routing._own_hop import relax_own
from lightninglens.routing._search import find_route, settle

UNDECIDED = -1


@kernel
def grow(view: Any, scratch: Any, memory: Any, estimator: Any, channels: Any, query: Any, branches: Any) -> None:
    """Label every node's way to the receiver, as a forwarding node's, for senders without memory.

    `branches` gets per node the distance of the nearest node whose way leads through it.
    """
    scratch.counters[0] += 1
    settle(view, scratch, memory, estimator, channels, query, greatest_prior(estimator), 0, False)
    generation = np.int32(scratch.counters[0])
    reach, labels, edges = scratch.reach, scratch.labels, view.edges
    branches[:] = INFINITY
    for node in range(branches.shape[0]):
        here = reach[node]
        if here.generation == generation and node != query.receiver and here.distance < INFINITY:
            parent = edges[labels[node].edge].target
            branches[parent] = min(branches[parent], here.distance)


@inlined
def answer(
    view: Any,
    scratch: Any,
    memory: Any,
    estimator: Any,
    channels: Any,
    query: Any,
    branch: Any,
    routes: Any,
    out: Any,
) -> Any:
    """Answer one sender from the tree in `scratch`; return UNDECIDED where the plain search might differ.

    `branch` is the distance of the nearest node whose way leads through the sender.
    """
    reach, edges = scratch.reach, view.edges
    generation = np.int32(scratch.counters[0])
    sender = query.sender
    routes.hops[out] = 0
    if sender == query.receiver or memory.nodes_of_sender[sender] > 0:
        return UNDECIDED
    remembers = remembered(memory)
    greatest: Any = np.int64(0)
    total: Any = np.int64(0)
    distance: Any = INFINITY
    for place in range(view.first_out[sender], view.first_out[sender + 1]):
        pair = view.outgoing[place]
        row = np.int64(pair.first_row)
        of_pair: Any = np.int64(0)
        while row < edges.shape[0] and edges[row].target == pair.peer and edges[row].source == sender:
            bandwidth = bandwidth_msat(channels, edges[row].direction)
            of_pair = max(of_pair, bandwidth)
            total += bandwidth
            row += 1
        greatest = max(greatest, of_pair)
        there = reach[pair.peer]
        reached = there.generation == generation and there.distance < INFINITY
        if reached and of_pair >= query.amount and there.distance <= distance:
            distance = relax_own(
                view, scratch, remembers, estimator, channels, query, np.int64(pair.peer), pair.first_row, distance
            )
    if total < query.amount:
        return INSUFFICIENT_BALANCE
    if greatest < query.amount:
        return NO_ROUTE
    if branch < INFINITY and branch <= distance:
        return UNDECIDED
    return write_route(view, scratch, query, routes, out) if distance < INFINITY else NO_ROUTE


@kernel
def find_routes(
    view: Any,
    scratch: Any,
    memory: Any,
    estimator: Any,
    channels: Any,
    queries: Any,
    order: Any,
    least_shared: Any,
    height: Any,
    final_delta: Any,
    cltv_limit: Any,
    now: Any,
    routes: Any,
    status: Any,
    probability: Any,
    branches: Any,
    horizon: Any,
) -> Any:
    """Answer many queries into the rows of `routes`; return how many were answered from trees.

    `order` brings queries with the same receiver, amount and fee limit together;
    where `least_shared` or more are alike they share a tree.
    """
    nobody = np.int64(branches.shape[0])
    shared = np.int64(0)
    first = np.int64(0)
    while first < order.shape[0]:
        head = order[first]
        receiver, amount, fee_limit = queries.receiver[head], queries.amount_msat[head], queries.fee_limit_msat[head]
        end = first + 1
        while (
            end < order.shape[0]
            and queries.receiver[order[end]] == receiver
            and queries.amount_msat[order[end]] == amount
            and queries.fee_limit_msat[order[end]] == fee_limit
        ):
            end += 1
        for place in range(first, end):
            status[order[place]] = UNDECIDED
        if end - first >= least_shared:
            cost = attempt_cost(estimator, amount)
            final_cltv, last_cltv = height + final_delta, height + cltv_limit
            query = Query(nobody, nobody, receiver, amount, fee_limit, final_cltv, last_cltv, -1, -1, cost, now)
            grow(view, scratch, memory, estimator, channels, query, branches)
            for place in range(first, end):
                row = order[place]
                sender = np.int64(queries.sender[row])
                query = Query(sender, nobody, receiver, amount, fee_limit, final_cltv, last_cltv, -1, -1, cost, now)
                status[row] = answer(view, scratch, memory, estimator, channels, query, branches[sender], routes, row)
                if status[row] != UNDECIDED:
                    shared += 1
                    probability[row] = scratch.labels[nobody].probability
        for place in range(first, end):
            row = order[place]
            if status[row] != UNDECIDED:
                continue
            sender = np.int64(queries.sender[row])
            status[row] = find_route(
                view,
                scratch,
                memory,
                estimator,
                channels,
                sender,
                receiver,
                amount,
                fee_limit,
                height,
                final_delta,
                cltv_limit,
                -1,
                -1,
                now,
                routes,
                row,
                horizon,
            )
            probability[row] = scratch.labels[sender].probability
        first = end
    return shared
