"""What every adapter of a node must do; today there is the simulated one."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from lightninglens.app.world import WorldOptions, build_lab
from lightninglens.core.errors import NodeRefused, NodeUnavailable
from lightninglens.core.htlc import HtlcEvent, HtlcEventKind, HtlcEventType
from lightninglens.core.ids import ChannelId
from lightninglens.core.records import RebalanceChange
from lightninglens.core.units import NS_PER_SECOND, Msat
from lightninglens.nodes.simulated import SimulatedNode, SimulatedWorld
from lightninglens.sim.engine import Engine

ALICE, BOB = 0, 1


@pytest_asyncio.fixture
async def world() -> AsyncIterator[SimulatedWorld]:
    """A lab in which nobody else pays."""
    lab = build_lab(WorldOptions())
    engine = Engine(
        lab.graph, balance_msat=lab.engine.balances_msat(), opener_side=lab.opener_side, config=lab.engine.config
    )
    made = SimulatedWorld(engine)
    yield made
    made.close()


async def pass_time(world: SimulatedWorld, seconds: float) -> None:
    now_ns = await world.use(lambda engine: engine.now_ns)
    await world.advance(now_ns + int(seconds * NS_PER_SECOND))


async def a_change(node: SimulatedNode, amount_sat: int = 100_000) -> RebalanceChange:
    channels = {channel.peer_alias: channel for channel in await node.channels()}
    outgoing, incoming = channels["lnd-bob"], channels["lnd-eve"]
    return RebalanceChange(
        node_id=node.node_id,
        outgoing_channel_id=outgoing.channel_id,
        incoming_channel_id=incoming.channel_id,
        amount_msat=Msat(amount_sat * 1000),
        max_fee_msat=Msat(10_000),
        previous_local_msat=outgoing.local_msat,
        reason="test",
    )


@pytest.mark.asyncio
async def test_a_node_says_who_it_is_and_what_it_has(world: SimulatedWorld) -> None:
    node = world.node(ALICE)
    info = await node.info()
    assert (info.alias, info.channel_count, info.node_id) == ("lnd-alice", 3, node.node_id)
    assert (await node.graph()).channel_count == 7
    for channel in await node.channels():
        shown_sat = (channel.local_msat + channel.remote_msat) // 1000 + channel.commit_fee_sat + 660
        assert shown_sat == channel.capacity_sat
        assert channel.outbound_msat <= channel.local_msat


@pytest.mark.asyncio
@pytest.mark.promise("A1.13")
async def test_a_rebalance_moves_ones_own_money_and_costs_the_fee(world: SimulatedWorld) -> None:
    node = world.node(ALICE)
    change = await a_change(node)
    before = {channel.channel_id: channel.local_msat for channel in await node.channels()}
    task = asyncio.create_task(node.rebalance(change))
    await asyncio.sleep(0)
    await pass_time(world, 10)
    outcome = await task
    after = {channel.channel_id: channel.local_msat for channel in await node.channels()}
    assert outcome.succeeded
    assert outcome.moved_msat == change.amount_msat
    assert 0 < outcome.fee_msat <= change.max_fee_msat
    assert after[change.incoming_channel_id] - before[change.incoming_channel_id] == outcome.moved_msat
    assert sum(before.values()) - sum(after.values()) == outcome.fee_msat
    assert await world.use(lambda engine: engine.conservation_drift_msat()) == 0


@pytest.mark.asyncio
async def test_a_rebalance_that_fails_is_an_outcome_and_moves_nothing(world: SimulatedWorld) -> None:
    node = world.node(ALICE)
    change = dataclasses.replace(await a_change(node), max_fee_msat=Msat(1))
    before = [channel.local_msat for channel in await node.channels()]
    task = asyncio.create_task(node.rebalance(change))
    await asyncio.sleep(0)
    await pass_time(world, 10)
    outcome = await task
    assert not outcome.succeeded
    assert (outcome.moved_msat, outcome.fee_msat) == (0, 0)
    assert outcome.detail
    assert [channel.local_msat for channel in await node.channels()] == before


@pytest.mark.asyncio
async def test_what_is_no_circle_of_this_node_is_refused(world: SimulatedWorld) -> None:
    node = world.node(ALICE)
    change = await a_change(node)
    for wrong in (
        dataclasses.replace(change, outgoing_channel_id=ChannelId(5)),
        dataclasses.replace(change, incoming_channel_id=ChannelId(5)),
        dataclasses.replace(change, node_id=world.node(BOB).node_id),
    ):
        with pytest.raises(NodeRefused):
            await node.rebalance(wrong)


@pytest.mark.asyncio
async def test_htlc_events_are_those_of_the_observed_node(world: SimulatedWorld) -> None:
    node, forwarder = world.node(ALICE), world.node(BOB)
    stream = forwarder.htlc_events()
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    task = asyncio.create_task(node.rebalance(await a_change(node)))
    await asyncio.sleep(0)
    await pass_time(world, 10)
    await task
    events = [event for event in (await first, await anext(stream)) if isinstance(event, HtlcEvent)]
    assert [event.kind for event in events] == [HtlcEventKind.FORWARD, HtlcEventKind.SETTLE]
    assert {event.event_type for event in events} == {HtlcEventType.FORWARD}
    assert events[0].incoming_amount_msat > events[0].outgoing_amount_msat
    assert events[0].incoming_htlc_id == events[1].incoming_htlc_id
    world.close()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


@pytest.mark.asyncio
async def test_after_the_end_a_node_is_unavailable_and_what_was_under_way_unknown(world: SimulatedWorld) -> None:
    node = world.node(ALICE)
    task = asyncio.create_task(node.rebalance(await a_change(node)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    world.close()
    with pytest.raises(NodeUnavailable):
        await task
    with pytest.raises(NodeUnavailable):
        await node.channels()
