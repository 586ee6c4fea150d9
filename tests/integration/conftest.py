"""A running service on free ports, with a quiet lab unless a test asks for traffic."""

import asyncio
import contextlib
import dataclasses
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect

from lightninglens.app.feed import FeedOptions
from lightninglens.app.lab import LabOptions
from lightninglens.app.runtime import Service, ServiceOptions
from lightninglens.app.world import World, WorldOptions, build_lab
from lightninglens.sim.records import PaymentRequests

PATIENCE_S = 20.0


_GIVEN: set[int] = set()


def free_port() -> int:
    """Return a port that nobody listens on, and that no test of this process was given before."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            port = int(sock.getsockname()[1])
        if port not in _GIVEN:
            _GIVEN.add(port)
            return port


def quiet(world: World) -> World:
    """Return a world in which nobody wants to pay anything."""
    nobody: Any = np.zeros(0, np.int64)
    nothing = PaymentRequests(*([nobody] * len(PaymentRequests._fields)))
    fresh = type(world.engine)(
        world.graph,
        balance_msat=world.engine.balances_msat(),
        opener_side=world.opener_side,
        config=world.engine.config,
    )
    return dataclasses.replace(world, engine=fresh, draw=lambda _start_ns, _end_ns: nothing)


@dataclass
class Running:
    """A service under test and the ways to talk to it."""

    service: Service
    options: ServiceOptions

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.options.port}"

    @property
    def token(self) -> str:
        return self.service.token_path.read_text().strip()

    @property
    def authorised(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def http(self, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.base, timeout=PATIENCE_S, **options)

    @contextlib.asynccontextmanager
    async def feed(self, **options: Any) -> AsyncIterator[ClientConnection]:
        """Connect to the feed and take the first message."""
        assert self.options.feed is not None
        async with connect(f"ws://localhost:{self.options.feed.port}", **options) as client:
            assert (await receive(client))["type"] == "state_update"
            yield client


async def receive(client: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        message = json.loads(await client.recv())
    assert isinstance(message, dict)
    return message


async def receive_until(client: ClientConnection, kind: str) -> dict[str, Any]:
    while True:
        message = await receive(client)
        if message["type"] == kind:
            return message


Start = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Return what starts a service: options of the service, the feed (`feed_...`), the lab (`lab_...`), the world."""

    @contextlib.asynccontextmanager
    async def running(
        *,
        traffic: bool = False,
        feed: dict[str, Any] | None = None,
        lab: dict[str, Any] | None = None,
        world: dict[str, Any] | None = None,
        **options: Any,
    ) -> AsyncIterator[Running]:
        port = free_port()
        chosen = ServiceOptions(
            data_dir=tmp_path / "data",
            port=port,
            feed=FeedOptions(**{"port": free_port(), "service_port": port, **(feed or {})}),
            lab=LabOptions(**{"speed": 50.0, **(lab or {})}),
            **options,
        )

        def build() -> World:
            made = build_lab(WorldOptions(**(world or {})))
            return made if traffic else quiet(made)

        service = Service(chosen, build)
        listening = asyncio.Event()
        task = asyncio.create_task(service.run(on_listening=listening.set))
        try:
            async with asyncio.timeout(300):  # the kernels may have to be compiled
                await asyncio.wait(
                    {task, asyncio.create_task(service.state.wait_until_ready())},
                    return_when=asyncio.FIRST_COMPLETED,
                )
            yield Running(service, chosen)
        finally:
            service.stop()
            await task

    return running


@pytest_asyncio.fixture
async def service(start: Start) -> AsyncIterator[Running]:
    """A quiet service."""
    async with start() as running:
        yield running


@pytest.fixture
def receiving() -> Callable[[ClientConnection, str], Any]:
    """Return what waits for the feed's next message of a type."""
    return receive_until
