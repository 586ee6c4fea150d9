"""The event loop, compiled: payments start, HTLCs arrive, settle and fail, senders try again.

Plain-Python twin: tests/reference/engine.py.
"""

import math
from typing import Any

import numpy as np

from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEventKind, HtlcEventType, HtlcOutcome
from lightninglens.core.jit import inlined, kernel
from lightninglens.core.rng import Stream, standard_normal
from lightninglens.routing._labels import FOUND, INSUFFICIENT_BALANCE
from lightninglens.routing._results import report_result
from lightninglens.routing._search import find_route
from lightninglens.routing.state import MAX_HOPS, REPORT_PAIRS
from lightninglens.sim._channels import add_htlc, resolve_htlc
from lightninglens.sim._forwarding import carries_policy, choose_link, height_at, tell_senders
from lightninglens.sim._heap import schedule, take
from lightninglens.sim._logs import log_attempt, log_htlc
from lightninglens.sim.state import Count, EventKind

FINISHED = 0
PAUSED = 1
NEEDS_ROOM = 2

_HEAP = int(Count.HEAP)
_FREE_ATTEMPTS = int(Count.FREE_ATTEMPTS)
_FINISHED = int(Count.FINISHED)
_ATTEMPT_LOG = int(Count.ATTEMPT_LOG)
_ROUTE_LOG = int(Count.ROUTE_LOG)
_HTLC_LOG = int(Count.HTLC_LOG)
_EVENTS = int(Count.EVENTS)
_NOW = int(Count.NOW_NS)
_IN_FLIGHT = int(Count.IN_FLIGHT)

_GOSSIP = int(EventKind.GOSSIP)
_SETTLE = int(EventKind.SETTLE)
_FAIL = int(EventKind.FAIL)
_ARRIVE = int(EventKind.ARRIVE)
_TRY = int(EventKind.TRY)
_START = int(EventKind.START)

_NONE = int(FailureCode.NONE)
_ADD_FAILED = int(FailureDetail.HTLC_ADD_FAILED)

_SENT = int(HtlcEventType.SEND)
_RECEIVED = int(HtlcEventType.RECEIVE)
_FORWARDED = int(HtlcEventType.FORWARD)
_FORWARD_EVENT = int(HtlcEventKind.FORWARD)
_FORWARD_FAIL_EVENT = int(HtlcEventKind.FORWARD_FAIL)
_SETTLE_EVENT = int(HtlcEventKind.SETTLE)
_LINK_FAIL_EVENT = int(HtlcEventKind.LINK_FAIL)

_RUNNING = int(HtlcOutcome.IN_FLIGHT)
_SUCCEEDED = int(HtlcOutcome.SUCCEEDED)
_NO_ROUTE = int(HtlcOutcome.NO_ROUTE)
_NO_BALANCE = int(HtlcOutcome.INSUFFICIENT_BALANCE)
_TIMEOUT = int(HtlcOutcome.TIMEOUT)
_FAILED_ON_ROUTE = int(HtlcOutcome.FAILED_ON_ROUTE)

_HOP_DELAY = int(Stream.HOP_DELAY)


@inlined
def _travel(world: Any, slot: Any, step: Any, now: Any, kind: Any, hop: Any) -> None:
    """Schedule what follows step number `step` of an attempt: log-normal, addressed by payment, attempt and step."""
    parameters = world.parameters
    payment = world.payments[world.attempts[slot].payment]
    index = np.int64(payment.attempts) * 128 + step
    z = standard_normal(parameters.seed, payment.payment_id, _HOP_DELAY, index)
    delay_ns = np.int64(parameters.hop_delay_median_ns * math.exp(parameters.hop_delay_sigma * z)) + 1
    schedule(world.heap, world.counters, now + delay_ns, kind, slot, hop)


@inlined
def _begin_payment(world: Any, row: Any) -> None:
    payment, node_msat = world.payments[row], world.network.node_msat
    payment.outcome = _RUNNING
    payment.sender_before_msat = node_msat[payment.sender]
    payment.receiver_before_msat = node_msat[payment.receiver]
    payment.first_direction = -1
    world.counters[_IN_FLIGHT] += 1


