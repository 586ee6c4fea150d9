"""What a node sees of the simulated world: its own channels, its HTLC events, and what everybody has heard."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.channels import (
    ANCHORS_SAT,
    COMMITMENT_WEIGHT,
    HTLC_OUTPUT_WEIGHT,
    ChannelPolicy,
    ChannelState,
    Opener,
)
from lightninglens.core.graph import NetworkGraph, PolicyColumns
from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEvent, HtlcEventKind, HtlcEventType
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import MSAT_PER_SAT, Blocks, Msat, Ppm, Sat, UnixNs
from lightninglens.routing.state import View, incoming_edges
from lightninglens.sim.life import NOT_THERE
from lightninglens.sim.state import World


def channel_state(
    graph: NetworkGraph, world: World, policies: PolicyColumns, feerate_sat_per_kw: int, direction: int
) -> ChannelState:
    """Return a channel as the node at the start of `direction` reports it; `policies` are those enforced."""
    channel, other, network = direction // 2, direction ^ 1, world.network
    peer = int(network.target[direction])
    opened_here = int(network.opener_side[channel]) == direction % 2
    weight = COMMITMENT_WEIGHT + HTLC_OUTPUT_WEIGHT * int(network.htlcs_with_weight[channel])
    commit_fee_sat = feerate_sat_per_kw * weight // 1000
    costs_msat = (commit_fee_sat + ANCHORS_SAT) * MSAT_PER_SAT

    def local_msat(side: int, *, opened: bool) -> Msat:
        return Msat(max(int(network.balance_msat[side]) - (costs_msat if opened else 0), 0))

    return ChannelState(
        channel_id=graph.channel_id(channel),
        peer_id=NodeId(graph.node_ids[peer]),
        peer_alias=graph.aliases[peer],
        capacity_sat=Sat(int(network.capacity_msat[channel]) // MSAT_PER_SAT),
        local_msat=local_msat(direction, opened=opened_here),
        remote_msat=local_msat(other, opened=not opened_here),
        commit_fee_sat=Sat(commit_fee_sat),
        unsettled_msat=Msat(int(network.pending_msat[direction] + network.pending_msat[other])),
        pending_htlcs=int(world.own.pending_htlcs[direction] + world.own.pending_htlcs[other]),
        local_reserve_sat=Sat(int(network.reserve_msat[direction]) // MSAT_PER_SAT),
        remote_reserve_sat=Sat(int(network.reserve_msat[other]) // MSAT_PER_SAT),
        opener=Opener.LOCAL if opened_here else Opener.REMOTE,
        active=bool(world.own.active[channel]),
        outbound_msat=Msat(int(world.own.spendable_msat[direction])),
        inbound_msat=Msat(int(world.own.spendable_msat[other])),
        local_policy=policies.get(direction),
        remote_policy=policies.get(other),
    )


def htlc_event(graph: NetworkGraph, row: NDArray[np.void]) -> HtlcEvent:
    """Return one row of HTLC_ROW as the event that LND would send."""
    return HtlcEvent(
        timestamp_ns=UnixNs(int(row["timestamp_ns"])),
        kind=HtlcEventKind(int(row["kind"])),
        event_type=HtlcEventType(int(row["event_type"])),
        incoming_channel_id=_channel_of(graph, int(row["incoming_direction"])),
        outgoing_channel_id=_channel_of(graph, int(row["outgoing_direction"])),
        incoming_htlc_id=int(row["incoming_htlc_id"]),
        outgoing_htlc_id=int(row["outgoing_htlc_id"]),
        incoming_amount_msat=Msat(int(row["incoming_amount_msat"])),
        outgoing_amount_msat=Msat(int(row["outgoing_amount_msat"])),
        incoming_timelock_blocks=int(row["incoming_timelock_blocks"]),
        outgoing_timelock_blocks=int(row["outgoing_timelock_blocks"]),
        wire_failure=FailureCode(int(row["code"])),
        failure_detail=FailureDetail(int(row["detail"])),
    )


def _channel_of(graph: NetworkGraph, direction: int) -> ChannelId:
    return graph.channel_id(direction // 2) if direction >= 0 else ChannelId(0)


class Gossip:
    """The public network as everybody has heard of it: no balances, and policies as last announced."""

    def __init__(self, graph: NetworkGraph, view: View) -> None:
        self._graph = graph
        self._view = view

    def channels_of(self, node_id: NodeId) -> Iterator[tuple[ChannelId, NodeId]]:
        """Yield a node's channels and whom they lead to; raises KeyError for an unknown node."""
        row = self._graph.node_index(node_id)
        for edge in incoming_edges(self._view, row):
            if edge["disabled"] == NOT_THERE:
                continue
            yield self._graph.channel_id(int(edge["direction"]) // 2), self._graph.node_ids[int(edge["source"])]

    def policy(self, channel_id: ChannelId, node_id: NodeId) -> ChannelPolicy | None:
        """Return what a node was last heard to ask for its direction of a channel; None when it said nothing.

        Raises KeyError when the channel is not in the graph or not the node's.
        """
        position = int(self._view.position[self._direction(channel_id, node_id)])
        if position < 0 or self._view.edges[position]["disabled"] == NOT_THERE:
            return None
        edge = self._view.edges[position]
        back = int(self._view.position[int(edge["direction"]) ^ 1])
        inbound = self._view.edges[back] if back >= 0 else None
        return ChannelPolicy(
            base_fee_msat=Msat(int(edge["base_fee_msat"])),
            fee_rate_ppm=Ppm(int(edge["fee_rate_ppm"])),
            time_lock_delta_blocks=Blocks(int(edge["time_lock_delta_blocks"])),
            min_htlc_msat=Msat(int(edge["min_htlc_msat"])),
            max_htlc_msat=Msat(int(edge["max_htlc_msat"])),
            inbound_base_fee_msat=Msat(0 if inbound is None else int(inbound["inbound_base_fee_msat"])),
            inbound_fee_rate_ppm=Ppm(0 if inbound is None else int(inbound["inbound_fee_rate_ppm"])),
            disabled=bool(edge["disabled"]),
        )

    def capacity_sat(self, channel_id: ChannelId) -> Sat:
        """Return a channel's announced capacity; raises KeyError when it is not in the graph."""
        return Sat(int(self._graph.capacity_sat[self._graph.channel_index(channel_id)]))

    def _direction(self, channel_id: ChannelId, node_id: NodeId) -> int:
        channel, row = self._graph.channel_index(channel_id), self._graph.node_index(node_id)
        ends = [int(self._graph.node1[channel]), int(self._graph.node2[channel])]
        if row not in ends:
            raise KeyError(node_id)
        return 2 * channel + ends.index(row)
