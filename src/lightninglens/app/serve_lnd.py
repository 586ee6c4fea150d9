"""`lens serve-lnd`: a simulated world with nothing round it but nodes that answer as LND."""

import asyncio
from collections.abc import Callable, Sequence

from lightninglens.app.bus import Bus
from lightninglens.app.kernels import compile_apart
from lightninglens.app.lab import Lab, LabOptions
from lightninglens.app.lnd_nodes import Listening, LndOptions, ServedWorld, lab_secrets, serving_nodes
from lightninglens.app.runtime import lab_around
from lightninglens.app.serving import in_daemon_thread
from lightninglens.app.world import WorldOptions, build_from_graph, build_lab
from lightninglens.core.clock import SystemClock
from lightninglens.core.errors import ConfigError
from lightninglens.core.graph import NetworkGraph, unique_names
from lightninglens.lab.worlds import open_world
from lightninglens.nodes.lnd.server.rekeying import rekeyed

LAB = "lab"

_SHOWN_NAMES = 12


def find_nodes(graph: NetworkGraph, wanted: Sequence[str]) -> list[int]:
    """Return the rows of nodes by name or public key; all of them where none is named in a small network.

    Raises:
        ConfigError: there is no such node, or several of the name.
    """
    names = unique_names(graph.node_ids, graph.aliases)
    if not wanted:
        if graph.node_count > _SHOWN_NAMES:
            raise ConfigError(f"name the nodes to serve with --node: the network has {graph.node_count:,}")
        return list(range(graph.node_count))
    rows = {str(node_id): row for row, node_id in enumerate(graph.node_ids)} | {
        name: row for row, name in enumerate(names)
    }
    found = []
    for name in wanted:
        if name not in rows:
            same = graph.aliases.count(name)
            problem = f"{same} nodes are called {name!r}: give a public key" if same else _no_such_node(name, names)
            raise ConfigError(problem)
        found.append(rows[name])
    return list(dict.fromkeys(found))


def _no_such_node(name: str, names: Sequence[str]) -> str:
    near = [other for other in names if name.lower() in other.lower()][:_SHOWN_NAMES]
    some = near or (names if len(names) <= _SHOWN_NAMES else [])
    return f"no node is called {name!r}" + (f"; there are {', '.join(some)}" if some else "")


def build_served(source: str, wanted: Sequence[str], options: WorldOptions) -> ServedWorld:
    """Return a world with nodes that can sign; `source` is `lab`, a generator's name or a graph file.

    Raises ConfigError or DataError when there is no such network or node.
    """
    if source == LAB:
        world = build_lab(options)
        rows = find_nodes(world.graph, wanted)
        return ServedWorld(world=world, secrets=lab_secrets(world, options.seed, rows), originals={})
    opened = open_world(source, seed=options.seed)
    rows = find_nodes(opened.graph, wanted)
    made = rekeyed(opened.graph, rows, seed=options.seed)
    world = build_from_graph(made.graph, opened.source.name or opened.format, options)
    return ServedWorld(world=world, secrets=made.secrets, originals=made.originals)


class LndService:
    """A simulated world with nothing round it but nodes that answer as LND."""

    def __init__(self, build: Callable[[], ServedWorld], options: LndOptions, lab: LabOptions) -> None:
        self._build = build
        self._options = options
        self._lab_options = lab
        self._lab: Lab | None = None
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Let `run` end cleanly, soon."""
        self._stopping.set()
        if self._lab is not None:
            self._lab.stop()

    async def run(self, on_listening: Callable[[list[Listening]], None]) -> None:
        """Run until `stop` is called or the duration is over; raises LensError."""
        stopping = asyncio.create_task(self._stopping.wait())
        building = asyncio.create_task(self._prepare())
        await asyncio.wait({stopping, building}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not building.done():
            building.cancel()
            return
        served = building.result()
        self._lab = lab_around(served.world, self._lab_options, Bus())
        async with serving_nodes(self._lab, served, self._options, SystemClock()) as listening:
            on_listening(listening)
            await self._lab.run()

    async def _prepare(self) -> ServedWorld:
        await compile_apart()
        return await in_daemon_thread(self._build)
