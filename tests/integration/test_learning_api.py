import asyncio
from typing import Any

import pytest

from lightninglens.app.learning.options import LearningOptions
from lightninglens.core.units import NS_PER_SECOND


@pytest.mark.asyncio
@pytest.mark.promise("A0.37")
async def test_without_a_learner_it_is_said_to_be_off_and_nothing_is_invented(service: Any) -> None:
    async with service.http(headers=service.authorised) as http:
        metrics = (await http.get("/api/v1/metrics")).json()
        assert metrics["status"]["phase"] == "off"
        assert (metrics["errors"], metrics["reliability"], metrics["card"], metrics["success"]) == ([], None, None, [])
        for path in ("predictions", "suggestions", "models", "effects"):
            assert (await http.get(f"/api/v1/{path}")).json() == []
        for path in ("suggestions/x/accept", "suggestions/x/reject", "models/x/select"):
            assert (await http.post(f"/api/v1/{path}", json={})).status_code == 404
            assert (await http.post(f"/api/v1/{path}", json={}, headers={"Authorization": ""})).status_code == 401


@pytest.mark.asyncio
@pytest.mark.promise("A0.51b")
async def test_a_channel_shows_what_went_over_it(start: Any) -> None:
    async with start(traffic=True, lab={"speed": 2_000.0}) as running, running.http() as http:
        while (await http.get("/api/v1/stats")).json()["payments"] < 60:
            pass
        nodes = (await http.get("/api/v1/nodes")).json()
        assert {node["name"] for node in nodes} >= {"lnd-alice", "lnd-eve"}
        channels = [one["channel_id"] for one in (await http.get("/api/v1/channels")).json()]
        details = [(await http.get(f"/api/v1/channels/{channel_id}")).json() for channel_id in channels]
        assert [detail["channel"]["channel_id"] for detail in details] == channels
        assert all(detail["predictions"] == [] for detail in details)
        sides = [flows for detail in details for flows in detail["flows"].values()]
        assert sum(side["sent_count"] for side in sides) == sum(side["received_count"] for side in sides) > 0
        assert sum(side["sent_msat"] for side in sides) == sum(side["received_msat"] for side in sides)
        assert sum(side["earned_msat"] for side in sides) > 0
        assert {side["window_s"] for side in sides} == {3_600}
        assert (await http.get("/api/v1/channels/1x1x1")).status_code == 404
        success = (await http.get("/api/v1/metrics")).json()["success"]
        assert sum(span["payments"] for span in success) >= 60
        assert all(span["world_ms"] % 300_000 == 0 for span in success)


@pytest.mark.asyncio
async def test_an_executed_rebalance_is_judged_a_horizon_later_by_what_followed(start: Any) -> None:
    learning = LearningOptions(horizon_ns=1_800 * NS_PER_SECOND)
    async with (
        start(traffic=True, lab={"speed": 500.0}, learning=learning) as running,
        running.http(headers=running.authorised) as http,
    ):
        order = {"from_node": "lnd-alice", "to_node": "lnd-bob", "amount_sat": 100_000}
        report = (await http.post("/api/v1/rebalances", json=order)).json()["changes"][0]
        (effect,) = (await http.get("/api/v1/effects")).json()
        assert (effect["plan_id"], effect["status"], effect["author"]) == (report["plan_id"], "succeeded", "operator")
        assert (effect["from_node"], effect["to_node"]) == ("lnd-alice", "lnd-bob")
        assert (effect["predicted_gain_msat"], effect["realised_gain_msat"]) == (None, None)
        before, after = effect["outgoing_local_msat"]
        assert before - after == 100_000_000 + report["fee_msat"]
        assert effect["due_ms"] == effect["world_ms"] + 1_800_000
        async with asyncio.timeout(60):
            while effect["realised_gain_msat"] is None:
                (effect,) = (await http.get("/api/v1/effects")).json()
        assert (await http.get("/api/v1/stats")).json()["world_ms"] >= effect["due_ms"]
        # A hundred thousand sat can at most serve what is worth a part of them, and cost what they did.
        assert -effect["fee_msat"] - 1_000_000 < effect["realised_gain_msat"] < 1_000_000
