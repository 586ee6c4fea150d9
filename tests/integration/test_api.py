import json
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest

from lightninglens.app.api.security import SECURITY_HEADERS, Token
from lightninglens.app.api.static import load_bundle
from lightninglens.core.errors import ConfigError

ORDER = {"from_node": "lnd-alice", "to_node": "lnd-bob", "amount_sat": 100_000}
READS = ("/api/v1/health", "/api/v1/network", "/api/v1/channels", "/api/v1/payments", "/api/v1/stats", "/metrics")


def assert_problem(response: httpx.Response, status: int) -> dict[str, str]:
    assert response.status_code == status, response.text
    error: dict[str, str] = response.json()["error"]
    assert set(error) == {"what", "where", "what_to_do"}
    assert all(error.values())
    return error


@pytest.mark.asyncio
async def test_what_only_reads_needs_no_token_and_carries_the_security_headers(service: Any) -> None:
    async with service.http() as http:
        for path in (*READS, "/api/v1/openapi.json", "/"):
            response = await http.get(path)
            assert response.status_code in {200, 503 if path == "/" else 200}, path
            for name, value in SECURITY_HEADERS:
                assert response.headers[name.decode()] == value.decode()
            assert "server" not in response.headers


@pytest.mark.asyncio
async def test_the_network_is_the_lab_as_built(service: Any) -> None:
    async with service.http() as http:
        network = (await http.get("/api/v1/network")).json()
        stats = (await http.get("/api/v1/stats")).json()
        health = (await http.get("/api/v1/health")).json()
        alices = (await http.get("/api/v1/channels", params={"node": "lnd-alice"})).json()
        assert_problem(await http.get("/api/v1/channels", params={"node": "zoe"}), 404)
        metrics = (await http.get("/metrics")).text
    assert (network["name"], network["mode"]) == ("lab", "simulated")
    assert len(network["nodes"]) == 5
    assert len(network["channels"]) == 7
    assert len(alices) == 3
    for channel in network["channels"]:
        shown = channel["node1_local_msat"] + channel["node2_local_msat"]
        assert shown == (channel["capacity_sat"] - channel["commit_fee_sat"] - 660) * 1000
    assert stats["success_rate"] is None
    assert health["status"] == "ok"
    assert 'lens_payments_total{result="succeeded"} 0.0' in metrics


@pytest.mark.asyncio
async def test_the_token_is_needed_for_what_changes_something(service: Any) -> None:
    token = service.token
    assert len(token) == 43  # 256 bit in base64
    assert stat.S_IMODE(service.service.token_path.stat().st_mode) == 0o600
    async with service.http() as http:
        for path, body in (("/api/v1/rebalances", ORDER), ("/api/v1/baseline", {})):
            for headers in (
                {},
                {"Authorization": ""},
                {"Authorization": "Bearer"},
                {"Authorization": f"Bearer {token[:-1]}"},
                {"Authorization": f"Bearer {token}x"},
                {"Authorization": f"Basic {token}"},
                {"Authorization": token},
                {"Cookie": f"token={token}"},
            ):
                refused = await http.post(path, json=body, headers=headers)
                assert_problem(refused, 401)
                assert refused.headers["www-authenticate"] == "Bearer"
            form = {"Content-Type": "text/plain", **service.authorised}
            assert_problem(await http.post(path, content=json.dumps(body), headers=form), 415)
            assert_problem(await http.get(path, headers=service.authorised), 405)
        assert (await http.get("/api/v1/stats")).json()["rebalances"] == 0


