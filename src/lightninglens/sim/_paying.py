"""How a sender makes a payment, part by part, compiled.

As LND does: one route at a time for all that is neither settled nor in flight,
half of it when there is no route, until everything is in flight; a part that
fails makes room for another try; when no route is left or the time is up no
more parts are sent, and the payment ends when those in flight have come back.
Source: LND `routing/payment_lifecycle.go`, `routing/payment_session.go`
(RequestRoute), `payments/db/payment.go`. Plain-Python twin:
tests/reference/engine_senders.py.
"""

from typing import Any

import numpy as np

from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEventKind, HtlcEventType, HtlcOutcome
from lightninglens.core.jit import inlined, kernel
from lightninglens.routing._edges import bandwidth_msat
from lightninglens.routing._labels import FOUND, INSUFFICIENT_BALANCE, NO_ROUTE
from lightninglens.routing._results import report_result
from lightninglens.routing._search import find_route
from lightninglens.sim._forwarding import carries_policy, check_own_link, height_at
from lightninglens.sim._gossip import is_announced, show_common, show_known, tell, write_policy
from lightninglens.sim._heap import schedule
from lightninglens.sim._htlcs import offer
from lightninglens.sim._logs import log_attempt, log_htlc
from lightninglens.sim.state import LEAST_PART_MSAT, NOT_HELD, ROUTES_GIVEN, Count, EventKind, SenderKind

_FREE_ATTEMPTS = int(Count.FREE_ATTEMPTS)
_FINISHED = int(Count.FINISHED)
_IN_FLIGHT = int(Count.IN_FLIGHT)
_ASKED = int(Count.ASKED)
_PENDING = int(Count.PENDING)

_TRY = int(EventKind.TRY)
_LND_BIMODAL = int(SenderKind.LND_BIMODAL)
_PLUGGED = int(SenderKind.PLUGGED)

_NONE = int(FailureCode.NONE)
_DETAILS = int(FailureCode.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS)
_TEMPORARY_CHANNEL = int(FailureCode.TEMPORARY_CHANNEL_FAILURE)
_NOT_ELIGIBLE = int(FailureDetail.LINK_NOT_ELIGIBLE)
_INSUFFICIENT = int(FailureDetail.INSUFFICIENT_BALANCE)
_SENT = int(HtlcEventType.SEND)
_LINK_FAIL_EVENT = int(HtlcEventKind.LINK_FAIL)

_RUNNING = int(HtlcOutcome.IN_FLIGHT)
_SUCCEEDED = int(HtlcOutcome.SUCCEEDED)
_NO_ROUTE = int(HtlcOutcome.NO_ROUTE)
_NO_BALANCE = int(HtlcOutcome.INSUFFICIENT_BALANCE)
_TIMEOUT = int(HtlcOutcome.TIMEOUT)
_FAILED_ON_ROUTE = int(HtlcOutcome.FAILED_ON_ROUTE)
_WRONG_DETAILS = int(HtlcOutcome.INCORRECT_PAYMENT_DETAILS)


@inlined
def begin_payment(world: Any, row: Any) -> None:
    """Note what sender and receiver have at the start."""
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
    payment.fee_msat = payment.sent_fee_msat
    payment.sender_after_msat = network.node_msat[payment.sender]
    payment.receiver_after_msat = network.node_msat[payment.receiver]
    if payment.first_direction >= 0:
        payment.first_after_msat = network.balance_msat[payment.first_direction]
    world.finished[world.counters[_FINISHED]] = row
    world.counters[_FINISHED] += 1
    world.counters[_IN_FLIGHT] -= 1
    world.counters[_PENDING] -= 1


@inlined
def continue_payment(world: Any, row: Any, now: Any) -> Any:
    """Send the next part of a payment, or end it; return True when a router must be asked for the part."""
    payment = world.payments[row]
    payment.trying = 0
    if now - payment.start_ns > world.parameters.timeout_ns:
        payment.failed = _TIMEOUT
    if payment.failed == _RUNNING and payment.most_parts != ROUTES_GIVEN:
        if world.sender_kind[payment.sender] == _PLUGGED:
            world.counters[_ASKED] = row
            return True
        _send_next_part(world, row, now)
    if payment.failed != _RUNNING and payment.parts_in_flight == 0:
        _finish_payment(world, row, np.int64(payment.failed), now)
    return False


