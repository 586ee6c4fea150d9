"""One node of a simulated world, watched as an operator could: its events become accounting, nothing else is seen."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lightninglens.analytics.missed.accounting import HtlcAccounting
from lightninglens.analytics.missed.columns import Evidence
from lightninglens.analytics.missed.memory import AttemptMemory
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.units import NS_PER_SECOND, UnixNs
from lightninglens.sim.engine import Engine
from lightninglens.sim.reading import htlc_event

LOOK_NS = 60 * NS_PER_SECOND
"""How often the channels are looked at."""
_FOREVER_NS = 2**62


@dataclass(slots=True)
class Watch:
    """What has been counted of one node so far."""

    node: int
    accounting: HtlcAccounting = field(default_factory=HtlcAccounting)
    memory: AttemptMemory = field(default_factory=AttemptMemory)

    def look(self, engine: Engine) -> None:
        """See the channels as they are."""
        states, height = engine.channel_states(self.node), engine.block_height
        self.accounting.channels.see(states, UnixNs(engine.now_ns), block_height=height)

    def take(self, graph: NetworkGraph, events: NDArray[np.void], now_ns: int) -> None:
        """Count what happened to HTLCs."""
        for row in events[events["node"] == self.node]:
            self.accounting.take(htlc_event(graph, row))
        self.memory.take(self.accounting.changes(now_ns))

    def finish(self) -> None:
        """Count the payments that are still open as they are."""
        self.memory.take(self.accounting.changes(_FOREVER_NS))

    def evidence(self) -> Evidence:
        """Return what an analysis takes."""
        states = self.accounting.channels.states()
        return self.memory.evidence({each.channel_id: str(each.peer_id) for each in states})


def watched(node: int) -> tuple[Watch, Callable[[Engine], None]]:
    """Return a watch, and what lets an engine show the node's events."""
    watch = Watch(node)

    def prepare(engine: Engine) -> None:
        engine.observe([node])
        watch.look(engine)

    return watch, prepare
