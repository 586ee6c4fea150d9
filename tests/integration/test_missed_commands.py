"""`lens monitor` and `lens analyze` against a simulated node behind our LND server, as against LND."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.support.forwarding import LARGE_MSAT, SMALL_MSAT, drained, pay_once_heard
from tests.support.lnd import BOB, CAROL, Served, serving_lab

pytestmark = pytest.mark.asyncio
ROOT = Path(__file__).resolve().parents[2]


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving_lab(tmp_path / "nodes", in_real_time=True, prepare=drained) as lab:
        yield lab


async def lens(lab: Served, tmp_path: Path, *arguments: str, stop_when: str = "") -> tuple[int, str]:
    """Run a command against Bob; with `stop_when` it is interrupted once it has printed that."""
    folder = lab.servers[BOB].folder
    command = [
        sys.executable, "-m", "lightninglens", *arguments, "--lnddir", str(folder), "--network", "regtest",
        "--grpc-host", f"127.0.0.1:{lab.servers[BOB].rpc_port}", "--data-dir", str(tmp_path / "data"),
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    shown = ""
    async with asyncio.timeout(90):
        if stop_when:
            while stop_when not in shown:
                line = (await process.stdout.readline()).decode()
                assert line, shown
                shown += line
            await pay_once_heard(lab, [SMALL_MSAT] * 20 + [LARGE_MSAT] * 8)
            process.send_signal(signal.SIGINT)
        shown += (await process.stdout.read()).decode()
        return await process.wait(), shown


@pytest.mark.promise("A2.10")
@pytest.mark.promise("A2.10a")
@pytest.mark.promise("A2.10b")
@pytest.mark.promise("A3.3")
@pytest.mark.promise("A3.5")
@pytest.mark.promise("A3.6")
async def test_what_monitor_saw_analyze_and_report_show(served: Served, tmp_path: Path) -> None:
    code, shown = await lens(served, tmp_path, "analyze")
    assert code == 0
    assert "what was missed in the past cannot be known" in shown
    assert "lens monitor" in shown

    output = tmp_path / "opportunities.json"
    code, shown = await lens(
        served, tmp_path, "monitor", "--duration", "1", "--output", str(output), "--min-failures", "1",
        "--min-missed-sats", "0", stop_when="recording",
    )  # fmt: skip
    assert code == 0, shown
    assert "refused here" in shown
    assert "MISSED ROUTING OPPORTUNITIES" in shown
    written = json.loads(output.read_bytes())
    (found,) = [each for each in written["opportunities"] if each["peer_pubkey"] == served.node(CAROL).node_id]
    assert found["total_failures"] >= 1
    assert found["main_cause"] in {"liquidity", "own max_htlc", "too large"}
    assert written["coverage"]["share"] > 0

    code, shown = await lens(
        served, tmp_path, "analyze", "--hours", "1", "--json", "--min-failures", "1", "--min-missed-sats", "0"
    )
    assert code == 0, shown
    again = json.loads(shown)
    (same,) = [each for each in again["opportunities"] if each["channel_id"] == found["channel_id"]]
    assert same["total_failures"] == found["total_failures"]

    report = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lightninglens", "report", str(output), stdout=asyncio.subprocess.PIPE
    )
    shown_report, _ = await report.communicate()
    assert report.returncode == 0
    assert found["channel_id"] in shown_report.decode()


@pytest.mark.promise("A2.9")
@pytest.mark.promise("A3.7")
@pytest.mark.promise("A3.8")
@pytest.mark.promise("A3.19")
async def test_the_example_watches_a_node(served: Served, tmp_path: Path) -> None:
    server = served.servers[BOB]
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "examples/htlc_monitoring.py"), "--lnd-dir", str(server.folder),
        "--network", "regtest", "--grpc-host", f"127.0.0.1:{server.rpc_port}", "--seconds", "10",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=tmp_path,
    )  # fmt: skip
    assert process.stdout is not None
    shown = ""
    async with asyncio.timeout(90):
        while "monitoring" not in shown:
            line = (await process.stdout.readline()).decode()
            assert line, shown
            shown += line
        await pay_once_heard(served, [SMALL_MSAT] * 5 + [LARGE_MSAT] * 4)
        shown += (await process.stdout.read()).decode()
        assert await process.wait() == 0, shown
    assert "link_fail" in shown
    assert "total_failures" in shown
    assert "failures," in shown
    assert json.loads((tmp_path / "opportunities.json").read_bytes())["opportunities"]


async def test_a_node_that_is_not_there_says_what_to_look_at(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lightninglens", "analyze", "--lnddir", str(tmp_path), "--grpc-host", "127.0.0.1:1",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    shown, _ = await process.communicate()
    assert process.returncode in {1, 2}
    assert b"Traceback" not in shown
    assert shown.startswith(b"error: ")
