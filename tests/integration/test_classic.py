import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.integration.conftest import PATIENCE_S, Running, Start, free_port
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from lightninglens.app import runtime, serving
from lightninglens.app.classic import CLASSIC_SERVICES
from lightninglens.app.classic.services import PROXY_PORT
from lightninglens.app.events import ErrorPoint, LearnerNews, LearnerStatus, Prediction
from lightninglens.core.errors import LensError

STATUS = LearnerStatus(
    phase="ready",
    missing=(),
    model="m1",
    model_trained_on="a test",
    horizon_s=21_600.0,
    observed_payments=12,
    outcomes_known=3,
    first_outcome_ms=None,
    drifts=1,
    last_drift_ms=None,
    verdict="no better than the last value",
)
POINT = ErrorPoint(
    world_ms=1_767_571_200_000, compared=3, model=0.25, online=0.2, half=0.3, last_value=0.24, baseline=None
)


@dataclasses.dataclass
class Classic:
    running: Running
    ports: dict[int, int]

    def url(self, port: int) -> str:
        return f"http://127.0.0.1:{self.ports[port]}"

    def ws(self, port: int, path: str = "/", **options: Any) -> connect:
        return connect(f"ws://127.0.0.1:{self.ports[port]}{path}", **options)

    def predict(self) -> list[Prediction]:
        """Let the learner say something about each side of each channel."""
        lab = self.running.service.state.lab
        assert lab is not None
        made = [
            Prediction(
                channel_id=channel.channel_id,
                node_id=node_id,
                share_now=now,
                share=0.6 if node_id == channel.node1_id else 0.4,
                low_share=0.3,
                high_share=0.9,
                model="m1",
                made_ms=1_767_571_200_000,
                horizon_s=21_600.0,
            )
            for channel in lab.observer.channels()
            for node_id, now in ((channel.node1_id, 0.2), (channel.node2_id, 0.8))
        ]
        board = self.running.service.state.learner
        board.status, board.predictions = STATUS, tuple(made)
        board.errors.append(POINT)
        news = LearnerNews(status=STATUS, predictions=tuple(made), suggestions=(), errors=(POINT,))
        self.running.service.bus.publish(news)
        return made


@pytest_asyncio.fixture
async def classic(start: Start, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Classic]:
    ports = {service.port: free_port() for service in CLASSIC_SERVICES}
    moved = tuple(dataclasses.replace(service, port=ports[service.port]) for service in CLASSIC_SERVICES)
    monkeypatch.setattr(runtime, "CLASSIC_SERVICES", moved)
    async with start(classic_ports=True, traffic=True) as running:
        yield Classic(running, ports)


