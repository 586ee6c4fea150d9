"""What was missed, on cases whose answer one can work out by hand, and against a plain twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference.serving import RefusedRow, served_shares
from tests.support.htlcs import Htlcs, P, Q, R, channel

from lightninglens.analytics.missed._serving import serve
from lightninglens.analytics.missed.accounting import HtlcAccounting
from lightninglens.analytics.missed.chance import chance_by_us
from lightninglens.analytics.missed.columns import Evidence, buckets_of, evidence_of
from lightninglens.analytics.missed.estimate import Missed, missed_revenue
from lightninglens.analytics.missed.rates import FIRST_GUESS, PRIOR_PAYMENTS, settle_rate
from lightninglens.core.attempts import EstimatedPayment
from lightninglens.core.forward_sums import (
    UNKNOWN_DISTANCE,
    SumKey,
    SumValues,
    bucket_of,
    distance_of,
    sums_of,
)
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import Msat, UnixNs

pytestmark = pytest.mark.kernel
LATER_NS = 2**62


class Case:
    """A node between P, Q and R, with what happens at it."""

    def __init__(self) -> None:
        self.htlcs = Htlcs()
        self.accounting = HtlcAccounting()
        empty = channel(Q, local_msat=Msat(20_000_000), outbound_msat=Msat(10_000_000))
        self.states = [channel(P), empty, channel(R)]
        self.look()
        self.sums: dict[SumKey, SumValues] = {}
        self.refused: list[EstimatedPayment] = []

    def forwarded(self, count: int, *, settle: bool, amount_msat: int = 100_000_000, **ends: ChannelId) -> None:
        for _ in range(count):
            offered = self.htlcs.offered(amount_msat, 1_000, **ends)
            self.accounting.take(offered)
            self.htlcs.later(1)
            self.accounting.take(self.htlcs.settled(offered) if settle else self.htlcs.failed(offered))
            self.htlcs.later(200)

    def look(self) -> None:
        self.accounting.channels.see(self.states, UnixNs(self.htlcs.now_ns))

    def refuse(self, count: int, amount_msat: int = 100_000_000, fee_msat: int = 1_000) -> None:
        self.look()
        for _ in range(count):
            self.accounting.take(self.htlcs.refused(amount_msat, fee_msat))
            self.htlcs.later(200)

    def evidence(self) -> Evidence:
        changes = self.accounting.changes(LATER_NS)
        sums_of(changes.ended, changes.closed, self.sums)
        self.refused += [each for each in changes.closed if each.refused_here]
        peers = {each.channel_id: str(each.peer_id) for each in self.states}
        return evidence_of(list(self.sums.items()), self.refused, peers)

    def missed(self) -> tuple[Missed, dict[ChannelId, int]]:
        evidence = self.evidence()
        return missed_revenue(evidence), {each: row for row, each in enumerate(evidence.channels)}


def by_us(payments: int, amount_msat: int = 100_000_000) -> float:
    """Return how likely payments that settle do so by us, where the incoming side can bring all of them."""
    rows = np.zeros(payments, np.int64)
    return float(chance_by_us(rows, rows + amount_msat, np.ones(payments), rows > 0)[0])


@pytest.mark.promise("A2.4a")
def test_a_fee_counts_as_often_as_the_pair_settles() -> None:
    case = Case()
    case.forwarded(300, settle=True)
    case.forwarded(100, settle=False)
    case.refuse(4, fee_msat=10_000)
    missed, row = case.missed()
    assert missed.payments[row[Q]] == 4
    assert missed.offered_fee_msat[row[Q]] == 40_000
    assert missed.served_share[row[Q]] == 1.0
    assert missed.expected_msat[row[Q]] == pytest.approx(30_000 * by_us(4), rel=0.05)
    assert missed.lower_msat[row[Q]] < missed.expected_msat[row[Q]] < missed.upper_msat[row[Q]]
    assert missed.liquidity_msat[row[Q]] == pytest.approx(300_000_000 * by_us(4), rel=0.05)


def test_where_nothing_ever_settles_next_to_nothing_was_missed() -> None:
    case = Case()
    case.forwarded(400, settle=False)
    case.refuse(10, fee_msat=10_000)
    missed, row = case.missed()
    assert missed.expected_msat[row[Q]] < 0.03 * missed.offered_fee_msat[row[Q]]


def test_a_pair_without_history_borrows_that_of_its_peer_and_node() -> None:
    case = Case()
    case.forwarded(100, settle=True, outgoing=R)
    evidence = case.evidence()
    row = {each: at for at, each in enumerate(evidence.channels)}
    incoming, classes = np.array([row[P]]), (np.array([bucket_of(100_000_000)]), np.array([UNKNOWN_DISTANCE]))
    known = settle_rate(evidence, incoming, np.array([row[R]]), *classes)
    unknown = settle_rate(evidence, incoming, np.array([row[Q]]), *classes)
    assert known[0] > unknown[0] > FIRST_GUESS


def test_without_any_history_the_guess_is_even_and_the_interval_wide() -> None:
    case = Case()
    case.refuse(3, fee_msat=10_000)
    missed, row = case.missed()
    assert missed.expected_msat[row[Q]] == pytest.approx(FIRST_GUESS * 30_000 * by_us(3), rel=0.01)
    assert missed.lower_msat[row[Q]] < 0.5 * missed.expected_msat[row[Q]]


def test_what_was_earned_another_way_is_taken_off() -> None:
    case = Case()
    case.forwarded(200, settle=True)
    case.look()
    case.accounting.take(case.htlcs.refused(100_000_000, 900_000))
    case.htlcs.later(1)
    again = case.htlcs.offered(100_000_000, 300_000, outgoing=R)
    case.accounting.take(again)
    case.accounting.take(case.htlcs.settled(again))
    missed, row = case.missed()
    assert missed.expected_msat[row[Q]] == pytest.approx(600_000 * by_us(1), rel=0.1)
    assert missed.offered_fee_msat[row[Q]] == 900_000


def test_a_retry_over_a_dearer_channel_makes_serving_a_loss() -> None:
    case = Case()
    case.forwarded(200, settle=True)
    case.look()
    case.accounting.take(case.htlcs.refused(100_000_000, 100))
    case.htlcs.later(1)
    again = case.htlcs.offered(100_000_000, 300_000, outgoing=R)
    case.accounting.take(again)
    case.accounting.take(case.htlcs.settled(again))
    missed, row = case.missed()
    assert missed.expected_msat[row[Q]] < 0
    assert missed.lower_msat[row[Q]] < missed.expected_msat[row[Q]] < missed.upper_msat[row[Q]]


@pytest.mark.parametrize(
    ("remaining", "distance"), [(None, 5), (-3, 0), (0, 0), (49, 0), (50, 1), (199, 3), (200, 4), (2_000, 4)]
)
def test_what_is_left_of_a_time_lock_is_a_class(remaining: int | None, distance: int) -> None:
    assert distance_of(remaining) == distance


def test_how_far_a_payment_goes_tells_how_likely_it_settles() -> None:
    case = Case()
    for height, settle in ((100, True), (1, False)):  # the events' time locks end at block 120
        case.accounting.channels.see(case.states, UnixNs(case.htlcs.now_ns), block_height=height)
        case.forwarded(60, settle=settle, amount_msat=1_000_000)
    evidence = case.evidence()
    row = {each: at for at, each in enumerate(evidence.channels)}
    ends = np.array([row[P]]), np.array([row[Q]]), np.array([bucket_of(1_000_000)])
    near, far = (settle_rate(evidence, *ends, np.array([distance_of(left)])) for left in (20, 119))
    assert near[0] > 0.9
    assert far[0] < 0.1


def test_parts_that_came_back_for_want_of_what_we_refused_say_nothing_of_what_lies_behind_us() -> None:
    case = Case()
    case.forwarded(40, settle=True)
    for _ in range(40):
        part = case.htlcs.offered(50_000_000, 500)
        case.accounting.take(case.htlcs.refused(100_000_000, 1_000))
        case.accounting.take(part)
        case.htlcs.later(90)
        case.accounting.take(case.htlcs.failed(part))
        case.htlcs.later(200)
    evidence = case.evidence()
    row = {each: at for at, each in enumerate(evidence.channels)}
    classes = np.array([bucket_of(100_000_000)]), np.array([UNKNOWN_DISTANCE])
    assert settle_rate(evidence, np.array([row[P]]), np.array([row[Q]]), *classes)[0] > 0.9


def test_what_settles_comes_by_us_the_likelier_the_more_the_incoming_side_can_bring() -> None:
    rows, nothing_back = np.zeros(3, np.int64), np.zeros(3, np.bool_)
    amounts = np.full(3, 100_000_000)
    ample, scarce = (chance_by_us(rows, amounts, np.full(3, share), nothing_back) for share in (1.0, 0.0))
    small = chance_by_us(rows, amounts // 10, np.ones(3), nothing_back)
    no_other_way = chance_by_us(rows, amounts, np.ones(3), ~nothing_back)
    assert (scarce > 0.0).all()
    assert (scarce < ample).all()
    assert (ample < small).all()
    assert (small < 1.0).all()
    assert (no_other_way > ample).all()


def test_channels_do_not_lend_each_other_what_their_payments_are_like() -> None:
    channel, amounts = np.array([0, 1]), np.array([1_000_000, 10_000_000_000])
    both = chance_by_us(channel, amounts, np.ones(2), np.zeros(2, np.bool_))
    alone = chance_by_us(channel[:1], amounts[:1], np.ones(1), np.zeros(1, np.bool_))
    assert both[0] == alone[0]


def test_what_the_incoming_side_could_not_have_brought_was_not_missed() -> None:
    case = Case()
    case.forwarded(400, settle=True, amount_msat=1_000)
    case.states[0] = channel(P, inbound_msat=Msat(150_000_000))
    case.refuse(10, amount_msat=100_000_000, fee_msat=10_000)
    missed, row = case.missed()
    assert missed.served_share[row[Q]] < 0.3
    assert missed.blocked_msat[row[P]] > missed.expected_msat[row[Q]]
    assert missed.blocked_amount_msat[row[P]] > 0


def test_prices_that_were_not_met_and_probes_are_not_missed() -> None:
    case = Case()
    case.forwarded(50, settle=True)
    for amount in (500_000_000, 750_000_000, 625_000_000, 687_500_000, 656_250_000, 671_875_000):
        case.accounting.take(case.htlcs.refused(amount, 10_000))
        case.htlcs.later(2)
    case.htlcs.later(300)
    case.accounting.take(case.htlcs.refused(1_000_000, 1, failure=(12, 1)))  # type: ignore[arg-type]
    missed, row = case.missed()
    assert missed.payments[row[Q]] <= 3  # the search was not known for one before its fourth step


def test_of_nothing_nothing_was_missed() -> None:
    empty = evidence_of([], [], {})
    missed = missed_revenue(empty)
    assert len(missed.expected_msat) == 0
    known = missed_revenue(evidence_of([], [], {P: "a", Q: "b"}))
    assert known.expected_msat.tolist() == [0.0, 0.0]
    assert known.upper_msat.tolist() == [0.0, 0.0]


@given(st.lists(st.integers(0, 2**50), min_size=1, max_size=20))
def test_buckets_of_arrays_are_those_of_amounts(amounts: list[int]) -> None:
    assert buckets_of(np.array(amounts, np.int64)).tolist() == [bucket_of(each) for each in amounts]


ROWS = st.lists(
    st.builds(
        RefusedRow,
        source=st.integers(0, 3),
        target=st.integers(0, 3),
        amount=st.integers(0, 1_000).map(float),
        wanted=st.integers(0, 1_000).map(float),
        left=st.none() | st.integers(0, 3_000).map(float),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=200)
@given(ROWS)
def test_serving_is_what_its_twin_says(rows: list[RefusedRow]) -> None:
    columns = [np.array([each[at] for each in rows], kind) for at, kind in ((0, np.int64), (1, np.int64))]
    amounts = [np.array([each[at] for each in rows], np.float64) for at in (2, 3)]
    left = np.array([-1.0 if each.left is None else each.left for each in rows])
    for peer in {each.target for each in rows}:
        share = np.full(len(rows), -1.0)
        first = next(at for at, each in enumerate(rows) if each.target == peer)
        serve(columns[0], columns[1], amounts[0], amounts[1], left, peer, first, np.zeros(4), share)
        mine = [share[at] for at, each in enumerate(rows) if each.target == peer]
        assert mine == pytest.approx(served_shares(rows, peer))
        assert all(0.0 <= each <= 1.0 for each in mine)
        assert all(share[at] == -1.0 for at, each in enumerate(rows) if each.target != peer)


def test_the_prior_weighs_what_it_says() -> None:
    case = Case()
    case.forwarded(int(PRIOR_PAYMENTS), settle=True)
    evidence = case.evidence()
    row = {each: at for at, each in enumerate(evidence.channels)}
    bucket = np.array([bucket_of(100_000_000)])
    rate = settle_rate(evidence, np.array([row[P]]), np.array([row[Q]]), bucket, np.array([UNKNOWN_DISTANCE]))
    expected = FIRST_GUESS
    for _ in range(5):
        expected = (1 + expected) / 2
    assert rate[0] == pytest.approx(expected)
