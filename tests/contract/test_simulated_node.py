"""The contract of a node over the simulator's own adapter."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

import numpy as np
import pytest
import pytest_asyncio
from tests.support.channel_contract import ChannelManagerContract
from tests.support.node_contract import Actor, NodeContract

from lightninglens.app.world import WorldOptions, build_lab
from lightninglens.core.ids import derive_secret
from lightninglens.core.units import NS_PER_SECOND
from lightninglens.nodes.simulated import SimulatedNode, SimulatedWorld
from lightninglens.nodes.simulated_payer import SimulatedPayer, SimulatedPayments
from lightninglens.sim.engine import Engine
from lightninglens.sim.records import PaymentKind, PaymentRequests

Result = TypeVar("Result")
ALICE, BOB, EVE = 0, 1, 4
STEP_NS = NS_PER_SECOND // 2


def actor(node: SimulatedNode, payer: SimulatedPayer) -> Actor:
    return Actor(node_id=node.node_id, reader=node, fees=node, rebalancer=node, payer=payer)


class SimulatedTriangle:
    """Three nodes of a lab in which nobody else pays."""

    def __init__(self, world: SimulatedWorld, payments: SimulatedPayments, start_ns: int) -> None:
        self._world = world
        self._now_ns = start_ns
        self.payer, self.router, self.payee = (actor(world.node(row), payments.payer(row)) for row in (ALICE, BOB, EVE))

    def now_ns(self) -> int:
        return self._now_ns

    async def done(self, operation: Awaitable[Result]) -> Result:
        task = asyncio.ensure_future(operation)
        while not task.done():
            await asyncio.sleep(0)
            self._now_ns += STEP_NS
            await self._world.advance(self._now_ns)
        return await task

    def address_of(self, actor: Actor) -> str:
        raise NotImplementedError(f"{actor.node_id} has no address")

    async def confirm(self) -> None:
        """Return at once: channels of the simulation open and close at once."""

    async def forward(self, amount_msat: int) -> None:
        graph = self._world.graph
        way = next(
            2 * row + side
            for row in range(graph.channel_count)
            for side in (0, 1)
            if (int(graph.sources()[2 * row + side]), int(graph.targets()[2 * row + side])) == (ALICE, BOB)
        )
        request = PaymentRequests(
            start_ns=np.array([self._now_ns], np.int64),
            sender=np.array([ALICE], np.int32),
            receiver=np.array([EVE], np.int32),
            amount_msat=np.array([amount_msat], np.int64),
            fee_limit_msat=np.array([1_000_000], np.int64),
            kind=np.array([PaymentKind.PAYMENT], np.int8),
            tag=np.array([-1], np.int32),
            outgoing=np.array([way], np.int32),
            last_hop=np.array([BOB], np.int32),
        )
        await self._world.submit(request)


@pytest_asyncio.fixture
async def world() -> AsyncIterator[SimulatedTriangle]:
    lab = build_lab(WorldOptions())
    engine = Engine(
        lab.graph, balance_msat=lab.engine.balances_msat(), opener_side=lab.opener_side, config=lab.engine.config
    )
    made = SimulatedWorld(engine)
    secrets = {row: derive_secret(1, name) for row, name in enumerate(lab.names)}
    yield SimulatedTriangle(made, SimulatedPayments(made, engine, secrets), engine.now_ns)
    made.close()


@pytest.mark.asyncio
class TestSimulatedNode(NodeContract):
    """The node, which has every port but the one that opens and closes channels."""


@pytest.mark.asyncio
class TestSimulatedNodesChannels(ChannelManagerContract):
    """Skipped, saying so: the simulator opens and closes channels by its scenarios, or behind an LND server."""
