"""The contract of a node over our client against our own LND server, each port with the macaroon of its own role."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any, TypeVar

import pytest
import pytest_asyncio
from tests.support.channel_contract import ChannelManagerContract
from tests.support.lnd import ALICE, BOB, EVE, MACAROONS, Served, serving_lab
from tests.support.node_contract import Actor, NodeContract

from lightninglens.core.clock import SystemClock
from lightninglens.core.payments import InvoiceRequest, SendOrder
from lightninglens.core.units import Msat
from lightninglens.nodes.lnd.client import (
    LndChannelManager,
    LndFeeSetter,
    LndOptions,
    LndPayer,
    LndReader,
    LndRebalancer,
    TransportChoice,
)
from lightninglens.nodes.lnd.client.baking import BakeOrder, bake
from lightninglens.nodes.lnd.client.roles import BAKEABLE

Result = TypeVar("Result")
PORTS: Mapping[str, Any] = {
    "reader": LndReader,
    "fees": LndFeeSetter,
    "rebalancer": LndRebalancer,
    "payer": LndPayer,
    "manager": LndChannelManager,
}
ALSO_OVER_REST = {"reader", "fees"}
LIMIT_S = 30.0


class ServedTriangle:
    """Alice pays, Bob forwards, Eve is paid; all three behind one LND server each."""

    def __init__(self, actors: Mapping[str, Actor]) -> None:
        self.payer, self.router, self.payee = (actors[name] for name in (ALICE, BOB, EVE))

    def now_ns(self) -> int:
        return time.time_ns()

    async def done(self, operation: Awaitable[Result]) -> Result:
        return await asyncio.wait_for(operation, LIMIT_S)

    def address_of(self, actor: Actor) -> str:
        return f"{actor.node_id[:8]}.invalid:9735"  # a served node knows all others, and dials nobody

    async def confirm(self) -> None:
        """Return at once: what is published counts at once."""

    async def forward(self, amount_msat: int) -> None:
        payer, payee = self.payer.payer, self.payee.payer
        assert payer
        assert payee
        invoice = await payee.create_invoice(InvoiceRequest(amount_msat=Msat(amount_msat)))
        channels = await self.payer.reader.channels()
        way = next(each.channel_id for each in channels if each.peer_id == self.router.node_id)
        order = SendOrder(invoice=invoice, max_fee_msat=Msat(100_000), outgoing_channel_ids=(way,))
        assert (await payer.send(order)).detail == ""


def options(served: Served, name: str, **changed: Any) -> LndOptions:
    """Return how a client reaches a served node: by its directory, as LND's own users do."""
    server = served.servers[name]
    given: dict[str, Any] = {
        "lnd_dir": server.folder,
        "grpc_host": f"127.0.0.1:{server.rpc_port}",
        "rest_host": f"127.0.0.1:{server.rest_port}",
        "transport": TransportChoice.GRPC,
    }
    return LndOptions(**(given | changed))


async def bake_all(served: Served, name: str) -> None:
    """Make each role's macaroon from the administrator's, where the client finds it."""
    admin = served.servers[name].folder / MACAROONS / "admin.macaroon"
    for role in BAKEABLE:
        order = BakeOrder(role=role, channel_status=True)
        await bake(order, options(served, name, macaroon=admin, allow_broad_macaroon=True), SystemClock())


async def connect(served: Served, name: str, rest: set[str], stack: contextlib.AsyncExitStack) -> Actor:
    """Return a served node by its ports, of which those named in `rest` go over REST."""
    ports = {}
    for port, client in PORTS.items():
        transport = TransportChoice.REST if port in rest else TransportChoice.GRPC
        ports[port] = await stack.enter_async_context(client.at(options(served, name, transport=transport)))
    return Actor(node_id=served.node(name).node_id, **ports)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with serving_lab(tmp_path_factory.mktemp("served"), rest=True, in_real_time=True) as served:
        for name in (ALICE, BOB, EVE):
            await bake_all(served, name)
        yield served


@contextlib.asynccontextmanager
async def triangle(served: Served, rest: set[str]) -> AsyncIterator[ServedTriangle]:
    async with contextlib.AsyncExitStack() as stack:
        yield ServedTriangle({name: await connect(served, name, rest, stack) for name in (ALICE, BOB, EVE)})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def over_grpc(lab: Served) -> AsyncIterator[ServedTriangle]:
    async with triangle(lab, set()) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def over_rest(lab: Served) -> AsyncIterator[ServedTriangle]:
    async with triangle(lab, ALSO_OVER_REST) as made:
        yield made


@pytest.mark.asyncio(loop_scope="module")
class TestServedNode(NodeContract):
    @pytest_asyncio.fixture(loop_scope="module")
    async def world(self, over_grpc: ServedTriangle) -> ServedTriangle:
        return over_grpc


@pytest.mark.asyncio(loop_scope="module")
class TestServedNodeOverRest(NodeContract):
    @pytest_asyncio.fixture(loop_scope="module")
    async def world(self, over_rest: ServedTriangle) -> ServedTriangle:
        return over_rest


@pytest.mark.asyncio(loop_scope="module")
class TestServedNodesChannels(ChannelManagerContract):
    """After the others, as it leaves a closed channel behind."""

    @pytest_asyncio.fixture(loop_scope="module")
    async def world(self, over_grpc: ServedTriangle) -> ServedTriangle:
        return over_grpc
