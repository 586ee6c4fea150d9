"""The plain simulator's network: channels, policies and who has heard of them, outages, and the queue of events."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import replace

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.graph import NetworkGraph
from lightninglens.sim.routers import PartResult
from tests.reference.channels import Channel
from tests.reference.engine_records import AttemptRow, HtlcRow, Payment, World
from tests.reference.gossip import Hearsay
from tests.reference.mission_control import MissionControl
from tests.reference.outages import Outages
from tests.reference.pathfinding import Edge, Graph

BLOCK_NS = 600 * 10**9
PRIORITY = {"gossip": 0, "settle": 1, "fail": 2, "arrive": 3, "try": 4, "start": 5, "release": 6, "send": 7, "life": 8}
PRIORITY["hold"] = 9
FREE_POLICY = ChannelPolicy(
    base_fee_msat=0,  # type: ignore[arg-type]
    fee_rate_ppm=0,  # type: ignore[arg-type]
    time_lock_delta_blocks=0,  # type: ignore[arg-type]
    min_htlc_msat=0,  # type: ignore[arg-type]
    max_htlc_msat=0,  # type: ignore[arg-type]
)


class EngineNetwork:
    """The network, what is said of it, and the events to come."""

    def __init__(
        self, graph: NetworkGraph, balance_msat: Sequence[int], opener_side: Sequence[int], world: World
    ) -> None:
        self.world, self.now = world, world.start_ns
        self.view = Graph(graph)
        self.source, self.target = graph.sources().tolist(), graph.targets().tolist()
        self.enforced = {
            direction: graph.policies.get(direction) or FREE_POLICY for direction in range(2 * graph.channel_count)
        }
        self.channels = [
            Channel(
                capacity_msat=int(capacity_sat) * 1000,
                opener=int(opener_side[row]),
                balance_msat=[int(balance_msat[2 * row]), int(balance_msat[2 * row + 1])],
                feerate_per_kw=world.feerate_per_kw,
            )
            for row, capacity_sat in enumerate(graph.capacity_sat)
        ]
        self.active = [True] * graph.channel_count
        self.stage = ["open"] * graph.channel_count
        self.on_chain_ns: dict[int, int] = {}
        self.announced_ns: dict[int, int] = {}
        self.links: dict[tuple[int, int], list[int]] = {}
        for direction, edge in self.view.by_direction.items():
            self.links.setdefault((edge.from_node, edge.to_node), []).append(direction)
        self.at_first = dict(self.enforced)
        self.hearsay = Hearsay(world.seed, world.gossip_median_ns, world.gossip_sigma, self.source)
        self.memories: dict[int, MissionControl] = {}
        self.results: dict[int, list[PartResult]] = {}
        self.graph = graph
        self.outages = Outages(world.seed, self._schedule, self._announce_status)
        for ends in zip(self.source[::2], self.target[::2], strict=True):
            self.outages.add(ends)
        self.payments: list[Payment] = []
        self.finished: list[Payment] = []
        self.attempts: list[AttemptRow] = []
        self.htlc_events: list[HtlcRow] = []
        self.events = 0
        self._queue: list[tuple[int, int, int, Callable[[], None]]] = []
        self._sequence = 0
        if world.node_offline is not None:
            self.outages.draw_nodes(graph.node_count, *world.node_offline, self.now)
        if world.link_offline is not None:
            self.outages.draw_links(*world.link_offline, self.now)

    def set_policy(self, direction: int, policy: ChannelPolicy, spread_ns: int) -> None:
        """Enforce a policy now; senders hear of the one in force when the news arrives."""
        self.enforced[direction] = policy
        self._announce(direction, spread_ns)

    def _announced(self, direction: int) -> ChannelPolicy:
        """What an end says of its channel: its policy, and disabled if its status manager found it down."""
        policy = self.enforced[direction]
        return replace(policy, disabled=policy.disabled or self.outages.says_disabled(direction))

    def _announce_status(self, direction: int) -> None:
        if not self.enforced[direction].disabled:
            self._announce(direction, 0)

    def _announce(self, direction: int, spread_ns: int) -> None:
        sent_ns = max(self.now + spread_ns, self.announced_ns.get(direction // 2, 0))
        if self.world.gossip_median_ns:
            self.hearsay.announce(direction, self._announced(direction), sent_ns, self.now)
            return
        self._schedule(sent_ns, "gossip", lambda: self._everybody_hears(direction))

    def _everybody_hears(self, direction: int) -> None:
        """Where gossip takes no time."""
        if self.stage[direction // 2] == "closed":
            return
        if direction // 2 in self.announced_ns:
            self.hearsay.common[direction] = self._announced(direction)
        else:
            self._write(direction, self._announced(direction))

    def open_channel(self, ends: tuple[int, int], channel: Channel, policies: list[ChannelPolicy], after: int) -> None:
        """Add a channel that only its ends know until `after` ns have passed."""
        row = len(self.channels)
        self.channels.append(channel)
        self.active.append(True)
        self.stage.append("open")
        self.announced_ns[row] = self.now + after
        self.outages.add(ends)
        for side in (0, 1):
            direction = 2 * row + side
            self.source.append(ends[side])
            self.target.append(ends[1 - side])
            self.enforced[direction] = policies[side]
            self.links.setdefault((ends[side], ends[1 - side]), []).append(direction)
        for side in (0, 1):
            self._announce(2 * row + side, 0)

    def close_channel(self, row: int, *, force: bool, on_chain_ns: int) -> None:
        """Shut it down, or publish its commitment."""
        self.stage[row] = "forced" if force else "closing"
        self.outages.ended.add(row)
        self.active[row] = False
        self.on_chain_ns[row] = self.now + on_chain_ns
        self._end_if_empty(row)

    def _end_if_empty(self, row: int) -> None:
        channel = self.channels[row]
        if self.stage[row] not in ("closing", "forced") or channel.htlcs:
            return
        self.stage[row] = "closed"
        channel.balance_msat = [0, 0]
        for direction in (2 * row, 2 * row + 1):
            links = self.links.get((self.source[direction], self.target[direction]), [])
            links[:] = [link for link in links if link != direction]
            self.view.remove(direction)
            self.hearsay.updates.pop(direction, None)

    def run_until(self, time_ns: int) -> None:
        """Let everything happen that is due by then."""
        while self._queue and self._queue[0][0] <= time_ns:
            self.now, _, _, action = heapq.heappop(self._queue)
            self.events += 1
            action()
        self.now = time_ns

    # Inside.

    def _schedule(self, time_ns: int, kind: str, action: Callable[[], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._queue, (time_ns, PRIORITY[kind], self._sequence, action))

    @property
    def _height(self) -> int:
        return self.world.start_height + (self.now - self.world.start_ns) // BLOCK_NS

    def _look_as(self, sender: int) -> Graph:
        """Return the network as a sender knows it now."""
        for direction in self.hearsay.updates:
            if direction in self.at_first:
                known = self.hearsay.known(sender, direction, self.now) or self.at_first[direction]
                self._write(direction, known)
        for row in self.announced_ns:
            self._place_opened(sender, row)
        return self.view

    def _place_opened(self, sender: int, row: int) -> None:
        """Put an opened channel on the map as far as the sender has heard of it."""
        policies = [self._known_of_opened(sender, 2 * row + side) for side in (0, 1)]
        for side in (0, 1):
            policy, back = policies[side], policies[1 - side]
            direction = 2 * row + side
            self.view.remove(direction)
            if policy is None or self.stage[row] == "closed":
                continue
            self.view.add(
                Edge(
                    direction=direction,
                    from_node=self.source[direction],
                    to_node=self.target[direction],
                    capacity_msat=self.channels[row].capacity_msat,
                    policy=policy,
                    inbound_base=back.inbound_base_fee_msat if back else 0,
                    inbound_rate=back.inbound_fee_rate_ppm if back else 0,
                )
            )

    def _known_of_opened(self, sender: int, direction: int) -> ChannelPolicy | None:
        if self.world.gossip_median_ns:
            updates = self.hearsay.updates.get(direction)
            return self.hearsay.known(sender, direction, self.now) if updates else None
        mine = FREE_POLICY if self.source[direction] == sender else None
        return self.hearsay.common.get(direction, mine)

    def _write(self, direction: int, policy: ChannelPolicy) -> None:
        edge, reverse = self.view.by_direction.get(direction), self.view.by_direction.get(direction ^ 1)
        if edge is not None:
            self.view.replace(replace(edge, policy=policy))
        if reverse is not None:
            self.view.replace(
                replace(
                    reverse,
                    inbound_base=policy.inbound_base_fee_msat,
                    inbound_rate=policy.inbound_fee_rate_ppm,
                )
            )

    def _bandwidth(self, direction: int) -> int:
        channel = self.channels[direction // 2]
        if not self._takes_new(direction // 2) or channel.pending(direction % 2) >= self.world.max_htlcs:
            return 0
        return channel.available(direction % 2)

    def _takes_new(self, row: int) -> bool:
        return self.active[row] and self.stage[row] == "open" and self.outages.is_up(row)

    def _waits(self, row: int, kind: str, action: Callable[[], None]) -> bool:
        """Put an HTLC's step off while its link is down, unless the chain decides."""
        if self.stage[row] == "forced" or self.outages.is_up(row):
            return False
        self._schedule(self.outages.back_ns(row) + 1, kind, action)
        return True
