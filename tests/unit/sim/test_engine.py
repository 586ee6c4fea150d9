"""The engine as its callers see it: pauses, room, what it refuses, and what a node says of its channels."""

from typing import Any

import numpy as np
import pytest
from tests.reference.lnd import pairs_in
from tests.reference.networks import build_graph, plain_policy

from lightninglens.core.channels import Opener
from lightninglens.core.errors import InvariantError
from lightninglens.core.htlc import HtlcOutcome
from lightninglens.routing.memory import make_mission_control
from lightninglens.sim.engine import FOREVER_NS, Engine
from lightninglens.sim.records import EngineConfig, PaymentRequests

pytestmark = pytest.mark.kernel

SECOND_NS = 10**9
ANCHORS_SAT, COMMIT_WEIGHT, HTLC_WEIGHT = 660, 1124, 172
LINE = build_graph(3, [(0, 1, 1_000_000), (1, 2, 1_000_000)])
BALANCES = np.array([600, 400, 500, 500], np.int64) * 1_000_000
OPENERS = np.array([0, 1], np.int8)


def line(**config: Any) -> Engine:
    """Return three nodes in a row, with known balances."""
    return Engine(LINE, balance_msat=BALANCES, opener_side=OPENERS, config=EngineConfig(**config))


def requests(*, count: int = 1, **changed: Any) -> PaymentRequests:
    """Return `count` payments of 1,000 sat from node 0 to node 2 at time 0, but for what is changed."""
    columns: dict[str, Any] = {
        "start_ns": np.zeros(count, np.int64),
        "sender": np.zeros(count, np.int32),
        "receiver": np.full(count, 2, np.int32),
        "amount_msat": np.full(count, 1_000_000, np.int64),
        "fee_limit_msat": np.full(count, 1_000_000, np.int64),
        "kind": np.zeros(count, np.int8),
        "tag": np.zeros(count, np.int32),
        "outgoing": np.full(count, -1, np.int32),
        "last_hop": np.full(count, -1, np.int32),
    }
    for name, value in changed.items():
        columns[name] = np.full(count, value, columns[name].dtype)
    return PaymentRequests(**columns)


def test_balances_must_add_up() -> None:
    """A millisatoshi too many is noticed before the first payment."""
    wrong = BALANCES + np.array([1, 0, 0, 0])
    with pytest.raises(InvariantError, match="by 1 msat"):
        Engine(LINE, balance_msat=wrong, opener_side=OPENERS, config=EngineConfig())


@pytest.mark.parametrize(
    "changed",
    [
        {"sender": 3},
        {"receiver": -1},
        {"amount_msat": 0},
        {"fee_limit_msat": -1},
        {"last_hop": 3},
        {"outgoing": 4},
        {"outgoing": -2},
        {"outgoing": 1},
    ],
)
def test_payments_outside_the_network_are_refused(changed: dict[str, int]) -> None:
    """Nothing is submitted, and the engine goes on."""
    engine = line()
    with pytest.raises(InvariantError, match="does not fit this network"):
        engine.submit(requests(**changed))
    assert engine.next_event_ns is None
    assert engine.submit(requests()) == 0
    engine.run_until(FOREVER_NS)
    assert engine.harvest().payments.outcome.tolist() == [HtlcOutcome.SUCCEEDED]


def test_the_past_is_over() -> None:
    """A payment cannot start before now."""
    engine = line()
    engine.run_until(SECOND_NS)
    assert engine.now_ns == SECOND_NS
    with pytest.raises(InvariantError, match="in the past"):
        engine.submit(requests())


def test_room_grows_while_running() -> None:
    """More payments, attempts and events than the first allocation holds; pauses lose nothing."""
    engine = line()
    first = engine.submit(requests(count=150))
    second = engine.submit(requests(count=250, start_ns=20 * SECOND_NS))
    assert (first, second) == (0, 150)
    engine.submit(requests(count=900, start_ns=40 * SECOND_NS, amount_msat=10**12))
    pauses, most = 0, 0
    while not engine.run_until(60 * SECOND_NS, most_events=97):
        pauses += 1
        most = max(most, engine.in_flight)
        assert engine.conservation_drift_msat() == 0
    harvest = engine.harvest()
    assert pauses > 20
    assert most > 80
    assert engine.now_ns == 60 * SECOND_NS
    assert engine.in_flight == 0
    assert sorted(harvest.payments.payment_id.tolist()) == list(range(1_300))
    assert len(harvest.attempts) == int(harvest.payments.attempts.sum())
    assert len(harvest.routes) == int(harvest.attempts["hops"].sum())
    assert len(engine.harvest().payments.payment_id) == 0


