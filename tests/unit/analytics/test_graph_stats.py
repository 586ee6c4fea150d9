from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.graphs import FIXTURES, mainnet

from lightninglens.analytics.components import strong_components
from lightninglens.analytics.graph_stats import Distribution, describe
from lightninglens.sim.topology import lab_topology
from lightninglens.storage.files.graphs import read_graph

EDGES = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=24)


def reachable(edges: list[tuple[int, int]], nodes: int) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Return, for all pairs, whether one can be reached from the other (Warshall)."""
    matrix = np.eye(nodes, dtype=np.bool_)
    for source, target in edges:
        matrix[source, target] = True
    for middle in range(nodes):
        matrix |= np.outer(matrix[:, middle], matrix[middle])
    return matrix


@pytest.mark.kernel
@settings(deadline=None)
@given(edges=EDGES)
def test_components_are_the_sets_that_reach_one_another(edges: list[tuple[int, int]]) -> None:
    nodes = 8
    columns = np.array(edges, np.int32).reshape(-1, 2)
    component = strong_components(columns[:, 0], columns[:, 1], nodes)
    matrix = reachable(edges, nodes)
    assert ((component[:, None] == component[None, :]) == (matrix & matrix.T)).all()
    assert set(component.tolist()) == set(range(component.max() + 1))


def test_a_long_line_does_not_exhaust_the_stack() -> None:
    line = np.arange(200_000, dtype=np.int32)
    assert strong_components(line[:-1], line[1:], len(line)).max() == len(line) - 1
    assert strong_components(line, np.roll(line, -1), len(line)).max() == 0


def test_a_distribution_has_only_values_that_occur() -> None:
    found = Distribution.of(np.array([0, 10, 20, 1000], np.int64))
    assert (found.p10, found.median, found.p90, found.largest) == (0, 10, 20, 1000)
    assert (found.mean, found.zero_share) == (257.5, 0.25)
    assert Distribution.of(np.zeros(0, np.int64)).median == 0


def test_a_small_graph_is_counted_right() -> None:
    found = describe(read_graph(FIXTURES / "small.lnd.json").graph)
    assert (found.nodes, found.nodes_with_channels, found.nodes_with_usable_direction) == (4, 3, 2)
    assert (found.channels, found.connected_pairs, found.capacity_sat) == (2, 2, 1_250_000)
    assert (found.directions, found.directions_usable, found.directions_disabled, found.directions_unknown) == (
        4,
        1,
        1,
        2,
    )
    assert (found.channels_usable_both_ways, found.channels_usable_one_way) == (0, 1)
    assert (found.capacity_usable_sat, found.unusable_share) == (1_000_000, 0.75)
    assert (found.single_peer_nodes, found.single_usable_peer_nodes) == (2, 2)
    assert found.largest_strong_component_nodes == 1
    assert found.inbound_fee_share == 1.0
    assert found.newest_update_s == 1_700_000_900
    assert found.max_htlc_capacity_per_mille.median == 990


def test_the_lab_is_one_component() -> None:
    found = describe(lab_topology(7).graph)
    assert (found.largest_strong_component_nodes, found.single_peer_nodes) == (5, 0)


def test_an_empty_graph_has_statistics(tmp_path: Path) -> None:
    path = tmp_path / "g.json"
    path.write_text('{"nodes": [], "edges": []}')
    found = describe(read_graph(path).graph)
    assert (found.nodes, found.channels, found.largest_strong_component_nodes, found.unusable_share) == (0, 0, 0, 0.0)


def test_the_real_network_has_its_known_figures() -> None:
    found = describe(read_graph(mainnet()).graph)
    assert (found.nodes, found.channels) == (17_324, 50_808)
    assert round(found.capacity_sat / 1e8) == 5_362
    assert round(found.capacity_usable_sat / 1e8) == 5_144
    assert (found.directions_usable, round(found.unusable_share, 3)) == (65_809, 0.352)
    assert found.channels_usable_both_ways + found.channels_usable_one_way == 33_892
    assert (found.nodes_with_usable_direction, found.largest_strong_component_nodes) == (6_976, 6_191)
    assert (found.fee_rate_ppm.median, found.fee_rate_ppm.p90) == (100, 2_000)
    assert round(found.fee_rate_ppm.mean) == 915
    assert round(found.fee_rate_ppm.zero_share, 3) == 0.069
    assert (found.base_fee_msat.median, round(found.base_fee_msat.zero_share, 2)) == (33, 0.45)
    assert found.time_lock_delta_blocks.median == 80
