import asyncio
from typing import Any

import httpx
import pytest

from lightninglens.app.events import Alert

DEFAULTS = {"speed": 50.0, "paused": False, "automatic": False, "min_confidence": 0.5, "budget_sat_per_day": 10_000}
ORDER = {"from_node": "lnd-alice", "to_node": "lnd-bob", "amount_sat": 100_000}


async def world_ms(http: httpx.AsyncClient) -> int:
    return int((await http.get("/api/v1/stats")).json()["world_ms"])


@pytest.mark.asyncio
async def test_what_is_switched_is_told_and_the_rest_stays(service: Any) -> None:
    async with service.http(headers=service.authorised) as http:
        assert (await http.get("/api/v1/settings")).json() == DEFAULTS
        changed = await http.patch("/api/v1/settings", json={"automatic": True, "min_confidence": 0.7})
        assert changed.json() == {**DEFAULTS, "automatic": True, "min_confidence": 0.7}
        assert (await http.get("/api/v1/settings")).json() == changed.json()
        assert (await http.patch("/api/v1/settings", json={})).json() == changed.json()
        wrong: list[Any] = [{"speed": 0}, {"speed": 1e5}, {"paused": 1}, {"budget_sat_per_day": -1}, {"more": 1}, []]
        for bad in wrong:
            assert (await http.patch("/api/v1/settings", json=bad)).status_code == 422
    async with service.http() as http:
        assert (await http.patch("/api/v1/settings", json={})).status_code == 401


@pytest.mark.asyncio
async def test_a_paused_world_stands_still_and_refuses_what_would_have_to_move(service: Any) -> None:
    async with service.http(headers=service.authorised) as http, service.feed() as feed:
        await http.patch("/api/v1/settings", json={"paused": True})
        stopped_ms = await world_ms(http)
        await asyncio.sleep(0.3)
        assert await world_ms(http) == stopped_ms
        for path, body in (("rebalances", ORDER), ("baseline", {})):
            refused = await http.post(f"/api/v1/{path}", json=body)
            assert refused.status_code == 409
            assert "paused" in refused.json()["error"]["what"]
        suggestion = {"from_node": "lnd-alice", "to_node": "lnd-bob", "amount": 1_000, "confidence": 0.9}
        await feed.send('{"type": "rebalance_suggestion", "suggestion": ' + str(suggestion).replace("'", '"') + "}")
        assert "paused" in await feed.recv()
        await http.patch("/api/v1/settings", json={"paused": False})
        assert (await http.post("/api/v1/rebalances", json=ORDER)).json()["changes"][0]["executed"]
        assert await world_ms(http) > stopped_ms


@pytest.mark.asyncio
async def test_the_speed_can_be_changed_while_it_runs(start: Any) -> None:
    async with start(lab={"speed": 10.0}) as running, running.http(headers=running.authorised) as http:
        before_ms = await world_ms(http)
        await http.patch("/api/v1/settings", json={"speed": 2_000.0})
        async with asyncio.timeout(20):
            while await world_ms(http) < before_ms + 1_000_000:
                pass
        assert (await http.get("/api/v1/stats")).json()["speed"] == 2_000.0


@pytest.mark.asyncio
@pytest.mark.promise("A0.50")
async def test_alerts_are_listed_and_acknowledged(service: Any) -> None:
    raised = Alert(level="warning", source="test", text="too full", state="raised", alert_id="full")
    async with service.http(headers=service.authorised) as http:
        assert (await http.get("/api/v1/alerts")).json() == []
        service.service.bus.publish(Alert(level="error", source="test", text="happened"))
        service.service.bus.publish(raised)
        listed = (await http.get("/api/v1/alerts")).json()
        assert [(one["alert_id"], one["acknowledged"]) for one in listed] == [("full", False)]
        seen = await http.post("/api/v1/alerts/full/acknowledge", json={})
        assert (seen.json()["acknowledged"], seen.json()["state"]) == (True, "raised")
        assert [one["text"] for one in (await http.get("/api/v1/alerts?state=all")).json()] == ["too full", "happened"]
        assert (await http.post("/api/v1/alerts/none/acknowledge", json={})).status_code == 404
    async with service.http() as http:
        assert (await http.post("/api/v1/alerts/full/acknowledge", json={})).status_code == 401
