"""Routes that an engine is asked for, and what its senders remember."""

from collections.abc import Callable

import numpy as np
import pytest

from lightninglens.core.htlc import HtlcOutcome
from lightninglens.core.units import NS_PER_SECOND, Msat, UnixNs
from lightninglens.routing.pathfinding import BLOCK_PADDING, NoRoute, PathFinder, Route, RouteQuery
from lightninglens.routing.state import Estimator
from lightninglens.sim.balances import BalanceModel, draw_openers, initial_balances
from lightninglens.sim.engine import Engine
from lightninglens.sim.engine_routes import PairMemory
from lightninglens.sim.records import EngineConfig, PaymentRequests
from lightninglens.sim.topology import synthetic_graph

ESTIMATOR = Estimator()


@pytest.fixture(scope="module")
def engine() -> Engine:
    graph = synthetic_graph(80, 240, 5)
    openers = draw_openers(graph, seed=5)
    balances = initial_balances(graph, openers, model=BalanceModel.BALANCED, seed=5, commit_feerate_sat_per_kw=2_500)
    return Engine(graph, balance_msat=balances, opener_side=openers, config=EngineConfig(seed=5))


def queries() -> list[RouteQuery]:
    draw = np.random.default_rng(3)
    pairs = draw.integers(0, 80, (60, 2)).tolist()
    amounts = draw.integers(1_000, 20_000_000, 60).tolist()
    return [
        RouteQuery(sender=sender, receiver=receiver, amount_msat=amount)
        for (sender, receiver), amount in zip(pairs, amounts, strict=True)
        if sender != receiver
    ]


def test_a_route_is_the_one_that_a_plain_search_finds(engine: Engine) -> None:
    finder = PathFinder(engine.graph, engine.spendable_msat(), height=engine.block_height)
    found = 0
    for query in queries():
        asked = RouteQuery(
            sender=query.sender,
            receiver=query.receiver,
            amount_msat=query.amount_msat,
            final_cltv_blocks=query.final_cltv_blocks + BLOCK_PADDING,
        )
        ours, plain = engine.find_route(asked, estimator=ESTIMATOR), finder.find(query)
        assert ours == plain
        found += isinstance(ours, Route)
    assert found > 5


def test_without_memory_every_hop_is_certain(engine: Engine) -> None:
    for query in queries()[:10]:
        route = engine.find_route(query, estimator=ESTIMATOR, from_memory=False)
        assert isinstance(route, NoRoute) or route.probability == 1.0


def test_a_route_leaves_only_by_channels_that_it_may(engine: Engine) -> None:
    narrowed = 0
    for query in queries():
        route = engine.find_route(query, estimator=ESTIMATOR)
        if isinstance(route, NoRoute):
            continue
        own = {direction // 2 for direction in engine.directions_of(query.sender)}
        others = own - {route.hops[0].direction // 2}
        asked = RouteQuery(
            sender=query.sender, receiver=query.receiver, amount_msat=1_000_000, outgoing_channels=tuple(others)
        )
        if others:
            narrow = engine.find_route(asked, estimator=ESTIMATOR)
            assert isinstance(narrow, NoRoute) or narrow.hops[0].direction // 2 in others
            narrowed += isinstance(narrow, Route)
        too_much = RouteQuery(sender=query.sender, receiver=query.receiver, amount_msat=2**60)
        assert engine.find_route(too_much, estimator=ESTIMATOR) == NoRoute(outcome=HtlcOutcome.INSUFFICIENT_BALANCE)
    assert narrowed > 3


def pay(engine: Engine) -> None:
    count = 40
    draw = np.random.default_rng(9)
    ends = draw.integers(0, 80, (count, 2))
    ends = ends[ends[:, 0] != ends[:, 1]].astype(np.int32)
    n = len(ends)
    none = np.full(n, -1, np.int32)
    engine.submit(
        PaymentRequests(
            start_ns=np.full(n, engine.now_ns, np.int64),
            sender=ends[:, 0].copy(),
            receiver=ends[:, 1].copy(),
            amount_msat=np.full(n, 50_000_000, np.int64),
            fee_limit_msat=np.full(n, 5_000_000, np.int64),
            kind=np.zeros(n, np.int8),
            tag=none,
            outgoing=none,
            last_hop=none,
        )
    )
    engine.run_until(engine.now_ns + 300 * NS_PER_SECOND)


@pytest.fixture
def learned(engine: Engine) -> Engine:
    fork = engine.fork()
    pay(fork)
    return fork


def senders(engine: Engine) -> list[int]:
    return [node for node in range(80) if engine.memory_of(node)]


def test_what_one_sender_forgets_all_others_remember(learned: Engine) -> None:
    before = {node: learned.memory_of(node) for node in range(80)}
    forgetful = senders(learned)[0]
    learned.forget(forgetful)
    for node, pairs in before.items():
        kept: Callable[[list[PairMemory]], list[PairMemory]] = sorted
        assert kept(learned.memory_of(node)) == ([] if node == forgetful else kept(pairs))


def test_what_is_taken_over_is_as_good_as_learned(learned: Engine) -> None:
    teacher, pupil = senders(learned)[0], next(node for node in range(80) if not learned.memory_of(node))
    taught = learned.memory_of(teacher)
    learned.remember(pupil, taught, estimator=ESTIMATOR)
    assert sorted(learned.memory_of(pupil)) == sorted(taught)


def test_a_probability_follows_what_is_remembered(engine: Engine) -> None:
    fork = engine.fork()
    direction = int(np.flatnonzero(fork.graph.usable())[0])
    start, end = int(fork.graph.sources()[direction]), int(fork.graph.targets()[direction])
    sender = next(node for node in range(80) if node not in (start, end))

    def probability() -> float:
        return fork.hop_probability(sender, start, end, 1_000_000, estimator=ESTIMATOR)

    assert probability() == pytest.approx(0.6)
    now = UnixNs(fork.now_ns)
    succeeded = PairMemory(start, end, None, Msat(0), now, Msat(2_000_000))
    fork.remember(sender, [succeeded], estimator=ESTIMATOR)
    assert probability() == pytest.approx(0.95)
    failed = PairMemory(start, end, now, Msat(500_000), None, Msat(0))
    fork.remember(sender, [failed], estimator=ESTIMATOR)
    assert probability() < 0.01
