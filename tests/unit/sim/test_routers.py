"""Routers that are plugged in: what they are told, what they may plan, what the engine refuses."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from tests.reference.networks import build_graph, plain_policy
from tests.support.routers import CheapestRouter

from lightninglens.core.errors import DataError, InvariantError
from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEventKind, HtlcOutcome
from lightninglens.core.units import Msat
from lightninglens.routing.state import Estimator
from lightninglens.sim.engine import FOREVER_NS, Engine
from lightninglens.sim.records import EngineConfig, PaymentRequests
from lightninglens.sim.routers import NetworkView, NoPlan, PlannedPart, PlanRequest
from lightninglens.sim.state import SenderKind

pytestmark = pytest.mark.kernel

A, B, C, D = 0, 1, 2, 3
A_TO_B, B_TO_D, A_TO_C, C_TO_D = 0, 2, 4, 6
CHANNELS = [(A, B, 1_000_000), (B, D, 1_000_000), (A, C, 1_000_000), (C, D, 1_000_000)]
AMOUNT = 200_000_000


class Scripted:
    """Plans what it was given, one plan per question, and keeps what it was told."""

    def __init__(self, *plans: tuple[PlannedPart, ...] | NoPlan) -> None:
        self.plans = list(plans)
        self.asked: list[tuple[PlanRequest, int]] = []
        self.seen: list[tuple[Mapping[int, int], list[int], int]] = []

    def plan(self, request: PlanRequest, view: NetworkView, now_ns: int) -> tuple[PlannedPart, ...] | NoPlan:
        """Return the next plan."""
        self.asked.append((request, now_ns))
        self.seen.append((view.spendable_msat, view.policies.base_fee_msat.tolist(), view.block_height))
        return self.plans.pop(0)


def part(*directions: int, amount_msat: int = AMOUNT) -> PlannedPart:
    """Return a part over these directions."""
    return PlannedPart(directions=directions, amount_msat=Msat(amount_msat))


BY_B, BY_C = (A_TO_B, B_TO_D), (A_TO_C, C_TO_D)


def engine_with(router: Scripted | CheapestRouter, balances: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)) -> Engine:
    """Return an engine in which A's payments are planned by a router; `balances` are node1's shares."""
    graph = build_graph(4, CHANNELS)
    first = (graph.capacity_sat * np.array(balances)).astype(np.int64)
    both = np.stack([first, graph.capacity_sat - first], axis=1).reshape(-1) * 1_000
    config = EngineConfig(commit_feerate_sat_per_kw=0)
    engine = Engine(graph, balance_msat=both, opener_side=np.zeros(4, np.int8), config=config)
    engine.observe([A])
    engine.plug([A], router)
    return engine


def pay(engine: Engine, **changed: Any) -> None:
    """Submit a payment from A to D."""
    columns: dict[str, Any] = {
        "start_ns": np.array([engine.now_ns]),
        "sender": np.array([A], np.int32),
        "receiver": np.array([D], np.int32),
        "amount_msat": np.array([AMOUNT]),
        "fee_limit_msat": np.array([10_000_000]),
        "kind": np.zeros(1, np.int8),
        "tag": np.zeros(1, np.int32),
        "outgoing": np.full(1, -1, np.int32),
        "last_hop": np.full(1, -1, np.int32),
        "most_parts": np.full(1, 3, np.int32),
    }
    columns.update({name: np.array([value], columns[name].dtype) for name, value in changed.items()})
    engine.submit(PaymentRequests(**columns))


def test_a_plan_is_sent_and_priced() -> None:
    """The engine works out fees and time locks from the policies, and the payment succeeds."""
    router = Scripted((part(*BY_B, amount_msat=AMOUNT // 4), part(*BY_C, amount_msat=AMOUNT * 3 // 4)))
    engine = engine_with(router)
    pay(engine)
    engine.run_until(FOREVER_NS)
    harvest = engine.harvest()
    assert harvest.payments.outcome.tolist() == [HtlcOutcome.SUCCEEDED]
    assert harvest.payments.parts.tolist() == [2]
    assert harvest.payments.fee_msat.tolist() == [2 * 1_000 + AMOUNT * 100 // 10**6]
    assert sorted(harvest.attempts["amount_msat"].tolist()) == [AMOUNT // 4, AMOUNT * 3 // 4]
    ((request, now_ns),) = router.asked
    assert now_ns == 0
    assert request == PlanRequest(
        payment_id=0,
        sender=A,
        receiver=D,
        amount_msat=Msat(AMOUNT),
        remaining_msat=Msat(AMOUNT),
        fee_limit_msat=Msat(10_000_000),
        most_parts=3,
        outgoing=None,
        last_hop=None,
        cltv_limit_blocks=request.cltv_limit_blocks,
        final_cltv_blocks=request.final_cltv_blocks,
        results=(),
    )
    sent = harvest.htlc_events[harvest.htlc_events["kind"] == HtlcEventKind.FORWARD]
    assert sent["outgoing_timelock_blocks"].tolist() == [800_000 + 83 + 40] * 2


def test_a_failure_is_told_and_asked_again() -> None:
    """C has nothing towards D: the router learns which hop refused, and nothing of what was there."""
    router = Scripted(
        (part(*BY_C, amount_msat=AMOUNT // 2), part(*BY_B, amount_msat=AMOUNT // 2)),
        (part(*BY_B, amount_msat=AMOUNT // 2),),
        NoPlan(),
    )
    engine = engine_with(router, (1.0, 1.0, 1.0, 0.0))
    pay(engine)
    engine.run_until(FOREVER_NS)
    pay(engine, receiver=B)
    engine.run_until(FOREVER_NS)
    harvest = engine.harvest()
    assert harvest.payments.outcome.tolist() == [HtlcOutcome.SUCCEEDED, HtlcOutcome.NO_ROUTE]
    second, third = router.asked[1][0], router.asked[2][0]
    assert (second.remaining_msat, second.most_parts) == (AMOUNT // 2, 2)
    assert second.fee_limit_msat == 10_000_000 - 1_000 - AMOUNT // 2 * 100 // 10**6
    (refused,) = second.results
    assert (refused.code, refused.failed_hop) == (FailureCode.TEMPORARY_CHANNEL_FAILURE, 1)
    assert refused.part == part(*BY_C, amount_msat=AMOUNT // 2)
    assert refused.sent_msat == (AMOUNT // 2 + 1_000 + AMOUNT // 2 * 100 // 10**6, AMOUNT // 2)
    assert [result.code for result in third.results] == [FailureCode.NONE] * 2
    assert [result.failed_hop for result in third.results] == [None] * 2


def test_part_of_the_rest_may_be_planned() -> None:
    """For what a plan leaves the router is asked again, and what it gives up after that goes back to the sender."""
    router = Scripted((part(*BY_B, amount_msat=AMOUNT // 4),), (part(*BY_C, amount_msat=AMOUNT // 4),), NoPlan())
    engine = engine_with(router)
    pay(engine)
    engine.run_until(FOREVER_NS)
    harvest = engine.harvest()
    assert [now_ns for _, now_ns in router.asked] == [0, 5_000_000, 10_000_000]
    assert harvest.payments.outcome.tolist() == [HtlcOutcome.TIMEOUT]
    assert harvest.attempts["code"].tolist() == [FailureCode.MPP_TIMEOUT] * 2
    assert engine.conservation_drift_msat() == 0


@pytest.mark.parametrize(
    ("active", "detail"), [(True, FailureDetail.INSUFFICIENT_BALANCE), (False, FailureDetail.LINK_NOT_ELIGIBLE)]
)
def test_the_own_channel_cannot_carry_it(active: bool, detail: FailureDetail) -> None:
    """Such a part fails at once, at position 0, and the network does not hear of it."""
    router = Scripted((part(*BY_B),), (part(*BY_C),))
    engine = engine_with(router, (0.1 if active else 1.0, 1.0, 1.0, 1.0))
    engine.set_active(A_TO_B // 2, active=active)
    pay(engine)
    engine.run_until(FOREVER_NS)
    harvest = engine.harvest()
    assert harvest.payments.outcome.tolist() == [HtlcOutcome.SUCCEEDED]
    first = harvest.attempts[0]
    assert (first["start_ns"], first["end_ns"], first["failed_index"], first["detail"]) == (0, 0, 0, detail)
    assert router.asked[1][0].results[0].failed_hop == 0
    assert harvest.htlc_events["kind"][0] == HtlcEventKind.LINK_FAIL


@pytest.mark.parametrize(
    ("plan", "changed", "words"),
    [
        ((), {}, "no parts"),
        ((part(),), {}, "does not lead from node 0 to node 3"),
        ((part(*BY_B), part(A_TO_B, C_TO_D)), {}, "part 2 of the plan does not lead"),
        ((part(A_TO_B),), {}, "does not lead from node 0 to node 3"),
        ((part(8),), {}, "names direction 8, and the graph has 8"),
        ((part(*BY_B, amount_msat=0),), {}, "brings 0 msat"),
        ((part(*BY_B),), {"outgoing": A_TO_C}, "must leave by 4"),
        ((part(*BY_B),), {"last_hop": C}, "must come in by 2"),
        ((part(*BY_B, amount_msat=AMOUNT + 1),), {}, "bring 200,000,001 msat, and 200,000,000 remain"),
        ((part(*BY_B),), {"fee_limit_msat": 20_999}, "costs 21,000 msat, and 20,999 are left"),
        ((part(*BY_B, amount_msat=1),) * 4, {}, "4 parts, and 3 may be added"),
        ((part(*(A_TO_B, A_TO_B + 1) * 13, *BY_B),), {}, "28 hops"),
    ],
)
def test_plans_that_cannot_be_sent(plan: tuple[PlannedPart, ...], changed: dict[str, int], words: str) -> None:
    """The router is named and what is wrong; nothing is sent, and the run can go on with a better plan."""
    router = Scripted(plan, NoPlan())
    engine = engine_with(router)
    pay(engine, **changed)
    with pytest.raises(DataError, match="Scripted, payment 0: .*" + words):
        engine.run_until(FOREVER_NS)
    assert engine.pending_msat().sum() == 0
    engine.run_until(FOREVER_NS)
    assert engine.harvest().payments.outcome.tolist() == [HtlcOutcome.NO_ROUTE]


def test_time_locks_and_silent_channels() -> None:
    """Too long a time lock, or a direction that nobody has announced, is no plan either."""
    slow = [plain_policy(delta_blocks=2_000)] * 7
    graph = build_graph(4, CHANNELS, [*slow, None])
    balances = np.tile(np.array([1_000_000_000, 0]), 4)
    for directions, words in (
        (BY_B, "part 1 is locked for 2083 blocks, and 2016 are the limit"),
        ((A_TO_B, B_TO_D, 7, C_TO_D), "direction 7 cannot be used: nobody has announced it"),
    ):
        engine = Engine(graph, balance_msat=balances, opener_side=np.zeros(4, np.int8), config=EngineConfig())
        engine.plug([A], Scripted((part(*directions),)))
        pay(engine)
        with pytest.raises(DataError, match=words):
            engine.run_until(FOREVER_NS)


def scrambled(engine: Engine) -> None:
    """Move money between ends of a channel that is not A's, and change a policy of which A has not heard."""
    engine.add_liquidity(B_TO_D, -(10**8))
    engine.add_liquidity(B_TO_D + 1, 10**8)
    engine.set_policy(C_TO_D, plain_policy(base_msat=77), spread_ns=10**15)


