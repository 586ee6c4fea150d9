import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from lightninglens.app.api import stream as stream_module
from lightninglens.app.events import Alert

CHANNEL_KEYS = {
    "active",
    "channel_id",
    "node1_id",
    "node2_id",
    "capacity_sat",
    "node1_local_msat",
    "node2_local_msat",
    "commit_fee_sat",
    "unsettled_msat",
    "pending_htlcs",
    "opener_id",
    "node1_policy",
    "node2_policy",
}
SAFE_INTEGER = 2**53


def page(running: Any, query: str = "") -> connect:
    return connect(f"ws://127.0.0.1:{running.options.port}/ws{query}")


async def read(client: Any) -> dict[str, Any]:
    async with asyncio.timeout(20):
        message: dict[str, Any] = json.loads(await client.recv())
    return message


async def read_for_ever(client: Any) -> None:
    while True:
        await read(client)


def integers(value: object) -> list[int]:
    if isinstance(value, dict):
        return [number for inner in value.values() for number in integers(inner)]
    if isinstance(value, list):
        return [number for inner in value for number in integers(inner)]
    return [value] if isinstance(value, int) else []


@pytest.mark.asyncio
@pytest.mark.promise("A0.24a")
async def test_a_page_gets_the_whole_state_and_then_each_update_once(start: Any) -> None:
    async with start(traffic=True, lab={"speed": 500.0}) as running, page(running) as client:
        hello = await read(client)
        assert hello["type"] == "hello"
        snapshot = hello["snapshot"]
        assert [len(snapshot["network"][key]) for key in ("nodes", "channels")] == [5, 7]
        assert all(set(channel) == CHANNEL_KEYS for channel in snapshot["network"]["channels"])
        places = {node["name"]: (node["x"], node["y"]) for node in snapshot["network"]["nodes"]}
        assert places["lnd-eve"][0] == places["lnd-alice"][0]
        assert places["lnd-eve"][1] < places["lnd-alice"][1]
        assert places["lnd-alice"][0] < places["lnd-bob"][0] < places["lnd-carol"][0] == places["lnd-dave"][0]
        seen = [payment["payment_id"] for payment in snapshot["payments"]]
        update: dict[str, Any] = {}
        seq = hello["seq"]
        for _ in range(20):
            update = await read(client)
            assert update["type"] == "update"
            assert update["seq"] == seq + 1
            seq = update["seq"]
            seen += [payment["payment_id"] for payment in update["payments"]]
            assert max(integers(update)) < SAFE_INTEGER
        assert len(seen) == len(set(seen)) > 5
        assert update["stats"]["payments"] == len(seen)


@pytest.mark.asyncio
async def test_a_short_loss_is_made_good_and_a_long_one_starts_anew(start: Any) -> None:
    async with start(traffic=True, lab={"speed": 500.0}) as running:
        async with page(running) as client:
            hello = await read(client)
            last = (await read(client))["seq"]
        await asyncio.sleep(0.5)
        async with page(running, f"?session={hello['session']}&since={last}") as client:
            for expected in range(last + 1, last + 4):
                update = await read(client)
                assert (update["type"], update["seq"]) == ("update", expected)
        for query in (
            "?session=other&since=1",
            f"?session={hello['session']}&since=999999",
            f"?session={hello['session']}&since=-1",
            f"?session={hello['session']}&since=x",
            f"?session={hello['session']}",
        ):
            async with page(running, query) as client:
                assert (await read(client))["type"] == "hello"


@pytest.mark.asyncio
async def test_updates_come_ten_times_a_second_at_most(start: Any) -> None:
    async with start(traffic=True, lab={"speed": 5_000.0}) as running, page(running) as client:
        await read(client)
        began_s = asyncio.get_running_loop().time()
        for _ in range(10):
            await read(client)
        assert asyncio.get_running_loop().time() - began_s > 0.85


