"""What real LND emits for each failure that can be provoked, held against what was recorded of it.

The recording is what the simulator's nodes are compared with. To record anew (after
LND has changed), set LENS_LND_RECORD=1.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf import json_format
from tests.harness.real_lnd import LndNode, RealNetwork, missing_programs, real_network

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import Blocks, Msat, Ppm
from lightninglens.nodes.lnd.client import LndFeeSetter, LndReader
from lightninglens.nodes.lnd.client.roles import Role
from lightninglens.nodes.lnd.client.session import Session
from lightninglens.nodes.lnd.contract import lnrpc, routerrpc
from lightninglens.nodes.lnd.contract.services import Lightning, Router

RECORDED = Path(__file__).parents[1] / "fixtures/lnd/real_failures.json"
QUIET_S = 0.7
"""Nothing more comes of an HTLC that failed after this."""
AMOUNT_MSAT = 10_000_000

pytestmark = [pytest.mark.real_lnd, pytest.mark.asyncio(loop_scope="module")]


@dataclass
class Rig:
    """The nodes, their sessions, and what their streams of HTLC events have told so far."""

    network: RealNetwork
    sessions: dict[str, Session]
    channels: dict[str, int]
    """Channel ids by the names of their ends, `alice-bob`."""
    events: dict[str, list[routerrpc.HtlcEvent]]
    height: int

    async def route(self, *names: str, amount_msat: int = AMOUNT_MSAT) -> lnrpc.Route:
        """Return a route by these nodes as LND would price it."""
        keys = [bytes.fromhex(self.network[name].node_id) for name in names[1:]]
        request = routerrpc.BuildRouteRequest(
            amt_msat=amount_msat,
            final_cltv_delta=40,
            outgoing_chan_id=self.channels[f"{names[0]}-{names[1]}"],
            hop_pubkeys=keys,
            payment_addr=bytes(32),
        )
        return (await self.sessions[names[0]].call(Router.BuildRoute, request)).route

    async def send(self, route: lnrpc.Route, *, payment_hash: bytes | None = None) -> lnrpc.HTLCAttempt:
        """Send along a route from alice, of a hash that nobody knows unless one is given."""
        for events in self.events.values():
            events.clear()
        request = routerrpc.SendToRouteRequest(payment_hash=payment_hash or os.urandom(32), route=route)
        attempt = await self.sessions["alice"].call(Router.SendToRouteV2, request, timeout_s=30)
        await asyncio.sleep(QUIET_S)
        return attempt

    def told(self, attempt: lnrpc.HTLCAttempt) -> dict[str, Any]:
        """Return what happened, without what differs from run to run."""
        failure = attempt.failure
        return {
            "status": lnrpc.HTLCAttempt.HTLCStatus.Name(attempt.status),
            "code": lnrpc.Failure.FailureCode.Name(failure.code),
            "failure_source_index": failure.failure_source_index,
            "has_channel_update": failure.HasField("channel_update"),
            "hops": len(attempt.route.hops),
            "events": {
                name: [shown(event, self.channels) for event in events]
                for name, events in self.events.items()
                if events
            },
        }


def shown(event: routerrpc.HtlcEvent, channels: dict[str, int]) -> dict[str, Any]:
    """Return an event with names for channels, and whether it has ids, amounts and time locks at all."""
    names = {number: name for name, number in channels.items()}
    which = event.WhichOneof("event") or ""
    inner = getattr(event, which)
    found: dict[str, Any] = {
        "event": which,
        "event_type": routerrpc.HtlcEvent.EventType.Name(event.event_type),
        "incoming_channel": "-".join(sorted(names.get(event.incoming_channel_id, "none").split("-"))),
        "outgoing_channel": "-".join(
            sorted(names.get(event.outgoing_channel_id, "unknown" if event.outgoing_channel_id else "none").split("-"))
        ),
    }
    if which in {"forward_event", "link_fail_event"}:
        info = inner.info
        found["info"] = {
            "incoming_amt_msat": bool(info.incoming_amt_msat),
            "outgoing_amt_msat": bool(info.outgoing_amt_msat),
            "incoming_timelock": bool(info.incoming_timelock),
            "outgoing_timelock": bool(info.outgoing_timelock),
        }
    if which == "link_fail_event":
        found["wire_failure"] = lnrpc.Failure.FailureCode.Name(inner.wire_failure)
        found["failure_detail"] = routerrpc.FailureDetail.Name(inner.failure_detail)
        words, dump, _ = inner.failure_string.partition("(")  # without a detail LND prints the message itself, in Go
        found["failure_string"] = words + dump
        found["has_outgoing_htlc_id"] = bool(event.outgoing_htlc_id)
    if which == "settle_event":
        found["has_preimage"] = bool(inner.preimage)
    if which == "final_htlc_event":
        found.update(json_format.MessageToDict(inner, preserving_proto_field_name=True))
    return found


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
        sessions, listening = {}, {}
        events: dict[str, list[routerrpc.HtlcEvent]] = {name: [] for name in network.nodes}
        for name, node in network.nodes.items():
            sessions[name] = await stack.enter_async_context(node.session(Role.PAYMENTS))
            allow_everything(sessions[name])
            watcher = await stack.enter_async_context(node.session(Role.MONITOR))
            listening[name] = asyncio.create_task(collect(watcher, events[name]))
        await asyncio.sleep(1)
        info = await sessions["alice"].info()
        yield Rig(network, sessions, await channel_ids(network), events, info.block_height)
        for task in listening.values():
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


async def set_policy(node: LndNode, channel: int, **changed: int) -> ChannelPolicy:
    """Change a node's policy and return the one before."""
    async with LndFeeSetter.at(node.admin) as fees:
        before = await fees.policy(ChannelId(channel))
        given: dict[str, Any] = {
            "base_fee_msat": before.base_fee_msat,
            "fee_rate_ppm": before.fee_rate_ppm,
            "time_lock_delta_blocks": before.time_lock_delta_blocks,
            "min_htlc_msat": before.min_htlc_msat,
            "max_htlc_msat": before.max_htlc_msat,
        }
        await fees.set_policy(ChannelId(channel), ChannelPolicy(**(given | changed)))
        return before


