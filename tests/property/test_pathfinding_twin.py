"""The compiled search and mission control agree with their plain-Python twins, exactly."""

import random

import numpy as np
import pytest
from tests.reference import bimodal, mission_control, networks, pathfinding

from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import FailureCode, HtlcOutcome
from lightninglens.routing import NoRoute, PathFinder, Route, RouteQuery
from lightninglens.routing.memory import remembered_results
from lightninglens.routing.state import APRIORI, BIMODAL, NEVER_NS, Estimator

HEIGHT = 800_000
CODES = [code for code in FailureCode if code != FailureCode.NONE]


def estimator_config(estimator: Estimator) -> mission_control.AprioriConfig | bimodal.BimodalConfig:
    """Return the twin of an estimator."""
    if estimator.kind == BIMODAL:
        return bimodal.BimodalConfig(
            node_weight=estimator.bimodal_node_weight,
            scale_msat=int(estimator.bimodal_scale_msat),
            decay_time_ns=int(estimator.bimodal_decay_ns),
        )
    return mission_control.AprioriConfig(
        penalty_half_life_ns=int(estimator.half_life_ns),
        apriori_hop_probability=estimator.hop_probability,
        apriori_weight=estimator.apriori_weight,
        capacity_fraction=estimator.capacity_fraction,
    )


class Twin:
    """What `PathFinder` does, on the twins."""

    def __init__(self, graph: NetworkGraph, spendable: list[int], estimator: Estimator) -> None:
        self.graph, self.spendable, self.estimator = pathfinding.Graph(graph), spendable, estimator
        self.memories: dict[int, mission_control.MissionControl] = {}
        self.nodes = (graph.node1.tolist(), graph.node2.tolist())

    def memory(self, sender: int) -> mission_control.MissionControl:
        config = estimator_config(self.estimator)
        return self.memories.setdefault(sender, mission_control.MissionControl(sender, config))

    def find(self, query: RouteQuery, now: int) -> tuple[list[pathfinding.Hop], float] | HtlcOutcome:
        memory = self.memory(query.sender)
        amount = query.amount_msat
        limit = query.fee_limit_msat
        if limit is None:
            limit = amount if amount <= 1_000_000 else amount * 5 // 100
        outgoing = None
        if query.outgoing_channels:
            outgoing = frozenset(
                2 * channel + (0 if self.nodes[0][channel] == query.sender else 1)
                for channel in query.outgoing_channels
            )

        def probability(low: int, high: int, sent: int, capacity: int) -> float:
            if low in query.ignored_nodes or (low, high) in query.ignored_pairs:
                return 0.0
            return memory.probability(low, high, sent, capacity, now)

        search = pathfinding.Search(
            self.graph,
            pathfinding.PathFindingConfig(
                attempt_cost_msat=int(self.estimator.attempt_cost_msat),
                attempt_cost_ppm=self.estimator.attempt_cost_ppm,
                min_probability=self.estimator.min_probability,
                time_preference=query.time_preference or self.estimator.time_preference,
            ),
            pathfinding.Restrictions(
                probability=probability,
                fee_limit=limit,
                cltv_limit=query.cltv_limit_blocks,
                outgoing_directions=outgoing,
                last_hop=query.last_hop,
            ),
            lambda direction: self.spendable[direction],
            source=query.sender,
            target=query.receiver,
            amount=amount,
            height=HEIGHT,
            final_delta=query.final_cltv_blocks + 3,
        )
        try:
            path = search.run()
        except pathfinding.NoPath:
            return HtlcOutcome.NO_ROUTE
        except pathfinding.InsufficientBalance:
            return HtlcOutcome.INSUFFICIENT_BALANCE
        hops = pathfinding.new_route(path, amount, search.final_expiry)
        return hops, search.distance[query.sender].probability


def assert_same(found: Route | NoRoute, expected: tuple[list[pathfinding.Hop], float] | HtlcOutcome) -> None:
    """Compare an answer of the kernel with the twin's."""
    if isinstance(expected, HtlcOutcome):
        assert isinstance(found, NoRoute), found
        assert found.outcome == expected
        return
    assert isinstance(found, Route), expected
    hops = [(hop.direction, hop.amount_msat, hop.expiry_height) for hop in found.hops]
    assert hops == [(hop.direction, hop.amount_msat, hop.expiry) for hop in expected[0]]
    assert found.probability == pytest.approx(expected[1], rel=1e-12)


def expected_memory(twin: Twin) -> dict[tuple[int, int, int], tuple[int, int, int, int]]:
    """Return the twin's memory in the same form."""
    never = int(NEVER_NS)
    return {
        (sender, from_node, to_node): (
            never if result.fail_time is None else result.fail_time,
            result.fail_amt,
            never if result.success_time is None else result.success_time,
            result.success_amt,
        )
        for sender, memory in twin.memories.items()
        for from_node, pairs in memory.state.last_pair_result.items()
        for to_node, result in pairs.items()
    }