def known(engine: Engine) -> None:
    """Let gossip bring a policy."""
    engine.set_policy(C_TO_D, plain_policy(base_msat=77))
    engine.run_until(engine.now_ns)


@pytest.mark.parametrize(("disturb", "same"), [(scrambled, True), (known, False)])
def test_what_is_hidden_is_not_seen(disturb: Callable[[Engine], None], same: bool) -> None:
    """Others' balances and news that have not arrived do not change what a router sees; gossip does."""
    seen = []
    for change in (lambda _: None, disturb):
        router = Scripted(NoPlan())
        engine = engine_with(router)
        change(engine)
        pay(engine)
        engine.run_until(FOREVER_NS)
        seen.append((router.seen, router.asked))
    assert (seen[0] == seen[1]) is same
    own_msat = seen[0][0][0][0]
    assert set(own_msat) == {A_TO_B, A_TO_C}


def test_a_fork_has_its_own_router() -> None:
    """Both go on alike from parts in flight, and neither router hears of the other's."""
    engine = engine_with(CheapestRouter(), (1.0, 0.0, 1.0, 1.0))
    pay(engine, most_parts=1)
    pay(engine, most_parts=1)
    engine.run_until(300_000_000)
    forked = engine.fork()
    for one in (engine, forked):
        pay(one, start_ns=60 * 10**9, most_parts=1)
        one.run_until(FOREVER_NS)
    first, second = engine.harvest(), forked.harvest()
    assert first.payments.end_ns.tolist() == second.payments.end_ns.tolist()
    assert first.payments.outcome.tolist() == [HtlcOutcome.SUCCEEDED] * 3
    assert engine._plugged._routers[A] is not forked._plugged._routers[A]


