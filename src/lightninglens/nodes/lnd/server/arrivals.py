"""What comes out of the engine about payments, as served nodes write it down and tell it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from lightninglens.core.htlc import FailureDetail, HtlcEventKind, HtlcEventType, HtlcOutcome
from lightninglens.core.ids import ChannelId
from lightninglens.nodes.lnd.server.htlcs import HtlcRow
from lightninglens.nodes.lnd.server.hub import PaymentNews
from lightninglens.nodes.lnd.server.messages import invoice_message, payment_message
from lightninglens.nodes.paying.arrivals import Arrivals
from lightninglens.nodes.paying.flights import Flight, Objection, parts_of, simulated_preimage
from lightninglens.nodes.paying.invoices import InvoiceRecord, InvoiceState, ReceivedPart, hash_of
from lightninglens.nodes.paying.payments import (
    AttemptRecord,
    FailureReason,
    PaidRoute,
    PaymentRecord,
    PaymentStatus,
)
from lightninglens.sim.engine import Engine
from lightninglens.sim.records import FinishedPayments, Harvest

if TYPE_CHECKING:
    from lightninglens.nodes.lnd.server.network import ServedNetwork
    from lightninglens.nodes.lnd.server.node import ServedNode

_FINAL_BLOCKS = 83
_REASONS = {
    HtlcOutcome.NO_ROUTE: FailureReason.NO_ROUTE,
    HtlcOutcome.FAILED_ON_ROUTE: FailureReason.NO_ROUTE,
    HtlcOutcome.INSUFFICIENT_BALANCE: FailureReason.INSUFFICIENT_BALANCE,
    HtlcOutcome.TIMEOUT: FailureReason.TIMEOUT,
    HtlcOutcome.INCORRECT_PAYMENT_DETAILS: FailureReason.INCORRECT_DETAILS,
}


class ServedArrivals(Arrivals):
    """Payments under way of served nodes, and the demand's payments that begin or end at one."""

    def __init__(self, network: "ServedNetwork") -> None:
        super().__init__(network)
        self._network: ServedNetwork = network
        self._seen: dict[int, list[AttemptRecord]] = {}
        """Attempts of the demand's payments that have not ended, by the engine's number."""

    def told(self, row: HtlcRow) -> tuple[HtlcRow, ChannelId]:
        """Return an event as its node tells it, and the outgoing channel: the engine does not know every reason."""
        if row.event_type == HtlcEventType.RECEIVE and row.kind == HtlcEventKind.LINK_FAIL:
            for flight in self._flights.values():
                if flight.objection is not None and _is_end_of(flight, row):
                    return _objecting(flight.objection, row), ChannelId(flight.objection.next_channel_id)
        return row, self._network.channel_id(row.outgoing_direction)

    def absorb(self, harvest: Harvest, engine: Engine) -> None:
        """Take in attempts, payments and sets that are held."""
        self._absorb_attempts(harvest, engine)
        self._absorb_payments(harvest.payments, engine)
        if any(flight.invoice and flight.invoice.is_hold for flight in self._flights.values()):
            self._absorb_held(engine)

    def _absorb_attempts(self, harvest: Harvest, engine: Engine) -> None:
        attempts = harvest.attempts
        if not len(attempts):
            return
        ends = np.cumsum(attempts["hops"])
        for place in np.flatnonzero(np.isin(attempts["sender"], list(self._network.nodes))).tolist():
            row, end = attempts[place], int(ends[place])
            first = end - int(row["hops"])
            engine_id = int(row["payment_id"])
            flight = self._flights.get(engine_id)
            if flight is not None:
                self.resolve(flight, row, engine)
            else:
                directions = tuple(harvest.routes[first:end].tolist())
                amounts = tuple(harvest.route_amounts_msat[first:end].tolist())
                self._seen.setdefault(engine_id, []).append(self._attempt(engine, row, directions, amounts))

    def _attempt(
        self, engine: Engine, row: np.void, directions: tuple[int, ...], amounts: tuple[int, ...]
    ) -> AttemptRecord:
        """Return an attempt of the demand; the engine does not say when its HTLCs would have expired."""
        node = self._network.nodes[int(row["sender"])]
        attempt = AttemptRecord(
            attempt_id=node.payments.new_attempt_id(),
            route=PaidRoute(
                directions=directions,
                amounts_msat=amounts,
                expiry_heights=_expiries(engine, directions),
                total_msat=amounts[-1],
            ),
            started_ns=self._network.times.shown(int(row["start_ns"])),
        )
        self.end(attempt, row, engine)
        return attempt

    def _absorb_payments(self, payments: FinishedPayments, engine: Engine) -> None:
        served = list(self._network.nodes)
        for place in np.flatnonzero(np.isin(payments.sender, served) | np.isin(payments.receiver, served)).tolist():
            engine_id = int(payments.payment_id[place])
            if not self.land(engine_id, HtlcOutcome(int(payments.outcome[place])), engine):
                self._write_down(payments, place, engine)

    def tell_invoice(self, invoice: InvoiceRecord) -> None:
        """Tell those who listen to a node's invoices what one has become."""
        node = self._network.nodes[invoice.node]
        if node.invoice_hub.is_heard:
            node.invoice_hub.publish((invoice.payment_hash, invoice_message(invoice, node).SerializeToString()))

    def tell(self, sender: int, payment: PaymentRecord) -> None:
        """Tell those who track the payments of the node in this row what one has become."""
        node = self._network.nodes[sender]
        if node.payment_hub.is_heard:
            message = payment_message(payment, self._network.graph).SerializeToString()
            is_final = payment.status is not PaymentStatus.IN_FLIGHT
            node.payment_hub.publish(PaymentNews(payment.payment_hash, is_final, message))

    def _write_down(self, payments: FinishedPayments, place: int, engine: Engine) -> None:
        """Write a payment of the demand into its sender's and its receiver's books."""
        engine_id = int(payments.payment_id[place])
        preimage = simulated_preimage(engine_id)
        started_ns = self._network.times.shown(int(payments.start_ns[place]))
        outcome = HtlcOutcome(int(payments.outcome[place]))
        amount_msat = int(payments.amount_msat[place])
        sender = self._network.nodes.get(int(payments.sender[place]))
        attempts = self._seen.pop(engine_id, [])
        if sender is not None:
            payment = sender.payments.add(
                PaymentRecord(payment_hash=hash_of(preimage), value_msat=amount_msat, created_ns=started_ns)
            )
            payment.attempts = attempts
            self._finish_simulated(payment, outcome, preimage)
            self.tell(sender.row, payment)
        receiver = self._network.nodes.get(int(payments.receiver[place]))
        if receiver is not None and outcome is HtlcOutcome.SUCCEEDED:
            self._receive_simulated(receiver, payments, place, attempts, engine)

    @staticmethod
    def _finish_simulated(payment: PaymentRecord, outcome: HtlcOutcome, preimage: bytes) -> None:
        if outcome is HtlcOutcome.SUCCEEDED:
            payment.status, payment.preimage = PaymentStatus.SUCCEEDED, preimage
            for attempt in payment.attempts:
                attempt.preimage = preimage if attempt.is_settled else b""
        else:
            payment.status = PaymentStatus.FAILED
            payment.reason = _REASONS.get(outcome, FailureReason.ERROR)

    def _receive_simulated(
        self,
        receiver: "ServedNode",
        payments: FinishedPayments,
        place: int,
        attempts: Iterable[AttemptRecord],
        engine: Engine,
    ) -> None:
        """Write a payment that the demand made to a served node down as an invoice that has been paid."""
        engine_id, amount_msat = int(payments.payment_id[place]), int(payments.amount_msat[place])
        preimage = simulated_preimage(engine_id)
        now_ns = self._network.times.shown(int(payments.end_ns[place]))
        invoice = InvoiceRecord(
            node=receiver.row,
            payment_hash=hash_of(preimage),
            payment_address=hash_of(hash_of(preimage)),
            preimage=preimage,
            value_msat=amount_msat,
            created_ns=self._network.times.shown(int(payments.start_ns[place])),
            memo=f"payment {engine_id} of the simulation",
        )
        settled = [attempt for attempt in attempts if attempt.is_settled]
        part = ReceivedPart(
            channel_id=self._network.channel_id(settled[-1].route.directions[-1]) if settled else 0,
            htlc_id=0,
            amount_msat=amount_msat,
            accepted_ns=now_ns,
            accept_height=engine.block_height,
            expiry_height=engine.block_height + _FINAL_BLOCKS,
            total_msat=amount_msat,
        )
        self.receive(invoice, [part], now_ns)

    def _absorb_held(self, engine: Engine) -> None:
        """Note which hold invoices have their whole amount now."""
        for engine_id in engine.held_payments().tolist():
            flight = self._flights.get(engine_id)
            if flight is None or flight.invoice is None or flight.invoice.state is not InvoiceState.OPEN:
                continue
            flight.invoice.state = InvoiceState.ACCEPTED
            channel_ids = {
                attempt.attempt_id: self._network.channel_id(attempt.route.directions[-1])
                for attempt, _ in flight.waiting.values()
            }
            held = Flight(
                engine_id=engine_id, sender=flight.sender, payment=flight.payment, invoice=None, preimage=None
            )
            held.arrived = [attempt for attempt, _ in flight.waiting.values()]
            flight.invoice.parts = parts_of(held, channel_ids, self._network.now_ns(engine))
            flight.invoice.paid_msat = sum(part.amount_msat for part in flight.invoice.parts)
            self.tell_invoice(flight.invoice)


def _expiries(engine: Engine, directions: tuple[int, ...]) -> tuple[int, ...]:
    """Return the expiries that a route has at the policies of now."""
    height = engine.block_height + _FINAL_BLOCKS
    found = [height]
    for direction in reversed(directions[1:]):
        policy = engine.policy(direction)
        height += 0 if policy is None else policy.time_lock_delta_blocks
        found.append(height)
    return tuple(reversed(found))


def _is_end_of(flight: Flight, row: HtlcRow) -> bool:
    """Tell whether an event is that of an HTLC of this payment that comes to the node that objects to it."""
    end = (row.incoming_direction, row.incoming_msat, row.incoming_timelock)
    return row.detail == FailureDetail.UNKNOWN_INVOICE and end in flight.ends


def _objecting(objection: Objection, row: HtlcRow) -> HtlcRow:
    """Return the event of the node that objects, from the engine's."""
    told = row._replace(code=int(objection.code), detail=int(objection.detail))
    if not objection.next_channel_id:
        return told
    return told._replace(
        event_type=int(HtlcEventType.FORWARD),
        outgoing_msat=objection.next_msat,
        outgoing_timelock=objection.next_expiry_height,
    )
