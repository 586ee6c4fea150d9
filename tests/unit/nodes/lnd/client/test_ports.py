"""Reading, fees and channels against a stand-in: what is sent, what is made of the answers, over gRPC and REST."""

import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from tests.support.lnd_stand_in import NODE_ID, Failing, StandIn, get_info, rest_proxy, stand_in

from lightninglens.app.node_checks import history_problems
from lightninglens.core.channels import ChannelPolicy, Opener
from lightninglens.core.clock import VirtualClock
from lightninglens.core.errors import DataError, NodeRefused, NodeUnavailable
from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEvent, HtlcEventKind
from lightninglens.core.ids import ChannelId, derive_node_id
from lightninglens.core.node import Closure, OpenRequest, PendingState
from lightninglens.core.ports import ChannelStatus
from lightninglens.core.units import NS_PER_SECOND, Blocks, Msat, Ppm, Sat
from lightninglens.nodes.lnd.client import LndChannelManager, LndFeeSetter, LndReader, Role, TransportChoice
from lightninglens.nodes.lnd.client.graph import network_graph
from lightninglens.nodes.lnd.client.history import forwarding_history
from lightninglens.nodes.lnd.client.records import channel_state, htlc_event
from lightninglens.nodes.lnd.client.rest_transport import http_request
from lightninglens.nodes.lnd.client.roles import permissions
from lightninglens.nodes.lnd.client.session import connected
from lightninglens.nodes.lnd.client.versions import INBOUND_FEES, LndVersion
from lightninglens.nodes.lnd.contract import lnrpc, routerrpc, wtclientrpc
from lightninglens.nodes.lnd.contract.services import Lightning, Router, WatchtowerClient

PEER = derive_node_id(1, "peer")
FIRST, SECOND = sorted((str(NODE_ID), str(PEER)))
CHANNEL = ChannelId.of(800_000, 1, 0)
TXID = "ab" * 32
POINT = f"{TXID}:1"
OURS = lnrpc.RoutingPolicy(
    time_lock_delta=80, min_htlc=1_000, fee_base_msat=1_000, fee_rate_milli_msat=100, max_htlc_msat=990_000_000
)
THEIRS = lnrpc.RoutingPolicy(time_lock_delta=40, fee_rate_milli_msat=7, disabled=True, inbound_fee_rate_milli_msat=-3)
POLICY = ChannelPolicy(
    base_fee_msat=Msat(0),
    fee_rate_ppm=Ppm(0),
    time_lock_delta_blocks=Blocks(40),
    min_htlc_msat=Msat(0),
    max_htlc_msat=Msat(5_000_000),
    inbound_base_fee_msat=Msat(-2),
    inbound_fee_rate_ppm=Ppm(-30),
)


def edge(**changed: Any) -> lnrpc.ChannelEdge:
    policies = (OURS, THEIRS) if str(NODE_ID) == FIRST else (THEIRS, OURS)
    given_: dict[str, Any] = {
        "channel_id": CHANNEL,
        "chan_point": POINT,
        "node1_pub": FIRST,
        "node2_pub": SECOND,
        "capacity": 1_000_000,
        "node1_policy": policies[0],
        "node2_policy": policies[1],
    }
    return lnrpc.ChannelEdge(**(given_ | changed))


def lnd_channel(**changed: Any) -> lnrpc.Channel:
    given_: dict[str, Any] = {
        "active": True,
        "remote_pubkey": PEER,
        "peer_alias": "peer\x1b[31m",
        "channel_point": POINT,
        "chan_id": CHANNEL,
        "capacity": 1_000_000,
        "local_balance": 600_000,
        "remote_balance": 396_528,
        "commit_fee": 2_810,
        "commit_weight": 1_124,
        "fee_per_kw": 2_500,
        "initiator": True,
        "local_constraints": lnrpc.ChannelConstraints(chan_reserve_sat=10_000),
        "remote_constraints": lnrpc.ChannelConstraints(chan_reserve_sat=10_000),
    }
    return lnrpc.Channel(**(given_ | changed))


