"""Payments of simulated nodes while they are under way in the engine, and what their receivers will say to them."""

import asyncio
import hashlib
from dataclasses import dataclass, field

from lightninglens.core.htlc import FailureCode, FailureDetail
from lightninglens.core.ids import ChannelId
from lightninglens.nodes.orders import KEYSEND_RECORD
from lightninglens.nodes.paying.invoices import (
    InvoiceBook,
    InvoiceRecord,
    ReceivedPart,
    hash_of,
)
from lightninglens.nodes.paying.payments import AttemptRecord, PaidRoute, PaymentRecord
from lightninglens.sim.answers import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """Why the node at which the HTLCs end sends them back; the engine knows but one reason, no such invoice."""

    detail: FailureDetail
    code: FailureCode = FailureCode.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS
    next_channel_id: int = 0
    """Of a channel that it was to forward over and does not have."""
    next_msat: int = 0
    next_expiry_height: int = 0


@dataclass(slots=True, kw_only=True)
class Flight:
    """A payment under way: the engine's number for it, and whose it is."""

    engine_id: int
    sender: int
    payment: PaymentRecord
    invoice: InvoiceRecord | None
    preimage: bytes | None = field(repr=False)
    objection: Objection | None = None
    ends: set[tuple[int, int, int]] = field(default_factory=set)
    """Direction, amount and expiry of the last HTLC of each attempt."""
    waiting: dict[int, tuple[AttemptRecord, "asyncio.Future[AttemptRecord]"]] = field(default_factory=dict)
    """Attempts in flight, by the engine's number within the payment."""
    arrived: list[AttemptRecord] = field(default_factory=list)

    def known_preimage(self) -> bytes:
        """Return the preimage, which the receiver of a hold invoice has told by the time it settles."""
        if self.preimage is not None:
            return self.preimage
        return (self.invoice and self.invoice.preimage) or bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a receiver will do with a payment."""

    answer: Answer
    invoice: InvoiceRecord | None = None
    preimage: bytes | None = field(default=None, repr=False)
    objection: Objection | None = None


def verdict_on(
    book: InvoiceBook,
    receiver: int,
    payment_hash: bytes,
    route: PaidRoute,
    *,
    is_served: bool,
    now_ns: int,
    height: int,
) -> Verdict:
    """Return what the node `receiver` will do with a payment that comes by this route.

    A node that is not served has no invoices, but takes keysend as every node does.
    """
    invoice = book.find(payment_hash, receiver)
    if invoice is not None:
        wrong = _wrong_with(invoice, route, now_ns, height)
        if wrong is not None:
            return Verdict(answer=Answer.UNKNOWN_INVOICE, objection=Objection(detail=wrong))
        answer = Answer.HOLD if invoice.is_hold else Answer.SETTLE
        return Verdict(answer=answer, invoice=invoice, preimage=None if invoice.is_hold else invoice.preimage)
    preimage = route.final_records.get(KEYSEND_RECORD, b"")
    if not preimage:
        return Verdict(answer=Answer.UNKNOWN_INVOICE)
    if len(preimage) != 32 or hash_of(preimage) != payment_hash:
        return Verdict(answer=Answer.UNKNOWN_INVOICE, objection=Objection(detail=FailureDetail.INVALID_KEYSEND))
    if not is_served:
        return Verdict(answer=Answer.SETTLE, preimage=preimage)
    made = InvoiceRecord(
        node=receiver,
        payment_hash=payment_hash,
        payment_address=route.payment_address or bytes(32),
        preimage=preimage,
        value_msat=route.total_msat or route.delivered_msat,
        created_ns=now_ns,
        is_keysend=True,
    )
    return Verdict(answer=Answer.SETTLE, invoice=made, preimage=preimage)


def _wrong_with(invoice: InvoiceRecord, route: PaidRoute, now_ns: int, height: int) -> FailureDetail | None:
    """Return what keeps a payment from being taken for an invoice (`invoices/update.go`, updateMpp, updateLegacy)."""
    if not invoice.is_payable(now_ns) or invoice.payment_id is not None:
        return FailureDetail.INVOICE_NOT_OPEN
    if route.payment_address not in (b"", invoice.payment_address):
        return FailureDetail.ADDRESS_MISMATCH
    if (route.total_msat or route.delivered_msat) < invoice.value_msat:
        return FailureDetail.SET_TOTAL_TOO_LOW if route.total_msat else FailureDetail.INVOICE_UNDERPAID
    if route.expiry_heights[-1] < height + invoice.cltv_blocks:
        return FailureDetail.INVOICE_EXPIRY_TOO_SOON
    return None


def parts_of(flight: Flight, channel_ids: dict[int, ChannelId], now_ns: int) -> list[ReceivedPart]:
    """Return what arrived of a payment, as its receiver writes it down."""
    return [
        ReceivedPart(
            channel_id=channel_ids[attempt.attempt_id],
            htlc_id=place,
            amount_msat=attempt.route.delivered_msat,
            accepted_ns=attempt.resolved_ns or now_ns,
            accept_height=attempt.height,
            expiry_height=attempt.route.expiry_heights[-1],
            total_msat=attempt.route.total_msat,
            custom_records=dict(attempt.route.final_records),
        )
        for place, attempt in enumerate(flight.arrived)
    ]


def simulated_preimage(payment_id: int) -> bytes:
    """Return a preimage for a payment of the simulated demand, which has none."""
    return hashlib.sha256(f"lightninglens/payment/{payment_id}".encode()).digest()
