import hashlib
import json
import subprocess
import sys

import coincurve
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.support.graphs import ROOT, differences, mainnet

from lightninglens.analytics.graph_stats import GraphStatistics, describe
from lightninglens.core.errors import ConfigError
from lightninglens.core.graph import NetworkGraph
from lightninglens.sim.topology import channels_for, mainnet_fit, synthetic_graph
from lightninglens.sim.topology.synthetic import MAINNET_CHANNELS, MAINNET_NODES

SEED = 11


@pytest.fixture(scope="module")
def full() -> GraphStatistics:
    return describe(synthetic_graph(MAINNET_NODES, MAINNET_CHANNELS, SEED))


@pytest.mark.parametrize(
    ("name", "mainnet_value", "tolerance"),
    [
        ("capacity_sat", 536_168_010_515, 0.05),
        ("capacity_usable_sat", 514_400_746_418, 0.05),
        ("connected_pairs", 47_868, 0.03),
        ("directions_usable", 65_809, 0.03),
        ("channels_usable_both_ways", 31_917, 0.03),
        ("channels_usable_one_way", 1_975, 0.15),
        ("nodes_with_usable_direction", 6_976, 0.03),
        ("largest_strong_component_nodes", 6_191, 0.08),
        ("single_peer_share", 0.567, 0.06),
        ("single_usable_peer_share", 0.472, 0.08),
    ],
)
def test_the_whole_is_like_mainnet(full: GraphStatistics, name: str, mainnet_value: float, tolerance: float) -> None:
    assert getattr(full, name) == pytest.approx(mainnet_value, rel=tolerance)


@pytest.mark.parametrize(
    ("name", "p10", "median", "p90", "p99"),
    [
        ("channels_per_node", 1, 1, 8, 73),
        ("channel_capacity_sat", 20_000, 1_283_096, 15_647_849, 200_000_000),
        ("fee_rate_ppm", 1, 100, 2_000, 10_000),
        ("base_fee_msat", 0, 33, 1_000, 10_000),
        ("time_lock_delta_blocks", 40, 80, 144, 200),
        ("min_htlc_msat", 1, 1_000, 1_000, 1_000_000),
        ("max_htlc_capacity_per_mille", 450, 990, 990, 1_000),
    ],
)
def test_distributions_are_mainnets(
    full: GraphStatistics, name: str, p10: int, median: int, p90: int, p99: int
) -> None:
    found = getattr(full, name)
    assert [found.p10, found.median, found.p90, found.p99] == pytest.approx([p10, median, p90, p99], rel=0.02)


def test_free_fees_are_as_frequent_as_on_mainnet(full: GraphStatistics) -> None:
    assert full.fee_rate_ppm.zero_share == pytest.approx(0.069, abs=0.01)
    assert full.base_fee_msat.zero_share == pytest.approx(0.453, abs=0.02)


def test_capacity_goes_with_the_smaller_degree_as_on_mainnet() -> None:
    graph = synthetic_graph(MAINNET_NODES, MAINNET_CHANNELS, SEED)
    degree = np.bincount(np.concatenate([graph.node1, graph.node2]))
    smaller = np.minimum(degree[graph.node1], degree[graph.node2])
    assert np.corrcoef(ranks(graph.capacity_sat), ranks(smaller))[0, 1] == pytest.approx(0.657, abs=0.1)


