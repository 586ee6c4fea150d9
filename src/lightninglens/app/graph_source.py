"""Graphs by name: a file of any accepted form, the lab, or a synthetic network."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lightninglens.core.errors import ConfigError
from lightninglens.core.graph import NetworkGraph
from lightninglens.storage.files.graphs import GraphOrigin, read_graph
from lightninglens.storage.files.graphs.compression import Compression

DEFAULT_SYNTHETIC_NODES = 1_000
GENERATORS = "lab, lab-drawn, synthetic, synthetic:NODES"

_SYNTHETIC = re.compile(r"synthetic(?::([0-9]{1,9}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedGraph:
    """A graph and what there is to say about where it came from.

    `format` is that of the file, or the generator's name; `dropped` and
    `adjusted` count by reason what the file has and the graph has not, or has
    otherwise.
    """

    graph: NetworkGraph
    format: str
    origin: GraphOrigin
    compression: str = Compression.NONE.value
    sha256: str = ""
    dropped: Mapping[str, int] = field(default_factory=dict)
    adjusted: Mapping[str, int] = field(default_factory=dict)


def load_graph(source: str, *, seed: int = 0, aliases: Path | None = None) -> LoadedGraph:
    """Return the graph that `source` names; `seed` is for those that are generated.

    The generators' names (`lab`, `lab-drawn`, `synthetic`, `synthetic:NODES`) go
    before files of the same name, which `./lab` reaches.

    Raises:
        ConfigError: there is no such file, or a generator refuses its size.
        DataError: the file is not a graph, or a damaged one.
    """
    generated = _generate(source, seed)
    if generated is not None:
        if aliases is not None:
            raise ConfigError("aliases are for a graph file; a generated network has its own")
        return generated
    for path in (Path(source), *([aliases] if aliases else [])):
        if not path.exists():
            raise ConfigError(f"{path}: no such file (besides files, there are {GENERATORS})")
    found = read_graph(Path(source), aliases=aliases)
    return LoadedGraph(
        graph=found.graph,
        format=found.format.value,
        origin=found.origin,
        compression=found.compression.value,
        sha256=found.sha256,
        dropped=found.dropped,
        adjusted=found.adjusted,
    )


def _generate(source: str, seed: int) -> LoadedGraph | None:
    match = _SYNTHETIC.fullmatch(source)
    if source not in {"lab", "lab-drawn"} and match is None:
        return None
    from lightninglens.sim.topology import channels_for, lab_topology, synthetic_graph  # noqa: PLC0415 - loads numba

    if match is None:
        graph = lab_topology(seed, drawn=source == "lab-drawn").graph
    else:
        nodes = int(match[1] or DEFAULT_SYNTHETIC_NODES)
        graph = synthetic_graph(nodes, channels_for(nodes), seed)
    snapshot_s = int(graph.policies.last_update_s.max(initial=0))
    return LoadedGraph(
        graph=graph, format=source, origin=GraphOrigin(format=f"{source} seed {seed}", snapshot_s=snapshot_s)
    )