@pytest_asyncio.fixture
async def node(tmp_path: Path) -> AsyncIterator[StandIn]:
    async with stand_in(tmp_path / "lnd") as made:
        made.bake("lens-fees.macaroon", permissions(Role.FEES, channel_status=True))
        made.bake("lens-channels.macaroon", permissions(Role.CHANNELS))
        made.answers[Lightning.GetChanInfo.path] = edge()
        made.answers[Lightning.ListChannels.path] = lnrpc.ListChannelsResponse(channels=[lnd_channel()])
        made.answers[Lightning.UpdateChannelPolicy.path] = lnrpc.PolicyUpdateResponse()
        yield made


@pytest.mark.asyncio
async def test_channels_are_read_with_both_policies(node: StandIn) -> None:
    async with LndReader.at(node.options()) as reader:
        (found,) = await reader.channels()
    assert (found.channel_id, found.peer_id, found.peer_alias) == (CHANNEL, PEER, "peer [31m")
    assert found.opener is Opener.LOCAL
    assert found.local_policy is not None
    assert found.remote_policy is not None
    assert (found.local_policy.fee_rate_ppm, found.local_policy.base_fee_msat) == (100, 1_000)
    assert (found.remote_policy.inbound_fee_rate_ppm, found.remote_policy.disabled) == (-3, True)


def test_the_opener_keeps_back_the_fee_of_commitments_to_come() -> None:
    ours = channel_state(lnd_channel(), edge(), NODE_ID)
    buffer_sat = 2 * 2_500 * (1_124 + 172) // 1_000 - 2_810
    assert ours.outbound_msat == (600_000 - 10_000 - buffer_sat) * 1_000
    assert ours.inbound_msat == (396_528 - 10_000) * 1_000
    theirs = channel_state(lnd_channel(initiator=False), None, NODE_ID)
    assert theirs.outbound_msat == (600_000 - 10_000) * 1_000
    assert theirs.local_policy is None


@pytest.mark.asyncio
@pytest.mark.parametrize("text", ["edge not found", "edge marked as zombie"])
async def test_a_channel_that_the_graph_does_not_have_is_read_without_policies(node: StandIn, text: str) -> None:
    async def missing(_request: object) -> None:
        raise Failing(grpc.StatusCode.UNKNOWN, text)

    node.answers[Lightning.GetChanInfo.path] = missing
    async with LndReader.at(node.options()) as reader:
        (found,) = await reader.channels()
    assert found.local_policy is None


@pytest.mark.asyncio
async def test_closed_and_pending_channels_are_read(node: StandIn) -> None:
    pending = lnrpc.PendingChannelsResponse
    channel = pending.PendingChannel(remote_node_pub=PEER, channel_point=POINT, capacity=5, local_balance=3)
    node.answers[Lightning.PendingChannels.path] = pending(
        pending_open_channels=[pending.PendingOpenChannel(channel=channel)],
        waiting_close_channels=[pending.WaitingCloseChannel(channel=channel)],
        pending_force_closing_channels=[pending.ForceClosedChannel(channel=channel)],
    )
    node.answers[Lightning.ClosedChannels.path] = lnrpc.ClosedChannelsResponse(
        channels=[
            lnrpc.ChannelCloseSummary(
                chan_id=CHANNEL,
                remote_pubkey=PEER,
                close_type=lnrpc.ChannelCloseSummary.BREACH_CLOSE,
                open_initiator=lnrpc.INITIATOR_REMOTE,
                close_height=5,
            )
        ]
    )
    async with LndReader.at(node.options()) as reader:
        states = [each.state for each in await reader.pending_channels()]
        (closed,) = await reader.closed_channels()
    assert states == [PendingState.OPENING, PendingState.FORCE_CLOSING, PendingState.WAITING_CLOSE]
    assert (closed.closure, closed.opener, closed.close_height) == (Closure.BREACH, Opener.REMOTE, 5)


