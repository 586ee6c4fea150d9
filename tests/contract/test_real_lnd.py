"""The contract of a node over real LND, each port with the macaroon of its own role; on regtest, on loopback."""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import pytest_asyncio
from tests.harness.real_lnd import LndNode, RealNetwork, free_port, missing_programs, real_network
from tests.support.channel_contract import ChannelManagerContract
from tests.support.node_contract import AMOUNT_MSAT, Actor, NodeContract, eventually, first_events

from lightninglens.core.clock import SystemClock
from lightninglens.core.errors import ConfigError, NodeCondition, NodeRefused, NodeUnauthorised, NodeUnavailable
from lightninglens.core.forwards import Gap, GapReason
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import HtlcEvent, HtlcEventKind
from lightninglens.core.ids import ChannelId
from lightninglens.core.payments import InvoiceRequest, SendOrder
from lightninglens.core.units import NS_PER_SECOND, Blocks, Msat, Ppm
from lightninglens.nodes.lnd.caveats import time_before
from lightninglens.nodes.lnd.client import (
    LndChannelManager,
    LndFeeSetter,
    LndOptions,
    LndPayer,
    LndReader,
    LndRebalancer,
    Role,
    TransportChoice,
)
from lightninglens.nodes.lnd.client.baking import BakeOrder, bake
from lightninglens.nodes.lnd.client.roles import BAKEABLE
from lightninglens.nodes.lnd.macaroon import Macaroon

Result = TypeVar("Result")
PORTS: dict[Role, Any] = {
    Role.MONITOR: LndReader,
    Role.FEES: LndFeeSetter,
    Role.REBALANCE: LndRebalancer,
    Role.PAYMENTS: LndPayer,
    Role.CHANNELS: LndChannelManager,
}
LIMIT_S = 120.0

pytestmark = pytest.mark.real_lnd


class RealTriangle:
    """alice pays, bob forwards, carol is paid."""

    def __init__(self, network: RealNetwork, actors: dict[str, Actor]) -> None:
        self.network = network
        self.payer, self.router, self.payee = (actors[name] for name in ("alice", "bob", "carol"))

    def now_ns(self) -> int:
        return time.time_ns()

    async def done(self, operation: Awaitable[Result]) -> Result:
        return await asyncio.wait_for(operation, LIMIT_S)

    def address_of(self, actor: Actor) -> str:
        node = next(each for each in self.network.nodes.values() if each.node_id == actor.node_id)
        return f"127.0.0.1:{node.p2p_port}"

    async def confirm(self) -> None:
        await self.network.chain.mine(6)
        await self.network.synced()

    async def connected_again(self) -> bool:
        """Tell whether bob's channels can all be used."""
        channels = await self.router.reader.channels()
        return len(channels) == 2 and all(each.active for each in channels)

    async def forward(self, amount_msat: int) -> None:
        payer, payee = self.payer.payer, self.payee.payer
        assert payer
        assert payee
        invoice = await payee.create_invoice(InvoiceRequest(amount_msat=Msat(amount_msat)))
        channels = await self.payer.reader.channels()
        way: ChannelId = next(each.channel_id for each in channels if each.peer_id == self.router.node_id)
        order = SendOrder(invoice=invoice, max_fee_msat=Msat(100_000), outgoing_channel_ids=(way,))
        assert (await payer.send(order)).detail == ""


def same_graph(one: NetworkGraph, other: NetworkGraph) -> bool:
    return (
        set(one.node_ids) == set(other.node_ids)
        and set(one.channel_ids.tolist()) == set(other.channel_ids.tolist())
        and sorted(one.policies.fee_rate_ppm.tolist()) == sorted(other.policies.fee_rate_ppm.tolist())
    )


async def require_locked(node: LndNode) -> None:
    """Start a node that waits for its password, see that this is told, and end it."""
    node.start(unlocked=False)

    async def told() -> bool:
        try:
            async with LndReader.at(node.admin):
                return False
        except NodeUnavailable as problem:
            return problem.condition is NodeCondition.LOCKED and "lncli unlock" in str(problem)

    await eventually(told)
    await asyncio.to_thread(node.stop)


async def bake_all(options: LndOptions) -> None:
    """Make each role's macaroon from the administrator's, where the client finds it."""
    for role in BAKEABLE:
        await bake(BakeOrder(role=role, channel_status=True), options, SystemClock())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def triangle(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealTriangle]:
    if reason := missing_programs():
        pytest.skip(reason)
    folder: Path = tmp_path_factory.mktemp("real-lnd")
    async with real_network(folder) as network, contextlib.AsyncExitStack() as stack:
        actors = {}
        for name, node in network.nodes.items():
            options = node.options(allow_broad_macaroon=False)
            await bake_all(options)
            made = {role: await stack.enter_async_context(port.at(options)) for role, port in PORTS.items()}
            actors[name] = Actor(
                node_id=node.node_id,
                reader=made[Role.MONITOR],
                fees=made[Role.FEES],
                rebalancer=made[Role.REBALANCE],
                payer=made[Role.PAYMENTS],
                manager=made[Role.CHANNELS],
            )
        yield RealTriangle(network, actors)


@pytest.mark.asyncio(loop_scope="module")
class TestRealLnd(NodeContract):
    @pytest_asyncio.fixture(loop_scope="module")
    async def world(self, triangle: RealTriangle) -> RealTriangle:
        return triangle