def ranks(column: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.argsort(np.argsort(column, kind="stable"), kind="stable").astype(np.float64)


@pytest.mark.parametrize("nodes", [300, 1_000, 5_000])
def test_a_smaller_network_keeps_mainnets_proportions_of_nodes(nodes: int) -> None:
    found = describe(synthetic_graph(nodes, channels_for(nodes), SEED))
    assert (found.nodes, found.channels) == (nodes, channels_for(nodes))
    assert found.nodes_with_usable_direction / nodes == pytest.approx(0.403, abs=0.03)
    assert found.largest_strong_component_nodes / nodes == pytest.approx(0.357, abs=0.04)
    assert found.fee_rate_ppm.median == pytest.approx(100, rel=0.1)


def sound(graph: NetworkGraph) -> None:
    ids = graph.node_ids
    assert all(ids[a] < ids[b] for a, b in zip(graph.node1, graph.node2, strict=True))
    assert len(np.unique(graph.channel_ids)) == graph.channel_count
    degree = np.bincount(np.concatenate([graph.node1, graph.node2]), minlength=graph.node_count)
    assert (degree >= 1).mean() > 0.9
    policies = graph.policies
    capacity_msat = np.repeat(graph.capacity_sat, 2) * 1000
    assert (policies.min_htlc_msat <= policies.max_htlc_msat).all()
    assert (policies.max_htlc_msat <= capacity_msat).all()
    assert (policies.max_htlc_msat[policies.known] > 0).all()
    assert not policies.max_htlc_msat[~policies.known].any()


@settings(deadline=None, max_examples=40)
@given(nodes=st.integers(2, 60), extra=st.integers(0, 120), seed=st.integers(0, 2**64 - 1))
def test_any_size_gives_a_sound_network(nodes: int, extra: int, seed: int) -> None:
    graph = synthetic_graph(nodes, (nodes + 1) // 2 + extra, seed)
    assert (graph.node_count, graph.channel_count) == (nodes, (nodes + 1) // 2 + extra)
    sound(graph)


def test_a_network_of_usual_size_is_sound_and_its_keys_exist() -> None:
    graph = synthetic_graph(1_000, channels_for(1_000), SEED)
    sound(graph)
    for node in graph.node_ids:
        coincurve.PublicKey(bytes.fromhex(node))


def test_it_is_a_function_of_its_arguments() -> None:
    one = synthetic_graph(300, 900, 5)
    assert differences(one, synthetic_graph(300, 900, 5)) == []
    assert "capacity_sat" in differences(one, synthetic_graph(300, 900, 6))


PROBE = """
import hashlib
import json
from lightninglens.sim.topology import synthetic_graph
graph = synthetic_graph(300, 900, 5)
digest = hashlib.sha256("".join(graph.node_ids).encode())
for column in (graph.node1, graph.node2, graph.capacity_sat, graph.policies.fee_rate_ppm, graph.policies.known):
    digest.update(column.tobytes())
print(digest.hexdigest())
"""


def test_it_is_the_same_in_another_process() -> None:
    graph = synthetic_graph(300, 900, 5)
    digest = hashlib.sha256("".join(graph.node_ids).encode())
    for column in (graph.node1, graph.node2, graph.capacity_sat, graph.policies.fee_rate_ppm, graph.policies.known):
        digest.update(column.tobytes())
    other = subprocess.run([sys.executable, "-c", PROBE], check=True, capture_output=True, text=True).stdout
    assert other.strip() == digest.hexdigest()


@pytest.mark.parametrize(
    ("nodes", "channels", "seed", "problem"),
    [
        (1, 1, 0, "2 to 200000 nodes"),
        (200_001, 600_000, 0, "2 to 200000 nodes"),
        (10, 4, 0, "10 nodes need 5 to 1000000 channels"),
        (10, 1_000_001, 0, "10 nodes need 5 to 1000000 channels"),
        (10, 20, -1, "a seed is"),
        (10, 20, 2**64, "a seed is"),
    ],
)
def test_impossible_sizes_are_refused(nodes: int, channels: int, seed: int, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        synthetic_graph(nodes, channels, seed)


def test_the_constants_are_what_the_script_measures() -> None:
    script = [sys.executable, str(ROOT / "benchmarks/fit_topology.py"), str(mainnet())]
    measured = json.loads(subprocess.run(script, check=True, capture_output=True, text=True).stdout)
    for name, value in measured.items():
        assert json.loads(json.dumps(getattr(mainnet_fit, name))) == value, name