def draw_query(draw: random.Random, graph: NetworkGraph, spendable: list[int]) -> RouteQuery:
    """Draw what to search: sometimes at the edge of what the sender has, sometimes to itself."""
    nodes = graph.node_count
    sender = draw.randrange(nodes)
    receiver = sender if draw.random() < 0.2 else draw.choice([node for node in range(nodes) if node != sender])
    own = [direction for direction, node in enumerate(graph.sources().tolist()) if node == sender]
    edge = max((spendable[direction] for direction in own), default=0)
    amount = draw.choice(
        [1, 1_000, 999_999, 1_000_000, 1_000_001, 20_000_000, 400_000_000, edge, edge - draw.randrange(5_000)]
    )
    return RouteQuery(
        sender=sender,
        receiver=receiver,
        amount_msat=max(amount, 1),
        fee_limit_msat=draw.choice([None, None, None, 0, 500, 10_000, 10**12]),
        final_cltv_blocks=draw.choice([18, 80, 80, 144]),
        cltv_limit_blocks=draw.choice([2016, 2016, 2016, 300, 10_000]),
        outgoing_channels=tuple(
            direction // 2 for direction in (draw.choices(own, k=draw.randrange(1, 4)) if own else ())
        )
        if draw.random() < 0.2
        else (),
        last_hop=draw.randrange(nodes) if draw.random() < 0.15 else None,
        ignored_pairs=draw_pairs(draw, graph) if draw.random() < 0.2 else (),
        ignored_nodes=tuple(draw.choices(range(nodes), k=2)) if draw.random() < 0.1 else (),
        time_preference=draw.choice([-1.0, -0.5, 0.3, 1.0]) if draw.random() < 0.2 else None,
    )


def draw_pairs(draw: random.Random, graph: NetworkGraph) -> tuple[tuple[int, int], ...]:
    """Draw a few pairs of neighbours, in one direction each."""
    sources, targets = graph.sources().tolist(), graph.targets().tolist()
    directions = draw.choices(range(len(sources)), k=draw.randrange(1, 6))
    return tuple((sources[direction], targets[direction]) for direction in directions)


def draw_estimator(draw: random.Random) -> Estimator:
    """Draw one of LND's estimators at its defaults, or settings under which ties and certain hops are common."""
    if draw.random() < 0.4:
        return Estimator()
    if draw.random() < 0.3:
        return Estimator(kind=BIMODAL)
    return Estimator(
        kind=draw.choice([APRIORI, APRIORI, BIMODAL]),
        bimodal_scale_msat=draw.choice([1.0, 1e6, 3e8, 2.5e11]),
        bimodal_node_weight=draw.choice([0.0, 0.2, 1.0]),
        bimodal_decay_ns=draw.choice([3_600e9, 604_800e9]),
        attempt_cost_msat=draw.choice([0.0, 100_000.0]),
        attempt_cost_ppm=draw.choice([0, 1_000]),
        min_probability=draw.choice([0.0, 0.01]),
        hop_probability=draw.choice([0.6, 0.95, 1.0]),
        apriori_weight=draw.choice([0.1, 0.5, 1.0]),
        capacity_fraction=draw.choice([0.75, 0.9999, 1.0]),
    )


def check_network(seed: int, rounds: int) -> int:
    """Search and report on one random network; return how many routes were found."""
    draw = random.Random(seed)
    graph = networks.draw_graph(draw)
    capacity = np.repeat(graph.capacity_sat, 2).tolist()
    spendable = [draw.choice([0, sat * 10, sat * 500, sat * 990]) for sat in capacity]
    estimator = draw_estimator(draw)
    finder = PathFinder(graph, np.array(spendable, np.int64), height=HEIGHT, estimator=estimator)
    twin = Twin(graph, spendable, estimator)
    now, routes = 10**18, 0
    for _ in range(rounds):
        now += draw.choice([0, 10**9, 50 * 10**9, 61 * 10**9, 2 * 3_600 * 10**9])
        query = draw_query(draw, graph, spendable)
        found = finder.find(query, now_ns=now)
        assert_same(found, twin.find(query, now))
        if not isinstance(found, Route):
            continue
        routes += 1
        nodes = [query.sender, *(hop.to_node for hop in found.hops)]
        amounts = [int(hop.amount_msat) for hop in found.hops]
        code = FailureCode.NONE if draw.random() < 0.3 else draw.choice(CODES)
        source = draw.randrange(len(amounts) + 1)
        over = finder.report(found, now_ns=now, code=code, reported_by=source)
        assert over == twin.memory(query.sender).report(nodes, amounts, code, source, now)
        assert remembered_results(finder._memory) == expected_memory(twin)
    return routes


@pytest.mark.kernel
def test_a_few_networks() -> None:
    """Small enough for the uncompiled kernels."""
    assert sum(check_network(seed, rounds=12) for seed in range(40)) > 100


@pytest.mark.nightly
def test_thousands_of_networks() -> None:
    """Longer, with other seeds."""
    assert sum(check_network(seed, rounds=40) for seed in range(100_000, 110_000)) > 100_000


def test_search_and_memory_equal_the_twins() -> None:
    """45,000 searches with history on 1,500 networks: the same routes, amounts, expiries and memory."""
    assert sum(check_network(seed, rounds=30) for seed in range(1_000, 2_500)) > 12_000
