"""Peers, and channels that are opened and closed.

Source: LND `rpcserver.go` (parseOpenChannelReq, CloseChannel, ConnectPeer), `lncfg`, `funding/manager.go`.
"""

from collections.abc import AsyncIterator

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.errors import InvariantError
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_SECOND, SAT_PER_BTC, Blocks, Msat, Ppm
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.contract.services import Lightning
from lightninglens.nodes.lnd.server.area import Area
from lightninglens.nodes.lnd.server.calls import Behaviours
from lightninglens.nodes.lnd.server.channel_points import (
    channel_point,
    internal,
    point_message,
    read_point,
    txid,
)
from lightninglens.nodes.lnd.server.closings import closing_txid, pending_update
from lightninglens.nodes.lnd.server.graph import require_vertex, require_vertex_bytes
from lightninglens.nodes.lnd.server.refusals import Refusal, not_found
from lightninglens.sim.engine import Engine
from lightninglens.sim.opening import NewChannel

LEAST_CHANNEL_SAT = 20_000
MOST_CHANNEL_SAT = 10 * SAT_PER_BTC
"""With wumbo channels, which every simulated node supports."""
FUNDING_FEE_SAT = 1_540
"""154 vbytes at 10 sat."""

_DEFAULT_BASE_FEE_MSAT = 1_000
_DEFAULT_FEE_RATE_PPM = 1
_DEFAULT_DELTA_BLOCKS = 80
_LEAST_HTLC_MSAT = 1_000


class Opening(Area):
    """Whom the node is connected to, and what it opens and closes."""

    def behaviours(self) -> Behaviours:
        """Return what this area serves."""
        return {
            Lightning.ConnectPeer.path: self.connect_peer,
            Lightning.DisconnectPeer.path: self.disconnect_peer,
            Lightning.OpenChannelSync.path: self.open_channel_sync,
            Lightning.OpenChannel.path: self.open_channel,
            Lightning.CloseChannel.path: self.close_channel,
        }

    async def connect_peer(self, request: lnrpc.ConnectPeerRequest) -> lnrpc.ConnectPeerResponse:
        """ConnectPeer: every node of the simulation can be reached."""
        if not request.HasField("addr"):
            raise Refusal("need: lnc pubkeyhash@hostname")
        node_id = require_vertex(request.addr.pubkey)
        if node_id == self.node.node_id:
            raise Refusal("cannot make connection to self")
        row = self.network.node_row(node_id)
        if row is None:
            raise Refusal(f"dial tcp {request.addr.host}: connect: connection refused")
        peers = await self.network.read(self._peers)
        if row in peers:
            raise Refusal(f"already connected to peer: {node_id}@{request.addr.host}")
        return lnrpc.ConnectPeerResponse(status=f"connection to {node_id}@{request.addr.host} initiated")

    def _peers(self, engine: Engine) -> set[int]:
        return {int(engine.graph.node_index(state.peer_id)) for state in engine.channel_states(self.node.row)}

    async def disconnect_peer(self, request: lnrpc.DisconnectPeerRequest) -> lnrpc.DisconnectPeerResponse:
        """DisconnectPeer: refused as in LND while there are channels; there is no other connection."""
        node_id = require_vertex(request.pub_key)
        row = self.network.node_row(node_id)
        if row in await self.network.read(self._peers):
            raise Refusal(
                f"cannot disconnect from peer({node_id}), all active channels with the peer need to be closed first"
            )
        raise Refusal(f"unable to disconnect peer: peer {node_id} is not connected")

    async def open_channel_sync(self, request: lnrpc.OpenChannelRequest) -> lnrpc.ChannelPoint:
        """OpenChannelSync: the channel can be used at once, and is announced six blocks later."""
        channel_id = await self._open(request)
        return lnrpc.ChannelPoint(funding_txid_bytes=internal(txid(channel_id)), output_index=channel_id.output)

    async def open_channel(self, request: lnrpc.OpenChannelRequest) -> AsyncIterator[lnrpc.OpenStatusUpdate]:
        """OpenChannel: pending, and open."""
        channel_id = await self._open(request)
        pending = lnrpc.PendingUpdate(txid=internal(txid(channel_id)), output_index=channel_id.output)
        yield lnrpc.OpenStatusUpdate(chan_pending=pending, pending_chan_id=bytes(32))
        point = point_message(channel_id)
        yield lnrpc.OpenStatusUpdate(chan_open=lnrpc.ChannelOpenUpdate(channel_point=point), pending_chan_id=bytes(32))

    async def _open(self, request: lnrpc.OpenChannelRequest) -> ChannelId:
        if not self.network.can_grow:
            raise Refusal("channels cannot be opened in this simulation: use `lens serve-lnd`")
        peer = self._peer_of(request)
        capacity_sat, push_sat = _amounts(request)
        needed = capacity_sat + FUNDING_FEE_SAT
        if needed > self.node.wallet_sat:
            have, need = (sat / SAT_PER_BTC for sat in (self.node.wallet_sat, needed))
            raise Refusal(
                "not enough witness outputs to create funding transaction, need"
                f" {need:.8f} BTC only have {have:.8f} BTC available"
            )

        def act(engine: Engine) -> ChannelId:
            channel_id = self._new_id(engine)
            try:
                row = engine.open_channel(
                    NewChannel(
                        channel_id=channel_id,
                        opener=self.node.row,
                        peer=peer,
                        capacity_sat=capacity_sat,
                        push_sat=push_sat,
                        opener_policy=_policy(capacity_sat, request),
                        peer_policy=_policy(capacity_sat, lnrpc.OpenChannelRequest()),
                    )
                )
            except InvariantError as problem:
                raise Refusal(str(problem)) from None
            self.network.opened(engine, row, push_sat)
            self._pay_for(engine, channel_id, capacity_sat)
            return channel_id

        return await self.network.act(act)

    def _peer_of(self, request: lnrpc.OpenChannelRequest) -> int:
        """Return the row of who is to be at the other end; raises Refusal."""
        if request.node_pubkey:
            node_id = require_vertex_bytes(request.node_pubkey)
        elif request.node_pubkey_string:
            node_id = require_vertex(request.node_pubkey_string)
        else:
            raise Refusal("NodePubkey is not set")
        if node_id == self.node.node_id:
            raise Refusal("cannot open channel to self")
        row = self.network.node_row(node_id)
        if row is None:
            raise Refusal(f"peer {node_id} is not online")
        if request.private:
            raise Refusal("private channels are not simulated")
        return row

    def _new_id(self, engine: Engine) -> ChannelId:
        """Return an id that no channel has, in the block of now."""
        for transaction in range(1, 2**16):
            found = ChannelId.of(engine.block_height, transaction, 0)
            if self.network.channels.row(found) is None:
                return found
        raise Refusal("the block is full")

    def _pay_for(self, engine: Engine, channel_id: ChannelId, capacity_sat: int) -> None:
        """Take what a channel costs from the wallet."""
        self.node.wallet_sat -= capacity_sat + FUNDING_FEE_SAT
        self.node.record_transaction(
            lnrpc.Transaction(
                tx_hash=txid(channel_id),
                amount=-(capacity_sat + FUNDING_FEE_SAT),
                block_height=engine.block_height,
                time_stamp=self.network.now_ns(engine) // NS_PER_SECOND,
                total_fees=FUNDING_FEE_SAT,
                label=f"0:openchannel:shortchanid-{int(channel_id)}",
            )
        )

    async def close_channel(self, request: lnrpc.CloseChannelRequest) -> AsyncIterator[lnrpc.CloseStatusUpdate]:
        """CloseChannel: pending at once, closed when nothing is in flight any more."""
        if not request.HasField("channel_point"):
            raise Refusal("must specify channel point in close channel")
        if request.force and (request.sat_per_byte or request.sat_per_vbyte or request.target_conf):
            raise Refusal("force closing a channel uses a pre-defined fee")
        point = read_point(request.channel_point)
        row = self.network.channels.row_at(*point)
        if row is None or row not in self.node.initial_peer_sat:
            raise not_found(f"unable to find channel: {point[0]}:{point[1]}")
        found = row
        news = self.node.channel_hub.listen()

        def act(engine: Engine) -> ChannelId:
            return self._close(engine, found, force=request.force)

        channel_id = await self.network.act(act)
        yield lnrpc.CloseStatusUpdate(close_pending=pending_update(channel_id))
        async for data in news:
            event = lnrpc.ChannelEventUpdate.FromString(data)
            if event.type == event.CLOSED_CHANNEL and event.closed_channel.channel_point == channel_point(channel_id):
                closed = lnrpc.ChannelCloseUpdate(closing_txid=internal(closing_txid(channel_id)), success=True)
                yield lnrpc.CloseStatusUpdate(chan_close=closed)
                return

    def _close(self, engine: Engine, row: int, *, force: bool) -> ChannelId:
        channel_id = engine.graph.channel_id(row)
        local = engine.local_msat()
        balances = {
            int(engine.graph.node1[row]): int(local[2 * row]) // MSAT_PER_SAT,
            int(engine.graph.node2[row]): int(local[2 * row + 1]) // MSAT_PER_SAT,
        }
        try:
            engine.close_channel(row, force=force)
        except InvariantError:
            raise Refusal("cannot close channel with state: ChanStatusCoopBroadcasted") from None
        self.network.closings.begin(row, self.node.row, force=force, balances_sat=balances)
        return channel_id


