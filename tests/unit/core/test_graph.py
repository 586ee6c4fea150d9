import numpy as np
import pytest

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.graph import NetworkGraph, PolicyColumns, unique_names
from lightninglens.core.ids import ChannelId, NodeId, derive_node_id
from lightninglens.core.units import Blocks, Msat, Ppm

POLICY = ChannelPolicy(
    base_fee_msat=Msat(1),
    fee_rate_ppm=Ppm(2),
    time_lock_delta_blocks=Blocks(3),
    min_htlc_msat=Msat(4),
    max_htlc_msat=Msat(5),
    inbound_base_fee_msat=Msat(-6),
    inbound_fee_rate_ppm=Ppm(-7),
    disabled=True,
)


@pytest.fixture
def graph() -> NetworkGraph:
    nodes = sorted(derive_node_id(1, name) for name in "abc")
    return NetworkGraph(
        node_ids=nodes,
        aliases=["a", "b", "c"],
        channel_ids=np.array([ChannelId.of(1, 2, 3), 2**64 - 1], np.uint64),
        node1=np.array([0, 1], np.int32),
        node2=np.array([1, 2], np.int32),
        capacity_sat=np.array([10, 20], np.int64),
        policies=PolicyColumns.unknown(4),
    )


def test_a_policy_is_read_as_written(graph: NetworkGraph) -> None:
    assert graph.policies.get(3) is None
    graph.policies.put(3, POLICY, last_update_s=99)
    assert graph.policies.get(3) == POLICY
    assert graph.policies.last_update_s.tolist() == [0, 0, 0, 99]


def test_a_copy_of_policies_is_independent(graph: NetworkGraph) -> None:
    copy = graph.policies.copy()
    copy.put(0, POLICY)
    assert graph.policies.get(0) is None


def test_a_direction_is_usable_when_known_and_not_disabled(graph: NetworkGraph) -> None:
    graph.policies.put(0, POLICY)
    graph.policies.put(1, POLICY)
    graph.policies.disabled[1] = False
    assert graph.usable().tolist() == [False, True, False, False]


def test_directions_alternate_between_the_ends(graph: NetworkGraph) -> None:
    assert graph.sources().tolist() == [0, 1, 1, 2]
    assert graph.targets().tolist() == [1, 0, 2, 1]
    assert (graph.node_count, graph.channel_count) == (3, 2)


def test_ids_are_looked_up_at_the_edge(graph: NetworkGraph) -> None:
    assert [graph.node_index(node) for node in graph.node_ids] == [0, 1, 2]
    assert graph.channel_id(0) == ChannelId.of(1, 2, 3)
    assert graph.channel_id(1) == 2**64 - 1
    with pytest.raises(KeyError):
        graph.node_index(derive_node_id(1, "z"))


def test_a_node_is_called_by_an_alias_that_is_its_own() -> None:
    ids = [NodeId(f"02{row:064x}") for row in range(5)]
    names = unique_names(ids, ["alice", "twin", "twin", " ", "bell\x07"])
    assert names == ("alice", *ids[1:])
