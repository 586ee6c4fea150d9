"""Parts of the server that need no network."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightninglens.core.clock import VirtualClock
from lightninglens.core.errors import ConfigError
from lightninglens.core.htlc import FailureDetail
from lightninglens.core.ids import ChannelId, derive_node_id, derive_secret
from lightninglens.core.units import NS_PER_SECOND
from lightninglens.nodes.lnd.contract import lnrpc, routerrpc
from lightninglens.nodes.lnd.server.channel_points import channel_point, parse_point, point_message, read_point
from lightninglens.nodes.lnd.server.directory import MACAROONS, prepare_directory
from lightninglens.nodes.lnd.server.gate import Gate
from lightninglens.nodes.lnd.server.hub import Hub
from lightninglens.nodes.lnd.server.ledger import Forward, ForwardLog
from lightninglens.nodes.lnd.server.refusals import Refusal
from lightninglens.nodes.lnd.server.rekeying import rekeyed
from lightninglens.nodes.lnd.server.rest_json import fill_field, read_body, to_json, to_text
from lightninglens.nodes.lnd.server.times import ShownTime
from lightninglens.nodes.lnd.server.versions import LndVersion
from lightninglens.nodes.orders import KEYSEND_RECORD
from lightninglens.nodes.paying.flights import verdict_on
from lightninglens.nodes.paying.invoices import InvoiceBook, InvoiceRecord, InvoiceState, hash_of
from lightninglens.nodes.paying.payments import PaidRoute
from lightninglens.sim.answers import Answer
from lightninglens.sim.topology import synthetic_graph

IN, OUT = ChannelId.of(800_000, 1, 0), ChannelId.of(800_001, 2, 1)


def forward(timestamp_ns: int, fee_msat: int = 5) -> Forward:
    return Forward(timestamp_ns, IN, OUT, 1_000 + fee_msat, 1_000, 1, 2)


@given(st.lists(st.integers(0, 50)), st.integers(0, 60), st.integers(0, 60), st.integers(0, 5), st.integers(1, 5))
def test_a_page_is_what_a_plain_search_finds(times: list[int], start: int, end: int, skip: int, most: int) -> None:
    log = ForwardLog()
    kept: list[Forward] = []
    for time in times:
        log.append(forward(time))
        kept.append(forward(max(time, kept[-1].timestamp_ns + 1 if kept else 0)))
    inside = [one for one in kept if start <= one.timestamp_ns <= end]
    assert log.slice(start, end, skip=skip, most=most) == inside[skip : skip + most]
    assert log.slice(start, end, skip=skip, most=most, incoming=frozenset([IN])) == inside[skip : skip + most]
    assert log.slice(start, end, skip=0, most=9, outgoing=frozenset([IN])) == []
    assert log.fee_msat_since(start) == 5 * sum(one.timestamp_ns >= start for one in kept)


def test_shown_time_never_jumps_when_the_pace_changes() -> None:
    times = ShownTime(world_ns=1_000, real_ns=50, speed=10.0)
    assert times.shown(2_000) == 150
    times.set_pace(world_ns=2_000, speed=1.0)
    assert times.shown(2_000) == 150
    assert times.shown(2_010) == 160
    assert times.in_world(160) == 2_010


def test_a_channel_point_is_the_same_in_every_form() -> None:
    text = channel_point(OUT)
    assert parse_point(text) == read_point(point_message(OUT))
    txid, _, output = text.partition(":")
    assert read_point(lnrpc.ChannelPoint(funding_txid_str=txid, output_index=int(output))) == (txid, 1)
    assert channel_point(IN) != text
    for wrong in (
        lnrpc.ChannelPoint(funding_txid_str="0" * 65),
        lnrpc.ChannelPoint(funding_txid_bytes=b"1"),
        lnrpc.ChannelPoint(),
    ):
        with pytest.raises(Refusal):
            read_point(wrong)


@pytest.mark.parametrize("name", ["0.16", "1.0", "0.20.x", "", "0.20.1.2", "latest"])
def test_a_version_that_is_not_emulated_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"there are 0\.17"):
        LndVersion.of(name)


def test_versions_know_their_limits() -> None:
    old, new = LndVersion.of("0.17"), LndVersion.of("0.21.0")
    assert (old.least_time_lock_blocks, new.least_time_lock_blocks) == (18, 24)
    assert (old.has_inbound_fees, new.has_inbound_fees) == (False, True)
    assert new.text == "0.21.0-beta"
    assert not new.takes_one_outgoing_channel
    assert not LndVersion.of("0.20").has("/routerrpc.Router/DeleteForwardingHistory")


@pytest.mark.asyncio
async def test_a_subscriber_hears_what_is_published_from_then_on() -> None:
    hub: Hub[int] = Hub(most_unread=3)
    hub.publish(1)
    first, slow = hub.listen(), hub.listen()
    for number in (2, 3, 4):
        hub.publish(number)
    assert [await anext(first) for _ in range(3)] == [2, 3, 4]
    hub.publish(5)
    assert await anext(first) == 5
    with pytest.raises(Refusal, match="too slow: more than 3"):
        await anext(slow)
    hub.close()
    with pytest.raises(StopAsyncIteration):
        await anext(first)


@pytest.mark.asyncio
async def test_those_who_are_dismissed_hear_what_is_queued_and_others_may_come() -> None:
    hub: Hub[int] = Hub()
    first = hub.listen()
    hub.publish(1)
    hub.dismiss()
    second = hub.listen()
    hub.publish(2)
    assert [item async for item in first] == [1]
    assert await anext(second) == 2


PREIMAGE = bytes(range(32))
INVOICE = InvoiceRecord(
    node=3,
    payment_hash=hash_of(PREIMAGE),
    payment_address=b"\x01" * 32,
    preimage=PREIMAGE,
    value_msat=1_000,
    created_ns=0,
    cltv_blocks=80,
)


@pytest.mark.parametrize(
    ("invoice", "route", "detail"),
    [
        ({"state": InvoiceState.SETTLED}, {}, FailureDetail.INVOICE_NOT_OPEN),
        ({"expiry_s": 1}, {}, FailureDetail.INVOICE_NOT_OPEN),
        ({}, {"payment_address": b"\x02" * 32}, FailureDetail.ADDRESS_MISMATCH),
        ({}, {"total_msat": 999}, FailureDetail.SET_TOTAL_TOO_LOW),
        ({}, {"total_msat": 0, "amounts_msat": (999,)}, FailureDetail.INVOICE_UNDERPAID),
        ({}, {"expiry_heights": (179,)}, FailureDetail.INVOICE_EXPIRY_TOO_SOON),
        ({"payment_hash": bytes(32)}, {"final_records": {KEYSEND_RECORD: b"short"}}, FailureDetail.INVALID_KEYSEND),
        ({"payment_hash": bytes(32)}, {}, None),
        ({}, {}, None),
    ],
)
def test_a_receiver_has_lnds_reasons_to_refuse(
    invoice: dict[str, Any], route: dict[str, Any], detail: FailureDetail | None
) -> None:
    book = InvoiceBook()
    book.add(replace(INVOICE, **invoice))
    way: dict[str, Any] = {
        "directions": (0,),
        "amounts_msat": (1_000,),
        "expiry_heights": (180,),
        "payment_address": INVOICE.payment_address,
        "total_msat": 1_000,
    } | route
    asked = (book, INVOICE.node, INVOICE.payment_hash, PaidRoute(**way))
    verdict = verdict_on(*asked, is_served=True, now_ns=2 * NS_PER_SECOND, height=100)
    assert (verdict.objection and verdict.objection.detail) == detail
    fits = not invoice and not route
    assert verdict.answer is (Answer.SETTLE if fits else Answer.UNKNOWN_INVOICE)


def test_a_node_of_a_real_graph_gets_a_key_and_nothing_else_changes() -> None:
    graph = synthetic_graph(60, 150, 3)
    rows = [0, 7, 31]
    made = rekeyed(graph, rows, seed=5)
    assert made.graph.node_ids == rekeyed(graph, rows, seed=5).graph.node_ids
    assert made.swapped.any()
    for row in rows:
        assert made.originals[row] == graph.node_ids[row]
        assert made.graph.node_ids[row] == derive_node_id(5, f"served/{graph.node_ids[row]}")
        assert made.secrets[row] == derive_secret(5, f"served/{graph.node_ids[row]}")
    ids = made.graph.node_ids
    assert all(ids[a] < ids[b] for a, b in zip(made.graph.node1, made.graph.node2, strict=True))
    before = {(graph.channel_id(d // 2), int(graph.sources()[d])): graph.policies.get(d) for d in range(300)}
    after = {(graph.channel_id(d // 2), int(made.graph.sources()[d])): made.graph.policies.get(d) for d in range(300)}
    assert before == after


def test_json_has_zeros_nulls_and_no_empty_choices() -> None:
    text = to_json(lnrpc.ChannelEdge(channel_id=2**64 - 1, node1_policy=lnrpc.RoutingPolicy(fee_base_msat=5)))
    assert text["channel_id"] == str(2**64 - 1)
    assert text["node2_policy"] is None
    assert text["node1_policy"]["fee_base_msat"] == "5"
    assert text["node1_policy"]["disabled"] is False
    event = to_json(routerrpc.HtlcEvent(event_type=routerrpc.HtlcEvent.FORWARD))
    assert event["event_type"] == "FORWARD"
    assert "settle_event" not in event
    forwarding = to_json(lnrpc.ForwardingEvent())
    assert "incoming_htlc_id" not in forwarding
    invoice = to_json(lnrpc.Invoice(r_hash=b"\xff\xfe", features={9: lnrpc.Feature(name="x")}))
    assert invoice["r_hash"] == "//4="
    assert list(invoice["features"]) == ["9"]
    assert json.loads(to_text(invoice)) == invoice


def test_json_is_read_back() -> None:
    body = to_text(to_json(lnrpc.Route(total_time_lock=7, hops=[lnrpc.Hop(chan_id=2**63, custom_records={5: b"x"})])))
    assert read_body(body, lnrpc.Route()).hops[0].chan_id == 2**63
    assert read_body(b"", lnrpc.Route()) == lnrpc.Route()
    for wrong in (b"{", b'{"x": 1}', b"[]", b'{"hops": 5}', b"[" * 100_000):
        with pytest.raises(Refusal):
            read_body(wrong, lnrpc.Route())


@pytest.mark.parametrize(
    ("name", "text", "fits"),
    [
        ("pub_key", "02ab", True),
        ("amt", "12", True),
        ("amt", "x", False),
        ("amt", str(2**63), False),
        ("use_mission_control", "true", True),
        ("use_mission_control", "maybe", False),
        ("last_hop_pubkey", "AA-_", True),
        ("last_hop_pubkey", "!", False),
        ("time_pref", "0.5", True),
        ("fee_limit.fixed_msat", "5", True),
        ("nothing", "5", True),
        ("fee_limit.nothing.more", "5", True),
    ],
)
def test_fields_of_paths_and_queries_are_read_by_type(name: str, text: str, *, fits: bool) -> None:
    message = lnrpc.QueryRoutesRequest()
    if fits:
        fill_field(message, name, [text])
    else:
        with pytest.raises(Refusal, match="type mismatch"):
            fill_field(message, name, [text])
    fill_field(message, "outgoing_chan_ids", ["1", "2"])
    assert list(message.outgoing_chan_ids) == [1, 2]


def test_a_directory_that_is_there_is_kept_and_another_nodes_replaced(tmp_path: Path) -> None:
    clock = VirtualClock(1_800_000_000 * 10**9)
    gate, other = Gate(b"1" * 32, clock), Gate(b"2" * 32, clock)
    prepare_directory(tmp_path, gate, clock)
    admin = tmp_path / MACAROONS / "admin.macaroon"
    before, certificate = admin.read_bytes(), (tmp_path / "tls.cert").read_bytes()
    prepare_directory(tmp_path, gate, clock)
    assert (admin.read_bytes(), (tmp_path / "tls.cert").read_bytes()) == (before, certificate)
    prepare_directory(tmp_path, other, clock)
    assert admin.read_bytes() != before
    admin.write_bytes(b"broken")
    prepare_directory(tmp_path, other, clock)
    assert admin.read_bytes() != b"broken"
