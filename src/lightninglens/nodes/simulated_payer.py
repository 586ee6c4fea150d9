"""Being paid and paying with nodes of the simulator: `core.ports.Payer`.

`SimulatedPayments` keeps the books of all nodes of a world, so that what one has
asked for another can pay; `SimulatedPayer` is one node of it.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from typing import TypeVar

import coincurve

from lightninglens.core.bolt11 import InvoiceError, Network, SignedInvoice
from lightninglens.core.clock import VirtualClock
from lightninglens.core.errors import ConfigError, NodeRefused, NodeUnavailable
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import FailureCode, HtlcOutcome
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.payments import (
    HASH_BYTES,
    InvoiceRecord,
    InvoiceRequest,
    InvoiceState,
    KeysendOrder,
    PaymentAttempt,
    PaymentRoute,
    PaymentState,
    ProbeResult,
    RouteEstimate,
    RouteQuestion,
    SendOrder,
)
from lightninglens.core.units import Msat, UnixNs
from lightninglens.nodes.orders import (
    KEYSEND_CLTV_BLOCKS,
    KEYSEND_RECORD,
    amount_to_name,
    describe,
    new_preimage,
    probe,
    read_invoice,
    require_amount,
    require_unexpired,
    secret_for,
    state_along,
)
from lightninglens.nodes.paying import invoices
from lightninglens.nodes.paying.arrivals import Arrivals
from lightninglens.nodes.paying.payments import (
    OUTCOMES,
    AttemptRecord,
    FailureReason,
    PaidRoute,
    PaymentBook,
    PaymentRecord,
    PaymentStatus,
)
from lightninglens.nodes.paying.sending import Sender, Terms, result_of
from lightninglens.nodes.paying.ways import directions_along, named_route, paid_route
from lightninglens.nodes.simulated import SIMULATED_NETWORK, SimulatedWorld
from lightninglens.routing.pathfinding import (
    DEFAULT_CLTV_LIMIT_BLOCKS,
    DEFAULT_FINAL_CLTV_BLOCKS,
    NoRoute,
    RouteQuery,
)
from lightninglens.sim.engine import Engine
from lightninglens.sim.records import Harvest

_Result = TypeVar("_Result")

_STATES = {
    invoices.InvoiceState.OPEN: InvoiceState.OPEN,
    invoices.InvoiceState.SETTLED: InvoiceState.SETTLED,
    invoices.InvoiceState.CANCELED: InvoiceState.CANCELED,
    invoices.InvoiceState.ACCEPTED: InvoiceState.ACCEPTED,
}


class Account:
    """A node's payments, and what it signs with; None where nobody knows its key."""

    def __init__(self, row: int, secret: bytes | None, engine: Engine) -> None:
        self.row = row
        self.secret = secret
        self.payments = PaymentBook()
        self.estimator = engine.config.estimator


