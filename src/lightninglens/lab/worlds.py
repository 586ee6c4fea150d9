"""Networks by name: the lab, a synthetic one, or a file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import ConfigError, DataError
from lightninglens.core.graph import NetworkGraph
from lightninglens.sim.scenario import GraphKind, GraphSource
from lightninglens.sim.topology.lab import lab_topology
from lightninglens.sim.topology.synthetic import channels_for, synthetic_graph
from lightninglens.storage.files.graphs import read_graph

DEFAULT_SYNTHETIC_NODES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A graph, where it came from, and who opened its channels where that is known."""

    graph: NetworkGraph
    source: GraphSource
    opener_side: NDArray[np.int8] | None = None


def open_world(name: str, *, seed: int) -> World:
    """Return the network that `name` means: `lab`, `lab-drawn`, `synthetic[:NODES]` or a graph file.

    Raises:
        ConfigError: no such name.
        DataError: the file is no graph.
    """
    match name.partition(":"):
        case ("lab" | "lab-drawn" as kind, "", ""):
            topology = lab_topology(seed, drawn=kind == "lab-drawn")
            opened_by_node2 = topology.graph.node2 == np.array(topology.openers)
            return World(
                graph=topology.graph,
                source=GraphSource(kind=GraphKind(kind)),
                opener_side=opened_by_node2.astype(np.int8),
            )
        case ("synthetic", _, nodes):
            return _synthetic(nodes, seed)
        case _:
            return _from_file(Path(name))


def reopen_world(source: GraphSource, *, seed: int, file: Path | None = None) -> World:
    """Return the network of a scenario again; a file must be the same bytes as then.

    Raises:
        ConfigError: the scenario names a file and none is given.
        DataError: the file is another one.
    """
    match source.kind:
        case GraphKind.LAB | GraphKind.LAB_DRAWN:
            return open_world(source.kind.value, seed=seed)
        case GraphKind.SYNTHETIC:
            return _synthetic(str(source.nodes), seed)
        case GraphKind.FILE:
            if file is None:
                raise ConfigError(f"this scenario runs on the graph {source.name!r}: name the file with --graph")
            world = _from_file(file)
            if world.source.sha256 != source.sha256:
                raise DataError("this is not the graph file that the scenario was made with", where=str(file))
            return world


def _synthetic(nodes: str, seed: int) -> World:
    if nodes and not (nodes.isascii() and nodes.isdigit() and len(nodes) <= 6):
        raise ConfigError(f"synthetic:{nodes} is no network: after the colon stands a number of nodes")
    count = int(nodes) if nodes else DEFAULT_SYNTHETIC_NODES
    return World(
        graph=synthetic_graph(count, channels_for(count), seed),
        source=GraphSource(kind=GraphKind.SYNTHETIC, nodes=count),
    )


def _from_file(path: Path) -> World:
    found = read_graph(path)
    return World(graph=found.graph, source=GraphSource(kind=GraphKind.FILE, name=path.name, sha256=found.sha256))
