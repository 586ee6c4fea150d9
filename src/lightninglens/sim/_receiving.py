"""What a receiver does with the parts of a payment, compiled.

It holds them until together they are the amount, and then settles all; a part
that has waited too long goes back by itself. Source: LND `invoices/update.go`
(updateMpp), `invoices/invoiceregistry.go` (startHtlcTimer, cancelSingleHtlc).
Plain-Python twin: tests/reference/engine.py.
"""

from typing import Any

import numpy as np

from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEventKind, HtlcEventType
from lightninglens.core.jit import inlined
from lightninglens.sim._heap import schedule
from lightninglens.sim._htlcs import travel
from lightninglens.sim._logs import log_htlc
from lightninglens.sim.state import NOT_HELD, EventKind

_SETTLE = int(EventKind.SETTLE)
_FAIL = int(EventKind.FAIL)
_RELEASE = int(EventKind.RELEASE)

_MPP_TIMEOUT = int(FailureCode.MPP_TIMEOUT)
_MPP_INVOICE_TIMEOUT = int(FailureDetail.MPP_INVOICE_TIMEOUT)

_RECEIVED = int(HtlcEventType.RECEIVE)
_SETTLE_EVENT = int(HtlcEventKind.SETTLE)
_LINK_FAIL_EVENT = int(HtlcEventKind.LINK_FAIL)


@inlined
def receive_part(world: Any, slot: Any, now: Any) -> None:
    """A part is with the receiver: it is held, or completes the set, which settles in the order of arrival."""
    attempts = world.attempts
    part = attempts[slot]
    payment = world.payments[part.payment]
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
        return
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
    hops = np.int64(world.routes.hops[slot])
    part.release_ns = NOT_HELD
    part.code = _MPP_TIMEOUT
    part.detail = _MPP_INVOICE_TIMEOUT
    part.failed_index = hops
    log_htlc(world, slot, hops, payment.receiver, _LINK_FAIL_EVENT, _RECEIVED, now, _MPP_TIMEOUT, _MPP_INVOICE_TIMEOUT)
    travel(world, slot, 2 * hops - 1, now, _FAIL, hops - 1)
