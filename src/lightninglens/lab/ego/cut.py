"""An ego-network: a node's surroundings as a network of their own, with ways in and out for what crosses it.

Rows 0 to `inside - 1` of the nodes and the first channels are real. Behind them
come nodes that stand for the rest of the network: per sender outside and entry
one of its own, so that nobody learns from another's attempts, and per boundary
node chains as long as the ways outside were, so that LND weighs the same number
of hops. Their channels charge nothing and never run dry.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.graph import NetworkGraph, PolicyColumns
from lightninglens.core.ids import ChannelId, NodeId, derive_node_id
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_SECOND
from lightninglens.lab.ego.crossings import Crossings, ball, fee_limits_msat, find_crossings
from lightninglens.lab.ego.record import Recording
from lightninglens.sim.balances import shareable_sat
from lightninglens.sim.demand import Intents, PaymentList, PaymentListFile
from lightninglens.sim.demand.receivers import ReceiverSettings
from lightninglens.sim.scenario import GraphKind, GraphSource, Scenario

_OUTSIDE_BLOCK = 2**24 - 1
"""Block height in the ids of channels that stand for the outside: no real one has it."""

_ROOM_SAT = 10_000_000
_TIME_LOCK_BLOCKS = 80
MOST_CHAIN = 6
"""Channels of the longest way in or out; a longer one is taken for this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EgoNetwork:
    """The twin of one node, ready to run."""

    graph: NetworkGraph
    centre: int
    radius: int
    inside: int
    """How many of the nodes are real; they come first."""
    channels: NDArray[np.int64]
    """Rows, in the full graph, of the real channels; they come first here."""
    opener_side: NDArray[np.int8]
    node1_local_msat: NDArray[np.int64]
    demand: PaymentList
    scenario: Scenario


def cut(recording: Recording, centre: int, radius: int) -> EgoNetwork:
    """Cut the twin of a node out of a full run.

    Raises ValueError when the radius is not 1, 2 or 3, or nothing crossed the network.
    """
    if radius not in (1, 2, 3):
        raise ValueError(f"a radius of {radius} cannot be cut: it must be 1, 2 or 3")
    inside = ball(recording.graph, centre, radius)
    crossings = find_crossings(recording, inside)
    if not len(crossings.start_ns):
        raise ValueError("no payment of this run crossed the network around this node: simulate more payments")
    limits_msat = fee_limits_msat(recording, inside, crossings)
    outside = _Outside(recording.graph, np.flatnonzero(inside))
    volumes_msat = crossings.amount_msat + limits_msat
    senders = outside.ways_in(crossings, volumes_msat)
    receivers = outside.ways_out(crossings, volumes_msat)
    payers_parts = recording.requests.most_parts[crossings.payment]
    channels = np.flatnonzero(inside[recording.graph.node1] & inside[recording.graph.node2])
    graph = outside.graph_with(channels)
    givers = outside.giver_is_node1(graph, len(channels))
    feerate = recording.scenario.world.commit_feerate_sat_per_kw
    share_msat = shareable_sat(graph, feerate)[len(channels) :] * MSAT_PER_SAT
    origin_ns = recording.scenario.world.start_unix_s * NS_PER_SECOND
    demand = PaymentList(
        payments=Intents(
            start_ns=crossings.start_ns - origin_ns,
            sender=senders.astype(np.int32),
            receiver=receivers.astype(np.int32),
            amount_msat=crossings.amount_msat,
            tag=np.zeros(len(senders), np.int32),
            fee_limit_msat=limits_msat,
            most_parts=np.where(crossings.settled, 1, payers_parts).astype(np.int32),
        ),
        descriptions=("Crossing",),
    )
    alias = recording.graph.aliases[centre] or recording.graph.node_ids[centre][:12]
    return EgoNetwork(
        graph=graph,
        centre=int(np.searchsorted(np.flatnonzero(inside), centre)),
        radius=radius,
        inside=int(inside.sum()),
        channels=channels,
        opener_side=np.concatenate([recording.opener_side[channels], np.where(givers, 0, 1).astype(np.int8)]),
        node1_local_msat=np.concatenate([recording.node1_local_msat[channels], np.where(givers, share_msat, 0)]),
        demand=demand,
        scenario=replace(
            recording.scenario,
            name=f"{alias}, radius {radius}",
            graph=GraphSource(kind=GraphKind.FILE, name="graph.parquet"),
            payments=len(senders),
            demand=PaymentListFile(file="payments.csv", sha256=""),
            senders=tuple(group for group in recording.scenario.senders if group.share == 1),
            receivers=ReceiverSettings(),
            balances_file=None,
            observed_nodes=(),
            changes=(),
        ),
    )


