"""A scenario finds its network again, or says why not."""

from pathlib import Path

import pytest

from lightninglens.core.errors import ConfigError, DataError
from lightninglens.lab.worlds import open_world, reopen_world
from lightninglens.storage.files.graphs import GraphFormat, write_graph


@pytest.mark.parametrize("name", ["lab", "lab-drawn", "synthetic:60"])
def test_a_generated_network_comes_back(name: str) -> None:
    first = open_world(name, seed=4)
    again = reopen_world(first.source, seed=4)
    assert again.graph.node_ids == first.graph.node_ids
    assert (again.graph.capacity_sat == first.graph.capacity_sat).all()
    assert (again.opener_side is None) == (first.opener_side is None)


def test_the_labs_openers_are_the_first_named_nodes() -> None:
    world = open_world("lab", seed=1)
    assert world.opener_side is not None
    ends = zip(world.graph.node1, world.graph.node2, world.opener_side, strict=True)
    openers = [world.graph.aliases[second if side else first] for first, second, side in ends]
    assert openers == ["lnd-alice", "lnd-bob", "lnd-carol", "lnd-dave", "lnd-eve", "lnd-alice", "lnd-bob"]


def test_a_file_must_be_the_same_bytes(tmp_path: Path) -> None:
    path, other = tmp_path / "graph.json", tmp_path / "other.json"
    write_graph(open_world("lab", seed=1).graph, path, GraphFormat.LND)
    write_graph(open_world("lab", seed=2).graph, other, GraphFormat.LND)
    source = open_world(str(path)).source
    assert reopen_world(source, seed=1, file=str(path)).graph.node_count == 5
    with pytest.raises(DataError, match="not the graph file"):
        reopen_world(source, seed=1, file=str(other))
    with pytest.raises(ConfigError, match="--graph"):
        reopen_world(source, seed=1)


def test_a_file_for_a_scenario_without_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="not on a file"):
        reopen_world(open_world("lab").source, seed=0, file="graph.json")
