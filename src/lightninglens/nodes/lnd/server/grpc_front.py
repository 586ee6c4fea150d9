"""The gRPC side of a served node: each method's behaviour behind its macaroon, in Go's words where LND's are Go's."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError
from grpc import aio

from lightninglens.core.errors import LensError, NodeUnavailable
from lightninglens.nodes.lnd.contract.methods import Behaviour, Method, Streaming, serialise
from lightninglens.nodes.lnd.contract.services import METHODS, SERVICES
from lightninglens.nodes.lnd.server.calls import Behaviours, Call
from lightninglens.nodes.lnd.server.gate import Gate
from lightninglens.nodes.lnd.server.refusals import Refusal, unimplemented
from lightninglens.nodes.lnd.tls import CERTIFICATE_FILE, KEY_FILE

log = structlog.get_logger(__name__)

MAX_MESSAGE_BYTES = 200 * 1024 * 1024
"""LND's limit of a request (`lnrpc/metadata.go`)."""
STOP_S = 0.5

_PEER = re.compile(r"ipv[46]:(?P<host>.*):\d+")
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
)

KNOWN_SERVICES = frozenset(SERVICES)


class GrpcFront:
    """A gRPC server of one node."""

    def __init__(self, behaviours: Behaviours, gate: Gate) -> None:
        self._gate = gate
        self._server = aio.server(options=_OPTIONS)
        handlers: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {}
        for path, behaviour in behaviours.items():
            method = METHODS[path]
            handlers.setdefault(method.service, {})[method.name] = self._handler(method, behaviour)
        for service, methods in handlers.items():
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
        self._server.add_generic_rpc_handlers((_Unserved(),))

    async def start(self, folder: Path, address: str) -> int:
        """Listen with the certificate in `folder` and return the port.

        Raises LensError when the address is taken.
        """
        credentials = grpc.ssl_server_credentials(
            [((folder / KEY_FILE).read_bytes(), (folder / CERTIFICATE_FILE).read_bytes())]
        )
        try:
            port = self._server.add_secure_port(address, credentials)
        except RuntimeError:
            raise LensError(f"cannot listen on {address}: it is in use") from None
        await self._server.start()
        return port

    async def stop(self) -> None:
        """End all calls, soon."""
        await self._server.stop(STOP_S)

    def _handler(self, method: Method[Any, Any], behaviour: Behaviour) -> "grpc.RpcMethodHandler[Any, Any]":
        """Return grpc's handler, which takes requests as bytes: what cannot be read is refused in Go's words."""
        guarded = (
            self._unary(method, behaviour) if method.streaming is Streaming.NEITHER else self._stream(method, behaviour)
        )
        make: Callable[..., grpc.RpcMethodHandler[Any, Any]]
        make = getattr(grpc, f"{method.streaming.value}_rpc_method_handler")
        return make(guarded, response_serializer=serialise)

    def _unary(self, method: Method[Any, Any], behaviour: Behaviour) -> Behaviour:
        async def guarded(data: bytes, context: "aio.ServicerContext[Any, Any]") -> Any:
            try:
                self._admit(method.path, context)
                return await behaviour(_read(method, data))
            except Refusal as refusal:
                await context.abort(refusal.code, refusal.text)
            except Exception as problem:  # noqa: BLE001 - a caller is told, and not given a page of Python
                await context.abort(*_failure(method.path, problem))

        return guarded

    def _stream(self, method: Method[Any, Any], behaviour: Behaviour) -> Behaviour:
        async def guarded(data: bytes, context: "aio.ServicerContext[Any, Any]") -> AsyncIterator[Any]:
            try:
                self._admit(method.path, context)
                async for answer in behaviour(_read(method, data)):
                    yield answer
            except Refusal as refusal:
                await context.abort(refusal.code, refusal.text)
            except Exception as problem:  # noqa: BLE001 - as above
                await context.abort(*_failure(method.path, problem))

        return guarded

    def _admit(self, path: str, context: "aio.ServicerContext[Any, Any]") -> None:
        self._gate.admit(call_of(path, context))


class _Unserved(grpc.GenericRpcHandler):
    """Answers every method that nobody serves as Go's gRPC does; clients compare the text."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any]":
        path = handler_call_details.method

        async def refuse(_requests: Any, context: "aio.ServicerContext[Any, Any]") -> None:
            refusal = unimplemented(path, KNOWN_SERVICES)
            await context.abort(refusal.code, refusal.text)

        return grpc.stream_stream_rpc_method_handler(refuse)


def call_of(path: str, context: "aio.ServicerContext[Any, Any]") -> Call:
    """Return who calls."""
    metadata = context.invocation_metadata() or ()
    macaroons = tuple(str(value) for key, value in metadata if key == "macaroon")
    peer = _PEER.fullmatch(context.peer() or "")
    host = peer["host"].replace("%5B", "").replace("%5D", "").strip("[]") if peer else ""
    return Call(path=path, macaroons=macaroons, peer_host=host)


def _read(method: Method[Any, Any], data: bytes) -> Any:
    try:
        return method.request.FromString(data)
    except DecodeError:
        raise Refusal(
            "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data", grpc.StatusCode.INTERNAL
        ) from None


def _failure(path: str, problem: Exception) -> tuple[grpc.StatusCode, str]:
    if isinstance(problem, NodeUnavailable):
        return grpc.StatusCode.UNAVAILABLE, "server shutting down"
    if isinstance(problem, asyncio.CancelledError):
        return grpc.StatusCode.CANCELLED, "context canceled"
    log.error("a request could not be answered", path=path, problem=repr(problem), exc_info=problem)
    return grpc.StatusCode.UNKNOWN, f"unexpected {type(problem).__name__}: this is a bug in LightningLens"
