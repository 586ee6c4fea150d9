"""The dashboard of a real lab, started as a person starts it."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.dashboard_checks import DashboardChecks

pytestmark = pytest.mark.browser

START_LIMIT_S = 180
"""Kernels may have to be compiled first."""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture(scope="class")
def dashboard_url(built_dashboard: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A lab at forty times real time, so that payments come every second."""
    port, data = free_port(), tmp_path_factory.mktemp("lab")
    command = [sys.executable, "-m", "lightninglens", "up", "--speed", "40", "--port", str(port)]
    command += ["--feed-port", str(free_port()), "--data-dir", str(data), "--seed", "3"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as lab:
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_for_payments(url, lab)
            yield url
        finally:
            lab.terminate()
            _output, errors = lab.communicate(timeout=20)
    assert lab.returncode == 0, errors.decode()


def _wait_for_payments(url: str, lab: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until:
        assert lab.poll() is None, lab.communicate()[1].decode()
        try:
            with urllib.request.urlopen(f"{url}/api/v1/stats", timeout=2) as answer:
                if json.load(answer)["payments"] > 3:
                    return
        except OSError:
            pass  # not there yet, or still compiling
        time.sleep(0.5)
    pytest.fail(f"no payments within {START_LIMIT_S} s")


class TestLensUp(DashboardChecks):
    """All that holds for any service holds for the real one."""
