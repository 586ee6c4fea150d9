"""The learner in the running service, with a small model that is trained once for all tests of this file."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from lightninglens.app.learning import running as running_module
from lightninglens.app.learning import training as training_module
from lightninglens.app.learning.mind import ONLINE_FILE, read_state
from lightninglens.app.learning.options import LearningOptions
from lightninglens.app.learning.training import TrainingLab, train_apart
from lightninglens.core.errors import LensError
from lightninglens.storage.models import FOLDER

SMALL = TrainingLab(hours=30.0, worlds=2, demand="settlements")
LAB = {"speed": 300.0}
WORLD = {"demand": "settlements"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with one model."""
    folder = tmp_path_factory.mktemp("registry") / FOLDER
    said: list[str] = []
    version = asyncio.run(train_apart(folder, SMALL, said.append))
    assert (folder / version / "card.json").exists()
    assert any("simulating" in text for text in said)
    return folder


def put(registry: Path, data_dir: Path) -> None:
    shutil.copytree(registry, data_dir / FOLDER)


async def until(http: httpx.AsyncClient, path: str, wanted: Any) -> Any:
    async with asyncio.timeout(90):
        while not wanted(found := (await http.get(path)).json()):  # noqa: ASYNC110 - asked over HTTP
            await asyncio.sleep(0.05)
    return found


def is_ready(metrics: dict[str, Any]) -> bool:
    return bool(metrics["status"]["phase"] == "ready")


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.promise("A0.37")
@pytest.mark.promise("A0.47")
@pytest.mark.promise("A0.2", "A0.4")
async def test_it_predicts_and_suggests_and_what_is_accepted_moves_money(
    start: Any, registry: Path, tmp_path: Path
) -> None:
    put(registry, tmp_path / "data")
    learning = LearningOptions(enabled=True)
    async with (
        start(traffic=True, lab=LAB, world=WORLD, learning=learning) as service,
        service.http(headers=service.authorised) as http,
        service.feed() as feed,
    ):
        metrics = await until(http, "/api/v1/metrics", is_ready)
        status = metrics["status"]
        # In the first ten to twenty minutes of world time there is a suggestion, or the reason why there is none.
        assert status["missing"] == []
        assert status["observed_payments"] >= 20
        assert status["model"] == metrics["card"]["version"]
        predictions = (await http.get("/api/v1/predictions")).json()
        assert len(predictions) == 14
        for one in predictions:
            assert 0 <= one["low_share"] <= one["share"] <= one["high_share"] <= 1
            assert one["model"] == status["model"]
        (first, *_) = await until(http, "/api/v1/suggestions?status=open", bool)
        assert first["gain_msat"] > 0
        assert first["author"] == "learner"
        await feed.send(json.dumps({"type": "request_suggestions"}))
        while (answer := json.loads(await feed.recv()))["type"] != "rebalance_suggestions":
            pass
        assert answer["source"] == "learner"
        assert answer["confidence_basis"]["model"] == status["model"]
        ended = None
        async with asyncio.timeout(60):
            while ended is None:
                for one in (await http.get("/api/v1/suggestions?status=open")).json():
                    response = await http.post(f"/api/v1/suggestions/{one['suggestion_id']}/accept", json={})
                    assert response.status_code in {200, 409}
                    if response.status_code == 200:
                        ended = response.json()
                        break
        assert ended["status"] in {"done", "failed"}
        effects = (await http.get("/api/v1/effects")).json()
        assert effects[0]["author"] == "learner"
        assert effects[0]["predicted_gain_msat"] is not None
        again = await http.post(f"/api/v1/suggestions/{ended['suggestion_id']}/accept", json={})
        assert again.status_code == 409
        (other, *_) = await until(http, "/api/v1/suggestions?status=open", bool)
        rejected = await http.post(f"/api/v1/suggestions/{other['suggestion_id']}/reject", json={})
        assert rejected.status_code in {200, 409}
        (model,) = (await http.get("/api/v1/models")).json()
        chosen = (await http.post(f"/api/v1/models/{model['version']}/select", json={})).json()
        assert chosen["selected"]


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.promise("A0.36")
async def test_it_learns_on_from_what_becomes_known_and_keeps_that(start: Any, registry: Path, tmp_path: Path) -> None:
    put(registry, tmp_path / "data")
    learning = LearningOptions(enabled=True)
    lab = {"speed": 3_000.0}
    async with start(traffic=True, lab=lab, world=WORLD, learning=learning) as service, service.http() as http:
        metrics = await until(http, "/api/v1/metrics", lambda found: len(found["errors"]) >= 3)
        assert metrics["status"]["outcomes_known"] >= 14
        for point in metrics["errors"]:
            assert 0 <= point["model"] <= 1
            assert 0 <= point["half"] <= 0.5
            assert point["compared"] > 0
    state = read_state(tmp_path / "data" / ONLINE_FILE)
    assert state is not None
    learned = state["learned"]
    assert learned >= 14
    async with start(traffic=True, lab=lab, world=WORLD, learning=learning) as service, service.http() as http:
        await until(http, "/api/v1/metrics", is_ready)
    again = read_state(tmp_path / "data" / ONLINE_FILE)
    assert again is not None
    assert again["learned"] >= learned


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.promise("A1.14c", "A0.5")
async def test_automatic_rebalancing_can_be_switched_on_and_off(start: Any, registry: Path, tmp_path: Path) -> None:
    put(registry, tmp_path / "data")
    learning = LearningOptions(enabled=True, min_confidence=0.01)
    async with (
        start(traffic=True, lab={"speed": 600.0}, world=WORLD, learning=learning) as service,
        service.http(headers=service.authorised) as http,
    ):
        await until(http, "/api/v1/suggestions?status=open", bool)
        assert (await http.get("/api/v1/effects")).json() == []
        await http.patch("/api/v1/settings", json={"automatic": True})
        effects = await until(http, "/api/v1/effects", bool)
        assert {one["author"] for one in effects} == {"learner"}
        await http.patch("/api/v1/settings", json={"automatic": False})
        await asyncio.sleep(0.5)
        before = len((await http.get("/api/v1/effects")).json())
        await asyncio.sleep(1.0)
        assert len((await http.get("/api/v1/effects")).json()) == before