@pytest.mark.asyncio
async def test_foreign_pages_get_no_stream(service: Any) -> None:
    for origin in ("https://evil.example", "null", f"http://localhost:{service.options.port}.evil.example"):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{service.options.port}/ws", additional_headers={"Origin": origin})
        assert refused.value.response.status_code == 403
    own = {"Origin": f"http://localhost:{service.options.port}"}
    async with connect(f"ws://127.0.0.1:{service.options.port}/ws", additional_headers=own) as client:
        assert (await read(client))["type"] == "hello"


@pytest.mark.asyncio
async def test_pages_are_told_when_the_service_ends(start: Any) -> None:
    async with start() as running, page(running) as client:
        await read(client)
        running.service.stop()
        with pytest.raises(ConnectionClosed) as closed:
            await read_for_ever(client)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001


@pytest.mark.asyncio
async def test_a_page_gets_the_topics_it_asks_for_with_the_same_numbers(start: Any) -> None:
    async with (
        start(traffic=True, lab={"speed": 500.0}) as running,
        page(running, "?topics=stats,settings") as client,
        page(running) as other,
    ):
        hello = await read(client)
        assert set(hello["snapshot"]) == {"stats", "settings"}
        whole = await read(other)
        assert set(whole["snapshot"]) == {
            *("network", "payments", "stats", "learner", "predictions"),
            *("suggestions", "errors", "alerts", "rebalances", "settings"),
        }
        seq, update = hello["seq"], {}
        for _ in range(3):
            update = await read(client)
            assert set(update) == {"type", "seq", "stats"}
            assert update["seq"] == seq + 1
            seq = update["seq"]
        running.service.state.switches.change(speed=400.0)
        running.service.bus.publish(Alert(level="warning", source="test", text="low", state="raised", alert_id="low"))
        while "settings" not in update:
            update = await read(client)
        assert update["settings"]["speed"] == 400.0
        async with page(running, "?topics=alerts") as late:
            assert [one["alert_id"] for one in (await read(late))["snapshot"]["alerts"]] == ["low"]


@pytest.mark.asyncio
async def test_an_unknown_topic_is_refused_by_name(service: Any) -> None:
    async with page(service, "?topics=stats,money") as client:
        with pytest.raises(ConnectionClosed) as closed:
            await read(client)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4400
    assert "money" in closed.value.rcvd.reason


@pytest.mark.asyncio
async def test_a_page_that_never_reads_is_dropped_and_the_others_miss_nothing(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "STUCK_S", 0.5)
    async with start(traffic=True, lab={"speed": 5_000.0}) as running:
        stuck = socket.socket()
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        stuck.connect(("127.0.0.1", running.options.port))
        lines = ["GET /ws HTTP/1.1", f"Host: localhost:{running.options.port}", "Upgrade: websocket"]
        lines += ["Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"]
        stuck.sendall("\r\n".join([*lines, "", ""]).encode())
        async with page(running) as client, running.http() as http:
            last = (await read(client))["seq"]
            clients = 2
            async with asyncio.timeout(60):
                while clients == 2:
                    update = await read(client)
                    assert update["seq"] == last + 1
                    last = update["seq"]
                    if last % 5 == 0:
                        metrics = (await http.get("/metrics")).text
                        clients = int(float(metrics.split('lens_clients{endpoint="stream"} ')[1].split("\n")[0]))
            assert clients == 1
        stuck.close()


@pytest.mark.nightly
@pytest.mark.promise("A0.24a")
def test_a_thousand_pages_are_served_while_a_tenth_never_reads() -> None:
    benchmark = Path(__file__).resolve().parents[2] / "benchmarks/stream.py"
    command = [sys.executable, str(benchmark), "--clients", "1000", "--stuck", "0.1", "--speed", "100"]
    report = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert report["readers_lost"] == 0
    assert report["dropped"] == report["never_read"] == 100
    assert report["p99_ms"] <= 500
    assert report["peak_rss_growth_mb"] <= 100
