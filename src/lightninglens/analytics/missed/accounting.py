"""The accounting of HTLCs: events of a node become attempts and payments, each counted once.

A circuit goes from in flight to settled, failed downstream or refused here, and
never back. Events that come twice, as after a restart of the node, change
nothing; a circuit of which only the end was seen has no amounts until the node's
own book of settled forwards gives them. Only forwards are counted: what the node
sends and receives itself is nobody's lost business.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from lightninglens.analytics.missed.causes import cause_of
from lightninglens.analytics.missed.channels import ChannelBook
from lightninglens.analytics.missed.payments import Pair, PaymentTracker
from lightninglens.core.attempts import (
    AttemptChanges,
    AttemptState,
    EstimatedPayment,
    FailureCause,
    ForwardAttempt,
    Key,
)
from lightninglens.core.forwards import Forward, Gap
from lightninglens.core.htlc import HtlcEvent, HtlcEventKind, HtlcEventType
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import NS_PER_SECOND


class Counted(Protocol):
    """What was counted earlier and is not in memory any more."""

    def attempt(self, key: Key) -> ForwardAttempt | None:
        """Return a circuit; one that has ended may be forgotten but for that."""
        ...

    def ended(self, key: Key) -> bool:
        """Tell whether a circuit that `attempt` does not return has ended."""
        ...

    def highest_htlc_id(self, incoming_channel_id: ChannelId) -> int:
        """Return the highest number of an HTLC that came by a channel; -1 where none did."""
        ...


class NothingCounted:
    """Where nothing was counted earlier."""

    def attempt(self, _key: Key) -> ForwardAttempt | None:
        """Return None."""
        return None

    def ended(self, _key: Key) -> bool:
        """Return False."""
        return False

    def highest_htlc_id(self, _incoming_channel_id: ChannelId) -> int:
        """Return -1."""
        return -1


MATCH_NS = 5 * NS_PER_SECOND
"""A settle event and its line in the book are dated apart by less than this, where LND gives no ids to join them."""

_ENDS = {
    HtlcEventKind.SETTLE: AttemptState.SETTLED,
    HtlcEventKind.FORWARD_FAIL: AttemptState.FAILED_DOWNSTREAM,
    HtlcEventKind.LINK_FAIL: AttemptState.FAILED_HERE,
}


class HtlcAccounting:
    """Counts the forwards of one node. `take` every event and gap in order, and `changes` now and then."""

    def __init__(self, *, next_payment: int = 1, earlier: Counted | None = None) -> None:
        self.channels = ChannelBook()
        self._tracker = PaymentTracker(next_number=next_payment)
        self._earlier = earlier if earlier is not None else NothingCounted()
        self._open: dict[Key, ForwardAttempt] = {}
        self._highest: dict[ChannelId, int] = {}
        self._wanted: dict[Key, ForwardAttempt] = {}
        self._changes = AttemptChanges()

    @property
    def wants_book(self) -> bool:
        """Whether circuits settled of which only the node's book can tell the amounts."""
        return bool(self._wanted)

    @property
    def in_flight(self) -> int:
        """How many circuits have not ended yet, as far as was seen."""
        return len(self._open)

    @property
    def oldest_in_flight_ns(self) -> int | None:
        """When the oldest HTLC that is in flight came; None where none is."""
        flying = (each.began_ns for each in self._open.values() if each.state is AttemptState.IN_FLIGHT)
        return min(flying, default=None)

    @property
    def next_payment(self) -> int:
        """The first number that no payment has yet."""
        return self._tracker.next_number

    def restore(self, unresolved: Iterable[ForwardAttempt], interrupted: Iterable[EstimatedPayment]) -> None:
        """Take up what an earlier run left: attempts nobody saw the end of, and payments that were open.

        The payments are closed as they were: of what happened to them meanwhile nothing is known.
        """
        for attempt in unresolved:
            self._open[attempt.key] = replace(attempt, state=AttemptState.UNSEEN)
            self._changes.attempts[attempt.key] = self._open[attempt.key]
        for payment in interrupted:
            lost = payment.state is AttemptState.IN_FLIGHT
            over = replace(payment, closed=True, state=AttemptState.UNSEEN if lost else payment.state)
            self._changes.payments[over.number] = over
            self._changes.closed.append(over)

    def changes(self, now_ns: int) -> AttemptChanges:
        """Return what has changed since the last call, with the payments that are over at `now_ns`."""
        for payment in self._tracker.close(now_ns):
            self._changes.payments[payment.number] = payment
            self._changes.closed.append(payment)
        changes, self._changes = self._changes, AttemptChanges()
        return changes

    def take(self, item: HtlcEvent | Gap) -> bool:
        """Count an event, or a gap with its forwards; tells whether it was news."""
        if isinstance(item, Gap):
            for forward in item.forwards or ():
                self._take_missed(forward)
            self._lose_sight()
            return True
        if item.event_type is not HtlcEventType.FORWARD or not item.incoming_channel_id:
            return False
        key = (item.incoming_channel_id, item.incoming_htlc_id)
        known = self._known(key)
        is_old = self._has_ended(key) if known is None else known.state.is_final
        if is_old or (known is not None and item.kind is HtlcEventKind.FORWARD):
            return False
        if known is not None:
            self._end(known, item, _ENDS[item.kind])
        elif item.kind is HtlcEventKind.FORWARD:
            self._begin(self._attempt(item, AttemptState.IN_FLIGHT))
        else:
            self._unseen_beginning(item, _ENDS[item.kind])
        return True

    def take_forward(self, forward: Forward) -> bool:
        """Count a settled forward of the node's own book, unless it is counted already; tells whether it was news.

        Where the book has no ids of HTLCs, only circuits whose beginning was missed are
        filled in: what a gap brings is counted as a whole, and the rest came as events.
        """
        if forward.incoming_htlc_id is None:
            known = next((each for each in self._wanted.values() if _same(each, forward)), None)
            return known is not None and self._fill(known, forward)
        return self._take_missed(forward)

    def _take_missed(self, forward: Forward) -> bool:
        """Count a settled forward that no event may have told of."""
        known = self._find(forward)
        if known is None:
            htlc_id = -forward.settled_ns if forward.incoming_htlc_id is None else forward.incoming_htlc_id
            if self._has_ended((forward.incoming_channel_id, htlc_id)):
                return False
            self._pay_by_book(_settled_by_book(forward, htlc_id))
            return True
        return self._fill(known, forward)

    def _fill(self, known: ForwardAttempt, forward: Forward) -> bool:
        """Let a circuit be settled as the book says; tells whether that was news."""
        has_amounts = known.outgoing_amount_msat > 0
        if known.state.is_final and (has_amounts or known.state is not AttemptState.SETTLED):
            return False
        filled = replace(
            known,
            state=AttemptState.SETTLED,
            ended_ns=forward.settled_ns,
            incoming_amount_msat=forward.incoming_amount_msat,
            outgoing_amount_msat=forward.outgoing_amount_msat,
        )
        self._wanted.pop(known.key, None)
        if known.payment:
            self._finish(known, filled)
        else:
            self._pay_by_book(filled)
        return True

    def _known(self, key: Key) -> ForwardAttempt | None:
        """Return a circuit that was counted. A number above the channel's highest is surely new."""
        if found := self._open.get(key) or self._changes.attempts.get(key):
            return found
        if key[1] > self._highest_of(key[0]):
            return None
        return self._earlier.attempt(key)

    def _has_ended(self, key: Key) -> bool:
        """Tell whether of a circuit nothing is known any more but that it has ended."""
        return key[1] <= self._highest_of(key[0]) and self._earlier.ended(key)

    def _highest_of(self, channel_id: ChannelId) -> int:
        if channel_id not in self._highest:
            self._highest[channel_id] = self._earlier.highest_htlc_id(channel_id)
        return self._highest[channel_id]

    def _find(self, forward: Forward) -> ForwardAttempt | None:
        if forward.incoming_htlc_id is not None:
            return self._known((forward.incoming_channel_id, forward.incoming_htlc_id))
        if found := self._known((forward.incoming_channel_id, -forward.settled_ns)):
            return found
        fits = [each for each in (*self._open.values(), *self._changes.attempts.values()) if _same(each, forward)]
        return fits[0] if fits else None

    def _begin(self, attempt: ForwardAttempt) -> None:
        if attempt.outgoing_amount_msat:
            number = self._tracker.begin(attempt, self._pair(attempt))
            attempt = replace(attempt, payment=number)
            self._changes.payments[number] = self._tracker.record(number)
        self._note(attempt)
        if attempt.state.is_final:
            self._changes.ended.append(attempt)

    def _end(self, known: ForwardAttempt, event: HtlcEvent, state: AttemptState) -> None:
        """Let a circuit that was seen in flight end."""
        self.channels.move(event, known.incoming_amount_msat, known.outgoing_amount_msat)
        cause = cause_of(event, self.channels) if state is AttemptState.FAILED_HERE else FailureCause.NONE
        self._finish(known, replace(known, state=state, cause=cause, ended_ns=event.timestamp_ns))

    def _finish(self, known: ForwardAttempt, ended: ForwardAttempt) -> None:
        """Let a circuit end that belongs to a payment, unless its amounts were never told."""
        if known.state is AttemptState.UNSEEN:
            self._tracker.regain(known)
        payment = self._tracker.end(ended) if ended.payment else None
        if payment is not None:
            self._changes.payments[payment.number] = payment
        elif ended.payment and ended.state is AttemptState.SETTLED:
            self._pay_by_book(ended)  # its payment was closed without it
            return
        self._note(ended)
        self._changes.ended.append(ended)

    def _attempt(self, event: HtlcEvent, state: AttemptState) -> ForwardAttempt:
        """Return the record of an event that begins a circuit, or is all of it."""
        refused = state is AttemptState.FAILED_HERE
        cause = cause_of(event, self.channels) if refused else FailureCause.NONE
        outgoing = self.channels.spendable_msat(event.outgoing_channel_id)
        incoming = self.channels.receivable_msat(event.incoming_channel_id)
        if not refused:
            self.channels.move(event, event.incoming_amount_msat, event.outgoing_amount_msat)
        return ForwardAttempt(
            incoming_channel_id=event.incoming_channel_id,
            incoming_htlc_id=event.incoming_htlc_id,
            outgoing_channel_id=event.outgoing_channel_id,
            outgoing_htlc_id=event.outgoing_htlc_id,
            began_ns=event.timestamp_ns,
            ended_ns=event.timestamp_ns if state.is_final else None,
            state=state,
            cause=cause,
            incoming_amount_msat=event.incoming_amount_msat,
            outgoing_amount_msat=event.outgoing_amount_msat,
            outgoing_spendable_msat=outgoing,
            incoming_spendable_msat=incoming,
            remaining_blocks=self.channels.remaining_blocks(event),
        )

    def _unseen_beginning(self, event: HtlcEvent, state: AttemptState) -> None:
        """Count a circuit by its end: a refusal, which has no beginning, or one whose beginning was missed."""
        attempt = self._attempt(event, state)
        if state is AttemptState.SETTLED:
            self._wanted[attempt.key] = attempt
            self._note(attempt)  # it is in no sum until the book gives its amounts
        else:
            self._begin(attempt)

    def _pay_by_book(self, attempt: ForwardAttempt) -> None:
        """Make a settled forward that only the book tells of a payment of its own."""
        payment = self._tracker.settled(attempt, self._pair(attempt))
        attempt = replace(attempt, payment=payment.number)
        self._note(attempt)
        self._changes.ended.append(attempt)
        self._changes.payments[payment.number] = payment
        self._changes.closed.append(payment)

    def _lose_sight(self) -> None:
        """After a gap: what was in flight may have ended unseen."""
        for key, attempt in list(self._open.items()):
            if attempt.state is AttemptState.IN_FLIGHT:
                unseen = replace(attempt, state=AttemptState.UNSEEN)
                self._open[key] = unseen
                self._changes.attempts[key] = unseen
                if unseen.payment and (payment := self._tracker.lose(unseen)):
                    self._changes.payments[payment.number] = payment

    def _note(self, attempt: ForwardAttempt) -> None:
        key = attempt.key
        if attempt.state.is_final:
            self._open.pop(key, None)
        else:
            self._open[key] = attempt
        self._highest[key[0]] = max(self._highest_of(key[0]), key[1])
        self._changes.attempts[key] = attempt

    def _pair(self, attempt: ForwardAttempt) -> Pair:
        """Return the peers of an attempt; channels that are not known stand for themselves."""
        ends = (attempt.incoming_channel_id, attempt.outgoing_channel_id)
        incoming, outgoing = (self.channels.peer(each) or str(each) for each in ends)
        return incoming, outgoing  # type: ignore[return-value]


