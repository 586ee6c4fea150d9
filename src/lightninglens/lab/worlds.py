"""Networks by name: the lab, a synthetic one, or a file of any accepted form."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import ConfigError, DataError
from lightninglens.core.graph import NetworkGraph
from lightninglens.sim.scenario import GraphKind, GraphSource
from lightninglens.sim.topology import channels_for, lab_topology, synthetic_graph
from lightninglens.storage.files.graphs import GraphOrigin, read_graph
from lightninglens.storage.files.graphs.compression import Compression

DEFAULT_SYNTHETIC_NODES = 1_000
GENERATORS = "lab, lab-drawn, synthetic, synthetic:NODES"

_LABS = {"lab", "lab-drawn"}
_SYNTHETIC = re.compile(r"synthetic(?::([0-9]{1,9}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A network and what there is to say about where it came from.

    `format` is that of the file, or the generator's name; `dropped` and
    `adjusted` count by reason what the file has and the graph has not, or has
    otherwise.
    """

    graph: NetworkGraph
    source: GraphSource
    format: str
    origin: GraphOrigin
    opener_side: NDArray[np.int8] | None = None
    """Per channel the side that opened it, where that is known."""
    compression: str = Compression.NONE.value
    sha256: str = ""
    dropped: Mapping[str, int] = field(default_factory=dict)
    adjusted: Mapping[str, int] = field(default_factory=dict)


def open_world(name: str, *, seed: int = 0, aliases: Path | None = None) -> World:
    """Return the network that `name` means; `seed` is for those that are generated.

    The generators' names (`lab`, `lab-drawn`, `synthetic`, `synthetic:NODES`) go
    before files of the same name, which `./lab` reaches. `aliases` is a file of
    node names.

    Raises:
        ConfigError: there is no such file, or a generator refuses its size.
        DataError: the file is not a graph, or a damaged one.
    """
    generated = _generate(name, seed)
    if generated is not None:
        if aliases is not None:
            raise ConfigError("aliases are for a graph file; a generated network has its own")
        return generated
    for path in (Path(name), *([aliases] if aliases else [])):
        if not path.exists():
            raise ConfigError(f"{path}: no such file (besides files, there are {GENERATORS})")
    found = read_graph(Path(name), aliases=aliases)
    return World(
        graph=found.graph,
        source=GraphSource(kind=GraphKind.FILE, name=Path(name).name, sha256=found.sha256),
        format=found.format.value,
        origin=found.origin,
        compression=found.compression.value,
        sha256=found.sha256,
        dropped=found.dropped,
        adjusted=found.adjusted,
    )


def reopen_world(source: GraphSource, *, seed: int, file: str | None = None) -> World:
    """Return the network of a scenario again; a file must be the same bytes as then.

    Raises:
        ConfigError: the scenario names a file and none is given, or the other way round.
        DataError: the file is another one.
    """
    if source.kind is not GraphKind.FILE:
        if file is not None:
            raise ConfigError(f"this scenario runs on the network {source.kind.value!r}, not on a file")
        return open_world(f"synthetic:{source.nodes}" if source.nodes else source.kind.value, seed=seed)
    if file is None:
        raise ConfigError(f"this scenario runs on the graph {source.name!r}: name the file with --graph")
    world = open_world(file, seed=seed)
    if world.source.sha256 != source.sha256:
        raise DataError("this is not the graph file that the scenario was made with", where=file)
    return world


def is_generated(name: str) -> bool:
    """Tell whether a network's name is a generator's, and not a file's."""
    return name in _LABS or _SYNTHETIC.fullmatch(name) is not None


def _generate(name: str, seed: int) -> World | None:
    if name in _LABS:
        lab = lab_topology(seed, drawn=name == "lab-drawn")
        opened_by_node2 = lab.graph.node2 == np.array(lab.openers)
        source = GraphSource(kind=GraphKind(name))
        return _generated(name, seed, lab.graph, source, opened_by_node2.astype(np.int8))
    match = _SYNTHETIC.fullmatch(name)
    if match is None:
        return None
    nodes = int(match[1] or DEFAULT_SYNTHETIC_NODES)
    graph = synthetic_graph(nodes, channels_for(nodes), seed)
    return _generated(name, seed, graph, GraphSource(kind=GraphKind.SYNTHETIC, nodes=nodes), None)


def _generated(
    name: str, seed: int, graph: NetworkGraph, source: GraphSource, opener_side: NDArray[np.int8] | None
) -> World:
    snapshot_s = int(graph.policies.last_update_s.max(initial=0))
    origin = GraphOrigin(format=f"{name} seed {seed}", snapshot_s=snapshot_s)
    return World(graph=graph, source=source, format=name, origin=origin, opener_side=opener_side)
