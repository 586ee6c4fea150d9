"""Single searches whose answer can be worked out by hand, and the limits of the onion."""

import os
from typing import Any

import numpy as np
import pytest
from tests.reference.lnd import pairs_in
from tests.reference.networks import build_graph, plain_policy
from tests.reference.pathfinding import payload_bytes

from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import FailureCode, HtlcOutcome
from lightninglens.routing import NoRoute, PathFinder, Route, RouteQuery, _fees, _labels
from lightninglens.routing.state import MAX_HOPS, Estimator

pytestmark = pytest.mark.kernel

PATIENT = Estimator(min_probability=0.0)


def line(nodes: int) -> NetworkGraph:
    """Return nodes in a row."""
    return build_graph(nodes, [(node, node + 1, 1_000_000) for node in range(nodes - 1)])


def finder(graph: NetworkGraph, estimator: Estimator | None = None) -> PathFinder:
    """Return a path finder whose senders have plenty."""
    plenty = np.full(2 * graph.channel_count, 10**9, np.int64)
    return PathFinder(graph, plenty, estimator=estimator)


def test_amounts_expiries_and_fee_of_a_line() -> None:
    """Two forwarding nodes ask 1 sat and 100 ppm each; the last HTLC expires 83 blocks from now."""
    route = finder(line(4)).find(RouteQuery(sender=0, receiver=3, amount_msat=100_000_000))
    assert isinstance(route, Route)
    assert [hop.amount_msat for hop in route.hops] == [100_022_001, 100_011_000, 100_000_000]
    assert [hop.expiry_height for hop in route.hops] == [800_163, 800_123, 800_083]
    assert [(hop.from_node, hop.to_node) for hop in route.hops] == [(0, 1), (1, 2), (2, 3)]
    assert [str(hop.channel_id) for hop in route.hops] == ["700000x1x0", "700001x1x0", "700002x1x0"]
    assert route.fee_msat == 22_001
    assert route.probability == pytest.approx(0.95 * 0.6 * 0.6, rel=1e-3)


@pytest.mark.parametrize(("amount_msat", "longest"), [(1, 24), (100_000_000, 23)])
def test_onion_holds_so_many_hops(amount_msat: int, longest: int) -> None:
    """The onion of 1,300 bytes has room for a route of this length and no longer."""
    search = finder(line(31), PATIENT)
    for hops in (longest, longest + 1):
        query = RouteQuery(
            sender=0, receiver=hops, amount_msat=amount_msat, fee_limit_msat=10**9, cltv_limit_blocks=2_016
        )
        found = search.find(query)
        assert isinstance(found, Route) == (hops <= longest), hops


@pytest.mark.parametrize(("amount", "expiry"), [(1, 1), (255, 255), (256, 256), (65_535, 800_083), (10**11, 2**24)])
def test_payload_sizes(amount: int, expiry: int) -> None:
    """As `Hop.PayloadSize` counts them."""
    for final in (False, True):
        assert int(_fees.hop_payload_bytes(amount, expiry, final)) == payload_bytes(amount, expiry, final=final)


def test_no_room_for_more_hops_than_columns() -> None:
    """Labels that run in a circle end the walk instead of the process."""
    graph = build_graph(3, [(0, 1, 1_000_000), (1, 2, 1_000_000), (0, 2, 1_000_000)])
    search = finder(graph)
    assert isinstance(search.find(RouteQuery(sender=0, receiver=2, amount_msat=1_000)), Route)
    labels, position = search._scratch.labels, search._view.position
    labels["edge"][0], labels["edge"][1] = position[0], position[1]
    query = _labels.Query(0, 0, 2, 1_000, 0, 0, 0, -1, -1, 0.0, 0)
    status = _labels.write_route(search._view, search._scratch, query, search._routes, 0)
    assert status == _labels.TOO_MANY_HOPS
    assert search._routes.direction.shape[1] == MAX_HOPS


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"kind": 2}, "kind 2 is none"),
        ({"bimodal_scale_msat": 0.0}, "bimodal_scale_msat is 0.0: it must be from 1 to 2.5e"),
        ({"capacity_fraction": 0.5}, "capacity_fraction is 0.5: it must be from 0.75 to 1"),
        ({"half_life_ns": 0.0}, "half_life_ns"),
        ({"time_preference": -2.0}, "time_preference"),
        ({"apriori_weight": float("nan")}, "apriori_weight is nan"),
    ],
)
def test_an_estimator_that_lnd_would_refuse_is_refused(changed: dict[str, Any], problem: str) -> None:
    """With the parameter, its value, and what would be right."""
    with pytest.raises(ValueError, match=problem):
        finder(line(3), Estimator(**changed))


def test_balance_is_the_senders_own_knowledge() -> None:
    """Too little in all is one answer, too little in any channel another."""
    graph = build_graph(2, [(0, 1, 1_000_000), (0, 1, 1_000_000)])
    search = PathFinder(graph, np.array([600, 0, 500, 0], np.int64) * 1_000_000)
    cases = ((1_200_000_000, HtlcOutcome.INSUFFICIENT_BALANCE), (700_000_000, HtlcOutcome.NO_ROUTE))
    for amount_msat, outcome in cases:
        found = search.find(RouteQuery(sender=0, receiver=1, amount_msat=amount_msat))
        assert isinstance(found, NoRoute)
        assert found.outcome == outcome
    found = search.find(RouteQuery(sender=0, receiver=1, amount_msat=550_000_000))
    assert isinstance(found, Route)
    assert found.hops[0].direction == 0


