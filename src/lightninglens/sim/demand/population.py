"""The demand of a population: roles, drift, day and week, bursts, circulation, and money that leaves by the chain."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from lightninglens.core.checks import require_ranges
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.records import STRICT
from lightninglens.sim.demand.amounts import AmountMixture, AmountModel
from lightninglens.sim.demand.intents import Demand, Intents
from lightninglens.sim.demand.population_draw import POPULATION_DESCRIPTIONS, PopulationWorld
from lightninglens.sim.demand.roles import NetPayers


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationDemand:
    """Demand of nodes that have roles.

    A payment is of one of four kinds (tip, retail, transfer, exchange flow),
    which says how large it is and which roles pay and are paid (`roles`). By
    volume a share `circulation_share` goes round in cycles and leaves every node
    as it was; the rest goes from nodes that pay on balance to nodes that are paid
    on balance, and drains channels. Part of what has gathered comes back by the
    chain, seen from Lightning: net receivers pay a swap provider, and providers
    pay net payers.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    kind: Literal["population"] = "population"
    payments_per_hour: float = 7_250.0
    """On average over a week, without swaps: 5.22 million in November 2025 (River's extrapolation)."""
    amounts: AmountMixture = field(default_factory=AmountMixture)
    capacity_exponent: float = 0.5
    """Within a role a node counts by capacity ** this."""
    net_payers: NetPayers = field(default_factory=NetPayers)
    day_amplitude: float = 0.4
    """The rate is 1 + this at the peak hour, 1 - this twelve hours off: an assumption, as the week is."""
    day_peak_hour: float = 18.0
    weekend_factor: float = 0.8
    """The rate on days six and seven of each week, beside that of the five before; a world begins with a Monday."""
    burst_variance: float = 0.5
    """Of each minute's rate about its mean of 1 (gamma-Poisson); 0 for plain Poisson arrivals."""
    circulation_share: float = 0.7
    """Kappa of Spider (NSDI 2020): the share of the volume that a network of balanced channels can carry for ever."""
    circulation_nodes: int = 3
    """How many nodes a cycle goes through; with 2, the receiver pays the sender back."""
    circulation_hours: float = 1.0
    """Between two payments of a cycle: uniform from 0 to twice this."""
    onchain_share: float = 0.5
    """Share of each node's net flow that goes back by the chain; with 0 long runs freeze."""
    onchain_hours: float = 6.0
    """Swaps settle the net flow of spans of this length, and are spread over the span after."""
    onchain_delay_hours: float = 1.0
    """From the end of a span to its first swap: confirmations."""
    least_swap_sat: int = 50_000
    """Below it a node swaps this much with the probability that keeps the mean."""
    swap_providers: int = 3

    def __post_init__(self) -> None:
        """Raise ValueError for numbers that describe no demand."""
        require_ranges(
            self,
            payments_per_hour=(0, 1e7),
            capacity_exponent=(-4, 4),
            day_amplitude=(0, 1),
            day_peak_hour=(0, 24),
            weekend_factor=(0, 10),
            burst_variance=(0, 100),
            circulation_share=(0, 1),
            circulation_nodes=(2, 8),
            circulation_hours=(0, 48),
            onchain_share=(0, 1),
            onchain_hours=(0.5, 168),
            onchain_delay_hours=(0, 168),
            least_swap_sat=(1, 100_000_000),
            swap_providers=(1, 100),
        )

    @property
    def descriptions(self) -> tuple[str, ...]:
        """The four kinds of payment, and the two ways of swaps."""
        return POPULATION_DESCRIPTIONS

    @property
    def payments_in_all(self) -> int | None:
        """Without end, unless there are none."""
        return None if self.payments_per_hour else 0

    def intents(self, graph: NetworkGraph, *, seed: int, start_ns: int, end_ns: int, origin_ns: int) -> Intents:
        """Return the intents of a window; see `Demand`."""
        return PopulationWorld(self, self.amounts, graph, seed=seed, origin_ns=origin_ns).between(start_ns, end_ns)

    def prepared(self, graph: NetworkGraph, *, seed: int, origin_ns: int) -> Demand:
        """Return the same demand, ready for one world."""
        return _PreparedPopulation(self, PopulationWorld(self, self.amounts, graph, seed=seed, origin_ns=origin_ns))


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationWithAmounts:
    """The demand of a population with an amount model of one's own in place of the mixture."""

    population: PopulationDemand
    amounts: AmountModel

    @property
    def descriptions(self) -> tuple[str, ...]:
        """Those of the population."""
        return self.population.descriptions

    @property
    def payments_in_all(self) -> int | None:
        """That of the population."""
        return self.population.payments_in_all

    def intents(self, graph: NetworkGraph, *, seed: int, start_ns: int, end_ns: int, origin_ns: int) -> Intents:
        """Return the intents of a window; see `Demand`."""
        world = PopulationWorld(self.population, self.amounts, graph, seed=seed, origin_ns=origin_ns)
        return world.between(start_ns, end_ns)

    def prepared(self, graph: NetworkGraph, *, seed: int, origin_ns: int) -> Demand:
        """Return the same demand, ready for one world."""
        world = PopulationWorld(self.population, self.amounts, graph, seed=seed, origin_ns=origin_ns)
        return _PreparedPopulation(self, world)


@dataclass(frozen=True, slots=True)
class _PreparedPopulation:
    """A population that remembers one world; about others it is asked as ever."""

    demand: Demand
    world: PopulationWorld

    @property
    def descriptions(self) -> tuple[str, ...]:
        return self.demand.descriptions

    @property
    def payments_in_all(self) -> int | None:
        return self.demand.payments_in_all

    def intents(self, graph: NetworkGraph, *, seed: int, start_ns: int, end_ns: int, origin_ns: int) -> Intents:
        if graph is self.world.graph and (seed, origin_ns) == (self.world.seed, self.world.origin_ns):
            return self.world.between(start_ns, end_ns)
        return self.demand.intents(graph, seed=seed, start_ns=start_ns, end_ns=end_ns, origin_ns=origin_ns)
