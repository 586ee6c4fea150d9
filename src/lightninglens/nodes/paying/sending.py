"""How a payment of a simulated node is made: routes, parts and tries, as LND's payment lifecycle makes them.

Source: LND `routing/payment_lifecycle.go`, `routing/payment_session.go`. The
searches are the simulator's, over what the node knows; the parts go through the
simulated network as everybody's do.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from lightninglens.core.clock import Clock
from lightninglens.core.errors import InvariantError, NodeUnavailable
from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcOutcome
from lightninglens.core.units import NS_PER_SECOND
from lightninglens.nodes.paying.arrivals import PayingNetwork, PayingNode, waiting_for
from lightninglens.nodes.paying.flights import Flight, Objection, Verdict, verdict_on
from lightninglens.nodes.paying.payments import (
    AttemptRecord,
    FailureReason,
    PaidRoute,
    PaymentRecord,
    PaymentStatus,
)
from lightninglens.nodes.paying.ways import broken_at, paid_route, target_of
from lightninglens.routing.pathfinding import BLOCK_PADDING, DEFAULT_FINAL_CLTV_BLOCKS, NoRoute, RouteQuery
from lightninglens.sim.answers import Answer
from lightninglens.sim.engine import Engine
from lightninglens.sim.given import GivenRoute
from lightninglens.sim.records import PaymentKind

LEAST_PART_MSAT = 10_000_000
"""LND does not halve below this (`routing/payment_session.go`, DefaultShardMinAmt)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a payment may cost and how it may go."""

    receiver: int
    fee_limit_msat: int
    timeout_s: int
    final_blocks: int
    cltv_limit: int
    outgoing: tuple[int, ...] = ()
    last_hop: int | None = None
    most_parts: int = 1
    largest_part_msat: int = 0
    """0: any."""
    payment_address: bytes = field(default=b"", repr=False)
    final_records: dict[int, bytes] = field(default_factory=dict)
    time_preference: float = 0.0


class Sender:
    """Sends what a simulated node pays."""

    def __init__(self, network: PayingNetwork, node: PayingNode, clock: Clock) -> None:
        self._network = network
        self._node = node
        self._clock = clock
        self._engine_ids: dict[bytes, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def send_along(
        self, payment: PaymentRecord, route: PaidRoute, *, skip_temporary: bool
    ) -> tuple[AttemptRecord, "asyncio.Future[AttemptRecord]"]:
        """Send one attempt along a route now; return it with what is set when it has ended."""

        def send(engine: Engine) -> tuple[AttemptRecord, asyncio.Future[AttemptRecord]]:
            return self._send(engine, payment, route, skip_temporary=skip_temporary)

        return await self._network.act(send)

    def _send(
        self, engine: Engine, payment: PaymentRecord, route: PaidRoute, *, skip_temporary: bool
    ) -> tuple[AttemptRecord, "asyncio.Future[AttemptRecord]"]:
        now_ns = self._network.now_ns(engine)
        attempt = AttemptRecord(attempt_id=self._node.payments.new_attempt_id(), route=route, started_ns=now_ns)
        payment.attempts.append(attempt)
        waiting = waiting_for(attempt)
        broken = broken_at(engine, self._node.row, route)
        if broken == 0:
            self._refuse(engine, attempt, waiting[1])
            return waiting
        way = route if broken is None else route.up_to(broken)
        flight, verdict = (
            self._flight(engine, payment, route, now_ns)
            if broken is None
            else self._lost_flight(payment, route, broken)
        )
        given = _given(engine, way, verdict.answer)
        try:
            sent = engine.submit_route(
                given,
                payment_id=flight.engine_id,
                total_msat=max(way.total_msat, way.delivered_msat),
                answer=verdict.answer,
                skips_temporary_errors=skip_temporary,
                kind=PaymentKind.PROBE if verdict.answer is Answer.UNKNOWN_INVOICE else PaymentKind.PAYMENT,
            )
        except InvariantError:
            self._refuse(engine, attempt, waiting[1])
            return waiting
        flight.waiting[sent.number] = waiting
        flight.ends.add((given.directions[-1], given.amounts_msat[-1], given.expiry_heights[-1]))
        self._network.arrivals.expect(flight)
        if flight.invoice is not None:
            flight.invoice.payment_id = flight.engine_id
        engine.run_until(engine.now_ns)  # what it takes from our channel is gone before anybody looks again
        self._network.arrivals.tell(self._node.row, payment)
        return waiting

    def _flight(self, engine: Engine, payment: PaymentRecord, route: PaidRoute, now_ns: int) -> tuple[Flight, Verdict]:
        """Return the engine's payment that a route is part of, a new one where none is under way."""
        network = self._network
        engine_id = self._engine_ids.get(payment.payment_hash)
        flight = None if engine_id is None else network.arrivals.flight_of(engine_id)
        if flight is not None:
            return flight, Verdict(answer=Answer.SETTLE, invoice=flight.invoice, preimage=flight.preimage)
        receiver = target_of(engine.graph, route.directions[-1])
        verdict = verdict_on(
            network.invoices,
            receiver,
            payment.payment_hash,
            route,
            is_served=receiver in network.nodes,
            now_ns=now_ns,
            height=engine.block_height,
        )
        engine_id = network.next_engine_id()
        self._engine_ids[payment.payment_hash] = engine_id
        made = Flight(
            engine_id=engine_id,
            sender=self._node.row,
            payment=payment,
            invoice=verdict.invoice,
            preimage=verdict.preimage,
            objection=verdict.objection,
        )
        return made, verdict

    def _lost_flight(self, payment: PaymentRecord, route: PaidRoute, place: int) -> tuple[Flight, Verdict]:
        """Return a payment that ends at a place of its route, whose node does not have the channel to go on by."""
        channel_id = (
            route.channel_ids[place] if route.channel_ids else self._network.channel_id(route.directions[place])
        )
        objection = Objection(
            code=FailureCode.UNKNOWN_NEXT_PEER,
            detail=FailureDetail.NO_DETAIL,
            next_channel_id=channel_id,
            next_msat=route.amounts_msat[place],
            next_expiry_height=route.expiry_heights[place],
        )
        flight = Flight(
            engine_id=self._network.next_engine_id(),
            sender=self._node.row,
            payment=payment,
            invoice=None,
            preimage=None,
            objection=objection,
        )
        return flight, Verdict(answer=Answer.UNKNOWN_INVOICE, objection=objection)

    def _refuse(self, engine: Engine, attempt: AttemptRecord, future: "asyncio.Future[AttemptRecord]") -> None:
        """Fail an attempt before it leaves: the node does not have the channel that it was to take."""
        attempt.resolved_ns = self._network.now_ns(engine)
        attempt.code, attempt.height = FailureCode.UNKNOWN_NEXT_PEER, engine.block_height
        future.set_result(attempt)

    def start(self, payment: PaymentRecord, terms: Terms, is_cancelled: Callable[[], bool]) -> "asyncio.Task[None]":
        """Pay in the background, as a caller that goes away does not end a payment, and return what does it."""
        task = asyncio.create_task(self._pay(payment, terms, is_cancelled))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _pay(self, payment: PaymentRecord, terms: Terms, is_cancelled: Callable[[], bool]) -> None:
        try:
            await self._try(payment, terms, is_cancelled)
        except NodeUnavailable:
            return  # the world has ended, and with it all who could be told
        self._network.arrivals.tell(self._node.row, payment)

    async def _try(self, payment: PaymentRecord, terms: Terms, is_cancelled: Callable[[], bool]) -> None:
        deadline_ns = self._clock.now_ns() + terms.timeout_s * NS_PER_SECOND
        flying: set[asyncio.Future[AttemptRecord]] = set()
        while True:
            if payment.reason is FailureReason.NONE:
                if is_cancelled():
                    payment.reason = FailureReason.CANCELED
                elif payment.sent_msat < payment.value_msat and self._clock.now_ns() >= deadline_ns:
                    payment.reason = FailureReason.TIMEOUT
                elif payment.sent_msat < payment.value_msat:
                    sent = await self._send_next(payment, terms)
                    if isinstance(sent, FailureReason):
                        payment.reason = sent
                    else:
                        flying.add(sent)
                        continue
            if not flying:
                break
            done, flying = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
            for future in done:
                self._learn(payment, result_of(future))
        settled = [attempt for attempt in payment.attempts if attempt.is_settled]
        if settled and sum(attempt.route.delivered_msat for attempt in settled) >= payment.value_msat:
            payment.status, payment.reason = PaymentStatus.SUCCEEDED, FailureReason.NONE
            payment.preimage = settled[0].preimage
        else:
            payment.status = PaymentStatus.FAILED

    @staticmethod
    def _learn(payment: PaymentRecord, attempt: AttemptRecord) -> None:
        """End a payment that its receiver refuses."""
        hops = len(attempt.route.directions)
        final = attempt.code is FailureCode.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS and attempt.failed_index == hops
        if final and payment.reason is FailureReason.NONE:
            payment.reason = FailureReason.INCORRECT_DETAILS

    async def _send_next(self, payment: PaymentRecord, terms: Terms) -> "asyncio.Future[AttemptRecord] | FailureReason":
        """Find a route for what is left, or for ever smaller parts of it, and send the first that is found."""

        def send(engine: Engine) -> "asyncio.Future[AttemptRecord] | FailureReason":
            route = self._find(engine, payment, terms)
            if isinstance(route, FailureReason):
                return route
            return self._send(engine, payment, route, skip_temporary=True)[1]

        return await self._network.act(send)

    def _find(self, engine: Engine, payment: PaymentRecord, terms: Terms) -> PaidRoute | FailureReason:
        amount = payment.value_msat - payment.sent_msat
        if terms.largest_part_msat:
            amount = min(amount, terms.largest_part_msat)
        while True:
            found = engine.find_route(
                RouteQuery(
                    sender=self._node.row,
                    receiver=terms.receiver,
                    amount_msat=amount,
                    fee_limit_msat=max(terms.fee_limit_msat - payment.fee_msat, 0),
                    final_cltv_blocks=terms.final_blocks + BLOCK_PADDING,
                    cltv_limit_blocks=terms.cltv_limit,
                    outgoing_channels=terms.outgoing,
                    last_hop=terms.last_hop,
                    time_preference=terms.time_preference,
                ),
                estimator=self._node.estimator,
            )
            if not isinstance(found, NoRoute):
                return paid_route(
                    found,
                    payment_address=terms.payment_address,
                    total_msat=payment.value_msat,
                    final_records=terms.final_records,
                )
            if found.outcome is HtlcOutcome.INSUFFICIENT_BALANCE:
                return FailureReason.INSUFFICIENT_BALANCE
            if payment.in_flight + 1 >= terms.most_parts or amount // 2 < LEAST_PART_MSAT:
                return FailureReason.NO_ROUTE
            amount //= 2


def _given(engine: Engine, route: PaidRoute, answer: Answer) -> GivenRoute:
    """Return a route for the engine, whose receivers all ask for the same time lock for what they take.

    Whether the receiver's own invoice asks for more has been judged before.
    """
    asked = engine.block_height + DEFAULT_FINAL_CLTV_BLOCKS + BLOCK_PADDING
    lift = 0 if answer is Answer.UNKNOWN_INVOICE else max(asked - route.expiry_heights[-1], 0)
    return GivenRoute(
        directions=route.directions,
        amounts_msat=route.amounts_msat,
        expiry_heights=tuple(expiry + lift for expiry in route.expiry_heights),
    )


def result_of(future: "asyncio.Future[AttemptRecord]") -> AttemptRecord:
    """Return how an attempt ended; raises NodeUnavailable when the world ended first."""
    if future.cancelled():
        raise NodeUnavailable("the simulated world has ended; what was under way is unknown")
    return future.result()