def _settled_by_book(forward: Forward, htlc_id: int) -> ForwardAttempt:
    return ForwardAttempt(
        incoming_channel_id=forward.incoming_channel_id,
        incoming_htlc_id=htlc_id,
        outgoing_channel_id=forward.outgoing_channel_id,
        outgoing_htlc_id=forward.outgoing_htlc_id or 0,
        began_ns=forward.settled_ns,
        ended_ns=forward.settled_ns,
        state=AttemptState.SETTLED,
        cause=FailureCause.NONE,
        incoming_amount_msat=forward.incoming_amount_msat,
        outgoing_amount_msat=forward.outgoing_amount_msat,
    )


def _same(attempt: ForwardAttempt, forward: Forward) -> bool:
    """Tell whether a circuit is a line of the book that has no ids: by channels, amounts and time."""
    if (attempt.incoming_channel_id, attempt.outgoing_channel_id) != (
        forward.incoming_channel_id,
        forward.outgoing_channel_id,
    ):
        return False
    amounts = (attempt.incoming_amount_msat, attempt.outgoing_amount_msat)
    if attempt.state is AttemptState.SETTLED:
        near = abs((attempt.ended_ns or 0) - forward.settled_ns) <= MATCH_NS
        return near and (not any(amounts) or amounts == (forward.incoming_amount_msat, forward.outgoing_amount_msat))
    return not attempt.state.is_final and amounts == (forward.incoming_amount_msat, forward.outgoing_amount_msat)
