import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lightninglens.analytics.comparison import holm, mean_with_interval, paired_difference

VALUES = st.lists(
    st.tuples(st.floats(-1e3, 1e3).map(lambda x: round(x, 3)), st.floats(-1e3, 1e3).map(lambda x: round(x, 3))),
    min_size=3,
    max_size=12,
)


@given(VALUES)
def test_it_is_the_paired_t_test(pairs: list[tuple[float, float]]) -> None:
    treated, control = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = paired_difference(treated, control)
    differences = np.subtract(treated, control)
    assert found.pairs == len(pairs)
    assert found.mean == pytest.approx(differences.mean())
    assert found.wins + found.ties + int((differences < 0).sum()) == len(pairs)
    if differences.std(ddof=1) > 1e-6:
        expected = stats.ttest_rel(treated, control)
        interval = expected.confidence_interval(0.95)
        assert found.p_value == pytest.approx(expected.pvalue, abs=1e-9)
        assert found.low == pytest.approx(interval.low, rel=1e-6, abs=1e-9)
        assert found.high == pytest.approx(interval.high, rel=1e-6, abs=1e-9)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    draw = np.random.default_rng(1)
    held = 0
    for _ in range(2_000):
        world = draw.normal(50, 10, 12)
        found = paired_difference((world + draw.normal(0.3, 1, 12)).tolist(), world.tolist())
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.3 <= found.high
    assert held / 2_000 == pytest.approx(0.95, abs=0.02)


def test_pairing_pays_where_worlds_differ_more_than_treatments() -> None:
    world = np.linspace(0, 100, 10)
    found = paired_difference((world + [0, 1] * 5).tolist(), world.tolist())
    assert found.variance_ratio is not None
    assert found.variance_ratio > 1_000


def test_without_a_difference_there_is_none() -> None:
    same = paired_difference([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert (same.mean, same.low, same.high, same.wins, same.ties, same.p_value) == (0.0, 0.0, 0.0, 0, 3, 1.0)
    shifted = paired_difference([2.0, 3.0, 4.0], [1.0, 2.0, 3.0])
    assert (shifted.mean, shifted.p_value, shifted.wins) == (1.0, 0.0, 3)


def test_two_worlds_are_too_few_and_what_is_not_there_is_left_out() -> None:
    few = paired_difference([1.0, math.nan, 3.0], [0.0, 0.0, math.nan])
    assert (few.pairs, few.mean, few.low, few.p_value) == (1, 1.0, None, None)
    assert math.isnan(paired_difference([math.nan], [1.0]).mean)
    for treated, control in (([], []), ([1.0], [1.0, 2.0])):
        with pytest.raises(ValueError, match="paired"):
            paired_difference(treated, control)


def test_holm_is_stepwise_monotone_and_leaves_the_untested_alone() -> None:
    assert holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([None]) == [None]


def test_a_mean_has_its_interval() -> None:
    mean, low, high = mean_with_interval([1.0, 2.0, 3.0])
    assert mean == 2.0
    assert low == pytest.approx(2 - stats.t.ppf(0.975, 2) / math.sqrt(3))
    assert high == pytest.approx(2 + stats.t.ppf(0.975, 2) / math.sqrt(3))
