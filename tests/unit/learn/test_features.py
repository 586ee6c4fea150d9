import math

import pytest
from tests.support.observations import CHANNELS, PAIRS, START_NS, attempt, payment, seen

from lightninglens.core.units import NS_PER_HOUR
from lightninglens.learn.features import FEATURE_HELP, FULL_FEATURES, REDUCED_FEATURES, FeatureTracker

AC = CHANNELS[frozenset("ac")]


def tracker() -> FeatureTracker:
    fresh = FeatureTracker()
    for pair, channel in CHANNELS.items():
        ends = next(ends for ends in PAIRS if set(ends) == pair)
        fresh.observe(seen(channel, ends, START_NS, 600_000, 400_000))
    return fresh


def test_every_feature_is_explained_and_the_reduced_ones_are_among_them() -> None:
    assert set(FEATURE_HELP) == set(FULL_FEATURES) > set(REDUCED_FEATURES)
    assert all(FEATURE_HELP.values())


@pytest.mark.promise("A0.33")
def test_the_documented_features_are_there() -> None:
    documented = "capacity local_balance remote_balance balance_ratio tx_count success_rate avg_amount balance_velocity"
    documented += (
        " liquidity_stress hour_of_day day_of_week sent_count received_count sent_amount received_amount avg_fee"
    )
    assert set(documented.split()) <= set(FULL_FEATURES)


def test_before_any_payment_balances_are_known_and_means_are_not() -> None:
    row = tracker().row(AC, "a", START_NS + NS_PER_HOUR)
    assert row["capacity"] == 1_000_000
    assert row["local_balance"] == 600_000
    assert row["balance_ratio"] == row["liquidity_stress"] == 0.6
    assert row["node_balance_ratio"] == pytest.approx(0.6)
    assert row["hour_of_day"] == 1.0
    assert row["day_of_week"] == 0.0  # the fifth of January 2026 is a Monday
    assert row["balance_velocity"] == 0.0
    assert math.isnan(row["success_rate"])
    assert math.isnan(row["avg_fee"])
    assert row["out_2h"] == row["failed_out_2h"] == 0.0
    assert row["hours_since_failed_out"] == 24.0


def test_what_moves_and_what_fails_shows_on_both_sides() -> None:
    watched, later = tracker(), START_NS + NS_PER_HOUR
    watched.observe(payment("ac", 100_000_000, attempt("ac", (100_000_000,), later), time_ns=later))
    watched.observe(payment("ca", 50_000_000, attempt("ca", (50_000_000,), later, failed_hop=0), time_ns=later))
    here, there = watched.row(AC, "a", later), watched.row(AC, "c", later)
    assert here["balance_ratio"] == 0.5  # followed between two reports
    assert here["balance_velocity"] == pytest.approx(-0.1)
    assert there["balance_velocity"] == pytest.approx(0.1)
    assert here["out_2h"] == there["in_2h"] > 0.1
    assert there["out_2h"] == 0
    assert there["failed_out_2h"] == here["failed_in_2h"] == there["own_lost_2h"] > 0
    assert here["net_8h"] == pytest.approx(-there["net_8h"])
    assert here["share_ahead_8h"] + there["share_ahead_8h"] == pytest.approx(1.0)
    assert here["success_rate"] == there["success_rate"] == pytest.approx(0.5)
    assert here["avg_amount"] == pytest.approx(0.075)
    assert (here["sender_success_rate"], there["sender_success_rate"]) == (1.0, 0.0)
    assert (here["hours_since_failed_out"], there["hours_since_failed_out"]) == (24.0, 0.0)


def test_a_rate_is_right_from_the_first_minutes_on() -> None:
    """Ten equal payments in ten minutes are sixty an hour, whatever the half-life."""
    watched = tracker()
    for minute in range(1, 11):
        moment = START_NS + minute * NS_PER_HOUR // 60
        watched.observe(payment("ac", 1_000_000, attempt("ac", (1_000_000,), moment), time_ns=moment))
    row = watched.row(AC, "a", START_NS + NS_PER_HOUR // 6)
    assert row["tx_count"] == pytest.approx(60, rel=0.01)
    for name in ("30m", "2h", "8h"):
        assert row[f"out_{name}"] == pytest.approx(0.06, rel=0.02)


def test_a_forward_earns_and_a_rebalance_is_no_demand() -> None:
    watched = tracker()
    watched.observe(payment("abc", 10_000_000, attempt("abc", (10_010_000, 10_000_000))))
    watched.observe(payment("aa", 5_000_000, attempt("abca", (5_002_000, 5_001_000, 5_000_000)), kind="rebalance"))
    row = watched.row(CHANNELS[frozenset("bc")], "b", START_NS)
    assert row["forward_fee_ppm"] == pytest.approx(1_000)
    assert row["balance_ratio"] == pytest.approx(0.6 - 0.015, abs=1e-5)
    assert row["tx_count"] == pytest.approx(watched.row(CHANNELS[frozenset("ab")], "a", START_NS)["tx_count"])
    assert math.isnan(watched.row(AC, "c", START_NS)["success_rate"])


def test_fees_that_are_not_told_are_not_taken_for_nothing() -> None:
    watched = tracker()
    silent = payment("ac", 1_000, attempts_known=False, succeeded=True)
    watched.observe(type(silent)(**{name: getattr(silent, name) for name in silent.__slots__} | {"fee_msat": None}))
    assert math.isnan(watched.row(AC, "a", START_NS)["avg_fee"])
    assert watched.row(AC, "a", START_NS)["sent_count"] > 0


def test_a_side_that_was_never_seen_is_an_error() -> None:
    with pytest.raises(KeyError):
        tracker().row(AC, "b", START_NS)
