import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.htlcs import POLICY, START_NS, Htlcs, P, Q, channel

from lightninglens.analytics.missed.accounting import HtlcAccounting
from lightninglens.analytics.missed.columns import Evidence, evidence_of
from lightninglens.analytics.missed.opportunities import (
    Opportunity,
    OpportunityOptions,
    Recommendation,
    _quantiles,
    find_opportunities,
    urgency,
)
from lightninglens.analytics.missed.report import MissedReport, coverage_of, own_liquidity_cost, row_of, to_plain
from lightninglens.analytics.missed.summary import channel_stats
from lightninglens.core.attempts import FailureCause
from lightninglens.core.channels import ChannelState
from lightninglens.core.costs import SelfPayment
from lightninglens.core.forward_sums import sums_of
from lightninglens.core.htlc import FailureCode, FailureDetail
from lightninglens.core.units import Msat, Ppm, UnixNs

LATER_NS = 2**62
FEE = (FailureCode.FEE_INSUFFICIENT, FailureDetail.NO_DETAIL)
MAX_HTLC = (FailureCode.TEMPORARY_CHANNEL_FAILURE, FailureDetail.HTLC_EXCEEDS_MAX)
OFFLINE = (FailureCode.UNKNOWN_NEXT_PEER, FailureDetail.NO_DETAIL)
ANY = OpportunityOptions(min_failures=1, min_missed_sat=0)


def evidence(*refusals: tuple[int, int, tuple[FailureCode, FailureDetail]], settled: int = 0) -> Evidence:
    accounting, htlcs = HtlcAccounting(), Htlcs()
    empty = channel(Q, local_msat=Msat(100_000_000), outbound_msat=Msat(90_000_000))
    accounting.channels.see([channel(P), empty], UnixNs(START_NS))
    for amount_msat, fee_msat, failure in refusals:
        accounting.take(htlcs.refused(amount_msat, fee_msat, failure))
        htlcs.later(200)
    for _ in range(settled):
        offered = htlcs.offered(1_000_000, 10_000)
        accounting.take(offered)
        htlcs.later(200)
        accounting.take(htlcs.settled(offered))
    changes = accounting.changes(LATER_NS)
    sums = sums_of(changes.ended, changes.closed, {})
    refused = [each for each in changes.closed if each.refused_here]
    return evidence_of(list(sums.items()), refused, {P: "p", Q: "q"})


def only(found: list[Opportunity]) -> Opportunity:
    (one,) = found
    return one


def opportunity(*refusals: tuple[int, int, tuple[FailureCode, FailureDetail]], **changed: object) -> Opportunity:
    state: ChannelState = dataclasses.replace(channel(Q), **changed)  # type: ignore[arg-type]
    return only(find_opportunities(evidence(*refusals), {Q: state}, observed_hours=24, options=ANY))


LIQUIDITY = (FailureCode.TEMPORARY_CHANNEL_FAILURE, FailureDetail.INSUFFICIENT_BALANCE)


@pytest.mark.promise("A2.6")
@pytest.mark.promise("A3.11")
@pytest.mark.parametrize(
    ("missed_sat", "failures", "rate", "expected"),
    [
        (0.0, 0, 0.0, 0.0),
        (1_234.56, 15, 1.0, 64.93824),
        (543.21, 8, 1.0, 56.17284),
        (234.12, 5, 0.97, 45.03648),
        (10_000.0, 10, 1.0, 100.0),
        (1e9, 10**6, 1.0, 100.0),
    ],
)
def test_urgency_is_the_documented_formula(missed_sat: float, failures: int, rate: float, expected: float) -> None:
    assert urgency(missed_sat=missed_sat, failures=failures, failure_rate=rate) == pytest.approx(expected)


@pytest.mark.promise("A2.13")
def test_statistics_count_each_failure_once() -> None:
    stats = channel_stats(evidence(*[(490_000_000, 9_000, LIQUIDITY)] * 3, (1_000_000, 1, FEE), settled=6))[Q]
    assert (stats.total_forwards, stats.successful_forwards, stats.failed_forwards) == (10, 6, 4)
    assert (stats.success_rate, stats.failure_rate) == (0.6, 0.4)
    assert (stats.liquidity_failures, stats.fee_failures) == (3, 1)
    assert stats.failures_by_cause == {FailureCause.LIQUIDITY: 3, FailureCause.FEE: 1}
    assert stats.missed_revenue_sats == pytest.approx(27.0)
    assert channel_stats(evidence()) == {}


@pytest.mark.promise("A2.7b")
@pytest.mark.promise("A3.12")
def test_an_empty_channel_wants_outbound() -> None:
    found = opportunity(*[(490_000_000, 49_000, LIQUIDITY)] * 4)
    assert found.recommendation is Recommendation.REBALANCE_OUTBOUND
    assert found.move_msat > 0
    assert found.cost_msat == found.move_msat * 200 // 1_000_000
    assert found.net_msat == found.expected_msat - found.cost_msat
    assert "outbound" in found.recommended_action
    assert found.main_cause is FailureCause.LIQUIDITY


