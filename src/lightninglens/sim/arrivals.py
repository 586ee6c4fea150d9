"""When a run's payments are drawn: window by window, so that a million of them never wait in memory at once."""

from dataclasses import dataclass, replace

from lightninglens.core.errors import ConfigError
from lightninglens.core.graph import NetworkGraph
from lightninglens.sim.demand import DemandModel, Intents, UniformDemand, draw_intents, to_requests
from lightninglens.sim.demand.draw import CELL_NS
from lightninglens.sim.engine import PaymentRequests
from lightninglens.sim.scenario import Scenario

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
    def of(cls, model: DemandModel | UniformDemand, graph: NetworkGraph, *, count: int, origin_ns: int) -> "Arrivals":
        """Return the state before anything is drawn; raises ConfigError when there is nothing to draw."""
        if isinstance(model, DemandModel) and not model.payments_per_hour > 0:
            raise ConfigError(f"{model.payments_per_hour} payments per hour never bring one: ask for more than 0")
        if not graph.usable().any():
            raise ConfigError("nobody can pay on this graph: no channel is announced and enabled in any direction")
        return cls(origin_ns=origin_ns, count=count, drawn=0, drawn_until_ns=origin_ns, window_ns=CELL_NS)

    @property
    def left(self) -> int:
        """How many payments are not drawn yet."""
        return self.count - self.drawn

    def next(self, scenario: Scenario, graph: NetworkGraph) -> tuple["Arrivals", PaymentRequests]:
        """Return the payments of the next window and the state after it."""
        end_ns = self.drawn_until_ns + self.window_ns
        intents = draw_intents(
            scenario.demand,
            graph,
            seed=scenario.seed,
            start_ns=self.drawn_until_ns,
            end_ns=end_ns,
            origin_ns=self.origin_ns,
        )
        intents = Intents._make(column[: self.left] for column in intents)
        after = replace(
            self,
            drawn=self.drawn + len(intents.start_ns),
            drawn_until_ns=end_ns,
            window_ns=2 * self.window_ns if len(intents.start_ns) < _ENOUGH else self.window_ns,
        )
        return after, to_requests(intents)
