"""The directed search and the shared trees give the answers of the plain search, to the last millisatoshi."""

import random

import numpy as np
import pytest
from tests.property.test_pathfinding_twin import CODES, draw_estimator, draw_query
from tests.reference import networks

from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import FailureCode, HtlcOutcome
from lightninglens.routing import NoRoute, PathFinder, Route, RouteQueries, RouteQuery, SearchMethod, _nearness
from lightninglens.routing.state import MANY_PAIRS, PATIENCE, Estimator


def draw_town(draw: random.Random) -> NetworkGraph:
    """Draw 20 to 90 nodes with hubs, parallel channels and few different policies, so that ties are common."""
    nodes = draw.randrange(20, 90)
    ends = list(range(4))
    pairs = [(low, high) for high in range(4) for low in range(high)]
    for node in range(4, nodes):
        for _ in range(draw.choice([1, 1, 2, 3, 6])):
            other = draw.choice(ends)
            if other != node:
                pairs.append((other, node))
                ends += [other, node]
    pairs += [draw.choice(pairs) for _ in range(draw.choice([0, 3, 12]))]
    channels = [(min(pair), max(pair), draw.choice([200_000, 1_000_000, 1_000_000, 5_000_000])) for pair in pairs]
    kinds = [networks.draw_policy(draw, 1_000_000) for _ in range(draw.choice([1, 2, 5, 40]))]
    policies = [draw.choice(kinds) for _ in range(2 * len(channels))]
    return networks.build_graph(nodes, channels, policies)


def draw_city(draw: random.Random) -> NetworkGraph:
    """Draw 200 to 500 nodes about a few hubs with far more channels than a search labels from at once."""
    nodes, hubs = draw.randrange(200, 500), draw.randrange(3, 8)
    pairs = [(low, high) for high in range(hubs) for low in range(high)]
    for node in range(hubs, nodes):
        for _ in range(draw.choice([1, 1, 2, 3, 4])):
            other = draw.randrange(hubs) if draw.random() < 0.7 else draw.randrange(node)
            if other != node:
                pairs.append((other, node))
    channels = [(min(pair), max(pair), draw.choice([200_000, 1_000_000, 5_000_000])) for pair in pairs]
    kinds = [networks.draw_policy(draw, 1_000_000) for _ in range(draw.choice([1, 3, 40]))]
    return networks.build_graph(nodes, channels, [draw.choice(kinds) for _ in range(2 * len(channels))])


def draw_finder(draw: random.Random) -> tuple[NetworkGraph, PathFinder, list[int], Estimator]:
    """Draw a network, what its nodes can send, and how their probabilities are estimated."""
    graph = draw_town(draw) if draw.random() < 0.7 else networks.draw_graph(draw)
    return finder_on(draw, graph)


def finder_on(draw: random.Random, graph: NetworkGraph) -> tuple[NetworkGraph, PathFinder, list[int], Estimator]:
    """Draw what the nodes of a network can send, and how their probabilities are estimated."""
    spendable = [draw.choice([0, sat * 10, sat * 500, sat * 990]) for sat in np.repeat(graph.capacity_sat, 2).tolist()]
    estimator = draw_estimator(draw)
    return graph, PathFinder(graph, np.array(spendable, np.int64), estimator=estimator), spendable, estimator


def check_single(seed: int, rounds: int, *, city: bool = False) -> int:
    """Search one by one, with results reported in between; return how many routes were found."""
    draw = random.Random(seed)
    graph, finder, spendable, _ = finder_on(draw, draw_city(draw)) if city else draw_finder(draw)
    finder._scratch.counters[2:] = draw.choice([2, 3, 6, PATIENCE]), draw.choice([1, 4, MANY_PAIRS])
    return search_and_report(draw, graph, finder, spendable, rounds)


def search_and_report(
    draw: random.Random, graph: NetworkGraph, finder: PathFinder, spendable: list[int], rounds: int
) -> int:
    """Search with both methods and report results in between; return how many routes were found."""
    now, routes = 10**18, 0
    senders = [draw.randrange(graph.node_count) for _ in range(3)]
    for _ in range(rounds):
        now += draw.choice([0, 10**9, 61 * 10**9, 2 * 3_600 * 10**9])
        query = draw_query(draw, graph, spendable)
        if draw.random() < 0.5:  # so that some remember much
            query = RouteQuery(sender=senders[0], receiver=query.receiver, amount_msat=query.amount_msat)
        plain = finder.find(query, method=SearchMethod.PLAIN, now_ns=now)
        settled = finder.nodes_settled
        assert finder.find(query, now_ns=now) == plain, query
        assert finder.nodes_settled <= settled + 1
        if isinstance(plain, Route):
            routes += 1
            code = FailureCode.NONE if draw.random() < 0.3 else draw.choice(CODES)
            finder.report(plain, now_ns=now, code=code, reported_by=draw.randrange(len(plain.hops) + 1))
    return routes


