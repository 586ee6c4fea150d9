"""The public network as LND prints it, and how it changes.

A served node's own policies are what it enforces, everybody else's what has been announced.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.units import Blocks, Msat, Ppm
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.server.channel_points import channel_point, point_message
from lightninglens.nodes.lnd.server.features import NODE_FEATURES
from lightninglens.sim.engine import Engine
from lightninglens.sim.life import NOT_THERE

COLOUR = "#3399ff"
"""LND's default."""

_SEEN = (
    "base_fee_msat",
    "fee_rate_ppm",
    "time_lock_delta_blocks",
    "min_htlc_msat",
    "max_htlc_msat",
    "inbound_base_fee_msat",
    "inbound_fee_rate_ppm",
    "disabled",
)


class Change(NamedTuple):
    """What has become different in the public network."""

    directions: tuple[int, ...]
    """Whose policies are new."""
    closed: tuple[int, ...]
    """Channels that are gone."""


class Topology:
    """The network that served nodes tell about. Its methods take the engine while it stands still."""

    def __init__(self, engine: Engine, *, start_s: int, has_inbound_fees: bool) -> None:
        """Begin with what has been announced, dated so that the newest of it is of the real time `start_s`."""
        self._has_inbound_fees = has_inbound_fees
        updates = engine.graph.policies.last_update_s
        self._date_shift_s = start_s - int(updates.max(initial=0))
        self._start_s = start_s
        self._updated_s: dict[int, int] = {}
        self._seen = _announced_columns(engine)
        self._closed: set[int] = set()
        self._version = 0
        self._cache: tuple[int, frozenset[int], bytes] | None = None

    def note(self, direction: int, now_s: int) -> None:
        """Date a direction's policy: its owner has changed it."""
        self._updated_s[direction] = now_s

    def refresh(self, engine: Engine, now_s: int) -> Change:
        """Look for what has changed since the last time."""
        columns = _announced_columns(engine)
        before = self._seen
        known = before.shape[1]
        changed = np.flatnonzero((columns[:, :known] != before).any(axis=0)).tolist()
        changed += range(known, columns.shape[1])
        self._seen = columns
        closed = [
            row
            for row in {direction // 2 for direction in changed}
            if row not in self._closed and engine.is_closed(row)
        ]
        self._closed.update(closed)
        directions = tuple(d for d in changed if d // 2 not in self._closed and self._is_there(d))
        for direction in directions:
            self._updated_s[direction] = now_s
        if changed:
            self._version += 1
        return Change(directions, tuple(closed))

    def _is_there(self, direction: int) -> bool:
        return bool(self._seen[-1, direction] not in (NOT_THERE, _NEVER))

    def policy(self, engine: Engine, direction: int, owner: int) -> lnrpc.RoutingPolicy | None:
        """Return a direction's policy as node `owner` knows it; None where nobody has announced one."""
        if int(self._source(engine, direction)) == owner:
            policy = engine.policy(direction)
            return None if policy is None else self._message(engine, direction, policy)
        if direction >= self._seen.shape[1] or not self._is_there(direction):
            return None
        return self._message(engine, direction, _policy_of(self._seen[:, direction]))

    @staticmethod
    def _source(engine: Engine, direction: int) -> int:
        ends = (engine.graph.node1, engine.graph.node2)
        return int(ends[direction % 2][direction // 2])

    def _message(self, engine: Engine, direction: int, policy: ChannelPolicy) -> lnrpc.RoutingPolicy:
        message = lnrpc.RoutingPolicy(
            time_lock_delta=policy.time_lock_delta_blocks,
            min_htlc=policy.min_htlc_msat,
            fee_base_msat=policy.base_fee_msat,
            fee_rate_milli_msat=policy.fee_rate_ppm,
            disabled=policy.disabled,
            max_htlc_msat=policy.max_htlc_msat,
            last_update=self.updated_s(engine, direction),
        )
        if self._has_inbound_fees:
            message.inbound_fee_base_msat = policy.inbound_base_fee_msat
            message.inbound_fee_rate_milli_msat = policy.inbound_fee_rate_ppm
        return message

    def updated_s(self, engine: Engine, direction: int) -> int:
        """Return when a direction's policy was last changed, in real seconds."""
        if direction in self._updated_s:
            return self._updated_s[direction]
        recorded = engine.graph.policies.last_update_s
        original = int(recorded[direction]) if direction < len(recorded) else 0
        return original + self._date_shift_s if original else self._start_s

    def edge(self, engine: Engine, row: int, owner: int, *, unannounced: bool = True) -> lnrpc.ChannelEdge | None:
        """Return a channel as node `owner` knows it; None when it is closed, or not announced and not wanted."""
        graph = engine.graph
        if engine.is_closed(row):
            return None
        policies = [self.policy(engine, direction, owner) for direction in (2 * row, 2 * row + 1)]
        announced = any(self._is_there(d) for d in (2 * row, 2 * row + 1) if d < self._seen.shape[1])
        mine = owner in (int(graph.node1[row]), int(graph.node2[row]))
        if not announced and not (mine and unannounced):
            return None
        channel_id = graph.channel_id(row)
        return lnrpc.ChannelEdge(
            channel_id=channel_id,
            chan_point=channel_point(channel_id),
            last_update=max((policy.last_update for policy in policies if policy is not None), default=0),
            node1_pub=graph.node_ids[graph.node1[row]],
            node2_pub=graph.node_ids[graph.node2[row]],
            capacity=int(graph.capacity_sat[row]),
            node1_policy=policies[0],
            node2_policy=policies[1],
        )

    def node(self, engine: Engine, row: int) -> lnrpc.LightningNode:
        """Return a node's announcement."""
        return lnrpc.LightningNode(
            last_update=self._start_s,
            pub_key=engine.graph.node_ids[row],
            alias=engine.graph.aliases[row],
            color=COLOUR,
            features=NODE_FEATURES,
            addresses=[lnrpc.NodeAddress(network="tcp", addr=address_of(row))],
        )

    def describe(self, engine: Engine, owner: int, served: frozenset[int], *, unannounced: bool) -> bytes:
        """Return the whole network as a serialised ChannelGraph.

        All of it but the channels of served nodes is kept until something changes.
        """
        if self._cache is None or self._cache[:2] != (self._version, served):
            self._cache = (self._version, served, self._base(engine, served))
        own = lnrpc.ChannelGraph()
        for row in self._rows_of(engine, served):
            edge = self.edge(engine, row, owner, unannounced=unannounced)
            if edge is not None:
                own.edges.append(edge)
        return self._cache[2] + own.SerializeToString()

    @staticmethod
    def _rows_of(engine: Engine, served: frozenset[int]) -> list[int]:
        return sorted({direction // 2 for node in served for direction in engine.directions_of(node)})

    def _base(self, engine: Engine, served: frozenset[int]) -> bytes:
        """Return all nodes, and all channels that are announced and no served node's."""
        graph = engine.graph
        own = set(self._rows_of(engine, served))
        parts = [
            lnrpc.ChannelGraph(nodes=[self.node(engine, row) for row in range(graph.node_count)]).SerializeToString()
        ]
        for rows in _in_pieces(row for row in range(graph.channel_count) if row not in own):
            found = (self.edge(engine, row, -1) for row in rows)
            parts.append(lnrpc.ChannelGraph(edges=[edge for edge in found if edge is not None]).SerializeToString())
        return b"".join(parts)

    def update(self, engine: Engine, change: Change) -> lnrpc.GraphTopologyUpdate:
        """Return a change as the subscribers to the graph are told of it."""
        graph = engine.graph
        height = engine.block_height
        update = lnrpc.GraphTopologyUpdate()
        for direction in change.directions:
            update.channel_updates.append(self._edge_update(engine, direction, -1))
        for row in change.closed:
            channel_id = graph.channel_id(row)
            update.closed_chans.add(
                chan_id=channel_id,
                capacity=int(graph.capacity_sat[row]),
                closed_height=height,
                chan_point=point_message(channel_id),
            )
        return update

    def own_update(self, engine: Engine, direction: int, owner: int) -> lnrpc.GraphTopologyUpdate:
        """Return a node's own change, of which it hears at once."""
        return lnrpc.GraphTopologyUpdate(channel_updates=[self._edge_update(engine, direction, owner)])

    def _edge_update(self, engine: Engine, direction: int, owner: int) -> lnrpc.ChannelEdgeUpdate:
        graph, row = engine.graph, direction // 2
        channel_id = graph.channel_id(row)
        ends = [graph.node_ids[graph.node1[row]], graph.node_ids[graph.node2[row]]]
        return lnrpc.ChannelEdgeUpdate(
            chan_id=channel_id,
            chan_point=point_message(channel_id),
            capacity=int(graph.capacity_sat[row]),
            routing_policy=self.policy(engine, direction, owner),
            advertising_node=ends[direction % 2],
            connecting_node=ends[1 - direction % 2],
        )


_NEVER = 3
"""In the last column of what is announced: nobody ever said anything."""


def address_of(row: int) -> str:
    """Return where a simulated node could be reached if anything listened there."""
    return f"10.{row >> 16 & 255}.{row >> 8 & 255}.{row & 255}:9735"


def _announced_columns(engine: Engine) -> NDArray[np.int64]:
    """Return what everybody has heard, a column for each direction; the last row says whether it can be used."""
    view = engine.gossip_view()
    directions = len(view.position)
    columns = np.zeros((len(_SEEN), directions), np.int64)
    columns[-1] = _NEVER
    there = np.flatnonzero(view.position >= 0)
    rows = view.position[there]
    for place, name in enumerate(_SEEN):
        owner = there ^ 1 if name.startswith("inbound") else there
        columns[place, owner] = view.edges[name][rows]
    return columns


def _policy_of(column: NDArray[np.int64]) -> ChannelPolicy:
    base, rate, delta, least, most, inbound_base, inbound_rate, disabled = column.tolist()
    return ChannelPolicy(
        base_fee_msat=Msat(base),
        fee_rate_ppm=Ppm(rate),
        time_lock_delta_blocks=Blocks(delta),
        min_htlc_msat=Msat(least),
        max_htlc_msat=Msat(most),
        inbound_base_fee_msat=Msat(inbound_base),
        inbound_fee_rate_ppm=Ppm(inbound_rate),
        disabled=bool(disabled),
    )


def _in_pieces(rows: Iterable[int], size: int = 4_096) -> Iterator[list[int]]:
    piece: list[int] = []
    for row in rows:
        piece.append(row)
        if len(piece) == size:
            yield piece
            piece = []
    if piece:
        yield piece
