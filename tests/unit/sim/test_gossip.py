"""News of policies: each sender hears after its own delay, or at once from a failure."""

from dataclasses import replace

import numpy as np
import pytest
from tests.reference.networks import build_graph, plain_policy
from tests.unit.sim.test_failures import A_TO_B, AMOUNT, B_TO_A, B_TO_C, FEE, A, C, attempts, make_engine, pay

from lightninglens.core.htlc import FailureCode, HtlcOutcome
from lightninglens.core.units import Msat
from lightninglens.sim.engine import Engine
from lightninglens.sim.gossip import FIRST_TOLD, FIRST_VERSIONS, FREE_VERSIONS, MOVING, TOLD

pytestmark = pytest.mark.kernel

D = 3
MINUTE_NS = 60 * 10**9
DEARER = replace(plain_policy(), base_fee_msat=Msat(2_000))
STAR = [(A, 1, 1_000_000), (1, C, 1_000_000), (1, D, 1_000_000)]
OLD_FEE = (FailureCode.FEE_INSUFFICIENT, 1)


def delayed() -> Engine:
    """Return an engine in which news take ten minutes, with a second sender D beside A."""
    return make_engine(STAR, nodes=4, local_share=0.5, gossip_delay_median_ms=600_000)


def fee_known(engine: Engine, direction: int) -> int:
    """Return the base fee that everybody knows."""
    view = engine._world.gossip
    return int(view.edges["base_fee_msat"][view.position[direction]])


