"""The channel analyser of the source documents: its scores and categories, computed as they say, on what was recorded.

The documents count in sat for 30 days; here money is in msat, and a range of any
length is brought to 30 days. Where they leave something open, the docstrings say
what was chosen.
"""

from dataclasses import dataclass
from enum import StrEnum

from lightninglens.analytics.profit.ledger import Ledger
from lightninglens.core.units import NS_PER_DAY, PPM, Msat, to_msat

MONTH_NS = 30 * NS_PER_DAY
HIGH_PERFORMER_SCORE = 70.0
PROFITABLE_MSAT = to_msat(100)
ACTIVE_MSAT = to_msat(1_000_000)
FULL_PROFIT_MSAT = to_msat(10_000)
FULL_FLOW_MSAT = to_msat(10_000_000)
FULL_ROI = 2.0
FULL_EARNINGS_PER_MILLION = 1_000.0
BALANCED_IMBALANCE = 0.2


class Category(StrEnum):
    """What kind of channel it is, by the first that fits."""

    HIGH_PERFORMERS = "high_performers"
    PROFITABLE = "profitable"
    ACTIVE_UNPROFITABLE = "active_unprofitable"
    INACTIVE = "inactive"
    PROBLEMATIC = "problematic"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelMetrics:
    """The documented figures of one channel, for 30 days."""

    monthly_flow_msat: Msat
    """Forwarded in and out."""
    flow_direction: str
    """`outbound` or `inbound`, or `balanced` where the imbalance is below 0.2; the documents give no limit."""
    flow_imbalance: float
    """Difference of both directions by their sum; 1 where nothing flowed, which the documents leave open."""
    monthly_earnings_msat: Msat
    """Fees of what went out over it."""
    rebalance_costs_msat: Msat

    @property
    def earnings_per_million(self) -> float:
        """Earned for each million of flow."""
        return self.monthly_earnings_msat * PPM / self.monthly_flow_msat if self.monthly_flow_msat else 0.0

    @property
    def net_profit_msat(self) -> Msat:
        """Earnings less rebalancing; the documents know no cost on the chain."""
        return Msat(self.monthly_earnings_msat - self.rebalance_costs_msat)

    @property
    def roi(self) -> float | None:
        """Net profit by what rebalancing cost; None where it cost nothing, which counts as the most."""
        return self.net_profit_msat / self.rebalance_costs_msat if self.rebalance_costs_msat else None

    @property
    def profitability_score(self) -> float:
        """Mean of net profit up to 10,000 sat and of roi up to 2; 0 without profit."""
        if self.net_profit_msat <= 0:
            return 0.0
        roi = 1.0 if self.roi is None else min(self.roi / FULL_ROI, 1.0)
        return 50.0 * (min(self.net_profit_msat / FULL_PROFIT_MSAT, 1.0) + roi)

    @property
    def activity_score(self) -> float:
        """Mean of flow up to 10 million sat and of how balanced it is."""
        return 50.0 * (min(self.monthly_flow_msat / FULL_FLOW_MSAT, 1.0) + 1.0 - self.flow_imbalance)

    @property
    def efficiency_score(self) -> float:
        """Mean of earnings per million up to 1,000 and of the share of the earnings that rebalancing leaves."""
        earned = max(min(self.earnings_per_million / FULL_EARNINGS_PER_MILLION, 1.0), 0.0)
        left = 0.0
        if self.monthly_earnings_msat > 0:
            left = max(1.0 - self.rebalance_costs_msat / self.monthly_earnings_msat, 0.0)
        return 50.0 * (earned + left)

    @property
    def overall_score(self) -> float:
        """Mean of the three."""
        return (self.profitability_score + self.activity_score + self.efficiency_score) / 3

    @property
    def category(self) -> Category:
        """The first that fits, in the documented order."""
        if self.overall_score >= HIGH_PERFORMER_SCORE:
            return Category.HIGH_PERFORMERS
        if self.net_profit_msat > PROFITABLE_MSAT:
            return Category.PROFITABLE
        if self.monthly_flow_msat > ACTIVE_MSAT:
            return Category.ACTIVE_UNPROFITABLE
        return Category.PROBLEMATIC if self.monthly_flow_msat else Category.INACTIVE


def channel_metrics(ledger: Ledger, *, span_ns: int) -> ChannelMetrics:
    """Return the documented figures of a channel, from its sums over `span_ns`."""

    def monthly(amount_msat: int) -> Msat:
        return Msat(amount_msat * MONTH_NS // span_ns)

    flow_msat = ledger.flow_msat
    difference_msat = ledger.forwarded_out_msat - ledger.forwarded_in_msat
    imbalance = abs(difference_msat) / flow_msat if flow_msat else 1.0
    direction = "balanced"
    if flow_msat and imbalance >= BALANCED_IMBALANCE:
        direction = "outbound" if difference_msat > 0 else "inbound"
    return ChannelMetrics(
        monthly_flow_msat=monthly(flow_msat),
        flow_direction=direction,
        flow_imbalance=imbalance,
        monthly_earnings_msat=monthly(ledger.fee_earned_msat),
        rebalance_costs_msat=monthly(ledger.rebalance_fee_msat),
    )
