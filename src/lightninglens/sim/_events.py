"""The event loop, compiled: payments start, HTLCs arrive, settle and fail, senders try again.

Plain-Python twin: tests/reference/engine.py.
"""

import math
from typing import Any

import numpy as np

from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEventKind, HtlcEventType, HtlcOutcome
from lightninglens.core.jit import kernel
from lightninglens.core.rng import Stream, philox, standard_normal
from lightninglens.routing._results import REPORT_PAIRS, report_result
from lightninglens.routing._search import (
    FOUND,
    INSUFFICIENT_BALANCE,
    RouteColumns,
    find_route,
    inbound_fee,
    proportional_fee,
)
from lightninglens.routing.state import MAX_HOPS
from lightninglens.sim._channels import add_htlc, resolve_htlc
from lightninglens.sim.state import Count, EventKind

FINISHED = 0
PAUSED = 1
NEEDS_ROOM = 2

_HEAP = int(Count.HEAP)
_SEQUENCE = int(Count.SEQUENCE)
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
_TEMPORARY_CHANNEL = int(FailureCode.TEMPORARY_CHANNEL_FAILURE)
_BELOW_MINIMUM = int(FailureCode.AMOUNT_BELOW_MINIMUM)
_FEE_INSUFFICIENT = int(FailureCode.FEE_INSUFFICIENT)
_INCORRECT_CLTV = int(FailureCode.INCORRECT_CLTV_EXPIRY)
_UNKNOWN_PEER = int(FailureCode.UNKNOWN_NEXT_PEER)
_EXPIRY_TOO_SOON = int(FailureCode.EXPIRY_TOO_SOON)
_EXPIRY_TOO_FAR = int(FailureCode.EXPIRY_TOO_FAR)

_NO_DETAIL = int(FailureDetail.NO_DETAIL)
_NOT_ELIGIBLE = int(FailureDetail.LINK_NOT_ELIGIBLE)
_EXCEEDS_MAX = int(FailureDetail.HTLC_EXCEEDS_MAX)
_INSUFFICIENT = int(FailureDetail.INSUFFICIENT_BALANCE)
_ADD_FAILED = int(FailureDetail.HTLC_ADD_FAILED)
_CIRCULAR = int(FailureDetail.CIRCULAR_ROUTE)

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
_LINK_CHOICE = int(Stream.NON_STRICT_LINK)

BLOCK_NS = 600_000_000_000
_REJECT_DELTA_BLOCKS = 3
_MAX_EXPIRY_BLOCKS = 2016


@kernel
def _earlier(queues: Any, first: Any, second: Any) -> Any:
    if queues.time_ns[first] != queues.time_ns[second]:
        return queues.time_ns[first] < queues.time_ns[second]
    return queues.order[first] < queues.order[second]


@kernel
def _swap(queues: Any, first: Any, second: Any) -> None:
    for column in (queues.time_ns, queues.order, queues.item):
        column[first], column[second] = column[second], column[first]


@kernel
def schedule(queues: Any, time_ns: Any, kind: Any, slot: Any, hop: Any) -> None:
    """Put an event into the heap; there must be room."""
    row = queues.counters[_HEAP]
    queues.counters[_HEAP] += 1
    queues.counters[_SEQUENCE] += 1
    queues.time_ns[row] = time_ns
    queues.order[row] = np.int64(kind) << 56 | queues.counters[_SEQUENCE]
    queues.item[row] = np.int64(kind) << 48 | np.int64(slot) << 8 | np.int64(hop)
    while row > 0:
        parent = (row - 1) // 2
        if not _earlier(queues, row, parent):
            break
        _swap(queues, row, parent)
        row = parent


@kernel
def schedule_starts(queues: Any, start_ns: Any, slots: Any) -> None:
    """Put the start of each payment into the heap; there must be room."""
    for row in range(slots.shape[0]):
        schedule(queues, start_ns[row], _START, slots[row], 0)


@kernel
def _take(queues: Any) -> Any:
    item = queues.item[0]
    queues.counters[_HEAP] -= 1
    size = queues.counters[_HEAP]
    _swap(queues, 0, size)
    row = 0
    while True:
        child = 2 * row + 1
        if child >= size:
            break
        if child + 1 < size and _earlier(queues, child + 1, child):
            child += 1
        if not _earlier(queues, child, row):
            break
        _swap(queues, row, child)
        row = child
    return item