@inlined
def _send_next_part(world: Any, row: Any, now: Any) -> None:
    """Search a route for what is left of a payment, for ever smaller parts of it, and send the first that is found."""
    payment, parameters = world.payments[row], world.parameters
    estimator = world.bimodal if world.sender_kind[payment.sender] == _LND_BIMODAL else world.estimator
    slot = world.free_attempts[world.counters[_FREE_ATTEMPTS] - 1]
    amount = payment.amount_msat - payment.sent_msat
    show_known(world.news, world.gossip, world.network.source, parameters, np.int64(payment.sender), now)
    while True:
        status = find_route(
            world.gossip,
            world.scratch,
            world.memory,
            estimator,
            world.own,
            np.int64(payment.sender),
            np.int64(payment.receiver),
            amount,
            payment.fee_limit_msat - payment.sent_fee_msat,
            height_at(parameters, now),
            parameters.final_delta_blocks,
            parameters.cltv_limit_blocks,
            np.int64(payment.outgoing),
            np.int64(payment.last_hop),
            now,
            world.routes,
            slot,
        )
        if status != NO_ROUTE or payment.parts_in_flight + 1 >= payment.most_parts or amount // 2 < LEAST_PART_MSAT:
            break
        amount //= 2
    show_common(world.news, world.gossip)
    if status != FOUND:
        payment.failed = _NO_ROUTE
        if status == INSUFFICIENT_BALANCE:
            payment.failed = _NO_BALANCE
        elif payment.attempts > 0:
            payment.failed = _FAILED_ON_ROUTE
        return
    world.counters[_FREE_ATTEMPTS] -= 1
    register_part(world.payments, world.attempts, world.routes, row, slot, amount, now)
    _leave(world, slot, now)
    if payment.sent_msat < payment.amount_msat:
        _try_again(world, row, now)


@kernel
def register_part(payments: Any, attempts: Any, routes: Any, row: Any, slot: Any, amount: Any, now: Any) -> None:
    """Count a part as in flight; its route stands in `routes` already."""
    payment, attempt = payments[row], attempts[slot]
    payment.attempts += 1
    payment.parts_in_flight += 1
    payment.sent_msat += amount
    payment.sent_fee_msat += routes.amount_msat[slot, 0] - amount
    attempt.payment = row
    attempt.number = payment.attempts
    attempt.start_ns = now
    attempt.amount_msat = amount
    attempt.release_ns = NOT_HELD
    attempt.code = _NONE
    attempt.detail = 0
    attempt.failed_index = -1
    attempt.failed_direction = -1
    attempt.skips_temporary = 0


@inlined
def _leave(world: Any, slot: Any, now: Any) -> None:
    """Send the first HTLC of a part."""
    payment = world.payments[world.attempts[slot].payment]
    payment.first_direction = world.routes.direction[slot, 0]
    payment.first_before_msat = world.network.balance_msat[payment.first_direction]
    offer(world, slot, 0, now)


