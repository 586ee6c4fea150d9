"""gRPC to LND: TLS with the node's own certificate as only root, and an interceptor that lets the role's calls pass."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from grpc import aio

from lightninglens.nodes.lnd.client.faults import CallFailed
from lightninglens.nodes.lnd.client.place import Target
from lightninglens.nodes.lnd.client.roles import AllowList
from lightninglens.nodes.lnd.contract.methods import UnaryStream, UnaryUnary
from lightninglens.nodes.lnd.permissions import REQUIRED

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)

MIB = 1 << 20
MAX_GRAPH_BYTES = 200 * MIB
"""LND's own limit (`MaxGrpcMsgSize`)."""
MAX_ANSWER_BYTES = 16 * MIB
_LARGE = ("DescribeGraph", "ForwardingHistory", "GetTransactions", "ListPayments")

_SERVICE_CONFIG = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{"service": "lnrpc.Lightning", "method": name} for name in _LARGE],
                "maxResponseMessageBytes": MAX_GRAPH_BYTES,
            },
            {"name": [{}], "maxResponseMessageBytes": MAX_ANSWER_BYTES},
        ]
    }
)
_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.max_receive_message_length", MAX_GRAPH_BYTES),
    ("grpc.service_config", _SERVICE_CONFIG),
    ("grpc.enable_retries", 0),  # a payment is never sent twice by the transport
    ("grpc.keepalive_time_ms", 30_000),  # without it a half-open stream is silent for ever
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 0),  # LND hangs up on who pings it without a call: "too_many_pings"
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.enable_http_proxy", 0),
)


class _Gate:
    """Lets a role's calls pass, with the macaroon where the method needs one; refuses all others unsent."""

    def __init__(self, allowed: AllowList, macaroon_hex: str) -> None:
        self._allowed = allowed
        self._macaroon_hex = macaroon_hex

    async def _go_on(self, go_on: Callable[..., Any], details: Any, request: Any) -> Any:
        path = details.method.decode() if isinstance(details.method, bytes) else details.method
        self._allowed.require(path)
        metadata = aio.Metadata(*(details.metadata or ()))
        if REQUIRED.get(path):
            metadata.add("macaroon", self._macaroon_hex)
        return await go_on(details._replace(metadata=metadata), request)


class _UnaryUnaryGate(_Gate, aio.UnaryUnaryClientInterceptor):
    """See `_Gate`; grpc sorts interceptors by their class, one kind of call each."""

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await self._go_on(continuation, client_call_details, request)


class _UnaryStreamGate(_Gate, aio.UnaryStreamClientInterceptor):
    """See `_Gate`."""

    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await self._go_on(continuation, client_call_details, request)


class _StreamUnaryGate(_Gate, aio.StreamUnaryClientInterceptor):
    """See `_Gate`."""

    async def intercept_stream_unary(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return await self._go_on(continuation, client_call_details, request_iterator)


class _StreamStreamGate(_Gate, aio.StreamStreamClientInterceptor):
    """See `_Gate`."""

    async def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return await self._go_on(continuation, client_call_details, request_iterator)


_GATES = (_UnaryUnaryGate, _UnaryStreamGate, _StreamUnaryGate, _StreamStreamGate)


class GrpcTransport:
    """A channel to one node, for one role."""

    name = "grpc"

    def __init__(self, target: Target, certificate_pem: bytes, allowed: AllowList, macaroon_hex: str) -> None:
        self.target = target
        gates = [gate(allowed, macaroon_hex) for gate in _GATES]
        credentials = grpc.ssl_channel_credentials(root_certificates=certificate_pem)
        self.channel = aio.secure_channel(str(target), credentials, options=_OPTIONS, interceptors=gates)

    async def call(self, method: UnaryUnary[Request, Response], request: Request, timeout_s: float) -> Response:
        """Return the answer; raises CallFailed, and NodeUnauthorised for a call that the role does not make."""
        try:
            return await method.on(self.channel)(request, timeout=timeout_s)
        except aio.AioRpcError as failed:
            raise CallFailed(failed.code(), failed.details() or "") from None

    async def stream(self, method: UnaryStream[Request, Response], request: Request) -> AsyncIterator[Response]:
        """Yield answers until the node ends the stream in order; raises as `call` does."""
        call = method.on(self.channel)(request)
        try:
            async for message in call:
                yield message
        except aio.AioRpcError as failed:
            raise CallFailed(failed.code(), failed.details() or "") from None
        finally:
            call.cancel()

    async def close(self) -> None:
        """Close the channel; what is under way ends."""
        await self.channel.close()
