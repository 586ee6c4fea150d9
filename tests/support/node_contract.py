"""What every adapter of a node must do, as one suite over any implementation of the ports.

A subclass gives the fixture `world`: a node that pays, one that forwards and one
that is paid, in a row and back again (payer - router - payee - payer), the way to
let an operation end, and a way to make a forward. Ports that an implementation
does not have are None, and their tests are skipped, saying so.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import pytest

from lightninglens.app.node_checks import check_node
from lightninglens.core.channels import ChannelPolicy, ChannelState, Opener
from lightninglens.core.costs import CostKind, SelfPayment
from lightninglens.core.errors import NodeRefused
from lightninglens.core.forwards import Forward
from lightninglens.core.htlc import HtlcEvent, HtlcEventKind, HtlcEventType, HtlcOutcome
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.payments import InvoiceRequest, InvoiceState, KeysendOrder, RouteQuestion, SendOrder
from lightninglens.core.ports import ChannelManager, ChannelStatus, FeeSetter, NodeReader, Payer, Rebalancer
from lightninglens.core.records import RebalanceChange
from lightninglens.core.units import Blocks, Msat, Ppm

Result = TypeVar("Result")
UNKNOWN_CHANNEL = ChannelId.of(1, 2, 3)
AMOUNT_MSAT = Msat(50_000_000)
SMALL_MSAT = Msat(2_000_000)


@dataclass(frozen=True, kw_only=True)
class Actor:
    """One node, by its ports."""

    node_id: NodeId
    reader: NodeReader
    fees: FeeSetter | None = None
    rebalancer: Rebalancer | None = None
    payer: Payer | None = None
    manager: ChannelManager | None = None


class World(Protocol):
    """An implementation with three nodes and what the suite needs to drive it."""

    payer: Actor
    router: Actor
    payee: Actor

    async def done(self, operation: Awaitable[Result]) -> Result:
        """Let time pass until an operation has ended, and return its result."""
        ...

    async def forward(self, amount_msat: int) -> None:
        """Let the payer pay the payee by way of the router."""
        ...

    def now_ns(self) -> int:
        """Return the time in this world."""
        ...


def ports(actor: Actor, *names: str) -> list[Any]:
    """Return ports of a node, or skip the test where it has not all of them."""
    found = [getattr(actor, name) for name in names]
    for name, port in zip(names, found, strict=True):
        if port is None:
            pytest.skip(f"this implementation has no {name}")
    return found


async def channel_to(actor: Actor, peer: Actor) -> ChannelState:
    return next(each for each in await actor.reader.channels() if each.peer_id == peer.node_id)


async def balances(actor: Actor) -> dict[ChannelId, int]:
    """Return what a node has in each channel, once nothing is under way any more."""
    channels = await eventually(actor.reader.channels, lambda found: all(not each.unsettled_msat for each in found))
    return {each.channel_id: each.local_msat for each in channels}


async def circle(world: World, *, amount_msat: int = AMOUNT_MSAT, max_fee_msat: int = 100_000) -> RebalanceChange:
    outgoing, incoming = await channel_to(world.payer, world.router), await channel_to(world.payer, world.payee)
    return RebalanceChange(
        node_id=world.payer.node_id,
        outgoing_channel_id=outgoing.channel_id,
        incoming_channel_id=incoming.channel_id,
        amount_msat=Msat(amount_msat),
        max_fee_msat=Msat(max_fee_msat),
        previous_local_msat=outgoing.local_msat,
        reason="contract",
    )


class NodeContract:
    """The suite. A subclass is a test class with a fixture `world` and marks of its own."""

    async def test_a_node_says_who_it_is(self, world: World) -> None:
        for actor in (world.payer, world.router, world.payee):
            info = await actor.reader.info()
            assert info.node_id == actor.node_id
            assert info.synced_to_chain

    async def test_what_it_reads_does_not_contradict_itself(self, world: World) -> None:
        for actor in (world.payer, world.router):
            findings = [each async for each in check_node(actor.reader, world.now_ns())]
            assert [each for each in findings if each.status == "fail"] == []
            assert len(findings) == 5

    async def test_the_graph_has_its_channels_with_their_policies(self, world: World) -> None:
        graph = await world.router.reader.graph()
        rows = {graph.channel_id(row): row for row in range(graph.channel_count)}
        for channel in await world.router.reader.channels():
            row = rows[channel.channel_id]
            assert graph.capacity_sat[row] == channel.capacity_sat
            side = int(graph.node_ids[graph.node2[row]] == world.router.node_id)
            assert graph.policies.get(2 * row + side) == channel.local_policy
            assert graph.policies.get(2 * row + 1 - side) == channel.remote_policy

    async def test_nothing_is_closed_or_pending(self, world: World) -> None:
        assert list(await world.payer.reader.closed_channels()) == []
        assert list(await world.payer.reader.pending_channels()) == []

    async def test_every_field_of_a_policy_is_set_and_zero_is_not_unset(self, world: World) -> None:
        (fees,) = ports(world.payer, "fees")
        channel = await channel_to(world.payer, world.router)
        before = await fees.policy(channel.channel_id)
        for policy in (
            policy_like(before, base=1_234, rate=321, delta=40, least=2_000, most=900_000_000, inbound=(-5, -7)),
            policy_like(before, base=0, rate=0, delta=80, least=1_000, most=800_000_000, inbound=(0, 0)),
            before,
        ):
            assert await fees.set_policy(channel.channel_id, policy) == policy
            assert await fees.policy(channel.channel_id) == policy
            assert (await channel_to(world.payer, world.router)).local_policy == policy
        other = await channel_to(world.payer, world.payee)
        assert other.local_policy == await fees.policy(other.channel_id)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"time_lock_delta_blocks": Blocks(5)},
            {"inbound_fee_rate_ppm": Ppm(10)},
            {"inbound_base_fee_msat": Msat(10)},
            {"fee_rate_ppm": Ppm(2**32)},
            {"base_fee_msat": Msat(-1)},
            {"min_htlc_msat": Msat(2_000_000), "max_htlc_msat": Msat(1_000_000)},
            {"max_htlc_msat": Msat(2**62)},
        ],
        ids="-".join,
    )
    async def test_a_policy_that_is_refused_changes_nothing(self, world: World, wrong: dict[str, Any]) -> None:
        (fees,) = ports(world.payer, "fees")
        channel = await channel_to(world.payer, world.router)
        before = await fees.policy(channel.channel_id)
        with pytest.raises(NodeRefused):
            await fees.set_policy(channel.channel_id, dataclasses.replace(before, **wrong))
        assert await fees.policy(channel.channel_id) == before

    async def test_a_channel_that_is_not_ones_own_has_no_policy_to_set(self, world: World) -> None:
        (fees,) = ports(world.payer, "fees")
        foreign = await channel_to(world.router, world.payee)
        policy = await fees.policy((await channel_to(world.payer, world.router)).channel_id)
        for channel_id in (UNKNOWN_CHANNEL, foreign.channel_id):
            with pytest.raises(NodeRefused):
                await fees.policy(channel_id)
            with pytest.raises(NodeRefused):
                await fees.set_policy(channel_id, policy)

    async def test_a_channel_is_disabled_and_enabled_again(self, world: World) -> None:
        (fees,) = ports(world.payer, "fees")
        channel_id = (await channel_to(world.payer, world.router)).channel_id
        before = await fees.policy(channel_id)
        await fees.set_status(channel_id, ChannelStatus.DISABLED)
        assert await fees.policy(channel_id) == dataclasses.replace(before, disabled=True)
        await fees.set_status(channel_id, ChannelStatus.ENABLED)
        assert await fees.policy(channel_id) == before
        await fees.set_status(channel_id, ChannelStatus.AUTO)
        assert await fees.policy(channel_id) == before

    async def test_a_forward_is_seen_as_it_happens_and_is_in_the_history(self, world: World) -> None:
        reader = world.router.reader
        start_ns = world.now_ns()
        assert await history(world, start_ns) == []
        async with contextlib.aclosing(reader.htlc_events()) as stream:
            task = asyncio.ensure_future(first_events(stream, 2))
            await asyncio.sleep(0.5)
            await world.forward(AMOUNT_MSAT)
            begun, settled = await world.done(asyncio.wait_for(task, 30))
        assert (begun.kind, settled.kind) == (HtlcEventKind.FORWARD, HtlcEventKind.SETTLE)
        assert begun.event_type == settled.event_type == HtlcEventType.FORWARD
        assert begun.outgoing_amount_msat == AMOUNT_MSAT
        assert begun.incoming_amount_msat > AMOUNT_MSAT
        assert begun.incoming_timelock_blocks > begun.outgoing_timelock_blocks > 0
        assert (begun.incoming_htlc_id, begun.outgoing_htlc_id) == (settled.incoming_htlc_id, settled.outgoing_htlc_id)
        (found,) = await eventually(lambda: history(world, start_ns))
        assert (found.incoming_channel_id, found.outgoing_channel_id) == (
            (await channel_to(world.router, world.payer)).channel_id,
            (await channel_to(world.router, world.payee)).channel_id,
        )
        assert found.fee_msat == begun.incoming_amount_msat - begun.outgoing_amount_msat
        assert found.incoming_htlc_id in {begun.incoming_htlc_id, None}

    async def test_a_rebalance_moves_ones_own_money_and_costs_the_fee(self, world: World) -> None:
        (rebalancer,) = ports(world.payer, "rebalancer")
        change = await circle(world)
        before = await balances(world.payer)
        outcome = await world.done(rebalancer.rebalance(change))
        after = await balances(world.payer)
        assert outcome.succeeded, outcome.detail
        assert outcome.moved_msat == change.amount_msat
        assert 0 < outcome.fee_msat <= change.max_fee_msat
        assert outcome.hops == 3
        gained = after[change.incoming_channel_id] - before[change.incoming_channel_id]
        assert abs(gained - change.amount_msat) < 1_000
        assert abs(sum(before.values()) - sum(after.values()) - outcome.fee_msat) < 2_000  # shown in whole sat

    async def test_a_payment_to_oneself_is_told_and_one_to_another_is_not(self, world: World) -> None:
        rebalancer, payer = ports(world.payer, "rebalancer", "payer")
        before = await paid_to_oneself(world.payer)
        change = await circle(world, amount_msat=SMALL_MSAT)
        outcome = await world.done(rebalancer.rebalance(change))
        assert outcome.succeeded, outcome.detail
        order = KeysendOrder(payee=world.payee.node_id, amount_msat=SMALL_MSAT, max_fee_msat=Msat(100_000))
        assert (await world.done(payer.keysend(order))).outcome is HtlcOutcome.SUCCEEDED
        after = await paid_to_oneself(world.payer)
        (made,) = [each for each in after if each not in before]
        assert (made.amount_msat, made.fee_msat) == (outcome.moved_msat, outcome.fee_msat)
        assert made.outgoing_channel_id == change.outgoing_channel_id
        assert made.incoming_channel_id == change.incoming_channel_id
        assert 0 < made.settled_ns <= world.now_ns()
        assert await paid_to_oneself(world.payer, since_ns=world.now_ns() + 10**9) == []
        assert await paid_to_oneself(world.router) == []

    async def test_what_channels_cost_is_known_or_said_to_be_unknown(self, world: World) -> None:
        for actor in (world.payer, world.router):
            opened = {each.channel_id for each in await actor.reader.channels() if each.opener is Opener.LOCAL}
            for cost in await actor.reader.on_chain_costs():
                assert cost.channel_id in opened
                assert cost.kind is CostKind.OPEN
                assert cost.unknown if cost.fee_msat is None else cost.fee_msat > 0

    async def test_a_rebalance_that_fails_is_an_outcome_and_moves_nothing(self, world: World) -> None:
        (rebalancer,) = ports(world.payer, "rebalancer")
        change = await circle(world, max_fee_msat=1)
        before = await balances(world.payer)
        outcome = await world.done(rebalancer.rebalance(change))
        assert not outcome.succeeded
        assert (outcome.moved_msat, outcome.fee_msat) == (0, 0)
        assert outcome.detail
        assert await balances(world.payer) == before

    async def test_what_is_no_circle_of_this_node_is_refused(self, world: World) -> None:
        (rebalancer,) = ports(world.payer, "rebalancer")
        change = await circle(world)
        for wrong in (
            dataclasses.replace(change, outgoing_channel_id=UNKNOWN_CHANNEL),
            dataclasses.replace(change, incoming_channel_id=UNKNOWN_CHANNEL),
            dataclasses.replace(change, node_id=world.router.node_id),
        ):
            with pytest.raises(NodeRefused):
                await world.done(rebalancer.rebalance(wrong))

    async def test_an_invoice_is_paid_once(self, world: World) -> None:
        (payer,), (payee,) = ports(world.payer, "payer"), ports(world.payee, "payer")
        invoice = await payee.create_invoice(InvoiceRequest(amount_msat=AMOUNT_MSAT, description="coffee"))
        assert await payer.decode(invoice.text) == invoice
        assert invoice.payee == world.payee.node_id
        assert await payer.track(invoice.payment_hash) is None
        order = SendOrder(invoice=invoice, max_fee_msat=Msat(100_000), timeout_s=20)
        state = await world.done(payer.send(order))
        assert state.outcome is HtlcOutcome.SUCCEEDED
        assert state.amount_msat == AMOUNT_MSAT
        assert state.attempts[-1].route.amount_msat == AMOUNT_MSAT
        record = await payee.invoice(invoice.payment_hash)
        assert (record.state, record.paid_msat) == (InvoiceState.SETTLED, AMOUNT_MSAT)
        with pytest.raises(NodeRefused):
            await world.done(payer.send(order))
        assert await payer.track(invoice.payment_hash) == state

    async def test_a_payment_that_may_cost_nothing_where_all_routes_cost_is_an_outcome(self, world: World) -> None:
        (payer,), (payee,) = ports(world.payer, "payer"), ports(world.payee, "payer")
        invoice = await payee.create_invoice(InvoiceRequest(amount_msat=AMOUNT_MSAT))
        way = (await channel_to(world.payer, world.router)).channel_id
        order = SendOrder(invoice=invoice, max_fee_msat=Msat(0), timeout_s=10, outgoing_channel_ids=(way,))
        state = await world.done(payer.send(order))
        assert state.outcome is HtlcOutcome.NO_ROUTE
        assert (await payee.invoice(invoice.payment_hash)).state is InvoiceState.OPEN

    async def test_a_probe_tells_what_gets_through_and_moves_nothing(self, world: World) -> None:
        (payer,) = ports(world.payer, "payer")
        before = await balances(world.payer)
        question = RouteQuestion(payee=world.payee.node_id, amount_msat=AMOUNT_MSAT, max_fee_msat=Msat(100_000))
        assert (await world.done(payer.probe(question))).reachable
        too_much = dataclasses.replace(question, amount_msat=Msat(10**11))
        assert not (await world.done(payer.probe(too_much))).reachable
        assert await balances(world.payer) == before

    async def test_a_route_that_was_found_can_be_paid_along(self, world: World) -> None:
        (payer,), (payee,) = ports(world.payer, "payer"), ports(world.payee, "payer")
        invoice = await payee.create_invoice(InvoiceRequest(amount_msat=AMOUNT_MSAT))
        way = (await channel_to(world.payer, world.router)).channel_id
        found = await payer.find_route(
            RouteQuestion(
                payee=world.payee.node_id,
                amount_msat=AMOUNT_MSAT,
                max_fee_msat=Msat(100_000),
                outgoing_channel_ids=(way,),
                final_cltv_blocks=invoice.final_cltv_blocks,
            )
        )
        assert found is not None
        assert [step.node_id for step in found.route.steps] == [world.router.node_id, world.payee.node_id]
        state = await world.done(payer.send_along(found.route, invoice))
        assert (state.outcome, state.fee_msat) == (HtlcOutcome.SUCCEEDED, found.route.fee_msat)

    async def test_a_node_is_paid_without_an_invoice(self, world: World) -> None:
        (payer,) = ports(world.payer, "payer")
        order = KeysendOrder(payee=world.payee.node_id, amount_msat=Msat(7_000), max_fee_msat=Msat(10_000))
        state = await world.done(payer.keysend(order))
        assert (state.outcome, state.amount_msat) == (HtlcOutcome.SUCCEEDED, 7_000)
        assert state.preimage is not None
        assert state.preimage.hex() not in repr(state)


def policy_like(
    before: ChannelPolicy, *, base: int, rate: int, delta: int, least: int, most: int, inbound: tuple[int, int]
) -> ChannelPolicy:
    return dataclasses.replace(
        before,
        base_fee_msat=Msat(base),
        fee_rate_ppm=Ppm(rate),
        time_lock_delta_blocks=Blocks(delta),
        min_htlc_msat=Msat(least),
        max_htlc_msat=Msat(most),
        inbound_base_fee_msat=Msat(inbound[0]),
        inbound_fee_rate_ppm=Ppm(inbound[1]),
    )


async def history(world: World, since_ns: int) -> list[Forward]:
    pages = world.router.reader.forwarding_history(since_ns=since_ns)
    return [each async for page in pages for each in page.forwards]


async def paid_to_oneself(actor: Actor, since_ns: int = 0) -> list[SelfPayment]:
    return [each async for page in actor.reader.self_payments(since_ns=since_ns) for each in page]


async def first_events(stream: Any, count: int) -> list[HtlcEvent]:
    """Return the next events of a stream that are the node's own part in others' payments."""
    found: list[HtlcEvent] = []
    async for item in stream:
        if isinstance(item, HtlcEvent) and item.event_type is HtlcEventType.FORWARD:
            found.append(item)
        if len(found) == count:
            break
    return found


async def eventually(ask: Callable[[], Awaitable[Result]], so: Callable[[Result], bool] = bool) -> Result:
    """Ask until it is so, for a node that writes some things down a moment later."""
    for _ in range(100):
        found = await ask()
        if so(found):
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"never became so: {await ask()}")