def test_memory_of_senders_grows_while_running() -> None:
    """A star of 90 leaves that pay their neighbours: more pairs are remembered than there was room for."""
    leaves = 90
    graph = build_graph(leaves + 1, [(0, leaf, 1_000_000) for leaf in range(1, leaves + 1)])
    balances = np.full(2 * leaves, 500_000_000, np.int64)
    engine = Engine(graph, balance_msat=balances, opener_side=np.zeros(leaves, np.int8), config=EngineConfig())
    engine._world = engine._world._replace(memory=make_mission_control(graph.node_count, 64))
    payments = requests(count=leaves)._replace(
        sender=np.arange(1, leaves + 1, dtype=np.int32),
        receiver=np.roll(np.arange(1, leaves + 1, dtype=np.int32), 1),
    )
    engine.submit(payments)
    engine.run_until(FOREVER_NS)
    assert (engine.harvest().payments.outcome == HtlcOutcome.SUCCEEDED).all()
    assert pairs_in(engine._world.memory) == 2 * leaves


def test_time_and_blocks() -> None:
    """Ten minutes make a block; running dry leaves the clock at the last event."""
    engine = line(start_ns=7 * SECOND_NS, start_height=100)
    assert engine.block_height == 100
    engine.run_until((7 + 1_199) * SECOND_NS)
    assert engine.block_height == 101
    engine.submit(requests(start_ns=2_000 * SECOND_NS))
    assert engine.next_event_ns == 2_000 * SECOND_NS
    engine.run_until(FOREVER_NS)
    assert 2_000 * SECOND_NS < engine.now_ns < 2_010 * SECOND_NS


def test_channel_states_are_lnds() -> None:
    """The opener pays fee and anchors; local, remote, costs and HTLCs make the capacity, at any moment."""
    engine = line()
    engine.submit(requests(count=5))
    for _ in range(12):
        engine.run_until(FOREVER_NS, most_events=1)
        for node in range(3):
            for state in engine.channel_states(node):
                costs_sat = state.commit_fee_sat + ANCHORS_SAT
                total_msat = state.local_msat + state.remote_msat + state.unsettled_msat + costs_sat * 1_000
                assert total_msat == state.capacity_sat * 1_000
                assert state.commit_fee_sat == 2_500 * (COMMIT_WEIGHT + HTLC_WEIGHT * state.pending_htlcs) // 1_000
                assert (state.local_reserve_sat, state.remote_reserve_sat) == (10_000, 10_000)
    (first,) = engine.channel_states(0)
    assert (first.opener, first.active, first.peer_alias) == (Opener.LOCAL, True, "node-1")
    assert [state.opener for state in engine.channel_states(1)] == [Opener.REMOTE, Opener.REMOTE]
    assert engine.directions_of(1) == [1, 2]
    assert first.local_policy == plain_policy()


def test_an_unannounced_direction_stays_unknown_to_senders() -> None:
    """A policy for it is enforced, but no sender hears of it: nobody routes there, and nothing breaks."""
    graph = build_graph(3, [(0, 1, 1_000_000), (1, 2, 1_000_000)], [plain_policy(), None, None, plain_policy()])
    engine = Engine(graph, balance_msat=BALANCES, opener_side=OPENERS, config=EngineConfig())
    assert engine.policy(2) is None
    engine.set_policy(2, plain_policy(rate_ppm=5))
    engine.submit(requests())
    engine.run_until(FOREVER_NS)
    assert engine.policy(2) == plain_policy(rate_ppm=5)
    assert engine.harvest().payments.outcome.tolist() == [HtlcOutcome.NO_ROUTE]


def test_a_channel_that_comes_back_serves_again() -> None:
    """Down: the sender knows of his own channel. Up: as before."""
    engine = line()
    engine.set_active(0, active=False)
    engine.submit(requests())
    engine.run_until(SECOND_NS)
    engine.set_active(0, active=True)
    engine.submit(requests(start_ns=SECOND_NS))
    engine.run_until(FOREVER_NS)
    expected = [HtlcOutcome.INSUFFICIENT_BALANCE, HtlcOutcome.SUCCEEDED]
    assert engine.harvest().payments.outcome.tolist() == expected
    assert int(engine.pending_msat().sum()) == int(engine.pending_htlcs().sum()) == 0
    assert engine.spendable_msat()[0] < 600_000_000
