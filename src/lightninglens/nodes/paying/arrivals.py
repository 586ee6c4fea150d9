"""What comes out of the engine about payments of simulated nodes: results and entries in books."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import numpy as np

from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcOutcome
from lightninglens.core.ids import ChannelId
from lightninglens.nodes.paying.flights import Flight, parts_of
from lightninglens.nodes.paying.invoices import InvoiceBook, InvoiceRecord, InvoiceState, ReceivedPart
from lightninglens.nodes.paying.payments import AttemptRecord, PaymentBook, PaymentRecord
from lightninglens.routing.state import Estimator
from lightninglens.sim.engine import Engine
from lightninglens.sim.records import Harvest

Result = TypeVar("Result")


class PayingNode(Protocol):
    """A node that pays."""

    row: int
    payments: PaymentBook
    estimator: Estimator


class PayingNetwork(Protocol):
    """The simulated network as those who pay over it share it."""

    invoices: InvoiceBook

    @property
    def nodes(self) -> Mapping[int, PayingNode]:
        """The nodes that keep books, by row."""
        ...

    @property
    def arrivals(self) -> "Arrivals":
        """What is under way."""
        ...

    def now_ns(self, engine: Engine) -> int:
        """Return the time that is shown."""
        ...

    def shown_ns(self, world_ns: int) -> int:
        """Return how a moment of the world is shown."""
        ...

    def next_engine_id(self) -> int:
        """Return a number for a payment."""
        ...

    def channel_id(self, direction: int) -> ChannelId:
        """Return the id of a direction's channel; 0 where there is none."""
        ...

    async def act(self, action: Callable[[Engine], Result]) -> Result:
        """Do something to the engine, and let it go on at once."""
        ...


class Arrivals:
    """Payments under way, and what becomes of them. Nobody listens, but for who waits for an attempt."""

    def __init__(self, network: PayingNetwork) -> None:
        self._network = network
        self._flights: dict[int, Flight] = {}

    def expect(self, flight: Flight) -> None:
        """Watch for what becomes of a payment's attempts."""
        self._flights[flight.engine_id] = flight

    def flight_of(self, engine_id: int) -> Flight | None:
        """Return a payment that is under way."""
        return self._flights.get(engine_id)

    def tell(self, sender: int, payment: PaymentRecord) -> None:
        """Tell those who track the payments of the node in this row what one has become."""

    def tell_invoice(self, invoice: InvoiceRecord) -> None:
        """Tell those who listen to a node's invoices what one has become."""

    def receive(self, invoice: InvoiceRecord, parts: list[ReceivedPart], now_ns: int) -> None:
        """Note that an invoice has been paid, and tell its node's listeners."""
        if not invoice.add_index:
            self._network.invoices.add(invoice)
        self._network.invoices.settle(invoice, parts, now_ns)
        self.tell_invoice(invoice)

    def absorb(self, harvest: Harvest, engine: Engine) -> None:
        """Take in what became of the payments under way."""
        under_way = list(self._flights)
        if not under_way:
            return
        for row in harvest.attempts[np.isin(harvest.attempts["payment_id"], under_way)]:
            self.resolve(self._flights[int(row["payment_id"])], row, engine)
        payments = harvest.payments
        for place in np.flatnonzero(np.isin(payments.payment_id, under_way)).tolist():
            self.land(int(payments.payment_id[place]), HtlcOutcome(int(payments.outcome[place])), engine)

    def resolve(self, flight: Flight, row: np.void, engine: Engine) -> None:
        """Write down how an attempt ended, a row of ATTEMPT_ROW, and tell who waits for it."""
        found = flight.waiting.pop(int(row["number"]), None)
        if found is None:
            return
        attempt, future = found
        self.end(attempt, row, engine)
        if flight.objection is not None and attempt.detail is FailureDetail.UNKNOWN_INVOICE:
            attempt.code, attempt.detail = flight.objection.code, flight.objection.detail
        if attempt.is_settled:
            attempt.preimage = flight.known_preimage()
            flight.arrived.append(attempt)
        if not future.done():
            future.set_result(attempt)
        self.tell(flight.sender, flight.payment)

    def end(self, attempt: AttemptRecord, row: np.void, engine: Engine) -> None:
        """Enter into an attempt how it ended."""
        attempt.resolved_ns = self._network.shown_ns(int(row["end_ns"]))
        attempt.code = _code(int(row["code"]))
        attempt.detail = FailureDetail(int(row["detail"]))
        attempt.failed_index = max(int(row["failed_index"]), 0)
        attempt.height = engine.block_height
        asked = attempt.route.directions[attempt.failed_index : attempt.failed_index + 1]
        if attempt.code is not FailureCode.NONE and asked and asked[0] >= 0:
            attempt.policy = engine.policy(asked[0])

    def land(self, engine_id: int, outcome: HtlcOutcome, engine: Engine) -> bool:
        """Let the receiver of a payment that is over write it down, or wait for another; False when it is not ours."""
        flight = self._flights.pop(engine_id, None)
        if flight is None:
            return False
        invoice, now_ns = flight.invoice, self._network.now_ns(engine)
        if invoice is None:
            return True
        if outcome is HtlcOutcome.SUCCEEDED:
            channel_ids = {a.attempt_id: self._network.channel_id(a.route.directions[-1]) for a in flight.arrived}
            self.receive(invoice, parts_of(flight, channel_ids, now_ns), now_ns)
        elif invoice.payment_id == engine_id:
            invoice.payment_id = None
            if invoice.state is InvoiceState.ACCEPTED:
                invoice.state = InvoiceState.CANCELED
                self.tell_invoice(invoice)
        return True

    def abandon(self) -> None:
        """Let nobody wait any longer: the world has ended."""
        for flight in self._flights.values():
            for _, future in flight.waiting.values():
                if not future.done():
                    future.cancel()
        self._flights.clear()


def _code(number: int) -> FailureCode:
    try:
        return FailureCode(number)
    except ValueError:
        return FailureCode.UNKNOWN_FAILURE


def waiting_for(attempt: AttemptRecord) -> "tuple[AttemptRecord, asyncio.Future[AttemptRecord]]":
    """Return an attempt with what is set when it has ended."""
    return attempt, asyncio.get_running_loop().create_future()
