"""Columns of queries: what is refused, and how answers compare."""

import numpy as np
import pytest
from tests.reference.networks import build_graph

from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import HtlcOutcome
from lightninglens.routing import PathFinder, RouteQueries, SearchMethod
from lightninglens.routing.state import build_view, incoming_edges, write_capacity

pytestmark = pytest.mark.kernel


def star(leaves: int) -> NetworkGraph:
    """Return a hub, node 0, with channels of 1,000,000 sat."""
    return build_graph(leaves + 1, [(0, node, 1_000_000) for node in range(1, leaves + 1)])


def finder(graph: NetworkGraph) -> PathFinder:
    """Return a path finder whose senders have plenty."""
    return PathFinder(graph, np.full(2 * graph.channel_count, 10**9, np.int64))


def test_everybody_to_one_receiver() -> None:
    """Nine leaves and the hub share one tree; only the receiver itself is searched alone."""
    queries = RouteQueries.of(np.arange(11), np.full(11, 10), np.full(11, 1_000_000))
    found = finder(star(10)).find_many(queries)
    assert found.from_trees == 10
    assert found.routes.hops.tolist() == [1] + 9 * [2] + [2]
    assert found.outcome.tolist() == 11 * [HtlcOutcome.IN_FLIGHT]
    assert found.probability[0] == pytest.approx(0.95)


def test_balances_are_each_senders_own() -> None:
    """Of ten that share a tree one has too little in all, and the hub too little in any one channel."""
    graph = build_graph(11, [(0, node, 1_000_000) for node in range(1, 11)])
    spendable = np.full(20, 10**9, np.int64)
    spendable[3], spendable[0::2] = 1_000, 400_000
    found = PathFinder(graph, spendable).find_many(RouteQueries.of(np.arange(10), np.full(10, 10), np.full(10, 10**6)))
    assert found.from_trees == 10
    assert found.outcome[[0, 2]].tolist() == [HtlcOutcome.NO_ROUTE, HtlcOutcome.INSUFFICIENT_BALANCE]
    assert set(found.outcome[3:].tolist()) == {HtlcOutcome.IN_FLIGHT}


def test_differences_are_named_by_row() -> None:
    """A dearer query differs in its row only."""
    search = finder(star(3))
    one = search.find_many(RouteQueries.of([1, 2], [2, 3], [1_000_000, 1_000_000]))
    other = search.find_many(RouteQueries.of([1, 2], [2, 3], [1_000_000, 1_000_001]), method=SearchMethod.DIRECTED)
    assert one.differences(other).tolist() == [1]


def test_a_fee_limit_holds() -> None:
    """Without money for the hub's fee there is no route over it."""
    found = finder(star(3)).find_many(RouteQueries.of([1, 0], [2, 2], [1_000_000, 1_000_000], [0, 0]))
    assert found.outcome.tolist() == [HtlcOutcome.NO_ROUTE, HtlcOutcome.IN_FLIGHT]
    assert found.probability[0] == 0.0


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        (([0, 9], [1, 1], [1, 1]), "query 1: sender 9 is not a row of this graph, which has 3 nodes"),
        (([0, 0], [-1, 1], [1, 1]), "query 0: receiver -1"),
        (([0, 0], [1, 1], [1, 0]), "query 1: an amount of 0 msat cannot be sent"),
        (([0, 0, 0], [1, 1], [1, 1]), "sender 3, receiver 2, amount_msat 2, fee_limit_msat 2"),
    ],
)
def test_bad_queries_are_named(columns: tuple[list[int], list[int], list[int]], problem: str) -> None:
    """The first bad row, and what is wrong with it."""
    with pytest.raises(ValueError, match=problem):
        finder(star(2)).find_many(RouteQueries.of(*columns))


def test_a_channel_can_grow_in_the_view() -> None:
    """The search stops at pairs that are too small; one that grew is before that place, or raised what is before it."""
    graph = build_graph(3, [(0, 1, 1_000_000), (1, 2, 500_000), (0, 2, 2_000_000)])
    view = build_view(graph, graph.policies)
    write_capacity(view, 1, 9_000_000_000)
    for node in range(3):
        pairs = view.incoming[view.first_in[node] : view.first_in[node + 1]]
        bounds = pairs["capacity_msat"].tolist()
        assert bounds == sorted(bounds, reverse=True)
        largest = max(edge["capacity_msat"] for edge in incoming_edges(view, node))
        assert bounds[0] == largest
    unknown = build_graph(2, [(0, 1, 1_000_000)], [None, None])
    view = build_view(unknown, unknown.policies)
    write_capacity(view, 0, 5)
    assert len(view.edges) == 0