@kernel
def _delay_ns(parameters: Any, payments: Any, attempts: Any, slot: Any, step: Any) -> Any:
    """Draw how long one step of an HTLC takes: log-normal, addressed by payment, attempt and step."""
    payment = attempts.payment[slot]
    index = np.int64(payments.attempts[payment]) * 128 + step
    z = standard_normal(parameters.seed, payments.payment_id[payment], _HOP_DELAY, index)
    return np.int64(parameters.hop_delay_median_ns * math.exp(parameters.hop_delay_sigma * z)) + 1


@kernel
def _height(parameters: Any, now: Any) -> Any:
    return parameters.start_height + (now - parameters.start_ns) // BLOCK_NS


@kernel
def _log_htlc(
    queues: Any,
    network: Any,
    attempts: Any,
    slot: Any,
    hop: Any,
    node: Any,
    kind: Any,
    event_type: Any,
    now: Any,
    code: Any,
    detail: Any,
) -> None:
    """Write what node number `hop` of the route sees, if it is observed.

    Its incoming HTLC is number hop - 1 of the route, its outgoing number hop.
    An HTLC that the picked link could not add comes back without amounts, time
    locks and outgoing channel, as LND's mailbox returns it (FailAdd).
    """
    if not network.observed[node]:
        return
    row = queues.htlc_log[queues.counters[_HTLC_LOG]]
    queues.counters[_HTLC_LOG] += 1
    row.timestamp_ns = now
    row.node = node
    row.kind = kind
    row.event_type = event_type
    row.code = code
    row.detail = detail
    incoming = event_type != _SENT
    outgoing = event_type != _RECEIVED
    sized = detail != _ADD_FAILED
    row.incoming_direction = attempts.direction[slot, hop - 1] if incoming else -1
    row.incoming_htlc_id = attempts.htlc_id[slot, hop - 1] if incoming else 0
    row.incoming_amount_msat = attempts.amount_msat[slot, hop - 1] if incoming and sized else 0
    row.incoming_timelock_blocks = attempts.cltv_blocks[slot, hop - 1] if incoming and sized else 0
    row.outgoing_direction = attempts.direction[slot, hop] if outgoing else -1
    added = outgoing and kind != _LINK_FAIL_EVENT
    row.outgoing_htlc_id = attempts.htlc_id[slot, hop] if added else 0
    row.outgoing_amount_msat = attempts.amount_msat[slot, hop] if outgoing else 0
    row.outgoing_timelock_blocks = attempts.cltv_blocks[slot, hop] if outgoing else 0


