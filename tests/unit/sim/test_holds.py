"""Receivers that do not settle at once: hold invoices, and probes for which there is no invoice."""

from typing import Any

import numpy as np
import pytest
from tests.reference.networks import Channel
from tests.unit.sim.test_parts import MSAT, SECOND_NS, A, B, D, engine_of, outcome, two_ways

from lightninglens.core.errors import InvariantError
from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEventKind, HtlcEventType, HtlcOutcome
from lightninglens.routing.pathfinding import BLOCK_PADDING, DEFAULT_FINAL_CLTV_BLOCKS
from lightninglens.sim.answers import HOLD_EXPIRY_DELTA_BLOCKS, Answer
from lightninglens.sim.engine import FOREVER_NS, Engine
from lightninglens.sim.records import PaymentRequests

pytestmark = pytest.mark.kernel

BLOCK_NS = 600 * SECOND_NS
DETAILS = FailureCode.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS
LATEST_NS = (DEFAULT_FINAL_CLTV_BLOCKS + BLOCK_PADDING - HOLD_EXPIRY_DELTA_BLOCKS) * BLOCK_NS
"""When a set that arrived in the first block is cancelled whatever its receiver wants."""
LINE: list[Channel] = [(A, B, 1_000_000), (B, 2, 1_000_000)]


def pay(engine: Engine, amount_sat: int, answer: Answer, hold_s: float = 0.0, *, receiver: int = D) -> int:
    """Submit one payment of A at this moment, in up to 16 parts."""
    columns: dict[str, Any] = {
        "start_ns": np.array([engine.now_ns], np.int64),
        "sender": np.array([A], np.int32),
        "receiver": np.array([receiver], np.int32),
        "amount_msat": np.array([amount_sat * MSAT], np.int64),
        "fee_limit_msat": np.array([1_000 * MSAT], np.int64),
        "kind": np.zeros(1, np.int8),
        "tag": np.zeros(1, np.int32),
        "outgoing": np.full(1, -1, np.int32),
        "last_hop": np.full(1, -1, np.int32),
        "most_parts": np.array([16], np.int32),
        "answer": np.array([answer], np.int8),
        "hold_ns": np.array([round(hold_s * SECOND_NS)], np.int64),
    }
    return engine.submit(PaymentRequests(**columns))


def failures(engine: Engine) -> tuple[HtlcOutcome, list[tuple[int, int, int]]]:
    """Run to the end and return the only payment's outcome, and (code, detail, reporter) of its attempts."""
    engine.run_until(FOREVER_NS)
    assert engine.conservation_drift_msat() == 0
    assert engine.pending_msat().sum() == 0
    harvest = engine.harvest()
    rows = harvest.attempts
    told = zip(rows["code"].tolist(), rows["detail"].tolist(), rows["failed_index"].tolist(), strict=True)
    return outcome(harvest)[0], list(told)


def test_a_probe_fails_at_the_receiver_and_is_over() -> None:
    """It reached its end, which is all that its sender wanted to know; no second route is tried."""
    engine = engine_of(two_ways(), [1.0, 1.0, 1.0, 1.0])
    pay(engine, 1_000, Answer.UNKNOWN_INVOICE)
    engine.run_until(FOREVER_NS)
    harvest = engine.harvest()
    assert outcome(harvest) == (HtlcOutcome.INCORRECT_PAYMENT_DETAILS, 1, 0)
    (received,) = harvest.htlc_events[harvest.htlc_events["event_type"] == HtlcEventType.RECEIVE]
    assert (received["kind"], received["code"], received["detail"]) == (
        HtlcEventKind.LINK_FAIL,
        DETAILS,
        FailureDetail.UNKNOWN_INVOICE,
    )
    assert harvest.payments.failure_code.tolist() == [DETAILS]


def test_a_probe_in_parts_loses_each_part_as_it_comes() -> None:
    """The first part's failure ends the payment, which waits for the second."""
    engine = engine_of(two_ways(), [1.0, 1.0, 1.0, 1.0])
    pay(engine, 1_400_000, Answer.UNKNOWN_INVOICE)
    refused = (DETAILS, FailureDetail.UNKNOWN_INVOICE, 2)
    assert failures(engine) == (HtlcOutcome.INCORRECT_PAYMENT_DETAILS, [refused, refused])