def _amounts(request: lnrpc.OpenChannelRequest) -> tuple[int, int]:
    """Return capacity and what is pushed, in sat; raises Refusal with LND's limits."""
    capacity_sat, push_sat = request.local_funding_amount, request.push_sat
    if capacity_sat == 0:
        raise Refusal("local funding amount must be non-zero")
    if push_sat >= capacity_sat or push_sat < 0:
        raise Refusal("amount pushed to remote peer for initial state must be below the local funding amount")
    if capacity_sat > MOST_CHANNEL_SAT:
        raise Refusal(f"funding amount is too large, the max channel size is: {MOST_CHANNEL_SAT / SAT_PER_BTC:g} BTC")
    if capacity_sat < LEAST_CHANNEL_SAT:
        raise Refusal(f"channel is too small, the minimum channel size is: {LEAST_CHANNEL_SAT} SAT")
    return capacity_sat, push_sat


def _policy(capacity_sat: int, request: lnrpc.OpenChannelRequest) -> ChannelPolicy:
    """Return what an end asks for a new channel."""
    return ChannelPolicy(
        base_fee_msat=Msat(request.base_fee if request.use_base_fee else _DEFAULT_BASE_FEE_MSAT),
        fee_rate_ppm=Ppm(request.fee_rate if request.use_fee_rate else _DEFAULT_FEE_RATE_PPM),
        time_lock_delta_blocks=Blocks(_DEFAULT_DELTA_BLOCKS),
        min_htlc_msat=Msat(request.min_htlc_msat or _LEAST_HTLC_MSAT),
        max_htlc_msat=Msat(capacity_sat * MSAT_PER_SAT * 99 // 100),
    )
