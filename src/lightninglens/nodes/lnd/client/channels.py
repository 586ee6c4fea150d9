"""Opening and closing an LND node's channels, its wallet and its watchtowers: `core.ports.ChannelManager`."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from lightninglens.core.clock import Clock
from lightninglens.core.errors import NodeRefused, NodeUnavailable
from lightninglens.core.ids import NodeId
from lightninglens.core.node import (
    ChannelBackup,
    OnChainBalance,
    OnChainEstimate,
    OpenRequest,
    PendingChannel,
    Watchtower,
)
from lightninglens.core.units import MSAT_PER_SAT, Sat
from lightninglens.nodes.lnd.client.faults import CallFailed
from lightninglens.nodes.lnd.client.place import LndOptions
from lightninglens.nodes.lnd.client.records import channel_point, pending_channels
from lightninglens.nodes.lnd.client.roles import Role
from lightninglens.nodes.lnd.client.session import Session, connected
from lightninglens.nodes.lnd.contract import lnrpc, wtclientrpc
from lightninglens.nodes.lnd.contract.services import Lightning, WatchtowerClient

PUBLISHED_TIMEOUT_S = 120.0
"""Both peers sign a funding or closing transaction before it is published."""
_ALREADY = re.compile(r"already connected to peer")


class LndChannelManager:
    """Opens and closes the channels of one LND node."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @classmethod
    @asynccontextmanager
    async def at(cls, options: LndOptions, clock: Clock | None = None) -> AsyncIterator["LndChannelManager"]:
        """Connect for managing channels; raises as `session.connected` does."""
        async with connected(Role.CHANNELS, options, clock) as session:
            yield cls(session)

    async def connect(self, peer_id: NodeId, address: str) -> None:
        """Connect to a peer at `host:port`; to be connected already is no error."""
        request = lnrpc.ConnectPeerRequest(addr=lnrpc.LightningAddress(pubkey=peer_id, host=address))
        try:
            await self._session.raw_call(Lightning.ConnectPeer, request, timeout_s=PUBLISHED_TIMEOUT_S)
        except CallFailed as failed:
            if not _ALREADY.search(failed.text):
                raise await self._session.explained(failed, "ConnectPeer") from None

    async def disconnect(self, peer_id: NodeId) -> None:
        """Let go of a peer; LND (tried with 0.21) does so even while there are channels with it."""
        await self._session.call(Lightning.DisconnectPeer, lnrpc.DisconnectPeerRequest(pub_key=peer_id))

    async def open(self, request: OpenRequest) -> str:
        """Begin to open a channel and return its funding output once that is published."""
        if request.push_msat % MSAT_PER_SAT or not 0 <= request.push_msat <= request.local_sat * MSAT_PER_SAT:
            raise NodeRefused(f"{request.push_msat} msat cannot be given to the peer: whole sat, at most the capacity")
        asked = lnrpc.OpenChannelRequest(
            node_pubkey=bytes.fromhex(request.peer_id),
            local_funding_amount=request.local_sat,
            push_sat=request.push_msat // MSAT_PER_SAT,
            private=request.private,
            memo=request.memo,
        )
        if request.fee_rate_sat_per_vbyte is not None:
            asked.sat_per_vbyte = request.fee_rate_sat_per_vbyte
        stream = self._session.transport.stream(Lightning.OpenChannel, asked)
        return await self._published("OpenChannel", (_opened(said) async for said in stream))

    async def close(
        self, channel_point_text: str, *, force: bool = False, fee_rate_sat_per_vbyte: int | None = None
    ) -> str:
        """Begin to close a channel and return the closing transaction's id once that is published."""
        asked = lnrpc.CloseChannelRequest(channel_point=channel_point(channel_point_text), force=force)
        if fee_rate_sat_per_vbyte is not None:
            asked.sat_per_vbyte = fee_rate_sat_per_vbyte
        stream = self._session.transport.stream(Lightning.CloseChannel, asked)
        return await self._published("CloseChannel", (_closing(said) async for said in stream))

    async def pending(self) -> Sequence[PendingChannel]:
        """Return the channels on their way in or out."""
        return pending_channels(await self._session.call(Lightning.PendingChannels, lnrpc.PendingChannelsRequest()))

    async def on_chain_balance(self) -> OnChainBalance:
        """Return what the wallet has on the chain."""
        said = await self._session.call(Lightning.WalletBalance, lnrpc.WalletBalanceRequest())
        return OnChainBalance(
            confirmed_sat=Sat(said.confirmed_balance),
            unconfirmed_sat=Sat(said.unconfirmed_balance),
            locked_sat=Sat(said.locked_balance),
            anchor_reserve_sat=Sat(said.reserved_balance_anchor_chan),
        )

    async def new_address(self) -> str:
        """Return an address of the wallet (taproot) that was not used before."""
        request = lnrpc.NewAddressRequest(type=lnrpc.TAPROOT_PUBKEY)
        return (await self._session.call(Lightning.NewAddress, request)).address

    async def estimate_on_chain(self, address: str, amount_sat: Sat, *, target_blocks: int = 6) -> OnChainEstimate:
        """Return what sending this much to an address would cost; raises NodeRefused when the wallet has less."""
        request = lnrpc.EstimateFeeRequest(AddrToAmount={address: amount_sat}, target_conf=target_blocks)
        said = await self._session.call(Lightning.EstimateFee, request)
        return OnChainEstimate(fee_sat=Sat(said.fee_sat), fee_rate_sat_per_vbyte=said.sat_per_vbyte)

    async def export_backup(self) -> ChannelBackup:
        """Return the backup of all channels."""
        said = await self._session.call(Lightning.ExportAllChannelBackups, lnrpc.ChanBackupExportRequest())
        points = tuple(map(_point, said.multi_chan_backup.chan_points))
        return ChannelBackup(channel_points=points, data=said.multi_chan_backup.multi_chan_backup)

    async def add_tower(self, tower_id: NodeId, address: str) -> None:
        """Let a tower at `host:port` watch; raises NodeRefused where the node's tower client is off."""
        request = wtclientrpc.AddTowerRequest(pubkey=bytes.fromhex(tower_id), address=address)
        await self._session.call(WatchtowerClient.AddTower, request)

    async def remove_tower(self, tower_id: NodeId) -> None:
        """Use a tower no more."""
        request = wtclientrpc.RemoveTowerRequest(pubkey=bytes.fromhex(tower_id))
        await self._session.call(WatchtowerClient.RemoveTower, request)

    async def towers(self) -> Sequence[Watchtower]:
        """Return the towers in use."""
        said = await self._session.call(WatchtowerClient.ListTowers, wtclientrpc.ListTowersRequest())
        return tuple(_tower(tower) for tower in said.towers)

    async def _published(self, what: str, updates: AsyncIterator[str]) -> str:
        """Return the first update that names a transaction; the node goes on by itself after it."""
        try:
            async with asyncio.timeout(PUBLISHED_TIMEOUT_S):
                async for found in updates:
                    if found:
                        return found
        except CallFailed as failed:
            raise await self._session.explained(failed, what) from None
        except TimeoutError:
            raise NodeUnavailable(f"{what}: nothing was published in time; look at the pending channels") from None
        raise NodeUnavailable(f"{what}: the node ended the stream before it published anything")


def _opened(said: lnrpc.OpenStatusUpdate) -> str:
    pending = said.chan_pending
    if said.WhichOneof("update") != "chan_pending":
        return ""
    return f"{pending.txid[::-1].hex()}:{pending.output_index}"


def _closing(said: lnrpc.CloseStatusUpdate) -> str:
    if said.WhichOneof("update") != "close_pending":
        return ""
    return said.close_pending.txid[::-1].hex()


def _point(said: lnrpc.ChannelPoint) -> str:
    return f"{said.funding_txid_str or said.funding_txid_bytes[::-1].hex()}:{said.output_index}"


def _tower(said: wtclientrpc.Tower) -> Watchtower:
    sessions = said.session_info
    return Watchtower(
        tower_id=NodeId(said.pubkey.hex()),
        addresses=tuple(said.addresses),
        active=any(each.active_session_candidate for each in sessions),
        sessions=sum(each.num_sessions for each in sessions),
    )