def check_many(seed: int) -> tuple[int, int]:
    """Ask for everybody's routes to a few receivers; return how many came from trees, and how many there were."""
    draw = random.Random(seed)
    graph, finder, spendable, _ = draw_finder(draw)
    for _ in range(draw.choice([0, 3])):
        found = finder.find(draw_query(draw, graph, spendable))
        if isinstance(found, Route):
            finder.report(found, now_ns=0, code=draw.choice(CODES), reported_by=draw.randrange(len(found.hops) + 1))
    goals = [(draw.randrange(graph.node_count), draw.choice([1_000, 1_000_000, 150_000_000])) for _ in range(3)]
    asked = [(sender, *goal) for goal in goals for sender in range(graph.node_count)]
    asked.append((0, 1, 777_000))
    draw.shuffle(asked)
    limits = None if draw.random() < 0.7 else [draw.choice([0, 10_000]) for _ in asked]
    senders, receivers, amounts = np.array(asked).T
    queries = RouteQueries.of(senders, receivers, amounts, limits)
    plain = finder.find_many(queries, method=SearchMethod.PLAIN)
    for method in (SearchMethod.DIRECTED, SearchMethod.SHARED_TREES):
        assert len(finder.find_many(queries, method=method).differences(plain)) == 0
    for row in draw.sample(range(len(asked)), 5):
        sender, receiver, amount_msat = asked[row]
        limit = None if limits is None else limits[row]
        one = finder.find(
            RouteQuery(sender=sender, receiver=receiver, amount_msat=amount_msat, fee_limit_msat=limit),
        )
        if isinstance(one, NoRoute):
            assert plain.outcome[row] == one.outcome
            assert plain.routes.hops[row] == 0
        else:
            assert plain.outcome[row] == HtlcOutcome.IN_FLIGHT
            hops = plain.routes.hops[row]
            assert plain.routes.direction[row, :hops].tolist() == [hop.direction for hop in one.hops]
            assert plain.probability[row] == one.probability
    return finder.find_many(queries).from_trees, len(asked)


@pytest.mark.kernel
def test_a_few_searches() -> None:
    """Small enough for the uncompiled kernels."""
    assert sum(check_single(seed, rounds=8) for seed in range(8)) > 10
    assert sum(check_many(seed)[0] for seed in range(2)) > 50


LONG = (
    Estimator(),
    Estimator(apriori_weight=1.0),
    Estimator(hop_probability=0.97, success_probability=0.95),
    Estimator(hop_probability=0.3),
)


@pytest.mark.kernel
@pytest.mark.parametrize("place", range(len(LONG)))
def test_a_few_long_searches(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small enough for the uncompiled kernels: queues that overflow, and walks that end early.

    How many pairs a walk looks at is compiled in, so where kernels are compiled it is as always.
    """
    monkeypatch.setattr(_nearness, "_MOST_PAIRS", 60)
    draw = random.Random(place)
    graph = draw_city(draw)
    spendable = [draw.choice([0, sat * 500, sat * 990]) for sat in np.repeat(graph.capacity_sat, 2).tolist()]
    finder = PathFinder(graph, np.array(spendable, np.int64), estimator=LONG[place])
    finder._scratch.counters[2:] = (2, 4, 8, 16)[place], 1
    finder._scratch = finder._scratch._replace(waiting=np.zeros(6, np.int32))
    assert search_and_report(draw, graph, finder, spendable, rounds=30) > 0


@pytest.mark.kernel
@pytest.mark.parametrize(("farthest", "kept"), [(50, 0), (100, 1)])
def test_a_stand_in_that_lies_too_far_is_left_out_when_the_heap_is_turned(farthest: int, kept: int) -> None:
    graph = draw_town(random.Random(1))
    scratch = PathFinder(graph, np.zeros(2 * graph.channel_count, np.int64), estimator=Estimator())._scratch
    stand_in = len(scratch.labels) + 3
    scratch.heap_nodes[0], scratch.later[3] = stand_in, 100
    assert _nearness.turn_heap(scratch, np.int64(1), np.int64(farthest)) == kept
    if kept:
        assert (scratch.heap_nodes[0], scratch.heap_keys[0]) == (stand_in, 100)


def test_directed_search_equals_the_plain_one() -> None:
    """18,000 searches with history on 600 networks: every restriction, ties, certain and free hops."""
    assert sum(check_single(seed, rounds=30) for seed in range(20_000, 20_600)) > 6_000


def test_long_searches_equal_the_plain_one() -> None:
    """4,000 searches about hubs, by senders that remember much: looks from the sender, stand-ins, guesses."""
    assert sum(check_single(seed, rounds=100, city=True) for seed in range(40_000, 40_040)) > 1_500


def test_shared_trees_equal_the_plain_search() -> None:
    """About 60,000 queries on 400 networks, most of them answered from a tree."""
    shared, asked = np.sum([check_many(seed) for seed in range(30_000, 30_400)], axis=0)
    assert shared > 0.5 * asked


@pytest.mark.nightly
def test_methods_on_thousands_of_networks() -> None:
    """Longer, with other seeds."""
    assert sum(check_single(seed, rounds=60) for seed in range(400_000, 410_000)) > 200_000
    for seed in range(500_000, 505_000):
        check_many(seed)
    assert sum(check_single(seed, rounds=300, city=True) for seed in range(600_000, 600_400)) > 40_000
