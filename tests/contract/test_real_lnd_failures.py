"""What real LND emits for each failure that can be provoked, held against what was recorded of it.

The recording is what the simulator's nodes are compared with. To record anew (after
LND has changed), set LENS_LND_RECORD=1.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.harness.real_lnd import RealNetwork, missing_programs, real_network
from tests.support.provoked import Stage, provoke

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.ids import ChannelId
from lightninglens.nodes.lnd.client import LndFeeSetter, LndReader
from lightninglens.nodes.lnd.client.roles import Role
from lightninglens.nodes.lnd.client.session import Session
from lightninglens.nodes.lnd.contract import lnrpc, routerrpc
from lightninglens.nodes.lnd.contract.methods import UnaryUnary
from lightninglens.nodes.lnd.contract.services import Lightning, Router

RECORDED = Path(__file__).parents[1] / "fixtures/lnd/real_failures.json"

pytestmark = [pytest.mark.real_lnd, pytest.mark.asyncio(loop_scope="module")]


class Rig(Stage):
    """Real nodes and their sessions."""

    def __init__(
        self, network: RealNetwork, sessions: dict[str, Session], channels: dict[str, int], height: int
    ) -> None:
        super().__init__({name: node.node_id for name, node in network.nodes.items()}, channels, height)
        self.network = network
        self.sessions = sessions

    async def call(self, name: str, method: UnaryUnary[Any, Any], request: Any) -> Any:
        return await self.sessions[name].call(method, request, timeout_s=30)

    async def set_policy(self, name: str, peer: str, **changed: int) -> None:
        channel = ChannelId(self.channels[f"{name}-{peer}"])
        async with LndFeeSetter.at(self.network[name].admin) as fees:
            before = await fees.policy(channel)
            given: dict[str, Any] = {
                "base_fee_msat": before.base_fee_msat,
                "fee_rate_ppm": before.fee_rate_ppm,
                "time_lock_delta_blocks": before.time_lock_delta_blocks,
                "min_htlc_msat": before.min_htlc_msat,
                "max_htlc_msat": before.max_htlc_msat,
            }
            await fees.set_policy(channel, ChannelPolicy(**(given | changed)))

    async def empty(self, name: str, peer: str) -> None:
        """Let the node pay its peer until it cannot forward what the channel is large enough for."""
        invoice = await self.call(peer, Lightning.AddInvoice, lnrpc.Invoice(value_msat=600_000_000))
        stream = self.sessions[name].transport.stream(
            Router.SendPaymentV2,
            routerrpc.SendPaymentRequest(
                payment_request=invoice.payment_request,
                timeout_seconds=20,
                fee_limit_msat=10,
                outgoing_chan_ids=[self.channels[f"{name}-{peer}"]],
            ),
        )
        states = [said.status async for said in stream]
        assert states[-1] == lnrpc.Payment.SUCCEEDED
        await asyncio.sleep(self.quiet_s)

    async def leave(self, name: str) -> None:
        self.network[name].stop()
        await asyncio.sleep(2)


async def collect(session: Session, events: list[routerrpc.HtlcEvent]) -> None:
    stream = session.transport.stream(Router.SubscribeHtlcEvents, routerrpc.SubscribeHtlcEventsRequest())
    async for event in stream:
        events += [event] if event.WhichOneof("event") != "subscribed_event" else []


async def channel_ids(network: RealNetwork) -> dict[str, int]:
    names = {node.node_id: name for name, node in network.nodes.items()}
    found = {}
    for name, node in network.nodes.items():
        async with LndReader.at(node.admin) as reader:
            for channel in await reader.channels():
                found[f"{name}-{names[channel.peer_id]}"] = int(channel.channel_id)
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    if reason := missing_programs():
        pytest.skip(reason)
    async with real_network(tmp_path_factory.mktemp("failures")) as network, contextlib.AsyncExitStack() as stack:
        sessions = {}
        for name, node in network.nodes.items():
            sessions[name] = await stack.enter_async_context(node.session(Role.PAYMENTS))
            allow_everything(sessions[name])
        info = await sessions["alice"].info()
        rig = Rig(network, sessions, await channel_ids(network), info.block_height)
        listening = []
        for name, node in network.nodes.items():
            watcher = await stack.enter_async_context(node.session(Role.MONITOR))
            listening.append(asyncio.create_task(collect(watcher, rig.events[name])))
        await asyncio.sleep(1)
        yield rig
        for task in listening:
            task.cancel()


def allow_everything(session: Session) -> None:
    """Let the rig call what no role of ours does."""

    class Anything:
        def require(self, path: str) -> None:
            """Let it pass."""

    transport: Any = session.transport
    for gates in (transport.channel._unary_unary_interceptors, transport.channel._unary_stream_interceptors):
        for gate in gates:
            gate._allowed = Anything()


async def test_real_lnd_fails_as_it_was_recorded(rig: Rig) -> None:
    found = await provoke(rig)
    version = (await rig.sessions["alice"].info()).version
    if os.environ.get("LENS_LND_RECORD") == "1":
        said = {"lnd": version, "situations": found}
        RECORDED.write_text(json.dumps(said, indent=1, sort_keys=True) + "\n")
    assert found == json.loads(RECORDED.read_text())["situations"]
