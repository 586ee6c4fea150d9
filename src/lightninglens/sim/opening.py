"""Channels that come into a network in which payments are under way."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.graph import NetworkGraph, PolicyColumns
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import MSAT_PER_SAT
from lightninglens.routing.state import EDGE, View, build_own_channels, build_view, write_capacity
from lightninglens.sim.life import LONG_AGO_NS, NOT_THERE
from lightninglens.sim.state import DUST_LIMIT_MSAT, World

_Columns = TypeVar("_Columns", bound=tuple[Any, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChannel:
    """A channel to open; nodes are rows of the graph."""

    channel_id: ChannelId
    opener: int
    peer: int
    capacity_sat: int
    push_sat: int = 0
    """What the opener gives to the peer at once."""
    opener_policy: ChannelPolicy
    peer_policy: ChannelPolicy


class ChannelRows(NamedTuple):
    """Channels as columns, node1 being the lesser public key."""

    channel_id: NDArray[np.uint64]
    node1: NDArray[np.int32]
    node2: NDArray[np.int32]
    capacity_sat: NDArray[np.int64]
    opener_side: NDArray[np.int8]


def problem_of_new(graph: NetworkGraph, channel: NewChannel) -> str | None:
    """Return why a channel cannot be opened, or None."""
    if channel.capacity_sat < 1 or not 0 <= channel.push_sat <= channel.capacity_sat:
        return f"{channel.push_sat:,} sat cannot be pushed in a channel of {channel.capacity_sat:,} sat"
    ends = (channel.opener, channel.peer)
    if channel.opener == channel.peer or min(ends) < 0 or max(ends) >= graph.node_count:
        return f"a channel cannot be opened between the nodes {channel.opener} and {channel.peer}"
    if np.any(graph.channel_ids == channel.channel_id):
        return f"there is a channel {channel.channel_id} already"
    return None


def rows_of(graph: NetworkGraph, channel: NewChannel) -> ChannelRows:
    """Return one new channel as columns."""
    swapped = graph.node_ids[channel.opener] > graph.node_ids[channel.peer]
    node1, node2 = (channel.peer, channel.opener) if swapped else (channel.opener, channel.peer)
    return ChannelRows(
        channel_id=np.array([channel.channel_id], np.uint64),
        node1=np.array([node1], np.int32),
        node2=np.array([node2], np.int32),
        capacity_sat=np.array([channel.capacity_sat], np.int64),
        opener_side=np.array([swapped], np.int8),
    )


def opened_rows(graph: NetworkGraph, world: World, first: int) -> ChannelRows:
    """Return the channels from row `first` on, which have been opened in a run."""
    return ChannelRows(
        channel_id=graph.channel_ids[first:],
        node1=graph.node1[first:],
        node2=graph.node2[first:],
        capacity_sat=graph.capacity_sat[first:],
        opener_side=world.network.opener_side[first:],
    )


def extend_graph(graph: NetworkGraph, rows: ChannelRows, policies: PolicyColumns) -> NetworkGraph:
    """Return the graph with further channels after its own; `policies` has theirs."""
    return replace(
        graph,
        channel_ids=np.concatenate([graph.channel_ids, rows.channel_id]),
        node1=np.concatenate([graph.node1, rows.node1]),
        node2=np.concatenate([graph.node2, rows.node2]),
        capacity_sat=np.concatenate([graph.capacity_sat, rows.capacity_sat]),
        policies=extend_policies(graph.policies, policies),
    )


def extend_policies(columns: PolicyColumns, more: PolicyColumns) -> PolicyColumns:
    """Return policies with those of further directions after them."""
    names = PolicyColumns.__slots__
    return PolicyColumns(**{name: np.concatenate([getattr(columns, name), getattr(more, name)]) for name in names})


def extend_world(world: World, graph: NetworkGraph, rows: ChannelRows) -> World:
    """Return the world with further channels, without money and not announced; `graph` has them already."""
    count = len(rows.channel_id)
    reserve_msat = np.maximum(rows.capacity_sat // 100, DUST_LIMIT_MSAT // MSAT_PER_SAT) * MSAT_PER_SAT
    network = _extended(world.network, 2 * count, reserve_msat=np.repeat(reserve_msat, 2))._replace(
        capacity_msat=_with_zeros(world.network.capacity_msat, count),
        opener_side=np.concatenate([world.network.opener_side, rows.opener_side]),
        htlcs_with_weight=_with_zeros(world.network.htlcs_with_weight, count),
        node_msat=world.network.node_msat,
        observed=world.network.observed,
        source=graph.sources(),
        target=graph.targets(),
    )
    own = build_own_channels(graph, world.own.max_htlcs)._replace(
        spendable_msat=_with_zeros(world.own.spendable_msat, 2 * count),
        pending_htlcs=_with_zeros(world.own.pending_htlcs, 2 * count),
        active=np.concatenate([world.own.active, np.ones(count, np.bool_)]),
    )
    news = world.news._replace(
        newest=np.concatenate([world.news.newest, np.full(2 * count, -1, np.int32)]),
        numbers=_with_zeros(world.news.numbers, 2 * count),
        place=_with_zeros(world.news.place, 2 * count),
        moving=_with_zeros(world.news.moving, 2 * count),
    )
    life = world.life._replace(
        stage=_with_zeros(world.life.stage, count),
        down=_with_zeros(world.life.down, count),
        announced_ns=_with_zeros(world.life.announced_ns, count),
        on_chain_ns=_with_zeros(world.life.on_chain_ns, count),
        up_since_ns=_with_zeros(world.life.up_since_ns, count),
        channel_back_ns=np.concatenate([world.life.channel_back_ns, np.full(count, LONG_AGO_NS, np.int64)]),
        channel_outages=_with_zeros(world.life.channel_outages, count),
        watch=_with_zeros(world.life.watch, 2 * count),
        due_ns=_with_zeros(world.life.due_ns, 2 * count),
        asked_disabled=_with_zeros(world.life.asked_disabled, 2 * count),
    )
    return world._replace(
        network=network,
        own=own,
        enforced=_extended(world.enforced, 2 * count),
        gossip=_extended_view(world.gossip, graph),
        news=news,
        life=life,
    )


def _extended(columns: _Columns, count: int, **last: NDArray[Any]) -> _Columns:
    """Return columns with `count` more rows, of 0 where `last` does not say."""
    names = columns._fields  # type: ignore[attr-defined]
    more = (
        np.concatenate([column, last[name]]) if name in last else _with_zeros(column, count)
        for name, column in zip(names, columns, strict=True)
    )
    return type(columns)(*more)


def _with_zeros(column: NDArray[Any], count: int) -> NDArray[Any]:
    return np.concatenate([column, np.zeros(count, column.dtype)])


def _extended_view(view: View, graph: NetworkGraph) -> View:
    """Lay the senders' view anew, with what it says of old channels; the new ones are not there for anybody."""
    former = len(view.position)
    policies = PolicyColumns.unknown(2 * graph.channel_count)
    policies.known[:former] = view.position >= 0
    policies.known[former:] = True
    laid = build_view(graph, policies)
    here = np.flatnonzero(view.position >= 0)
    old_rows, new_rows = view.position[here], laid.position[here]
    for name in EDGE.names or ():
        laid.edges[name][new_rows] = view.edges[name][old_rows]
    laid.edges["disabled"][laid.position[former:]] = NOT_THERE
    announced_msat = graph.capacity_sat[here // 2] * MSAT_PER_SAT
    for direction in here[laid.edges["capacity_msat"][new_rows] != announced_msat]:
        write_capacity(laid, int(direction) // 2, int(view.edges["capacity_msat"][view.position[direction]]))
    return laid