def test_discount_never_makes_a_fee_negative() -> None:
    """An inbound discount of 5 sat on an outbound fee of 1 sat: the node forwards for nothing."""
    policies = [plain_policy() for _ in range(4)]
    policies[1] = plain_policy(inbound_base_msat=-5_000)
    policies[2] = plain_policy(rate_ppm=0)
    search = finder(build_graph(3, [(0, 1, 1_000_000), (1, 2, 1_000_000)], policies))
    route = search.find(RouteQuery(sender=0, receiver=2, amount_msat=1_000_000))
    assert isinstance(route, Route)
    assert route.fee_msat == 0


def test_an_improbable_way_is_not_followed() -> None:
    """Ten hops of other nodes are less probable than 1 %, which is the least that a route may be."""
    assert isinstance(finder(line(12)).find(RouteQuery(sender=0, receiver=9, amount_msat=1_000_000)), Route)
    found = finder(line(12)).find(RouteQuery(sender=0, receiver=11, amount_msat=1_000_000))
    assert found == NoRoute(outcome=HtlcOutcome.NO_ROUTE)


def test_a_channel_that_just_failed_is_not_tried() -> None:
    """The only peer has just said that it cannot take the payment: at this moment its probability is 0."""
    search = finder(line(2))
    query = RouteQuery(sender=0, receiver=1, amount_msat=1_000_000)
    route = search.find(query)
    assert isinstance(route, Route)
    assert search.report(route, now_ns=0, code=FailureCode.TEMPORARY_NODE_FAILURE, reported_by=1)
    assert search.find(query, now_ns=0) == NoRoute(outcome=HtlcOutcome.NO_ROUTE)
    assert isinstance(search.find(query, now_ns=10**15), Route)


def test_a_payment_to_oneself_over_a_peer_without_others() -> None:
    """The peer with other channels is too small, the one without is large enough."""
    graph = build_graph(4, [(0, 1, 200_000), (1, 2, 1_000_000), (0, 3, 1_000_000)])
    route = finder(graph).find(RouteQuery(sender=0, receiver=0, amount_msat=500_000_000))
    assert isinstance(route, Route)
    assert [hop.to_node for hop in route.hops] == [3, 0]


def test_a_dearer_neighbour_may_hide_the_cheap_one() -> None:
    """Like LND, the search keeps one way per node, even one that the sender cannot afford.

    Node 1 reaches 3 over 2, remembered to work, for 107 sat, or over 4 for 4 sat.
    The sender has 100 sat to spare: there is no route, though one over 4 exists.
    """
    policies = [plain_policy() for _ in range(10)]
    policies[4] = plain_policy(base_msat=105_000)
    graph = build_graph(
        5, [(0, 1, 1_000_000), (1, 2, 1_000_000), (2, 3, 1_000_000), (1, 4, 1_000_000), (3, 4, 1_000_000)], policies
    )
    query = RouteQuery(sender=0, receiver=3, amount_msat=10_000_000, fee_limit_msat=10**9)
    for spare, expected in ((10**6, [0, 2, 4]), (100_000, None)):
        search = PathFinder(graph, np.full(10, query.amount_msat + spare, np.int64))
        search.report(known_good(graph), now_ns=0)
        found = search.find(query)
        assert ([hop.direction for hop in found.hops] if isinstance(found, Route) else None) == expected


def known_good(graph: NetworkGraph) -> Route:
    """Return the route 0, 1, 2, 3 as an earlier payment found it, when it was cheap."""
    cheap = finder(build_graph(graph.node_count, [(0, 1, 10**6), (1, 2, 10**6), (2, 3, 10**6)]))
    route = cheap.find(RouteQuery(sender=0, receiver=3, amount_msat=50_000_000))
    assert isinstance(route, Route)
    return route


@pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="takes a minute uncompiled; the memory's own test grows")
def test_memory_grows_with_what_is_reported() -> None:
    """More pairs than the first allocation holds: all are remembered."""
    count = 1_200
    graph = build_graph(count + 1, [(0, node, 1_000_000) for node in range(1, count + 1)])
    search = finder(graph)
    for node in range(1, count + 1):
        route = search.find(RouteQuery(sender=0, receiver=node, amount_msat=1_000))
        assert isinstance(route, Route)
        assert search.nodes_settled >= 1
        assert search.report(route, now_ns=0)
    assert pairs_in(search._memory) == count
    again = search.find(RouteQuery(sender=0, receiver=count, amount_msat=1_000))
    assert isinstance(again, Route)
    assert again.probability == pytest.approx(0.95)


def test_peers_of_very_many_peers_are_not_looked_through() -> None:
    count = 1_200
    graph = build_graph(count + 1, [(0, node, 1_000_000) for node in range(1, count + 1)])
    search = finder(graph)
    route = search.find(RouteQuery(sender=0, receiver=count, amount_msat=1_000))
    assert isinstance(route, Route)
    assert search.nodes_settled <= 2


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"sender": -1}, "sender"),
        ({"receiver": 4}, "receiver"),
        ({"last_hop": 9}, "last hop 9"),
        ({"amount_msat": 0}, "amount"),
        ({"outgoing_channels": (2,)}, "channel 2"),
        ({"outgoing_channels": (0, 3)}, "channel 3"),
        ({"ignored_nodes": (4,)}, "ignored node 4"),
        ({"ignored_pairs": ((0, 1), (1, -1))}, "ignored pair -1"),
        ({"time_preference": 1.5}, "time preference of 1.5"),
    ],
)
def test_a_query_outside_the_graph_is_refused(changed: dict[str, Any], problem: str) -> None:
    """Compiled code would read foreign memory; the question is refused before."""
    query = RouteQuery(**{"sender": 0, "receiver": 3, "amount_msat": 1_000, **changed})
    with pytest.raises(ValueError, match=problem):
        finder(line(4)).find(query)
