"""People write ids and names; the graph has rows."""

import dataclasses

import pytest
from tests.reference.networks import build_graph

from lightninglens.core.errors import ConfigError
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.lookup import Lookup


@pytest.fixture(name="graph")
def _graph() -> NetworkGraph:
    graph = build_graph(4, [(0, 1, 1_000), (1, 2, 2_000)])
    return dataclasses.replace(graph, aliases=("anna", "berta", "berta", ""))


def test_a_node_is_found_by_id_and_by_an_alias_that_only_it_has(graph: NetworkGraph) -> None:
    lookup = Lookup(graph)
    assert lookup.node("anna") == lookup.node(str(graph.node_ids[0])) == 0
    assert lookup.node(str(graph.node_ids[2])) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [("berta", "2 nodes are called 'berta'"), ("ana", "is 'anna' meant"), ("", "not a node"), ("z" * 99, r"zzz\.\.\.")],
)
def test_what_is_no_node_is_told(graph: NetworkGraph, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Lookup(graph).node(text)


def test_channels_and_their_sides(graph: NetworkGraph) -> None:
    lookup = Lookup(graph)
    second = str(graph.channel_id(1))
    assert lookup.channel(second) == 1
    assert lookup.side(1, int(graph.node2[1])) == 1
    with pytest.raises(ConfigError, match=f"{second} is a channel of berta and berta"):
        lookup.side(1, 0)
    with pytest.raises(ConfigError, match="is not a channel id"):
        lookup.channel("first")
    with pytest.raises(ConfigError, match="has no channel 1x2x3"):
        lookup.channel("1x2x3")


def test_capacities_of_nodes(graph: NetworkGraph) -> None:
    assert Lookup(graph).node_capacities_msat().tolist() == [1_000_000, 3_000_000, 2_000_000, 0]