def test_what_does_not_fit_at_once_is_said() -> None:
    small = only(
        find_opportunities(
            evidence(*[(490_000_000, 49_000, LIQUIDITY)] * 4),
            {Q: channel(Q, remote_msat=Msat(30_000_000))},
            observed_hours=24,
            options=ANY,
        )
    )
    assert "over this time, of which 30,000 sat fit into it at once" in small.recommended_action
    assert "at once" not in opportunity((490_000_000, 49_000, LIQUIDITY)).recommended_action


def test_where_much_is_to_be_moved_a_new_channel_is_the_cheaper_way() -> None:
    found_in = evidence(*[(490_000_000, 49_000, LIQUIDITY)] * 4)
    dear = dataclasses.replace(ANY, liquidity_cost_ppm=Ppm(50_000))
    found = only(find_opportunities(found_in, {Q: channel(Q)}, observed_hours=24, options=dear))
    assert found.recommendation is Recommendation.REBALANCE_OUTBOUND
    assert found.cost_msat == 3_000_000 < found.move_msat * 50_000 // 1_000_000
    assert found.net_msat == found.expected_msat - 3_000_000
    assert "another channel to this peer, for about 3,000 sat on the chain" in found.recommended_action


@pytest.mark.promise("A2.7d")
def test_payments_larger_than_the_channel_want_another_channel() -> None:
    found = opportunity(*[(950_000_000, 49_000, LIQUIDITY)] * 4)
    assert found.recommendation is Recommendation.INCREASE_CAPACITY
    assert found.cost_msat == 3_000_000


@pytest.mark.promise("A2.7c")
@pytest.mark.promise("A3.12a")
def test_fees_that_are_not_met_suggest_thirty_percent_less() -> None:
    policy = dataclasses.replace(POLICY, fee_rate_ppm=Ppm(999))
    found = opportunity(*[(1_000_000, 1, FEE)] * 4, local_policy=policy)
    assert found.recommendation is Recommendation.LOWER_FEES
    assert found.new_fee_rate_ppm == int(999 * 0.7)
    assert (found.missed_revenue_sats, found.expected_msat) == (0.0, 0)
    assert opportunity((1_000_000, 1, FEE), local_policy=None).new_fee_rate_ppm == 1


@pytest.mark.parametrize(
    ("failure", "amount_msat", "words"),
    [(MAX_HTLC, 80_000_000, "max_htlc"), (OFFLINE, 1_000_000, "offline")],
)
def test_what_neither_money_nor_fee_mends_is_to_be_investigated(
    failure: tuple[FailureCode, FailureDetail], amount_msat: int, words: str
) -> None:
    found = opportunity(*[(amount_msat, 49_000, failure)] * 4)
    assert found.recommendation is Recommendation.INVESTIGATE
    assert words in found.recommended_action
    assert found.cost_msat == 0


@pytest.mark.promise("A2.7e")
def test_mixed_causes_are_told_apart_by_a_person() -> None:
    found = opportunity((1_000_000, 9, OFFLINE), (490_000_000, 9, LIQUIDITY), (80_000_000, 9, MAX_HTLC))
    assert (found.recommendation, found.recommended_action[:5]) == (Recommendation.INVESTIGATE, "Mixed")


@pytest.mark.promise("A2.5")
def test_little_is_left_out_and_nothing_is_said_of_a_month_after_an_hour() -> None:
    few = evidence(*[(490_000_000, 49_000, LIQUIDITY)] * 4)
    assert find_opportunities(few, {Q: channel(Q)}, observed_hours=1) != []
    strict = OpportunityOptions(min_failures=5)
    assert find_opportunities(few, {Q: channel(Q)}, observed_hours=1, options=strict) == []
    dear = OpportunityOptions(min_missed_sat=1_000)
    assert find_opportunities(few, {Q: channel(Q)}, observed_hours=1, options=dear) == []
    hour = only(find_opportunities(few, {Q: channel(Q)}, observed_hours=1, options=ANY))
    assert (hour.potential_monthly_revenue_sats, hour.monthly_expected_msat) == (None, None)
    day = only(find_opportunities(few, {Q: channel(Q)}, observed_hours=24, options=ANY))
    assert day.potential_monthly_revenue_sats == pytest.approx(30 * day.missed_revenue_sats)
    assert day.monthly_lower_msat is not None
    assert day.monthly_upper_msat is not None
    assert day.monthly_lower_msat <= 30 * day.lower_msat
    assert day.monthly_upper_msat >= 30 * day.upper_msat


