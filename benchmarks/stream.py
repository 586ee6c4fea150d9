"""How the live stream carries many pages: latency of those that read, fate of those that do not, memory.

    python benchmarks/stream.py --clients 1000 --stuck 0.1 --seconds 40 [--speed 20]

Three processes: this one only starts the others, the service, and the load. Latency is from the moment at which the
service has made an update until a page has read the first bytes of it; both are on the machine's monotonic clock.
Prints JSON.
"""

import argparse
import asyncio
import base64
import json
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from lightninglens.app import runtime
from lightninglens.app.api.stream import LiveStream
from lightninglens.app.lab import LabOptions
from lightninglens.app.logs import set_up_logging
from lightninglens.app.world import WorldOptions, build_lab

PATIENCE_S = 300.0
_SEQ = re.compile(rb'"type":"(hello|update)","(?:session":"[0-9a-f]+","seq|seq)":(\d+)')
_SMALL_BUFFER_BYTES = 4_096
_LONGEST_HEAD = 100
"""Of an update: no text frame is shorter."""
_TEXT, _PING, _PONG = 0x81, 0x89, 0x8A


class Page(asyncio.Protocol):
    """One page: reads the head of each frame and skips the rest; a stuck one reads nothing after the handshake."""

    def __init__(self, port: int, *, stuck: bool) -> None:
        self.port = port
        self.stuck = stuck
        self.read: list[tuple[int, int]] = []
        self.lost = False
        self._head = b""
        self._skip = 0
        self._open = False
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["GET /ws HTTP/1.1", f"Host: localhost:{self.port}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", ""]
        self.transport.write("\r\n".join(lines).encode())

    def data_received(self, data: bytes) -> None:
        """Note when the beginning of each update came."""
        now_ns = time.monotonic_ns()
        if not self._open:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            self._open = True
            data, self._head = self._head[end + 4 :], b""
            if self.stuck:
                self.transport.pause_reading()
                return
        while data:
            if self._skip:
                skipped = min(self._skip, len(data))
                self._skip -= skipped
                data = data[skipped:]
                continue
            self._head += data
            data = self._next_frame(now_ns)

    def _next_frame(self, now_ns: int) -> bytes:
        head = self._head
        if len(head) < _LONGEST_HEAD and (len(head) < 2 or head[0] == _TEXT or len(head) < 2 + (head[1] & 127)):
            return b""  # more of it must come first
        self._head = b""
        length, start = head[1] & 127, 2
        if head[0] != _TEXT:
            if head[0] == _PING:
                mask = b"\0\0\0\0"
                self.transport.write(bytes([_PONG, 0x80 | length]) + mask + head[start : start + length])
            return head[start + length :]
        if length == 126:
            length, start = int.from_bytes(head[2:4], "big"), 4
        elif length == 127:
            length, start = int.from_bytes(head[2:10], "big"), 10
        found = _SEQ.search(head[start:_LONGEST_HEAD])
        if found and found[1] == b"update":
            self.read.append((int(found[2]), now_ns))
        rest = head[start + length :]
        self._skip = max(0, length - (len(head) - start))
        return rest

    def connection_lost(self, _problem: Exception | None) -> None:
        """Note that it is over."""
        self.lost = True


async def load(port: int, clients: int, stuck_share: float, seconds: float) -> dict[str, Any]:
    """Connect all pages, let them read for a while, and return what they read and when."""
    loop = asyncio.get_running_loop()
    pages = []
    for number in range(clients):
        page = Page(port, stuck=number < clients * stuck_share)
        sock = socket.socket()
        if page.stuck:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER_BYTES)
        sock.setblocking(False)  # noqa: FBT003 - positional only
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.create_connection(lambda made=page: made, sock=sock)
        pages.append(page)
        if number % 20 == 0:
            await asyncio.sleep(0.02)
    began_ns = time.monotonic_ns()
    latencies_s = []
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        while time.monotonic_ns() < began_ns + seconds * 1e9:
            started_s = time.perf_counter()
            (await http.get("/api/v1/stats")).raise_for_status()
            latencies_s.append(time.perf_counter() - started_s)
            await asyncio.sleep(0.5)
        metrics = (await http.get("/metrics")).text
    return {
        "began_ns": began_ns,
        "read": [page.read for page in pages if not page.stuck],
        "fast_lost": sum(page.lost for page in pages if not page.stuck),
        "connected_at_the_end": int(float(metrics.split('lens_clients{endpoint="stream"} ')[1].split("\n")[0])),
        "rest_s": latencies_s,
    }


