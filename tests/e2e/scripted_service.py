"""A service that speaks the dashboard's contract by script, for tests that need it to misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.staticfiles import StaticFiles

from tests.e2e.scripted_learner import ScriptedLearner
from tests.e2e.scripted_rest import TOKEN, rest_routes
from tests.e2e.scripted_world import Json, ScriptedWorld

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "img-src 'self' data:; connect-src 'self' ws:; style-src 'self' 'unsafe-inline'"
)
START_TIMEOUT_S = 15.0
CALL_TIMEOUT_S = 5.0


class ScriptedService:
    """Serves the built dashboard and a scripted world on a free loopback port.

    With `interval_s` it pays by itself at that pace; without, only `step` does.
    """

    def __init__(self, static: Path, *, interval_s: float | None = None, warm_up: int = 0) -> None:
        self.world = ScriptedWorld()
        self.learner = ScriptedLearner(self.world)
        self.token = TOKEN
        self.orders: list[str] = []
        for _ in range(warm_up):
            self._record(self.world.step()[1])
        self.session = "session-1"
        self.paths: list[str] = []
        self.accepting = True
        self._interval_s = interval_s
        self._seq = 0
        self._sent: list[Json] = []
        self._clients: set[WebSocket] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(self._app(static), log_level="error", ws="websockets-sansio")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def start(self) -> None:
        """Serve until `stop`; returns once the port answers."""
        self._thread.start()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._server.started:
            if time.monotonic() > deadline:
                raise TimeoutError("the scripted service did not start")
            time.sleep(0.02)

    def stop(self) -> None:
        """Close every connection and the port."""
        self.drop_connections()
        self._server.should_exit = True
        self._thread.join(timeout=START_TIMEOUT_S)
        self._socket.close()

    def step(self, count: int = 1) -> None:
        """Make `count` payments and tell the clients."""
        for _ in range(count):
            self._call(self._step())

    def pay(self, sender: str, receiver: str, amount_msat: int, description: str) -> None:
        """Make one given payment and tell the clients."""
        self._call(self._publish(*self.world.pay(sender, receiver, amount_msat, description)))

    def say(self, **news: Any) -> None:
        """Send the clients an update with this news."""
        self._call(self.tell(**news))

    def send_text(self, text: str) -> None:
        """Send the clients exactly this text."""
        self._call(self._send_all(text))

    def skip_numbers(self, count: int) -> None:
        """Leave a gap in the sequence that cannot be replayed."""
        self._seq += count

    def drop_connections(self) -> None:
        """Close every WebSocket."""
        self._call(self._drop())

    def forget(self) -> None:
        """Become a new session, as after a restart: nothing can be replayed."""
        self.session = f"session-{int(self.session.rpartition('-')[2]) + 1}"
        self._sent.clear()
        self._seq = 0

    def _record(self, payment: Json) -> None:
        self.world.payments.append(payment)

    def _call(self, action: Coroutine[Any, Any, None]) -> None:
        if self._loop is None:
            raise RuntimeError("the scripted service has not started")
        asyncio.run_coroutine_threadsafe(action, self._loop).result(timeout=CALL_TIMEOUT_S)

    async def _step(self) -> None:
        await self._publish(*self.world.step())

    async def _publish(self, channels: list[Json], payment: Json) -> None:
        self._record(payment)
        await self.tell(channels=channels, payments=[payment])

    async def tell(self, **news: Any) -> None:
        """Send the clients the next update."""
        self._seq += 1
        update = {
            "type": "update",
            "seq": self._seq,
            "channels": [],
            "payments": [],
            "stats": self.world.stats(),
            **news,
        }
        self._sent.append(update)
        await self._send_all(orjson.dumps(update).decode())

    async def _send_all(self, text: str) -> None:
        for client in list(self._clients):
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await client.send_text(text)

    async def _drop(self) -> None:
        for client in list(self._clients):
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await client.close(code=1012)

    async def _run(self) -> None:
        while self._interval_s is not None:
            await asyncio.sleep(self._interval_s)
            if not self.learner.settings["paused"]:
                await self._step()

    async def _greet(self, client: WebSocket, session: str | None, since: str | None) -> None:
        if session == self.session and since is not None:
            missed = [update for update in self._sent if update["seq"] > int(since)]
            for update in missed:
                await client.send_text(orjson.dumps(update).decode())
            return
        hello = {
            "type": "hello",
            "session": self.session,
            "seq": self._seq,
            "snapshot": {**self.world.snapshot(), **self.learner.snapshot()},
        }
        await client.send_text(orjson.dumps(hello).decode())

    async def _serve_socket(self, client: WebSocket) -> None:
        self.paths.append(f"{client.url.path}?{client.url.query}".rstrip("?"))
        if not self.accepting:
            await client.close()
            return
        await client.accept()
        query = client.query_params
        await self._greet(client, query.get("session"), query.get("since"))
        self._clients.add(client)
        try:
            while True:
                await client.receive_text()
        except WebSocketDisconnect:
            pass
        finally:
            self._clients.discard(client)

    def _app(self, static: Path) -> FastAPI:
        @contextlib.asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[None]:
            self._loop = asyncio.get_running_loop()
            runner = asyncio.create_task(self._run())
            yield
            runner.cancel()

        app = FastAPI(lifespan=lifespan)

        @app.middleware("http")
        async def add_policy(request: Request, call_next: Any) -> Response:
            response: Response = await call_next(request)
            response.headers["content-security-policy"] = CONTENT_SECURITY_POLICY
            return response

        @app.get("/api/v1/health")
        async def health() -> Json:
            return {"status": "ok", "version": "0.1.0", "mode": "simulated", "uptime_s": 1.0}

        app.include_router(rest_routes(self), prefix="/api/v1")
        app.add_api_websocket_route("/ws", self._serve_socket)
        app.mount("/", StaticFiles(directory=static, html=True))
        return app
