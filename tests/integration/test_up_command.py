"""`lens up` as a person runs it: a process that starts, says where it is, and ends cleanly."""

import asyncio
import dataclasses
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.node_contract import eventually

from lightninglens.core.channels import ChannelState
from lightninglens.core.units import Ppm
from lightninglens.nodes.lnd.client import LndFeeSetter, LndOptions, LndReader


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


class Lab:
    """A `lens up` under test, with its output."""

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        self.data_dir = data_dir
        self.port, self.feed_port = free_port(), free_port()
        own = ("--data-dir", str(data_dir), "--port", str(self.port), "--feed-port", str(self.feed_port))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lightninglens", "up", *own, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(line.rstrip() for line in self.process.stdout)

    def wait_for(self, what: str, patience_s: float = 300.0) -> None:
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if self.health().get("status") == what:
                return
            assert self.process.poll() is None, self.lines
            time.sleep(0.1)
        raise AssertionError(self.lines)

    def health(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/health", timeout=5) as response:
                found: dict[str, Any] = json.load(response)
        except OSError:
            return {}
        return found

    def end(self, number: int) -> float:
        began_s = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(20)
        self._reader.join()
        return time.monotonic() - began_s

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def labs() -> Iterator[list[Lab]]:
    started: list[Lab] = []
    yield started
    for lab in started:
        lab.close()


END_LIMIT_S = 20.0
"""Generous: how long it really takes is measured by benchmarks/service.py."""


@pytest.mark.promise("A0.11")
@pytest.mark.promise("A0.12a")
@pytest.mark.promise("A0.28")
@pytest.mark.promise("A1.10")
@pytest.mark.promise("A1.14b")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_and_ends_cleanly(tmp_path: Path, labs: list[Lab], number: int) -> None:
    lab = Lab(tmp_path / "data", "--speed", "200", "--baseline-every", "60")
    labs.append(lab)
    lab.wait_for("ok")
    announced = json.loads((lab.data_dir / "lens.pid").read_text())
    assert announced["pid"] == lab.process.pid
    assert announced["url"] == f"http://127.0.0.1:{lab.port}/"
    time.sleep(1.5)
    assert lab.end(number) < END_LIMIT_S
    assert lab.process.returncode == 0
    assert lab.lines[0].split() == ["dashboard", announced["url"]]
    assert lab.lines[1].split() == ["feed", f"ws://localhost:{lab.feed_port}"]
    assert lab.lines[2].split() == ["token", str(lab.data_dir / "token")]
    assert any("payments" in line for line in lab.lines)
    assert lab.lines[-1].startswith("ended: world 00:")
    assert not any("Traceback" in line for line in lab.lines), lab.lines
    assert not (lab.data_dir / "lens.pid").exists()
    recorded = sorted((lab.data_dir / "raw").glob("*"))
    assert all(json.loads(line) for file in recorded for line in file.read_text().splitlines())


@pytest.mark.promise("A1.13")
def test_the_baseline_can_be_ordered_and_the_lab_stopped_by_command(tmp_path: Path, labs: list[Lab]) -> None:
    lab = Lab(tmp_path / "data", "--speed", "20", "--headless")
    labs.append(lab)
    lab.wait_for("ok")
    command = [sys.executable, "-m", "lightninglens"]
    ordered = subprocess.run(
        [*command, "rebalance", "baseline", "--json", "--data-dir", str(lab.data_dir)],
        capture_output=True,
        text=True,
        check=True,
    )
    report = json.loads(ordered.stdout)
    assert any(change["executed"] for change in report["changes"])
    stopped = subprocess.run(
        [*command, "stop", "--data-dir", str(lab.data_dir)], capture_output=True, text=True, check=True
    )
    assert "stopped the service" in stopped.stdout
    again = subprocess.run(
        [*command, "rebalance", "baseline", "--data-dir", str(lab.data_dir)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 1
    assert "no lab runs on" in again.stderr


def test_a_taken_port_is_one_clear_line(tmp_path: Path, labs: list[Lab]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for option in ("--port", "--feed-port"):
            lab = Lab(tmp_path / "data", option, str(port))
            labs.append(lab)
            assert lab.process.wait(60) == 1
            lab.close()
            assert len(lab.lines) == 1, lab.lines
            assert f"port {port} on 127.0.0.1 is in use" in lab.lines[0]
            assert lab.lines[0].endswith(option)


def test_a_duration_ends_it_at_that_moment_of_the_world(tmp_path: Path, labs: list[Lab]) -> None:
    lab = Lab(tmp_path / "data", "--duration", "600", "--speed", "600", "--json", "--no-feed", "--no-record")
    labs.append(lab)
    assert lab.process.wait(300) == 0
    lab.close()
    messages = [json.loads(line) for line in lab.lines]
    assert messages[0]["type"] == "listening"
    assert messages[-1]["type"] == "ended"
    assert messages[-1]["data"]["world_ms"] % 86_400_000 == 600_000
    assert messages[-1]["data"]["payments"] > 10
    assert not (lab.data_dir / "raw").exists()
    assert (lab.data_dir / "token").stat().st_mode & 0o777 == 0o600


async def own_channel(reader: LndReader) -> ChannelState:
    return (await reader.channels())[0]


@pytest.mark.asyncio
async def test_its_nodes_answer_as_lnd_to_who_finds_their_directory(tmp_path: Path, labs: list[Lab]) -> None:
    lab = Lab(
        tmp_path / "data", "--serve-lnd", "--lnd-rpc-port", "0", "--lnd-rest-port", "0", "--headless", "--no-learn"
    )
    labs.append(lab)
    listed = lab.data_dir / "lnd/nodes.json"
    await asyncio.to_thread(lab.wait_for, "ok")
    await eventually(partial(asyncio.to_thread, listed.exists))
    nodes = {each["name"]: each for each in json.loads(listed.read_text())}
    assert sorted(nodes) == [f"lnd-{name}" for name in ("alice", "bob", "carol", "dave", "eve")]
    bob = nodes["lnd-bob"]
    folder = Path(bob["directory"])
    assert folder.is_relative_to(lab.data_dir)
    options = LndOptions(
        lnd_dir=folder,
        tls_cert=folder / "tls.cert",
        macaroon=folder / "data/chain/bitcoin/regtest/admin.macaroon",
        allow_broad_macaroon=True,
        grpc_host=bob["rpc"],
        rest_host=bob["rest"],
    )
    async with LndReader.at(options) as reader, LndFeeSetter.at(options) as fees:
        info = await reader.info()
        assert (info.node_id, info.alias, info.network) == (bob["node_id"], "lnd-bob", "regtest")
        assert len(await reader.channels()) == info.channel_count > 1
        channel = await own_channel(reader)
        before = await fees.policy(channel.channel_id)
        wanted = dataclasses.replace(before, fee_rate_ppm=Ppm(before.fee_rate_ppm + 123))
        assert await fees.set_policy(channel.channel_id, wanted) == wanted
        assert (await own_channel(reader)).local_policy == wanted
    assert lab.end(signal.SIGINT) < END_LIMIT_S
    assert lab.process.returncode == 0, lab.lines
    assert not any("Traceback" in line for line in lab.lines), lab.lines
