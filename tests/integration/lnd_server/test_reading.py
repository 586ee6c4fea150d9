"""What a served node says of itself, its channels and the network."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.support.lnd import ALICE, BOB, CAROL, EVE, Served, seconds, serving_lab

from lightninglens.nodes.lnd.contract import chainrpc, lnrpc, signrpc, walletrpc
from lightninglens.nodes.lnd.contract.services import ChainNotifier, Lightning, State, Versioner, WalletKit

pytestmark = pytest.mark.asyncio


async def test_a_node_says_who_it_is(lab: Served) -> None:
    info = await lab.on(ALICE, Lightning.GetInfo)
    assert info.identity_pubkey == lab.node(ALICE).node_id
    assert (info.alias, info.num_active_channels, info.num_peers) == (ALICE, 3, 3)
    assert [(one.chain, one.network) for one in info.chains] == [("bitcoin", "regtest")]
    assert info.version.startswith("0.20.1-beta commit=")
    assert info.synced_to_chain
    assert info.synced_to_graph


async def test_the_state_needs_no_macaroon(lab: Served) -> None:
    call = State.GetState.on(lab.channel(ALICE))
    assert (await call(lnrpc.GetStateRequest())).state == lnrpc.SERVER_ACTIVE
    async for answer in State.SubscribeState.on(lab.channel(ALICE))(lnrpc.SubscribeStateRequest()):
        assert answer.state == lnrpc.SERVER_ACTIVE
        break


async def test_the_emulated_version_is_what_all_methods_say(tmp_path: Path) -> None:
    async with serving_lab(tmp_path, version="0.18.3") as lab:
        version = await lab.on(ALICE, Versioner.GetVersion)
        info = await lab.on(ALICE, Lightning.GetInfo)
    assert (version.app_major, version.app_minor, version.app_patch) == (0, 18, 3)
    assert info.version.startswith(version.version)


async def test_a_channels_parts_are_its_capacity(lab: Served) -> None:
    channels = (await lab.on(ALICE, Lightning.ListChannels)).channels
    assert len(channels) == 3
    for channel in channels:
        anchors_sat = 660
        parts = channel.local_balance + channel.remote_balance + channel.commit_fee + channel.unsettled_balance
        assert parts + anchors_sat in (channel.capacity, channel.capacity - 1)
        assert channel.local_constraints.max_accepted_htlcs == 483
        assert channel.chan_id >> 40 > 0
        txid, _, output = channel.channel_point.partition(":")
        assert (len(txid), output) == (64, "0")
    balance = await lab.on(ALICE, Lightning.ChannelBalance)
    assert balance.local_balance.sat == pytest.approx(sum(channel.local_balance for channel in channels), abs=3)


async def test_channels_are_narrowed_as_asked(lab: Served) -> None:
    bob = bytes.fromhex(lab.node(BOB).node_id)
    of_bob = await lab.on(ALICE, Lightning.ListChannels, lnrpc.ListChannelsRequest(peer=bob, peer_alias_lookup=True))
    assert [channel.peer_alias for channel in of_bob.channels] == [BOB]
    inactive = await lab.on(ALICE, Lightning.ListChannels, lnrpc.ListChannelsRequest(inactive_only=True))
    assert not inactive.channels
    both = lnrpc.ListChannelsRequest(active_only=True, inactive_only=True)
    assert await lab.refused(lab.on(ALICE, Lightning.ListChannels, both)) == (
        "UNKNOWN",
        "either `active_only` or `inactive_only` can be set, but not both",
    )


async def test_the_graph_is_whole_and_follows_changes(lab: Served) -> None:
    before = await lab.on(ALICE, Lightning.DescribeGraph)
    assert (len(before.nodes), len(before.edges)) == (5, 7)
    assert all(edge.node1_pub < edge.node2_pub for edge in before.edges)
    edge = await lab.edge(ALICE, BOB)
    update = lnrpc.PolicyUpdateRequest(
        chan_point=lnrpc.ChannelPoint(funding_txid_str=edge.channel_point.split(":")[0]),
        base_fee_msat=7,
        fee_rate_ppm=77,
        time_lock_delta=80,
    )
    await lab.on(ALICE, Lightning.UpdateChannelPolicy, update)
    own = await lab.on(ALICE, Lightning.GetChanInfo, lnrpc.ChanInfoRequest(chan_id=edge.chan_id))
    policies = {own.node1_pub: own.node1_policy, own.node2_pub: own.node2_policy}
    assert policies[lab.node(ALICE).node_id].fee_rate_milli_msat == 77
    async with asyncio.timeout(30):  # the network hears of it after the trickle delay
        while True:
            graph = await lab.on(CAROL, Lightning.DescribeGraph)
            rates = {
                policy.fee_rate_milli_msat
                for found in graph.edges
                if found.channel_id == edge.chan_id
                for policy in (found.node1_policy, found.node2_policy)
            }
            if 77 in rates:
                break
            await asyncio.sleep(0.05)


async def test_a_channel_is_found_by_id_and_by_point(lab: Served) -> None:
    edge = await lab.edge(ALICE, EVE)
    by_id = await lab.on(ALICE, Lightning.GetChanInfo, lnrpc.ChanInfoRequest(chan_id=edge.chan_id))
    by_point = await lab.on(ALICE, Lightning.GetChanInfo, lnrpc.ChanInfoRequest(chan_point=edge.channel_point))
    assert by_id == by_point
    assert by_id.chan_point == edge.channel_point


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (lnrpc.ChanInfoRequest(), ("UNKNOWN", "specify either chan_id or chan_point")),
        (lnrpc.ChanInfoRequest(chan_id=5), ("NOT_FOUND", "edge not found")),
        (lnrpc.ChanInfoRequest(chan_point="x"), ("UNKNOWN", "outpoint should be of the form txid:index")),
        (lnrpc.ChanInfoRequest(chan_point=f"{'0' * 64}:0"), ("NOT_FOUND", "edge not found")),
    ],
)
async def test_a_channel_that_is_not_there_is_refused_in_lnds_words(
    lab: Served, request_: lnrpc.ChanInfoRequest, answer: tuple[str, str]
) -> None:
    assert await lab.refused(lab.on(ALICE, Lightning.GetChanInfo, request_)) == answer


async def test_a_node_is_found_or_refused_in_lnds_words(lab: Served) -> None:
    bob = lab.node(BOB).node_id
    found = await lab.on(ALICE, Lightning.GetNodeInfo, lnrpc.NodeInfoRequest(pub_key=bob, include_channels=True))
    assert (found.node.alias, found.num_channels, len(found.channels)) == (BOB, 3, 3)
    unknown = lnrpc.NodeInfoRequest(pub_key="02" + "11" * 32)
    assert await lab.refused(lab.on(ALICE, Lightning.GetNodeInfo, unknown)) == ("NOT_FOUND", "unable to find node")
    short = lnrpc.NodeInfoRequest(pub_key="02")
    assert await lab.refused(lab.on(ALICE, Lightning.GetNodeInfo, short)) == (
        "UNKNOWN",
        "invalid vertex string length of 2, want 66",
    )


async def test_the_network_is_summed_up(lab: Served) -> None:
    info = await lab.on(ALICE, Lightning.GetNetworkInfo)
    assert (info.num_nodes, info.num_channels, info.total_network_capacity) == (5, 7, 7_000_000)


async def test_peers_balances_and_transactions_are_told(lab: Served) -> None:
    peers = (await lab.on(ALICE, Lightning.ListPeers)).peers
    assert {peer.pub_key for peer in peers} == {lab.node(name).node_id for name in (BOB, CAROL, EVE)}
    wallet = await lab.on(ALICE, Lightning.WalletBalance)
    assert wallet.confirmed_balance == 10 * 100_000_000
    unspent = await lab.on(ALICE, Lightning.ListUnspent)
    assert unspent.utxos[0].address.startswith("bcrt1q")
    assert not (await lab.on(ALICE, Lightning.GetTransactions)).transactions
    for kind, prefix in ((lnrpc.WITNESS_PUBKEY_HASH, "bcrt1q"), (lnrpc.TAPROOT_PUBKEY, "bcrt1p")):
        made = await lab.on(ALICE, Lightning.NewAddress, lnrpc.NewAddressRequest(type=kind))
        assert made.address.startswith(prefix)
    fee = await lab.on(ALICE, WalletKit.EstimateFee, walletrpc.EstimateFeeRequest(conf_target=6))
    assert fee.sat_per_kw == 2_500


@pytest.mark.parametrize(
    ("asked", "paths"),
    [
        ({}, ["m/49'/0'/0'", "m/84'/0'/0'", "m/86'/0'/0'"]),
        ({"name": "default", "address_type": walletrpc.TAPROOT_PUBKEY}, ["m/86'/0'/0'"]),
        ({"address_type": walletrpc.NESTED_WITNESS_PUBKEY_HASH}, ["m/49'/0'/0'"]),
        ({"name": "savings"}, []),
    ],
)
async def test_there_is_an_account_for_each_kind_of_address(
    lab: Served, asked: dict[str, Any], paths: list[str]
) -> None:
    accounts = (await lab.on(ALICE, WalletKit.ListAccounts, walletrpc.ListAccountsRequest(**asked))).accounts
    assert [account.derivation_path for account in accounts] == paths


async def test_the_identity_key_is_derived_as_tools_ask_for_it(lab: Served) -> None:
    key = await lab.on(ALICE, WalletKit.DeriveKey, signrpc.KeyLocator(key_family=6, key_index=0))
    assert key.raw_key_bytes.hex() == lab.node(ALICE).node_id
    other = await lab.on(ALICE, WalletKit.DeriveKey, signrpc.KeyLocator(key_family=0, key_index=1))
    assert other.raw_key_bytes.hex() != lab.node(ALICE).node_id


async def test_a_signature_names_its_signer(lab: Served) -> None:
    signed = await lab.on(ALICE, Lightning.SignMessage, lnrpc.SignMessageRequest(msg=b"hello"))
    request = lnrpc.VerifyMessageRequest(msg=b"hello", signature=signed.signature)
    verified = await lab.on(BOB, Lightning.VerifyMessage, request)
    assert verified.valid
    assert verified.pubkey == lab.node(ALICE).node_id
    request = lnrpc.VerifyMessageRequest(msg=b"other", signature=signed.signature)
    assert (await lab.on(BOB, Lightning.VerifyMessage, request)).pubkey != lab.node(ALICE).node_id
    wrong = lnrpc.VerifyMessageRequest(msg=b"hello", signature="lv!")
    code, text = await lab.refused(lab.on(BOB, Lightning.VerifyMessage, wrong))
    assert (code, text[:26]) == ("UNKNOWN", "failed to decode signature")


async def test_blocks_begin_with_the_tip_and_go_on(lab: Served) -> None:
    call = lab.on(ALICE, ChainNotifier.RegisterBlockEpochNtfn, chainrpc.BlockEpoch())
    heights = []
    async for block in call:
        heights.append(block.height)
        assert len(block.hash) == 32
        if len(heights) == 2:
            break
    assert heights[1] == heights[0] + 1


async def test_a_channel_that_goes_down_is_told(lab: Served) -> None:
    events = lab.on(ALICE, Lightning.SubscribeChannelEvents)
    peers = lab.on(ALICE, Lightning.SubscribePeerEvents)
    await asyncio.gather(lab.on(ALICE, Lightning.GetInfo), asyncio.sleep(0.2))
    row = await lab.network.read(lambda engine: engine.directions_of(0)[0] // 2)
    until = await lab.network.read(lambda engine: engine.now_ns + seconds(5))
    await lab.network.act(lambda engine: engine.disconnect(row, until))
    kinds = []
    async for event in events:
        kinds.append(event.type)
        if len(kinds) == 2:
            break
    assert kinds == [lnrpc.ChannelEventUpdate.INACTIVE_CHANNEL, lnrpc.ChannelEventUpdate.ACTIVE_CHANNEL]
    async for peer in peers:
        assert peer.type == lnrpc.PeerEvent.PEER_OFFLINE
        break
