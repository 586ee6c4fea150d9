"""Which worlds missed revenue is held against the truth in."""

from dataclasses import dataclass
from typing import ClassVar

from lightninglens.core.checks import require_ranges
from lightninglens.core.records import STRICT
from lightninglens.sim.demand import DemandName

FIRST_SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedOptions:
    """The same options give the same numbers."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    seeds: int = 30
    first_seed: int = FIRST_SEED
    graph: str = "synthetic:1000"
    payments: int = 100_000
    """Of the whole network."""
    demand: DemandName = DemandName.EXCHANGE_2025
    radius: int = 1
    """Of the node's twin, in channels."""
    least_payments: int = 30
    """A channel that refused fewer is left out."""
    most_channels: int = 8
    """Of one node: those that refused most."""

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot be run."""
        require_ranges(self, seeds=(1, 10_000), first_seed=(0, 2**62), payments=(1_000, 10_000_000), radius=(1, 3))
        require_ranges(self, least_payments=(1, 1_000_000), most_channels=(1, 1_000))
