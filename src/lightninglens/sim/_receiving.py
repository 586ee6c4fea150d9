"""What a receiver does with the parts of a payment, compiled.

It collects them until together they are the amount, and then settles all, or
holds them and decides later; a part that has waited too long for the others
goes back by itself, and so does every part for an invoice that it has not.
Source: LND `invoices/update.go` (updateMpp), `invoices/invoiceregistry.go`
(startHtlcTimer, cancelSingleHtlc, SettleHodlInvoice, cancelInvoiceImpl),
`invoices/invoice_expiry_watcher.go`, `htlcswitch/link.go`
(getResolutionFailure). Plain-Python twin: tests/reference/engine_receivers.py.
"""

from typing import Any

import numpy as np

from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEventKind, HtlcEventType
from lightninglens.core.jit import inlined, kernel
from lightninglens.sim._forwarding import BLOCK_NS
from lightninglens.sim._heap import schedule
from lightninglens.sim._htlcs import travel
from lightninglens.sim._logs import log_htlc
from lightninglens.sim.answers import Answer
from lightninglens.sim.state import NOT_HELD, EventKind

_SETTLE = int(EventKind.SETTLE)
_FAIL = int(EventKind.FAIL)
_RELEASE = int(EventKind.RELEASE)
_HOLD = int(EventKind.HOLD)

_SETTLES = int(Answer.SETTLE)
_UNKNOWN = int(Answer.UNKNOWN_INVOICE)
_THEN_SETTLE = int(Answer.HOLD_THEN_SETTLE)
_THEN_CANCEL = int(Answer.HOLD_THEN_CANCEL)
_UNTIL_TOLD = int(Answer.HOLD)
_CANCELLED = int(Answer.CANCELLED)

_DETAILS = int(FailureCode.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS)
_MPP_TIMEOUT = int(FailureCode.MPP_TIMEOUT)
_MPP_INVOICE_TIMEOUT = int(FailureDetail.MPP_INVOICE_TIMEOUT)
_UNKNOWN_INVOICE = int(FailureDetail.UNKNOWN_INVOICE)
_INVOICE_CANCELED = int(FailureDetail.INVOICE_CANCELED)
_NOT_OPEN = int(FailureDetail.INVOICE_NOT_OPEN)

_RECEIVED = int(HtlcEventType.RECEIVE)
_SETTLE_EVENT = int(HtlcEventKind.SETTLE)
_LINK_FAIL_EVENT = int(HtlcEventKind.LINK_FAIL)


@inlined
def receive_part(world: Any, slot: Any, now: Any) -> None:
    """A part is with the receiver: it is refused, or kept, or completes the set."""
    attempts = world.attempts
    part = attempts[slot]
    row = part.payment
    payment = world.payments[row]
    if payment.answer == _UNKNOWN or payment.answer == _CANCELLED:
        _give_back(world, slot, now, _DETAILS, _UNKNOWN_INVOICE if payment.answer == _UNKNOWN else _NOT_OPEN)
        return
    part.next_held = -1
    if payment.first_held < 0:
        payment.first_held = slot
    else:
        attempts[payment.last_held].next_held = slot
    payment.last_held = slot
    payment.held_msat += part.amount_msat
    if payment.held_msat < payment.amount_msat:
        part.release_ns = now + world.parameters.mpp_timeout_ns
        schedule(world.heap, world.counters, part.release_ns, _RELEASE, slot, 0)
    elif payment.answer == _SETTLES:
        _settle_set(world, row, now)
    else:
        _hold_set(world, row, now)


@inlined
def _settle_set(world: Any, row: Any, now: Any) -> None:
    """Settle all parts that a receiver has, in the order of arrival."""
    payment, attempts = world.payments[row], world.attempts
    held = payment.first_held
    while held >= 0:
        hops = np.int64(world.routes.hops[held])
        log_htlc(world, held, hops, payment.receiver, _SETTLE_EVENT, _RECEIVED, now, 0, 0)
        travel(world, held, 2 * hops - 1, now, _SETTLE, hops - 1)
        attempts[held].release_ns = NOT_HELD
        held = attempts[held].next_held
    payment.first_held = -1
    payment.held_msat = 0


@inlined
def _cancel_set(world: Any, row: Any, now: Any) -> None:
    """Cancel an invoice: all parts that the receiver has go back, and so will those that still come."""
    payment, attempts = world.payments[row], world.attempts
    held = payment.first_held
    while held >= 0:
        _give_back(world, held, now, _DETAILS, _INVOICE_CANCELED)
        held = attempts[held].next_held
    payment.first_held = -1
    payment.held_msat = 0
    payment.answer = _CANCELLED


@inlined
def _give_back(world: Any, slot: Any, now: Any, code: Any, detail: Any) -> None:
    """Fail a part at the receiver."""
    part = world.attempts[slot]
    receiver = world.payments[part.payment].receiver
    hops = np.int64(world.routes.hops[slot])
    part.release_ns = NOT_HELD
    part.code = code
    part.detail = detail
    part.failed_index = hops
    log_htlc(world, slot, hops, receiver, _LINK_FAIL_EVENT, _RECEIVED, now, code, detail)
    travel(world, slot, 2 * hops - 1, now, _FAIL, hops - 1)


@inlined
def _hold_set(world: Any, row: Any, now: Any) -> None:
    """A hold invoice is paid: the set stays until the receiver decides, but goes back before its first HTLC expires."""
    payment, attempts, parameters = world.payments[row], world.attempts, world.parameters
    held = payment.first_held
    expiry = np.int64(world.routes.cltv_blocks[held, world.routes.hops[held] - 1])
    while held >= 0:
        expiry = min(expiry, np.int64(world.routes.cltv_blocks[held, world.routes.hops[held] - 1]))
        attempts[held].release_ns = NOT_HELD
        held = attempts[held].next_held
    blocks = expiry - parameters.hold_expiry_delta_blocks - parameters.start_height
    latest_ns = max(now, parameters.start_ns + blocks * BLOCK_NS)
    if payment.answer == _UNTIL_TOLD or payment.hold_ns > latest_ns - now:
        payment.answer = _THEN_CANCEL
        payment.hold_ns = latest_ns
    else:
        payment.hold_ns += now
    schedule(world.heap, world.counters, payment.hold_ns, _HOLD, row, 0)


@inlined
def end_hold(world: Any, row: Any, now: Any) -> None:
    """The time of a held set is up, unless somebody has decided before."""
    payment = world.payments[row]
    if payment.hold_ns == now and payment.held_msat >= payment.amount_msat:
        if payment.answer == _THEN_SETTLE:
            _settle_set(world, row, now)
        else:
            _cancel_set(world, row, now)


@kernel
def decide_held(world: Any, row: Any, settles: Any, now: Any) -> None:
    """Settle what a receiver has of a payment, or cancel its invoice; there must be room."""
    if settles:
        _settle_set(world, row, now)
    else:
        _cancel_set(world, row, now)


@inlined
def release_part(world: Any, slot: Any, now: Any) -> None:
    """The time of a part is up: it goes back, unless its set was completed before.

    Parts wait equally long, so the first to be released is the first that came.
    """
    part = world.attempts[slot]
    if part.release_ns != now:
        return
    payment = world.payments[part.payment]
    payment.first_held = part.next_held
    payment.held_msat -= part.amount_msat
    _give_back(world, slot, now, _MPP_TIMEOUT, _MPP_INVOICE_TIMEOUT)
