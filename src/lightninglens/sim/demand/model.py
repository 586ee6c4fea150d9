"""Demand models: the parameters, with where each comes from."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, Literal

from lightninglens.core.checks import require_ranges
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.records import STRICT
from lightninglens.core.units import MAX_MONEY_SAT
from lightninglens.sim.demand.amounts import AmountMixture
from lightninglens.sim.demand.draw import draw_hot, draw_uniform
from lightninglens.sim.demand.intents import Intents
from lightninglens.sim.demand.population import PopulationDemand
from lightninglens.sim.demand.purposes import DESCRIPTIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandModel:
    """Demand that makes liquidity matter.

    Senders and receivers are drawn with weight capacity ** exponent. A share of
    the payments goes to a few hot receivers, so channels drain towards them;
    preferences drift, so that what drained yesterday may fill tomorrow. The rate
    follows the time of day. Money may come back: of a share of the payments the
    receiver later pays the same amount to the sender, in one payment.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    kind: Literal["roles"] = "roles"
    payments_per_hour: float = 7_200.0
    """2.0 per second: the network's rate in late 2025 as River extrapolated it."""
    amount_scale: float = 4.0
    """Multiplies every purpose's median: at 4 the mean is near 100,000 sat, between the 45,000 sat that
    River measured in 2023 and the 223 dollars of 2025."""
    amount_median_sat: float = 0.0
    """Above 0: all amounts are drawn about this median, whatever they are for, and `amount_scale` has no say."""
    amount_sigma: float = 0.3
    """Spread (log-normal) about that median."""
    least_amount_sat: int = 1
    most_amount_sat: int = 10_000_000
    sender_exponent: float = 0.5
    receiver_exponent: float = 0.5
    hot_receivers: int = 20
    hot_share: float = 0.6
    """Share of payments to hot receivers: "a handful of hard-to-pay sinks" (Corallo, 2025)."""
    drift_hours: float = 6.0
    drift_sigma: float = 0.6
    """Every receiver's log-weight wanders by this much, with this period."""
    day_amplitude: float = 0.4
    day_peak_hour: float = 18.0
    return_share: float = 0.0
    """Share of the payments whose amount comes back. These are not counted in `payments_per_hour`."""
    return_hours: float = 0.25
    """How long that takes on average: exponential, cut off at six times this."""

    def __post_init__(self) -> None:
        """Raise ValueError for numbers that describe no demand."""
        require_ranges(
            self,
            payments_per_hour=(0, 1e8),
            amount_scale=(1e-6, 1e6),
            least_amount_sat=(1, MAX_MONEY_SAT),
            most_amount_sat=(self.least_amount_sat, MAX_MONEY_SAT),
            amount_median_sat=(0, MAX_MONEY_SAT),
            amount_sigma=(0, 10),
            sender_exponent=(-4, 4),
            receiver_exponent=(-4, 4),
            hot_receivers=(0, 1_000_000),
            hot_share=(0, 1),
            drift_hours=(0.01, 1e6),
            drift_sigma=(0, 10),
            day_amplitude=(0, 1),
            day_peak_hour=(0, 24),
            return_share=(0, 1),
            return_hours=(0.001, 24),
        )

    @property
    def descriptions(self) -> tuple[str, ...]:
        """The purposes that the source documents name."""
        return DESCRIPTIONS

    @property
    def payments_in_all(self) -> int | None:
        """Without end, unless there are none."""
        return None if self.payments_per_hour else 0

    def intents(self, graph: NetworkGraph, *, seed: int, start_ns: int, end_ns: int, origin_ns: int) -> Intents:
        """Return the intents of a window; see `Demand`."""
        return draw_hot(self, graph, seed=seed, start_ns=start_ns, end_ns=end_ns, origin_ns=origin_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class UniformDemand:
    """The pattern of the source documents' simulator: uniform pairs and amounts, an interval of 10 to 30 s.

    Its "circular" payments are ordinary payments there, and so here; amounts
    are far below the channels' size, so that hardly anything ever fails.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    kind: Literal["uniform"] = "uniform"
    least_amount_sat: int = 500
    most_amount_sat: int = 3_000
    least_interval_s: float = 10.0
    most_interval_s: float = 30.0
    direct_weight: float = 70.0
    multi_hop_weight: float = 25.0
    circular_weight: float = 5.0

    def __post_init__(self) -> None:
        """Raise ValueError for numbers that describe no demand."""
        require_ranges(
            self,
            least_amount_sat=(1, MAX_MONEY_SAT),
            most_amount_sat=(self.least_amount_sat, MAX_MONEY_SAT),
            least_interval_s=(0.001, 1e6),
            most_interval_s=(self.least_interval_s, 1e6),
            direct_weight=(0, 1e6),
            multi_hop_weight=(0, 1e6),
            circular_weight=(0, 1e6),
        )
        if self.direct_weight + self.multi_hop_weight + self.circular_weight == 0:
            raise ValueError("one of direct_weight, multi_hop_weight and circular_weight must be above 0")

    @property
    def descriptions(self) -> tuple[str, ...]:
        """The purposes that the source documents name."""
        return DESCRIPTIONS

    @property
    def payments_in_all(self) -> None:
        """Without end."""

    def intents(self, graph: NetworkGraph, *, seed: int, start_ns: int, end_ns: int, origin_ns: int) -> Intents:
        """Return the intents of a window; see `Demand`."""
        return draw_uniform(self, graph, seed=seed, start_ns=start_ns, end_ns=end_ns, origin_ns=origin_ns)


LAB_DEMAND = DemandModel(
    payments_per_hour=240.0,
    amount_scale=3.0,
    most_amount_sat=600_000,
    sender_exponent=0.0,
    receiver_exponent=0.0,
    hot_receivers=2,
    hot_share=0.45,
    drift_hours=1.0,
    drift_sigma=0.9,
)
"""Five nodes, about one payment in 15 s as in the source documents, large enough to drain a channel in an hour."""


LAB_SETTLEMENTS = replace(
    LAB_DEMAND, amount_median_sat=200_000.0, most_amount_sat=400_000, return_share=1.0, return_hours=0.25
)
"""Nodes that settle with one another: each payment takes a fifth of a channel, and its money is back after a quarter of
an hour on average. Channels drain for a while and not for good, which is where a circular rebalance can help."""


MICRO_2023 = PopulationDemand(payments_per_hour=8_870.0, amounts=AmountMixture(mean_sat=44_700.0))
"""August 2023 as River counted it: 6.6 million payments of 44,700 sat on average, most of them small."""

EXCHANGE_2025 = PopulationDemand(payments_per_hour=7_250.0, amounts=AmountMixture(mean_sat=248_000.0))
"""November 2025 as River extrapolated it: 5.22 million payments of 223 dollars (248,000 sat at 90,000 dollars), most
of the volume exchange flows. The two differ in what was measured, rate and mean, and in nothing else."""

_LAB_POPULATION = PopulationDemand(
    payments_per_hour=LAB_DEMAND.payments_per_hour,
    amounts=AmountMixture(mean_sat=44_700.0, most_sat=600_000),
    circulation_hours=0.25,
    onchain_hours=1.0,
    onchain_delay_hours=0.5,
    swap_providers=1,
)


class DemandName(StrEnum):
    """Demand by name, as settings and commands know it."""

    ROLES = "roles"
    SETTLEMENTS = "settlements"
    UNIFORM = "uniform"
    MICRO_2023 = "micro-2023"
    EXCHANGE_2025 = "exchange-2025"


NamedDemand = DemandModel | UniformDemand | PopulationDemand
"""The models that have names."""


def named_demand(name: DemandName | str, *, lab: bool) -> NamedDemand:
    """Return the demand of this name, for the five-node lab or for any other graph."""
    match DemandName(name):
        case DemandName.UNIFORM:
            return UniformDemand()
        case DemandName.SETTLEMENTS:
            return LAB_SETTLEMENTS if lab else DemandModel(return_share=1.0)
        case DemandName.ROLES:
            return LAB_DEMAND if lab else DemandModel()
        case DemandName.MICRO_2023:
            return _LAB_POPULATION if lab else MICRO_2023
        case DemandName.EXCHANGE_2025:
            amounts = AmountMixture(mean_sat=100_000.0, most_sat=600_000)
            return replace(_LAB_POPULATION, amounts=amounts) if lab else EXCHANGE_2025
