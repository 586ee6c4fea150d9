"""The simulated network as its served nodes share it: its time, its channels, and what comes out of the engine."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

from lightninglens.core.clock import Clock
from lightninglens.core.errors import ConfigError
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_SECOND
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.server import closings
from lightninglens.nodes.lnd.server.arrivals import ServedArrivals
from lightninglens.nodes.lnd.server.channel_index import ChannelIndex
from lightninglens.nodes.lnd.server.channel_points import channel_point, point_message
from lightninglens.nodes.lnd.server.htlcs import HtlcRow
from lightninglens.nodes.lnd.server.hub import Hub
from lightninglens.nodes.lnd.server.node import ServedNode
from lightninglens.nodes.lnd.server.times import ShownTime
from lightninglens.nodes.lnd.server.topology import Change, Topology
from lightninglens.nodes.lnd.server.versions import LndVersion
from lightninglens.nodes.paying.invoices import InvoiceBook
from lightninglens.nodes.simulated import SimulatedWorld
from lightninglens.sim.engine import Engine
from lightninglens.sim.records import Harvest

Result = TypeVar("Result")

_SMALL = 1_000
"""Channels of a network that costs nothing to look through."""
_REFRESH_NS = NS_PER_SECOND


class ServedNetwork:
    """A running world, and the nodes of it that answer as LND."""

    def __init__(
        self,
        world: SimulatedWorld,
        engine: Engine,
        secrets: Mapping[int, bytes],
        *,
        clock: Clock,
        speed: float,
        version: LndVersion,
        can_grow: bool = True,
    ) -> None:
        """Serve the nodes in the rows of `secrets`, before the world goes on; call it while nobody advances it.

        Raises:
            ConfigError: a secret does not belong to its node.
        """
        self.world = world
        self.clock = clock
        self.version = version
        self.can_grow = can_grow
        """Whether channels may be opened; not where others rely on the network as it is."""
        self.times = ShownTime(world_ns=engine.now_ns, real_ns=clock.now_ns(), speed=speed)
        self.start_ns = clock.now_ns()
        self.channels = ChannelIndex(engine.graph)
        self.topology = Topology(
            engine, start_s=self.start_ns // NS_PER_SECOND, has_inbound_fees=version.has_inbound_fees
        )
        self.invoices = InvoiceBook()
        self.block_hub: Hub[tuple[int, int]] = Hub()
        """Height, and its real time in ns."""
        self.nodes = {row: self._node(engine, row, secret) for row, secret in secrets.items()}
        self.arrivals = ServedArrivals(self)
        self.closings = closings.Closings()
        self._height = engine.block_height
        self._active = engine.active()
        self._refreshed_ns = engine.now_ns
        engine.observe(list(self.nodes))
        world.follow(self.absorb)

    @staticmethod
    def _node(engine: Engine, row: int, secret: bytes) -> ServedNode:
        graph = engine.graph
        try:
            node = ServedNode(row, graph.node_ids[row], graph.aliases[row], secret, engine.config.estimator)
        except ValueError as problem:
            raise ConfigError(str(problem)) from None
        balances = engine.balances_msat()
        for direction in engine.directions_of(row):
            channel = direction // 2
            accepter = 2 * channel + 1 - engine.opener_side(channel)
            node.initial_peer_sat[channel] = int(balances[accepter]) // MSAT_PER_SAT
        return node

    @property
    def graph(self) -> NetworkGraph:
        """The network with the channels that have been opened."""
        return self.world.graph

    async def read(self, question: Callable[[Engine], Result]) -> Result:
        """Return the answer to a quick question, asked while the engine stands still."""
        return await self.world.use(question)

    async def act(self, action: Callable[[Engine], Result]) -> Result:
        """Do something to the engine, and let it go on at once."""
        return await self.world.act(action)

    def channel_id(self, direction: int) -> ChannelId:
        """Return the id of a direction's channel; 0 where there is none."""
        return self.graph.channel_id(direction // 2) if direction >= 0 else ChannelId(0)

    def node_row(self, node_id: str) -> int | None:
        """Return a node's row by its id."""
        try:
            return self.graph.node_index(node_id)  # type: ignore[arg-type]  # what is no id is not found
        except KeyError:
            return None

    def opened(self, engine: Engine, row: int, push_sat: int) -> None:
        """Note a channel that has just been opened, and tell its ends that are served."""
        self.channels.follow(engine.graph)
        self._active = engine.active()
        now_s = self.now_ns(engine) // NS_PER_SECOND
        for direction in (2 * row, 2 * row + 1):
            self.topology.note(direction, now_s)
        point = point_message(engine.graph.channel_id(row))
        event = lnrpc.ChannelEventUpdate
        for node in self._ends(engine, row):
            node.initial_peer_sat[row] = push_sat
            opened = lnrpc.Channel(
                active=True,
                chan_id=engine.graph.channel_id(row),
                channel_point=channel_point(engine.graph.channel_id(row)),
                capacity=int(engine.graph.capacity_sat[row]),
            )
            for update in (
                event(open_channel=opened, type=event.OPEN_CHANNEL),
                event(active_channel=point, type=event.ACTIVE_CHANNEL),
            ):
                node.channel_hub.publish(update.SerializeToString())

    def next_engine_id(self) -> int:
        """Return a number for a payment of a served node."""
        return self.world.next_payment_id()

    def now_ns(self, engine: Engine) -> int:
        """Return the real time that stands for the engine's now."""
        return self.shown_ns(engine.now_ns)

    def shown_ns(self, world_ns: int) -> int:
        """Return the real time that stands for a moment of the world."""
        return self.times.shown(world_ns)

    def absorb(self, harvest: Harvest, engine: Engine) -> None:
        """Take in what came out of a step: books first, then those who listen."""
        self.channels.follow(engine.graph)
        for row in map(HtlcRow._make, harvest.htlc_events.tolist()):
            node = self.nodes.get(row.node)
            if node is not None:
                told, outgoing = self.arrivals.told(row)
                node.on_htlc(
                    told, self.channel_id(row.incoming_direction), outgoing, self.times.shown(row.timestamp_ns)
                )
        self.arrivals.absorb(harvest, engine)
        self._absorb_channels(engine)
        self._absorb_topology(engine)
        if engine.block_height != self._height:
            self._height = engine.block_height
            self.block_hub.publish((self._height, self.now_ns(engine)))

    def _absorb_channels(self, engine: Engine) -> None:
        """Tell served nodes which of their channels went down, came up, or are gone."""
        active, before = engine.active(), self._active
        self._active = active
        known = len(before)
        for row in np.flatnonzero(active[:known] != before).tolist():
            for node in self._ends(engine, row):
                event = closings.activity(engine.graph.channel_id(row), active=bool(active[row]))
                node.channel_hub.publish(event)
        for row, node in self.closings.done(engine, self.nodes):
            summary = self.closings.summary(engine, row, node)
            outputs_sat = self.closings.outputs_sat(row)
            if outputs_sat.get(node.row):
                time_s = self.now_ns(engine) // NS_PER_SECOND
                node.record_transaction(closings.closing_transaction(summary, outputs_sat, node.row, time_s))
            node.channel_hub.publish(closings.closed_update(summary).SerializeToString())

    def _ends(self, engine: Engine, row: int) -> list[ServedNode]:
        ends = (int(engine.graph.node1[row]), int(engine.graph.node2[row]))
        return [self.nodes[end] for end in ends if end in self.nodes]

    def _absorb_topology(self, engine: Engine) -> None:
        if not any(node.graph_hub.is_heard for node in self.nodes.values()):
            return
        change = self.refresh(engine)
        if not change.directions and not change.closed:
            return
        for node in self.nodes.values():
            theirs = self._news_for(engine, node, change)
            if node.graph_hub.is_heard and (theirs.directions or theirs.closed):
                node.graph_hub.publish(self.topology.update(engine, theirs).SerializeToString())

    @staticmethod
    def _news_for(engine: Engine, node: ServedNode, change: Change) -> Change:
        """Return a change without the node's own policies, of which it knows."""
        own = set(engine.directions_of(node.row))
        return change._replace(directions=tuple(d for d in change.directions if d not in own))

    def refresh(self, engine: Engine) -> Change:
        """Look for changes of the public network."""
        return self.topology.refresh(engine, self.now_ns(engine) // NS_PER_SECOND)

    def refresh_if_due(self, engine: Engine) -> None:
        """Look for changes where that is cheap, or the last look is a while ago."""
        now_ns = engine.now_ns
        if self.graph.channel_count <= _SMALL or now_ns - self._refreshed_ns >= _REFRESH_NS:
            self._refreshed_ns = now_ns
            self.refresh(engine)

    def close(self) -> None:
        """End all subscriptions."""
        self.block_hub.close()
        for node in self.nodes.values():
            for hub in node.hubs():
                hub.close()


def chain() -> lnrpc.Chain:
    """Return the only chain that a simulated node knows."""
    return lnrpc.Chain(chain="bitcoin", network="regtest")
