"""What can be done to an engine's network from outside: policies, outages, channels, counterfactual liquidity."""

import numpy as np

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.errors import InvariantError
from lightninglens.core.graph import PolicyColumns
from lightninglens.core.units import MSAT_PER_SAT
from lightninglens.routing.state import write_capacity
from lightninglens.sim import _channels, _events, _gossip, _life, _outages
from lightninglens.sim._forwarding import BLOCK_NS
from lightninglens.sim.engine_routes import EngineRoutes
from lightninglens.sim.life import Down, Stage, Watch
from lightninglens.sim.opening import (
    NewChannel,
    extend_graph,
    extend_policies,
    extend_world,
    problem_of_new,
    rows_of,
)
from lightninglens.sim.room import with_events, with_news
from lightninglens.sim.state import EventKind

ANNOUNCED_AFTER_BLOCKS = 6
"""How deep a channel must be before it may be announced (BOLT 7)."""

ON_CHAIN_BLOCKS = 144
"""How long it takes until an HTLC of a forced channel has timed out on the chain."""


class EngineChanges(EngineRoutes):
    """A network that is changed while payments are under way."""

    def set_policy(self, direction: int, policy: ChannelPolicy, *, spread_ns: int = 0) -> None:
        """Enforce a new policy now and announce it after `spread_ns`.

        What is announced then is the policy of that moment, as when LND sends
        out the newest of several updates that waited together. Senders hear of
        it after `gossip_delay_median_ms`, each after a delay of its own.

        Raises InvariantError when the channel is closed.
        """
        if self.is_closed(direction // 2):
            raise InvariantError(f"channel {self.graph.channel_id(direction // 2)} is closed")
        self._policies.put(direction, policy)
        self._enforce(direction)
        self._announce(direction, self._now_ns + spread_ns)

    def _enforce(self, direction: int) -> None:
        enforced, life = self._world.enforced, self._world.life
        for name in enforced._fields:
            getattr(enforced, name)[direction] = getattr(self._policies, name)[direction]
        life.asked_disabled[direction] = enforced.disabled[direction]
        enforced.disabled[direction] |= life.watch[direction] == Watch.DISABLED

    def _announce(self, direction: int, announced_ns: int) -> None:
        """Let what a direction enforces now be announced."""
        parameters = self._world.parameters
        announced_ns = max(announced_ns, int(self._world.life.announced_ns[direction // 2]))
        if parameters.gossip_delay_median_ns > 0:
            self._world = with_news(self._world, _events.NEWS_ROOM)
            world = self._world
            announced_ns = int(
                _gossip.announce(world.news, world.gossip, world.enforced, direction, announced_ns, self._now_ns)
            )
            announced_ns += parameters.gossip_spread_ns
        self._schedule(announced_ns, EventKind.GOSSIP, direction)

    def set_active(self, channel: int, *, active: bool) -> None:
        """Take a channel down or bring it up: new HTLCs only, those in flight still resolve."""
        _life.set_down(self._world.life, self._world.own, channel, int(Down.ASKED), not active)

    def take_offline(self, node: int, until_ns: int) -> None:
        """Take a node off the network until a time: its channels carry nothing new, and keep what they carry."""
        self._world = with_events(self._world, int(self._world.life.room[0]) + _events.ROOM)
        world = self._world
        _outages.drop_node(world.own, world.life, world.heap, world.counters, node, until_ns, self._now_ns)

    def disconnect(self, channel: int, until_ns: int) -> None:
        """Take one channel off the network until a time, as when its ends lose each other."""
        self._world = with_events(self._world, _events.ROOM)
        world = self._world
        _outages.drop_channel(world.own, world.life, world.heap, world.counters, channel, until_ns, self._now_ns)

    def _measure_room(self) -> None:
        self._world.life.room[0] = 2 * int(np.diff(self._world.own.first_out).max(initial=0))

    def open_channel(self, channel: NewChannel, *, announced_after_blocks: int = ANNOUNCED_AFTER_BLOCKS) -> int:
        """Open a channel that can be used now, and announce it some blocks later; return its row.

        Before others hear of it, only its ends send over it. Rows and
        directions that there were stay.

        Raises InvariantError when its money does not fit it, its ends are one node, or its id is taken.
        """
        problem = problem_of_new(self.graph, channel)
        if problem:
            raise InvariantError(problem)
        rows = rows_of(self.graph, channel)
        first = 2 * self.graph.channel_count
        opener, peer = (first + int(rows.opener_side[0]), first + 1 - int(rows.opener_side[0]))
        policies = PolicyColumns.unknown(2)
        policies.put(opener - first, channel.opener_policy)
        policies.put(peer - first, channel.peer_policy)
        self.graph = extend_graph(self.graph, rows, policies)
        self._policies = extend_policies(self._policies, policies)
        self._world = extend_world(self._world, self.graph, rows)
        self._plugged.on(self.graph)
        self._world.life.ledger_msat[0] += channel.capacity_sat * MSAT_PER_SAT
        self._world.network.capacity_msat[-1] = channel.capacity_sat * MSAT_PER_SAT
        for direction, sat in ((opener, channel.capacity_sat - channel.push_sat), (peer, channel.push_sat)):
            self._world.network.balance_msat[direction] = sat * MSAT_PER_SAT
            self._world.network.node_msat[self._world.network.source[direction]] += sat * MSAT_PER_SAT
        feerate = self.config.commit_feerate_sat_per_kw
        _channels.refresh(self._world.network, self._world.own, feerate, first // 2)
        self._measure_room()
        for end, bit in ((int(rows.node1[0]), Down.NODE1), (int(rows.node2[0]), Down.NODE2)):
            if self._world.life.node_back_ns[end] > self._now_ns:
                _life.set_down(self._world.life, self._world.own, first // 2, bit=int(bit), down=True)
        self._world.life.announced_ns[-1] = self._now_ns + announced_after_blocks * BLOCK_NS
        for direction in (first, first + 1):
            self._enforce(direction)
            self._announce(direction, self._now_ns)
        return first // 2

    def close_channel(self, channel: int, *, force: bool = False, on_chain_blocks: int = ON_CHAIN_BLOCKS) -> None:
        """Close a channel: it takes no new HTLC, and is gone when the last one in flight is.

        By force, what is in flight can still be settled, and what is not goes
        back with PERMANENT_CHANNEL_FAILURE when it has timed out on the chain,
        which is taken to be after `on_chain_blocks` for all of it.

        Raises InvariantError when the channel is being closed already.
        """
        world = self._world
        if world.life.stage[channel] != Stage.OPEN and not (force and world.life.stage[channel] == Stage.CLOSING):
            raise InvariantError(f"channel {self.graph.channel_id(channel)} is being closed already")
        _life.begin_close(
            world.network,
            world.own,
            world.gossip,
            world.enforced,
            world.news,
            world.life,
            channel,
            int(Stage.FORCED if force else Stage.CLOSING),
            self._now_ns + on_chain_blocks * BLOCK_NS,
        )

    def add_liquidity(self, direction: int, amount_msat: int) -> None:
        """Let the owner of a direction have more in it, or less: a counterfactual, which the network is not told.

        The channel's true capacity changes by as much; the announced one, by
        which senders judge it, stays (see `announce_capacity`).

        Raises InvariantError when less than nothing would be left.
        """
        network, channel = self._world.network, direction // 2
        if network.balance_msat[direction] + amount_msat < 0:
            raise InvariantError(
                f"{-amount_msat} msat cannot be taken from a balance of {network.balance_msat[direction]} msat"
            )
        network.balance_msat[direction] += amount_msat
        network.capacity_msat[channel] += amount_msat
        self._world.life.ledger_msat[0] += amount_msat
        network.node_msat[network.source[direction]] += amount_msat
        _channels.refresh(network, self._world.own, self.config.commit_feerate_sat_per_kw, channel)

    def move_liquidity(self, direction: int, amount_msat: int) -> None:
        """Give some of a side's balance to the other side: a counterfactual, which the network is not told.

        Raises InvariantError when there is not as much.
        """
        network = self._world.network
        if not 0 <= amount_msat <= network.balance_msat[direction]:
            raise InvariantError(f"{amount_msat} msat cannot be moved out of {network.balance_msat[direction]} msat")
        for side, change_msat in ((direction, -amount_msat), (direction ^ 1, amount_msat)):
            network.balance_msat[side] += change_msat
            network.node_msat[network.source[side]] += change_msat
        _channels.refresh(network, self._world.own, self.config.commit_feerate_sat_per_kw, direction // 2)

    def announce_capacity(self, channel: int) -> None:
        """Tell all senders a channel's true capacity, as after a splice."""
        write_capacity(self._world.gossip, channel, int(self._world.network.capacity_msat[channel]))