@pytest.mark.asyncio
async def test_a_policy_is_sent_whole_with_zeros_that_are_meant(node: StandIn) -> None:
    async with LndFeeSetter.at(node.options()) as fees:
        await fees.set_policy(CHANNEL, POLICY)
    (sent,) = node.questions(Lightning.UpdateChannelPolicy)
    assert sent.chan_point == lnrpc.ChannelPoint(funding_txid_str=TXID, output_index=1)
    assert (sent.base_fee_msat, sent.fee_rate_ppm, sent.time_lock_delta, sent.max_htlc_msat) == (0, 0, 40, 5_000_000)
    assert (sent.min_htlc_msat, sent.min_htlc_msat_specified) == (0, True)
    assert (sent.inbound_fee.base_fee_msat, sent.inbound_fee.fee_rate_ppm) == (-2, -30)
    assert not sent.create_missing_edge


@pytest.mark.asyncio
@pytest.mark.parametrize(("version", "rate", "ppm"), [("0.14.1-beta", 0.000123, 0), ("0.17.5-beta commit=x", 0.0, 123)])
async def test_what_an_older_version_lacks_is_said_and_never_sent(
    node: StandIn, version: str, rate: float, ppm: int
) -> None:
    node.answers[Lightning.GetInfo.path] = get_info(version=version)
    plain = dataclasses.replace(
        POLICY, inbound_base_fee_msat=Msat(0), inbound_fee_rate_ppm=Ppm(0), fee_rate_ppm=Ppm(123)
    )
    async with LndFeeSetter.at(node.options()) as fees:
        with pytest.raises(NodeRefused, match=r"no inbound fees .*nothing was sent"):
            await fees.set_policy(CHANNEL, POLICY)
        assert node.questions(Lightning.UpdateChannelPolicy) == []
        await fees.set_policy(CHANNEL, plain)
    (sent,) = node.questions(Lightning.UpdateChannelPolicy)
    assert not sent.HasField("inbound_fee")
    assert (sent.fee_rate, sent.fee_rate_ppm) == (rate, ppm)
    async with LndReader.at(node.options()) as reader:
        assert any("inbound fees" in each for each in (await reader.info()).lacks)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "wrong",
    [
        {"base_fee_msat": Msat(-1)},
        {"base_fee_msat": Msat(2**63)},
        {"fee_rate_ppm": Ppm(2**32)},
        {"time_lock_delta_blocks": Blocks(-1)},
        {"inbound_fee_rate_ppm": Ppm(-(2**31))},
        {"max_htlc_msat": Msat(0)},
        {"min_htlc_msat": Msat(6_000_000)},
    ],
    ids=str,
)
async def test_what_lnds_fields_cannot_hold_is_refused_unsent(node: StandIn, wrong: dict[str, Any]) -> None:
    async with LndFeeSetter.at(node.options()) as fees:
        with pytest.raises(NodeRefused, match="nothing was sent"):
            await fees.set_policy(CHANNEL, dataclasses.replace(POLICY, **wrong))
    assert node.questions(Lightning.UpdateChannelPolicy) == []


@pytest.mark.asyncio
async def test_an_update_that_lnd_lists_as_failed_is_refused_although_the_call_succeeded(node: StandIn) -> None:
    node.answers[Lightning.UpdateChannelPolicy.path] = lnrpc.PolicyUpdateResponse(
        failed_updates=[
            lnrpc.FailedUpdate(reason=lnrpc.UPDATE_FAILURE_INVALID_PARAMETER, update_error="max htlc size is above ...")
        ]
    )
    async with LndFeeSetter.at(node.options()) as fees:
        with pytest.raises(NodeRefused, match="invalid parameter: max htlc size"):
            await fees.set_policy(CHANNEL, POLICY)