@inlined
def send_planned(world: Any, slot: Any, now: Any) -> Any:
    """Send a part that was planned or given; return False when the sender's own channel does not take it.

    What a router plans has been checked against all but what the channel can carry at this moment.
    """
    attempt, own = world.attempts[slot], world.own
    direction = world.routes.direction[slot, 0]
    amount = world.routes.amount_msat[slot, 0]
    code, detail = _NONE, _INSUFFICIENT
    if world.payments[attempt.payment].most_parts == ROUTES_GIVEN:
        cltv, height = np.int64(world.routes.cltv_blocks[slot, 0]), height_at(world.parameters, now)
        code, detail = check_own_link(own, world.enforced, direction, amount, cltv, height)
    elif bandwidth_msat(own, direction) < amount:
        code = _TEMPORARY_CHANNEL
        detail = _INSUFFICIENT if own.active[direction // 2] else _NOT_ELIGIBLE
    if code == _NONE:
        _leave(world, slot, now)
        return True
    attempt.code = code
    attempt.detail = detail
    attempt.failed_index = 0
    attempt.failed_direction = direction
    log_htlc(world, slot, 0, world.network.source[direction], _LINK_FAIL_EVENT, _SENT, now, code, detail)
    return False


@inlined
def _try_again(world: Any, row: Any, now: Any) -> None:
    payment = world.payments[row]
    if not payment.trying:
        payment.trying = 1
        schedule(world.heap, world.counters, now + world.parameters.retry_delay_ns, _TRY, row, 0)


@inlined
def _after_failure(world: Any, row: Any, slot: Any, now: Any) -> Any:
    """Note what a part's failure means for its payment; return how that ends once nothing is in flight, if it does."""
    payment, attempt = world.payments[row], world.attempts[slot]
    outcome: Any = np.int64(payment.failed)
    if outcome == _RUNNING and attempt.code == _DETAILS:
        outcome = _WRONG_DETAILS  # the receiver's word is final (processPaymentOutcomeFinal)
    if payment.most_parts == ROUTES_GIVEN:
        given_up = outcome if outcome != _RUNNING or attempt.skips_temporary else _FAILED_ON_ROUTE
        payment.failed = given_up
        return _FAILED_ON_ROUTE if given_up == _RUNNING else given_up
    payment.failed = outcome
    if outcome == _RUNNING:
        _try_again(world, row, now)
    elif now - payment.start_ns > world.parameters.timeout_ns:
        outcome = _TIMEOUT  # LND's last word is the clock's (checkContext)
    return outcome


@inlined
def close_part(world: Any, slot: Any, now: Any, settled: Any) -> None:
    """Log an attempt that is over, let the sender learn from it, and end its payment or go on with it."""
    attempt, route = world.attempts[slot], world.routes
    row = attempt.payment
    payment = world.payments[row]
    payment.failure_code = attempt.code
    payment.failure_detail = attempt.detail
    payment.failure_direction = attempt.failed_direction
    payment.hops = route.hops[slot]
    payment.parts_in_flight -= 1
    log_attempt(world, slot, now)
    _learn(world, slot, now)
    world.free_attempts[world.counters[_FREE_ATTEMPTS]] = slot
    world.counters[_FREE_ATTEMPTS] += 1
    outcome: Any = _SUCCEEDED
    if settled:
        payment.parts += 1
    else:
        payment.sent_msat -= attempt.amount_msat
        payment.sent_fee_msat -= route.amount_msat[slot, 0] - attempt.amount_msat
        outcome = _after_failure(world, row, slot, now)
    if outcome != _RUNNING and payment.parts_in_flight == 0 and not payment.trying:
        _finish_payment(world, row, outcome, now)


@inlined
def _learn(world: Any, slot: Any, now: Any) -> None:
    """Tell the sender's memory how an attempt ended, and the sender the policy that a failure carried.

    Where gossip takes no time, all senders learn of the policy.
    """
    attempt, route, nodes = world.attempts[slot], world.routes, world.nodes
    payment = world.payments[attempt.payment]
    kind = world.sender_kind[payment.sender]
    hops = np.int64(route.hops[slot])
    code, index = np.int64(attempt.code), np.int64(attempt.failed_index)
    if index > 0 and carries_policy(code, attempt.detail):
        failed = np.int64(attempt.failed_direction)
        if world.parameters.gossip_delay_median_ns > 0.0:
            source = world.network.source
            tell(world.news, source, world.parameters, np.int64(payment.sender), failed, now)
        elif is_announced(world.gossip, failed):
            write_policy(world.gossip, world.enforced, failed, failed)
    if kind == _PLUGGED:
        return
    nodes[0] = payment.sender
    for hop in range(hops):
        nodes[hop + 1] = world.network.target[route.direction[slot, hop]]
    estimator = world.bimodal if kind == _LND_BIMODAL else world.estimator
    report_result(
        world.memory,
        estimator,
        payment.sender,
        nodes,
        route.amount_msat[slot],
        hops,
        code,
        index,
        now,
        world.pairs,
    )