@pytest.mark.asyncio
async def test_an_order_is_carried_out(service: Any) -> None:
    async with service.http(headers=service.authorised) as http:
        report = (await http.post("/api/v1/rebalances", json=ORDER)).json()
        (change,) = report["changes"]
        assert (change["executed"], change["moved_msat"], change["author"]) == (True, 100_000_000, "operator")
        stats = (await http.get("/api/v1/stats")).json()
        assert (stats["rebalances"], stats["rebalanced_msat"]) == (1, 100_000_000)
        assert stats["rebalance_cost_msat"] == change["fee_msat"] > 0
        payments = (await http.get("/api/v1/payments")).json()["payments"]
        assert [payment["kind"] for payment in payments] == ["rebalance"]
        assert len(payments[0]["route_node_ids"]) == len(payments[0]["route_channel_ids"]) + 1
        assert payments[0]["route_node_ids"][0] == payments[0]["route_node_ids"][-1]


@pytest.mark.asyncio
@pytest.mark.promise("A1.13")
async def test_the_baseline_runs_on_demand_in_circles(service: Any) -> None:
    async with service.http(headers=service.authorised) as http:
        before = (await http.get("/api/v1/network")).json()["channels"]
        report = (await http.post("/api/v1/baseline", json={})).json()
        after = (await http.get("/api/v1/network")).json()["channels"]
    moved = [change for change in report["changes"] if change["executed"]]
    assert moved
    fees_msat = sum(change["fee_msat"] for change in moved)
    gained = {node: total(after, node) - total(before, node) for node in {channel["node1_id"] for channel in before}}
    # Nobody gave anything away: all that changed hands is the fees.
    assert all(abs(change_msat) <= fees_msat for change_msat in gained.values())
    assert report["reason"]


def total(channels: list[dict[str, Any]], node: str) -> int:
    return sum(
        channel[f"node{side}_local_msat"]
        for channel in channels
        for side in (1, 2)
        if channel[f"node{side}_id"] == node
    )


@pytest.mark.asyncio
async def test_bad_orders_are_problems_not_failures(service: Any) -> None:
    async with service.http(headers=service.authorised) as http:
        for values in (
            {"amount_sat": 0},
            {"amount_sat": -1},
            {"amount_sat": 1.5},
            {"amount_sat": "1"},
            {"amount_sat": True},
            {"amount_sat": 10**30},
            {"from_node": ""},
            {"from_node": "lnd-zoe"},
            {"to_node": "lnd-dave"},
            {"more": 1},
        ):
            assert_problem(await http.post("/api/v1/rebalances", json={**ORDER, **values}), 422)
        assert_problem(await http.post("/api/v1/rebalances", json={**ORDER, "amount_sat": 995_000}), 409)
        as_json = {"Content-Type": "application/json"}
        for content in ("", "{", "NaN", "[" * 50_000):
            response = await http.post("/api/v1/rebalances", content=content, headers=as_json)
            assert_problem(response, 400 if content.startswith("[[") else 422)
        assert_problem(await http.post("/api/v1/rebalances", content=b" " * 65_537, headers=as_json), 413)

        async def endless() -> Any:
            for _ in range(100):
                yield b" " * 1_000

        assert_problem(await http.post("/api/v1/rebalances", content=endless(), headers=as_json), 413)


@pytest.mark.asyncio
async def test_foreign_hosts_and_origins_are_refused(service: Any) -> None:
    port = service.options.port
    async with service.http() as http:
        for host in (
            "evil.example",
            f"evil.example:{port}",
            f"localhost.evil.example:{port}",
            f"evil-localhost:{port}",
            "localhost",
            f"localhost:{port + 1}",
            f"LOCALHOST:{port}",
            f"127.0.0.1.:{port}",
            f"0.0.0.0:{port}",
            f"[::1%lo]:{port}",
            "",
        ):
            for path in READS:
                assert_problem(await http.get(path, headers={"Host": host}), 403)
        for origin in (
            "https://evil.example",
            f"http://localhost:{port}.evil.example",
            f"http://127.0.0.1:{port}0",
            f"https://127.0.0.1:{port}",
            f"HTTP://127.0.0.1:{port}",
            "http://127.0.0.1",
            "null",
            "",
        ):
            assert_problem(await http.get("/api/v1/stats", headers={"Origin": origin}), 403)
            headers = {"Origin": origin, **service.authorised}
            assert_problem(await http.post("/api/v1/baseline", json={}, headers=headers), 403)
        for name in ("localhost", "127.0.0.1", "[::1]"):
            headers = {"Host": f"{name}:{port}", "Origin": f"http://{name}:{port}"}
            assert (await http.get("/api/v1/stats", headers=headers)).status_code == 200


