"""On the real network: hundreds of searches with history, equal to the twin's."""

import gzip
import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
from tests.property.test_pathfinding_twin import Twin, assert_same, expected_memory
from tests.reference.networks import plain_policy

from lightninglens.core.graph import NetworkGraph, PolicyColumns
from lightninglens.core.htlc import FailureCode
from lightninglens.core.ids import NodeId
from lightninglens.routing import PathFinder, Route, RouteQuery
from lightninglens.routing.memory import remembered_results
from lightninglens.routing.state import Estimator
from lightninglens.sim.balances import BalanceModel, draw_openers, initial_balances
from lightninglens.sim.engine import Engine
from lightninglens.sim.records import EngineConfig

SEARCHES = 200
DEFAULT_FILE = Path(__file__).parents[3] / "shared/data/graph/mainnet-2026-02-03.json.gz"


def read_graph(path: Path) -> NetworkGraph:
    """Read LND's `describegraph` the short way; this test is not about files."""
    described = json.loads(gzip.decompress(path.read_bytes()))
    rows = {node["pub_key"]: row for row, node in enumerate(described["nodes"])}
    edges = described["edges"]
    columns = PolicyColumns.unknown(2 * len(edges))
    for direction in range(2 * len(edges)):
        policy = edges[direction // 2][f"node{direction % 2 + 1}_policy"]
        if policy is not None:
            columns.put(
                direction,
                plain_policy(
                    base_msat=int(policy["fee_base_msat"]),
                    rate_ppm=int(policy["fee_rate_milli_msat"]),
                    delta_blocks=int(policy["time_lock_delta"]),
                    min_msat=int(policy["min_htlc"]),
                    max_msat=int(policy["max_htlc_msat"]),
                    inbound_base_msat=int(policy.get("inbound_fee_base_msat", 0)),
                    inbound_rate_ppm=int(policy.get("inbound_fee_rate_milli_msat", 0)),
                    disabled=bool(policy["disabled"]),
                ),
            )
    return NetworkGraph(
        node_ids=[NodeId(node) for node in rows],
        aliases=[node["alias"] for node in described["nodes"]],
        channel_ids=np.array([int(edge["channel_id"]) for edge in edges], np.uint64),
        node1=np.array([rows[edge["node1_pub"]] for edge in edges], np.int32),
        node2=np.array([rows[edge["node2_pub"]] for edge in edges], np.int32),
        capacity_sat=np.array([int(edge["capacity"]) for edge in edges], np.int64),
        policies=columns,
    )


@pytest.mark.slow
def test_searches_on_mainnet_equal_the_twin() -> None:
    """Payments of 1,000 to 10 million sat between busy nodes, which fail and are tried again."""
    path = Path(os.environ.get("LENS_MAINNET_GRAPH", DEFAULT_FILE))
    if not path.exists():
        pytest.skip(f"no mainnet graph at {path}; set LENS_MAINNET_GRAPH")
    graph, draw = read_graph(path), random.Random(1)
    openers = draw_openers(graph, seed=1)
    balances = initial_balances(graph, openers, model=BalanceModel.UNIFORM, seed=1, commit_feerate_sat_per_kw=2_500)
    engine = Engine(graph, balance_msat=balances, opener_side=openers, config=EngineConfig())
    spendable = engine.spendable_msat()
    finder = PathFinder(graph, spendable)
    twin = Twin(graph, spendable.tolist(), Estimator())
    capacity = np.bincount(graph.sources()[graph.usable()], minlength=graph.node_count)
    busy = np.flatnonzero(capacity >= 3).tolist()
    senders = draw.sample(busy, 12)
    searches, found_routes, now = 0, 0, 10**18
    while searches < SEARCHES:
        sender = draw.choice(senders)
        receiver = sender if draw.random() < 0.1 else draw.choice(busy)
        query = RouteQuery(sender=sender, receiver=receiver, amount_msat=int(10 ** draw.uniform(6, 10)))
        for _ in range(4):
            searches += 1
            now += draw.choice([10**9, 600 * 10**9])
            found = finder.find(query, now_ns=now)
            assert_same(found, twin.find(query, now))
            if not isinstance(found, Route):
                break
            found_routes += 1
            hops = len(found.hops)
            code, source = FailureCode.TEMPORARY_CHANNEL_FAILURE, draw.randrange(1, hops) if hops > 1 else 0
            if draw.random() < 0.2:
                code, source = FailureCode.NONE, 0
            finder.report(found, now_ns=now, code=code, reported_by=source)
            nodes = [sender, *(hop.to_node for hop in found.hops)]
            twin.memory(sender).report(nodes, [int(hop.amount_msat) for hop in found.hops], code, source, now)
        assert remembered_results(finder._memory) == expected_memory(twin)
    assert found_routes > SEARCHES // 3