def test_senders_by_node() -> None:
    """The other estimator is asked for the nodes that use it; PLUGGED needs a router."""
    graph = build_graph(4, CHANNELS)
    config = EngineConfig(bimodal=Estimator(min_probability=1))
    balances = np.tile(np.array([1_000_000_000, 0]), 4)
    engine = Engine(graph, balance_msat=balances, opener_side=np.zeros(4, np.int8), config=config)
    with pytest.raises(InvariantError, match="takes its router"):
        engine.set_senders([A], SenderKind.PLUGGED)
    engine.set_senders([A], SenderKind.LND_BIMODAL)
    pay(engine)
    engine.run_until(FOREVER_NS)
    engine.set_senders([A], SenderKind.LND)
    pay(engine)
    engine.run_until(FOREVER_NS)
    assert engine.harvest().payments.outcome.tolist() == [HtlcOutcome.NO_ROUTE, HtlcOutcome.SUCCEEDED]


def test_a_router_that_comes_while_a_part_is_under_way() -> None:
    """What LND's search had sent is no part of the router's, which plans the next try."""
    router = Scripted((part(*BY_B),), NoPlan(), NoPlan())
    engine = engine_with(router, (1.0, 0.0, 1.0, 0.0))
    engine.set_senders([A], SenderKind.LND)
    pay(engine, most_parts=1)
    engine.run_until(100_000_000)
    engine.plug([A], router)
    pay(engine)
    engine.run_until(FOREVER_NS)
    assert [request.payment_id for request, _ in router.asked] == [1, 0, 1]
    results = [result for request, _ in router.asked for result in request.results]
    assert [(result.payment_id, result.failed_hop) for result in results] == [(1, 1)]
