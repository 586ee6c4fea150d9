"""What a node forwards: its events as LND sends them, its history as LND pages it."""

import asyncio
import hashlib
from typing import Any

import pytest
from grpc import StatusCode, aio
from tests.support.lnd import ALICE, BOB, CAROL, DAVE, Served

from lightninglens.nodes.lnd.contract import lnrpc, routerrpc
from lightninglens.nodes.lnd.contract.services import Lightning, Router

pytestmark = pytest.mark.asyncio

HISTORY = lnrpc.ForwardingHistoryRequest


async def send_over_bob(lab: Served, number: int, sat: int = 1_000) -> None:
    """Pay from Alice over Bob to Carol."""
    preimage = number.to_bytes(32, "big")
    request = routerrpc.SendPaymentRequest(
        dest=bytes.fromhex(lab.node(CAROL).node_id),
        amt=sat,
        payment_hash=hashlib.sha256(preimage).digest(),
        dest_custom_records={5_482_373_484: preimage},
        fee_limit_sat=100,
        outgoing_chan_ids=[(await lab.edge(ALICE, BOB)).chan_id],
        last_hop_pubkey=bytes.fromhex(lab.node(BOB).node_id),
    )
    updates = [update async for update in lab.on(ALICE, Router.SendPaymentV2, request)]
    assert updates[-1].status == lnrpc.Payment.SUCCEEDED


async def take(stream: Any, count: int) -> list[routerrpc.HtlcEvent]:
    found: list[routerrpc.HtlcEvent] = []
    async with asyncio.timeout(30):
        async for event in stream:
            found.append(event)
            if len(found) == count:
                break
    return found


async def test_events_of_a_forward_are_lnds(lab: Served) -> None:
    events = lab.on(BOB, Router.SubscribeHtlcEvents)
    (begun,) = await take(events, 1)
    assert begun.WhichOneof("event") == "subscribed_event"
    await send_over_bob(lab, 1)
    added, settled, final = await take(events, 3)
    assert [event.WhichOneof("event") for event in (added, settled, final)] == [
        "forward_event",
        "settle_event",
        "final_htlc_event",
    ]
    key = ("incoming_channel_id", "incoming_htlc_id", "outgoing_channel_id", "outgoing_htlc_id")
    assert [getattr(added, name) for name in key] == [getattr(settled, name) for name in key]
    assert added.event_type == settled.event_type == routerrpc.HtlcEvent.FORWARD
    assert added.forward_event.info.incoming_amt_msat - added.forward_event.info.outgoing_amt_msat == 1_001
    assert len(settled.settle_event.preimage) == 32
    assert (final.event_type, final.outgoing_channel_id) == (routerrpc.HtlcEvent.UNKNOWN, 0)
    assert (final.final_htlc_event.settled, final.final_htlc_event.offchain) == (True, True)


async def test_events_at_both_ends_are_send_and_receive(lab: Served) -> None:
    sends, receives = lab.on(ALICE, Router.SubscribeHtlcEvents), lab.on(CAROL, Router.SubscribeHtlcEvents)
    await take(sends, 1)
    await take(receives, 1)
    await send_over_bob(lab, 2)
    added, settled = await take(sends, 2)
    assert {added.event_type, settled.event_type} == {routerrpc.HtlcEvent.SEND}
    assert (added.incoming_channel_id, settled.settle_event.preimage != b"") == (0, True)
    received, final = await take(receives, 2)
    assert (received.event_type, received.outgoing_channel_id) == (routerrpc.HtlcEvent.RECEIVE, 0)
    assert final.WhichOneof("event") == "final_htlc_event"


