"""What receivers do is drawn payment by payment, and shifts nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from lightninglens.core.htlc import HtlcOutcome
from lightninglens.core.units import NS_PER_SECOND
from lightninglens.sim.answers import Answer
from lightninglens.sim.demand import Intents, to_requests
from lightninglens.sim.demand.model import LAB_DEMAND
from lightninglens.sim.demand.receivers import ReceiverSettings, answered
from lightninglens.sim.records import FinishedPayments, PaymentKind, PaymentRequests
from lightninglens.sim.scenario import GraphKind, GraphSource, Scenario
from lightninglens.sim.simulation import Simulation
from lightninglens.sim.topology import lab_topology

COUNT = 20_000
SETTINGS = ReceiverSettings(
    hold_share=0.2, hold_median_s=300.0, hold_sigma=0.5, hold_cancelled_share=0.25, probe_share=0.1
)


def intents(count: int = COUNT) -> Intents:
    """Return payments of which nobody has said what their receivers do."""
    one = np.ones(count, np.int64)
    return Intents.of(np.arange(count), 0 * one, one, 1_000 * one, 0 * one)


def drawn(settings: ReceiverSettings, *, first_id: int = 0, count: int = COUNT) -> PaymentRequests:
    """Return payments number `first_id` and on, with their receivers."""
    wanted = intents(count)
    return answered(to_requests(wanted), wanted, settings, seed=3, first_id=first_id)


def test_shares_and_times_are_those_asked_for() -> None:
    """Probes come first, so that holds are a share of what is left."""
    made = drawn(SETTINGS)
    probes = made.answer == Answer.UNKNOWN_INVOICE
    cancelled = made.answer == Answer.HOLD_THEN_CANCEL
    held = cancelled | (made.answer == Answer.HOLD_THEN_SETTLE)
    assert probes.mean() == pytest.approx(0.1, abs=0.01)
    assert held[~probes].mean() == pytest.approx(0.2, abs=0.01)
    assert cancelled[held].mean() == pytest.approx(0.25, abs=0.03)
    hold_s = made.hold_ns[held] / NS_PER_SECOND
    assert np.median(hold_s) == pytest.approx(300, rel=0.05)
    assert np.log(hold_s).std() == pytest.approx(0.5, abs=0.03)
    assert not made.hold_ns[~held].any()
    assert (made.kind == PaymentKind.PROBE).tolist() == probes.tolist()


def test_a_payments_receiver_depends_on_its_number_alone() -> None:
    """However the payments are cut into windows, and whatever the other shares are."""
    whole, late = drawn(SETTINGS), drawn(SETTINGS, first_id=5_000, count=100)
    assert late.answer.tolist() == whole.answer[5_000:5_100].tolist()
    assert late.hold_ns.tolist() == whole.hold_ns[5_000:5_100].tolist()
    more = drawn(replace(SETTINGS, hold_share=0.4))
    held = (Answer.HOLD_THEN_SETTLE, Answer.HOLD_THEN_CANCEL)
    assert np.isin(more.answer[np.isin(whole.answer, held)], held).all()
    assert drawn(ReceiverSettings()).answer.tolist() == [Answer.SETTLE] * COUNT


def test_what_a_list_says_stands() -> None:
    """Only what it leaves open is drawn."""
    wanted = intents(4)._replace(answer=np.array([-1, 0, 3, 1], np.int8), hold_ns=np.array([0, 0, 77, 0]))
    every = ReceiverSettings(probe_share=1.0)
    made = answered(to_requests(wanted), wanted, every, seed=1, first_id=0)
    assert made.answer.tolist() == [Answer.UNKNOWN_INVOICE, 0, 3, 1]
    assert made.hold_ns.tolist() == [0, 0, 77, 0]


def test_the_longest_hold_is_a_number() -> None:
    """Tails of the widest spread do not wrap around."""
    made = drawn(ReceiverSettings(hold_share=1.0, hold_median_s=1e6, hold_sigma=5.0))
    assert made.hold_ns.min() >= 0


def finished(receivers: ReceiverSettings) -> FinishedPayments:
    """Return the payments of a lab run by id."""
    scenario = Scenario(
        name="lab",
        seed=4,
        graph=GraphSource(kind=GraphKind.LAB),
        payments=400,
        demand=LAB_DEMAND,
        receivers=receivers,
    )
    simulation = Simulation(scenario, lab_topology(4).graph)
    payments = [step.harvest.payments for step in simulation.steps()]
    columns = [np.concatenate(column) for column in zip(*payments, strict=True)]
    order = np.argsort(columns[0])
    return FinishedPayments._make(column[order] for column in columns)


def test_a_scenarios_receivers_hold_cancel_and_refuse() -> None:
    """The same payments, other answers; a run with no shares is the run that it was."""
    plain, shares = finished(ReceiverSettings()), finished(replace(SETTINGS, hold_median_s=30.0))
    assert plain.amount_msat.tolist() == shares.amount_msat.tolist()
    assert plain.start_ns.tolist() == shares.start_ns.tolist()
    probes = shares.kind == PaymentKind.PROBE
    assert 20 < probes.sum() < 60
    assert not (shares.outcome[probes] == HtlcOutcome.SUCCEEDED).any()
    ended = shares.outcome == HtlcOutcome.SUCCEEDED
    lasted_s = (shares.end_ns - shares.start_ns)[ended] / NS_PER_SECOND
    assert (lasted_s > 10).sum() > 20
    refused = (shares.outcome == HtlcOutcome.INCORRECT_PAYMENT_DETAILS) & ~probes
    assert refused.sum() > 5