@pytest.mark.asyncio
async def test_a_training_that_fails_is_an_alert_and_the_lab_runs_on(start: Any, monkeypatch: Any) -> None:
    async def fail(*_arguments: Any) -> str:
        raise LensError("the disk is full")

    monkeypatch.setattr(running_module, "train_apart", fail)
    learning = LearningOptions(enabled=True, train_in=SMALL)
    async with start(traffic=True, lab=LAB, learning=learning) as service, service.http() as http:
        status = (await until(http, "/api/v1/metrics", lambda found: found["status"]["phase"] == "failed"))["status"]
        assert "the disk is full" in status["missing"][0]
        (alert,) = (await http.get("/api/v1/alerts")).json()
        assert alert["alert_id"] == "training-failed"
        before = (await http.get("/api/v1/stats")).json()["world_ms"]
        await until(http, "/api/v1/stats", lambda stats: stats["world_ms"] > before)


@pytest.mark.asyncio
async def test_without_a_model_and_without_training_it_says_what_is_missing(start: Any) -> None:
    learning = LearningOptions(enabled=True)
    async with start(lab=LAB, learning=learning) as service, service.http() as http:
        await until(http, "/api/v1/metrics", lambda found: "no model" in " ".join(found["status"]["missing"]))
    named = LearningOptions(enabled=True, model="none-such")
    async with start(lab=LAB, learning=named) as service, service.http() as http:
        metrics = await until(http, "/api/v1/metrics", lambda found: found["status"]["phase"] == "failed")
        assert "none-such" in metrics["status"]["missing"][0]


@pytest.mark.asyncio
async def test_a_child_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(LensError, match=r"DemandName|demand|nonsense"):
        await train_apart(tmp_path, TrainingLab(demand="nonsense"), lambda _text: None)
    too_short = TrainingLab(hours=0.5, worlds=1)
    with pytest.raises(LensError):
        await train_apart(tmp_path, too_short, lambda _text: None)
    assert training_module._said(b"[]") == {}
    assert training_module._said(b"no JSON") == {}


def test_a_damaged_state_of_the_online_learner_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / ONLINE_FILE
    assert read_state(path) is None
    for content in ("", "[]", "{}", "[" * 5_000, '{"format": "other"}'):
        path.write_text(content)
        assert read_state(path) is None
