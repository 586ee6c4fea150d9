"""The report of a window: opportunities with what they rest on, in the documented JSON and ours beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lightninglens.analytics.missed.opportunities import ASSUMED_LIQUIDITY_PPM, Opportunity
from lightninglens.core.costs import SelfPayment
from lightninglens.core.forwards import Gap
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_HOUR, NS_PER_MS, NS_PER_SECOND, PPM, Ppm

FORMAT = "lightninglens/opportunities/1"
LEAST_REBALANCES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of a window was seen."""

    from_ns: int
    to_ns: int
    covered_ns: int
    gaps: int

    @property
    def share(self) -> float:
        """Share of the window in which we were connected."""
        return self.covered_ns / max(self.to_ns - self.from_ns, 1)

    @property
    def hours(self) -> float:
        """Time that was seen."""
        return self.covered_ns / NS_PER_HOUR


def coverage_of(covered: Sequence[tuple[int, int]], gaps: Sequence[Gap], *, from_ns: int, to_ns: int) -> Coverage:
    """Return how much of a window the times that were seen make up.

    A time that is there twice, since a clock was set back, counts once.
    """
    seen_ns, counted_ns = 0, from_ns
    for begin, end in sorted(covered):
        seen_ns += max(min(end, to_ns) - max(begin, counted_ns), 0)
        counted_ns = max(counted_ns, end)
    return Coverage(from_ns=from_ns, to_ns=to_ns, covered_ns=seen_ns, gaps=len(gaps))


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidityCost:
    """What bringing liquidity costs a node."""

    cost_ppm: Ppm
    rebalances: int
    """Of its own that this rests on; 0 where it was given, or assumed."""


def own_liquidity_cost(payments: Sequence[SelfPayment]) -> LiquidityCost:
    """Return what a node has paid for its circular rebalances; what is assumed, where these are too few to tell."""
    amount_msat = sum(each.amount_msat for each in payments)
    if len(payments) < LEAST_REBALANCES or not amount_msat:
        return LiquidityCost(cost_ppm=ASSUMED_LIQUIDITY_PPM, rebalances=0)
    fee_msat = sum(each.fee_msat for each in payments)
    return LiquidityCost(cost_ppm=Ppm(-(-fee_msat * PPM // amount_msat)), rebalances=len(payments))


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedReport:
    """What was missed in a window, the most urgent first."""

    made_ns: int
    window_hours: float
    coverage: Coverage | None
    """None where the file that it was read from does not tell."""
    opportunities: tuple[Opportunity, ...]
    channels: int
    """Open channels that were looked at."""
    liquidity_cost: LiquidityCost | None = None
    """What bringing liquidity was taken to cost; None where the file that it was read from does not tell."""

    @property
    def missed_revenue_sats(self) -> float:
        """Documented: the sum of each refused attempt's fee."""
        return sum(each.missed_revenue_sats for each in self.opportunities)

    @property
    def expected_msat(self) -> int:
        """What would really have been earned; the channels' intervals do not add up."""
        return sum(each.expected_msat for each in self.opportunities)


def to_plain(report: MissedReport) -> dict[str, Any]:
    """Return a report as JSON: the documented keys, and ours under names of their own."""
    monthly = [each.potential_monthly_revenue_sats for each in report.opportunities]
    known = [each for each in monthly if each is not None]
    return {
        "format": FORMAT,
        "analysis_timestamp": datetime.fromtimestamp(report.made_ns / NS_PER_SECOND, UTC).isoformat(),
        "analysis_window_hours": report.window_hours,
        "total_opportunities": len(report.opportunities),
        "total_missed_revenue_sats": round(report.missed_revenue_sats, 3),
        "total_potential_monthly_sats": round(sum(known), 3) if len(known) == len(monthly) else None,
        "total_expected_msat": report.expected_msat,
        "coverage": None if report.coverage is None else _coverage_plain(report.coverage),
        "channels": report.channels,
        "liquidity_cost_ppm": None if report.liquidity_cost is None else report.liquidity_cost.cost_ppm,
        "liquidity_cost_rebalances": None if report.liquidity_cost is None else report.liquidity_cost.rebalances,
        "opportunities": [_opportunity_plain(each) for each in report.opportunities],
    }


def _coverage_plain(coverage: Coverage) -> dict[str, Any]:
    return {
        "from_ms": coverage.from_ns // NS_PER_MS,
        "to_ms": coverage.to_ns // NS_PER_MS,
        "share": round(coverage.share, 4),
        "hours": round(coverage.hours, 3),
        "gaps": coverage.gaps,
    }


def _opportunity_plain(each: Opportunity) -> dict[str, Any]:
    monthly = each.potential_monthly_revenue_sats
    return {
        "channel_id": str(each.channel_id),
        "peer_alias": each.peer_alias,
        "peer_pubkey": each.peer_id,
        "total_failures": each.total_failures,
        "liquidity_failures": each.liquidity_failures,
        "fee_failures": each.fee_failures,
        "failure_rate": round(each.failure_rate, 6),
        "missed_revenue_sats": round(each.missed_revenue_sats, 3),
        "potential_monthly_revenue_sats": None if monthly is None else round(monthly, 3),
        "current_capacity_sats": each.current_capacity_sats,
        "current_local_balance_sats": each.current_local_balance_sats,
        "current_outbound_fee_ppm": each.current_outbound_fee_ppm,
        "recommendation_type": each.recommendation.value,
        "recommended_action": each.recommended_action,
        "urgency_score": round(each.urgency_score, 2),
        "main_cause": each.main_cause.label,
        "payments": each.payments,
        "lower_msat": each.lower_msat,
        "expected_msat": each.expected_msat,
        "upper_msat": each.upper_msat,
        "monthly_lower_msat": each.monthly_lower_msat,
        "monthly_expected_msat": each.monthly_expected_msat,
        "monthly_upper_msat": each.monthly_upper_msat,
        "move_sat": -(-each.move_msat // MSAT_PER_SAT),
        "cost_msat": each.cost_msat,
        "net_msat": each.net_msat,
        "new_fee_rate_ppm": each.new_fee_rate_ppm,
        "local_share_then": None if each.local_share_then is None else round(each.local_share_then, 4),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One line of a report that was read from a file: what both programs write."""

    channel: str
    peer: str
    failures: int
    missed_sat: float
    monthly_sat: float | None
    urgency: float
    recommendation: str
    action: str
    cause: str
    """Empty, as the next is None, where the file is of a program that does not tell."""
    interval_msat: tuple[int, int, int] | None
    """Lower, expected, upper."""


def row_of(plain: Mapping[str, Any]) -> ReportRow:
    """Return a line of a report; raises KeyError, TypeError or ValueError for what is none."""
    monthly = plain.get("potential_monthly_revenue_sats")
    bounds = tuple(plain.get(name) for name in ("lower_msat", "expected_msat", "upper_msat"))
    return ReportRow(
        channel=str(plain["channel_id"]),
        peer=str(plain.get("peer_alias") or plain.get("peer_pubkey") or ""),
        failures=int(plain["total_failures"]),
        missed_sat=float(plain["missed_revenue_sats"]),
        monthly_sat=None if monthly is None else float(monthly),
        urgency=float(plain["urgency_score"]),
        recommendation=str(plain["recommendation_type"]),
        action=str(plain.get("recommended_action", "")),
        cause=str(plain.get("main_cause", "")),
        interval_msat=None if None in bounds else (int(bounds[0]), int(bounds[1]), int(bounds[2])),  # type: ignore[arg-type]
    )
