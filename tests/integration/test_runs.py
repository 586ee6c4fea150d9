import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from lightninglens.app import recorder as recorder_module
from lightninglens.app.runs import RunLibrary

LAB = {"speed": 2_000.0, "duration_s": 3_600.0}


async def finished(running: Any) -> list[Any]:
    return [event async for event in running.service.bus.subscribe("test")]


@pytest.mark.asyncio
@pytest.mark.promise("A0.51c")
async def test_a_recorded_world_is_shown_as_it_was(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "FLUSH_S", 0.05)
    monkeypatch.setattr(recorder_module, "MAX_FILE_BYTES", 100_000)
    async with start(traffic=True, lab=LAB) as running:
        await finished(running)
        observer = running.service.state.lab.observer
    folder = running.options.data_dir / "raw"
    assert len(list(folder.iterdir())) > 2
    library = RunLibrary(folder)
    (item,) = await library.items()
    assert (item.payments, item.channels, item.complete) == (observer.stats.payments, 7, True)
    assert item.world_end_ms == observer.stats.world_ms
    assert item.bytes == sum(path.stat().st_size for path in folder.iterdir())
    end = await library.moment(item.run_id, at_ms=None, window_s=600)
    assert end is not None
    assert end.stats == observer.stats
    assert end.network.mode == "replay"
    for shown, seen in zip(end.network.channels, observer.channels(), strict=True):
        assert abs(shown.node1_local_msat - seen.node1_local_msat) < 1_000
        assert (shown.pending_htlcs, shown.node1_policy) == (seen.pending_htlcs, seen.node1_policy)
    known = {payment.payment_id: payment for payment in observer.payments}
    assert end.payments
    for payment in end.payments:
        was = known[payment.payment_id]
        assert (payment.amount_msat, payment.fee_msat, payment.outcome) == (was.amount_msat, was.fee_msat, was.outcome)
        assert (payment.started_ms, payment.route_channel_ids) == (was.started_ms, was.route_channel_ids)
        assert end.stats.world_ms - 600_000 < payment.started_ms + payment.duration_ms <= end.stats.world_ms
    middle_ms = (item.world_start_ms + item.world_end_ms) // 2
    middle = await library.moment(item.run_id, at_ms=middle_ms, window_s=86_400)
    assert middle is not None
    ended = [one for one in known.values() if one.started_ms + one.duration_ms <= middle_ms]
    assert [one.payment_id for one in middle.payments] == [one.payment_id for one in ended]
    assert middle.stats.payments == len([one for one in ended if one.kind == "payment"])


@pytest.mark.asyncio
async def test_what_is_no_recording_is_left_out_and_a_cut_line_is_ignored(tmp_path: Path, start: Any) -> None:
    async with start(traffic=True, lab=LAB) as running:
        await finished(running)
    folder = running.options.data_dir / "raw"
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "lab_1.jsonl").write_bytes(b"".join(lines[:40]) + b'{"world_ms": 1, "mess')
    (cut / "lab_2.jsonl").write_bytes(b"")
    (cut / "lab_3.jsonl").write_bytes(b"\x80\x04")
    (cut / "lab_4.jsonl").write_bytes(lines[0].replace(b"raw/1", b"raw/9"))
    (cut / "lab_5.jsonl").write_bytes(json.dumps({"format": "lightninglens/raw/1"}).encode() + b"\n")
    head = json.loads(lines[0])
    other = json.dumps({**head, "run_id": "other"}).encode() + b"\n"
    nonsense = b'{"world_ms": 1, "message": {"type": "transaction"}}\n[]\n{"world_ms": 5, "message": {"type": "end"}}\n'
    (cut / "lab_6.jsonl").write_bytes(other + nonsense)
    (cut / "lab_7.jsonl").mkdir()
    library = RunLibrary(cut)
    items = {item.run_id: item for item in await library.items()}
    assert set(items) == {head["run_id"], "other"}
    assert not items[head["run_id"]].complete
    assert await library.moment("other", at_ms=0, window_s=1) is not None
    for name in ("", "..", "../raw/lab_1", "lab_1.jsonl", "/etc/passwd", "none"):
        assert await library.moment(name, at_ms=None, window_s=1) is None


@pytest.mark.asyncio
async def test_the_running_world_is_among_the_runs(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "FLUSH_S", 0.05)
    async with start(traffic=True, lab={"speed": 500.0}) as running, running.http() as http:
        listed: list[Any] = []
        while not listed or not listed[0]["payments"]:
            listed = (await http.get("/api/v1/runs")).json()
        assert not listed[0]["complete"]
        path = f"/api/v1/runs/{listed[0]['run_id']}"
        moment = (await http.get(path, params={"window_s": 60})).json()
        assert len(moment["network"]["channels"]) == 7
        answers: list[httpx.Response] = [await http.get(f"/api/v1/runs/{name}") for name in ("none", "..%2f..%2ftoken")]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert (await http.get(path, params={"at_ms": -1})).status_code == 422
