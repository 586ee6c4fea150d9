"""The contract of a node over real LND, each port with the macaroon of its own role; on regtest, on loopback."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import pytest_asyncio
from tests.harness.real_lnd import RealNetwork, missing_programs, real_network
from tests.support.node_contract import Actor, NodeContract

from lightninglens.core.clock import SystemClock
from lightninglens.core.ids import ChannelId
from lightninglens.core.payments import InvoiceRequest, SendOrder
from lightninglens.core.units import Msat
from lightninglens.nodes.lnd.client import LndFeeSetter, LndOptions, LndPayer, LndReader, LndRebalancer, Role
from lightninglens.nodes.lnd.client.baking import BakeOrder, bake
from lightninglens.nodes.lnd.client.roles import BAKEABLE

Result = TypeVar("Result")
PORTS: dict[Role, Any] = {
    Role.MONITOR: LndReader,
    Role.FEES: LndFeeSetter,
    Role.REBALANCE: LndRebalancer,
    Role.PAYMENTS: LndPayer,
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

    async def forward(self, amount_msat: int) -> None:
        payer, payee = self.payer.payer, self.payee.payer
        assert payer
        assert payee
        invoice = await payee.create_invoice(InvoiceRequest(amount_msat=Msat(amount_msat)))
        channels = await self.payer.reader.channels()
        way: ChannelId = next(each.channel_id for each in channels if each.peer_id == self.router.node_id)
        order = SendOrder(invoice=invoice, max_fee_msat=Msat(100_000), outgoing_channel_ids=(way,))
        assert (await payer.send(order)).detail == ""


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
            )
        yield RealTriangle(network, actors)


@pytest.mark.asyncio(loop_scope="module")
class TestRealLnd(NodeContract):
    @pytest_asyncio.fixture(loop_scope="module")
    async def world(self, triangle: RealTriangle) -> RealTriangle:
        return triangle
