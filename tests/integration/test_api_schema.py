"""Whatever is sent to any operation of the API, the answer is one of its schema, and never a failure of ours."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from lightninglens.app.lab import LabOptions
from lightninglens.app.node.service import NodeService, NodeServiceOptions
from lightninglens.app.node.sources import ReplaySource
from lightninglens.app.runtime import Service, ServiceOptions
from lightninglens.app.world import WorldOptions, build_lab
from lightninglens.lab.missed.history import record_history
from lightninglens.storage.forwards import FORWARDS_FILE

LAST = ("/api/v1/settings",)
"""Operations after which the world may stand still."""
PATIENCE_S = 60.0


@pytest.fixture(params=["lab", "node"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A fast lab, or a recorded node, in a thread of its own: its address and its token."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    ready, services = threading.Event(), []

    async def run() -> None:
        service: Service | NodeService
        if request.param == "lab":
            options = ServiceOptions(data_dir=tmp_path, port=port, feed=None, lab=LabOptions(speed=5_000.0))
            service = Service(options, lambda: build_lab(WorldOptions()))
            begun = asyncio.create_task(service.state.wait_until_ready())
        else:
            history = recorded_lab(tmp_path / "history")
            service = NodeService(
                NodeServiceOptions(data_dir=tmp_path, port=port, speed=5_000.0), ReplaySource(history, speed=5_000.0)
            )
            begun = asyncio.create_task(service.state.wait_until_watched())  # type: ignore[arg-type]
        services.append((service, asyncio.get_running_loop()))
        task = asyncio.create_task(service.run())
        await asyncio.wait({task, begun}, return_when="FIRST_COMPLETED")
        ready.set()
        await task

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert ready.wait(300)
    service, loop = services[0]
    try:
        yield f"http://127.0.0.1:{port}", service.token_path.read_text().strip()
    finally:
        loop.call_soon_threadsafe(service.stop)
        thread.join()


def recorded_lab(folder: Path) -> Path:
    """Record two hours of a node of the lab, and return the file."""
    lab, path = build_lab(WorldOptions(demand="settlements")), folder / FORWARDS_FILE
    record_history(lab.engine, lab.draw, 0, path, hours=2, drawn_until_ns=lab.drawn_until_ns)
    return path


def operations(base: str) -> list[Any]:
    schema = schemathesis.openapi.from_dict(httpx.get(f"{base}/api/v1/openapi.json").json())
    found: list[Any] = [one.ok() for one in schema.get_all_operations()]  # type: ignore[union-attr]
    return sorted(found, key=lambda one: one.path in LAST)


@pytest.mark.slow
@pytest.mark.promise("A0.37a")
@pytest.mark.parametrize("examples", [10, pytest.param(500, marks=pytest.mark.nightly)])
def test_nothing_that_is_sent_makes_it_fail(running: tuple[str, str], examples: int) -> None:
    base, token = running
    found = operations(base)
    assert len(found) >= 24
    for operation in found:
        headers = {"Authorization": f"Bearer {token}"} if operation.method.upper() != "GET" else {}
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            if mode is GenerationMode.POSITIVE or operation.body or operation.query or operation.path_parameters:
                check(operation, mode, base, headers, examples)
        if headers:
            path = operation.path.replace("{", "").replace("}", "")
            assert httpx.request(operation.method, base + path, json={}).status_code == 401


def check(operation: Any, mode: GenerationMode, base: str, headers: dict[str, str], examples: int) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def answers_as_it_says(case: Any) -> None:
        response = case.call(base_url=base, headers=headers, timeout=PATIENCE_S)
        assert response.status_code < 500, (case.as_curl_command(), response.text)
        case.validate_response(response, checks=[response_schema_conformance, status_code_conformance])

    answers_as_it_says()