async def told(client: Any, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            message: dict[str, Any] = json.loads(await client.recv())
            if message["type"] == kind:
                return message


@pytest.mark.promise("A0.17", "A0.18", "A0.19", "A0.22", "A0.23")
def test_the_documents_ports_are_those_that_answer() -> None:
    assert [service.port for service in CLASSIC_SERVICES] == [3000, 3003, 5000, 5001, 8000, 8001, 8766, 8767, 8768]
    assert PROXY_PORT == 3003


@pytest.mark.promise("A0.16", "A0.20", "A0.23", "A0.25")
@pytest.mark.asyncio
async def test_every_service_answers_with_what_runs(classic: Classic) -> None:
    async with httpx.AsyncClient(timeout=PATIENCE_S) as http:
        for port in (3003, 5000, 5001, 8000):
            status = (await http.get(f"{classic.url(port)}/api/status")).json()
            assert (status["status"], status["model_loaded"]) == ("online", False)
        for url in (
            f"{classic.url(3003)}/healthcheck",
            f"{classic.url(8001)}/api/health",
            f"{classic.url(8001)}/health",
            f"{classic.url(8767)}/health",
        ):
            assert (await http.get(url)).json()["status"] == "ok"
        health = (await http.get(f"{classic.url(3000)}/api/v1/health")).json()
        assert health["status"] == "ok"
        for port, path in ((5000, "network_state"), (8000, "network/state"), (3003, "network_state")):
            state = (await http.get(f"{classic.url(port)}/api/{path}")).json()
            assert set(state) == {"channelBalances", "transactions", "nodes", "status", "timestamp"}
            assert len(state["channelBalances"]) == 14
            assert len(state["nodes"]) == 5
        balances = (await http.get(f"{classic.url(5000)}/api/channel_balances")).json()["channelBalances"]
        key, side = next(iter(balances.items()))
        assert key == f"{side['node']}_{side['remote_pubkey'][:8]}"
        assert side["optimal_balance"] is None


@pytest.mark.promise("A0.24", "A0.37")
@pytest.mark.asyncio
async def test_before_the_learner_knows_anything_nothing_is_made_up(classic: Classic) -> None:
    async with httpx.AsyncClient(base_url=classic.url(5000), timeout=PATIENCE_S) as http:
        assert (await http.get("/api/predictions")).json()["status"] == "info"
        assert (await http.get("/api/performance")).json()["status"] == "info"
    async with httpx.AsyncClient(base_url=classic.url(8001), timeout=PATIENCE_S) as http:
        assert (await http.get("/api/suggestions")).json() == []
        health = (await http.get("/api/dashboard")).json()["networkHealth"]
        assert health["score"] is None
        assert "accuracy" in health["message"]


@pytest.mark.promise("A0.18", "A0.37")
@pytest.mark.asyncio
async def test_the_learners_predictions_come_out_in_the_documents_shapes(classic: Classic) -> None:
    made = classic.predict()
    await asyncio.sleep(0.05)
    async with httpx.AsyncClient(timeout=PATIENCE_S) as http:
        found = (await http.get(f"{classic.url(5000)}/api/predictions")).json()
        assert found["status"] == "success"
        assert len(found["predictions"]) == len(made) == 14
        first = found["predictions"][0]
        assert first["adjustment_needed"] == pytest.approx(first["optimal_ratio"] - first["current_ratio"])
        one = (
            await http.get(f"{classic.url(5000)}/api/predictions", params={"channel_id": first["channel_id"]})
        ).json()
        assert [each["channel_id"] for each in one["predictions"]] == [first["channel_id"]]
        metrics = (await http.get(f"{classic.url(5000)}/api/performance")).json()["metrics"]
        assert metrics["after"]["avg_adjustment"] == pytest.approx(0.4)
        assert metrics["improvement"] == pytest.approx(0.0)
        assert metrics["model"]["mae"] == 0.25
        learning = (await http.get(f"{classic.url(5000)}/api/learning_metrics")).json()["metrics"]
        assert (learning["model_version"], learning["drifts"]) == ("m1", 1)
        dashboard = (await http.get(f"{classic.url(5000)}/api/dashboard")).json()["data"]
        assert all(side["optimal_balance"] is not None for side in dashboard["channel_balances"].values())
        wanted = (await http.get(f"{classic.url(5001)}/api/get_suggestions")).json()
        assert len(wanted) == 5
        assert {each["direction"] for each in wanted} <= {"increase", "decrease"}


@pytest.mark.promise("A0.17", "A0.49")
@pytest.mark.asyncio
async def test_transactions_are_filtered_and_paged(classic: Classic) -> None:
    async with httpx.AsyncClient(base_url=classic.url(8000), timeout=PATIENCE_S) as http:
        async with classic.ws(8768) as client:
            for _ in range(3):
                await told(client, "transaction")
        page = (await http.get("/api/transactions", params={"limit": 2})).json()
        assert (page["count"], page["offset"], page["limit"]) == (2, 0, 2)
        rest = (await http.get("/api/transactions", params={"limit": 2, "offset": 2})).json()
        assert rest["transactions"][0]["payment_id"] < page["transactions"][0]["payment_id"] + rest["total"]
        failed = (await http.get("/api/transactions", params={"status": "failed"})).json()
        assert all(not each["success"] for each in failed["transactions"])
        assert (await http.get("/api/transactions", params={"limit": 0})).status_code == 422


@pytest.mark.asyncio
async def test_writes_need_the_token_and_reads_do_not(classic: Classic) -> None:
    orders = (
        (3003, "/api/update-parameters", {"rebalance_threshold": 0.15}),
        (5000, "/api/anomaly-alert", {"message": "a channel looks odd"}),
        (5001, "/api/update", {"event_type": "channel_state", "channel_id": "nobody_00000000"}),
    )
    async with httpx.AsyncClient(timeout=PATIENCE_S) as http:
        for port, path, body in orders:
            refused = await http.post(classic.url(port) + path, json=body)
            assert refused.status_code == 401
            done = await http.post(classic.url(port) + path, json=body, headers=classic.running.authorised)
            assert (done.status_code, done.json()["status"]) == (200, "success")
        anomalies = (await http.get(f"{classic.url(5000)}/api/anomalies")).json()
        assert anomalies["anomalies"][-1]["message"] == "a channel looks odd"
        made_known = (await http.get(f"{classic.url(5000)}/api/learning_metrics")).json()["metrics"]["parameters"]
        assert made_known == {"rebalance_threshold": 0.15}


@pytest.mark.asyncio
async def test_an_update_is_answered_with_the_prediction_for_its_channel(classic: Classic) -> None:
    made = classic.predict()
    await asyncio.sleep(0.05)
    body = {"event_type": "transaction", "channel_id": made[0].channel_id}
    async with httpx.AsyncClient(base_url=classic.url(8001), headers=classic.running.authorised) as http:
        answer = (await http.post("/api/update", json=body)).json()
        assert answer["prediction"] in {0.6, 0.4}
        other = (await http.post("/api/update", json={"event_type": "transaction"})).json()
        assert "prediction" not in other
        assert "channel_id" in other["reason"]
        assert (await http.post("/api/update", json={"event_type": "weather"})).status_code == 422


@pytest.mark.promise("A0.22", "A0.38")
@pytest.mark.asyncio
async def test_the_documented_front_end_may_read_and_other_pages_may_not(classic: Classic) -> None:
    async with httpx.AsyncClient(base_url=classic.url(3003), timeout=PATIENCE_S) as http:
        ours = await http.get("/api/status", headers={"Origin": "http://localhost:3000"})
        assert ours.headers["access-control-allow-origin"] == "http://localhost:3000"
        for origin in ("http://evil.example", "http://localhost:3000.evil.example", "null"):
            assert (await http.get("/api/status", headers={"Origin": origin})).status_code == 403
        assert (await http.get("/api/status", headers={"Host": "evil.example"})).status_code == 403
    with pytest.raises(InvalidStatus):
        async with classic.ws(8768, origin="http://evil.example"):
            pass


@pytest.mark.promise("A0.16", "A0.24a", "A0.31")
@pytest.mark.asyncio
async def test_the_simulation_is_told_over_every_socket_that_the_documents_name(classic: Classic) -> None:
    for port, path in ((8768, "/"), (8766, "/"), (3003, "/ws")):
        async with classic.ws(port, path) as client:
            assert (await told(client, "connection_status"))["status"] == "connected"
            assert len((await told(client, "state_update"))["data"]["channels"]) == 5
            assert {"sender", "receiver", "amount"} <= set((await told(client, "transaction"))["data"])
            await client.send(json.dumps({"type": "heartbeat"}))
            await told(client, "heartbeat_response")
            await client.send(json.dumps({"type": "connection_test"}))
            await told(client, "connection_test_response")
            await client.send("{broken")
            assert "JSON" in (await told(client, "error"))["message"]


@pytest.mark.asyncio
async def test_a_suggestion_over_the_socket_moves_money_only_with_the_token(classic: Classic) -> None:
    wish = {
        "type": "rebalance_suggestion",
        "suggestion": {"from_node": "lnd-alice", "to_node": "lnd-bob", "amount": 50_000, "confidence": 0.9},
    }
    async with classic.ws(8768) as client:
        await client.send(json.dumps(wish))
        assert (await told(client, "error"))["error"]["code"] == "unauthorised"
        await client.send(json.dumps({"type": "request_suggestions"}))
        answer = await told(client, "rebalance_suggestions")
        assert answer["suggestions"] == []
        assert answer["reason"]
        await client.send(json.dumps({**wish, "token": classic.running.token}))
        assert (await told(client, "rebalance_result"))["data"]["from_node"] == "lnd-alice"
        await client.send(json.dumps({"type": "rebalance_suggestion", "token": classic.running.token}))
        assert (await told(client, "error"))["error"]["code"] == "malformed"


@pytest.mark.promise("A0.21")
@pytest.mark.asyncio
async def test_the_suggestions_service_says_what_is_missing_and_then_what_to_do(classic: Classic) -> None:
    async with classic.ws(8767) as client:
        first = await told(client, "suggestions")
        assert (first["count"], first["suggestions"]) == (0, [])
        assert first["reason"] == "the learner is off"
        classic.predict()
        await asyncio.sleep(0.05)
        await client.send(json.dumps({"type": "get_suggestions"}))
        found = await told(client, "suggestions")
        assert found["count"] == 14
        assert {"channel_id", "current_ratio", "optimal_ratio", "adjustment_needed", "significant"} <= set(
            found["suggestions"][0]
        )


@pytest.mark.asyncio
async def test_several_clients_hear_the_same_event_stream(classic: Classic) -> None:
    async with httpx.AsyncClient(base_url=classic.url(5000), timeout=PATIENCE_S) as http:

        async def lines(topic: str, count: int) -> list[dict[str, Any]]:
            heard: list[dict[str, Any]] = []
            async with http.stream("GET", f"/api/events/{topic}") as response:
                assert response.headers["content-type"].startswith("text/event-stream")
                async for line in response.aiter_lines():
                    if line.startswith("data: "):
                        heard.append(json.loads(line[6:]))
                    if len(heard) == count:
                        return heard
            return heard

        async with asyncio.timeout(PATIENCE_S):
            one, two = await asyncio.gather(lines("transactions", 5), lines("transactions", 5))
            # One may have begun to listen a payment later than the other.
            first, second = ({news["data"]["payment_id"] for news in heard[1:]} for heard in (one, two))
            assert len(first) == len(second) == 4
            assert first & second
            assert (await lines("learning", 1))[0]["data"]["phase"] == "off"
        assert (await http.get("/api/events/weather")).status_code == 404


@pytest.mark.asyncio
async def test_a_taken_port_is_named_with_the_option_that_turns_it_off(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = dataclasses.replace(CLASSIC_SERVICES[1], port=free_port())
    monkeypatch.setattr(runtime, "CLASSIC_SERVICES", (service,))
    with (
        serving.bound_socket("127.0.0.1", service.port, "--port"),
        pytest.raises(LensError, match=rf"port {service.port} .*--no-classic-ports"),
    ):
        async with start(classic_ports=True):
            pass