@pytest.mark.promise("A2.7")
@pytest.mark.promise("A2.7a")
@pytest.mark.promise("A3.12")
def test_a_channel_that_is_full_on_our_side_wants_inbound() -> None:
    accounting, htlcs = HtlcAccounting(), Htlcs()
    full = channel(P, local_msat=Msat(900_000_000), remote_msat=Msat(90_000_000), inbound_msat=Msat(80_000_000))
    empty = channel(Q, local_msat=Msat(20_000_000), outbound_msat=Msat(10_000_000))
    accounting.channels.see([full, empty], UnixNs(START_NS))
    for _ in range(20):
        accounting.take(htlcs.refused(70_000_000, 70_000))
        htlcs.later(200)
    refused = accounting.changes(LATER_NS).closed
    found = find_opportunities(
        evidence_of([], refused, {P: "p", Q: "q"}), {P: full, Q: empty}, observed_hours=24, options=ANY
    )
    one = only([each for each in found if each.channel_id == P])
    assert one.recommendation is Recommendation.REBALANCE_INBOUND
    assert 0 < one.move_msat <= full.local_msat
    assert (one.lower_msat, one.upper_msat) == (0, 2 * one.expected_msat)
    half = channel(P)
    other = find_opportunities(
        evidence_of([], refused, {P: "p", Q: "q"}), {P: half, Q: empty}, observed_hours=1, options=ANY
    )
    assert [each for each in other if each.channel_id == P] == []


def test_where_nothing_was_refused_there_is_no_opportunity() -> None:
    assert find_opportunities(evidence(settled=3), {Q: channel(Q)}, observed_hours=24, options=ANY) == []


def test_closed_channels_are_no_opportunity() -> None:
    assert find_opportunities(evidence((490_000_000, 49_000, LIQUIDITY)), {}, observed_hours=24, options=ANY) == []


@pytest.mark.promise("A2.11")
@pytest.mark.promise("A3.9")
def test_a_report_has_the_documented_keys_and_is_read_again() -> None:
    found = opportunity(*[(490_000_000, 49_000, LIQUIDITY)] * 4)
    coverage = coverage_of([(0, 10), (20, 60)], [], from_ns=5, to_ns=105)
    assert (coverage.covered_ns, coverage.share) == (45, 0.45)
    report = MissedReport(made_ns=START_NS, window_hours=24, coverage=coverage, opportunities=(found,), channels=2)
    plain = to_plain(report)
    documented = {
        "analysis_timestamp", "analysis_window_hours", "total_opportunities", "total_missed_revenue_sats",
        "total_potential_monthly_sats", "opportunities",
    }  # fmt: skip
    assert documented <= set(plain)
    of_each = {
        "channel_id", "peer_alias", "peer_pubkey", "total_failures", "liquidity_failures", "fee_failures",
        "failure_rate", "missed_revenue_sats", "potential_monthly_revenue_sats", "current_capacity_sats",
        "current_local_balance_sats", "current_outbound_fee_ppm", "recommendation_type", "recommended_action",
        "urgency_score",
    }  # fmt: skip
    assert of_each <= set(plain["opportunities"][0])
    row = row_of(plain["opportunities"][0])
    assert (row.failures, row.cause) == (4, "liquidity")
    assert row.interval_msat == (found.lower_msat, found.expected_msat, found.upper_msat)
    theirs = {key: plain["opportunities"][0][key] for key in of_each}
    assert row_of(theirs).interval_msat is None


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**45)), max_size=30), st.sampled_from([0.0, 0.5, 0.9, 1.0])
)
def test_quantiles_are_those_of_each_group(pairs: list[tuple[int, int]], share: float) -> None:
    groups, values = (np.array([each[place] for each in pairs], np.int64) for place in (0, 1))
    found = _quantiles(groups, values, share)
    assert found == pytest.approx(
        {group: float(np.quantile(values[groups == group], share)) for group in set(groups.tolist())}
    )


def test_a_time_that_is_there_twice_counts_once() -> None:
    coverage = coverage_of([(10, 40), (20, 30), (35, 60)], [], from_ns=15, to_ns=50)
    assert coverage.covered_ns == 35


def test_liquidity_costs_what_the_nodes_own_rebalances_did_where_there_were_enough() -> None:
    def paid(amount_msat: int, fee_msat: int) -> SelfPayment:
        return SelfPayment(
            payment_hash="00",
            part=0,
            settled_ns=UnixNs(START_NS),
            outgoing_channel_id=P,
            incoming_channel_id=Q,
            amount_msat=Msat(amount_msat),
            fee_msat=Msat(fee_msat),
        )

    few = own_liquidity_cost([paid(1_000_000, 900)] * 9)
    assert (few.cost_ppm, few.rebalances) == (200, 0)
    own = own_liquidity_cost([paid(1_000_000, 900)] * 9 + [paid(3_000_001, 900)])
    assert (own.cost_ppm, own.rebalances) == (750, 10)
    assert own_liquidity_cost([paid(0, 0)] * 20).rebalances == 0
