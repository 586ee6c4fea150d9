"""Listening sockets, the web server on them, and work in a thread that nobody waits for."""

import asyncio
import contextlib
import errno
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http import HTTPStatus
from typing import Any, TypeVar, cast

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from lightninglens.app.api.stream import ABORT, MAX_CLIENTS
from lightninglens.core.errors import LensError
from lightninglens.nodes.web_server import QuietServer

SEND_BUFFER_BYTES = 64 * 1024

_ANY_FAMILY = socket.AF_UNSPEC

_Result = TypeVar("_Result")


@contextlib.contextmanager
def bound_socket(
    host: str, port: int, option: str, *, send_buffer_bytes: int | None = SEND_BUFFER_BYTES
) -> Iterator[socket.socket]:
    """Bind a listening socket; raises LensError with the port and the option that changes it when it is taken."""
    family = socket.getaddrinfo(host, port, _ANY_FAMILY, socket.SOCK_STREAM)[0][0]
    try:
        sock = socket.create_server((host, port), family=family, backlog=1_024)
    except OSError as problem:
        if problem.errno == errno.EADDRINUSE:
            raise LensError(
                f"port {port} on {host} is in use; end what uses it, or choose another with {option}"
            ) from None
        raise LensError(
            f"cannot listen on {host} port {port}: {problem.strerror}; choose another with {option}"
        ) from None
    with sock:
        if send_buffer_bytes is not None:
            # Connections inherit it. The system's own would take megabytes for each client that does not read.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
        sock.setblocking(False)  # noqa: FBT003 - positional only
        yield sock


def service_url(host: str, port: int) -> str:
    """Return where a service's dashboard is."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def first_cause(problems: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that made the others: the first that is not itself a group."""
    problem: BaseException = problems
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    return problem


class _WebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, which tells the application how to end a connection that takes nothing any more.

    Closing it waits for the peer to read what was sent, so a peer that never does would be kept for ever.
    """

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            extensions: dict[str, Any] = cast("dict[str, Any]", self.scope["extensions"])
            extensions[ABORT] = {"abort": self.transport.abort}


@contextlib.asynccontextmanager
async def serving(app: object, sockets: list[socket.socket]) -> AsyncIterator[asyncio.Task[None]]:
    """Serve an application within the block; gives the server's task, which ends early only when it fails."""
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]  # FastAPI is an ASGI application
        log_config=None,
        access_log=False,
        lifespan="off",
        ws=_WebSocket,
        ws_max_size=65_536,
        ws_max_queue=4,
        ws_per_message_deflate=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=32_768,
        timeout_graceful_shutdown=1,
        limit_concurrency=MAX_CLIENTS + 200,
    )
    server = QuietServer(config)
    task = asyncio.create_task(server.serve(sockets=sockets))
    listening = asyncio.create_task(server.listening.wait())
    try:
        await asyncio.wait({listening, task}, return_when=asyncio.FIRST_COMPLETED)
        yield task
    finally:
        listening.cancel()
        server.should_exit = True
        await task


async def in_daemon_thread(function: Callable[[], _Result]) -> _Result:
    """Return what a function returns that may take a minute and that nobody waits for when the process ends."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_Result] = loop.create_future()

    def settle(result: _Result | None, problem: BaseException | None) -> None:
        if future.done():
            return
        if problem is not None:
            future.set_exception(problem)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # there is a result where there is no problem

    def work() -> None:
        result: _Result | None = None
        problem: BaseException | None = None
        try:
            result = function()
        except BaseException as caught:  # noqa: BLE001 - handed over to who awaits
            problem = caught
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, result, problem)

    threading.Thread(target=work, name="build", daemon=True).start()
    return await future
