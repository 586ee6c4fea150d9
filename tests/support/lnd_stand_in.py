"""A small LND in this process: TLS, macaroons and gRPC as LND has them, and answers that a test gives it."""

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from grpc import aio

from lightninglens.core.clock import SystemClock
from lightninglens.core.ids import NodeId, derive_node_id, derive_secret
from lightninglens.nodes.lnd.caveats import Circumstances
from lightninglens.nodes.lnd.client import LndOptions
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.contract.methods import Method, Streaming
from lightninglens.nodes.lnd.contract.services import METHODS, Lightning
from lightninglens.nodes.lnd.macaroon import Macaroon, MacaroonError, MacaroonRefused, authorise, mint
from lightninglens.nodes.lnd.permissions import ADMIN, READONLY, REQUIRED, Permission
from lightninglens.nodes.lnd.tls import Names, ensure_certificate

ROOT_KEY = bytes(range(32))
NETWORK = "regtest"
SECRET = derive_secret(1, "stand-in")
NODE_ID: NodeId = derive_node_id(1, "stand-in")
VERSION = "0.20.1-beta commit=v0.20.1-beta"


class Failing(Exception):
    """What an answer raises to end its call with a status."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


@dataclass
class StandIn:
    """The node: its directory, its answers by method path, and what it was asked."""

    folder: Path
    answers: dict[str, Any] = field(default_factory=dict)
    """A message, a list of messages for a stream, or a function of the request (async, or an async generator)."""
    asked: list[tuple[str, Any]] = field(default_factory=list)
    port: int = 0
    server: Any = None

    @property
    def chain_folder(self) -> Path:
        return self.folder / f"data/chain/bitcoin/{NETWORK}"

    def options(self, **changed: Any) -> LndOptions:
        given: dict[str, Any] = {
            "lnd_dir": self.folder,
            "network": NETWORK,
            "grpc_host": f"localhost:{self.port}",
            "timeout_s": 5.0,
        }
        return LndOptions(**(given | changed))

    def bake(self, name: str, permissions: Any, *, caveats: tuple[str, ...] = ()) -> Path:
        """Write a macaroon that this node accepts."""
        found = mint(ROOT_KEY, map(as_permission, permissions), nonce=bytes(16))
        for caveat in caveats:
            found = found.with_caveat(caveat)
        path = self.chain_folder / name
        path.write_bytes(found.to_bytes())
        return path

    def questions(self, method: Method[Any, Any]) -> list[Any]:
        return [request for path, request in self.asked if path == method.path]

    async def start(self) -> None:
        self.server = aio.server()
        self.server.add_generic_rpc_handlers((_Handlers(self),))
        key, certificate = (self.folder / name for name in ("tls.key", "tls.cert"))
        credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
        self.port = self.server.add_secure_port(f"127.0.0.1:{self.port}", credentials)
        await self.server.start()

    async def stop(self) -> None:
        await self.server.stop(None)


def as_permission(given: Any) -> Permission:
    return given if isinstance(given, Permission) else Permission.parse(given)


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, node: StandIn) -> None:
        self._node = node

    def service(self, handler_call_details: Any) -> Any:
        method = METHODS.get(handler_call_details.method)
        if method is None or method.path not in self._node.answers:
            return None
        metadata = dict(handler_call_details.invocation_metadata)
        if method.streaming is Streaming.SERVER:
            return method.handler(self._streamed(method, metadata))
        return method.handler(self._answered(method, metadata))

    def _answered(self, method: Method[Any, Any], metadata: dict[str, Any]) -> Callable[..., Any]:
        async def behave(request: Any, context: Any) -> Any:
            await self._require(method, metadata, context)
            self._node.asked.append((method.path, request))
            answer = self._node.answers[method.path]
            try:
                return await answer(request) if callable(answer) else answer
            except Failing as failing:
                await context.abort(failing.code, failing.text)

        return behave

    def _streamed(self, method: Method[Any, Any], metadata: dict[str, Any]) -> Callable[..., Any]:
        async def behave(request: Any, context: Any) -> AsyncIterator[Any]:
            await self._require(method, metadata, context)
            self._node.asked.append((method.path, request))
            answer = self._node.answers[method.path]
            try:
                if callable(answer):
                    async for message in answer(request):
                        yield message
                else:
                    for message in answer:
                        yield message
            except Failing as failing:
                await context.abort(failing.code, failing.text)

        return behave

    async def _require(self, method: Method[Any, Any], metadata: dict[str, Any], context: Any) -> None:
        if not REQUIRED[method.path]:
            assert "macaroon" not in metadata, "sent where none is needed"
            return
        try:
            macaroon = Macaroon.from_hex(metadata["macaroon"])
            authorise(
                macaroon,
                method.path,
                root_key_of=lambda number: ROOT_KEY if number == 0 else None,
                circumstances=Circumstances(now_ns=SystemClock().now_ns(), peer_host="127.0.0.1"),
            )
        except (KeyError, MacaroonError, MacaroonRefused) as problem:
            await context.abort(grpc.StatusCode.UNKNOWN, str(problem))


def get_info(**changed: Any) -> lnrpc.GetInfoResponse:
    given: dict[str, Any] = {
        "identity_pubkey": NODE_ID,
        "alias": "stand-in",
        "num_active_channels": 2,
        "block_height": 800_000,
        "block_hash": "00" * 32,
        "version": VERSION,
        "synced_to_chain": True,
        "synced_to_graph": True,
        "chains": [lnrpc.Chain(chain="bitcoin", network=NETWORK)],
    }
    return lnrpc.GetInfoResponse(**(given | changed))


@contextlib.asynccontextmanager
async def stand_in(folder: Path, **answers: Any) -> AsyncIterator[StandIn]:
    """Run a node with LND's files; `answers` are of the Lightning service, by method name."""
    node = StandIn(folder)
    node.chain_folder.mkdir(parents=True)
    ensure_certificate(folder, Names.of_this_host(), now_ns=SystemClock().now_ns())
    node.bake("admin.macaroon", ADMIN)
    node.bake("readonly.macaroon", READONLY)
    node.answers[Lightning.GetInfo.path] = get_info()
    node.answers.update({f"/lnrpc.Lightning/{name}": answer for name, answer in answers.items()})
    await node.start()
    try:
        yield node
    finally:
        await node.stop()


