"""Payments of served nodes while they are under way in the engine, and what their receivers will say to them."""

import asyncio
import hashlib
from dataclasses import dataclass, field

from lightninglens.core.ids import ChannelId
from lightninglens.nodes.lnd.server.invoice_book import (
    InvoiceBook,
    InvoiceRecord,
    ReceivedPart,
    hash_of,
)
from lightninglens.nodes.lnd.server.payment_book import AttemptRecord, PaidRoute, PaymentRecord
from lightninglens.sim.answers import Answer

KEYSEND_RECORD = 5_482_373_484
"""The custom record with a keysend payment's preimage."""


@dataclass(slots=True, kw_only=True)
class Flight:
    """A payment under way: the engine's number for it, and whose it is."""

    engine_id: int
    sender: int
    payment: PaymentRecord
    invoice: InvoiceRecord | None
    preimage: bytes | None = field(repr=False)
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
    total_msat = route.total_msat or route.delivered_msat
    invoice = book.find(payment_hash, receiver)
    if invoice is not None:
        fits = invoice.is_payable(now_ns) and invoice.payment_id is None and total_msat >= invoice.value_msat
        fits = fits and route.expiry_heights[-1] >= height + invoice.cltv_blocks
        fits = fits and (route.payment_address == invoice.payment_address or not route.payment_address)
        if not fits:
            return Verdict(answer=Answer.UNKNOWN_INVOICE)
        answer = Answer.HOLD if invoice.is_hold else Answer.SETTLE
        return Verdict(answer=answer, invoice=invoice, preimage=None if invoice.is_hold else invoice.preimage)
    preimage = route.final_records.get(KEYSEND_RECORD, b"")
    if len(preimage) != 32 or hash_of(preimage) != payment_hash:
        return Verdict(answer=Answer.UNKNOWN_INVOICE)
    if not is_served:
        return Verdict(answer=Answer.SETTLE, preimage=preimage)
    made = InvoiceRecord(
        node=receiver,
        payment_hash=payment_hash,
        payment_address=route.payment_address or bytes(32),
        preimage=preimage,
        value_msat=total_msat,
        created_ns=now_ns,
        is_keysend=True,
    )
    return Verdict(answer=Answer.SETTLE, invoice=made, preimage=preimage)


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
