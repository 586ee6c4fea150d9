"""When a run's payments are drawn: window by window, so that a million of them never wait in memory at once."""

from dataclasses import dataclass, replace

from lightninglens.core.graph import NetworkGraph
from lightninglens.sim.demand import Demand, Intents, draw_intents, next_window_ns, payments_in, to_requests
from lightninglens.sim.demand.intents import CELL_NS
from lightninglens.sim.demand.receivers import ReceiverSettings, answered
from lightninglens.sim.records import PaymentRequests

_ENOUGH = 10_000
"""Payments of one window; windows grow until they bring about as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """How far a run's intents have been drawn. What is drawn does not depend on the windows."""

    origin_ns: int
    count: int
    """Payments in all."""
    drawn: int
    drawn_until_ns: int
    """Everything that starts before this has been drawn."""
    window_ns: int

    @classmethod
    def of(cls, demand: Demand, graph: NetworkGraph, *, count: int, origin_ns: int) -> "Arrivals":
        """Return the state before anything is drawn; raises ConfigError when there is nothing to draw."""
        in_all = payments_in(demand, graph, count)
        return cls(origin_ns=origin_ns, count=in_all, drawn=0, drawn_until_ns=origin_ns, window_ns=CELL_NS)

    @property
    def left(self) -> int:
        """How many payments are not drawn yet."""
        return self.count - self.drawn

    def next(
        self, demand: Demand, graph: NetworkGraph, *, seed: int, senders_parts: int, receivers: ReceiverSettings
    ) -> tuple["Arrivals", PaymentRequests]:
        """Return the payments of the next window and the state after it; see `to_requests` for `senders_parts`."""
        end_ns = self.drawn_until_ns + self.window_ns
        intents = draw_intents(
            demand, graph, seed=seed, start_ns=self.drawn_until_ns, end_ns=end_ns, origin_ns=self.origin_ns
        )
        intents = Intents._make(column[: self.left] for column in intents)
        after = replace(
            self,
            drawn=self.drawn + len(intents.start_ns),
            drawn_until_ns=end_ns,
            window_ns=next_window_ns(self.window_ns, len(intents.start_ns), _ENOUGH),
        )
        requests = to_requests(intents, senders_parts=senders_parts)
        return after, answered(requests, intents, receivers, seed=seed, first_id=self.drawn)
