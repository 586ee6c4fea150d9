"""Serving nodes of a world that runs: their directories, ports and keys, and where they say they are."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lightninglens.app.lab import Lab
from lightninglens.app.world import World
from lightninglens.core.clock import Clock
from lightninglens.core.ids import NodeId, derive_secret
from lightninglens.nodes.lnd.server.network import ServedNetwork
from lightninglens.nodes.lnd.server.serving import LndServer, Ports
from lightninglens.nodes.lnd.server.versions import DEFAULT_VERSION, LndVersion
from lightninglens.storage.files.atomic import atomic_writer
from lightninglens.storage.private import private_directory

MAPPING_FILE = "nodes.json"
DEFAULT_RPC_PORT = 10_009
DEFAULT_REST_PORT = 8_080


@dataclass(frozen=True, slots=True, kw_only=True)
class LndOptions:
    """Where and as what the nodes answer."""

    folder: Path
    """LND's directory of the only node, or the parent of one for each."""
    rpc_port: int = DEFAULT_RPC_PORT
    """Of the first node; the others' follow. 0: any free ones."""
    rest_port: int | None = DEFAULT_REST_PORT
    version: str = DEFAULT_VERSION
    can_grow: bool = True
    """Whether channels may be opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedWorld:
    """A world, and the nodes of it that are to be served."""

    world: World
    secrets: Mapping[int, bytes] = field(repr=False)
    """By row."""
    originals: Mapping[int, NodeId]
    """What the nodes were called that have been given new keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """A node that is being served, as it is printed and saved."""

    name: str
    node_id: str
    original_node_id: str | None
    directory: str
    rpc: str
    rest: str | None
    network: str = "regtest"


def lab_secrets(world: World, seed: int, rows: Sequence[int]) -> dict[int, bytes]:
    """Return the keys of the lab's nodes, which are made from their names."""
    return {row: derive_secret(seed, world.names[row]) for row in rows}


@contextlib.asynccontextmanager
async def serving_nodes(
    lab: Lab, served: ServedWorld, options: LndOptions, clock: Clock
) -> AsyncIterator[list[Listening]]:
    """Serve nodes of a lab that does not run yet within the block; yields where they listen.

    Raises LensError when a port is taken or a directory cannot be written.
    """
    network = ServedNetwork(
        lab.simulated,
        served.world.engine,
        served.secrets,
        clock=clock,
        speed=lab.speed,
        version=LndVersion.of(options.version),
        can_grow=options.can_grow,
    )
    lab.on_pace(lambda now_ns, speed: network.times.set_pace(world_ns=now_ns, speed=speed))
    private_directory(options.folder)
    async with contextlib.AsyncExitStack() as stack:
        listening = []
        for place, (row, node) in enumerate(network.nodes.items()):
            name = served.world.names[row]
            folder = options.folder if len(network.nodes) == 1 else options.folder / name
            ports = Ports(
                rpc=options.rpc_port and options.rpc_port + place,
                rest=options.rest_port and options.rest_port + place,
            )
            server = LndServer(network, node, folder, ports, clock)
            await server.start()
            stack.push_async_callback(server.stop)
            original = served.originals.get(row)
            listening.append(
                Listening(
                    name=name,
                    node_id=node.node_id,
                    original_node_id=original,
                    directory=str(folder),
                    rpc=f"127.0.0.1:{server.rpc_port}",
                    rest=None if server.rest_port is None else f"127.0.0.1:{server.rest_port}",
                )
            )
        stack.callback(network.close)
        with atomic_writer(options.folder / MAPPING_FILE, mode=0o644) as file:
            file.write(json.dumps([as_json(one) for one in listening], indent=2).encode() + b"\n")
        yield listening


def as_json(listening: Listening) -> dict[str, str | None]:
    """Return a served node as it is saved and printed."""
    return {name: getattr(listening, name) for name in Listening.__slots__}
