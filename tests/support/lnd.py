"""A simulated network whose nodes answer as LND, for tests: quiet, and as fast as the machine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from grpc import aio

from lightninglens.app.world import WorldOptions, build_lab
from lightninglens.core.clock import SystemClock
from lightninglens.core.ids import derive_secret
from lightninglens.core.units import NS_PER_SECOND
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.contract.methods import Method
from lightninglens.nodes.lnd.contract.services import Lightning
from lightninglens.nodes.lnd.server.network import ServedNetwork
from lightninglens.nodes.lnd.server.node import ServedNode
from lightninglens.nodes.lnd.server.serving import LndServer, Ports
from lightninglens.nodes.lnd.server.versions import LndVersion
from lightninglens.nodes.simulated import SimulatedWorld
from lightninglens.sim.engine import Engine

ALICE, BOB, CAROL, DAVE, EVE = "lnd-alice", "lnd-bob", "lnd-carol", "lnd-dave", "lnd-eve"
MACAROONS = Path("data/chain/bitcoin/regtest")
PATIENCE_S = 60.0


@dataclass
class Served:
    """A lab that is served; the world goes on as long as it is needed."""

    world: SimulatedWorld
    network: ServedNetwork
    servers: dict[str, LndServer]
    channels: dict[str, aio.Channel] = field(default_factory=dict)

    def node(self, name: str) -> ServedNode:
        return self.servers[name].node

    def macaroon(self, name: str, file: str = "admin.macaroon") -> str:
        return (self.servers[name].folder / MACAROONS / file).read_bytes().hex()

    def channel(self, name: str) -> aio.Channel:
        """Return a channel to a node, as its clients open one."""
        server = self.servers[name]
        if name not in self.channels:
            credentials = grpc.ssl_channel_credentials((server.folder / "tls.cert").read_bytes())
            options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
            self.channels[name] = aio.secure_channel(f"localhost:{server.rpc_port}", credentials, options=options)
        return self.channels[name]

    def on(self, name: str, method: Method[Any, Any], request: Any = None, macaroon: str | None = None) -> Any:
        """Begin a call of a method."""
        metadata = [("macaroon", self.macaroon(name) if macaroon is None else macaroon)]
        message = method.request() if request is None else request
        return method.on(self.channel(name))(message, metadata=metadata, timeout=PATIENCE_S)  # type: ignore[attr-defined]

    async def refused(self, call: Any) -> tuple[str, str]:
        """Return the code and the text with which a call is refused."""
        try:
            if hasattr(call, "__aiter__") and not isinstance(call, aio.UnaryUnaryCall):
                async for _ in call:
                    pass
            else:
                await call
        except aio.AioRpcError as problem:
            return problem.code().name, problem.details() or ""
        raise AssertionError("it was not refused")

    async def edge(self, name: str, peer: str) -> lnrpc.Channel:
        """Return a node's first channel with a peer."""
        channels = (await self.on(name, Lightning.ListChannels)).channels
        wanted = self.node(peer).node_id
        found: lnrpc.Channel = next(channel for channel in channels if channel.remote_pubkey == wanted)
        return found

    async def restart(self, name: str) -> None:
        """Stop a node's server and start another one in its place; the world goes on."""
        await self.servers[name].stop()
        await self.servers[name].start()


async def let_happen(world: SimulatedWorld, *, step_ns: int = NS_PER_SECOND) -> None:
    """Let world time pass as fast as it can, in small steps, until cancelled."""
    while True:
        now_ns = await world.use(lambda engine: engine.now_ns)
        await world.advance(now_ns + step_ns)
        await asyncio.sleep(0.001)


async def keep_pace(world: SimulatedWorld, network: ServedNetwork) -> None:
    """Let world time pass so that what the nodes show is the real time, until cancelled."""
    while True:
        await world.advance(network.times.in_world(network.clock.now_ns()))
        await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def serving_lab(
    folder: Path,
    *,
    version: str = "0.20",
    rest: bool = False,
    passing: bool = True,
    in_real_time: bool = False,
    opening: Any = "balanced",
    prepare: Callable[[Engine], None] = lambda _engine: None,
) -> AsyncIterator[Served]:
    """Serve the five nodes of the lab within the block; nobody but the test pays.

    World time passes as fast as it can, or not at all, or as the nodes' clients see it pass.
    """
    lab = build_lab(WorldOptions(opening=opening))
    engine = Engine(
        lab.graph, balance_msat=lab.engine.balances_msat(), opener_side=lab.opener_side, config=lab.engine.config
    )
    prepare(engine)
    world = SimulatedWorld(engine)
    secrets = {row: derive_secret(1, name) for row, name in enumerate(lab.names)}
    clock = SystemClock()
    network = ServedNetwork(world, engine, secrets, clock=clock, speed=100.0, version=LndVersion.of(version))
    servers = {}
    for row, node in network.nodes.items():
        ports = Ports(rpc=0, rest=0 if rest else None)
        server = LndServer(network, node, folder / lab.names[row], ports, clock)
        await server.start()
        servers[lab.names[row]] = server
    time_passes = keep_pace(world, network) if in_real_time else let_happen(world)
    passing_time = asyncio.create_task(time_passes) if passing else None
    served = Served(world, network, servers)
    try:
        yield served
    finally:
        if passing_time is not None:
            passing_time.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await passing_time
        network.close()
        for channel in served.channels.values():
            await channel.close()
        for server in servers.values():
            await server.stop()
        drift = await world.use(lambda engine: engine.conservation_drift_msat())
        world.close()
    assert drift == 0


def seconds(amount: float) -> int:
    """Return seconds in ns."""
    return int(amount * NS_PER_SECOND)
