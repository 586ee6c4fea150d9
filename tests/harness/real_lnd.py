"""Real LND nodes on a chain of their own, all on loopback: for tests marked `real_lnd` where the programs are on PATH.

`lnd` and one of `btcd` and `bitcoind` are looked for on PATH; nothing is built,
downloaded or left behind. Three nodes in a triangle are enough for every check:
alice - bob - carol - alice, each channel opened by the first of the two.
"""

import asyncio
import base64
import contextlib
import functools
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpc import aio

from lightninglens.core.errors import NodeUnavailable
from lightninglens.core.ids import NodeId
from lightninglens.core.node import OpenRequest
from lightninglens.core.units import Sat, to_msat
from lightninglens.nodes.lnd.client import LndChannelManager, LndOptions, LndReader
from lightninglens.nodes.lnd.client.roles import Role
from lightninglens.nodes.lnd.client.session import Session, connected
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.contract.services import Lightning

NETWORK = "regtest"
USER, PASSWORD = "harness", "harness"  # of a chain that lives as long as the test
DUMMY_ADDRESS = "bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202"
"""A valid regtest address that nobody has the key of."""
START_S = 120.0
STOP_S = 20.0
MATURE_BLOCKS = 130
FUNDS_SAT = 50_000_000
CAPACITY_SAT = Sat(2_000_000)
NO_NODE = NodeId("")
NAMES = ("alice", "bob", "carol")


def missing_programs() -> str:
    """Return which programs are not on PATH, or an empty text."""
    if shutil.which("lnd") is None:
        return "no `lnd` on PATH"
    if shutil.which("btcd") is None and shutil.which("bitcoind") is None:
        return "neither `btcd` nor `bitcoind` on PATH"
    return ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Program:
    """A child process with its log."""

    arguments: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.arguments, stdout=log, stderr=subprocess.STDOUT, env=_environment())

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def require_running(self) -> None:
        if self.process is not None and self.process.poll() is not None:
            tail = self.log.read_text(errors="replace")[-1_500:]
            raise RuntimeError(f"{self.arguments[0]} ended with {self.process.returncode}:\n{tail}")


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


@dataclass(slots=True)
class Chain:
    """btcd or bitcoind on regtest, with no peer."""

    folder: Path
    kind: str = field(default_factory=lambda: "btcd" if shutil.which("btcd") else "bitcoind")
    rpc_port: int = field(default_factory=free_port)
    p2p_port: int = field(default_factory=free_port)
    mining_address: str = DUMMY_ADDRESS
    program: Program | None = None

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.program = Program(self._arguments(), self.folder / "chain.out")
        self.program.start()

    def _arguments(self) -> list[str]:
        if self.kind == "btcd":
            return [
                "btcd",
                "--regtest",
                f"--configfile={self.folder / 'none.conf'}",
                f"--datadir={self.folder / 'data'}",
                f"--logdir={self.folder / 'logs'}",
                f"--rpccert={self.folder / 'rpc.cert'}",
                f"--rpckey={self.folder / 'rpc.key'}",
                f"--rpclisten=127.0.0.1:{self.rpc_port}",
                f"--listen=127.0.0.1:{self.p2p_port}",
                f"--rpcuser={USER}",
                f"--rpcpass={PASSWORD}",
                f"--miningaddr={self.mining_address}",
                "--nodnsseed",
                "--noonion",
                "--txindex",
            ]
        return [
            "bitcoind",
            "-regtest",
            "-server",
            "-txindex",
            "-dnsseed=0",
            "-listen=0",
            "-fallbackfee=0.0002",
            f"-datadir={self.folder}",
            f"-rpcport={self.rpc_port}",
            "-rpcbind=127.0.0.1",
            "-rpcallowip=127.0.0.1",
            f"-rpcuser={USER}",
            f"-rpcpassword={PASSWORD}",
        ]

    def lnd_arguments(self) -> list[str]:
        """Return what tells an LND node of this chain."""
        shared = [f"--{self.kind}.rpcuser={USER}", f"--{self.kind}.rpcpass={PASSWORD}"]
        place = f"--{self.kind}.rpchost=127.0.0.1:{self.rpc_port}"
        if self.kind == "btcd":
            return ["--bitcoin.node=btcd", place, f"--btcd.rpccert={self.folder / 'rpc.cert'}", *shared]
        return ["--bitcoin.node=bitcoind", place, "--bitcoind.rpcpolling", *shared]

    def call(self, method: str, *parameters: object) -> Any:
        scheme = "https" if self.kind == "btcd" else "http"
        token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request = urllib.request.Request(  # noqa: S310 - our own address
            f"{scheme}://127.0.0.1:{self.rpc_port}/",
            data=json.dumps({"jsonrpc": "1.0", "id": 1, "method": method, "params": parameters}).encode(),
            headers={"Authorization": f"Basic {token}", "Content-Type": "application/json"},
        )
        context = ssl.create_default_context(cafile=str(self.folder / "rpc.cert")) if scheme == "https" else None
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(request, timeout=60) as answer:
            return json.load(answer)["result"]

    async def mine(self, blocks: int) -> None:
        method = ("generate", blocks) if self.kind == "btcd" else ("generatetoaddress", blocks, self.mining_address)
        await asyncio.to_thread(self.call, *method)

    async def wait(self) -> None:
        await until(self._answers, "the chain answers", self.program)

    async def _answers(self) -> bool:
        try:
            await asyncio.to_thread(self.call, "getblockcount")
        except OSError:
            return False
        return True


