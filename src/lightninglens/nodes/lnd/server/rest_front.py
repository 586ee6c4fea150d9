"""The REST side of a served node: the same behaviours and macaroons over HTTP, as LND's grpc-gateway has them."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

import grpc
import structlog
import uvicorn

from lightninglens.core.errors import LensError, NodeUnavailable
from lightninglens.nodes.lnd.contract.methods import Method, Streaming
from lightninglens.nodes.lnd.contract.rest import ROUTES
from lightninglens.nodes.lnd.contract.services import METHODS
from lightninglens.nodes.lnd.server.calls import Behaviours, Call
from lightninglens.nodes.lnd.server.gate import Gate
from lightninglens.nodes.lnd.server.refusals import Refusal, unimplemented
from lightninglens.nodes.lnd.server.rest_json import fill_field, read_body, to_json, to_text
from lightninglens.nodes.lnd.tls import CERTIFICATE_FILE, KEY_FILE
from lightninglens.nodes.web_server import QuietServer

log = structlog.get_logger(__name__)

MAX_BODY_BYTES = 200 * 1024 * 1024
MACAROON_HEADER = b"grpc-metadata-macaroon"

_CODE = grpc.StatusCode
_STATUSES = {
    _CODE.CANCELLED: 499,
    _CODE.INVALID_ARGUMENT: 400,
    _CODE.DEADLINE_EXCEEDED: 504,
    _CODE.NOT_FOUND: 404,
    _CODE.ALREADY_EXISTS: 409,
    _CODE.PERMISSION_DENIED: 403,
    _CODE.RESOURCE_EXHAUSTED: 429,
    _CODE.FAILED_PRECONDITION: 400,
    _CODE.ABORTED: 409,
    _CODE.OUT_OF_RANGE: 400,
    _CODE.UNIMPLEMENTED: 501,
    _CODE.UNAVAILABLE: 503,
    _CODE.UNAUTHENTICATED: 401,
}
_SERVER_ERROR = 500
_FIELD = re.compile(r"\{([a-z_.]+)\}")
_PROTOCOL = re.compile(r"grpc-metadata-macaroon\+([0-9a-f]+)", re.IGNORECASE)

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class _Route(NamedTuple):
    verb: str
    pattern: re.Pattern[str]
    fields: tuple[str, ...]
    has_body: bool
    method: Method[Any, Any]


def _routes() -> tuple[_Route, ...]:
    """Return every route, those with fewer places for anything first."""
    found = []
    for path, routes in ROUTES.items():
        for route in routes:
            fields = tuple(_FIELD.findall(route.template))
            pattern = re.compile(_FIELD.sub("([^/]+)", route.template))
            found.append(_Route(route.verb, pattern, fields, route.has_body, METHODS[path]))
    return tuple(sorted(found, key=lambda route: len(route.fields)))


ALL_ROUTES = _routes()


class RestFront:
    """An HTTP server of one node."""

    def __init__(self, behaviours: Behaviours, gate: Gate) -> None:
        self._behaviours = behaviours
        self._gate = gate
        self._server: QuietServer | None = None
        self._task: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None

    async def start(self, folder: Path, host: str, port: int) -> int:
        """Listen with the certificate in `folder` and return the port; raises LensError when it is taken."""
        try:
            self._socket = socket.create_server((host, port), backlog=128)
        except OSError as problem:
            raise LensError(f"cannot listen on {host} port {port}: {problem.strerror}") from None
        self._socket.setblocking(False)  # noqa: FBT003 - positional only
        config = uvicorn.Config(
            self,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
            ws_max_size=MAX_BODY_BYTES,
            ssl_certfile=folder / CERTIFICATE_FILE,
            ssl_keyfile=folder / KEY_FILE,
        )
        self._server = QuietServer(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        await self._server.listening.wait()
        return int(self._socket.getsockname()[1])

    async def stop(self) -> None:
        """End all requests and stop listening."""
        if self._server is not None and self._task is not None and self._socket is not None:
            self._server.should_exit = True
            await self._task
            self._socket.close()
            self._server = self._task = self._socket = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection, as an ASGI application."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = _Reply(send)
        try:
            body = await _body(receive)
            route, request = self._request(scope, scope["method"], body)
            call = _call(route.method.path, scope)
            self._gate.admit(call)
            behaviour = self._behaviour(route.method)
            if route.method.streaming is Streaming.NEITHER:
                await reply.one(_json_of(route.method, await behaviour(request)))
                return
            await self._stream(behaviour(request), route.method, reply, receive)
        except Refusal as refusal:
            await reply.refuse(refusal)
        except NodeUnavailable:
            await reply.refuse(Refusal("server shutting down", _CODE.UNAVAILABLE))
        except Exception as problem:
            log.exception("a request could not be answered", path=scope["path"])
            await reply.refuse(Refusal(f"unexpected {type(problem).__name__}: this is a bug in LightningLens"))

    async def _stream(
        self, answers: AsyncIterator[Any], method: Method[Any, Any], reply: "_Reply", receive: Receive
    ) -> None:
        """Send each answer as a line, until there are no more or the client goes away."""

        async def send_all() -> None:
            async for answer in answers:
                await reply.line({"result": _json_of(method, answer)})
            await reply.end()

        sending = asyncio.create_task(send_all())
        leaving = asyncio.create_task(_until_gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            for task in (sending, leaving):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Refusal):
                await sending

    def _behaviour(self, method: Method[Any, Any]) -> Any:
        behaviour = self._behaviours.get(method.path)
        if behaviour is None:
            raise unimplemented(method.path, frozenset({method.service}))
        return behaviour

    def _request(self, scope: Scope, verb: str, body: bytes) -> tuple[_Route, Any]:
        """Return the route that a request takes, and the message that it means; raises Refusal."""
        path, other = scope["path"], False
        for route in ALL_ROUTES:
            match = route.pattern.fullmatch(path)
            if match is None:
                continue
            if route.verb != verb:
                other = True
                continue
            message = route.method.request()
            if route.has_body:
                read_body(body, message)
            else:
                _fill_from_query(message, scope["query_string"])
            for name, text in zip(route.fields, match.groups(), strict=True):
                fill_field(message, name, [unquote(text)])
            return route, message
        if other:
            raise Refusal("Method Not Allowed", _CODE.UNIMPLEMENTED)
        raise Refusal("Not Found", _CODE.NOT_FOUND)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a method over a WebSocket: the first message is the request, each answer one message."""
        await receive()
        protocols = scope.get("subprotocols") or []
        await send({"type": "websocket.accept", "subprotocol": protocols[0] if protocols else None})
        try:
            first = await receive()
            if first["type"] != "websocket.receive":
                return
            body = first.get("bytes") or (first.get("text") or "").encode()
            verb = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("method", "GET").upper()
            route, request = self._request(scope, verb, body)
            self._gate.admit(_call(route.method.path, scope, protocols))
            behaviour = self._behaviour(route.method)
            leaving = asyncio.create_task(_until_gone(receive))
            answers = (
                behaviour(request) if route.method.streaming is not Streaming.NEITHER else _once(behaviour(request))
            )
            sending = asyncio.create_task(_send_answers(answers, route.method, send))
            try:
                await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if sending.done():
                    sending.result()
            finally:
                leaving.cancel()
                sending.cancel()
        except Refusal as refusal:
            await send({"type": "websocket.send", "text": to_text({"error": _error(refusal)}).decode()})
        except NodeUnavailable:
            pass
        with contextlib.suppress(RuntimeError):
            await send({"type": "websocket.close", "code": 1000})


