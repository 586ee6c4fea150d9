"""A fork that changes nothing lives its parent's future; one that changes something meets the same payments."""

import random
from dataclasses import replace

import numpy as np
import pytest
from tests.property.test_determinism import DEMAND, HOUR_NS, SEED, digest, joined, make_engine, make_graph
from tests.reference.networks import plain_policy

from lightninglens.core.errors import InvariantError
from lightninglens.core.htlc import HtlcOutcome
from lightninglens.core.ids import ChannelId
from lightninglens.sim.answers import Answer
from lightninglens.sim.demand import draw_intents, to_requests
from lightninglens.sim.demand.receivers import ReceiverSettings, answered
from lightninglens.sim.engine import Engine
from lightninglens.sim.opening import NewChannel
from lightninglens.sim.records import FinishedPayments, Harvest, PaymentRequests

RECEIVERS = ReceiverSettings(hold_share=0.2, hold_median_s=300.0, hold_cancelled_share=0.3, probe_share=0.1)
FIRST_UNTIL_TOLD = 7
"""This payment and every fiftieth after it pay an invoice that is held until somebody decides."""


def started() -> Engine:
    """Return an engine with an hour of payments ahead of it."""
    graph = make_graph()
    engine = make_engine(graph)
    engine.submit(to_requests(draw_intents(DEMAND, graph, seed=SEED, start_ns=0, end_ns=HOUR_NS)))
    return engine


def finished(engine: Engine, *before: Harvest) -> str:
    """Run to the end and return a hash of everything that came out and of the end."""
    engine.run_until(2 * HOUR_NS)
    return digest(engine.graph, engine, joined([*before, engine.harvest()]))


