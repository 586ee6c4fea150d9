"""What is compared, in which worlds, under which rules."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from lightninglens.control.guard import AUTOMATIC_RULES, GuardRules
from lightninglens.core.checks import require_ranges
from lightninglens.core.records import STRICT
from lightninglens.core.units import NS_PER_HOUR, NS_PER_SECOND
from lightninglens.sim.demand import DemandName, NamedDemand, named_demand

FIRST_SEED = 1
MOST_SEEDS = 10_000


class ComparedDemand(StrEnum):
    """What is paid in the worlds."""

    EVERYDAY = "everyday"
    SETTLEMENTS = "settlements"
    UNIFORM = "uniform"

    def model(self) -> NamedDemand:
        """Return the lab's demand of this name; `everyday` is what `lens up` calls `roles`."""
        return named_demand(DemandName.ROLES if self is ComparedDemand.EVERYDAY else self.value, lab=True)


class ActingNodes(StrEnum):
    """Who rebalances."""

    ALL = "all"
    ONE = "one"
    """One node per world, a different one from seed to seed; the others never rebalance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """A comparison; the same options give the same numbers."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    strategies: tuple[str, ...] = ("none", "baseline", "learned")
    seeds: int = 30
    first_seed: int = FIRST_SEED
    hours: float = 12.0
    every_s: float = 600.0
    """World seconds between two decisions."""
    demand: ComparedDemand = ComparedDemand.EVERYDAY
    nodes: ActingNodes = ActingNodes.ALL
    min_confidence: float = 0.5
    """For changes that say a confidence; the baseline's say none."""
    model: str | None = None
    """Directory of the model that `learned` uses."""
    own_payment_worth_ppm: int = 0
    """What a node's own payment that arrives is worth to it, where predicted gains are held against what came."""
    rules: GuardRules = field(default=AUTOMATIC_RULES)
    """For each acting node apart."""

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot be compared."""
        require_ranges(self, seeds=(1, MOST_SEEDS), first_seed=(0, 2**62), hours=(0.1, 24 * 60), every_s=(1, 86_400.0))
        require_ranges(self, min_confidence=(0, 1), own_payment_worth_ppm=(0, 1_000_000))
        if len(set(self.strategies)) != len(self.strategies) or not self.strategies:
            raise ValueError("strategies must be named once each, and there must be some")

    @property
    def duration_ns(self) -> int:
        """How long payments begin."""
        return round(self.hours * NS_PER_HOUR)

    @property
    def every_ns(self) -> int:
        """Time between two decisions."""
        return round(self.every_s * NS_PER_SECOND)

    def seed_numbers(self) -> range:
        """Return the seeds of the worlds."""
        return range(self.first_seed, self.first_seed + self.seeds)