class _Reply:
    """What is sent back over HTTP: one document, or lines."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False

    async def _begin(self, status: int) -> None:
        if not self._begun:
            self._begun = True
            headers = [(b"content-type", b"application/json")]
            await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def one(self, value: Any) -> None:
        await self._begin(200)
        await self._send({"type": "http.response.body", "body": to_text(value)})

    async def line(self, value: Any) -> None:
        await self._begin(200)
        await self._send({"type": "http.response.body", "body": to_text(value) + b"\n", "more_body": True})

    async def end(self) -> None:
        await self._begin(200)
        await self._send({"type": "http.response.body", "body": b""})

    async def refuse(self, refusal: Refusal) -> None:
        """Send an error: as a document, or as the last line where lines have been sent."""
        if self._begun:
            await self.line({"error": _error(refusal)})
            await self.end()
            return
        await self._begin(_STATUSES.get(refusal.code, _SERVER_ERROR))
        await self._send({"type": "http.response.body", "body": to_text(_error(refusal))})


def _error(refusal: Refusal) -> dict[str, Any]:
    return {"code": refusal.code.value[0], "message": refusal.text, "details": []}


def _json_of(method: Method[Any, Any], answer: Any) -> Any:
    return to_json(method.response.FromString(answer) if isinstance(answer, bytes) else answer)


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        part = event.get("body", b"")
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise Refusal("http: request body too large", _CODE.RESOURCE_EXHAUSTED)
        parts.append(part)
        if not event.get("more_body"):
            return b"".join(parts)


async def _until_gone(receive: Receive) -> None:
    while True:
        event = await receive()
        if event["type"] in ("http.disconnect", "websocket.disconnect"):
            return


async def _once(answer: Awaitable[Any]) -> AsyncIterator[Any]:
    yield await answer


async def _send_answers(answers: AsyncIterator[Any], method: Method[Any, Any], send: Send) -> None:
    async for answer in answers:
        await send({"type": "websocket.send", "text": to_text({"result": _json_of(method, answer)}).decode()})


def _call(path: str, scope: Scope, protocols: list[str] | None = None) -> Call:
    macaroons = [value.decode("latin-1") for name, value in scope["headers"] if name == MACAROON_HEADER]
    for protocol in protocols or []:
        if not macaroons and (match := _PROTOCOL.fullmatch(protocol)):
            macaroons.append(match[1])
    client = scope.get("client")
    return Call(path=path, macaroons=tuple(macaroons), peer_host=client[0] if client else "")


def _fill_from_query(message: Any, query: bytes) -> None:
    given: dict[str, list[str]] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        given.setdefault(name, []).append(value)
    for name, values in given.items():
        fill_field(message, name, values)
