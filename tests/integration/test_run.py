"""`lens run` over a simulated node behind our LND server, as over LND, and over a recorded history."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.integration.conftest import free_port
from tests.support.forwarding import LARGE_MSAT, SMALL_MSAT, drained, pay_once_heard
from tests.support.lnd import ALICE, BOB, CAROL, Served, serving_lab
from websockets.asyncio.client import connect

from lightninglens.app.alerts.series import SeriesRule
from lightninglens.app.node.service import NodeService, NodeServiceOptions
from lightninglens.app.node.sources import LndSource, NodeSource, ReplaySource
from lightninglens.core.errors import DataError, LensError
from lightninglens.nodes.lnd.client import LndOptions
from lightninglens.storage.forwards import FORWARDS_FILE, ForwardStore

pytestmark = pytest.mark.asyncio
Running = tuple[NodeService, httpx.AsyncClient]
PATIENCE_S = 60.0
ALL = {"hours": 1, "min_failures": 1, "min_missed_sats": 0}


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving_lab(tmp_path / "nodes", in_real_time=True, prepare=drained) as lab:
        yield lab


def bob(served: Served) -> LndSource:
    server = served.servers[BOB]
    return LndSource(
        LndOptions(lnd_dir=server.folder, network="regtest", grpc_host=f"127.0.0.1:{server.rpc_port}", timeout_s=5.0)
    )


@contextlib.asynccontextmanager
async def running(
    source: NodeSource, data_dir: Path, **options: Any
) -> AsyncIterator[tuple[NodeService, httpx.AsyncClient]]:
    """Run the service within the block, and give a client of its API."""
    port = free_port()
    service = NodeService(NodeServiceOptions(data_dir=data_dir, port=port, dashboard=False, **options), source)
    task = asyncio.create_task(service.run())
    base = f"http://127.0.0.1:{port}/api/v1"
    async with httpx.AsyncClient(base_url=base, timeout=PATIENCE_S) as http:
        async with asyncio.timeout(PATIENCE_S):
            while not task.done():
                with contextlib.suppress(httpx.ConnectError):
                    await http.get("/health")
                    break
                await asyncio.sleep(0.05)
        try:
            yield service, http
        finally:
            service.stop()
            await task


async def until_ok(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await http.get("/health")).json()["status"] != "ok":  # noqa: ASYNC110 - it is asked for, not told
            await asyncio.sleep(0.1)


@pytest.mark.promise("A3.2")
@pytest.mark.promise("A2.1")
@pytest.mark.promise("A2.12")
async def test_a_node_is_recorded_analysed_and_shown(served: Served, tmp_path: Path) -> None:
    rule = SeriesRule(name="no inbound", series="local_share", below=0.0, level="error")
    always = SeriesRule(name="any space", series="disk_free", above=0.0)
    async with running(bob(served), tmp_path, rules=(rule, always)) as (service, http):
        await until_ok(http)
        await pay_once_heard(served, [SMALL_MSAT] * 6 + [LARGE_MSAT] * 4)

        health = (await http.get("/health")).json()
        assert (health["mode"], health["status"]) == ("live", "ok")
        assert [each["source"] for each in health["alerts"]] == ["any space"]
        network = (await http.get("/network")).json()
        assert (network["name"], network["mode"]) == (BOB, "live")
        assert {each["name"] for each in network["nodes"]} == {BOB, ALICE, CAROL, "lnd-eve"}
        assert len(network["channels"]) == 3

        missed = (await http.get("/missed", params=ALL)).json()
        (found,) = [each for each in missed["opportunities"] if each["peer_pubkey"] == served.node(CAROL).node_id]
        refused = (await http.get(f"/missed/{found['channel_id']}", params={"hours": 1})).json()
        assert len(refused) == found["total_failures"] >= 1
        assert {each["incoming_peer"] for each in refused} == {ALICE}
        table = (await http.get("/missed.csv", params=ALL)).text.splitlines()
        assert table[0].startswith("channel_id,peer_alias")
        assert len(table) == 1 + len(missed["opportunities"])

        status = (await http.get("/recording")).json()
        assert (status["settled"], status["refused"]) == (6, len(refused))
        assert status["problem"] == ""
        assert status["coverage"] > 0
        forwards = (await http.get("/payments", params={"kind": "forward", "limit": 100})).json()["payments"]
        assert {each["outcome"] for each in forwards} == {"SUCCEEDED", "REFUSED_HERE"}
        assert forwards[0]["description"].startswith("refused here: ")
        stats = (await http.get("/stats")).json()
        assert stats["succeeded"] == 6
        assert stats["fees_msat"] == sum(each["fee_msat"] for each in forwards if each["succeeded"])
        metrics = (await http.get(f"{service.options.url}metrics")).text
        assert 'lens_node_attempts_total{result="settled"} 6.0' in metrics
        assert "lens_node_disk_free_megabytes" in metrics
        await what_is_not_there_is_said(http)
        await the_stream_tells_it(service)
        folder = service.folder
    assert folder is not None
    with ForwardStore(folder / FORWARDS_FILE) as store:
        assert len(store.newest(100)) == 6 + len(refused)
    await again_from_what_was_recorded(served, tmp_path, found)


async def what_is_not_there_is_said(http: httpx.AsyncClient) -> None:
    """Ask for what a watched node has not, or wrongly."""
    wrong: tuple[tuple[str, dict[str, str], int], ...] = (
        ("/channels/1x1x1", {}, 404),
        ("/missed/abc", {}, 422),
        ("/missed", {"hours": "0"}, 422),
        ("/alert-rules/try", {"series": "weather", "above": "1"}, 422),
    )
    for path, params, code in wrong:
        answer = await http.get(path, params=params)
        assert answer.status_code == code, path
        assert answer.json()["error"]["what_to_do"]
    tried = (await http.get("/alert-rules/try", params={"series": "disk_free", "above": 0, "days": 1})).json()
    assert tried["verdict"] == "would have fired once"
    rules = (await http.get("/alert-rules")).json()
    assert [each["name"] for each in rules["rules"]] == ["no inbound", "any space"]
    assert {each["name"] for each in rules["series"]} >= {"missed_revenue", "stuck_htlc"}
    assert [each["fired"] for each in (await http.get("/alert-rules/tried")).json()] == [0, 1]


async def the_stream_tells_it(service: NodeService) -> None:
    async with connect(f"ws://127.0.0.1:{service.options.port}/ws") as client:
        hello = json.loads(await client.recv())
    assert hello["snapshot"]["network"]["mode"] == "live"
    assert {each["kind"] for each in hello["snapshot"]["payments"]} == {"forward"}


async def again_from_what_was_recorded(served: Served, tmp_path: Path, found: dict[str, Any]) -> None:
    """Start again: what was recorded is there, and nothing counts twice."""
    async with running(bob(served), tmp_path) as (service, http):
        await until_ok(http)
        missed = (await http.get("/missed", params=ALL)).json()
        (same,) = [each for each in missed["opportunities"] if each["channel_id"] == found["channel_id"]]
        assert same["total_failures"] == found["total_failures"]
        assert (await http.get("/payments")).json()["total"] == 6 + found["total_failures"]
        token = service.token_path.read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        answer = await http.patch("/settings", json={"speed": 2.0}, headers=headers)
        assert answer.status_code == 409
        order = {"from_node": BOB, "to_node": ALICE, "amount_sat": 1_000}
        answer = await http.post("/rebalances", json=order, headers=headers)
        assert answer.status_code == 409
        assert "nothing is moved" in answer.json()["error"]["what"]
        other = NodeService(NodeServiceOptions(data_dir=tmp_path, port=free_port(), dashboard=False), bob(served))
        with pytest.raises(LensError, match="in use by process"):
            await other.run()


async def test_a_node_that_is_away_is_waited_for(served: Served, tmp_path: Path) -> None:
    source = bob(served)
    await served.servers[BOB].stop()
    async with running(source, tmp_path) as (_, http):
        health = (await http.get("/health")).json()
        assert health["status"] == "warming up"
        async with asyncio.timeout(PATIENCE_S):
            while not (alerts := (await http.get("/health")).json()["alerts"]):  # noqa: ASYNC110 - the same
                await asyncio.sleep(0.1)
        assert (alerts[0]["level"], alerts[0]["state"]) == ("error", "raised")
        for path in ("/network", "/missed", "/recording"):
            answer = await http.get(path)
            assert answer.status_code == 503
            assert "waiting for LND at" in answer.json()["error"]["what"]
        await served.servers[BOB].start()
        await until_ok(http)
        assert (await http.get("/health")).json()["alerts"][0]["state"] == "cleared"


async def test_a_recording_is_a_world_of_its_own(served: Served, tmp_path: Path) -> None:
    async with running(bob(served), tmp_path / "data") as (service, http):
        await until_ok(http)
        await pay_once_heard(served, [SMALL_MSAT] * 3 + [LARGE_MSAT] * 3)
        first = (await http.get("/missed", params=ALL)).json()
        folder = service.folder
    assert folder is not None
    source = ReplaySource(folder / FORWARDS_FILE, speed=1_000.0)
    async with running(source, tmp_path / "again", speed=1_000.0) as (service, http):
        await until_ok(http)
        async with asyncio.timeout(PATIENCE_S):
            while not (await http.get("/settings")).json()["paused"]:  # noqa: ASYNC110 - the same
                await asyncio.sleep(0.1)
        await asyncio.sleep(1.5)  # until the last batch is written
        health = (await http.get("/health")).json()
        assert health["mode"] == "replay"
        again = (await http.get("/missed", params=ALL)).json()
        known = [(each["channel_id"], each["total_failures"]) for each in first["opportunities"]]
        assert [(each["channel_id"], each["total_failures"]) for each in again["opportunities"]] == known
        token = service.token_path.read_text().strip()
        answer = await http.patch("/settings", json={"speed": 2.0}, headers={"Authorization": f"Bearer {token}"})
        assert answer.json()["speed"] == 2.0


async def test_the_command_records_until_it_is_stopped_and_monitor_follows_it(served: Served, tmp_path: Path) -> None:
    server = served.servers[BOB]
    reach = [
        "--lnddir", str(server.folder), "--network", "regtest", "--grpc-host", f"127.0.0.1:{server.rpc_port}",
        "--data-dir", str(tmp_path / "data"),
    ]  # fmt: skip
    run = await command("run", *reach, "--port", str(free_port()), "--headless")
    shown = await read_until(run, "recording")
    assert f"LND at 127.0.0.1:{server.rpc_port}" in shown
    monitor = await command("monitor", *reach, "--duration", "1", "--min-failures", "1", "--min-missed-sats", "0")
    shown = await read_until(monitor, "recording")
    assert "by `lens run` at http://127.0.0.1:" in shown
    await pay_once_heard(served, [SMALL_MSAT] * 2 + [LARGE_MSAT] * 4)
    monitor.send_signal(signal.SIGINT)
    shown = (await monitor.stdout.read()).decode()  # type: ignore[union-attr]
    assert await monitor.wait() == 0, shown
    assert "2 settled, 1 refused here" in shown
    assert "MISSED ROUTING OPPORTUNITIES" in shown
    tried = await command(
        "alerts", "try", "--data-dir", str(tmp_path / "data"), "--series", "disk_free", "--above", "0"
    )
    assert "would have fired once" in (await tried.stdout.read()).decode()  # type: ignore[union-attr]
    stop = await command("stop", "--data-dir", str(tmp_path / "data"))
    assert f"stopped the service (process {run.pid})" in (await stop.stdout.read()).decode()  # type: ignore[union-attr]
    shown = (await run.stdout.read()).decode()  # type: ignore[union-attr]
    assert await run.wait() == 0, shown
    assert "ended: events" in shown


async def command(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lightninglens", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip


async def read_until(process: asyncio.subprocess.Process, words: str) -> str:
    shown = ""
    async with asyncio.timeout(PATIENCE_S):
        while words not in shown:
            line = (await process.stdout.readline()).decode()  # type: ignore[union-attr]
            assert line, shown
            shown += line
    return shown


async def test_what_cannot_be_replayed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        ReplaySource(tmp_path / FORWARDS_FILE, speed=1.0)
    ForwardStore(tmp_path / FORWARDS_FILE).close()
    with pytest.raises(DataError, match="nothing was recorded"):
        ReplaySource(tmp_path / FORWARDS_FILE, speed=1.0)
