"""What the node forwarded, and its HTLC events as they happen."""

from collections.abc import AsyncIterator

import grpc

from lightninglens.core.units import MSAT_PER_SAT, NS_PER_SECOND
from lightninglens.nodes.lnd.contract import lnrpc, routerrpc
from lightninglens.nodes.lnd.contract.services import Lightning, Router
from lightninglens.nodes.lnd.server.area import Area
from lightninglens.nodes.lnd.server.calls import Behaviours
from lightninglens.nodes.lnd.server.ledger import Forward
from lightninglens.nodes.lnd.server.refusals import Refusal
from lightninglens.sim.engine import Engine

DEFAULT_EVENTS = 100


class Forwarding(Area):
    """Forwards, settled and under way."""

    def behaviours(self) -> Behaviours:
        """Return what this area serves."""
        return {
            Lightning.ForwardingHistory.path: self.forwarding_history,
            Lightning.LookupHtlcResolution.path: self.lookup_htlc_resolution,
            Router.SubscribeHtlcEvents.path: self.subscribe_htlc_events,
        }

    async def forwarding_history(self, request: lnrpc.ForwardingHistoryRequest) -> lnrpc.ForwardingHistoryResponse:
        """ForwardingHistory: an inclusive slice of time, oldest first, a page of it."""

        def answer(engine: Engine) -> lnrpc.ForwardingHistoryResponse:
            end_ns = request.end_time * NS_PER_SECOND if request.end_time else self.network.now_ns(engine)
            found = self.node.forwards.slice(
                request.start_time * NS_PER_SECOND,
                end_ns,
                skip=request.index_offset,
                most=request.num_max_events or DEFAULT_EVENTS,
                incoming=frozenset(request.incoming_chan_ids),
                outgoing=frozenset(request.outgoing_chan_ids),
            )
            aliases = self._aliases(engine) if request.peer_alias_lookup else {}
            return lnrpc.ForwardingHistoryResponse(
                forwarding_events=[_event(forward, aliases) for forward in found],
                last_offset_index=request.index_offset + len(found),
            )

        return await self.network.read(answer)

    def _aliases(self, engine: Engine) -> dict[int, str]:
        """Return the alias of the peer of each of the node's channels, also of those that are gone."""
        graph = engine.graph
        found = {}
        for row in self.node.initial_peer_sat:
            ends = (int(graph.node1[row]), int(graph.node2[row]))
            found[int(graph.channel_id(row))] = graph.aliases[ends[0] if ends[1] == self.node.row else ends[1]]
        return found

    async def lookup_htlc_resolution(
        self, _request: lnrpc.LookupHtlcResolutionRequest
    ) -> lnrpc.LookupHtlcResolutionResponse:
        """LookupHtlcResolution: not kept, as in an LND without `--store-final-htlc-resolutions`."""
        raise Refusal("cannot lookup with flag --store-final-htlc-resolutions=false", grpc.StatusCode.UNAVAILABLE)

    async def subscribe_htlc_events(self, _request: routerrpc.SubscribeHtlcEventsRequest) -> AsyncIterator[bytes]:
        """SubscribeHtlcEvents: that it has begun, then each event from now on, serialised once for all."""
        events = self.node.htlc_hub.listen()
        yield routerrpc.HtlcEvent(subscribed_event=routerrpc.SubscribedEvent()).SerializeToString()
        async for event in events:
            yield event
        raise Refusal("htlc event subscription terminated")  # the node is being ended


def _event(forward: Forward, aliases: dict[int, str]) -> lnrpc.ForwardingEvent:
    event = lnrpc.ForwardingEvent(
        timestamp=forward.timestamp_ns // NS_PER_SECOND,
        timestamp_ns=forward.timestamp_ns,
        chan_id_in=forward.incoming,
        chan_id_out=forward.outgoing,
        amt_in=forward.incoming_msat // MSAT_PER_SAT,
        amt_out=forward.outgoing_msat // MSAT_PER_SAT,
        fee=forward.fee_msat // MSAT_PER_SAT,
        fee_msat=forward.fee_msat,
        amt_in_msat=forward.incoming_msat,
        amt_out_msat=forward.outgoing_msat,
        incoming_htlc_id=forward.incoming_htlc_id,
        outgoing_htlc_id=forward.outgoing_htlc_id,
    )
    if aliases:
        event.peer_alias_in = aliases.get(forward.incoming, "")
        event.peer_alias_out = aliases.get(forward.outgoing, "")
    return event
