"""The accounting on arbitrary streams: events lost, doubled and out of order, gaps, restarts, the node's book."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.htlcs import START_NS, Htlcs, P, Q, R, channel

from lightninglens.analytics.missed.accounting import HtlcAccounting
from lightninglens.analytics.missed.memory import ForwardMemory
from lightninglens.core.attempts import AttemptState, ForwardAttempt
from lightninglens.core.forward_sums import SumKey, SumValues, sums_of
from lightninglens.core.forwards import Forward, Gap, GapReason
from lightninglens.core.htlc import HtlcEvent, HtlcEventKind, HtlcEventType
from lightninglens.core.ids import ChannelId
from lightninglens.core.rng import Stream, uniforms
from lightninglens.core.units import Msat, UnixNs

LATER_NS = 2**62
Key = tuple[ChannelId, int]
State = AttemptState


class Step(NamedTuple):
    """One thing that happens: an event by its kind, a line of the book, a gap with lines, a restart, or a pause."""

    what: str
    kind: HtlcEventKind
    incoming: ChannelId
    number: int
    amount_msat: int
    seconds: float


CHOICES: tuple[Sequence[Any], ...] = (
    ["event"] * 12 + ["own", "book", "gap", "restart", "flush"],
    list(HtlcEventKind),
    [P, R],
    range(6),
    [1_000, 2_000, 4_000, 1_000_000, 1_004_000, 500_000_000],
    [0.0, 0.5, 30.0, 100.0, 4_000.0, -7_200.0],
)
STEPS = st.lists(st.builds(Step, *map(st.sampled_from, CHOICES)), max_size=40)


def streams(part: int, count: int) -> Iterator[list[Step]]:
    """Yield streams of up to 12 steps, without hypothesis: these are many."""
    for block in range(count // 1_000):
        draws = uniforms(part, block, Stream.AMOUNT, 1_000 * 12 * len(CHOICES)).reshape(1_000, 12, len(CHOICES))
        places = (draws * [len(each) for each in CHOICES]).astype(int).tolist()
        for length, rows in enumerate(places):
            chosen = [[choice[place] for choice, place in zip(CHOICES, row, strict=True)] for row in rows]
            yield [Step(*each) for each in chosen[: 1 + length % 12]]


class Model:
    """What must be true, told by plain rules: a circuit ends once, and the first end counts."""

    def __init__(self) -> None:
        self.states: dict[Key, AttemptState] = {}

    def event(self, key: Key, kind: HtlcEventKind) -> None:
        before = self.states.get(key)
        if kind is HtlcEventKind.FORWARD:
            self.states.setdefault(key, State.IN_FLIGHT)
        elif before is None or not before.is_final:
            self.states[key] = {
                HtlcEventKind.SETTLE: State.SETTLED,
                HtlcEventKind.FORWARD_FAIL: State.FAILED_DOWNSTREAM,
                HtlcEventKind.LINK_FAIL: State.FAILED_HERE,
            }[kind]

    def settled(self, key: Key) -> None:
        if not self.states.get(key, State.UNSEEN).is_final:
            self.states[key] = State.SETTLED

    def gap(self) -> None:
        for key, state in self.states.items():
            if state is State.IN_FLIGHT:
                self.states[key] = State.UNSEEN


class Kept:
    """What a store would hold."""

    def __init__(self) -> None:
        self.attempts: dict[Key, ForwardAttempt] = {}
        self.sums: dict[SumKey, SumValues] = {}
        self.open: dict[int, object] = {}
        self.closed: list[int] = []

    def attempt(self, key: Key) -> ForwardAttempt | None:
        return self.attempts.get(key)

    def ended(self, _key: Key) -> bool:
        return False

    def highest_htlc_id(self, incoming_channel_id: ChannelId) -> int:
        return max((number for channel_id, number in self.attempts if channel_id == incoming_channel_id), default=-1)

    def flush(self, accounting: HtlcAccounting, now_ns: int) -> None:
        changes = accounting.changes(now_ns)
        self.attempts.update(changes.attempts)
        sums_of(changes.ended, changes.closed, self.sums)
        for payment in changes.payments.values():
            if payment.closed:
                self.open.pop(payment.number, None)
            else:
                self.open[payment.number] = payment
        self.closed += [each.number for each in changes.closed]


def line(step: Step, now_ns: int) -> Forward:
    return Forward(
        settled_ns=UnixNs(now_ns),
        incoming_channel_id=step.incoming,
        outgoing_channel_id=Q,
        incoming_amount_msat=Msat(step.amount_msat + 1_000),
        outgoing_amount_msat=Msat(step.amount_msat),
        incoming_htlc_id=step.number,
        outgoing_htlc_id=step.number,
    )


def as_item(step: Step, htlcs: Htlcs) -> HtlcEvent | Gap:
    """Return the event of a step, or its gap."""
    if step.what == "gap":
        now_ns = UnixNs(htlcs.now_ns)
        forwards = (line(step, now_ns),)
        return Gap(from_ns=now_ns, to_ns=now_ns, reason=GapReason.ENDED, detail="", forwards=forwards)
    has_amounts = step.kind in {HtlcEventKind.FORWARD, HtlcEventKind.LINK_FAIL}
    return htlcs.event(
        step.kind,
        step.number,
        incoming=step.incoming,
        amount_msat=step.amount_msat if has_amounts else 0,
        fee_msat=1_000 if has_amounts else 0,
        event_type=HtlcEventType.SEND if step.what == "own" else HtlcEventType.FORWARD,
    )


def live_through(steps: list[Step]) -> tuple[Model, Kept]:
    """Let an accounting and the model live through the same."""
    htlcs, model, kept = Htlcs(), Model(), Kept()
    accounting = HtlcAccounting(earlier=kept)
    accounting.channels.see([channel(P), channel(Q), channel(R)], UnixNs(START_NS))
    for step in steps:
        htlcs.later(step.seconds)
        key = (step.incoming, step.number)
        if step.what in {"event", "own"}:
            accounting.take(as_item(step, htlcs))
            if step.what == "event":
                model.event(key, step.kind)
        elif step.what == "book":
            accounting.take_forward(line(step, htlcs.now_ns))
            model.settled(key)
        elif step.what == "gap":
            accounting.take(as_item(step, htlcs))
            model.settled(key)
            model.gap()
        elif step.what == "restart":
            kept.flush(accounting, htlcs.now_ns)
            unresolved = [each for each in kept.attempts.values() if not each.state.is_final]
            accounting = HtlcAccounting(next_payment=accounting.next_payment, earlier=kept)
            accounting.restore(unresolved, list(kept.open.values()))  # type: ignore[arg-type]
            model.gap()
        else:
            kept.flush(accounting, htlcs.now_ns)
    kept.flush(accounting, LATER_NS)
    return model, kept


def check(steps: list[Step]) -> None:
    model, kept = live_through(steps)
    assert {key: each.state for key, each in kept.attempts.items()} == model.states
    final = [each for each in kept.attempts.values() if each.state.is_final]
    # What settled unseen is in no sum before the book has told its amounts.
    counted = [each for each in final if each.state is not State.SETTLED or each.outgoing_amount_msat]
    assert sum(values.attempts for values in kept.sums.values()) == len(counted)
    assert sum(values.amount_msat for values in kept.sums.values()) == sum(
        each.outgoing_amount_msat for each in counted
    )
    assert sum(values.fee_msat for values in kept.sums.values()) == sum(each.fee_msat for each in counted)
    for state in (State.SETTLED, State.FAILED_DOWNSTREAM, State.FAILED_HERE):
        said = sum(values.attempts for key, values in kept.sums.items() if key.state == state)
        assert said == sum(each.state is state for each in counted)
    assert all(value >= 0 for values in kept.sums.values() for value in values)
    assert len(kept.closed) == len(set(kept.closed)), "a payment was closed twice"
    assert all(each.payment in {0, *kept.closed, *kept.open} for each in kept.attempts.values())
    assert all((each.ended_ns is None) == (not each.state.is_final) for each in kept.attempts.values())


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_a_circuit_ends_once_and_sums_are_what_they_are_sums_of(steps: list[Step]) -> None:
    check(steps)


@pytest.mark.nightly
@settings(max_examples=10_000, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(STEPS)
def test_ten_thousand_sequences(steps: list[Step]) -> None:
    check(steps)


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(4))
def test_a_million_streams(part: int) -> None:
    for steps in streams(part, 250_000):
        check(steps)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_a_memory_that_only_knows_what_has_ended_counts_the_same(steps: list[Step]) -> None:
    """What is kept of each circuit may be little, or all."""
    kept, memory, htlcs = Kept(), ForwardMemory(), Htlcs()
    both = (HtlcAccounting(earlier=kept), HtlcAccounting(earlier=memory))
    for number, step in enumerate(steps):
        htlcs.later(step.seconds)
        item = as_item(step, htlcs)
        first, second = (each.take(item) for each in both)
        assert first == second
        if number % 3 == 0:
            kept.flush(both[0], htlcs.now_ns)
            memory.take(both[1].changes(htlcs.now_ns))
    kept.flush(both[0], LATER_NS)
    memory.take(both[1].changes(LATER_NS))
    found = memory.evidence({}).sums
    for place, name in enumerate(SumValues._fields):
        assert sum(values[place] for values in kept.sums.values()) == getattr(found, name).sum()
    assert all(memory.highest_htlc_id(each) == kept.highest_htlc_id(each) for each in (P, R))


@settings(max_examples=100)
@given(STEPS)
def test_everything_twice_is_everything_once(steps: list[Step]) -> None:
    """Doubling each event, as a node that restarts may, changes nothing."""
    once = [each for each in steps if each.what in {"event", "flush"}]
    twice = [copy for each in once for copy in (each, each)]
    first, second = live_through(once)[1], live_through([each._replace(seconds=0.0) for each in twice])[1]
    assert {key: each.state for key, each in first.attempts.items()} == {
        key: each.state for key, each in second.attempts.items()
    }
