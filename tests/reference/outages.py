"""Who is online, and what LND's `ChanStatusManager` of each node says about it: objects and timers."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from tests.reference import rng

MINUTE_NS = 60 * 10**9
DISABLE_TIMEOUT, ENABLE_TIMEOUT = 20 * MINUTE_NS, 19 * MINUTE_NS
NODE_STREAM, CHANNEL_STREAM = 42, 43
Schedule = Callable[[int, str, Callable[[], None]], None]


@dataclass
class Status:
    """`channelState` of one channel at one of its ends."""

    name: str = "enabled"
    send_disable_ns: int = 0


class Outages:
    """Nodes and links, up and down; `announce` is called when an end announces its direction anew."""

    def __init__(self, seed: int, schedule: Schedule, announce: Callable[[int], None]) -> None:
        self.seed, self.schedule, self.announce = seed, schedule, announce
        self.ends: list[tuple[int, int]] = []
        self.node_back: dict[int, int] = {}
        self.link_back: dict[int, int] = {}
        self.offline: set[int] = set()
        self.cut: set[int] = set()
        self.ended: set[int] = set()
        self.status: dict[int, Status] = {}
        self.up_since: dict[int, int] = {}

    def add(self, ends: tuple[int, int]) -> None:
        """A channel is there."""
        row = len(self.ends)
        self.ends.append(ends)
        self.status[2 * row], self.status[2 * row + 1] = Status(), Status()

    def is_up(self, row: int) -> bool:
        """Whether both ends are online and see one another."""
        return row not in self.cut and not self.offline.intersection(self.ends[row])

    def back_ns(self, row: int) -> int:
        """When a link that is down will be up, as far as is known now."""
        times = [self.node_back[node] for node in self.ends[row] if node in self.offline]
        return max([*times, *([self.link_back[row]] if row in self.cut else [])])

    def says_disabled(self, direction: int) -> bool:
        """Whether an end has announced its channel as disabled by itself."""
        return self.status[direction].name == "disabled"

    def drop_node(self, node: int, until: int, now: int) -> None:
        """A node is gone until then."""
        self.node_back[node] = max(self.node_back.get(node, until), until)
        if node not in self.offline:
            self._change(now, lambda: self.offline.add(node), node)
        self.schedule(until, "life", lambda: self._node_returns(node, until))

    def _node_returns(self, node: int, now: int) -> None:
        if node in self.offline and self.node_back[node] <= now:
            self._change(now, lambda: self.offline.remove(node), node)

    def drop_link(self, row: int, until: int, now: int) -> None:
        """A link is gone until then."""
        self.link_back[row] = max(self.link_back.get(row, until), until)
        if row not in self.cut:
            self._change(now, lambda: self.cut.add(row))
        self.schedule(until, "life", lambda: self._link_returns(row, until))

    def _link_returns(self, row: int, now: int) -> None:
        if row in self.cut and self.link_back[row] <= now:
            self._change(now, lambda: self.cut.remove(row))

    def _change(self, now: int, change: Callable[[], None], node: int | None = None) -> None:
        """Let every status manager that runs compare what it sees before and after."""
        before = [self.is_up(row) for row in range(len(self.ends))]
        change()
        for row, was_up in enumerate(before):
            is_up = self.is_up(row)
            for side in (0, 1):
                here, status = self.ends[row][side], self.status[2 * row + side]
                if here == node and here in self.offline and status.name == "pending":
                    status.name = "enabled"
                restarted = here == node and here not in self.offline
                if here not in self.offline and not is_up and (was_up or restarted) and status.name == "enabled":
                    self._plan_disable(2 * row + side, now)
            if is_up and not was_up:
                self.up_since[row] = now
                for direction in (2 * row, 2 * row + 1):
                    if self.status[direction].name != "enabled":
                        self._plan_enable(direction, now)

    def _plan_disable(self, direction: int, now: int) -> None:
        due = now + DISABLE_TIMEOUT
        self.status[direction] = Status("pending", due)

        def disable() -> None:
            status = self.status[direction]
            if direction // 2 not in self.ended and status.name == "pending" and status.send_disable_ns == due:
                status.name = "disabled"
                self.announce(direction)

        self.schedule(due, "life", disable)

    def _plan_enable(self, direction: int, now: int) -> None:
        row = direction // 2

        def enable() -> None:
            stable = self.is_up(row) and self.up_since.get(row) == now
            status = self.status[direction]
            if row not in self.ended and stable and status.name != "enabled":
                told = status.name == "disabled"
                status.name = "enabled"
                if told:
                    self.announce(direction)

        self.schedule(now + ENABLE_TIMEOUT, "life", enable)

    def draw_nodes(self, nodes: int, share: float, mean_ns: float, now: int) -> None:
        """Begin the outages of nodes that come by chance."""
        for node in range(nodes):
            self._begin(NODE_STREAM, node, share, mean_ns, now)

    def draw_links(self, share: float, mean_ns: float, now: int) -> None:
        """Begin the outages of channels that come by chance; channels opened later have none."""
        for row in range(len(self.ends)):
            self._begin(CHANNEL_STREAM, row, share, mean_ns, now)

    def _begin(self, stream: int, row: int, share: float, mean_ns: float, now: int) -> None:
        up_ns = mean_ns * (1.0 - share) / share
        first = self._exponential(row, stream, 1, up_ns)
        if rng.uniform(self.seed, row, stream, 0) < mean_ns / (mean_ns + up_ns):
            first = 1
        self.schedule(now + first, "life", lambda: self._fall(stream, row, 1, mean_ns, up_ns, now + first))

    def _fall(self, stream: int, row: int, count: int, mean_ns: float, up_ns: float, now: int) -> None:
        back = now + self._exponential(row, stream, 2 * count, mean_ns)
        if stream == NODE_STREAM:
            self.drop_node(row, back, now)
        elif row in self.ended:
            return
        else:
            self.drop_link(row, back, now)
        again = back + self._exponential(row, stream, 2 * count + 1, up_ns)
        self.schedule(again, "life", lambda: self._fall(stream, row, count + 1, mean_ns, up_ns, again))

    def _exponential(self, row: int, stream: int, index: int, mean_ns: float) -> int:
        return int(-math.log(1.0 - rng.uniform(self.seed, row, stream, index)) * mean_ns) + 1
