"""What an engine says of its network at a moment."""

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.channels import (
    ANCHORS_SAT,
    COMMITMENT_WEIGHT,
    HTLC_OUTPUT_WEIGHT,
    ChannelPolicy,
    ChannelState,
)
from lightninglens.core.units import MSAT_PER_SAT
from lightninglens.routing.state import View
from lightninglens.sim import _channels
from lightninglens.sim._forwarding import BLOCK_NS
from lightninglens.sim.engine_state import EngineBase
from lightninglens.sim.life import Stage
from lightninglens.sim.reading import Gossip, channel_state
from lightninglens.sim.state import Count


class EngineReadings(EngineBase):
    """Clock, channels, balances, policies and gossip as they are now."""

    @property
    def now_ns(self) -> int:
        """The time up to which everything has happened."""
        return self._now_ns

    @property
    def events(self) -> int:
        """How many events have been processed."""
        return int(self._world.counters[Count.EVENTS])

    @property
    def in_flight(self) -> int:
        """How many payments have started and not ended."""
        return int(self._world.counters[Count.IN_FLIGHT])

    @property
    def next_event_ns(self) -> int | None:
        """When the next event is due, or None when nothing is scheduled."""
        return int(self._world.heap["time_ns"][0]) if self._world.counters[Count.HEAP] else None

    @property
    def is_over(self) -> bool:
        """Whether nothing happens any more, but for outages without payments."""
        parameters = self._world.parameters
        outages = parameters.node_up_ns > 0 or parameters.channel_up_ns > 0
        return self.next_event_ns is None or (outages and int(self._world.counters[Count.PENDING]) == 0)

    @property
    def block_height(self) -> int:
        """The simulated chain's height now."""
        return int(self.config.start_height + (self._now_ns - self.config.start_ns) // BLOCK_NS)

    def is_closed(self, channel: int) -> bool:
        """Say whether a channel has ceased to be."""
        return bool(self._world.life.stage[channel] == Stage.CLOSED)

    def conservation_drift_msat(self) -> int:
        """Return by how much balances plus HTLCs in flight differ from capacities: 0, or it is our bug."""
        return int(_channels.conservation_drift_msat(self._world.network, self._world.life.ledger_msat))

    def balances_msat(self) -> NDArray[np.int64]:
        """Return a copy of the gross balance per direction."""
        return self._world.network.balance_msat.copy()

    def pending_msat(self) -> NDArray[np.int64]:
        """Return a copy of what is in flight per direction."""
        return self._world.network.pending_msat.copy()

    def pending_htlcs(self) -> NDArray[np.int64]:
        """Return how many HTLCs are in flight per channel."""
        return np.asarray(self._world.own.pending_htlcs.reshape(-1, 2).sum(axis=1), np.int64)

    def spendable_msat(self) -> NDArray[np.int64]:
        """Return a copy of what each direction's owner can send now."""
        return self._world.own.spendable_msat.copy()

    def commit_fees_sat(self) -> NDArray[np.int64]:
        """Return each channel's commitment fee now; 0 for a closed one."""
        weight = COMMITMENT_WEIGHT + HTLC_OUTPUT_WEIGHT * self._world.network.htlcs_with_weight.astype(np.int64)
        fees_sat = self.config.commit_feerate_sat_per_kw * weight // 1000
        return np.asarray(np.where(self._world.life.stage == Stage.CLOSED, 0, fees_sat), np.int64)

    def local_msat(self) -> NDArray[np.int64]:
        """Return each side's balance as its node reports it: the opener's without fee and anchors, never below 0."""
        local = self._world.network.balance_msat.copy()
        opener = 2 * np.arange(self.graph.channel_count) + self._world.network.opener_side
        local[opener] -= (self.commit_fees_sat() + ANCHORS_SAT) * MSAT_PER_SAT
        return np.maximum(local, 0)

    def policy(self, direction: int) -> ChannelPolicy | None:
        """Return the policy that is enforced in a direction now."""
        return self._policies.get(direction)

    def directions_of(self, node: int) -> list[int]:
        """Return the directions that start at a node, but for those of closed channels."""
        first, end = self._world.own.first_out[node], self._world.own.first_out[node + 1]
        directions = self._world.own.out_direction[first:end]
        there = self._world.life.stage[directions // 2] != Stage.CLOSED
        return [int(direction) for direction in directions[there]]

    def channel_states(self, node: int) -> list[ChannelState]:
        """Return a node's channels as the node itself reports them."""
        feerate = self.config.commit_feerate_sat_per_kw
        return [
            channel_state(self.graph, self._world, self._policies, feerate, direction)
            for direction in self.directions_of(node)
        ]

    def stage(self, channel: int) -> Stage:
        """Return where a channel stands."""
        return Stage(int(self._world.life.stage[channel]))

    def active(self) -> NDArray[np.bool_]:
        """Return a copy of whether each channel takes new HTLCs now."""
        return self._world.own.active.copy()

    def opener_side(self, channel: int) -> int:
        """Return which side opened a channel."""
        return int(self._world.network.opener_side[channel])

    def gossip_view(self) -> View:
        """Return the columns of what everybody has heard by now; they are the engine's own, to be read only."""
        return self._world.gossip

    def gossip(self) -> Gossip:
        """Return what everybody has heard of the network by now."""
        return Gossip(self.graph, self._world.gossip)