@pytest.mark.asyncio
async def test_nothing_but_the_list_of_files_is_served(service: Any) -> None:
    async with service.http() as http:
        for path in ("/../pyproject.toml", "/%2e%2e/%2e%2e/etc/passwd", "/static/../token", "/token", "//etc/passwd"):
            assert_problem(await http.get(path), 404)


def test_the_bundle_is_a_list_of_its_files(tmp_path: Path) -> None:
    assert load_bundle(tmp_path) == {}
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "assets" / "app-1a2b.js").write_text("1")
    (tmp_path / ".stamp").write_text("secret")
    bundle = load_bundle(tmp_path)
    assert set(bundle) == {"index.html", "assets/app-1a2b.js"}
    assert bundle["index.html"].cache_control == "no-cache"
    assert "immutable" in bundle["assets/app-1a2b.js"].cache_control
    assert bundle["assets/app-1a2b.js"].media_type == "text/javascript"


@pytest.mark.asyncio
@pytest.mark.promise("A0.49")
async def test_payments_can_be_paged_and_searched(start: Any) -> None:
    async with start(traffic=True, lab={"speed": 2_000.0}) as running, running.http() as http:
        while (await http.get("/api/v1/stats")).json()["payments"] < 30:
            pass
        first = (await http.get("/api/v1/payments", params={"limit": 10})).json()
        second = (await http.get("/api/v1/payments", params={"limit": 10, "before": first["next_before"]})).json()
        ids = [payment["payment_id"] for payment in first["payments"] + second["payments"]]
        assert len(set(ids)) == 20
        found = (await http.get("/api/v1/payments", params={"search": "COFFEE", "limit": 500})).json()["payments"]
        assert all(payment["description"] == "Coffee purchase" for payment in found)
        for outcome in ("succeeded", "failed", "NO_ROUTE"):
            page = (await http.get("/api/v1/payments", params={"outcome": outcome, "limit": 500})).json()
            assert all(payment["succeeded"] == (outcome == "succeeded") for payment in page["payments"])
        assert_problem(await http.get("/api/v1/payments", params={"limit": 0}), 422)
        channel = found[0]["route_channel_ids"][0]
        rest: dict[str, Any] = {"channel": channel, "kind": "payment", "limit": 500}
        page = (await http.get("/api/v1/transactions", params=rest)).json()
        assert page["total"] >= len(page["payments"]) > 0
        tried = [
            {one for each in payment["attempt_log"] for one in each["route_channel_ids"]}
            for payment in page["payments"]
        ]
        assert all(channel in channels for channels in tried)
        ended_ms = [payment["started_ms"] + payment["duration_ms"] for payment in page["payments"]]
        assert ended_ms == sorted(ended_ms, reverse=True)
        span = {"since_ms": ended_ms[-1], "until_ms": ended_ms[-1], **rest}
        assert len((await http.get("/api/v1/transactions", params=span)).json()["payments"]) >= 1


def test_a_token_file_that_others_may_read_or_that_is_empty_is_refused(tmp_path: Path) -> None:
    made = Token(tmp_path / "token")
    assert made.fits(f"Bearer {(tmp_path / 'token').read_text().strip()}")
    assert not made.fits(None)
    assert not made.fits("Bearer \udcff")
    (tmp_path / "open").write_text("x" * 40)
    with pytest.raises(ConfigError, match="others may read"):
        Token(tmp_path / "open")
    (tmp_path / "empty").touch(mode=0o600)
    with pytest.raises(ConfigError, match="empty"):
        Token(tmp_path / "empty")
