"""The documented scores and categories, by hand."""

import pytest
from tests.support.books import books, forwarded, rebalanced

from lightninglens.analytics.profit.analyser import MONTH_NS, Category, ChannelMetrics, channel_metrics
from lightninglens.analytics.profit.ledger import Ledger, channel_ledgers
from lightninglens.core.units import Msat

SAT = 1_000


def metrics(flow_sat: int = 0, earned_sat: int = 0, cost_sat: int = 0, imbalance: float = 0.0) -> ChannelMetrics:
    return ChannelMetrics(
        monthly_flow_msat=Msat(flow_sat * SAT),
        flow_direction="balanced",
        flow_imbalance=imbalance,
        monthly_earnings_msat=Msat(earned_sat * SAT),
        rebalance_costs_msat=Msat(cost_sat * SAT),
    )


def test_scores_are_those_of_the_documents() -> None:
    found = metrics(flow_sat=5_000_000, earned_sat=6_000, cost_sat=3_000, imbalance=0.5)
    assert (found.net_profit_msat, found.roi, found.earnings_per_million) == (3_000 * SAT, 1.0, 1_200.0)
    assert found.profitability_score == pytest.approx((30 + 50) / 2)
    assert found.activity_score == pytest.approx((50 + 50) / 2)
    assert found.efficiency_score == pytest.approx((100 + 50) / 2)
    assert found.overall_score == pytest.approx((40 + 50 + 75) / 3)
    assert found.category is Category.PROFITABLE


def test_all_scores_end_at_a_hundred() -> None:
    found = metrics(flow_sat=90_000_000, earned_sat=900_000, cost_sat=1)
    assert (found.profitability_score, found.activity_score) == (100.0, 100.0)
    assert found.overall_score == pytest.approx(100.0, abs=0.001)
    assert found.category is Category.HIGH_PERFORMERS


def test_without_costs_the_return_on_them_counts_as_the_most() -> None:
    found = metrics(flow_sat=1_000_000, earned_sat=1_000)
    assert found.roi is None
    assert found.profitability_score == pytest.approx((10 + 100) / 2)


@pytest.mark.parametrize(
    ("given", "category"),
    [
        ({"flow_sat": 1_000_000, "earned_sat": 101, "imbalance": 1.0}, Category.PROFITABLE),
        ({"flow_sat": 1_000_001, "earned_sat": 100, "imbalance": 1.0}, Category.ACTIVE_UNPROFITABLE),
        ({"flow_sat": 20_000_000, "earned_sat": 100, "cost_sat": 500}, Category.ACTIVE_UNPROFITABLE),
        ({"flow_sat": 1_000_000, "earned_sat": 100, "imbalance": 1.0}, Category.PROBLEMATIC),
        ({"flow_sat": 1, "cost_sat": 500}, Category.PROBLEMATIC),
        ({"cost_sat": 500, "imbalance": 1.0}, Category.INACTIVE),
    ],
)
def test_categories_begin_where_the_documents_say(given: dict[str, float], category: Category) -> None:
    assert metrics(**given).category is category  # type: ignore[arg-type]


def test_a_channel_that_loses_scores_nothing_for_profit() -> None:
    found = metrics(flow_sat=10_000_000, earned_sat=100, cost_sat=300)
    assert (found.profitability_score, found.efficiency_score) == (0.0, 0.5)
    assert found.roi == pytest.approx(-2 / 3)


def test_nothing_at_all_scores_nothing() -> None:
    found = channel_metrics(Ledger(), span_ns=MONTH_NS)
    assert (found.overall_score, found.flow_direction, found.category) == (0.0, "balanced", Category.INACTIVE)
    assert found.earnings_per_million == 0.0


def test_a_range_of_any_length_is_brought_to_thirty_days() -> None:
    given = books(settled=(forwarded(0, 1, 900_000, 900),), self_payments=(rebalanced(0, 1, 50_000, 60),))
    sink = channel_ledgers(given)
    found = channel_metrics(next(each for each in sink.values() if each.forwards_out), span_ns=MONTH_NS // 3)
    assert (found.monthly_flow_msat, found.monthly_earnings_msat, found.rebalance_costs_msat) == (2_700_000, 2_700, 180)
    assert (found.flow_direction, found.flow_imbalance) == ("outbound", 1.0)
    source = channel_metrics(next(each for each in sink.values() if each.forwards_in), span_ns=MONTH_NS)
    assert source.flow_direction == "inbound"
