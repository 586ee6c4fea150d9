"""How the running service behaves: time to the first page, and processor and memory at a given speed.

    python benchmarks/service.py --seconds 60 [--cold] [--speed 1]

Prints JSON. `--cold` gives the kernels an empty cache of their own, as on a first start.
"""

import argparse
import contextlib
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

PATIENCE_S = 300.0
_TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def measure(*, seconds: float, speed: float, cold: bool) -> dict[str, Any]:
    """Start the service, wait until it works, watch it for a while, end it."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        environment = dict(os.environ, **({"XDG_CACHE_HOME": str(folder / "cache")} if cold else {}))
        own = ["--data-dir", str(folder / "data"), "--port", str(port), "--feed-port", str(free_port())]
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "lightninglens", "up", *own, "--speed", str(speed)],
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(lambda: _answers(f"{address}/"))
            page_s = time.perf_counter() - started
            _wait(lambda: _health(address) == "ok")
            ready_s = time.perf_counter() - started
            time.sleep(2.0)
            cpu_before, wall_before = _cpu_s(process.pid), time.perf_counter()
            time.sleep(seconds)
            cpu_share = (_cpu_s(process.pid) - cpu_before) / (time.perf_counter() - wall_before)
            memory_mb = _peak_rss_mb(process.pid)
            stats = httpx.get(f"{address}/api/v1/stats", timeout=10).json()
            ending = time.perf_counter()
        finally:
            process.terminate()
            code = process.wait(30)
        return {
            "cold": cold,
            "speed": speed,
            "page_served_s": round(page_s, 2),
            "world_ready_s": round(ready_s, 2),
            "cpu_share_of_a_core": round(cpu_share, 4),
            "peak_rss_mb": round(memory_mb, 1),
            "ended_in_s": round(time.perf_counter() - ending, 2),
            "exit_code": code,
            "payments": stats["payments"],
        }


def _wait(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("the service did not start in time")
        time.sleep(0.05)


def _answers(address: str) -> bool:
    try:
        httpx.get(address, timeout=5)
    except httpx.HTTPError:
        return False
    return True


def _health(address: str) -> str:
    try:
        return str(httpx.get(f"{address}/api/v1/health", timeout=5).json()["status"])
    except httpx.HTTPError:
        return ""


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _peak_rss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def main() -> None:
    """Measure as the command line says, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--cold", action="store_true")
    arguments = parser.parse_args()
    report = measure(seconds=arguments.seconds, speed=arguments.speed, cold=arguments.cold)
    machine = {"machine": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
    print(json.dumps({**machine, **report}, indent=2))


if __name__ == "__main__":
    main()
