"""Each failure of an HTLC that can be provoked at nodes that answer as LND, real ones and simulated ones alike.

Alice sends by Bob to Carol. What is told of it leaves out what differs from run to run.
"""

import abc
import asyncio
import os
from typing import Any

from google.protobuf import json_format

from lightninglens.core.ids import ChannelId
from lightninglens.core.units import Blocks, Msat, Ppm
from lightninglens.nodes.lnd.contract import lnrpc, routerrpc
from lightninglens.nodes.lnd.contract.methods import UnaryUnary
from lightninglens.nodes.lnd.contract.services import Lightning, Router

AMOUNT_MSAT = 10_000_000


class Stage(abc.ABC):
    """The nodes, and what their streams of HTLC events have told so far."""

    too_much_msat = 700_000_000
    """What alice can send, and bob cannot forward any more once he has little."""
    quiet_s = 0.7
    """Nothing more comes of an HTLC that failed after this."""

    def __init__(self, node_ids: dict[str, str], channels: dict[str, int], height: int) -> None:
        self.node_ids = node_ids
        self.channels = channels
        """Channel ids by the names of their ends, `alice-bob`."""
        self.height = height
        self.events: dict[str, list[routerrpc.HtlcEvent]] = {name: [] for name in node_ids}

    @abc.abstractmethod
    async def call(self, name: str, method: UnaryUnary[Any, Any], request: Any) -> Any:
        """Return what a node answers."""

    @abc.abstractmethod
    async def set_policy(self, name: str, peer: str, **changed: int) -> None:
        """Change what a node asks for in its channel with a peer."""

    @abc.abstractmethod
    async def empty(self, name: str, peer: str) -> None:
        """Leave a node less than `too_much_msat` on its side of its channel with a peer."""

    @abc.abstractmethod
    async def leave(self, name: str) -> None:
        """Let a node go away."""

    async def route(self, *names: str, amount_msat: int = AMOUNT_MSAT) -> lnrpc.Route:
        """Return a route by these nodes as LND would price it."""
        request = routerrpc.BuildRouteRequest(
            amt_msat=amount_msat,
            final_cltv_delta=40,
            outgoing_chan_id=self.channels[f"{names[0]}-{names[1]}"],
            hop_pubkeys=[bytes.fromhex(self.node_ids[name]) for name in names[1:]],
            payment_addr=bytes(32),
        )
        route: lnrpc.Route = (await self.call(names[0], Router.BuildRoute, request)).route
        return route

    async def send(self, route: lnrpc.Route, *, payment_hash: bytes | None = None) -> lnrpc.HTLCAttempt:
        """Send along a route from alice, of a hash that nobody knows unless one is given."""
        for events in self.events.values():
            events.clear()
        request = routerrpc.SendToRouteRequest(payment_hash=payment_hash or os.urandom(32), route=route)
        attempt: lnrpc.HTLCAttempt = await self.call("alice", Router.SendToRouteV2, request)
        await asyncio.sleep(self.quiet_s)
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


async def provoke(stage: Stage) -> dict[str, Any]:
    """Return what each failure looks like, by a name for the situation."""
    found: dict[str, Any] = {}
    by_bob = ("alice", "bob", "carol")

    found["the payee does not know the payment"] = stage.told(await stage.send(await stage.route(*by_bob)))

    invoice = await stage.call("carol", Lightning.AddInvoice, lnrpc.Invoice(value_msat=AMOUNT_MSAT))
    route = await stage.route(*by_bob)
    found["the payment secret is wrong"] = stage.told(await stage.send(route, payment_hash=invoice.r_hash))

    route = await stage.route(*by_bob, amount_msat=AMOUNT_MSAT - 1_000_000)
    route.hops[-1].mpp_record.payment_addr = invoice.payment_addr
    route.hops[-1].mpp_record.total_amt_msat = AMOUNT_MSAT - 1_000_000
    found["the payee is paid too little"] = stage.told(await stage.send(route, payment_hash=invoice.r_hash))

    route = await stage.route(*by_bob)
    route.total_amt_msat -= 1
    route.hops[0].fee_msat -= 1
    route.total_fees_msat -= 1
    found["the fee is too low"] = stage.told(await stage.send(route))

    route = await stage.route(*by_bob)
    route.total_time_lock -= 1
    found["the time lock delta is too small"] = stage.told(await stage.send(route))

    route = await stage.route(*by_bob)
    late = stage.height + 1 - route.hops[0].expiry
    route.total_time_lock += late
    for hop in route.hops:
        hop.expiry += late
    found["the expiry is too soon"] = stage.told(await stage.send(route))

    route = await stage.route(*by_bob)
    for hop in route.hops:
        hop.expiry += 2_100
    route.total_time_lock += 2_100
    found["the expiry is too far"] = stage.told(await stage.send(route))

    route = await stage.route(*by_bob)
    route.hops[1].chan_id = int(ChannelId.of(1, 2, 3))
    found["the next channel is unknown"] = stage.told(await stage.send(route))

    route = await stage.route("alice", "bob", "alice")
    found["back over the channel it came by"] = stage.told(await stage.send(route))

    route = await stage.route(*by_bob)
    await stage.set_policy("bob", "carol", min_htlc_msat=Msat(AMOUNT_MSAT + 1))
    found["below the least HTLC"] = stage.told(await stage.send(route))
    await stage.set_policy("bob", "carol", min_htlc_msat=Msat(1_000), max_htlc_msat=Msat(AMOUNT_MSAT - 1))
    found["above the greatest HTLC"] = stage.told(await stage.send(route))
    await stage.set_policy("bob", "carol", max_htlc_msat=Msat(900_000_000))

    await stage.set_policy("bob", "carol", base_fee_msat=Msat(5_000))
    found["the fee was raised a moment ago"] = stage.told(await stage.send(route))
    await stage.set_policy(
        "bob", "carol", base_fee_msat=Msat(1_000), fee_rate_ppm=Ppm(1), time_lock_delta_blocks=Blocks(80)
    )

    found["the outgoing balance is too low"] = await without_balance(stage)
    await stage.leave("carol")
    found["the next peer is away"] = stage.told(await stage.send(route))
    return found


async def without_balance(stage: Stage) -> dict[str, Any]:
    """Let bob have less on his side than he is to forward, of a channel that is large enough for it."""
    route = await stage.route("alice", "bob", "carol", amount_msat=stage.too_much_msat)
    await stage.empty("bob", "carol")
    return stage.told(await stage.send(route))
