import pytest
from tests.support.htlcs import START_NS, Htlcs, P, Q, R, channel

from lightninglens.analytics.missed.accounting import HtlcAccounting
from lightninglens.core.attempts import AttemptChanges, AttemptState, FailureCause, ForwardAttempt, Key
from lightninglens.core.forwards import Forward, Gap, GapReason
from lightninglens.core.htlc import HtlcEventKind, HtlcEventType
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import Msat, UnixNs

LATER_NS = 2**62


@pytest.fixture
def htlcs() -> Htlcs:
    return Htlcs()


@pytest.fixture
def accounting() -> HtlcAccounting:
    made = HtlcAccounting()
    made.channels.see([channel(P), channel(Q), channel(R)], UnixNs(START_NS))
    return made


def book_line(event: object, settled_ns: int, *, ids: bool = True) -> Forward:
    return Forward(
        settled_ns=UnixNs(settled_ns),
        incoming_channel_id=event.incoming_channel_id,  # type: ignore[attr-defined]
        outgoing_channel_id=event.outgoing_channel_id,  # type: ignore[attr-defined]
        incoming_amount_msat=Msat(1_100),
        outgoing_amount_msat=Msat(1_000),
        incoming_htlc_id=event.incoming_htlc_id if ids else None,  # type: ignore[attr-defined]
        outgoing_htlc_id=event.incoming_htlc_id if ids else None,  # type: ignore[attr-defined]
    )


def gap(htlcs: Htlcs, *forwards: Forward) -> Gap:
    return Gap(
        from_ns=UnixNs(htlcs.now_ns - 10),
        to_ns=UnixNs(htlcs.now_ns),
        reason=GapReason.DISCONNECTED,
        detail="",
        forwards=forwards,
    )


class Earlier:
    """What a store would find."""

    def __init__(self, attempts: dict[Key, ForwardAttempt]) -> None:
        self.attempts = attempts

    def attempt(self, key: Key) -> ForwardAttempt | None:
        return self.attempts.get(key)

    def ended(self, _key: Key) -> bool:
        return False

    def highest_htlc_id(self, incoming_channel_id: ChannelId) -> int:
        return max((number for channel_id, number in self.attempts if channel_id == incoming_channel_id), default=-1)


def only(changes: AttemptChanges) -> ForwardAttempt:
    (attempt,) = changes.attempts.values()
    return attempt