async def provoke(rig: Rig) -> dict[str, Any]:
    """Return what each failure looks like, by a name for the situation."""
    found: dict[str, Any] = {}
    bob, out = rig.network["bob"], rig.channels["bob-carol"]
    by_bob = ("alice", "bob", "carol")

    found["the payee does not know the payment"] = rig.told(await rig.send(await rig.route(*by_bob)))

    invoice = await rig.sessions["carol"].call(Lightning.AddInvoice, lnrpc.Invoice(value_msat=AMOUNT_MSAT))
    route = await rig.route(*by_bob)
    found["the payment secret is wrong"] = rig.told(await rig.send(route, payment_hash=invoice.r_hash))

    route = await rig.route(*by_bob, amount_msat=AMOUNT_MSAT - 1_000_000)
    route.hops[-1].mpp_record.payment_addr = invoice.payment_addr
    route.hops[-1].mpp_record.total_amt_msat = AMOUNT_MSAT - 1_000_000
    found["the payee is paid too little"] = rig.told(await rig.send(route, payment_hash=invoice.r_hash))

    route = await rig.route(*by_bob)
    route.total_amt_msat -= 1
    route.hops[0].fee_msat -= 1
    route.total_fees_msat -= 1
    found["the fee is too low"] = rig.told(await rig.send(route))

    route = await rig.route(*by_bob)
    route.total_time_lock -= 1
    found["the time lock delta is too small"] = rig.told(await rig.send(route))

    route = await rig.route(*by_bob)
    late = rig.height + 1 - route.hops[0].expiry
    route.total_time_lock += late
    for hop in route.hops:
        hop.expiry += late
    found["the expiry is too soon"] = rig.told(await rig.send(route))

    route = await rig.route(*by_bob)
    for hop in route.hops:
        hop.expiry += 2_100
    route.total_time_lock += 2_100
    found["the expiry is too far"] = rig.told(await rig.send(route))

    route = await rig.route(*by_bob)
    route.hops[1].chan_id = int(ChannelId.of(1, 2, 3))
    found["the next channel is unknown"] = rig.told(await rig.send(route))

    route = await rig.route("alice", "bob", "alice")
    found["back over the channel it came by"] = rig.told(await rig.send(route))

    route = await rig.route(*by_bob)
    await set_policy(bob, out, min_htlc_msat=Msat(AMOUNT_MSAT + 1))
    found["below the least HTLC"] = rig.told(await rig.send(route))
    await set_policy(bob, out, min_htlc_msat=Msat(1_000), max_htlc_msat=Msat(AMOUNT_MSAT - 1))
    found["above the greatest HTLC"] = rig.told(await rig.send(route))
    await set_policy(bob, out, max_htlc_msat=Msat(1_980_000_000))

    await set_policy(bob, out, base_fee_msat=Msat(5_000))
    found["the fee was raised a moment ago"] = rig.told(await rig.send(route))
    await set_policy(bob, out, base_fee_msat=Msat(1_000), fee_rate_ppm=Ppm(1), time_lock_delta_blocks=Blocks(80))

    found.update(await provoke_without_balance(rig))
    rig.network["carol"].stop()
    await asyncio.sleep(2)
    found["the next peer is away"] = rig.told(await rig.send(route))
    return found


async def provoke_without_balance(rig: Rig) -> dict[str, Any]:
    """Let bob pay carol until he cannot forward what his channel is large enough for."""
    amount_msat = 700_000_000
    route = await rig.route("alice", "bob", "carol", amount_msat=amount_msat)
    invoice = await rig.sessions["carol"].call(Lightning.AddInvoice, lnrpc.Invoice(value_msat=600_000_000))
    stream = rig.sessions["bob"].transport.stream(
        Router.SendPaymentV2,
        routerrpc.SendPaymentRequest(
            payment_request=invoice.payment_request,
            timeout_seconds=20,
            fee_limit_msat=10,
            outgoing_chan_ids=[rig.channels["bob-carol"]],
        ),
    )
    states = [said.status async for said in stream]
    assert states[-1] == lnrpc.Payment.SUCCEEDED
    await asyncio.sleep(QUIET_S)
    return {"the outgoing balance is too low": rig.told(await rig.send(route))}


async def test_real_lnd_fails_as_it_was_recorded(rig: Rig) -> None:
    found = await provoke(rig)
    version = (await rig.sessions["alice"].info()).version
    if os.environ.get("LENS_LND_RECORD") == "1":
        said = {"lnd": version, "situations": found}
        RECORDED.write_text(json.dumps(said, indent=1, sort_keys=True) + "\n")
    assert found == json.loads(RECORDED.read_text())["situations"]