def test_a_failure_that_ends_a_payment_waits_for_the_try_that_is_scheduled() -> None:
    """The receiver refuses the first part before the sender has looked for the second."""
    engine = engine_of(two_ways(), [1.0, 1.0, 1.0, 1.0], hop_delay_median_ms=0.1, retry_delay_ns=SECOND_NS)
    pay(engine, 1_400_000, Answer.UNKNOWN_INVOICE)
    engine.run_until(SECOND_NS // 2)
    assert engine.in_flight == 1
    assert engine.pending_msat().sum() == 0
    assert failures(engine)[0] is HtlcOutcome.INCORRECT_PAYMENT_DETAILS
    assert engine.in_flight == 0


def test_a_sender_takes_a_probes_success_for_one_of_the_route() -> None:
    """Mission control knows afterwards that every pair carried the amount, as after a payment."""
    chances = []
    for answer in (Answer.SETTLE, Answer.UNKNOWN_INVOICE, Answer.HOLD_THEN_CANCEL):
        engine = engine_of(LINE, [0.5, 0.5])
        pay(engine, 1_000, answer, receiver=2)
        engine.run_until(FOREVER_NS)
        results = engine._world.memory.results
        chances.append([results[name].tolist() for name in ("success_msat", "fail_msat", "sender", "to_node")])
    assert chances[0] == chances[1] == chances[2]


def test_a_held_payment_stays_in_flight_for_its_time_and_settles() -> None:
    """Its HTLCs hold liquidity and slots on the way; neither the payment's 60 s nor the set's 120 s end it."""
    engine = engine_of(two_ways(), [1.0, 1.0, 1.0, 1.0])
    pay(engine, 1_400_000, Answer.HOLD_THEN_SETTLE, 3_600)
    engine.run_until(3_600 * SECOND_NS)
    assert engine.in_flight == 1
    assert engine.pending_htlcs().tolist() == [1, 1, 1, 1]
    assert engine.held_payments().tolist() == [0]
    assert engine.pending_msat()[2] == 700_000 * MSAT
    engine.run_until(FOREVER_NS)
    harvest = engine.harvest()
    assert outcome(harvest) == (HtlcOutcome.SUCCEEDED, 2, 2)
    settled = harvest.htlc_events["timestamp_ns"][
        (harvest.htlc_events["event_type"] == HtlcEventType.RECEIVE)
        & (harvest.htlc_events["kind"] == HtlcEventKind.SETTLE)
    ]
    assert len(set(settled.tolist())) == 1
    assert 3_600 <= settled[0] / SECOND_NS < 3_602
    assert engine.held_payments().tolist() == []


@pytest.mark.parametrize(("hold_s", "expected"), [(10, "INCORRECT_PAYMENT_DETAILS"), (90, "TIMEOUT")])
def test_a_hold_that_is_cancelled(hold_s: int, expected: str) -> None:
    """All parts come back with the receiver's word; after the payment's time LND's last word is the clock's."""
    engine = engine_of(two_ways(), [1.0, 1.0, 1.0, 1.0])
    pay(engine, 1_400_000, Answer.HOLD_THEN_CANCEL, hold_s)
    cancelled = (DETAILS, FailureDetail.INVOICE_CANCELED, 2)
    assert failures(engine) == (HtlcOutcome[expected], [cancelled, cancelled])


@pytest.mark.parametrize("answer", [Answer.HOLD_THEN_SETTLE, Answer.HOLD_THEN_CANCEL, Answer.HOLD])
def test_no_hold_outlasts_what_the_htlc_permits(answer: Answer) -> None:
    """A set that would be held for a week is cancelled 18 blocks before its first HTLC expires."""
    engine = engine_of(LINE, [1.0, 1.0])
    pay(engine, 1_000, answer, 7 * 86_400, receiver=2)
    engine.run_until(LATEST_NS - 1)
    assert engine.held_payments().tolist() == [0]
    engine.run_until(LATEST_NS)
    assert engine.held_payments().tolist() == []
    assert failures(engine)[1] == [(DETAILS, FailureDetail.INVOICE_CANCELED, 2)]


def test_a_set_that_comes_too_late_to_be_held_is_cancelled_at_once() -> None:
    """An engine whose receivers want more blocks than an HTLC brings holds nothing."""
    engine = engine_of(LINE, [1.0, 1.0], hold_expiry_delta_blocks=100)
    pay(engine, 1_000, Answer.HOLD_THEN_SETTLE, 5, receiver=2)
    engine.run_until(10 * SECOND_NS)
    assert outcome(engine.harvest())[0] is HtlcOutcome.INCORRECT_PAYMENT_DETAILS


def test_an_incomplete_set_of_a_hold_invoice_times_out_like_any() -> None:
    """The second half finds no way: the hold never begins."""
    engine = engine_of(two_ways(), [1.0, 1.0, 1.0, 0.0])
    pay(engine, 1_400_000, Answer.HOLD_THEN_SETTLE, 3_600)
    outcome_now, told = failures(engine)
    assert outcome_now is HtlcOutcome.TIMEOUT
    assert (FailureCode.MPP_TIMEOUT, FailureDetail.MPP_INVOICE_TIMEOUT, 2) in told


def test_a_receiver_that_is_told_to_settle() -> None:
    """At the moment of the call; the expiry that had been noted comes to nothing."""
    engine = engine_of(LINE, [1.0, 1.0])
    held = pay(engine, 1_000, Answer.HOLD, receiver=2)
    with pytest.raises(InvariantError, match="has 0 msat of 1,000,000"):
        engine.settle_held(held)
    engine.run_until(500 * SECOND_NS)
    engine.settle_held(held)
    assert engine.held_payments().tolist() == []
    with pytest.raises(InvariantError, match="answer is SETTLED"):
        engine.settle_held(held)
    engine.run_until(502 * SECOND_NS)
    assert outcome(engine.harvest())[0] is HtlcOutcome.SUCCEEDED
    with pytest.raises(InvariantError, match="payment 0 is not in flight"):
        engine.settle_held(held)
    again = pay(engine, 1_000, Answer.HOLD_THEN_SETTLE, 100, receiver=2)
    engine.run_until(LATEST_NS)
    assert outcome(engine.harvest())[0] is HtlcOutcome.SUCCEEDED
    assert again == 1


def test_a_receiver_that_is_told_to_cancel() -> None:
    """Before a part has come, what comes later is refused; a receiver that does not hold cannot cancel."""
    engine = engine_of(LINE, [1.0, 1.0])
    held = pay(engine, 1_000, Answer.HOLD, receiver=2)
    engine.cancel_held(held)
    with pytest.raises(InvariantError, match="answer is CANCELLED"):
        engine.cancel_held(held)
    assert failures(engine) == (
        HtlcOutcome.INCORRECT_PAYMENT_DETAILS,
        [(DETAILS, FailureDetail.INVOICE_NOT_OPEN, 2)],
    )
    plain = pay(engine, 1_000, Answer.SETTLE, receiver=2)
    with pytest.raises(InvariantError, match="answer is SETTLE"):
        engine.cancel_held(plain)


def test_a_cancelled_incomplete_set_goes_back() -> None:
    """The half that waits for the other returns as cancelled, not as timed out, and the payment ends."""
    engine = engine_of(two_ways(), [1.0, 1.0, 1.0, 0.0])
    held = pay(engine, 1_400_000, Answer.HOLD)
    engine.run_until(10 * SECOND_NS)
    assert engine.held_payments().tolist() == []
    engine.cancel_held(held)
    outcome_now, told = failures(engine)
    assert told[-1] == (DETAILS, FailureDetail.INVOICE_CANCELED, 2)
    assert outcome_now is not HtlcOutcome.SUCCEEDED
    assert engine.now_ns < 200 * SECOND_NS


def test_a_link_that_is_down_when_the_hold_ends() -> None:
    """The answer waits for the link, and no money is lost."""
    engine = engine_of(LINE, [1.0, 1.0])
    pay(engine, 1_000, Answer.HOLD_THEN_SETTLE, 100, receiver=2)
    engine.run_until(50 * SECOND_NS)
    engine.disconnect(0, 1_000 * SECOND_NS)
    engine.take_offline(2, 500 * SECOND_NS)
    engine.run_until(999 * SECOND_NS)
    assert engine.in_flight == 1
    engine.run_until(1_002 * SECOND_NS)
    assert outcome(engine.harvest())[0] is HtlcOutcome.SUCCEEDED


@pytest.mark.parametrize(
    ("answer", "force", "expected"),
    [
        (Answer.HOLD_THEN_SETTLE, False, (0, 0, -1)),
        (Answer.HOLD_THEN_SETTLE, True, (0, 0, -1)),
        (Answer.HOLD_THEN_CANCEL, False, (DETAILS, FailureDetail.INVOICE_CANCELED, 2)),
        (
            Answer.HOLD_THEN_CANCEL,
            True,
            (FailureCode.PERMANENT_CHANNEL_FAILURE, FailureDetail.ON_CHAIN_TIMEOUT, 1),
        ),
    ],
)
def test_a_channel_that_closes_under_a_held_htlc(answer: Answer, force: bool, expected: tuple[int, int, int]) -> None:
    """By agreement it waits for the HTLC; by force what is settled is claimed on the chain, and the rest times out."""
    engine = engine_of(LINE, [1.0, 1.0])
    pay(engine, 1_000, answer, 1_000, receiver=2)
    engine.run_until(50 * SECOND_NS)
    engine.close_channel(1, force=force)
    assert not engine.is_closed(1)
    _, told = failures(engine)
    assert told == [expected]
    assert engine.is_closed(1)


@pytest.mark.parametrize("changed", [{"answer": -1}, {"answer": Answer.CANCELLED}, {"hold_ns": -1}])
def test_an_answer_that_no_receiver_gives_is_refused(changed: dict[str, int]) -> None:
    """As anything that does not fit."""
    engine = engine_of(LINE, [1.0, 1.0])
    requests: dict[str, Any] = {"answer": 0, "hold_ns": 0} | changed
    with pytest.raises(InvariantError, match="does not fit this network"):
        pay(engine, 1_000, requests["answer"], requests["hold_ns"] / SECOND_NS, receiver=2)
