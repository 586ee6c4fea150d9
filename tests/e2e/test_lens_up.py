"""The dashboard of a real lab, started as a person starts it."""

import contextlib
import functools
import http.server
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.dashboard_checks import DashboardChecks
from tests.e2e.dashboard_page import PATIENCE_MS, DashboardOpener

pytestmark = pytest.mark.browser

START_LIMIT_S = 180
"""Kernels may have to be compiled first."""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningService:
    """A lab and where it keeps its token."""

    url: str
    data_dir: Path

    @property
    def token(self) -> str:
        return (self.data_dir / "token").read_text().strip()


@contextlib.contextmanager
def lens_up(data_dir: Path, *options: str, port: int | None = None, **environment: str) -> Iterator[RunningService]:
    """Run `lens up` at forty times real time, so that payments come every second."""
    port = port or free_port()
    command = [sys.executable, "-m", "lightninglens", "up", "--speed", "40", "--port", str(port), *options]
    command += ["--feed-port", str(free_port()), "--data-dir", str(data_dir), "--seed", "3"]
    env = {**os.environ, **environment}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env) as lab:
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_for_payments(url, lab)
            yield RunningService(url=url, data_dir=data_dir)
        finally:
            lab.terminate()
            _output, errors = lab.communicate(timeout=20)
    assert lab.returncode == 0, errors.decode()


def _wait_for_payments(url: str, lab: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until:
        assert lab.poll() is None, lab.communicate()[1].decode()
        try:
            answer = httpx.get(f"{url}/api/v1/stats", timeout=2)
            if answer.is_success and answer.json()["payments"] > 3:
                return
        except httpx.TransportError:
            pass  # not there yet
        time.sleep(0.5)
    pytest.fail(f"no payments within {START_LIMIT_S} s")


@pytest.fixture(scope="class")
def lab(built_dashboard: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A lab that learns, as it is started without options."""
    with lens_up(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="class")
def dashboard_url(lab: RunningService) -> str:
    return lab.url


@pytest.fixture(scope="class")
def token(lab: RunningService) -> str:
    return lab.token


class TestLensUp(DashboardChecks):
    """All that holds for any service holds for the real one."""

    def test_an_order_moves_balances(self, open_page: DashboardOpener, dashboard_url: str, token: str) -> None:
        """Of several small circles at least one finds a way, and both channels say so."""
        dashboard = open_page(dashboard_url)
        dashboard.tolerate("Failed to load resource")
        dashboard.wait_live()
        dashboard.go("rebalance")
        rows = httpx.get(f"{dashboard_url}/api/v1/channels").json()
        names = {node["node_id"]: node["name"] for node in httpx.get(f"{dashboard_url}/api/v1/nodes").json()}
        sides = [(row, near, far) for row in rows for near, far in (("node1", "node2"), ("node2", "node1"))]
        sides.sort(key=lambda side: -int(side[0][f"{side[1]}_local_msat"]))
        form = dashboard.page.get_by_role("form", name="A rebalance of your own")
        asked = False
        for row, near, far in sides[:6]:
            form.get_by_label("Node", exact=True).select_option(names[row[f"{near}_id"]])
            form.get_by_label("out over its channel with").select_option(names[row[f"{far}_id"]])
            form.get_by_label("amount").fill("1200")
            form.get_by_role("button", name="plan…").click()
            form.get_by_role("button", name="do it").click()
            if not asked:
                dashboard.answer_token(token)
                asked = True
            said = form.get_by_text(re.compile("✓ moved|✕"))
            expect(said.first).to_be_visible(timeout=4 * PATIENCE_MS)
            if "✓ moved" in said.first.inner_text():
                break
        else:
            pytest.fail("none of six circles of 1,200 sat found a way")
        journal = dashboard.page.get_by_test_id("effects")
        expect(journal).to_contain_text("operator", timeout=2 * PATIENCE_MS)
        expect(journal).to_contain_text("✓ moved")


def test_the_page_survives_a_restart_of_the_service(
    open_page: DashboardOpener, built_dashboard: Path, tmp_path: Path
) -> None:
    port = free_port()
    with lens_up(tmp_path, "--no-learn", port=port) as lab:
        dashboard = open_page(lab.url)
        dashboard.tolerate("WebSocket connection to", "Failed to load resource")
        dashboard.wait_live()
    expect(dashboard.notice).to_contain_text("Connection lost", timeout=PATIENCE_MS)
    with lens_up(tmp_path, "--no-learn", port=port):
        expect(dashboard.notice).to_be_empty(timeout=3 * PATIENCE_MS)
        dashboard.wait_live()
        expect(dashboard.payment_buttons).not_to_have_count(0, timeout=PATIENCE_MS)
        dashboard.go("simulator")
        expect(dashboard.page.get_by_role("button", name=re.compile("^Replay "))).to_have_count(2)


def test_the_dashboard_of_another_web_server_is_live_and_may_act(
    open_page: DashboardOpener, built_dashboard: Path, tmp_path: Path
) -> None:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(built_dashboard.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        origin = f"http://localhost:{server.server_port}"
        try:
            with lens_up(tmp_path, "--no-learn", LENS_SERVICE_ALLOWED_ORIGINS=f'["{origin}"]') as lab:
                dashboard = open_page(f"{origin}/static/?service={lab.url}")
                dashboard.wait_live()
                expect(dashboard.payment_buttons).not_to_have_count(0)
                dashboard.page.get_by_test_id("pause").click()
                expect(dashboard.page.get_by_test_id("token-dialog")).to_contain_text(f"It goes to {lab.url} only")
                dashboard.answer_token(lab.token)
                expect(dashboard.page.get_by_test_id("pause")).to_have_text("resume")
        finally:
            server.shutdown()