def serve(port: int, data_dir: str, speed: float) -> None:
    """Run the service and write down when each update was made."""
    set_up_logging(level="error")
    made: list[tuple[int, int]] = []
    streams: list[Any] = []

    class NotedStream(LiveStream):
        def _hold(self, parts: Any) -> None:
            streams[:] = [self]
            made.append((self._seq, time.monotonic_ns()))
            super()._hold(parts)

    runtime.LiveStream = NotedStream  # type: ignore[misc]
    options = runtime.ServiceOptions(data_dir=Path(data_dir), port=port, feed=None, lab=LabOptions(speed=speed))

    async def run() -> None:
        service = runtime.Service(options, lambda: build_lab(WorldOptions()))
        asyncio.get_running_loop().add_signal_handler(15, service.stop)
        await service.run()

    asyncio.run(run())
    print(json.dumps({"made": made, "dropped": streams[0].dropped}))


def measure(*, clients: int, stuck_share: float, seconds: float, speed: float) -> dict[str, Any]:
    """Run service and load in processes of their own, and put together what each has seen."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = int(sock.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        me = [sys.executable, str(Path(__file__).resolve())]
        command = [*me, "serve", "--port", str(port), "--speed", str(speed), "--data-dir", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
            try:
                _wait(port)
                before_mb = _rss_mb(service.pid)
                command = [*me, "load", "--port", str(port), "--clients", str(clients)]
                command += ["--stuck", str(stuck_share), "--seconds", str(seconds)]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                peak_mb = _rss_mb(service.pid, "VmHWM:")
            finally:
                service.terminate()
            told = json.loads(service.communicate()[0])
    return {
        "clients": clients,
        "never_read": int(clients * stuck_share),
        "dropped": told["dropped"],
        **_seen(json.loads(done.stdout), dict(told["made"])),
        "rss_before_mb": round(before_mb, 1),
        "peak_rss_growth_mb": round(peak_mb - before_mb, 1),
    }


def _seen(seen: dict[str, Any], made: dict[int, int]) -> dict[str, Any]:
    latencies_s = sorted(
        (at_ns - made[seq]) / 1e9 for read in seen["read"] for seq, at_ns in read if at_ns >= seen["began_ns"]
    )
    return {
        "readers_lost": seen["fast_lost"],
        "connected_at_the_end": seen["connected_at_the_end"],
        "updates_read": len(latencies_s),
        "p50_ms": _quantile_ms(latencies_s, 0.5),
        "p99_ms": _quantile_ms(latencies_s, 0.99),
        "rest_p99_ms": _quantile_ms(sorted(seen["rest_s"]), 0.99),
    }


def _quantile_ms(values_s: list[float], share: float) -> float | None:
    return round(1_000 * values_s[int(share * (len(values_s) - 1))], 1) if values_s else None


def _wait(port: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/api/v1/health", timeout=5).json()["status"] == "ok":
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise SystemExit("the service did not start in time")


def _rss_mb(pid: int, name: str = "VmRSS:") -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def main() -> None:
    """Measure as the command line says, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=("measure", "serve", "load"), default="measure")
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--stuck", type=float, default=0.1)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--speed", type=float, default=20.0)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--data-dir", default="")
    arguments = parser.parse_args()
    if arguments.part == "serve":
        serve(arguments.port, arguments.data_dir, arguments.speed)
    elif arguments.part == "load":
        print(json.dumps(asyncio.run(load(arguments.port, arguments.clients, arguments.stuck, arguments.seconds))))
    else:
        report = measure(
            clients=arguments.clients,
            stuck_share=arguments.stuck,
            seconds=arguments.seconds,
            speed=arguments.speed,
        )
        machine = {"machine": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
        print(json.dumps({**machine, **report}, indent=2))


if __name__ == "__main__":
    main()
