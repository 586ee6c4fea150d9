from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.observations import START_NS, network

from lightninglens.core.observations import ChannelSeen, Observation
from lightninglens.core.units import NS_PER_HOUR
from lightninglens.learn.dataset import Dataset, DatasetOptions, build_dataset
from lightninglens.learn.features import FULL_FEATURES, FeatureTracker

OPTIONS = DatasetOptions(horizon_ns=NS_PER_HOUR)


@cache
def observed() -> list[Observation]:
    return network(6)


def time_of(observation: Observation) -> int:
    return observation.seen_ns if isinstance(observation, ChannelSeen) else observation.ended_ns


def rows(observations: list[Observation], now_ns: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    tracker = FeatureTracker()
    for observation in observations:
        tracker.observe(observation)
    return np.array([list(tracker.row(*side, now_ns).values()) for side in tracker.sides()])


@cache
def built(until_ns: int) -> Dataset:
    return build_dataset([one for one in observed() if time_of(one) <= until_ns], OPTIONS)


@given(st.floats(1.5, 6.0))
@settings(max_examples=20)
def test_what_happens_later_never_changes_a_row(hours: float) -> None:
    """A data set cut off at some moment has the rows of the whole one, as far as it goes, to the last bit."""
    whole = built(START_NS + 7 * NS_PER_HOUR)
    part = build_dataset([one for one in observed() if time_of(one) <= START_NS + hours * NS_PER_HOUR], OPTIONS)
    count = len(part.y)
    assert np.array_equal(part.time_ns, whole.time_ns[:count])
    assert np.array_equal(part.X, whole.X[:count], equal_nan=True)
    assert np.array_equal(part.y, whole.y[:count])


@given(st.lists(st.floats(0.1, 6.0), max_size=5))
@settings(max_examples=10)
@pytest.mark.promise("A0.33")
def test_asking_for_rows_changes_nothing(moments: list[float]) -> None:
    """The running learner, that asks now and then, sees what the data set has."""
    tracker, asked = FeatureTracker(), sorted(START_NS + int(hours * NS_PER_HOUR) for hours in moments)
    for observation in observed():
        while asked and asked[0] <= time_of(observation):
            now_ns = asked.pop(0)
            for side in tracker.sides():
                assert tuple(tracker.row(*side, now_ns)) == FULL_FEATURES
        tracker.observe(observation)
    end_ns = START_NS + 7 * NS_PER_HOUR
    online = np.array([list(tracker.row(*side, end_ns).values()) for side in tracker.sides()])
    assert np.array_equal(online, rows(observed(), end_ns), equal_nan=True)


def test_batch_rows_are_the_online_rows_at_the_same_moment() -> None:
    whole = built(START_NS + 7 * NS_PER_HOUR)
    moment = int(whole.time_ns[len(whole.y) // 2 // 6 * 6])
    batch = whole.X[whole.time_ns == moment]
    assert np.array_equal(batch, rows([one for one in observed() if time_of(one) <= moment], moment), equal_nan=True)