@pytest.mark.parametrize("seed", range(5))
def test_a_fork_that_changes_nothing_reproduces_its_parent(seed: int) -> None:
    """At any moment, in the middle of payments, however far the parent has gone meanwhile."""
    draw = random.Random(seed)
    engine = started()
    engine.run_until(draw.randrange(HOUR_NS // 10, HOUR_NS), most_events=draw.randrange(1_000, 20_000))
    before = engine.harvest()
    fork = engine.fork()
    parent = finished(engine, before)
    assert finished(fork, before) == parent
    assert finished(started()) == parent


def eventful() -> Engine:
    """Return an engine in which everything happens that can: news, outages, holds, channels that come and go."""
    graph = make_graph()
    plain = make_engine(graph)
    config = replace(
        plain.config,
        gossip_delay_median_ms=120_000.0,
        node_offline_share=0.05,
        node_offline_mean_s=300.0,
        channel_offline_share=0.05,
        channel_offline_mean_s=60.0,
    )
    state = plain.state()
    openers = state.world.network.opener_side
    engine = Engine(graph, balance_msat=plain.balances_msat(), opener_side=openers, config=config)
    engine.observe(list(range(0, 25, 3)))
    wanted = draw_intents(DEMAND, graph, seed=SEED, start_ns=0, end_ns=HOUR_NS)
    requests = answered(to_requests(wanted, senders_parts=16), wanted, RECEIVERS, seed=SEED, first_id=0)
    requests.answer[FIRST_UNTIL_TOLD::50] = Answer.HOLD
    engine.submit(requests)
    return engine


def decide(engine: Engine) -> None:
    """Let every second of the receivers that hold until they are told settle, and the others cancel."""
    for payment_id in engine.held_payments().tolist():
        if payment_id % 50 == FIRST_UNTIL_TOLD % 50:
            decided = engine.settle_held if payment_id % 100 < 50 else engine.cancel_held
            decided(payment_id)


def live(engine: Engine, *, since_ns: int = -1, until_ns: int = 2 * HOUR_NS) -> None:
    """Let a channel open, one close, one be forced and a policy change on the way, at set times."""
    opened = NewChannel(
        channel_id=ChannelId.of(900_000, 1, 0),
        opener=3,
        peer=17,
        capacity_sat=3_000_000,
        push_sat=1_000_000,
        opener_policy=plain_policy(),
        peer_policy=plain_policy(rate_ppm=5),
    )
    for time_ns in (HOUR_NS // 4, HOUR_NS // 3, HOUR_NS * 2 // 5, HOUR_NS // 2):
        if not since_ns < time_ns <= until_ns:
            continue
        engine.run_until(time_ns)
        decide(engine)
        if time_ns == HOUR_NS // 4:
            engine.open_channel(opened, announced_after_blocks=1)
        elif time_ns == HOUR_NS // 2:
            engine.set_policy(8, plain_policy(base_msat=3_000))
        else:
            engine.close_channel(int(time_ns > HOUR_NS // 3), force=time_ns > HOUR_NS // 3)
    engine.run_until(until_ns)


@pytest.mark.parametrize("share", [0.2, 0.3, 0.45, 0.6])
def test_a_fork_of_an_eventful_run_reproduces_its_parent(share: float) -> None:
    """With versions of policies under way, what failures told, nodes offline and channels opened and closed."""
    whole, parent = eventful(), eventful()
    live(whole)
    cut_ns = int(share * HOUR_NS)
    live(parent, until_ns=cut_ns)
    before = parent.harvest()
    fork = parent.fork()
    for engine in (parent, fork):
        live(engine, since_ns=cut_ns)
        assert engine.conservation_drift_msat() == 0
    digests = {finished(parent, before), finished(fork, before), finished(whole)}
    assert len(digests) == 1
    assert whole.is_closed(0)


def test_what_came_out_before_stays_with_the_parent() -> None:
    """A fork's harvest begins where it begins."""
    engine = started()
    engine.run_until(HOUR_NS // 2)
    fork = engine.fork()
    assert len(fork.harvest().payments.payment_id) == 0
    assert len(engine.harvest().payments.payment_id) > 300


def test_a_fork_is_independent() -> None:
    """What is done to a fork does not reach its parent, nor the other way round."""
    engine = started()
    engine.run_until(HOUR_NS // 2)
    fork, same = engine.fork(), engine.fork()
    direction = int(np.argmin(fork.spendable_msat()))
    fork.add_liquidity(direction, 2_000_000_000)
    fork.announce_capacity(direction // 2)
    fork.run_until(2 * HOUR_NS)
    assert fork.conservation_drift_msat() == 0
    before = engine.harvest()
    assert finished(engine, before) == finished(same, before)


def by_id(engine: Engine) -> FinishedPayments:
    """Run to the end and return the payments by id."""
    engine.run_until(2 * HOUR_NS)
    assert engine.conservation_drift_msat() == 0
    payments = engine.harvest().payments
    order = np.argsort(payments.payment_id)
    return FinishedPayments._make(column[order] for column in payments)


def test_more_liquidity_serves_more_of_the_same_payments() -> None:
    """The counterfactual keeps every intent: ids, ends and amounts agree; more of them succeed."""
    engine = started()
    engine.run_until(HOUR_NS // 4)
    engine.harvest()
    fork = engine.fork()
    for direction in range(len(engine.graph.sources())):
        fork.add_liquidity(direction, 5_000_000_000)
    base, richer = (by_id(world) for world in (engine, fork))
    for name in ("payment_id", "sender", "receiver", "amount_msat", "start_ns"):
        assert np.array_equal(getattr(base, name), getattr(richer, name))
    assert np.sum(richer.outcome == HtlcOutcome.SUCCEEDED) > np.sum(base.outcome == HtlcOutcome.SUCCEEDED) + 50


def test_liquidity_can_be_taken_but_not_below_nothing() -> None:
    """Taking more than there is is refused and changes nothing."""
    engine = started()
    balance_msat = int(engine.balances_msat()[4])
    with pytest.raises(InvariantError, match="cannot be taken"):
        engine.add_liquidity(4, -balance_msat - 1)
    engine.add_liquidity(4, -balance_msat)
    assert engine.balances_msat()[4] == 0
    assert engine.conservation_drift_msat() == 0


def test_who_numbers_their_payments_meets_the_same_world() -> None:
    """Payments put in by the way do not shift the draws of those that a caller numbers."""
    graph = make_graph()
    requests = to_requests(draw_intents(DEMAND, graph, seed=SEED, start_ns=0, end_ns=HOUR_NS))
    half = len(requests.start_ns) // 2
    first, second = (
        PaymentRequests._make(column[part] for column in requests) for part in (slice(half), slice(half, None))
    )
    plain, disturbed = make_engine(graph), make_engine(graph)
    plain.submit(requests)
    disturbed.submit(first, first_id=0)
    alone = PaymentRequests._make(column[:1] for column in second)
    disturbed.submit(alone._replace(amount_msat=np.array([1])), first_id=2**31)
    disturbed.submit(second, first_id=half)
    alike, disturbed_payments = by_id(plain), by_id(disturbed)
    assert disturbed_payments.payment_id[-1] == 2**31
    assert np.mean(alike.end_ns == disturbed_payments.end_ns[:-1]) > 0.95
