"""LND's REST proxy as a second way to a node, for reading and for setting fees."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from google.protobuf import json_format
from google.protobuf.message import Message
from grpc import StatusCode

from lightninglens.nodes.lnd.client.faults import CallFailed, status_of
from lightninglens.nodes.lnd.client.grpc_transport import MAX_GRAPH_BYTES
from lightninglens.nodes.lnd.client.http import HttpProblem, asked
from lightninglens.nodes.lnd.client.place import Target
from lightninglens.nodes.lnd.client.roles import AllowList
from lightninglens.nodes.lnd.contract.methods import Method, UnaryStream, UnaryUnary
from lightninglens.nodes.lnd.contract.rest import ROUTES
from lightninglens.nodes.lnd.permissions import REQUIRED

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)

MACAROON_HEADER = "Grpc-Metadata-macaroon"
MAX_JSON_BYTES = 4 * MAX_GRAPH_BYTES
"""JSON of a message is up to about four times its size."""


class RestTransport:
    """Requests to one node's REST proxy, for one role."""

    name = "rest"

    def __init__(self, target: Target, certificate_pem: bytes, allowed: AllowList, macaroon_hex: str) -> None:
        self.target = target
        self._allowed = allowed
        self._macaroon_hex = macaroon_hex
        self._context = ssl.create_default_context(cadata=certificate_pem.decode("ascii", "replace"))

    async def call(self, method: UnaryUnary[Request, Response], request: Request, timeout_s: float) -> Response:
        """Return the answer; raises CallFailed, and NodeUnauthorised for a call that the role does not make."""
        try:
            async with asyncio.timeout(timeout_s), self._asked(method, request) as response:
                data = await response.body(MAX_JSON_BYTES)
                if response.status != 200:
                    raise _failed(data, response.status)
                return _message(method, data)
        except TimeoutError:
            raise CallFailed(StatusCode.DEADLINE_EXCEEDED, "") from None
        except (OSError, HttpProblem) as problem:
            raise CallFailed(StatusCode.UNAVAILABLE, str(problem)) from None

    async def stream(self, method: UnaryStream[Request, Response], request: Request) -> AsyncIterator[Response]:
        """Yield answers until the node ends the stream in order; raises as `call` does."""
        try:
            async with self._asked(method, request) as response:
                if response.status != 200:
                    raise _failed(await response.body(1 << 20), response.status)
                async for line in response.lines():
                    yield _streamed(method, line)
        except (OSError, HttpProblem) as problem:
            raise CallFailed(StatusCode.UNAVAILABLE, str(problem)) from None

    async def close(self) -> None:
        """Do nothing: each request has a connection of its own."""

    def _asked(self, method: Method[Request, Response], request: Request) -> Any:
        self._allowed.require(method.path)
        verb, path, body = http_request(method, request)
        headers = {MACAROON_HEADER: self._macaroon_hex} if REQUIRED.get(method.path) else {}
        return asked(self.target, self._context, verb, path, headers, body)


def http_request(method: Method[Any, Any], request: Message) -> tuple[str, str, bytes]:
    """Return verb, path with query, and body of a call, as LND's proxy takes them."""
    route = ROUTES[method.path][0]
    fields = json_format.MessageToDict(request, preserving_proto_field_name=True)
    path = "/".join(_filled(part, request, fields) for part in route.template.split("/"))
    if route.has_body:
        return route.verb, path, json.dumps(fields).encode()
    query = urlencode(list(_flat(fields)))
    return route.verb, f"{path}?{query}" if query else path, b""


def _filled(part: str, request: Message, fields: dict[str, Any]) -> str:
    """Return a part of a path template with its field's value, which then is no longer among `fields`."""
    if not part.startswith("{"):
        return part
    *outer, name = part[1:-1].split(".")
    message: Any = request
    inside: Any = fields
    for step in outer:
        message, inside = getattr(message, step), inside.get(step, {})
    inside.pop(name, None)
    value = getattr(message, name)
    return quote(base64.urlsafe_b64encode(value).decode() if isinstance(value, bytes) else str(value), safe="=")


def _flat(fields: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            yield from ((prefix + name, str(each)) for each in value)
        else:
            yield prefix + name, str(value).lower() if isinstance(value, bool) else str(value)


def _message(method: Method[Any, Response], data: bytes | dict[str, Any]) -> Response:
    try:
        fields = json.loads(data) if isinstance(data, bytes) else data
        return json_format.ParseDict(fields, method.response(), ignore_unknown_fields=True)
    except (ValueError, json_format.ParseError):
        raise CallFailed(StatusCode.DATA_LOSS, "the answer is not what LND's proxy sends") from None


def _streamed(method: Method[Any, Response], line: bytes) -> Response:
    try:
        said = json.loads(line)
    except ValueError:
        said = None
    if isinstance(said, dict) and isinstance(result := said.get("result"), dict):
        return _message(method, result)
    raise _failed(line, 500)


def _failed(data: bytes, http_status: int) -> CallFailed:
    """Return the failure that the proxy tells of: `{"code", "message", "details"}`, in `error` within a stream."""
    try:
        said = json.loads(data)
        said = said.get("error", said)
        return CallFailed(status_of(int(said["code"])), str(said["message"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return CallFailed(StatusCode.UNAVAILABLE, f"HTTP status {http_status}")