@inlined
def _finish_payment(world: Any, row: Any, outcome: Any, now: Any) -> None:
    payment, network = world.payments[row], world.network
    payment.outcome = outcome
    payment.end_ns = now
    payment.sender_after_msat = network.node_msat[payment.sender]
    payment.receiver_after_msat = network.node_msat[payment.receiver]
    if payment.first_direction >= 0:
        payment.first_after_msat = network.balance_msat[payment.first_direction]
    world.finished[world.counters[_FINISHED]] = row
    world.counters[_FINISHED] += 1
    world.counters[_IN_FLIGHT] -= 1


@inlined
def _try_payment(world: Any, row: Any, now: Any) -> None:
    """Search a route for a payment and send its first HTLC, or end the payment."""
    payment, parameters = world.payments[row], world.parameters
    if now - payment.start_ns > parameters.timeout_ns:
        _finish_payment(world, row, _TIMEOUT, now)
        return
    slot = world.free_attempts[world.counters[_FREE_ATTEMPTS] - 1]
    status = find_route(
        world.gossip,
        world.scratch,
        world.memory,
        world.estimator,
        world.own,
        np.int64(payment.sender),
        np.int64(payment.receiver),
        payment.amount_msat,
        payment.fee_limit_msat,
        height_at(parameters, now),
        parameters.final_delta_blocks,
        parameters.cltv_limit_blocks,
        np.int64(payment.outgoing),
        np.int64(payment.last_hop),
        now,
        world.routes,
        slot,
    )
    if status != FOUND:
        outcome = _NO_ROUTE
        if status == INSUFFICIENT_BALANCE:
            outcome = _NO_BALANCE
        elif payment.attempts > 0:
            outcome = _FAILED_ON_ROUTE
        _finish_payment(world, row, outcome, now)
        return
    world.counters[_FREE_ATTEMPTS] -= 1
    payment.attempts += 1
    attempt = world.attempts[slot]
    attempt.payment = row
    attempt.start_ns = now
    attempt.code = _NONE
    attempt.detail = 0
    attempt.failed_index = -1
    attempt.failed_direction = -1
    payment.first_direction = world.routes.direction[slot, 0]
    payment.first_before_msat = world.network.balance_msat[payment.first_direction]
    _offer(world, slot, 0, now)


@inlined
def _offer(world: Any, slot: Any, hop: Any, now: Any) -> None:
    """Add HTLC number `hop` of a route and let it travel."""
    network = world.network
    direction = world.routes.direction[slot, hop]
    world.htlc_id[slot, hop] = add_htlc(
        network,
        world.own,
        world.parameters.commit_feerate_sat_per_kw,
        direction,
        world.routes.amount_msat[slot, hop],
    )
    event_type = _SENT if hop == 0 else _FORWARDED
    log_htlc(world, slot, hop, network.source[direction], _FORWARD_EVENT, event_type, now, 0, 0)
    _travel(world, slot, 2 * hop, now, _ARRIVE, hop)


@inlined
def _arrive(world: Any, slot: Any, hop: Any, now: Any) -> None:
    """HTLC number `hop` has reached the next node: it settles there, is forwarded, or fails."""
    node = world.network.target[world.routes.direction[slot, hop]]
    if hop + 1 == world.routes.hops[slot]:
        log_htlc(world, slot, hop + 1, node, _SETTLE_EVENT, _RECEIVED, now, 0, 0)
        _travel(world, slot, 2 * hop + 1, now, _SETTLE, hop)
        return
    direction, code, detail = choose_link(world, slot, hop + 1, now)
    if code == _NONE:
        world.routes.direction[slot, hop + 1] = direction
        _offer(world, slot, hop + 1, now)
        return
    attempt = world.attempts[slot]
    attempt.code = code
    attempt.detail = detail
    attempt.failed_index = hop + 1
    attempt.failed_direction = direction
    # The mailbox's answer names no outgoing channel, which is how LND tells a receive from a forward.
    event_type = _RECEIVED if detail == _ADD_FAILED else _FORWARDED
    log_htlc(world, slot, hop + 1, node, _LINK_FAIL_EVENT, event_type, now, code, detail)
    _travel(world, slot, 2 * hop + 1, now, _FAIL, hop)