@contextlib.contextmanager
def beside(folder: Path, **answers: Any) -> Iterator[StandIn]:
    """Run a node in a thread of its own: for commands, which have an event loop of theirs."""
    ready, done, made = threading.Event(), asyncio.Event(), []

    async def run() -> None:
        async with stand_in(folder, **answers) as found:
            made.append((found, asyncio.get_running_loop()))
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    ready.wait(20)
    found, loop = made[0]
    try:
        yield found
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(20)


@contextlib.asynccontextmanager
async def rest_proxy(answers: dict[tuple[str, str], tuple[int, Any]], folder: Path) -> AsyncIterator[Any]:
    """Serve JSON by (verb, path with query) over the folder's certificate; gives the port and what was asked."""
    import ssl

    asked: list[tuple[str, str, dict[str, str], bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        verb, path, _ = (await reader.readline()).decode().split(" ", 2)
        headers = {}
        while line := (await reader.readline()).decode().strip():
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        asked.append((verb, path, headers, body))
        status, said = answers.get((verb, path), (404, {"code": 5, "message": "Not Found", "details": []}))
        if isinstance(said, list):
            lines = b"".join(json.dumps(each).encode() + b"\n" for each in said)
            chunks = b"".join(
                b"%x\r\n%s\r\n" % (len(lines[at : at + 7]), lines[at : at + 7]) for at in range(0, len(lines), 7)
            )
            writer.write(b"HTTP/1.1 %d x\r\nTransfer-Encoding: chunked\r\n\r\n" % status + chunks + b"0\r\n\r\n")
        else:
            data = json.dumps(said).encode()
            writer.write(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n" % (status, len(data)) + data)
        await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.cert", folder / "tls.key")
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1], asked