@dataclass(slots=True)
class _Outside:
    """Collects the nodes and channels that stand for the rest of the network."""

    full: NetworkGraph
    real: NDArray[np.int64]
    """Rows, in the full graph, of the real nodes."""
    labels: list[tuple[str, str]] = field(default_factory=list)
    """Of each node outside: what its id is derived from, and its alias."""
    rows: dict[str, int] = field(default_factory=dict)
    channels: dict[tuple[int, int], int] = field(default_factory=dict)
    """Per channel (who gives, who takes): what it must be able to carry in all, in msat."""

    def ways_in(self, crossings: Crossings, volumes_msat: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return who sends in the ego-network."""
        columns = (crossings.sender, crossings.entry, np.minimum(crossings.hops_before, MOST_CHAIN), volumes_msat)
        return np.array([self._way_in(*map(int, line)) for line in zip(*columns, strict=True)], np.int64)

    def ways_out(self, crossings: Crossings, volumes_msat: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return who receives in the ego-network."""
        columns = (crossings.exit, np.minimum(crossings.hops_after, MOST_CHAIN), volumes_msat)
        return np.array([self._way_out(*map(int, line)) for line in zip(*columns, strict=True)], np.int64)

    def _way_in(self, sender: int, entry: int, hops: int, volume_msat: int) -> int:
        at = self._real(entry)
        if not hops:
            return at
        for step in range(1, hops):
            at = self._towards(at, self._node(f"in/{entry}/{step}", f"way in to {self._name(entry)}"), volume_msat)
        stub = self._node(f"from/{sender}/{entry}/{hops}", f"{self._name(sender)} by {self._name(entry)}")
        return self._towards(at, stub, volume_msat)

    def _towards(self, taker: int, giver: int, volume_msat: int) -> int:
        self.channels[giver, taker] = self.channels.get((giver, taker), 0) + volume_msat
        return giver

    def _way_out(self, exit_: int, hops: int, volume_msat: int) -> int:
        at = self._real(exit_)
        for step in range(1, hops + 1):
            after = self._node(f"out/{exit_}/{step}", f"way out of {self._name(exit_)}")
            self._towards(after, at, volume_msat)
            at = after
        return at

    def _real(self, row: int) -> int:
        return int(np.searchsorted(self.real, row))

    def _name(self, row: int) -> str:
        return self.full.aliases[row] or self.full.node_ids[row][:12]

    def _node(self, label: str, alias: str) -> int:
        if label not in self.rows:
            self.rows[label] = len(self.real) + len(self.labels)
            self.labels.append((label, alias))
        return self.rows[label]

    def graph_with(self, channels: NDArray[np.int64]) -> NetworkGraph:
        """Return the ego-network: the real channels, then those that stand for the outside."""
        full = self.full
        node_ids: list[NodeId] = [full.node_ids[row] for row in self.real]
        node_ids += [derive_node_id(0, f"ego/{label}") for label, _ in self.labels]
        ends = np.array(list(self.channels), np.int64).reshape(-1, 2)
        swapped = np.array([node_ids[giver] > node_ids[taker] for giver, taker in ends.tolist()], np.bool_)
        ends[swapped] = ends[swapped][:, ::-1]
        volumes_sat = np.array(list(self.channels.values()), np.int64) // MSAT_PER_SAT
        capacity_sat = 4 * volumes_sat + _ROOM_SAT
        count = len(ends)
        ids = [ChannelId.of(_OUTSIDE_BLOCK, row, 0) for row in range(count)]
        real = self.real
        return NetworkGraph(
            node_ids=node_ids,
            aliases=[*(full.aliases[row] for row in real), *(alias for _, alias in self.labels)],
            channel_ids=np.concatenate([full.channel_ids[channels], np.array(ids, np.uint64)]),
            node1=np.concatenate([np.searchsorted(real, full.node1[channels]), ends[:, 0]]).astype(np.int32),
            node2=np.concatenate([np.searchsorted(real, full.node2[channels]), ends[:, 1]]).astype(np.int32),
            capacity_sat=np.concatenate([full.capacity_sat[channels], capacity_sat]),
            policies=_joined(full.policies, channels, _free(capacity_sat)),
        )

    def giver_is_node1(self, graph: NetworkGraph, first: int) -> NDArray[np.bool_]:
        """Return, per channel that stands for the outside, whether node1 gives."""
        givers = np.array([giver for giver, _ in self.channels], np.int64)
        return np.asarray(graph.node1[first:] == givers, np.bool_)


def _free(capacity_sat: NDArray[np.int64]) -> PolicyColumns:
    policies = PolicyColumns.unknown(2 * len(capacity_sat))
    policies.known[:] = True
    policies.time_lock_delta_blocks[:] = _TIME_LOCK_BLOCKS
    policies.min_htlc_msat[:] = 1
    policies.max_htlc_msat[:] = np.repeat(capacity_sat, 2) * MSAT_PER_SAT
    return policies


def _joined(policies: PolicyColumns, channels: NDArray[np.int64], more: PolicyColumns) -> PolicyColumns:
    directions = np.stack([2 * channels, 2 * channels + 1], axis=1).reshape(-1)
    return PolicyColumns(
        **{
            name: np.concatenate([getattr(policies, name)[directions], getattr(more, name)])
            for name in PolicyColumns.__slots__
        }
    )
