"""One node of a simulated world, watched as an operator could: its events become accounting, nothing else is seen."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lightninglens.analytics.missed.accounting import HtlcAccounting
from lightninglens.analytics.missed.columns import Evidence, evidence_of
from lightninglens.core.attempts import AttemptChanges, EstimatedPayment, ForwardAttempt
from lightninglens.core.forward_sums import SumKey, SumValues, sums_of
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import NS_PER_SECOND
from lightninglens.sim.engine import Engine
from lightninglens.sim.reading import htlc_event

LOOK_NS = 60 * NS_PER_SECOND
"""How often the channels are looked at."""
_LONG_NS = 10**18


@dataclass(slots=True)
class Watch:
    """What has been counted of one node so far."""

    node: int
    accounting: HtlcAccounting = field(default_factory=HtlcAccounting)
    sums: dict[SumKey, SumValues] = field(default_factory=dict)
    refused: dict[int, EstimatedPayment] = field(default_factory=dict)
    attempts: dict[tuple[ChannelId, int], ForwardAttempt] = field(default_factory=dict)

    def look(self, engine: Engine) -> None:
        """See the channels as they are."""
        self.accounting.channels.see(engine.channel_states(self.node), engine.now_ns)  # type: ignore[arg-type]

    def take(self, graph: NetworkGraph, events: NDArray[np.void], now_ns: int) -> None:
        """Count what happened to HTLCs."""
        for row in events[events["node"] == self.node]:
            self.accounting.take(htlc_event(graph, row))
        self._keep(self.accounting.changes(now_ns))

    def finish(self) -> None:
        """Count the payments that are still open as they are."""
        self._keep(self.accounting.changes(_LONG_NS * 8))

    def evidence(self) -> Evidence:
        """Return what an analysis takes."""
        channels = self.accounting.channels
        peers = {each.channel_id: str(each.peer_id) for each in channels.states()}
        return evidence_of(list(self.sums.items()), list(self.refused.values()), peers)

    def _keep(self, changes: AttemptChanges) -> None:
        sums_of(changes.ended, changes.closed, self.sums)
        self.attempts.update(changes.attempts)
        self.refused.update({each.number: each for each in changes.closed if each.refused_here})


def watched(node: int) -> tuple[Watch, Callable[[Engine], None]]:
    """Return a watch, and what lets an engine show the node's events."""
    watch = Watch(node)

    def prepare(engine: Engine) -> None:
        engine.observe([node])
        watch.look(engine)

    return watch, prepare
