import dataclasses

import pytest
from tests.support.htlcs import LIQUIDITY, POLICY, START_NS, Htlcs, P, Q, channel

from lightninglens.analytics.missed.causes import SPREADING_NS, cause_of
from lightninglens.analytics.missed.channels import ChannelBook
from lightninglens.core.attempts import FailureCause
from lightninglens.core.htlc import FailureCode, FailureDetail
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import Msat, Ppm, UnixNs

Code, Detail, Cause = FailureCode, FailureDetail, FailureCause
TEMPORARY = Code.TEMPORARY_CHANNEL_FAILURE


@pytest.fixture
def book() -> ChannelBook:
    made = ChannelBook()
    made.see([channel(P), channel(Q)], UnixNs(START_NS))
    return made


@pytest.mark.promise("A2.2")
@pytest.mark.promise("A3.1")
@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        ((TEMPORARY, Detail.INSUFFICIENT_BALANCE), Cause.LIQUIDITY),
        ((TEMPORARY, Detail.HTLC_ADD_FAILED), Cause.SLOTS),
        ((TEMPORARY, Detail.NO_DETAIL), Cause.UNCLEAR),
        ((TEMPORARY, Detail.CIRCULAR_ROUTE), Cause.REFUSED_BY_POLICY),
        ((Code.CHANNEL_DISABLED, Detail.FORWARDS_DISABLED), Cause.REFUSED_BY_POLICY),
        ((Code.FEE_INSUFFICIENT, Detail.NO_DETAIL), Cause.FEE),
        ((Code.AMOUNT_BELOW_MINIMUM, Detail.NO_DETAIL), Cause.BELOW_MINIMUM),
        ((Code.INCORRECT_CLTV_EXPIRY, Detail.NO_DETAIL), Cause.EXPIRY),
        ((Code.EXPIRY_TOO_SOON, Detail.NO_DETAIL), Cause.EXPIRY),
        ((Code.EXPIRY_TOO_FAR, Detail.NO_DETAIL), Cause.EXPIRY),
        ((Code.UNKNOWN_NEXT_PEER, Detail.NO_DETAIL), Cause.PEER_OFFLINE),
        ((Code.UNKNOWN_NEXT_PEER, Detail.LINK_NOT_ELIGIBLE), Cause.PEER_OFFLINE),
        ((Code.INVALID_ONION_HMAC, Detail.ONION_DECODE), Cause.UNCLEAR),
    ],
)
def test_each_code_proves_what_lnds_order_of_checks_says(
    book: ChannelBook, failure: tuple[FailureCode, FailureDetail], cause: FailureCause
) -> None:
    assert cause_of(Htlcs().refused(600_000_000, failure=failure), book) is cause


def test_an_unknown_outgoing_channel_is_not_our_peer_offline(book: ChannelBook) -> None:
    event = Htlcs().refused(1_000, failure=(Code.UNKNOWN_NEXT_PEER, Detail.NO_DETAIL), outgoing=ChannelId.of(1, 1, 1))
    assert cause_of(event, book) is Cause.UNKNOWN_CHANNEL


def test_without_an_outgoing_channel_the_htlc_itself_was_bad(book: ChannelBook) -> None:
    event = Htlcs().refused(1_000, failure=(Code.INVALID_ONION_KEY, Detail.ONION_DECODE), outgoing=ChannelId(0))
    assert cause_of(event, book) is Cause.INCOMING


@pytest.mark.parametrize(("amount", "cause"), [(480_000_000, Cause.OWN_MAX_HTLC), (480_000_001, Cause.TOO_LARGE)])
def test_above_our_own_limit_it_matters_whether_the_liquidity_was_there(
    book: ChannelBook, amount: int, cause: FailureCause
) -> None:
    assert cause_of(Htlcs().refused(amount, failure=(TEMPORARY, Detail.HTLC_EXCEEDS_MAX)), book) is cause


def test_the_liquidity_may_lie_in_another_channel_with_the_same_peer() -> None:
    book = ChannelBook()
    other = channel(ChannelId.of(800_000, 9, 0), peer_id=channel(Q).peer_id, outbound_msat=Msat(900_000_000))
    book.see([channel(P), channel(Q), other], UnixNs(START_NS))
    event = Htlcs().refused(800_000_000, failure=(TEMPORARY, Detail.HTLC_EXCEEDS_MAX))
    assert cause_of(event, book) is Cause.OWN_MAX_HTLC


def test_a_balance_that_the_peer_cannot_pay_an_htlc_for_is_no_lack_of_balance() -> None:
    book = ChannelBook()
    book.see([channel(P), channel(Q, local_msat=Msat(985_000_000), outbound_msat=Msat(0))], UnixNs(START_NS))
    assert cause_of(Htlcs().refused(100_000_000), book) is Cause.SLOTS
    assert cause_of(Htlcs().refused(985_000_000), book) is Cause.LIQUIDITY


def test_after_a_raise_the_old_fee_is_a_policy_still_spreading(book: ChannelBook) -> None:
    htlcs = Htlcs()
    htlcs.later(60)
    raised = dataclasses.replace(POLICY, fee_rate_ppm=Ppm(1_500))
    book.see([channel(P), channel(Q, local_policy=raised)], UnixNs(htlcs.now_ns))
    fee = (Code.FEE_INSUFFICIENT, Detail.NO_DETAIL)
    htlcs.later(60)
    assert cause_of(htlcs.refused(1_000_000, 1_000, fee), book) is Cause.FEE_SPREADING
    assert cause_of(htlcs.refused(1_000_000, 999, fee), book) is Cause.FEE
    htlcs.now_ns += SPREADING_NS
    assert cause_of(htlcs.refused(1_000_000, 1_000, fee), book) is Cause.FEE


def test_lowering_a_fee_makes_nothing_spread(book: ChannelBook) -> None:
    lowered = dataclasses.replace(POLICY, fee_rate_ppm=Ppm(500))
    book.see([channel(P), channel(Q, local_policy=lowered)], UnixNs(START_NS))
    event = Htlcs().refused(1_000_000, 400, (Code.FEE_INSUFFICIENT, Detail.NO_DETAIL))
    assert cause_of(event, book) is Cause.FEE


def test_a_node_that_was_never_looked_at_still_has_causes() -> None:
    event = Htlcs().refused(1_000, failure=LIQUIDITY)
    assert cause_of(event, ChannelBook()) is Cause.LIQUIDITY
    assert cause_of(Htlcs().refused(1_000, failure=(TEMPORARY, Detail.HTLC_EXCEEDS_MAX)), ChannelBook()) is (
        Cause.TOO_LARGE
    )
    assert all(each.label for each in FailureCause)