@pytest.mark.asyncio
async def test_channels_that_are_not_ours_or_never_announced_are_refused(node: StandIn) -> None:
    stranger = sorted((str(derive_node_id(1, "x")), str(derive_node_id(1, "y"))))
    bare = edge()
    bare.ClearField("node1_policy")
    bare.ClearField("node2_policy")
    for answer, words in (
        (edge(node1_pub=stranger[0], node2_pub=stranger[1]), "no channel"),
        (bare, "nothing was ever announced"),
    ):
        node.answers[Lightning.GetChanInfo.path] = answer
        async with LndFeeSetter.at(node.options()) as fees:
            with pytest.raises(NodeRefused, match=words):
                await fees.set_policy(CHANNEL, POLICY)
    assert node.questions(Lightning.UpdateChannelPolicy) == []


@pytest.mark.asyncio
async def test_a_channels_status_is_set(node: StandIn) -> None:
    node.answers[Router.UpdateChanStatus.path] = routerrpc.UpdateChanStatusResponse()
    async with LndFeeSetter.at(node.options()) as fees:
        for status in ChannelStatus:
            await fees.set_status(CHANNEL, status)
    actions = [each.action for each in node.questions(Router.UpdateChanStatus)]
    assert actions == [routerrpc.ENABLE, routerrpc.DISABLE, routerrpc.AUTO]


