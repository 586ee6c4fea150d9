"""What a simulated node's payer refuses, and what becomes of payments beside the contract that all payers keep."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

import pytest
import pytest_asyncio

from lightninglens.app.world import World, WorldOptions, build_lab
from lightninglens.core.bolt11 import Network, decode, sign
from lightninglens.core.errors import ConfigError, DataError, NodeRefused, NodeUnavailable
from lightninglens.core.htlc import FailureCode, HtlcOutcome
from lightninglens.core.ids import ChannelId, NodeId, derive_node_id, derive_secret
from lightninglens.core.payments import InvoiceRequest, InvoiceState, KeysendOrder, RouteQuestion, SendOrder
from lightninglens.core.units import NS_PER_SECOND, Msat
from lightninglens.nodes.simulated import SimulatedWorld
from lightninglens.nodes.simulated_payer import SimulatedPayments
from lightninglens.sim.engine import Engine

Result = TypeVar("Result")
ALICE, BOB, CAROL, DAVE, EVE = range(5)
AMOUNT = Msat(50_000_000)
STEP_NS = NS_PER_SECOND // 2

pytestmark = pytest.mark.asyncio


class Payments:
    """A lab in which nobody else pays, whose node Dave has a key that nobody knows."""

    def __init__(self) -> None:
        self.lab: World = build_lab(WorldOptions())
        self.engine = Engine(
            self.lab.graph,
            balance_msat=self.lab.engine.balances_msat(),
            opener_side=self.lab.opener_side,
            config=self.lab.engine.config,
        )
        self.world = SimulatedWorld(self.engine)
        known = {row: self.secret(row) for row in (ALICE, BOB, CAROL, EVE)}
        self.books = SimulatedPayments(self.world, self.engine, known)
        self.payer, self.payee = self.books.payer(ALICE), self.books.payer(EVE)

    def secret(self, row: int) -> bytes:
        return derive_secret(1, self.lab.names[row])

    def node_id(self, row: int) -> NodeId:
        return self.lab.graph.node_ids[row]

    async def order(self, **changed: object) -> SendOrder:
        invoice = await self.payee.create_invoice(InvoiceRequest(amount_msat=AMOUNT))
        return dataclasses.replace(SendOrder(invoice=invoice, max_fee_msat=Msat(100_000)), **changed)  # type: ignore[arg-type]

    async def pass_time(self, seconds: float) -> None:
        await self.world.advance(self.engine.now_ns + int(seconds * NS_PER_SECOND))

    async def under_way(self, operation: Awaitable[Result]) -> "asyncio.Future[Result]":
        """Begin something and let it come as far as the engine."""
        task = asyncio.ensure_future(operation)
        for _ in range(20):
            await asyncio.sleep(0)
        await self.pass_time(0.1)
        return task

    async def done(self, operation: Awaitable[Result]) -> Result:
        task = asyncio.ensure_future(operation)
        while not task.done():
            await asyncio.sleep(0)
            await self.world.advance(self.engine.now_ns + STEP_NS)
        return await task


@pytest_asyncio.fixture
async def lab() -> AsyncIterator[Payments]:
    made = Payments()
    yield made
    assert made.engine.conservation_drift_msat() == 0
    made.world.close()


async def test_a_node_whose_key_nobody_knows_pays_and_is_paid_but_signs_nothing(lab: Payments) -> None:
    dave = lab.books.payer(DAVE)
    with pytest.raises(NodeRefused, match="nobody knows the key of node lnd-dave"):
        await dave.create_invoice(InvoiceRequest(amount_msat=AMOUNT))
    keysend = KeysendOrder(payee=lab.node_id(DAVE), amount_msat=AMOUNT, max_fee_msat=Msat(100_000))
    assert (await lab.done(lab.payer.keysend(keysend))).outcome is HtlcOutcome.SUCCEEDED
    assert (await lab.done(dave.send(await lab.order()))).outcome is HtlcOutcome.SUCCEEDED


async def test_a_key_of_another_node_is_refused(lab: Payments) -> None:
    with pytest.raises(ConfigError, match="key of node lnd-alice does not belong"):
        SimulatedPayments(SimulatedWorld(lab.engine), lab.engine, {ALICE: lab.secret(BOB)})


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (InvoiceRequest(amount_msat=AMOUNT, description="x" * 640), "memo too large"),
        (InvoiceRequest(amount_msat=AMOUNT, expiry_s=-1), "must be positive"),
        (InvoiceRequest(amount_msat=AMOUNT, expiry_s=31_536_001), "greater than max expiry"),
        (InvoiceRequest(amount_msat=Msat(2**62)), "more than all bitcoin"),
    ],
)
async def test_an_invoice_is_refused_as_by_lnd(lab: Payments, request_: InvoiceRequest, why: str) -> None:
    with pytest.raises(NodeRefused, match=why):
        await lab.payee.create_invoice(request_)


async def test_one_hash_is_never_paid_twice_not_even_while_it_is_under_way(lab: Payments) -> None:
    order = await lab.order()
    first = await lab.under_way(lab.payer.send(order))
    found = await lab.payer.track(order.invoice.payment_hash)
    assert found is not None
    assert (found.outcome, found.fee_msat, found.preimage) == (HtlcOutcome.IN_FLIGHT, 0, None)
    other = lab.books.payer(ALICE)
    with pytest.raises(NodeRefused, match="in transition"):
        await other.send(order)
    assert (await lab.done(first)).outcome is HtlcOutcome.SUCCEEDED
    with pytest.raises(NodeRefused, match="already paid"):
        await other.send(order)
    third = await lab.done(lab.books.payer(BOB).send(order))
    assert third.outcome is HtlcOutcome.INCORRECT_PAYMENT_DETAILS
    assert (await lab.payee.invoice(order.invoice.payment_hash)).paid_msat == AMOUNT


async def test_a_caller_that_goes_away_does_not_end_a_payment(lab: Payments) -> None:
    order = await lab.order()
    task = await lab.under_way(lab.payer.send(order))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    for _ in range(20):
        await lab.pass_time(0.5)
    assert (await lab.payee.invoice(order.invoice.payment_hash)).state is InvoiceState.SETTLED


async def test_when_the_world_ends_it_is_unknown_how_a_payment_ends() -> None:
    lab = Payments()
    order, sent = await lab.order(), await lab.under_way(lab.payer.send(await lab.order()))
    question = RouteQuestion(payee=lab.node_id(EVE), amount_msat=AMOUNT, max_fee_msat=Msat(100_000))
    route = await lab.payer.find_route(dataclasses.replace(question, final_cltv_blocks=order.invoice.final_cltv_blocks))
    assert route is not None
    along = await lab.under_way(lab.payer.send_along(route.route, order.invoice))
    lab.world.close()
    for task in (sent, along):
        with pytest.raises(NodeUnavailable, match="has ended"):
            await task
    for operation in (
        lab.payer.create_invoice(InvoiceRequest(amount_msat=AMOUNT)),
        lab.payer.track(bytes(32)),
        lab.payer.invoice(bytes(32)),
        lab.payer.find_route(question),
        lab.payer.send(order),
    ):
        with pytest.raises(NodeUnavailable):
            await operation


async def test_what_cannot_be_paid_is_refused_before_anything_is_sent(lab: Payments) -> None:
    order = await lab.order()
    own = await lab.payer.create_invoice(InvoiceRequest(amount_msat=AMOUNT))
    unnamed = await lab.payee.create_invoice(InvoiceRequest(amount_msat=None))
    late = await lab.payee.create_invoice(InvoiceRequest(amount_msat=AMOUNT, expiry_s=1))
    await lab.pass_time(3)
    for wrong, why in (
        (dataclasses.replace(order, invoice=own), "self-payments"),
        (dataclasses.replace(order, invoice=unnamed), "no amount"),
        (dataclasses.replace(order, invoice=late), "expired"),
        (dataclasses.replace(order, amount_msat=Msat(1)), "names its amount"),
        (dataclasses.replace(order, outgoing_channel_ids=(ChannelId(7),)), "has no channel"),
    ):
        with pytest.raises(NodeRefused, match=why):
            await lab.payer.send(wrong)
        assert await lab.payer.track(wrong.invoice.payment_hash) is None


async def test_what_is_no_invoice_of_this_network_is_told(lab: Payments) -> None:
    invoice = (await lab.order()).invoice
    said = {each.name: getattr(invoice, each.name) for each in dataclasses.fields(invoice)}
    del said["text"], said["payee"]
    foreign = sign(type(invoice).__bases__[0](**(said | {"network": Network.MAINNET})), lab.secret(EVE))
    with pytest.raises(DataError, match="is of mainnet, and the node is on regtest"):
        await lab.payer.decode(foreign.text)
    with pytest.raises(DataError):
        await lab.payer.decode("lnbcrt1nothing")
    assert decode(invoice.text) == invoice


async def test_a_payee_that_nobody_knows_is_reached_by_no_route(lab: Payments) -> None:
    stranger = derive_node_id(7, "stranger")
    question = RouteQuestion(payee=stranger, amount_msat=AMOUNT, max_fee_msat=Msat(100_000))
    assert await lab.payer.find_route(question) is None
    assert not (await lab.payer.probe(question)).reachable
    keysend = KeysendOrder(payee=stranger, amount_msat=AMOUNT, max_fee_msat=Msat(100_000))
    state = await lab.done(lab.payer.keysend(keysend))
    assert (state.outcome, state.attempts) == (HtlcOutcome.NO_ROUTE, ())


async def test_a_given_route_over_a_channel_that_its_node_does_not_have_fails_there(lab: Payments) -> None:
    order = await lab.order()
    question = RouteQuestion(
        payee=lab.node_id(EVE),
        amount_msat=AMOUNT,
        max_fee_msat=Msat(100_000),
        last_hop=lab.node_id(BOB),
        final_cltv_blocks=order.invoice.final_cltv_blocks,
    )
    found = await lab.payer.find_route(question)
    assert found is not None
    steps = (*found.route.steps[:-1], dataclasses.replace(found.route.steps[-1], channel_id=ChannelId.of(9, 9, 9)))
    broken = dataclasses.replace(found.route, steps=steps)
    state = await lab.done(lab.payer.send_along(broken, order.invoice))
    assert state.attempts[0].failure is FailureCode.UNKNOWN_NEXT_PEER
    assert state.attempts[0].failure_source == len(steps) - 1
    assert state.detail
    assert (await lab.payer.track(order.invoice.payment_hash)) is not None
    wrong = dataclasses.replace(found.route, steps=found.route.steps[:-1])
    with pytest.raises(NodeRefused, match="does not lead to"):
        await lab.payer.send_along(wrong, order.invoice)
    again = await lab.done(lab.payer.send_along(found.route, order.invoice))
    assert again.outcome is HtlcOutcome.SUCCEEDED
    assert again.preimage is not None


async def test_an_invoice_without_an_amount_is_paid_with_the_one_that_is_named_and_oneself_if_allowed(
    lab: Payments,
) -> None:
    unnamed = await lab.payee.create_invoice(InvoiceRequest(amount_msat=None))
    order = SendOrder(invoice=unnamed, max_fee_msat=Msat(100_000), amount_msat=AMOUNT)
    assert (await lab.done(lab.payer.send(order))).outcome is HtlcOutcome.SUCCEEDED
    assert (await lab.payee.invoice(unnamed.payment_hash)).paid_msat == AMOUNT
    own = await lab.payer.create_invoice(InvoiceRequest(amount_msat=AMOUNT))
    circle = SendOrder(invoice=own, max_fee_msat=Msat(100_000), allow_self_payment=True)
    state = await lab.done(lab.payer.send(circle))
    assert state.outcome is HtlcOutcome.SUCCEEDED
    assert state.attempts[-1].route.steps[-1].node_id == lab.node_id(ALICE)


async def test_what_is_too_much_for_one_channel_goes_in_parts(lab: Payments) -> None:
    spendable = await lab.world.use(lambda engine: [each.outbound_msat for each in engine.channel_states(ALICE)])
    amount_msat = Msat(max(spendable) + 100_000_000)
    invoice = await lab.books.payer(EVE).create_invoice(InvoiceRequest(amount_msat=amount_msat))
    one = SendOrder(invoice=invoice, max_fee_msat=Msat(10_000_000), max_parts=1)
    assert (await lab.done(lab.payer.send(one))).outcome is not HtlcOutcome.SUCCEEDED
    state = await lab.done(lab.payer.send(dataclasses.replace(one, max_parts=16)))
    assert state.outcome is HtlcOutcome.SUCCEEDED
    assert sum(each.outcome is HtlcOutcome.SUCCEEDED for each in state.attempts) > 1
