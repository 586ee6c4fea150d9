import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reference import replay
from tests.reference.replay import Move

from lightninglens.learn.target import FlowColumns, best_share, served_value_msat

TOTAL_MSAT = 10_000

moves = st.lists(
    st.builds(
        Move,
        amount_msat=st.integers(-9_000, 9_000).filter(bool),
        is_shift=st.booleans(),
        value_msat=st.integers(0, 50),
    ),
    max_size=30,
)
shares = st.integers(0, TOTAL_MSAT).map(lambda msat: msat / TOTAL_MSAT)


def columns(flows: list[Move]) -> FlowColumns:
    return FlowColumns(
        time_ns=np.arange(len(flows), dtype=np.int64),
        amount_msat=np.array([flow.amount_msat for flow in flows], np.int64),
        is_shift=np.array([flow.is_shift for flow in flows], np.bool_),
        value_msat=np.array([flow.value_msat for flow in flows], np.int64),
    )


@given(moves, shares)
def test_the_best_share_is_that_of_a_replay_by_hand(flows: list[Move], share_now: float) -> None:
    found = best_share(columns(flows), total_msat=TOTAL_MSAT, share_now=share_now)
    share, least, now = replay.best(flows, TOTAL_MSAT, share_now)
    assert (found.failing_msat_at_best, found.failing_msat_now) == (least, now)
    assert abs(found.share - share_now) == pytest.approx(abs(share - share_now), abs=1e-9)


@given(moves, shares)
def test_the_two_sides_of_a_channel_agree(flows: list[Move], share_now: float) -> None:
    mirrored = [Move(-flow.amount_msat, flow.is_shift) for flow in flows]
    here = best_share(columns(flows), total_msat=TOTAL_MSAT, share_now=share_now)
    there = best_share(columns(mirrored), total_msat=TOTAL_MSAT, share_now=1.0 - share_now)
    assert here.failing_msat_at_best == there.failing_msat_at_best
    assert here.failing_msat_now == there.failing_msat_now
    assert abs(abs(here.share - share_now) - abs(there.share - (1.0 - share_now))) < 1e-9


@given(moves, st.integers(0, TOTAL_MSAT))
def test_the_value_of_what_is_served_is_that_of_a_replay_by_hand(flows: list[Move], local_msat: int) -> None:
    served = served_value_msat(columns(flows), total_msat=TOTAL_MSAT, local_msat=local_msat)
    assert served == replay.replay(flows, local_msat, TOTAL_MSAT)[1]
