import asyncio
import errno
import json
from pathlib import Path
from typing import Any

import pytest

from lightninglens.app import recorder as recorder_module
from lightninglens.app.bus import Bus
from lightninglens.app.events import Alert, Network, Stats
from lightninglens.app.recorder import RawFile, Recorder
from lightninglens.core.clock import SystemClock

STATS = Stats(
    world_ms=5,
    speed=1.0,
    payments=0,
    succeeded=0,
    success_rate=None,
    volume_msat=0,
    fees_msat=0,
    rebalances=0,
    rebalanced_msat=0,
    rebalance_cost_msat=0,
)
EMPTY = Network(name="lab", mode="simulated", nodes=(), channels=())


def lines_of(folder: Path) -> list[dict[str, Any]]:
    files = sorted((folder / "raw").glob("lab_*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


@pytest.mark.asyncio
@pytest.mark.promise("A0.39")
async def test_what_the_feed_says_is_on_disk_after_the_end(start: Any) -> None:
    async with start(traffic=True, lab={"speed": 500.0}) as running, running.feed() as client:
        told = [json.loads(await client.recv()) for _ in range(20)]
    lines = lines_of(running.options.data_dir)
    head = lines[0]
    assert (head["format"], head["message"]["type"]) == ("lightninglens/raw/1", "state_update")
    assert set(head["message"]["data"]["channels"]) >= {"lnd-alice", "lnd-eve"}
    written = [line["message"] for line in lines]
    payments = [message for message in told if message["type"] == "transaction"]
    assert payments
    assert all(message in written for message in payments)
    assert [line["world_ms"] for line in lines] == sorted(line["world_ms"] for line in lines)


@pytest.mark.asyncio
async def test_a_full_file_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "FLUSH_S", 0.01)
    monkeypatch.setattr(recorder_module, "MAX_FILE_BYTES", 300)
    bus = Bus()
    task = asyncio.create_task(Recorder(tmp_path, bus, SystemClock()).run(EMPTY, STATS))
    for number in range(20):
        await asyncio.sleep(0.02)
        bus.publish(Alert(level="warning", source="test", text=str(number)))
    bus.close()
    await task
    files = sorted((tmp_path / "raw").glob("*"))
    assert len(files) > 2
    assert all(json.loads(file.read_text().splitlines()[0])["format"] == "lightninglens/raw/1" for file in files)
    alerts = [line["message"]["data"]["text"] for line in lines_of(tmp_path) if line["message"]["type"] == "alert"]
    assert alerts == [str(number) for number in range(20)]


@pytest.mark.asyncio
async def test_a_full_disk_ends_the_recording_with_one_alert_and_nothing_else(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "FLUSH_S", 0.05)

    def full(_file: RawFile, _lines: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RawFile, "write", full)
    async with start(traffic=True, lab={"speed": 500.0}) as running, running.http() as http:
        async with asyncio.timeout(10):
            alerts: list[dict[str, str]] = []
            while not alerts:
                alerts = (await http.get("/api/v1/health")).json()["alerts"]
        before = (await http.get("/api/v1/stats")).json()["payments"]
        await asyncio.sleep(0.5)
        assert (await http.get("/api/v1/stats")).json()["payments"] > before
        assert alerts == (await http.get("/api/v1/health")).json()["alerts"]
    (alert,) = alerts
    assert (alert["level"], alert["source"]) == ("error", "recorder")
    assert "No space left on device" in alert["text"]
    assert "the lab runs on" in alert["text"]