@pytest.mark.asyncio(loop_scope="module")
class TestTheClientOnRealLnd:
    async def test_reading_and_setting_fees_go_over_rest_as_well(self, triangle: RealTriangle) -> None:
        options = triangle.network["alice"].options(allow_broad_macaroon=False, transport=TransportChoice.REST)
        async with LndReader.at(options) as rest, LndFeeSetter.at(options) as fees:
            grpc = triangle.payer.reader
            assert dataclasses.replace(await rest.info(), transport="grpc") == await grpc.info()
            assert await rest.channels() == await grpc.channels()
            assert same_graph(await rest.graph(), await grpc.graph())
            channel_id = (await grpc.channels())[0].channel_id
            before = await fees.policy(channel_id)
            for policy in (dataclasses.replace(before, fee_rate_ppm=Ppm(77), inbound_fee_rate_ppm=Ppm(-3)), before):
                assert await fees.set_policy(channel_id, policy) == policy
            with pytest.raises(NodeRefused, match="time lock delta of 5 is too small"):
                await fees.set_policy(channel_id, dataclasses.replace(before, time_lock_delta_blocks=Blocks(5)))
            async with contextlib.aclosing(rest.htlc_events()) as events:
                task = asyncio.ensure_future(anext(events))
                await asyncio.sleep(0.5)
                await triangle.forward(AMOUNT_MSAT)
                assert isinstance(await asyncio.wait_for(task, 20), HtlcEvent)

    async def test_without_grpc_rest_is_used_for_reading_and_nothing_else(self, triangle: RealTriangle) -> None:
        nowhere = f"127.0.0.1:{free_port()}"
        options = triangle.network["alice"].options(allow_broad_macaroon=False, grpc_host=nowhere)
        async with LndReader.at(options) as reader:
            assert (await reader.info()).transport == "rest"
        with pytest.raises(NodeUnavailable, match="no connection"):
            async with LndPayer.at(options):
                pass

    async def test_what_a_macaroon_does_not_allow_is_told(self, triangle: RealTriangle, tmp_path: Path) -> None:
        node = triangle.network["alice"]
        folder = node.options().chain_folder()
        monitor = (folder / "lens-monitor.macaroon").read_bytes()
        expired = Macaroon.from_bytes(monitor).with_caveat(time_before(time.time_ns() + 2 * NS_PER_SECOND))
        foreign = triangle.network["bob"].options().chain_folder() / "lens-monitor.macaroon"
        late = tmp_path / "late.macaroon"
        late.write_bytes(expired.to_bytes())
        async with LndReader.at(node.options(macaroon=late)) as reader:
            await asyncio.sleep(2.5)
            with pytest.raises(NodeUnauthorised, match="expired"):
                await reader.info()
        with pytest.raises(NodeUnauthorised, match="its time is over"):
            async with LndReader.at(node.options(macaroon=late)):
                pass
        with pytest.raises(NodeUnauthorised, match="verification failed"):
            async with LndReader.at(node.options(macaroon=foreign)):
                pass
        with pytest.raises(ConfigError, match="lens node bake --role monitor"):
            async with LndReader.at(dataclasses.replace(node.admin, allow_broad_macaroon=False)):
                pass

    async def test_another_nodes_certificate_and_another_network_are_told_apart(self, triangle: RealTriangle) -> None:
        node, other = triangle.network["alice"], triangle.network["bob"]
        with pytest.raises(NodeUnavailable, match="another certificate") as untrusted:
            async with LndReader.at(node.options(tls_cert=other.folder / "tls.cert")):
                pass
        assert untrusted.value.condition is NodeCondition.UNTRUSTED
        macaroon = node.options().chain_folder() / "lens-monitor.macaroon"
        with pytest.raises(NodeUnavailable, match="not on mainnet") as wrong:
            async with LndReader.at(node.options(network="mainnet", macaroon=macaroon)):
                pass
        assert wrong.value.condition is NodeCondition.WRONG_NETWORK

    async def test_lnds_own_read_only_macaroon_reads_and_the_roles_of_charge_lnd_set_fees(
        self, triangle: RealTriangle
    ) -> None:
        folder = triangle.network["bob"].options().chain_folder()
        options = triangle.network["bob"].options(allow_broad_macaroon=False, macaroon=folder / "readonly.macaroon")
        async with LndReader.at(options) as reader:
            assert reader.warning == ""
            assert len(await reader.channels()) == 2

    async def test_a_node_that_is_restarted_leaves_a_gap_and_the_stream_goes_on(self, triangle: RealTriangle) -> None:
        bob = triangle.network["bob"]
        async with contextlib.aclosing(triangle.router.reader.htlc_events()) as events:
            task = asyncio.ensure_future(anext(events))
            await asyncio.sleep(1)
            await asyncio.to_thread(bob.stop)
            assert not task.done()
            await require_locked(bob)
            bob.start()
            await bob.wait()
            for other in ("alice", "carol"):
                await bob.connect_to(triangle.network[other])
            await eventually(triangle.connected_again)
            await triangle.forward(AMOUNT_MSAT)
            gap = await asyncio.wait_for(task, 60)
            assert isinstance(gap, Gap)
            assert gap.reason in {GapReason.ENDED, GapReason.DISCONNECTED}
            assert gap.forwards is not None
            kinds = set()
            if not gap.forwards:  # the stream was back before the forward
                kinds = {event.kind for event in await first_events(events, 2)}
            assert gap.forwards or kinds == {HtlcEventKind.FORWARD, HtlcEventKind.SETTLE}


@pytest.mark.asyncio(loop_scope="module")
class TestRealLndsChannels(ChannelManagerContract):
    """After the others, as it leaves a closed channel behind."""

    @pytest_asyncio.fixture(loop_scope="module")
    async def world(self, triangle: RealTriangle) -> RealTriangle:
        return triangle
