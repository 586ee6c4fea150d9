"""Attempts that are one payment, and those that are not."""

import pytest
from tests.support.htlcs import START_NS, Htlcs, P, Q, R, channel

from lightninglens.analytics.missed.accounting import HtlcAccounting
from lightninglens.core.attempts import AttemptState, EstimatedPayment
from lightninglens.core.units import UnixNs

LATER_NS = 2**62


@pytest.fixture
def htlcs() -> Htlcs:
    return Htlcs()


@pytest.fixture
def accounting() -> HtlcAccounting:
    made = HtlcAccounting()
    made.channels.see([channel(P), channel(Q), channel(R)], UnixNs(START_NS))
    return made


def closed(accounting: HtlcAccounting, now_ns: int = LATER_NS) -> list[EstimatedPayment]:
    return accounting.changes(now_ns).closed


def test_retries_are_one_payment_and_count_its_fee_once(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    for _ in range(5):
        accounting.take(htlcs.refused(490_000_000, 490_000))
        htlcs.later(3)
    (payment,) = closed(accounting)
    assert (payment.attempts, payment.refused_here) == (5, 5)
    assert (payment.amount_msat, payment.fee_msat) == (490_000_000, 490_000)
    assert payment.state is AttemptState.FAILED_HERE


def test_amounts_differ_by_the_fees_further_down(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    accounting.take(htlcs.refused(490_000_000))
    accounting.take(htlcs.refused(493_000_000))
    assert len(closed(accounting)) == 1
    accounting.take(htlcs.refused(490_000_000))
    accounting.take(htlcs.refused(498_000_000))
    assert len(closed(accounting)) == 2


def test_halves_that_follow_a_refusal_are_the_same_payment(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    accounting.take(htlcs.refused(490_000_000, 49))
    htlcs.later(1)
    first, second = htlcs.offered(245_000_000, 24), htlcs.offered(245_000_000, 25)
    accounting.take(first)
    accounting.take(second)
    accounting.take(htlcs.settled(first))
    accounting.take(htlcs.settled(second))
    (payment,) = closed(accounting)
    assert (payment.state, payment.amount_msat) == (AttemptState.SETTLED, 490_000_000)
    assert (payment.settled_msat, payment.settled_fee_msat, payment.fee_msat) == (490_000_000, 49, 49)


def test_parts_that_are_refused_at_once_are_counted_together(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    for _ in range(3):
        accounting.take(htlcs.refused(100_000_000, 1_000))
    htlcs.later(3)
    for _ in range(4):
        accounting.take(htlcs.refused(50_000_000, 600))
    (payment,) = closed(accounting)
    assert (payment.amount_msat, payment.fee_msat, payment.refused_here) == (300_000_000, 3_000, 7)


def test_what_is_left_once_other_ways_took_a_part_is_the_same_payment(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    for amount_msat, later_s in ((490_000_000, 2), (360_000_000, 4), (123_000_000, 6), (77_000_000, 0)):
        accounting.take(htlcs.refused(amount_msat, 49))
        htlcs.later(later_s)
    found = closed(accounting)
    assert [(each.attempts, each.amount_msat) for each in found] == [(3, 490_000_000), (1, 77_000_000)]


def test_a_smaller_amount_is_no_rest_of_what_settled(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    accounting.take(htlcs.refused(490_000_000))
    again = htlcs.offered(490_000_000)
    accounting.take(again)
    accounting.take(htlcs.settled(again))
    htlcs.later(1)
    accounting.take(htlcs.refused(360_000_000))
    assert [each.amount_msat for each in closed(accounting)] == [490_000_000, 360_000_000]


def test_what_comes_a_minute_later_is_another_payment(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    accounting.take(htlcs.refused(490_000_000))
    htlcs.later(61)
    accounting.take(htlcs.refused(490_000_000))
    assert len(closed(accounting)) == 2


def test_the_same_amount_after_it_settled_is_another_payment(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    for _ in range(3):
        offered = htlcs.offered(1_000_000)
        accounting.take(offered)
        htlcs.later(1)
        accounting.take(htlcs.settled(offered))
    assert len(closed(accounting)) == 3


def test_another_pair_is_another_payment(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    accounting.take(htlcs.refused(490_000_000))
    accounting.take(htlcs.refused(490_000_000, outgoing=R))
    accounting.take(htlcs.refused(490_000_000, incoming=R))
    assert len(closed(accounting)) == 3


def test_a_retry_by_way_of_us_over_another_peer_is_credited(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    accounting.take(htlcs.refused(490_000_000, 900))
    htlcs.later(2)
    again = htlcs.offered(490_100_000, 300, outgoing=R)
    accounting.take(again)
    htlcs.later(2)
    accounting.take(htlcs.settled(again))
    by_state = {each.state: each for each in closed(accounting)}
    assert by_state[AttemptState.FAILED_HERE].elsewhere_fee_msat == 300
    assert by_state[AttemptState.SETTLED].elsewhere_fee_msat == 0


def test_a_payment_in_flight_stays_open_however_long(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    held = htlcs.offered(1_000_000)
    accounting.take(held)
    htlcs.later(86_400)
    assert closed(accounting, htlcs.now_ns) == []
    accounting.take(htlcs.settled(held))
    assert closed(accounting, htlcs.now_ns) == []
    (payment,) = closed(accounting)
    assert payment.settled_msat == 1_000_000


def test_a_binary_search_looks_like_probing(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    for amount in (500_000_000, 750_000_000, 625_000_000, 687_500_000, 656_250_000, 671_875_000):
        accounting.take(htlcs.refused(amount))
        htlcs.later(2)
    found = closed(accounting)
    assert sum(each.attempts for each in found) == 6
    assert all(each.probing for each in found)
    ordinary = HtlcAccounting()
    for amount in (500_000_000, 510_000_000, 900_000_000, 100_000_000, 7_000_000):
        ordinary.take(htlcs.refused(amount))
        htlcs.later(2)
    assert not any(each.probing for each in closed(ordinary))


def test_numbers_are_never_used_twice(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    for amount in (1_000, 2_100, 4_500):
        accounting.take(htlcs.refused(amount))
    numbers = [each.number for each in closed(accounting)]
    assert numbers == [1, 2, 3]
    assert accounting.next_payment == 4