@kernel
def check_forward(
    own: Any,
    enforced: Any,
    incoming: Any,
    outgoing: Any,
    amount_in: Any,
    amount_out: Any,
    cltv_in: Any,
    cltv_out: Any,
    height: Any,
) -> Any:
    """Return (code, detail) of forwarding over one link, NONE when it would pass (CheckHtlcForward)."""
    if not own.active[outgoing // 2]:
        return _UNKNOWN_PEER, _NOT_ELIGIBLE
    fee = enforced.base_fee_msat[outgoing] + proportional_fee(amount_out, enforced.fee_rate_ppm[outgoing])
    arriving = incoming ^ 1
    inbound = inbound_fee(
        enforced.inbound_base_fee_msat[arriving], enforced.inbound_fee_rate_ppm[arriving], amount_out + fee
    )
    if amount_in < amount_out or amount_in - amount_out < fee + inbound:
        return _FEE_INSUFFICIENT, _NO_DETAIL
    if amount_out < enforced.min_htlc_msat[outgoing]:
        return _BELOW_MINIMUM, _NO_DETAIL
    if enforced.max_htlc_msat[outgoing] != 0 and amount_out > enforced.max_htlc_msat[outgoing]:
        return _TEMPORARY_CHANNEL, _EXCEEDS_MAX
    if cltv_out <= height + _REJECT_DELTA_BLOCKS:
        return _EXPIRY_TOO_SOON, _NO_DETAIL
    if cltv_out > height + _MAX_EXPIRY_BLOCKS:
        return _EXPIRY_TOO_FAR, _NO_DETAIL
    if amount_out > own.spendable_msat[outgoing]:
        return _TEMPORARY_CHANNEL, _INSUFFICIENT
    if cltv_in - cltv_out < enforced.time_lock_delta_blocks[outgoing]:
        return _INCORRECT_CLTV, _NO_DETAIL
    if cltv_in - cltv_out > _MAX_EXPIRY_BLOCKS:
        return _EXPIRY_TOO_FAR, _NO_DETAIL
    return _NONE, _NO_DETAIL


@kernel
def _choose_link(
    own: Any, enforced: Any, view: Any, parameters: Any, payments: Any, attempts: Any, slot: Any, hop: Any, now: Any
) -> Any:
    """Return (direction, code, detail) of the link that forwards HTLC number `hop` of a route.

    Any channel to the same peer may serve, even the one that the HTLC came by
    if another was asked for; of those that would pass one is picked at random,
    by reservoir sampling. The error is that of the channel that was asked for.
    A link's slots are looked at only when it has been picked (handlePacketAdd,
    handleDownstreamUpdateAdd).
    """
    asked = attempts.direction[slot, hop]
    incoming = attempts.direction[slot, hop - 1]
    if asked == incoming ^ 1:
        return asked, _TEMPORARY_CHANNEL, _CIRCULAR
    height = _height(parameters, now)
    amount_in, amount_out = attempts.amount_msat[slot, hop - 1], attempts.amount_msat[slot, hop]
    cltv_in, cltv_out = attempts.cltv_blocks[slot, hop - 1], attempts.cltv_blocks[slot, hop]
    row = np.int64(view.position[asked])
    node, peer = view.edges[row].source, view.edges[row].target
    while row > 0 and view.edges[row - 1].source == node and view.edges[row - 1].target == peer:
        row -= 1
    passing = 0
    chosen, code, detail = asked, _NONE, _NO_DETAIL
    bits = np.uint64(0)
    while row < view.edges.shape[0] and view.edges[row].source == node and view.edges[row].target == peer:
        link = view.edges[row].direction
        row += 1
        link_code, link_detail = check_forward(
            own, enforced, incoming, link, amount_in, amount_out, cltv_in, cltv_out, height
        )
        if link == asked:
            code, detail = link_code, link_detail
        if link_code != _NONE:
            continue
        passing += 1
        if passing == 2:
            payment = attempts.payment[slot]
            index = np.int64(payments.attempts[payment]) * 128 + hop
            bits = philox(parameters.seed, payments.payment_id[payment], _LINK_CHOICE, index)
        if passing > 1:
            bits = bits * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
        if passing == 1 or (bits >> np.uint64(33)) % np.uint64(passing) == 0:
            chosen = link
    if passing == 0:
        return asked, code, detail
    if own.pending_htlcs[chosen] >= own.max_htlcs:
        return chosen, _TEMPORARY_CHANNEL, _ADD_FAILED
    return chosen, _NONE, _NO_DETAIL


@kernel
def _begin_payment(queues: Any, network: Any, payments: Any, payment: Any) -> None:
    payments.outcome[payment] = _RUNNING
    payments.sender_before_msat[payment] = network.node_msat[payments.sender[payment]]
    payments.receiver_before_msat[payment] = network.node_msat[payments.receiver[payment]]
    payments.first_direction[payment] = -1
    queues.counters[_IN_FLIGHT] += 1


@kernel
def _finish_payment(queues: Any, network: Any, payments: Any, payment: Any, outcome: Any, now: Any) -> None:
    payments.outcome[payment] = outcome
    payments.end_ns[payment] = now
    payments.sender_after_msat[payment] = network.node_msat[payments.sender[payment]]
    payments.receiver_after_msat[payment] = network.node_msat[payments.receiver[payment]]
    if payments.first_direction[payment] >= 0:
        payments.first_after_msat[payment] = network.balance_msat[payments.first_direction[payment]]
    queues.finished[queues.counters[_FINISHED]] = payment
    queues.counters[_FINISHED] += 1
    queues.counters[_IN_FLIGHT] -= 1


@kernel
def _log_attempt(queues: Any, payments: Any, attempts: Any, slot: Any, now: Any) -> None:
    payment = attempts.payment[slot]
    hops = attempts.hops[slot]
    row = queues.attempt_log[queues.counters[_ATTEMPT_LOG]]
    queues.counters[_ATTEMPT_LOG] += 1
    row.payment_id = payments.payment_id[payment]
    row.number = payments.attempts[payment]
    row.start_ns = attempts.start_ns[slot]
    row.end_ns = now
    row.amount_msat = payments.amount_msat[payment]
    row.fee_msat = attempts.amount_msat[slot, 0] - payments.amount_msat[payment]
    row.hops = hops
    row.code = attempts.code[slot]
    row.detail = attempts.detail[slot]
    row.failed_index = attempts.failed_index[slot]
    row.failed_direction = attempts.failed_direction[slot]
    for hop in range(hops):
        queues.route_log[queues.counters[_ROUTE_LOG]] = attempts.direction[slot, hop]
        queues.counters[_ROUTE_LOG] += 1


@kernel
def _close_attempt(
    queues: Any,
    network: Any,
    payments: Any,
    attempts: Any,
    view: Any,
    enforced: Any,
    memory: Any,
    estimator: Any,
    slot: Any,
    now: Any,
    nodes: Any,
    pairs: Any,
) -> Any:
    """Log an attempt that is over, let the sender learn from it, free its slot; return True when the payment ends."""
    payment = attempts.payment[slot]
    hops = np.int64(attempts.hops[slot])
    _log_attempt(queues, payments, attempts, slot, now)
    nodes[0] = payments.sender[payment]
    for hop in range(hops):
        nodes[hop + 1] = network.target[attempts.direction[slot, hop]]
    code = np.int64(attempts.code[slot])
    if _carries_policy(code, attempts.detail[slot]):
        _tell_senders(view, enforced, attempts.failed_direction[slot])
    over = report_result(
        memory,
        estimator,
        payments.sender[payment],
        nodes,
        attempts.amount_msat[slot],
        hops,
        code,
        np.int64(attempts.failed_index[slot]),
        now,
        pairs,
    )
    queues.free_attempts[queues.counters[_FREE_ATTEMPTS]] = slot
    queues.counters[_FREE_ATTEMPTS] += 1
    return over


@kernel
def _carries_policy(code: Any, detail: Any) -> Any:
    """Say whether a failure brings the channel's current policy along (extractChannelUpdate)."""
    if code == _TEMPORARY_CHANNEL:
        return detail != _CIRCULAR
    return code == _FEE_INSUFFICIENT or code == _BELOW_MINIMUM or code == _INCORRECT_CLTV or code == _EXPIRY_TOO_SOON


@kernel
def _tell_senders(view: Any, enforced: Any, direction: Any) -> None:
    """Bring a direction's policy as enforced now into the senders' view."""
    reverse = view.position[direction ^ 1]
    if reverse >= 0:
        edge = view.edges[reverse]
        edge.inbound_base_fee_msat = np.int32(enforced.inbound_base_fee_msat[direction])
        edge.inbound_fee_rate_ppm = np.int32(enforced.inbound_fee_rate_ppm[direction])
    row = view.position[direction]
    if row >= 0:
        edge = view.edges[row]
        edge.base_fee_msat = enforced.base_fee_msat[direction]
        edge.fee_rate_ppm = enforced.fee_rate_ppm[direction]
        edge.time_lock_delta_blocks = np.uint16(enforced.time_lock_delta_blocks[direction])
        edge.min_htlc_msat = enforced.min_htlc_msat[direction]
        edge.max_htlc_msat = enforced.max_htlc_msat[direction]
        edge.disabled = np.uint8(enforced.disabled[direction])


@kernel
def _try_payment(
    queues: Any,
    network: Any,
    own: Any,
    parameters: Any,
    payments: Any,
    attempts: Any,
    view: Any,
    scratch: Any,
    memory: Any,
    estimator: Any,
    payment: Any,
    now: Any,
) -> None:
    """Search a route for a payment and send its first HTLC, or end the payment."""
    if now - payments.start_ns[payment] > parameters.timeout_ns:
        _finish_payment(queues, network, payments, payment, _TIMEOUT, now)
        return
    slot = queues.free_attempts[queues.counters[_FREE_ATTEMPTS] - 1]
    routes = RouteColumns(attempts.direction, attempts.amount_msat, attempts.cltv_blocks, attempts.hops)
    status = find_route(
        view,
        scratch,
        memory,
        estimator,
        own,
        np.int64(payments.sender[payment]),
        np.int64(payments.receiver[payment]),
        payments.amount_msat[payment],
        payments.fee_limit_msat[payment],
        _height(parameters, now),
        parameters.final_delta_blocks,
        parameters.cltv_limit_blocks,
        np.int64(payments.outgoing[payment]),
        np.int64(payments.last_hop[payment]),
        now,
        routes,
        slot,
    )
    if status != FOUND:
        outcome = _NO_ROUTE
        if status == INSUFFICIENT_BALANCE:
            outcome = _NO_BALANCE
        elif payments.attempts[payment] > 0:
            outcome = _FAILED_ON_ROUTE
        _finish_payment(queues, network, payments, payment, outcome, now)
        return
    queues.counters[_FREE_ATTEMPTS] -= 1
    payments.attempts[payment] += 1
    attempts.payment[slot] = payment
    attempts.start_ns[slot] = now
    attempts.code[slot] = _NONE
    attempts.detail[slot] = 0
    attempts.failed_index[slot] = -1
    attempts.failed_direction[slot] = -1
    first = attempts.direction[slot, 0]
    payments.first_direction[payment] = first
    payments.first_before_msat[payment] = network.balance_msat[first]
    _offer(queues, network, own, parameters, payments, attempts, slot, 0, now)


@kernel
def _offer(
    queues: Any, network: Any, own: Any, parameters: Any, payments: Any, attempts: Any, slot: Any, hop: Any, now: Any
) -> None:
    """Add HTLC number `hop` of a route and let it travel."""
    direction = attempts.direction[slot, hop]
    attempts.htlc_id[slot, hop] = add_htlc(
        network, own, parameters.commit_feerate_sat_per_kw, direction, attempts.amount_msat[slot, hop]
    )
    _log_htlc(
        queues,
        network,
        attempts,
        slot,
        hop,
        network.source[direction],
        _FORWARD_EVENT,
        _SENT if hop == 0 else _FORWARDED,
        now,
        0,
        0,
    )
    schedule(queues, now + _delay_ns(parameters, payments, attempts, slot, 2 * hop), _ARRIVE, slot, hop)


@kernel
def _arrive(
    queues: Any,
    network: Any,
    own: Any,
    enforced: Any,
    parameters: Any,
    payments: Any,
    attempts: Any,
    view: Any,
    slot: Any,
    hop: Any,
    now: Any,
) -> None:
    """HTLC number `hop` has reached the next node: it settles there, is forwarded, or fails."""
    node = network.target[attempts.direction[slot, hop]]
    if hop + 1 == attempts.hops[slot]:
        _log_htlc(queues, network, attempts, slot, hop + 1, node, _SETTLE_EVENT, _RECEIVED, now, 0, 0)
        _return(queues, parameters, payments, attempts, slot, hop, now, _SETTLE)
        return
    direction, code, detail = _choose_link(own, enforced, view, parameters, payments, attempts, slot, hop + 1, now)
    if code == _NONE:
        attempts.direction[slot, hop + 1] = direction
        _offer(queues, network, own, parameters, payments, attempts, slot, hop + 1, now)
        return
    attempts.code[slot] = code
    attempts.detail[slot] = detail
    attempts.failed_index[slot] = hop + 1
    attempts.failed_direction[slot] = direction
    # The mailbox's answer names no outgoing channel, which is how LND tells a receive from a forward.
    event_type = _RECEIVED if detail == _ADD_FAILED else _FORWARDED
    _log_htlc(queues, network, attempts, slot, hop + 1, node, _LINK_FAIL_EVENT, event_type, now, code, detail)
    _return(queues, parameters, payments, attempts, slot, hop, now, _FAIL)


@kernel
def _return(
    queues: Any, parameters: Any, payments: Any, attempts: Any, slot: Any, hop: Any, now: Any, kind: Any
) -> None:
    """Send the answer to HTLC number `hop` back to the node that offered it."""
    schedule(queues, now + _delay_ns(parameters, payments, attempts, slot, 2 * hop + 1), kind, slot, hop)


@kernel
def _come_back(
    queues: Any,
    network: Any,
    own: Any,
    parameters: Any,
    payments: Any,
    attempts: Any,
    slot: Any,
    hop: Any,
    now: Any,
    settled: Any,
) -> Any:
    """HTLC number `hop` is resolved at the node that offered it; return True when that is the sender."""
    direction = attempts.direction[slot, hop]
    resolve_htlc(
        network, own, parameters.commit_feerate_sat_per_kw, direction, attempts.amount_msat[slot, hop], settled
    )
    _log_htlc(
        queues,
        network,
        attempts,
        slot,
        hop,
        network.source[direction],
        _SETTLE_EVENT if settled else _FORWARD_FAIL_EVENT,
        _SENT if hop == 0 else _FORWARDED,
        now,
        0,
        0,
    )
    if hop == 0:
        return True
    _return(queues, parameters, payments, attempts, slot, hop - 1, now, _SETTLE if settled else _FAIL)
    return False


@kernel
def _has_room(queues: Any, memory: Any) -> Any:
    return (
        queues.counters[_HEAP] + 4 < queues.time_ns.shape[0]
        and queues.counters[_FREE_ATTEMPTS] > 0
        and queues.counters[_FINISHED] + 1 < queues.finished.shape[0]
        and queues.counters[_ATTEMPT_LOG] + 1 < queues.attempt_log.shape[0]
        and queues.counters[_ROUTE_LOG] + MAX_HOPS < queues.route_log.shape[0]
        and queues.counters[_HTLC_LOG] + 4 < queues.htlc_log.shape[0]
        and memory.counters[0] + REPORT_PAIRS < memory.sender.shape[0]
    )


@kernel
def run(
    queues: Any,
    network: Any,
    own: Any,
    enforced: Any,
    parameters: Any,
    payments: Any,
    attempts: Any,
    view: Any,
    scratch: Any,
    memory: Any,
    estimator: Any,
    nodes: Any,
    pairs: Any,
    until_ns: Any,
    most_events: Any,
) -> Any:
    """Process events up to and including `until_ns`.

    Returns FINISHED when none is left before then, PAUSED after `most_events`,
    NEEDS_ROOM when a log is full or a pool too small; nothing is lost by any.
    """
    done = 0
    while queues.counters[_HEAP] > 0 and queues.time_ns[0] <= until_ns:
        if done >= most_events:
            return PAUSED
        if not _has_room(queues, memory):
            return NEEDS_ROOM
        now = queues.time_ns[0]
        item = _take(queues)
        kind = item >> 48
        slot = np.int32(item >> 8 & 0xFFFFFFFF)
        hop = np.int64(item & 0xFF)
        done += 1
        queues.counters[_EVENTS] += 1
        queues.counters[_NOW] = now
        if kind == _ARRIVE:
            _arrive(queues, network, own, enforced, parameters, payments, attempts, view, slot, hop, now)
        elif kind == _SETTLE or kind == _FAIL:
            settled = kind == _SETTLE
            if _come_back(queues, network, own, parameters, payments, attempts, slot, hop, now, settled):
                payment = attempts.payment[slot]
                payments.failure_code[payment] = attempts.code[slot]
                payments.failure_detail[payment] = attempts.detail[slot]
                payments.failure_direction[payment] = attempts.failed_direction[slot]
                payments.hops[payment] = attempts.hops[slot]
                if settled:
                    payments.fee_msat[payment] = attempts.amount_msat[slot, 0] - payments.amount_msat[payment]
                _close_attempt(
                    queues, network, payments, attempts, view, enforced, memory, estimator, slot, now, nodes, pairs
                )
                if settled:
                    _finish_payment(queues, network, payments, payment, _SUCCEEDED, now)
                else:
                    schedule(queues, now + parameters.retry_delay_ns, _TRY, payment, 0)
        elif kind == _GOSSIP:
            _tell_senders(view, enforced, slot)
        else:
            if kind == _START:
                _begin_payment(queues, network, payments, slot)
            _try_payment(
                queues, network, own, parameters, payments, attempts, view, scratch, memory, estimator, slot, now
            )
    return FINISHED