@inlined
def _come_back(world: Any, slot: Any, hop: Any, now: Any, settled: Any) -> Any:
    """HTLC number `hop` is resolved at the node that offered it; return True when that is the sender."""
    network = world.network
    direction = world.routes.direction[slot, hop]
    amount = world.routes.amount_msat[slot, hop]
    resolve_htlc(network, world.own, world.parameters.commit_feerate_sat_per_kw, direction, amount, settled)
    kind = _SETTLE_EVENT if settled else _FORWARD_FAIL_EVENT
    event_type = _SENT if hop == 0 else _FORWARDED
    log_htlc(world, slot, hop, network.source[direction], kind, event_type, now, 0, 0)
    if hop == 0:
        return True
    _travel(world, slot, 2 * hop - 1, now, _SETTLE if settled else _FAIL, hop - 1)
    return False


@inlined
def _close_attempt(world: Any, slot: Any, now: Any, settled: Any) -> None:
    """Log an attempt that is over, let the sender learn from it, and end its payment or try it again."""
    attempt, route = world.attempts[slot], world.routes
    row = attempt.payment
    payment = world.payments[row]
    payment.failure_code = attempt.code
    payment.failure_detail = attempt.detail
    payment.failure_direction = attempt.failed_direction
    payment.hops = route.hops[slot]
    if settled:
        payment.fee_msat = route.amount_msat[slot, 0] - payment.amount_msat
    log_attempt(world, slot, now)
    _learn(world, slot, now)
    world.free_attempts[world.counters[_FREE_ATTEMPTS]] = slot
    world.counters[_FREE_ATTEMPTS] += 1
    if settled:
        _finish_payment(world, row, _SUCCEEDED, now)
    else:
        schedule(world.heap, world.counters, now + world.parameters.retry_delay_ns, _TRY, row, 0)


@inlined
def _learn(world: Any, slot: Any, now: Any) -> None:
    """Tell the sender's memory how an attempt ended, and all senders the policy that a failure carried."""
    attempt, route, nodes = world.attempts[slot], world.routes, world.nodes
    payment = world.payments[attempt.payment]
    hops = np.int64(route.hops[slot])
    nodes[0] = payment.sender
    for hop in range(hops):
        nodes[hop + 1] = world.network.target[route.direction[slot, hop]]
    code = np.int64(attempt.code)
    if carries_policy(code, attempt.detail):
        tell_senders(world.gossip, world.enforced, attempt.failed_direction)
    report_result(
        world.memory,
        world.estimator,
        payment.sender,
        nodes,
        route.amount_msat[slot],
        hops,
        code,
        np.int64(attempt.failed_index),
        now,
        world.pairs,
    )


@inlined
def _has_room(world: Any) -> Any:
    counters, memory = world.counters, world.memory
    return (
        counters[_HEAP] + 4 < world.heap.shape[0]
        and counters[_FREE_ATTEMPTS] > 0
        and counters[_FINISHED] + 1 < world.finished.shape[0]
        and counters[_ATTEMPT_LOG] + 1 < world.attempt_log.shape[0]
        and counters[_ROUTE_LOG] + MAX_HOPS < world.route_log.shape[0]
        and counters[_HTLC_LOG] + 4 < world.htlc_log.shape[0]
        and memory.counters[0] + REPORT_PAIRS < memory.sender.shape[0]
    )


@kernel
def run(world: Any, until_ns: Any, most_events: Any) -> Any:
    """Process events up to and including `until_ns`.

    Returns FINISHED when none is left before then, PAUSED after `most_events`,
    NEEDS_ROOM when a log is full or a pool too small; nothing is lost by any.
    """
    done = 0
    counters = world.counters
    while counters[_HEAP] > 0 and world.heap[0].time_ns <= until_ns:
        if done >= most_events:
            return PAUSED
        if not _has_room(world):
            return NEEDS_ROOM
        now = world.heap[0].time_ns
        task = take(world.heap, counters)
        kind = task >> 48
        slot = np.int32(task >> 8 & 0xFFFFFFFF)
        hop = np.int64(task & 0xFF)
        done += 1
        counters[_EVENTS] += 1
        counters[_NOW] = now
        if kind == _ARRIVE:
            _arrive(world, slot, hop, now)
        elif kind == _SETTLE or kind == _FAIL:
            settled = kind == _SETTLE
            if _come_back(world, slot, hop, now, settled):
                _close_attempt(world, slot, now, settled)
        elif kind == _GOSSIP:
            tell_senders(world.gossip, world.enforced, slot)
        else:
            if kind == _START:
                _begin_payment(world, slot)
            _try_payment(world, slot, now)
    return FINISHED