def test_an_old_fee_fails_once_and_the_next_try_pays_the_new_one() -> None:
    """FEE_INSUFFICIENT brings the policy to the sender that failed, and to nobody else."""
    engine = delayed()
    engine.set_policy(B_TO_C, DEARER)
    harvest = pay(engine, (A, C), within_ns=MINUTE_NS)
    assert attempts(harvest) == [OLD_FEE, (FailureCode.NONE, 0)]
    assert harvest.payments.fee_msat.tolist() == [FEE + 1_000]
    assert attempts(pay(engine, (A, C), amount_msat=AMOUNT // 2, within_ns=MINUTE_NS))[0] == (FailureCode.NONE, 0)
    assert attempts(pay(engine, (D, C), within_ns=MINUTE_NS)) == [OLD_FEE, (FailureCode.NONE, 0)]
    assert fee_known(engine, B_TO_C) == 1_000
    assert engine._world.news.counters[TOLD] == 2


def test_everybody_has_heard_after_three_sigmas() -> None:
    """Then the view has the new policy, and nothing is kept of the change."""
    engine = delayed()
    engine.set_policy(B_TO_C, DEARER, spread_ns=MINUTE_NS)
    last_ns = MINUTE_NS + int(600e9 * np.exp(1.5)) + 1
    engine.run_until(last_ns - 1)
    assert (fee_known(engine, B_TO_C), engine._world.news.counters[MOVING]) == (1_000, 1)
    engine.run_until(last_ns)
    assert (fee_known(engine, B_TO_C), engine._world.news.counters[MOVING]) == (2_000, 0)
    assert engine._world.news.counters[FREE_VERSIONS] == FIRST_VERSIONS
    assert attempts(pay(engine, (A, C), (D, C))) == [(FailureCode.NONE, 0)] * 2


def test_senders_hear_one_after_another() -> None:
    """Between the first and the last who hear, some pay the old fee and some the new one."""
    graph_nodes = 40
    channels = [(0, 1, 5_000_000), *((1, node, 1_000_000) for node in range(2, graph_nodes))]
    engine = make_engine(channels, nodes=graph_nodes, local_share=0.5, gossip_delay_median_ms=600_000)
    engine.set_policy(1, DEARER)
    engine.run_until(10 * MINUTE_NS)
    harvest = pay(engine, *((node, 0) for node in range(2, graph_nodes)), amount_msat=10**6, within_ns=MINUTE_NS)
    failed = sum(attempt == OLD_FEE for attempt in attempts(harvest))
    assert 8 < failed < 30
    assert (harvest.payments.outcome == HtlcOutcome.SUCCEEDED).all()


def test_the_owner_knows_its_own_policy_at_once() -> None:
    """What A asks of its own channel is no news to A: its greatest HTLC holds for its next search."""
    engine = delayed()
    engine.set_policy(A_TO_B, replace(plain_policy(), max_htlc_msat=Msat(1_000)))
    assert pay(engine, (A, C), within_ns=MINUTE_NS).payments.outcome.tolist() == [HtlcOutcome.NO_ROUTE]


def test_of_updates_that_wait_together_the_newest_is_sent() -> None:
    """It sets out when the first of them would have."""
    engine = delayed()
    engine.set_policy(B_TO_C, DEARER, spread_ns=MINUTE_NS)
    engine.set_policy(B_TO_C, replace(DEARER, base_fee_msat=Msat(3_000)), spread_ns=2 * MINUTE_NS)
    engine.run_until(MINUTE_NS + int(600e9 * np.exp(1.5)) + 1)
    assert fee_known(engine, B_TO_C) == 3_000


def test_who_failed_on_an_update_that_was_never_sent_still_knows_it() -> None:
    """A learns the second policy by a failure, before a third takes its place among the updates that wait."""
    engine = delayed()
    engine.set_policy(B_TO_C, DEARER, spread_ns=10 * MINUTE_NS)
    assert attempts(pay(engine, (A, C), within_ns=MINUTE_NS))[0] == OLD_FEE
    engine.set_policy(B_TO_C, replace(DEARER, base_fee_msat=Msat(1_500)), spread_ns=10 * MINUTE_NS)
    harvest = pay(engine, (A, C), amount_msat=AMOUNT // 2, within_ns=MINUTE_NS)
    assert attempts(harvest) == [(FailureCode.NONE, 0)]
    assert harvest.payments.fee_msat.tolist() == [2_000 + AMOUNT // 20_000]


def test_many_changes_and_many_told_find_room() -> None:
    """More versions than the pool had at first, and more senders told than its table had."""
    nodes = FIRST_TOLD
    channels = [(0, 1, 50_000_000), *((1, node, 100_000) for node in range(2, nodes))]
    engine = make_engine(channels, nodes=nodes, local_share=0.5, gossip_delay_median_ms=600_000)
    for direction in range(1, FIRST_VERSIONS):
        engine.set_policy(direction, DEARER)
        engine.set_policy(direction, replace(DEARER, base_fee_msat=Msat(2_500)))
    engine.set_policy(1, replace(DEARER, base_fee_msat=Msat(9_000)))
    harvest = pay(engine, *((node, 0) for node in range(2, nodes)), amount_msat=10**6, within_ns=MINUTE_NS)
    assert (harvest.payments.outcome == HtlcOutcome.SUCCEEDED).all()
    assert engine._world.news.counters[TOLD] > FIRST_TOLD // 2
    engine.run_until(120 * MINUTE_NS)
    assert engine._world.news.counters[MOVING] == 0
    assert fee_known(engine, 1) == 9_000


def test_a_direction_that_nobody_announced_stays_unknown() -> None:
    """Its owner may set what it likes; the inbound part shows on the way back, which is known."""
    graph = build_graph(2, [(0, 1, 1_000_000)], [plain_policy(), None])
    engine = Engine(
        graph,
        balance_msat=np.array([10**9, 0]),
        opener_side=np.zeros(1, np.int8),
        config=replace(make_engine().config, gossip_delay_median_ms=1.0),
    )
    engine.set_policy(B_TO_A, replace(plain_policy(), inbound_base_fee_msat=Msat(-7)))
    engine.run_until(MINUTE_NS)
    view = engine._world.gossip
    assert view.position[B_TO_A] == -1
    assert view.edges["inbound_base_fee_msat"].tolist() == [-7]
