"""Channels that are opened and closed over LND's interface, and backups of them."""

import asyncio
from typing import Any

import pytest
from tests.support.lnd import ALICE, BOB, DAVE, Served

from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.contract.services import Lightning

pytestmark = pytest.mark.asyncio


def opening(lab: Served, **fields: Any) -> lnrpc.OpenChannelRequest:
    return lnrpc.OpenChannelRequest(
        **{"node_pubkey": bytes.fromhex(lab.node(DAVE).node_id), "local_funding_amount": 500_000, **fields}
    )


async def test_a_channel_is_opened_used_and_closed(lab: Served) -> None:
    events = lab.on(DAVE, Lightning.SubscribeChannelEvents)
    await lab.on(DAVE, Lightning.GetInfo)
    point = await lab.on(ALICE, Lightning.OpenChannelSync, opening(lab, push_sat=100_000))
    async for event in events:
        assert event.type == lnrpc.ChannelEventUpdate.OPEN_CHANNEL
        break
    edge = await lab.edge(ALICE, DAVE)
    assert (edge.capacity, edge.remote_balance, edge.push_amount_sat, edge.initiator) == (
        500_000,
        100_000,
        100_000,
        True,
    )
    wallet = await lab.on(ALICE, Lightning.WalletBalance)
    assert wallet.confirmed_balance == 10 * 100_000_000 - 500_000 - 1_540
    (transaction,) = (await lab.on(ALICE, Lightning.GetTransactions)).transactions
    assert transaction.tx_hash == edge.channel_point.split(":")[0]
    added = await lab.on(DAVE, Lightning.AddInvoice, lnrpc.Invoice(value=1_000))
    route = (
        await lab.on(ALICE, Lightning.QueryRoutes, lnrpc.QueryRoutesRequest(pub_key=lab.node(DAVE).node_id, amt=1_000))
    ).routes[0]
    assert route.hops[0].chan_id == edge.chan_id
    assert added.payment_request
    closing = lab.on(ALICE, Lightning.CloseChannel, lnrpc.CloseChannelRequest(channel_point=point))
    async with asyncio.timeout(20):
        kinds = [update.WhichOneof("update") async for update in closing]
    assert kinds == ["close_pending", "chan_close"]
    closed = (await lab.on(ALICE, Lightning.ClosedChannels)).channels[0]
    assert closed.chan_id == edge.chan_id
    assert closed.close_type == lnrpc.ChannelCloseSummary.COOPERATIVE_CLOSE
    assert closed.close_initiator == lnrpc.INITIATOR_LOCAL
    remote = (await lab.on(DAVE, Lightning.ClosedChannels)).channels[0]
    assert remote.settled_balance == 100_000
    forced = await lab.on(ALICE, Lightning.ClosedChannels, lnrpc.ClosedChannelsRequest(local_force=True))
    assert not forced.channels
    gone = lnrpc.ChanInfoRequest(chan_id=edge.chan_id)
    assert await lab.refused(lab.on(ALICE, Lightning.GetChanInfo, gone)) == ("NOT_FOUND", "edge not found")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"local_funding_amount": 0}, "local funding amount must be non-zero"),
        ({"local_funding_amount": 19_999}, "channel is too small, the minimum channel size is: 20000 SAT"),
        ({"local_funding_amount": 2 * 10**9}, "funding amount is too large, the max channel size is: 10 BTC"),
        (
            {"push_sat": 500_000},
            "amount pushed to remote peer for initial state must be below the local funding amount",
        ),
        ({"node_pubkey": b""}, "NodePubkey is not set"),
        ({"node_pubkey": b"\x02" * 33}, f"peer {'02' * 33} is not online"),
        ({"local_funding_amount": 10**9}, "not enough witness outputs to create funding transaction"),
        ({"private": True}, "private channels are not simulated"),
    ],
)
async def test_a_channel_that_cannot_be_opened_is_refused(lab: Served, fields: dict[str, Any], text: str) -> None:
    code, found = await lab.refused(lab.on(ALICE, Lightning.OpenChannelSync, opening(lab, **fields)))
    assert (code, found[: len(text)]) == ("UNKNOWN", text)
    assert len((await lab.on(ALICE, Lightning.ListChannels)).channels) == 3
    assert (await lab.on(ALICE, Lightning.WalletBalance)).confirmed_balance == 10 * 100_000_000


async def test_an_unknown_channel_is_not_closed(lab: Served) -> None:
    point = lnrpc.ChannelPoint(funding_txid_str="00", output_index=1)
    code, text = await lab.refused(
        lab.on(ALICE, Lightning.CloseChannel, lnrpc.CloseChannelRequest(channel_point=point))
    )
    assert (code, text[:22]) == ("NOT_FOUND", "unable to find channel")


async def test_peers_are_those_with_channels(lab: Served) -> None:
    def address(name: str) -> lnrpc.LightningAddress:
        return lnrpc.LightningAddress(pubkey=lab.node(name).node_id, host="10.0.0.1:9735")

    await lab.on(ALICE, Lightning.ConnectPeer, lnrpc.ConnectPeerRequest(addr=address(DAVE)))
    for name, text in ((ALICE, "cannot make connection to self"), (BOB, "already connected to peer")):
        code, found = await lab.refused(
            lab.on(ALICE, Lightning.ConnectPeer, lnrpc.ConnectPeerRequest(addr=address(name)))
        )
        assert (code, found[: len(text)]) == ("UNKNOWN", text)
    request = lnrpc.DisconnectPeerRequest(pub_key=lab.node(BOB).node_id)
    code, found = await lab.refused(lab.on(ALICE, Lightning.DisconnectPeer, request))
    assert found.endswith("all active channels with the peer need to be closed first")


async def test_backups_are_exported_and_verified(lab: Served) -> None:
    everything = await lab.on(ALICE, Lightning.ExportAllChannelBackups)
    assert len(everything.single_chan_backups.chan_backups) == 3
    multi = lnrpc.ChanBackupSnapshot(multi_chan_backup=everything.multi_chan_backup)
    points = (await lab.on(ALICE, Lightning.VerifyChanBackup, multi)).chan_points
    assert (await lab.edge(ALICE, BOB)).channel_point in points
    point = everything.single_chan_backups.chan_backups[0].chan_point
    one = await lab.on(ALICE, Lightning.ExportChannelBackup, lnrpc.ExportChannelBackupRequest(chan_point=point))
    assert one.chan_backup == everything.single_chan_backups.chan_backups[0].chan_backup
    foreign = await lab.refused(lab.on(BOB, Lightning.VerifyChanBackup, multi))
    assert "message authentication failed" in foreign[1]
