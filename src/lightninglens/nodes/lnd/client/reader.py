"""Reading an LND node: `core.ports.NodeReader`."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from lightninglens.core.channels import ChannelState
from lightninglens.core.clock import Clock
from lightninglens.core.costs import OnChainCost, SelfPayment
from lightninglens.core.errors import NodeRefused, NodeUnavailable
from lightninglens.core.forwards import Forward, ForwardPage, Gap
from lightninglens.core.htlc import HtlcEvent
from lightninglens.core.ids import NodeId
from lightninglens.core.node import ClosedChannel, NodeInfo, PendingChannel
from lightninglens.nodes.lnd.client.costs import on_chain_costs, self_payments
from lightninglens.nodes.lnd.client.events import Source, htlc_events
from lightninglens.nodes.lnd.client.faults import CallFailed, Code, clean
from lightninglens.nodes.lnd.client.history import all_forwards, forwarding_history
from lightninglens.nodes.lnd.client.place import LndOptions
from lightninglens.nodes.lnd.client.records import channel_state, closed_channel, pending_channels
from lightninglens.nodes.lnd.client.roles import Role
from lightninglens.nodes.lnd.client.session import GRAPH_TIMEOUT_S, Session, connected
from lightninglens.nodes.lnd.contract import lnrpc, routerrpc
from lightninglens.nodes.lnd.contract.services import Lightning, Router

if TYPE_CHECKING:
    from lightninglens.core.graph import NetworkGraph

MAX_QUESTIONS = 16
"""Asked at a time where each channel needs one."""
UNNOTICED_S = 60.0
"""gRPC's keepalive finds a dead connection within 50 s."""


async def edge_of(session: Session, channel_id: int) -> lnrpc.ChannelEdge | None:
    """Return a channel as the node's graph has it, or None when it does not."""
    try:
        return await session.raw_call(Lightning.GetChanInfo, lnrpc.ChanInfoRequest(chan_id=channel_id))
    except CallFailed as failed:
        if failed.code is Code.NOT_FOUND or "edge not found" in failed.text or "marked as zombie" in failed.text:
            return None
        raise await session.explained(failed, "GetChanInfo") from None


async def own_channels(session: Session) -> Sequence[lnrpc.Channel]:
    """Return the node's open channels as LND lists them."""
    request = lnrpc.ListChannelsRequest(peer_alias_lookup=True)
    return (await session.call(Lightning.ListChannels, request, timeout_s=GRAPH_TIMEOUT_S)).channels


def node_info(session: Session, said: lnrpc.GetInfoResponse) -> NodeInfo:
    """Return who the node is, from what it says."""
    return NodeInfo(
        node_id=NodeId(said.identity_pubkey),
        alias=clean(said.alias),
        channel_count=said.num_active_channels + said.num_inactive_channels,
        block_height=said.block_height,
        block_hash=clean(said.block_hash),
        version=clean(said.version),
        network=session.network,
        synced_to_chain=said.synced_to_chain,
        synced_to_graph=said.synced_to_graph,
        transport=session.transport.name,
        lacks=session.version.lacks(),
    )


class LndReader:
    """Reads one LND node."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @classmethod
    @asynccontextmanager
    async def at(cls, options: LndOptions, clock: Clock | None = None) -> AsyncIterator["LndReader"]:
        """Connect for reading; raises as `session.connected` does."""
        async with connected(Role.MONITOR, options, clock) as session:
            yield cls(session)

    @property
    def warning(self) -> str:
        """What the node's owner should know of the macaroon; empty when it is as narrow as it can be."""
        return self._session.credential.warning

    async def info(self) -> NodeInfo:
        """Return who the node is, how up to date, and what its version lacks."""
        return node_info(self._session, await self._session.info())

    async def channels(self) -> Sequence[ChannelState]:
        """Return the open channels with both sides' policies, one question for each."""
        session, room = self._session, asyncio.Semaphore(MAX_QUESTIONS)

        async def one(said: lnrpc.Channel) -> ChannelState:
            async with room:
                edge = await edge_of(session, said.chan_id)
            return channel_state(said, edge, session.node_id)

        return await asyncio.gather(*map(one, await own_channels(session)))

    async def closed_channels(self) -> Sequence[ClosedChannel]:
        """Return the channels that the node once had."""
        said = await self._session.call(Lightning.ClosedChannels, lnrpc.ClosedChannelsRequest())
        return tuple(map(closed_channel, said.channels))

    async def pending_channels(self) -> Sequence[PendingChannel]:
        """Return the channels on their way in or out."""
        return pending_channels(await self._session.call(Lightning.PendingChannels, lnrpc.PendingChannelsRequest()))

    async def graph(self) -> "NetworkGraph":
        """Return the public network, in columns made outside the event loop; raises DataError for nonsense."""
        said = await self._session.call(Lightning.DescribeGraph, lnrpc.ChannelGraphRequest(), timeout_s=GRAPH_TIMEOUT_S)
        from lightninglens.nodes.lnd.client.graph import network_graph  # noqa: PLC0415 - numpy takes 0.3 s to import

        return await asyncio.to_thread(network_graph, said)

    async def forwarding_history(
        self, *, since_ns: int = 0, until_ns: int | None = None
    ) -> AsyncGenerator[ForwardPage, None]:
        """Yield the settled forwards of a time, oldest first."""
        async for page in forwarding_history(self._session, since_ns=since_ns, until_ns=until_ns):
            yield page

    async def self_payments(self, *, since_ns: int = 0) -> AsyncGenerator[tuple[SelfPayment, ...], None]:
        """Yield the payments to our own key that succeeded, the newest page first."""
        async for page in self_payments(self._session, since_ns=since_ns):
            yield page

    async def on_chain_costs(self, *, since_height: int = 0) -> Sequence[OnChainCost]:
        """Return what channels cost us on the chain, as far as the wallet knows."""
        return await on_chain_costs(self._session, await own_channels(self._session), since_height=since_height)

    def htlc_events(self) -> AsyncGenerator[HtlcEvent | Gap, None]:
        """Yield HTLC events and gaps, over breaks of the connection, until the node refuses."""
        return htlc_events(self._source())

    def _source(self) -> Source:
        session = self._session

        async def subscribe() -> AsyncGenerator[routerrpc.HtlcEvent, None]:
            try:
                request = routerrpc.SubscribeHtlcEventsRequest()
                async for said in session.transport.stream(Router.SubscribeHtlcEvents, request):
                    yield said
            except CallFailed as failed:
                error = await session.explained(failed, "SubscribeHtlcEvents")
                if failed.code is Code.UNKNOWN and isinstance(error, NodeRefused):
                    error = NodeUnavailable(str(error))  # Go's errors have no code: a stream that was there comes again
                raise error from None

        async def settled(from_ns: int, to_ns: int) -> tuple[Forward, ...]:
            return await all_forwards(session, since_ns=from_ns, until_ns=to_ns)

        unnoticed_s = UNNOTICED_S if session.transport.name == "grpc" else None
        return Source(subscribe=subscribe, settled=settled, clock=session.clock, unnoticed_s=unnoticed_s)