@dataclass(slots=True)
class LndNode:
    """One LND node: its directory, ports and process."""

    name: str
    folder: Path
    chain: Chain
    extra: tuple[str, ...] = ()
    p2p_port: int = field(default_factory=free_port)
    rpc_port: int = field(default_factory=free_port)
    rest_port: int = field(default_factory=free_port)
    node_id: NodeId = NO_NODE
    program: Program | None = None

    def start(self, *, unlocked: bool = True) -> None:
        """Start it; a wallet that was made once needs a password without `unlocked`."""
        arguments = [
            "lnd",
            f"--lnddir={self.folder}",
            f"--alias={self.name}",
            f"--listen=127.0.0.1:{self.p2p_port}",
            f"--rpclisten=127.0.0.1:{self.rpc_port}",
            f"--restlisten=127.0.0.1:{self.rest_port}",
            f"--bitcoin.{NETWORK}",
            *self.chain.lnd_arguments(),
            "--bitcoin.defaultchanconfs=1",
            *(["--noseedbackup"] if unlocked else []),
            "--nobootstrap",
            "--accept-keysend",
            "--trickledelay=50",
            "--gossip.sub-batch-delay=5ms",
            "--db.batch-commit-interval=10ms",
            "--keep-failed-payment-attempts",
            *self.extra,
        ]
        self.program = Program(arguments, self.folder.with_suffix(".out"))
        self.program.start()

    def stop(self) -> None:
        if self.program is not None:
            self.program.stop()

    def options(self, **changed: Any) -> LndOptions:
        given: dict[str, Any] = {
            "lnd_dir": self.folder,
            "network": NETWORK,
            "grpc_host": f"127.0.0.1:{self.rpc_port}",
            "rest_host": f"127.0.0.1:{self.rest_port}",
            "timeout_s": 30.0,
            "allow_broad_macaroon": True,
        }
        return LndOptions(**(given | changed))

    @property
    def admin(self) -> LndOptions:
        """With the administrator's macaroon, for what the harness itself does."""
        return self.options(macaroon=self.folder / f"data/chain/bitcoin/{NETWORK}/admin.macaroon")

    async def wait(self) -> None:
        async def ready() -> bool:
            try:
                async with LndReader.at(self.admin) as reader:
                    said = await reader.info()
            except Exception as problem:  # noqa: BLE001 - the files are not there yet, or it is starting
                del problem
                return False
            self.node_id = said.node_id
            return True

        await until(ready, f"{self.name} answers", self.program)

    async def synced(self) -> None:
        async def ready() -> bool:
            async with LndReader.at(self.admin) as reader:
                return (await reader.info()).synced_to_chain

        await until(ready, f"{self.name} is synced", self.program)

    async def connect_to(self, peer: "LndNode") -> None:
        async def tried() -> bool:
            try:
                async with LndChannelManager.at(self.admin) as manager:
                    await manager.connect(peer.node_id, f"127.0.0.1:{peer.p2p_port}")
            except NodeUnavailable:  # it answers a while before it deals with peers
                return False
            return True

        await until(tried, f"{self.name} is connected to {peer.name}", self.program)

    @contextlib.asynccontextmanager
    async def session(self, role: Role = Role.CHANNELS) -> AsyncIterator[Session]:
        async with connected(role, self.admin) as session:
            yield session