@pytest.mark.promise("A2.1")
def test_a_forward_that_settles_is_one_success(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    offered = htlcs.offered(1_000)
    accounting.take(offered)
    assert accounting.in_flight == 1
    htlcs.later(2)
    accounting.take(htlcs.settled(offered))
    changes = accounting.changes(htlcs.now_ns)
    attempt = only(changes)
    assert (attempt.state, attempt.outgoing_amount_msat, attempt.fee_msat) == (AttemptState.SETTLED, 1_000, 100)
    assert attempt.ended_ns is not None
    assert attempt.ended_ns - attempt.began_ns == 2 * 10**9
    assert changes.ended == [attempt]
    assert accounting.in_flight == 0


def test_what_fails_further_down_is_no_failure_of_ours(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    offered = htlcs.offered(1_000)
    accounting.take(offered)
    accounting.take(htlcs.failed(offered))
    attempt = only(accounting.changes(htlcs.now_ns))
    assert (attempt.state, attempt.cause) == (AttemptState.FAILED_DOWNSTREAM, FailureCause.NONE)


def test_a_refusal_has_its_cause_and_what_could_have_been_sent(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    accounting.take(htlcs.refused(490_000_001))
    attempt = only(accounting.changes(htlcs.now_ns))
    assert (attempt.state, attempt.cause) == (AttemptState.FAILED_HERE, FailureCause.LIQUIDITY)
    assert (attempt.outgoing_spendable_msat, attempt.incoming_spendable_msat) == (480_000_000, 480_000_000)


def test_an_htlc_that_could_not_be_added_after_all_is_refused_here(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    offered = htlcs.offered(1_000)
    accounting.take(offered)
    accounting.take(htlcs.event(HtlcEventKind.LINK_FAIL, offered.incoming_htlc_id, failure=(15, 8)))  # type: ignore[arg-type]
    changes = accounting.changes(LATER_NS)
    assert only(changes).state is AttemptState.FAILED_HERE
    assert only(changes).outgoing_amount_msat == 1_000
    (payment,) = changes.closed
    assert (payment.attempts, payment.refused_here) == (1, 1)


def test_events_that_come_twice_change_nothing(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    offered, refused = htlcs.offered(1_000), htlcs.refused(2_000)
    settled = htlcs.settled(offered)
    for event in (offered, refused, settled):
        assert accounting.take(event)
    before = accounting.changes(htlcs.now_ns)
    found = dict(before.attempts)
    accounting = HtlcAccounting(next_payment=accounting.next_payment, earlier=Earlier(found))
    for event in (offered, refused, settled, htlcs.failed(offered)):
        assert not accounting.take(event)
    again = accounting.changes(LATER_NS)
    assert (again.attempts, again.ended, again.closed) == ({}, [], [])


def test_only_forwards_are_counted(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    for event_type in (HtlcEventType.SEND, HtlcEventType.RECEIVE, HtlcEventType.UNKNOWN):
        assert not accounting.take(htlcs.event(HtlcEventKind.SETTLE, 7, event_type=event_type))
    assert accounting.changes(LATER_NS).attempts == {}


def test_a_settle_whose_beginning_was_missed_waits_for_the_book(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    settled = htlcs.event(HtlcEventKind.SETTLE, 4)
    accounting.take(settled)
    assert accounting.wants_book
    changes = accounting.changes(LATER_NS)
    assert only(changes).state is AttemptState.SETTLED
    assert (changes.ended, changes.closed) == ([], [])


def test_the_book_fills_in_amounts_once(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    settled = htlcs.event(HtlcEventKind.SETTLE, 4)
    accounting.take(settled)
    line = book_line(settled, htlcs.now_ns + 3)
    assert accounting.take_forward(line)
    assert not accounting.take_forward(line)
    changes = accounting.changes(LATER_NS)
    assert only(changes).outgoing_amount_msat == 1_000
    assert len(changes.ended) == 1
    assert [each.settled_msat for each in changes.closed] == [1_000]


def test_a_book_without_ids_fills_in_and_adds_nothing_else(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    settled = htlcs.event(HtlcEventKind.SETTLE, 4)
    accounting.take(settled)
    other = htlcs.event(HtlcEventKind.SETTLE, 9, outgoing=R)
    assert not accounting.take_forward(book_line(other, htlcs.now_ns, ids=False))
    assert accounting.take_forward(book_line(settled, htlcs.now_ns + 3, ids=False))
    assert not accounting.wants_book
    assert len(accounting.changes(LATER_NS).ended) == 1


@pytest.mark.parametrize("ids", [True, False])
def test_a_gap_brings_the_forwards_that_settled_in_it(accounting: HtlcAccounting, htlcs: Htlcs, *, ids: bool) -> None:
    unseen = htlcs.event(HtlcEventKind.SETTLE, 11)
    line = book_line(unseen, htlcs.now_ns, ids=ids)
    accounting.take(gap(htlcs, line))
    accounting.take(gap(htlcs, line))
    changes = accounting.changes(LATER_NS)
    assert [each.outgoing_amount_msat for each in changes.ended] == [1_000]
    assert [each.state for each in changes.closed] == [AttemptState.SETTLED]


def test_what_was_in_flight_in_a_gap_is_unseen_until_it_is_heard_of(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    first, second, third = (htlcs.offered(1_000 + each) for each in range(3))
    for event in (first, second, third):
        accounting.take(event)
    accounting.take(gap(htlcs, book_line(first, htlcs.now_ns)))
    states = [each.state for each in accounting.changes(htlcs.now_ns).attempts.values()]
    assert states == [AttemptState.SETTLED, AttemptState.UNSEEN, AttemptState.UNSEEN]
    accounting.take(htlcs.failed(second))
    htlcs.later(3_600)
    closed = accounting.changes(htlcs.now_ns).closed
    assert [each.number for each in closed]
    accounting.take(htlcs.settled(third))
    late = accounting.changes(LATER_NS)
    assert [each.state for each in late.ended] == [AttemptState.SETTLED]
    assert [each.settled_msat for each in late.closed] == [1_002]


def test_unresolved_attempts_of_an_earlier_run_are_taken_up(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    offered = htlcs.offered(1_000)
    accounting.take(offered)
    before = accounting.changes(htlcs.now_ns)
    after = HtlcAccounting(next_payment=accounting.next_payment, earlier=Earlier(before.attempts))
    after.restore(before.attempts.values(), before.payments.values())
    interrupted = after.changes(htlcs.now_ns)
    assert [each.state for each in interrupted.closed] == [AttemptState.UNSEEN]
    after.take(htlcs.settled(offered))
    changes = after.changes(LATER_NS)
    assert [each.state for each in changes.ended] == [AttemptState.SETTLED]
    assert [each.settled_msat for each in changes.closed] == [1_000]


def test_amounts_in_flight_are_taken_off_what_can_be_sent(accounting: HtlcAccounting, htlcs: Htlcs) -> None:
    channels = accounting.channels
    offered = htlcs.offered(80_000_000, 1_000)
    accounting.take(offered)
    assert (channels.spendable_msat(Q), channels.receivable_msat(P)) == (400_000_000, 399_999_000)
    accounting.take(htlcs.failed(offered))
    assert (channels.spendable_msat(Q), channels.receivable_msat(P)) == (480_000_000, 480_000_000)
    offered = htlcs.offered(80_000_000, 1_000)
    accounting.take(offered)
    accounting.take(htlcs.settled(offered))
    assert (channels.spendable_msat(P), channels.receivable_msat(Q)) == (560_001_000, 560_000_000)