@given(
    settled_s=st.lists(st.integers(100, 110), max_size=30),
    page_size=st.integers(1, 12),
    since_ms=st.integers(99_000, 111_000),
    length_ms=st.integers(0, 9_000),
)
def test_pages_of_any_size_give_the_same_forwards(
    settled_s: list[int], page_size: int, since_ms: int, length_ms: int
) -> None:
    import asyncio

    book = [number + second * NS_PER_SECOND for number, second in enumerate(sorted(settled_s))]
    since_ns, until_ns = since_ms * 10**6, (since_ms + length_ms) * 10**6

    class Answering:
        clock = VirtualClock(0)

        async def call(self, _method: object, asked: lnrpc.ForwardingHistoryRequest, timeout_s: float) -> Any:
            inside = [each for each in book if asked.start_time <= each // NS_PER_SECOND <= asked.end_time]
            page = inside[asked.index_offset : asked.index_offset + asked.num_max_events]
            return lnrpc.ForwardingHistoryResponse(
                forwarding_events=[lnrpc.ForwardingEvent(timestamp_ns=each, amt_in_msat=2) for each in page],
                last_offset_index=asked.index_offset + len(page),
            )

    async def read() -> list[Any]:
        session: Any = Answering()
        pages = forwarding_history(session, since_ns=since_ns, until_ns=until_ns, page_size=page_size)
        return [page async for page in pages]

    pages = asyncio.run(read())
    assert history_problems(pages) == []
    assert (pages[0].covered_from_ns, pages[-1].covered_until_ns) == (since_ns, until_ns)
    found = [each.settled_ns for page in pages for each in page.forwards]
    assert found == [each for each in book if since_ns <= each < until_ns]


def test_a_forward_of_an_old_lnd_has_whole_seconds_and_sat() -> None:
    from lightninglens.nodes.lnd.client.records import forward

    old = forward(lnrpc.ForwardingEvent(timestamp=5, amt_in=3, amt_out=2, chan_id_in=1, chan_id_out=2))
    assert (old.settled_ns, old.fee_msat, old.incoming_htlc_id) == (5 * NS_PER_SECOND, 1_000, None)


def test_a_graph_is_columns_with_unset_policies_unknown() -> None:
    one_sided = edge(channel_id=CHANNEL + 1)
    one_sided.ClearField("node1_policy")
    huge = lnrpc.RoutingPolicy(max_htlc_msat=2**64 - 1)
    graph = network_graph(
        lnrpc.ChannelGraph(
            nodes=[lnrpc.LightningNode(pub_key=FIRST, alias="first\n")],
            edges=[edge(), one_sided, edge(channel_id=CHANNEL + 2, node1_policy=huge)],
        )
    )
    assert graph.node_ids == (FIRST, SECOND)
    assert graph.aliases == ("first", "")
    assert graph.policies.known.tolist() == [True, True, False, True, True, True]
    assert graph.policies.get(2) is None
    assert int(graph.policies.max_htlc_msat[4]) == 2**63 - 1
    side = int(str(NODE_ID) != FIRST)
    ours = graph.policies.get(side)
    assert ours is not None
    assert (ours.fee_rate_ppm, ours.max_htlc_msat) == (100, 990_000_000)


@pytest.mark.parametrize("edges", [[edge(), edge()], [edge(node1_pub="x")]], ids=["twice", "no key"])
def test_a_graph_that_contradicts_itself_is_refused(edges: list[lnrpc.ChannelEdge]) -> None:
    with pytest.raises(DataError):
        network_graph(lnrpc.ChannelGraph(edges=edges))


def test_failures_that_are_not_known_here_are_unknown_and_not_an_error() -> None:
    said = routerrpc.HtlcEvent(link_fail_event=routerrpc.LinkFailEvent())
    said.link_fail_event.MergeFromString(b"\x10\xb8\x17\x18\xd0\x0f")  # wire_failure 3000, failure_detail 2000
    event = htlc_event(said)
    assert event is not None
    assert (event.wire_failure, event.failure_detail) == (FailureCode.UNKNOWN_FAILURE, FailureDetail.UNKNOWN)
    assert htlc_event(routerrpc.HtlcEvent(final_htlc_event=routerrpc.FinalHtlcEvent())) is None
    assert htlc_event(routerrpc.HtlcEvent()) is None


@pytest.mark.parametrize(
    ("text", "numbers", "notes"),
    [
        ("0.20.1-beta commit=v0.20.1-beta", (0, 20, 1), 0),
        ("v0.13.4-beta", (0, 13, 4), 5),
        ("0.22.0", (0, 22, 0), 1),
        ("daily", None, 0),
        ("", None, 0),
    ],
)
def test_versions_are_read_and_what_they_lack_is_said(
    text: str, numbers: tuple[int, int, int] | None, notes: int
) -> None:
    version = LndVersion.parse(text)
    assert version.numbers == numbers
    assert len(version.lacks()) == notes
    assert version.has(INBOUND_FEES) == (numbers is None or numbers >= (0, 18, 0))
    assert version.shown


@pytest.mark.asyncio
async def test_channels_are_opened_and_closed_and_the_transaction_named(node: StandIn) -> None:
    txid = bytes.fromhex(TXID)[::-1]
    node.answers[Lightning.OpenChannel.path] = [
        lnrpc.OpenStatusUpdate(chan_pending=lnrpc.PendingUpdate(txid=txid, output_index=1))
    ]
    node.answers[Lightning.CloseChannel.path] = [
        lnrpc.CloseStatusUpdate(close_instant=lnrpc.InstantUpdate()),
        lnrpc.CloseStatusUpdate(close_pending=lnrpc.PendingUpdate(txid=txid)),
    ]
    async with LndChannelManager.at(node.options()) as manager:
        request = OpenRequest(peer_id=PEER, local_sat=Sat(100_000), push_msat=Msat(5_000), fee_rate_sat_per_vbyte=3)
        assert await manager.open(request) == POINT
        assert await manager.close(POINT, force=True) == TXID
        for wrong in (5_001, -1_000, 10**12):
            with pytest.raises(NodeRefused):
                await manager.open(dataclasses.replace(request, push_msat=Msat(wrong)))
        with pytest.raises(DataError, match="channel point"):
            await manager.close("nonsense")
        node.answers[Lightning.OpenChannel.path] = []
        with pytest.raises(NodeUnavailable, match="before it published"):
            await manager.open(request)
    opened, _ = node.questions(Lightning.OpenChannel)
    assert (opened.local_funding_amount, opened.push_sat, opened.sat_per_vbyte) == (100_000, 5, 3)
    (closed,) = node.questions(Lightning.CloseChannel)
    assert (closed.channel_point.funding_txid_str, closed.force) == (TXID, True)


@pytest.mark.asyncio
async def test_the_wallet_the_backup_the_peers_and_the_towers_are_reached(node: StandIn) -> None:
    async def connected_already(_request: object) -> None:
        raise Failing(grpc.StatusCode.UNKNOWN, "already connected to peer: 02ab@127.0.0.1:9735")

    async def no_towers(_request: object) -> None:
        raise Failing(grpc.StatusCode.UNKNOWN, "watchtower client not active")

    node.answers |= {
        Lightning.ConnectPeer.path: connected_already,
        Lightning.DisconnectPeer.path: lnrpc.DisconnectPeerResponse(),
        Lightning.WalletBalance.path: lnrpc.WalletBalanceResponse(confirmed_balance=9, locked_balance=1),
        Lightning.NewAddress.path: lnrpc.NewAddressResponse(address="bcrt1x"),
        Lightning.EstimateFee.path: lnrpc.EstimateFeeResponse(fee_sat=150, sat_per_vbyte=1),
        Lightning.PendingChannels.path: lnrpc.PendingChannelsResponse(),
        Lightning.ExportAllChannelBackups.path: lnrpc.ChanBackupSnapshot(
            multi_chan_backup=lnrpc.MultiChanBackup(
                chan_points=[lnrpc.ChannelPoint(funding_txid_bytes=bytes.fromhex(TXID)[::-1], output_index=1)],
                multi_chan_backup=b"encrypted",
            )
        ),
        WatchtowerClient.AddTower.path: no_towers,
        WatchtowerClient.RemoveTower.path: wtclientrpc.RemoveTowerResponse(),
        WatchtowerClient.ListTowers.path: wtclientrpc.ListTowersResponse(
            towers=[
                wtclientrpc.Tower(
                    pubkey=bytes.fromhex(PEER),
                    addresses=["a:1"],
                    session_info=[wtclientrpc.TowerSessionInfo(active_session_candidate=True, num_sessions=2)],
                )
            ]
        ),
    }
    async with LndChannelManager.at(node.options()) as manager:
        await manager.connect(PEER, "localhost:9735")
        await manager.disconnect(PEER)
        assert (await manager.on_chain_balance()).confirmed_sat == 9
        assert await manager.new_address() == "bcrt1x"
        assert (await manager.estimate_on_chain("bcrt1x", Sat(5))).fee_sat == 150
        assert list(await manager.pending()) == []
        backup = await manager.export_backup()
        assert (backup.channel_points, backup.data) == ((POINT,), b"encrypted")
        (tower,) = await manager.towers()
        assert (tower.tower_id, tower.active, tower.sessions) == (PEER, True, 2)
        await manager.remove_tower(PEER)
        with pytest.raises(NodeRefused, match="watchtower client not active"):
            await manager.add_tower(PEER, "a:1")


@pytest.mark.parametrize(
    ("method", "request_", "expected"),
    [
        (Lightning.GetChanInfo, lnrpc.ChanInfoRequest(chan_id=2**63), ("GET", f"/v1/graph/edge/{2**63}", b"")),
        (
            Lightning.ListChannels,
            lnrpc.ListChannelsRequest(active_only=True, peer=b"\xfb\xff"),
            ("GET", "/v1/channels?active_only=true&peer=%2B%2F8%3D", b""),
        ),
        (
            Router.TrackPaymentV2,
            routerrpc.TrackPaymentRequest(payment_hash=b"\xfb\xff\xfe"),
            ("GET", "/v2/router/track/-__-", b""),
        ),
        (
            Lightning.CloseChannel,
            lnrpc.CloseChannelRequest(
                channel_point=lnrpc.ChannelPoint(funding_txid_str="ab", output_index=3), force=True
            ),
            ("DELETE", "/v1/channels/ab/3?force=true", b""),
        ),
        (
            Lightning.ForwardingHistory,
            lnrpc.ForwardingHistoryRequest(start_time=2**63, incoming_chan_ids=[1, 2]),
            ("POST", "/v1/switch", json.dumps({"start_time": str(2**63), "incoming_chan_ids": ["1", "2"]}).encode()),
        ),
    ],
)
def test_a_call_is_written_as_lnds_proxy_takes_it(method: Any, request_: Any, expected: Any) -> None:
    assert http_request(method, request_) == expected


def as_json(message: Any) -> Any:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


@pytest.mark.asyncio
async def test_reading_and_setting_fees_go_over_rest(node: StandIn) -> None:
    info = as_json(get_info())
    events = [
        {"result": {"subscribed_event": {}}},
        {"result": {"event_type": "FORWARD", "timestamp_ns": "5", "settle_event": {"preimage": "AAAA"}}},
        {"error": {"code": 2, "message": "htlc event subscription terminated", "details": []}},
    ]
    answers: dict[tuple[str, str], tuple[int, Any]] = {
        ("GET", "/v1/getinfo"): (200, info),
        ("GET", "/v1/channels?peer_alias_lookup=true"): (200, as_json(node.answers[Lightning.ListChannels.path])),
        ("GET", f"/v1/graph/edge/{int(CHANNEL)}"): (200, as_json(edge()) | {"custom_records": {}}),
        ("GET", "/v1/graph"): (200, {"nodes": [], "edges": [as_json(edge()) | {"auth_proof": None}]}),
        ("POST", "/v1/chanpolicy"): (200, {"failed_updates": []}),
        ("POST", "/v1/switch"): (500, {"code": 2, "message": "permission denied", "details": []}),
        ("GET", "/v1/channels/closed"): (502, "gateway"),
        ("GET", "/v2/router/htlcevents"): (200, events),
    }
    async with rest_proxy(answers, node.folder) as (port, asked):
        options = node.options(transport=TransportChoice.REST, rest_host=f"localhost:{port}")
        async with LndReader.at(options) as reader, LndFeeSetter.at(options) as fees:
            assert (await reader.info()).transport == "rest"
            assert [each.channel_id for each in await reader.channels()] == [CHANNEL]
            assert (await reader.graph()).channel_count == 1
            await fees.set_policy(CHANNEL, POLICY)
            with pytest.raises(Exception, match="permission denied"):
                _ = [page async for page in reader.forwarding_history()]
            with pytest.raises(NodeUnavailable):
                await reader.closed_channels()
            event = await anext(reader.htlc_events())
            assert isinstance(event, HtlcEvent)
            assert event.kind is HtlcEventKind.SETTLE
    bodies = {path: json.loads(body) for verb, path, _, body in asked if verb == "POST"}
    assert bodies["/v1/chanpolicy"]["min_htlc_msat_specified"] is True
    assert node.asked == []


@pytest.mark.asyncio
async def test_the_allow_list_holds_over_rest_too(node: StandIn) -> None:
    async with rest_proxy({("GET", "/v1/getinfo"): (200, as_json(get_info()))}, node.folder) as (port, asked):
        options = node.options(transport=TransportChoice.REST, rest_host=f"localhost:{port}")
        async with connected(Role.MONITOR, options) as session:
            before = len(asked)
            with pytest.raises(Exception, match="nothing was sent"):
                await session.call(Lightning.SendCoins, lnrpc.SendCoinsRequest())
            with pytest.raises(Exception, match="nothing was sent"):
                await anext(session.transport.stream(Router.SendPaymentV2, routerrpc.SendPaymentRequest()))
            assert len(asked) == before


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[1,2",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200,
        b"HTTP/1.1 200 " + b"x" * 100_000,
    ],
    ids=["empty", "text", "length", "short", "chunk", "cut", "json", "headers", "line"],
)
async def test_what_is_no_answer_of_a_proxy_is_unavailable(node: StandIn, answer: bytes) -> None:
    import asyncio
    import ssl

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(node.folder / "tls.cert", node.folder / "tls.key")
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        options = node.options(transport=TransportChoice.REST, rest_host=f"localhost:{port}")
        with pytest.raises(NodeUnavailable):
            async with LndReader.at(options):
                pass
