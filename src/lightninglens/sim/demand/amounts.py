"""How large payments are: a mixture of four log-normals, weighted to a mean."""

import math
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.checks import require_ranges
from lightninglens.core.records import STRICT
from lightninglens.core.rng import Stream, normals, uniforms
from lightninglens.core.units import MAX_MONEY_SAT, MSAT_PER_SAT
from lightninglens.sim.demand.draws import pick


class Component(IntEnum):
    """The four kinds of payment; who makes and gets them is in `roles`."""

    TIP = 0
    RETAIL = 1
    TRANSFER = 2
    EXCHANGE = 3


class Amounts(NamedTuple):
    """One draw per payment: the amount, and the `Component` it belongs to."""

    amount_msat: NDArray[np.int64]
    component: NDArray[np.int64]


class AmountModel(Protocol):
    """How large payments are: a plug-in point of `PopulationDemand`."""

    def amounts(self, *, seed: int, count: int, start: int) -> Amounts:
        """Return the draws at the indices from `start` on; each depends on seed and index only."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountComponent:
    """One log-normal of a mixture."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    share: float
    """How common it is before the mixture is fitted to its mean, relative to the others."""
    median_sat: float
    sigma: float

    def __post_init__(self) -> None:
        """Raise ValueError for numbers that describe no amounts."""
        require_ranges(self, share=(0, 1e6), median_sat=(1e-3, MAX_MONEY_SAT), sigma=(0, 5))


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountMixture:
    """Tips, retail, transfers and exchange flows, in the shares that give the asked mean.

    The fitted shares are those with the mean that are nearest to the given ones
    (least relative entropy): share * exp(tilt * the component's mean). The
    medians are round numbers from the literature on what Lightning is used for;
    no public data set has amounts, so they are assumptions to be varied.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    mean_sat: float = 248_000.0
    highest_median_sat: float = 50_000.0
    """The mixture's median may not be above this: most payments are small, however large the mean is."""
    least_sat: int = 1
    most_sat: int = 10_000_000
    """Amounts beyond either bound are set to it, before the mixture is fitted."""
    tips: AmountComponent = field(default_factory=lambda: AmountComponent(share=0.35, median_sat=1_000.0, sigma=1.0))
    retail: AmountComponent = field(default_factory=lambda: AmountComponent(share=0.40, median_sat=20_000.0, sigma=0.9))
    transfers: AmountComponent = field(
        default_factory=lambda: AmountComponent(share=0.19, median_sat=150_000.0, sigma=0.9)
    )
    exchange: AmountComponent = field(
        default_factory=lambda: AmountComponent(share=0.06, median_sat=2_000_000.0, sigma=0.9)
    )

    def __post_init__(self) -> None:
        """Raise ValueError for bounds that hold nothing, and for a mean that no shares can give."""
        require_ranges(
            self,
            least_sat=(1, MAX_MONEY_SAT),
            most_sat=(self.least_sat, MAX_MONEY_SAT),
            highest_median_sat=(1, MAX_MONEY_SAT),
        )
        means = [self.mean_of(component) for component in self.components if component.share > 0]
        if not means:
            raise ValueError("share is 0 for all of tips, retail, transfers and exchange; one must be above 0")
        if not min(means) <= self.mean_sat <= max(means):
            raise ValueError(
                f"mean_sat is {self.mean_sat:,}, and these components can only give {min(means):,.0f} to"
                f" {max(means):,.0f} between {self.least_sat:,} and {self.most_sat:,} sat"
            )
        median_sat = self.median_sat()
        if median_sat > self.highest_median_sat:
            raise ValueError(
                f"mean_sat {self.mean_sat:,} puts the median at {median_sat:,.0f} sat, above highest_median_sat"
                f" {self.highest_median_sat:,}: ask for a lower mean, or give `exchange` a higher median_sat"
            )

    @property
    def components(self) -> tuple[AmountComponent, ...]:
        """The four, by `Component`."""
        return (self.tips, self.retail, self.transfers, self.exchange)

    def shares(self) -> NDArray[np.float64]:
        """Return the fitted share of each component; they add up to 1."""
        return np.array(_fitted_shares(self))

    def median_sat(self) -> float:
        """Return the median of the fitted mixture."""
        shares = self.shares()
        low, high = math.log(self.least_sat), math.log(self.most_sat)
        for _ in range(100):
            middle = (low + high) / 2
            below = sum(
                share * _normal_cdf(_standard(middle, component))
                for share, component in zip(shares, self.components, strict=True)
            )
            low, high = (middle, high) if below < 0.5 else (low, middle)
        return math.exp(high)

    def amounts(self, *, seed: int, count: int, start: int) -> Amounts:
        """Return whole-sat amounts at the indices from `start` on."""
        component = pick(self.shares(), uniforms(seed, 0, Stream.POPULATION_AMOUNT, count, start=start))
        median = np.array([each.median_sat for each in self.components])[component]
        sigma = np.array([each.sigma for each in self.components])[component]
        amount_sat = np.rint(median * np.exp(sigma * normals(seed, 1, Stream.POPULATION_AMOUNT, count, start=start)))
        whole_sat = np.clip(amount_sat, self.least_sat, self.most_sat).astype(np.int64)
        return Amounts(whole_sat * MSAT_PER_SAT, component)

    def mean_of(self, component: AmountComponent) -> float:
        """Return a component's mean in sat, its values beyond the bounds set to them."""
        low, high = (_standard(math.log(bound), component) for bound in (self.least_sat, self.most_sat))
        inner = component.median_sat * math.exp(component.sigma**2 / 2)
        sigma = component.sigma
        return (
            self.least_sat * _normal_cdf(low)
            + self.most_sat * (1 - _normal_cdf(high))
            + inner * (_normal_cdf(high - sigma) - _normal_cdf(low - sigma))
        )


@lru_cache(maxsize=64)
def _fitted_shares(mixture: AmountMixture) -> tuple[float, ...]:
    share = np.array([component.share for component in mixture.components])
    means = np.array([mixture.mean_of(component) for component in mixture.components])
    # With the tilt in units of the greatest mean, these bounds leave only the greatest or only the least.
    low, high = -1e4, 1e4
    tilted = share
    for _ in range(200):
        middle = (low + high) / 2
        exponent = middle * means / means.max()
        tilted = share * np.exp(exponent - exponent[share > 0].max())
        tilted /= tilted.sum()
        low, high = (middle, high) if tilted @ means < mixture.mean_sat else (low, middle)
    return tuple(tilted.tolist())


def _standard(log_amount: float, component: AmountComponent) -> float:
    """Return a log-amount in the component's deviations; with a spread of 0 only the sign has a meaning."""
    return (log_amount - math.log(component.median_sat)) / max(component.sigma, 1e-9)


def _normal_cdf(value: float) -> float:
    return (1 + math.erf(value / math.sqrt(2))) / 2