class SimulatedPayments:
    """The books of a world's nodes; implements `nodes.paying.arrivals.PayingNetwork`, in the world's own time."""

    def __init__(self, world: SimulatedWorld, engine: Engine, secrets_by_row: Mapping[int, bytes]) -> None:
        """Keep the books of a world that nobody advances yet.

        Raises:
            ConfigError: a secret does not belong to the node in its row.
        """
        for row, secret in secrets_by_row.items():
            if coincurve.PrivateKey(secret).public_key.format().hex() != engine.graph.node_ids[row]:
                raise ConfigError(f"the key of node {engine.graph.aliases[row] or row} does not belong to it")
        self.world = world
        self.invoices = invoices.InvoiceBook()
        self.nodes = {row: Account(row, secrets_by_row.get(row), engine) for row in range(engine.graph.node_count)}
        self.arrivals = Arrivals(self)
        self.clock = VirtualClock(engine.now_ns)
        world.follow(self._absorb)
        world.at_end(self.arrivals.abandon)

    def payer(self, row: int) -> "SimulatedPayer":
        """Return the port of the node in this row."""
        return SimulatedPayer(self, self.nodes[row])

    def now_ns(self, engine: Engine) -> int:
        """Return the world's time."""
        return engine.now_ns

    def shown_ns(self, world_ns: int) -> int:
        """Return a moment as it is: nothing is shown otherwise."""
        return world_ns

    def next_engine_id(self) -> int:
        """Return a number for a payment."""
        return self.world.next_payment_id()

    def channel_id(self, direction: int) -> ChannelId:
        """Return the id of a direction's channel."""
        return self.world.graph.channel_id(direction // 2)

    async def act(self, action: Callable[[Engine], _Result]) -> _Result:
        """Do something to the engine, and let it go on at once."""
        return await self.world.act(action)

    def _absorb(self, harvest: Harvest, engine: Engine) -> None:
        self.clock.advance_to(engine.now_ns)
        self.arrivals.absorb(harvest, engine)


class SimulatedPayer:
    """Makes and pays invoices with one simulated node: implements `core.ports.Payer`."""

    def __init__(self, network: SimulatedPayments, account: Account) -> None:
        self._network = network
        self._world = network.world
        self._account = account
        self._sender = Sender(network, account, network.clock)

    async def create_invoice(self, request: InvoiceRequest) -> SignedInvoice:
        """Return a new invoice of the node; raises NodeRefused where nobody knows its key, or for what LND refuses."""
        secret = self._account.secret
        if secret is None:
            raise NodeRefused(f"nobody knows the key of node {self._name()}, and an invoice has to be signed with it")
        preimage, payment_hash = new_preimage()
        made = invoices.InvoiceRecord(
            node=self._account.row,
            payment_hash=payment_hash,
            payment_address=secrets.token_bytes(HASH_BYTES),
            preimage=preimage,
            value_msat=request.amount_msat or 0,
            created_ns=await self._now_ns(),
            memo=request.description,
            expiry_s=request.expiry_s or invoices.DEFAULT_EXPIRY_S,
        )
        if problem := invoices.reason_to_refuse(made):
            raise NodeRefused(problem)
        try:
            text = made.signed(secret)
        except InvoiceError as problem:
            raise NodeRefused(str(problem)) from None
        self._network.invoices.add(made)
        return await self.decode(text)

    async def invoice(self, payment_hash: bytes) -> InvoiceRecord:
        """Return what has become of an invoice of the node; raises NodeRefused when it has none of this hash."""
        await self._now_ns()
        found = self._network.invoices.find(payment_hash, self._account.row)
        if found is None or found.text is None:
            raise NodeRefused("the node has made no invoice of this hash")
        return InvoiceRecord(
            invoice=await self.decode(found.text), state=_STATES[found.state], paid_msat=Msat(found.paid_msat)
        )

    async def decode(self, text: str) -> SignedInvoice:
        """Return what an invoice says, verified; raises DataError for what is none, or is not of regtest."""
        return read_invoice(text, Network.REGTEST, SIMULATED_NETWORK)

    async def find_route(self, question: RouteQuestion) -> RouteEstimate | None:
        """Return a route that the node would try now, or None when it knows none."""
        require_amount(question.amount_msat)
        receiver = self._row_of(question.payee)
        last_hop = None if question.last_hop is None else self._row_of(question.last_hop)
        if receiver is None or (question.last_hop is not None and last_hop is None):
            return None
        query = RouteQuery(
            sender=self._account.row,
            receiver=receiver,
            amount_msat=question.amount_msat,
            fee_limit_msat=question.max_fee_msat,
            final_cltv_blocks=question.final_cltv_blocks or DEFAULT_FINAL_CLTV_BLOCKS,
            outgoing_channels=await self._outgoing(question.outgoing_channel_ids),
            last_hop=last_hop,
        )

        def find(engine: Engine) -> RouteEstimate | None:
            found = engine.find_route(query, estimator=self._account.estimator)
            if isinstance(found, NoRoute):
                return None
            return RouteEstimate(route=named_route(paid_route(found), engine.graph), probability=found.probability)

        return await self._world.use(find)

    async def probe(self, question: RouteQuestion) -> ProbeResult:
        """Send HTLCs that nobody can claim, until the payee itself refuses one or no route is left."""
        return await probe(question, self.find_route, self._try)

    async def send(self, order: SendOrder) -> PaymentState:
        """Pay an invoice and return when that is final; what is paid or under way is refused.

        The time limit is of the world's time.

        Raises:
            NodeRefused: the invoice cannot be paid like this; nothing was sent.
            DataError: it is of another network.
            NodeUnavailable: the world ended before the payment did.
        """
        invoice = await self.decode(order.invoice.text)
        amount_msat = amount_to_name(order) or int(invoice.amount_msat or 0)
        require_unexpired(invoice, await self._now_ns())
        receiver = self._row_of(invoice.payee)
        if receiver == self._account.row and not order.allow_self_payment:
            raise NodeRefused("self-payments not allowed; nothing was sent")
        last_hop = None if order.last_hop is None else self._row_of(order.last_hop)
        knows_all = receiver is not None and (order.last_hop is None or last_hop is not None)
        terms = Terms(
            receiver=receiver or 0,
            fee_limit_msat=order.max_fee_msat,
            timeout_s=order.timeout_s,
            final_blocks=int(invoice.final_cltv_blocks),
            cltv_limit=DEFAULT_CLTV_LIMIT_BLOCKS,
            outgoing=await self._outgoing(order.outgoing_channel_ids),
            last_hop=last_hop,
            most_parts=order.max_parts if invoice.allows_parts else 1,
            payment_address=invoice.payment_secret or b"",
        )
        return await self._pay(invoice.payment_hash, amount_msat, terms, knows_all=knows_all)

    async def send_along(self, route: PaymentRoute, invoice: SignedInvoice) -> PaymentState:
        """Pay an invoice over one route and return when that is final; raises as `send` does."""
        invoice = await self.decode(invoice.text)
        tried = await self._try(route, invoice.payment_hash, secret_for(route, invoice))
        paid = self._account.payments.find(invoice.payment_hash)
        return state_along(route, tried, invoice.payment_hash, paid.preimage if paid else None)

    async def keysend(self, order: KeysendOrder) -> PaymentState:
        """Pay a node that gave no invoice, and return when that is final; raises as `send` does."""
        require_amount(order.amount_msat)
        preimage, payment_hash = new_preimage()
        receiver = self._row_of(order.payee)
        if receiver == self._account.row:
            raise NodeRefused("self-payments not allowed; nothing was sent")
        terms = Terms(
            receiver=receiver or 0,
            fee_limit_msat=order.max_fee_msat,
            timeout_s=order.timeout_s,
            final_blocks=KEYSEND_CLTV_BLOCKS,
            cltv_limit=DEFAULT_CLTV_LIMIT_BLOCKS,
            final_records={KEYSEND_RECORD: preimage},
        )
        return await self._pay(payment_hash, order.amount_msat, terms, knows_all=receiver is not None)

    async def track(self, payment_hash: bytes) -> PaymentState | None:
        """Return how far a payment has come, or None when the node never began it."""
        await self._now_ns()
        found = self._account.payments.find(payment_hash)
        return None if found is None else self._state(found)

    async def _pay(self, payment_hash: bytes, amount_msat: int, terms: Terms, *, knows_all: bool) -> PaymentState:
        """Lead a payment to its end; who waits may go away, and it goes on."""
        payment = await self._begin(payment_hash, amount_msat)
        if not knows_all:
            payment.reason = FailureReason.NO_ROUTE
        await asyncio.shield(self._sender.start(payment, terms, lambda: False))
        if payment.status is PaymentStatus.IN_FLIGHT:
            raise NodeUnavailable("the simulated world has ended; what was under way is unknown")
        return self._state(payment)

    async def _begin(self, payment_hash: bytes, amount_msat: int) -> PaymentRecord:
        now_ns = await self._now_ns()
        self._account.payments.require_new(payment_hash)
        return self._account.payments.add(
            PaymentRecord(payment_hash=payment_hash, value_msat=amount_msat, created_ns=now_ns)
        )

    async def _try(self, route: PaymentRoute, payment_hash: bytes, payment_secret: bytes) -> PaymentAttempt:
        """Send one HTLC along a route and return what became of it."""
        paid = await self._along(route, payment_secret)
        payment = await self._begin(payment_hash, route.amount_msat)
        attempt, future = await self._sender.send_along(payment, paid, skip_temporary=False)
        await asyncio.wait([future])
        result_of(future)
        payment.close(skip_temporary=False)
        return self._attempt(attempt, route)

    async def _along(self, route: PaymentRoute, payment_secret: bytes) -> PaidRoute:
        """Return the HTLCs that a route means: what each step passes on is what the next one gets."""

        def rows(engine: Engine) -> PaidRoute:
            channels = [_channel_row(engine.graph, step.channel_id) for step in route.steps]
            return PaidRoute(
                directions=directions_along(engine.graph, self._account.row, channels),
                amounts_msat=(route.total_msat, *(step.amount_msat for step in route.steps[:-1])),
                expiry_heights=(route.expiry_height, *(step.expiry_height for step in route.steps[:-1])),
                payment_address=payment_secret,
                total_msat=route.amount_msat,
                channel_ids=tuple(step.channel_id for step in route.steps),
            )

        return await self._world.use(rows)

    async def _outgoing(self, channel_ids: tuple[ChannelId, ...]) -> tuple[int, ...]:
        """Return the rows of channels that a payment may leave by; raises NodeRefused for one of another node."""

        def rows(engine: Engine) -> tuple[int, ...]:
            own = {engine.graph.channel_id(each // 2): each // 2 for each in engine.directions_of(self._account.row)}
            for channel_id in channel_ids:
                if channel_id not in own:
                    raise NodeRefused(f"the node has no channel {channel_id}; nothing was sent")
            return tuple(own[channel_id] for channel_id in channel_ids)

        return await self._world.use(rows)

    def _row_of(self, node_id: NodeId) -> int | None:
        try:
            return self._world.graph.node_index(node_id)
        except KeyError:
            return None

    async def _now_ns(self) -> int:
        """Return the world's time; raises NodeUnavailable once it has ended."""
        return await self._world.use(lambda engine: engine.now_ns)

    def _name(self) -> str:
        graph, row = self._world.graph, self._account.row
        return graph.aliases[row] or graph.node_ids[row][:12]

    def _state(self, payment: PaymentRecord) -> PaymentState:
        outcome = HtlcOutcome.IN_FLIGHT
        succeeded = payment.status is PaymentStatus.SUCCEEDED
        if succeeded:
            outcome = HtlcOutcome.SUCCEEDED
        elif payment.status is PaymentStatus.FAILED:
            outcome = OUTCOMES.get(payment.reason, HtlcOutcome.ERROR)
        attempts = tuple(self._attempt(each, named_route(each.route, self._world.graph)) for each in payment.attempts)
        return PaymentState(
            payment_hash=payment.payment_hash,
            outcome=outcome,
            amount_msat=Msat(payment.value_msat),
            fee_msat=Msat(payment.fee_msat if succeeded else 0),
            attempts=attempts,
            detail=describe(outcome, attempts),
            preimage=payment.preimage if succeeded else None,
        )

    @staticmethod
    def _attempt(attempt: AttemptRecord, route: PaymentRoute) -> PaymentAttempt:
        outcome = HtlcOutcome.FAILED_ON_ROUTE
        if attempt.is_in_flight:
            outcome = HtlcOutcome.IN_FLIGHT
        elif attempt.is_settled:
            outcome = HtlcOutcome.SUCCEEDED
        failed = outcome is HtlcOutcome.FAILED_ON_ROUTE
        return PaymentAttempt(
            route=route,
            outcome=outcome,
            failure=attempt.code if failed and attempt.code is not None else FailureCode.NONE,
            failure_source=attempt.failed_index if failed else None,
            attempted_ns=UnixNs(attempt.started_ns),
            resolved_ns=UnixNs(attempt.resolved_ns),
        )


def _channel_row(graph: NetworkGraph, channel_id: ChannelId) -> int | None:
    """Return the row of a channel; None where there is none of this id."""
    try:
        return graph.channel_index(channel_id)
    except KeyError:
        return None
