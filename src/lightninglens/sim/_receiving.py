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
from lightninglens.routing.pathfinding import DEFAULT_FINAL_CLTV_BLOCKS
from lightninglens.sim._forwarding import BLOCK_NS, height_at
from lightninglens.sim._heap import schedule
from lightninglens.sim._htlcs import travel
from lightninglens.sim._logs import log_htlc
from lightninglens.sim.answers import Answer
from lightninglens.sim.state import NOT_HELD, ROUTES_GIVEN, EventKind

_SETTLING = 0
"""A verdict on parts; any other is the `FailureDetail` with which they go back."""

_NOBODY = np.int32(-1)

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
_SETTLED = int(Answer.SETTLED)

_NONE = int(FailureCode.NONE)
_DETAILS = int(FailureCode.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS)
_MPP_TIMEOUT = int(FailureCode.MPP_TIMEOUT)
_MPP_INVOICE_TIMEOUT = int(FailureDetail.MPP_INVOICE_TIMEOUT)
_UNKNOWN_INVOICE = int(FailureDetail.UNKNOWN_INVOICE)
_INVOICE_CANCELED = int(FailureDetail.INVOICE_CANCELED)
_NOT_OPEN = int(FailureDetail.INVOICE_NOT_OPEN)
_TOO_SOON = int(FailureDetail.INVOICE_EXPIRY_TOO_SOON)

_RECEIVED = int(HtlcEventType.RECEIVE)
_INVOICE_DELTA_BLOCKS = int(DEFAULT_FINAL_CLTV_BLOCKS)
_SETTLE_EVENT = int(HtlcEventKind.SETTLE)
_LINK_FAIL_EVENT = int(HtlcEventKind.LINK_FAIL)


@inlined
def _receive_part(world: Any, slot: Any, now: Any) -> Any:
    """A part is with the receiver: it is refused, or kept, or completes the set.

    Returns the first of the parts that are answered now, linked by `next_held`, or -1, and the verdict on them.
    """
    attempts = world.attempts
    part = attempts[slot]
    row = part.payment
    payment = world.payments[row]
    part.next_held = -1
    first, verdict = np.int32(slot), _SETTLING
    if payment.answer == _UNKNOWN:
        verdict = _UNKNOWN_INVOICE
    elif payment.answer >= _CANCELLED:
        verdict = _NOT_OPEN
    elif payment.most_parts == ROUTES_GIVEN and _expires_too_soon(world, slot, now):
        verdict = _TOO_SOON
    else:
        if payment.first_held < 0:
            payment.first_held = slot
        else:
            attempts[payment.last_held].next_held = slot
        payment.last_held = slot
        payment.held_msat += part.amount_msat
        first = _NOBODY
        if payment.held_msat < payment.amount_msat:
            part.release_ns = now + world.parameters.mpp_timeout_ns
            schedule(world.heap, world.counters, part.release_ns, _RELEASE, slot, 0)
        elif payment.answer == _SETTLES:
            first = _taken(payment)
        else:
            _hold_set(world, row, now)
    return first, verdict


@kernel
def _taken(payment: Any) -> Any:
    """Take all parts that a receiver has from it; return the first, or -1."""
    first = np.int32(payment.first_held)
    payment.first_held = -1
    payment.held_msat = 0
    return first


@inlined
def _expires_too_soon(world: Any, slot: Any, now: Any) -> Any:
    """Say whether a part leaves the receiver less time than its invoice asks for; a search leaves more."""
    expiry = np.int64(world.routes.cltv_blocks[slot, world.routes.hops[slot] - 1])
    return expiry < height_at(world.parameters, now) + _INVOICE_DELTA_BLOCKS


@inlined
def _answer_parts(world: Any, first: Any, verdict: Any, now: Any) -> None:
    """Settle parts or send them back, from the first on in the order of arrival."""
    slot = first
    while slot >= 0:
        part = world.attempts[slot]
        hops = np.int64(world.routes.hops[slot])
        receiver = world.payments[part.payment].receiver
        part.release_ns = NOT_HELD
        code, kind, event = _NONE, _SETTLE, _SETTLE_EVENT
        if verdict != _SETTLING:
            code = _MPP_TIMEOUT if verdict == _MPP_INVOICE_TIMEOUT else _DETAILS
            kind, event = _FAIL, _LINK_FAIL_EVENT
            part.code = code
            part.detail = verdict
            part.failed_index = hops
        log_htlc(world, slot, hops, receiver, event, _RECEIVED, now, code, verdict)
        travel(world, slot, 2 * hops - 1, now, kind, hops - 1)
        slot = part.next_held


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
def _end_hold(world: Any, row: Any, now: Any) -> Any:
    """The time of a held set is up, or somebody has decided before; returns what `_receive_part` does."""
    payment = world.payments[row]
    first, verdict = _NOBODY, _SETTLING
    if payment.answer < _CANCELLED and payment.hold_ns == now and payment.held_msat >= payment.amount_msat:
        payment.answer = _SETTLED if payment.answer == _THEN_SETTLE else _CANCELLED
    if payment.answer >= _CANCELLED:
        verdict = _SETTLING if payment.answer == _SETTLED else _INVOICE_CANCELED
        first = _taken(payment)
    return first, verdict


@inlined
def _release_part(world: Any, slot: Any, now: Any) -> Any:
    """The time of a part is up: it goes back, unless its set was completed before; returns what `_receive_part` does.

    Parts wait equally long, so the first to be released is the first that came.
    """
    part = world.attempts[slot]
    first = _NOBODY
    if part.release_ns == now:
        payment = world.payments[part.payment]
        payment.first_held = part.next_held
        payment.held_msat -= part.amount_msat
        part.next_held = -1
        first = np.int32(slot)
    return first, _MPP_INVOICE_TIMEOUT


@inlined
def ask_receiver(world: Any, slot: Any, kind: Any, now: Any) -> None:
    """Let a receiver answer: a part has come, one has waited too long, or the time of a held set is up.

    `slot` is the part's, or for the end of a hold the payment's.
    """
    if kind == _RELEASE:
        first, verdict = _release_part(world, slot, now)
    elif kind == _HOLD:
        first, verdict = _end_hold(world, slot, now)
    else:
        first, verdict = _receive_part(world, slot, now)
    _answer_parts(world, first, verdict, now)