async def test_a_forward_that_the_node_cannot_make_says_why(lab: Served) -> None:
    events = lab.on(BOB, Router.SubscribeHtlcEvents)
    await take(events, 1)
    hops = [bytes.fromhex(lab.node(name).node_id) for name in (BOB, CAROL)]
    built = (
        await lab.on(ALICE, Router.BuildRoute, routerrpc.BuildRouteRequest(amt_msat=400_000_000, hop_pubkeys=hops))
    ).route
    row = lab.network.channels.row(built.hops[1].chan_id)
    assert row is not None

    def empty(engine: Any) -> None:
        (mine,) = [d for d in engine.directions_of(lab.node(BOB).row) if d // 2 == row]
        engine.move_liquidity(mine, int(engine.balances_msat()[mine]) - 60_000_000)

    await lab.network.act(empty)
    request = routerrpc.SendToRouteRequest(payment_hash=b"\x01" * 32, route=built)
    attempt = await lab.on(ALICE, Router.SendToRouteV2, request)
    assert attempt.failure.code == lnrpc.Failure.TEMPORARY_CHANNEL_FAILURE
    failed, final = await take(events, 2)
    assert failed.link_fail_event.wire_failure == lnrpc.Failure.TEMPORARY_CHANNEL_FAILURE
    assert failed.link_fail_event.failure_detail == routerrpc.INSUFFICIENT_BALANCE
    assert failed.link_fail_event.failure_string == "insufficient bandwidth to route htlc"
    assert failed.link_fail_event.info.incoming_amt_msat > 400_000_000
    assert failed.outgoing_htlc_id == 0
    assert not final.final_htlc_event.settled


async def test_a_failure_further_on_says_nothing_of_why(lab: Served) -> None:
    events = lab.on(BOB, Router.SubscribeHtlcEvents)
    await take(events, 1)
    hops = [bytes.fromhex(lab.node(name).node_id) for name in (BOB, CAROL, DAVE)]
    built = (
        await lab.on(ALICE, Router.BuildRoute, routerrpc.BuildRouteRequest(amt_msat=1_000_000, hop_pubkeys=hops))
    ).route
    request = routerrpc.SendToRouteRequest(payment_hash=b"\x02" * 32, route=built)
    await lab.on(ALICE, Router.SendToRouteV2, request)
    assert [event.WhichOneof("event") for event in await take(events, 3)] == [
        "forward_event",
        "forward_fail_event",
        "final_htlc_event",
    ]


async def test_history_is_paged_oldest_first_until_it_is_empty(lab: Served) -> None:
    for number in range(5):
        await send_over_bob(lab, 10 + number, sat=1_000 + number)
    everything = (await lab.on(BOB, Lightning.ForwardingHistory)).forwarding_events
    assert [event.amt_out for event in everything] == [1_000, 1_001, 1_002, 1_003, 1_004]
    times = [event.timestamp_ns for event in everything]
    assert times == sorted(set(times))
    assert everything[0].fee_msat == everything[0].amt_in_msat - everything[0].amt_out_msat
    assert everything[0].HasField("incoming_htlc_id")
    pages, offset = [], 0
    while True:
        page = await lab.on(BOB, Lightning.ForwardingHistory, HISTORY(index_offset=offset, num_max_events=2))
        if not page.forwarding_events:
            break
        assert page.last_offset_index == offset + len(page.forwarding_events)
        pages += page.forwarding_events
        offset = page.last_offset_index
    assert pages == list(everything)


async def test_history_is_narrowed_by_time_and_channel(lab: Served) -> None:
    await send_over_bob(lab, 20)
    (event,) = (await lab.on(BOB, Lightning.ForwardingHistory)).forwarding_events
    second = event.timestamp_ns // 10**9

    async def count(**fields: Any) -> int:
        return len((await lab.on(BOB, Lightning.ForwardingHistory, HISTORY(**fields))).forwarding_events)

    assert await count(start_time=second, end_time=second + 1) == 1
    assert await count(start_time=second + 2, end_time=second + 9) == 0
    assert await count(end_time=second - 1) == 0
    assert await count(incoming_chan_ids=[event.chan_id_in]) == 1
    assert await count(incoming_chan_ids=[event.chan_id_out]) == 0
    assert await count(outgoing_chan_ids=[event.chan_id_out, 5]) == 1
    named = await lab.on(BOB, Lightning.ForwardingHistory, HISTORY(peer_alias_lookup=True))
    assert (named.forwarding_events[0].peer_alias_in, named.forwarding_events[0].peer_alias_out) == (ALICE, CAROL)
    report = await lab.on(BOB, Lightning.FeeReport)
    assert (report.day_fee_sum, report.month_fee_sum) == (1, 1)


async def test_what_went_over_a_channel_is_counted(lab: Served) -> None:
    await send_over_bob(lab, 30, sat=2_000)
    incoming, outgoing = await lab.edge(BOB, ALICE), await lab.edge(BOB, CAROL)
    assert (incoming.total_satoshis_received, outgoing.total_satoshis_sent) == (2_001, 2_000)
    assert incoming.num_updates == 2


async def test_a_server_that_starts_again_has_forgotten_nothing(lab: Served) -> None:
    events = lab.on(BOB, Router.SubscribeHtlcEvents)
    await take(events, 1)
    await send_over_bob(lab, 40)
    before = (await lab.on(BOB, Lightning.ForwardingHistory)).forwarding_events
    under_way = asyncio.create_task(send_over_bob(lab, 41))
    await lab.restart(BOB)
    await under_way
    with pytest.raises(aio.AioRpcError) as ended:
        await take(events, 100)
    assert (ended.value.code(), ended.value.details()) == (StatusCode.UNKNOWN, "htlc event subscription terminated")
    after = (await lab.on(BOB, Lightning.ForwardingHistory)).forwarding_events
    assert list(after)[: len(before)] == list(before)
    assert len(after) == len(before) + 1
    again = lab.on(BOB, Router.SubscribeHtlcEvents)
    (begun,) = await take(again, 1)
    assert begun.WhichOneof("event") == "subscribed_event"


async def test_a_slow_subscriber_harms_nobody(lab: Served) -> None:
    hub = lab.node(BOB).htlc_hub
    slow, quick = hub.listen(), hub.listen()
    event = routerrpc.HtlcEvent(timestamp_ns=1).SerializeToString()
    read = 0
    for number in range(100_002):
        hub.publish(event)
        if number % 1_000 == 0:
            while read <= number:
                assert await anext(quick) == event
                read += 1
    with pytest.raises(Exception, match="too slow"):
        await anext(slow)
    assert await anext(quick) == event