@dataclass(slots=True)
class RealNetwork:
    """The chain and the nodes on it."""

    chain: Chain
    nodes: dict[str, LndNode]
    points: dict[str, str] = field(default_factory=dict)
    """Funding outputs by the name of the channel, `alice-bob`."""

    def __getitem__(self, name: str) -> LndNode:
        return self.nodes[name]

    async def fund(self) -> None:
        """Give each node money on the chain."""
        async with LndChannelManager.at(self["alice"].admin) as wallet:
            self.chain.mining_address = await wallet.new_address()
        self.stop()
        await self.start()
        await self.chain.mine(MATURE_BLOCKS)
        await self.synced()
        for name in NAMES[1:]:
            async with LndChannelManager.at(self[name].admin) as wallet:
                address = await wallet.new_address()
            # A wallet that has just started judges by an old height what is mature, until it sees a new block.
            await until(functools.partial(self._send_coins, address), "alice's wallet pays")
        await self.chain.mine(6)
        await self.synced()

    async def _send_coins(self, address: str) -> bool:
        await self.chain.mine(1)
        """Send from alice's wallet, which no role of ours may do: by the bare channel of a session."""
        async with self["alice"].session() as session:
            transport: Any = session.transport
            gates = transport.channel._unary_unary_interceptors
            gates[0]._allowed = _Anything()
            request = lnrpc.SendCoinsRequest(addr=address, amount=FUNDS_SAT, sat_per_vbyte=2)
            try:
                await Lightning.SendCoins.on(transport.channel)(request, timeout=60)
            except aio.AioRpcError as problem:
                if "insufficient funds" not in (problem.details() or ""):
                    raise
                return False
            return True

    async def open_triangle(self) -> None:
        """Open the three channels, half of each on the other side, and wait until all know all."""
        for opener, peer in (("alice", "bob"), ("bob", "carol"), ("carol", "alice")):
            await self[opener].connect_to(self[peer])
            async with LndChannelManager.at(self[opener].admin) as manager:
                half = to_msat(CAPACITY_SAT // 2)
                request = OpenRequest(
                    peer_id=self[peer].node_id, local_sat=CAPACITY_SAT, push_msat=half, fee_rate_sat_per_vbyte=2
                )
                self.points[f"{opener}-{peer}"] = await manager.open(request)
            await self.chain.mine(6)
            await self.synced()
        for node in self.nodes.values():
            await self._knows_all(node)

    async def _knows_all(self, node: LndNode) -> None:
        async def ready() -> bool:
            async with LndReader.at(node.admin) as reader:
                graph = await reader.graph()
                active = [each for each in await reader.channels() if each.active]
                return graph.channel_count == 3 and bool(graph.policies.known.all()) and len(active) == 2

        await until(ready, f"{node.name} knows the triangle", node.program)

    async def synced(self) -> None:
        for node in self.nodes.values():
            await node.synced()

    async def start(self) -> None:
        self.chain.start()
        await self.chain.wait()
        for node in self.nodes.values():
            node.start()
        for node in self.nodes.values():
            await node.wait()

    def stop(self) -> None:
        for node in self.nodes.values():
            node.stop()
        if self.chain.program is not None:
            self.chain.program.stop()


class _Anything:
    def require(self, path: str) -> None:
        """Let the harness's own call pass."""


async def until(ready: Any, what: str, program: Program | None = None, limit_s: float = START_S) -> None:
    """Ask again and again until it is so."""
    try:
        async with asyncio.timeout(limit_s):
            while not await ready():
                if program is not None:
                    program.require_running()
                await asyncio.sleep(0.3)
    except TimeoutError:
        raise TimeoutError(f"waited {limit_s:.0f} s in vain: {what}") from None


@contextlib.contextmanager
def stopped_at_the_end(network: RealNetwork) -> Iterator[None]:
    try:
        yield
    finally:
        network.stop()


@contextlib.asynccontextmanager
async def real_network(folder: Path, **extra: tuple[str, ...]) -> AsyncIterator[RealNetwork]:
    """Start a chain and three nodes with open channels; `extra` are further arguments of a node, by its name."""
    chain = Chain(folder / "chain")
    nodes = {name: LndNode(name, folder / name, chain, extra.get(name, ())) for name in NAMES}
    network = RealNetwork(chain, nodes)
    with stopped_at_the_end(network):
        await network.start()
        await network.chain.mine(1)
        await network.fund()
        await network.open_triangle()
        yield network
