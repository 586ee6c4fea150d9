"""A node's channels, peers and balances, and the events about them."""

from collections.abc import AsyncIterator

from lightninglens.core.channels import COMMITMENT_WEIGHT, HTLC_OUTPUT_WEIGHT, MAX_HTLC_SLOTS, ChannelState, Opener
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_SECOND
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.contract.services import Lightning
from lightninglens.nodes.lnd.server.area import Area
from lightninglens.nodes.lnd.server.calls import Behaviours
from lightninglens.nodes.lnd.server.channel_points import channel_point, transaction_id
from lightninglens.nodes.lnd.server.closings import closing_txid
from lightninglens.nodes.lnd.server.features import NODE_FEATURES
from lightninglens.nodes.lnd.server.ledger import ChannelBook, PendingHtlc
from lightninglens.nodes.lnd.server.refusals import Refusal
from lightninglens.nodes.lnd.server.topology import address_of
from lightninglens.sim.engine import Engine
from lightninglens.sim.life import Stage

_DUST_LIMIT_SAT = 354
_CSV_BLOCKS = 144
_LEAST_HTLC_MSAT = 1
_ANCHORS = lnrpc.ANCHORS


class Channels(Area):
    """Open, closing and closed channels, and the peers at their other ends."""

    def behaviours(self) -> Behaviours:
        """Return what this area serves."""
        return {
            Lightning.ListChannels.path: self.list_channels,
            Lightning.PendingChannels.path: self.pending_channels,
            Lightning.ClosedChannels.path: self.closed_channels,
            Lightning.ChannelBalance.path: self.channel_balance,
            Lightning.ListPeers.path: self.list_peers,
            Lightning.SubscribeChannelEvents.path: self.subscribe_channel_events,
            Lightning.SubscribePeerEvents.path: self.subscribe_peer_events,
            Lightning.ListAliases.path: self.list_aliases,
        }

    async def list_channels(self, request: lnrpc.ListChannelsRequest) -> lnrpc.ListChannelsResponse:
        """ListChannels, narrowed as asked."""
        if request.active_only and request.inactive_only:
            raise Refusal("either `active_only` or `inactive_only` can be set, but not both")
        if request.public_only and request.private_only:
            raise Refusal("either `public_only` or `private_only` can be set, but not both")
        if request.peer and len(request.peer) != 33:
            raise Refusal(f"invalid `peer` key: invalid vertex length of {len(request.peer)}, want 33")
        wanted = request.peer.hex()

        def answer(engine: Engine) -> lnrpc.ListChannelsResponse:
            response = lnrpc.ListChannelsResponse()
            if request.private_only:
                return response
            for direction, state in self._open(engine):
                if (request.active_only and not state.active) or (request.inactive_only and state.active):
                    continue
                if wanted and state.peer_id != wanted:
                    continue
                channel = self._channel(engine, direction, state)
                if request.peer_alias_lookup:
                    channel.peer_alias = state.peer_alias
                response.channels.append(channel)
            return response

        return await self.network.read(answer)

    def _open(self, engine: Engine) -> list[tuple[int, ChannelState]]:
        """Return the node's channels that are not being closed, by direction."""
        found = zip(engine.directions_of(self.node.row), engine.channel_states(self.node.row), strict=True)
        return [(direction, state) for direction, state in found if engine.stage(direction // 2) is Stage.OPEN]

    def _channel(self, engine: Engine, direction: int, state: ChannelState) -> lnrpc.Channel:
        row = direction // 2
        sent_sat, received_sat = self.node.sent_and_received_sat(row)
        book = self.node.book(row)
        lifetime_s = max((self.network.now_ns(engine) - self.network.start_ns) // NS_PER_SECOND, 0)
        pending = [_htlc(htlc) for htlc in book.pending.values()]
        unsettled_sat = state.unsettled_msat // MSAT_PER_SAT
        local_sat, remote_sat = state.local_msat // MSAT_PER_SAT, state.remote_msat // MSAT_PER_SAT
        return lnrpc.Channel(
            active=state.active,
            remote_pubkey=state.peer_id,
            channel_point=channel_point(state.channel_id),
            chan_id=state.channel_id,
            capacity=state.capacity_sat,
            local_balance=local_sat,
            remote_balance=remote_sat,
            commit_fee=state.commit_fee_sat,
            commit_weight=COMMITMENT_WEIGHT + HTLC_OUTPUT_WEIGHT * state.pending_htlcs,
            fee_per_kw=engine.config.commit_feerate_sat_per_kw,
            unsettled_balance=unsettled_sat,
            total_satoshis_sent=sent_sat,
            total_satoshis_received=received_sat,
            num_updates=book.updates,
            pending_htlcs=pending,
            csv_delay=_CSV_BLOCKS,
            initiator=state.opener is Opener.LOCAL,
            chan_status_flags="ChanStatusDefault",
            local_chan_reserve_sat=state.local_reserve_sat,
            remote_chan_reserve_sat=state.remote_reserve_sat,
            lifetime=lifetime_s,
            uptime=lifetime_s if state.active else 0,
            commitment_type=_ANCHORS,
            push_amount_sat=self.node.initial_peer_sat.get(row, 0),
            local_constraints=_constraints(state, state.local_reserve_sat),
            remote_constraints=_constraints(state, state.remote_reserve_sat),
        )

    async def channel_balance(self, _request: lnrpc.ChannelBalanceRequest) -> lnrpc.ChannelBalanceResponse:
        """ChannelBalance."""

        def answer(engine: Engine) -> lnrpc.ChannelBalanceResponse:
            states = self._open(engine)
            books = [self.node.book(direction // 2) for direction, _ in states]
            local_msat = sum(state.local_msat for _, state in states)
            remote_msat = sum(state.remote_msat for _, state in states)
            incoming_msat = sum(_pending_msat(book, incoming=True) for book in books)
            outgoing_msat = sum(_pending_msat(book, incoming=False) for book in books)
            return lnrpc.ChannelBalanceResponse(
                balance=local_msat // MSAT_PER_SAT,
                local_balance=_amount(local_msat),
                remote_balance=_amount(remote_msat),
                unsettled_local_balance=_amount(incoming_msat),
                unsettled_remote_balance=_amount(outgoing_msat),
                pending_open_local_balance=_amount(0),
                pending_open_remote_balance=_amount(0),
            )

        return await self.network.read(answer)

    async def pending_channels(self, _request: lnrpc.PendingChannelsRequest) -> lnrpc.PendingChannelsResponse:
        """PendingChannels: those being closed; a simulated channel opens at once."""

        def answer(engine: Engine) -> lnrpc.PendingChannelsResponse:
            response = lnrpc.PendingChannelsResponse()
            closings = self.network.closings
            for row, force in closings.pending(engine, self.node):
                channel_id = engine.graph.channel_id(row)
                balance_sat = closings.balance_sat(row, self.node.row)
                channel = self._pending(engine, row, channel_id, balance_sat)
                if force:
                    response.pending_force_closing_channels.add(
                        channel=channel, closing_txid=closing_txid(channel_id), limbo_balance=balance_sat
                    )
                else:
                    response.waiting_close_channels.add(
                        channel=channel, limbo_balance=balance_sat, closing_txid=closing_txid(channel_id)
                    )
                response.total_limbo_balance += balance_sat
            return response

        return await self.network.read(answer)

    def _pending(
        self, engine: Engine, row: int, channel_id: ChannelId, balance_sat: int
    ) -> lnrpc.PendingChannelsResponse.PendingChannel:
        graph = engine.graph
        ends = (int(graph.node1[row]), int(graph.node2[row]))
        peer = ends[0] if ends[1] == self.node.row else ends[1]
        opened_here = ends[engine.opener_side(row)] == self.node.row
        return lnrpc.PendingChannelsResponse.PendingChannel(
            remote_node_pub=graph.node_ids[peer],
            channel_point=channel_point(channel_id),
            capacity=int(graph.capacity_sat[row]),
            local_balance=balance_sat,
            remote_balance=self.network.closings.balance_sat(row, peer),
            initiator=lnrpc.INITIATOR_LOCAL if opened_here else lnrpc.INITIATOR_REMOTE,
            commitment_type=_ANCHORS,
            chan_status_flags="ChanStatusCoopBroadcasted|ChanStatusLocalCloseInitiator",
        )

    async def closed_channels(self, request: lnrpc.ClosedChannelsRequest) -> lnrpc.ClosedChannelsResponse:
        """ClosedChannels, of the kinds that are asked for; without any, of all."""
        kind = lnrpc.ChannelCloseSummary
        wanted = {
            kind.COOPERATIVE_CLOSE: request.cooperative,
            kind.LOCAL_FORCE_CLOSE: request.local_force,
            kind.REMOTE_FORCE_CLOSE: request.remote_force,
            kind.BREACH_CLOSE: request.breach,
            kind.FUNDING_CANCELED: request.funding_canceled,
            kind.ABANDONED: request.abandoned,
        }

        def answer(engine: Engine) -> lnrpc.ClosedChannelsResponse:
            closings = self.network.closings
            rows = closings.closed(engine, self.node)
            summaries = [closings.summary(engine, row, self.node) for row in rows]
            if any(wanted.values()):
                summaries = [summary for summary in summaries if wanted[summary.close_type]]
            return lnrpc.ClosedChannelsResponse(channels=summaries)

        return await self.network.read(answer)

    async def list_peers(self, _request: lnrpc.ListPeersRequest) -> lnrpc.ListPeersResponse:
        """ListPeers: a node is connected to those it has an active channel with."""

        def answer(engine: Engine) -> lnrpc.ListPeersResponse:
            peers: dict[str, lnrpc.Peer] = {}
            for direction, state in self._open(engine):
                if not state.active:
                    continue
                row = engine.graph.node_index(state.peer_id)
                peer = peers.setdefault(state.peer_id, _peer(state, row))
                sent_sat, received_sat = self.node.sent_and_received_sat(direction // 2)
                peer.sat_sent += sent_sat
                peer.sat_recv += received_sat
            return lnrpc.ListPeersResponse(peers=list(peers.values()))

        return await self.network.read(answer)

    async def list_aliases(self, _request: lnrpc.ListAliasesRequest) -> lnrpc.ListAliasesResponse:
        """ListAliases: simulated channels have none."""
        return lnrpc.ListAliasesResponse()

    async def subscribe_channel_events(self, _request: lnrpc.ChannelEventSubscription) -> AsyncIterator[bytes]:
        """SubscribeChannelEvents."""
        async for event in self.node.channel_hub.listen():
            yield event

    async def subscribe_peer_events(self, _request: lnrpc.PeerEventSubscription) -> AsyncIterator[lnrpc.PeerEvent]:
        """SubscribePeerEvents: peers that come and go with their channels."""
        async for data in self.node.channel_hub.listen():
            event = lnrpc.ChannelEventUpdate.FromString(data)
            if event.type == event.ACTIVE_CHANNEL:
                kind, point = lnrpc.PeerEvent.PEER_ONLINE, event.active_channel
            elif event.type == event.INACTIVE_CHANNEL:
                kind, point = lnrpc.PeerEvent.PEER_OFFLINE, event.inactive_channel
            else:
                continue
            peer = self._peer_at(point)
            if peer is not None:
                yield lnrpc.PeerEvent(pub_key=peer, type=kind)

    def _peer_at(self, point: lnrpc.ChannelPoint) -> str | None:
        graph = self.network.graph
        row = self.network.channels.row_at(point.funding_txid_bytes[::-1].hex(), point.output_index)
        if row is None:
            return None
        ends = (int(graph.node1[row]), int(graph.node2[row]))
        return graph.node_ids[ends[0] if ends[1] == self.node.row else ends[1]]


def _htlc(htlc: PendingHtlc) -> lnrpc.HTLC:
    return lnrpc.HTLC(
        incoming=htlc.is_incoming,
        amount=htlc.amount_msat // MSAT_PER_SAT,
        hash_lock=bytes.fromhex(transaction_id(f"htlc/{int(htlc.other_channel)}/{htlc.htlc_id}")),
        expiration_height=htlc.expiry_height,
        htlc_index=htlc.htlc_id,
        forwarding_channel=htlc.other_channel,
        forwarding_htlc_index=htlc.other_htlc_id,
        locked_in=True,
    )


def _pending_msat(book: ChannelBook, *, incoming: bool) -> int:
    return sum(htlc.amount_msat for htlc in book.pending.values() if htlc.is_incoming == incoming)


def _constraints(state: ChannelState, reserve_sat: int) -> lnrpc.ChannelConstraints:
    return lnrpc.ChannelConstraints(
        csv_delay=_CSV_BLOCKS,
        chan_reserve_sat=reserve_sat,
        dust_limit_sat=_DUST_LIMIT_SAT,
        max_pending_amt_msat=(state.capacity_sat - reserve_sat) * MSAT_PER_SAT,
        min_htlc_msat=_LEAST_HTLC_MSAT,
        max_accepted_htlcs=MAX_HTLC_SLOTS,
    )


def _amount(amount_msat: int) -> lnrpc.Amount:
    return lnrpc.Amount(sat=amount_msat // MSAT_PER_SAT, msat=amount_msat)


def _peer(state: ChannelState, row: int) -> lnrpc.Peer:
    return lnrpc.Peer(
        pub_key=state.peer_id,
        address=address_of(row),
        inbound=state.opener is Opener.REMOTE,
        ping_time=20_000,
        sync_type=lnrpc.Peer.ACTIVE_SYNC,
        features=NODE_FEATURES,
    )
