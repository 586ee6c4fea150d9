"""The same node over HTTP, as LND's REST proxy has it."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.support.lnd import ALICE, BOB, Served, serving_lab
from websockets.asyncio.client import connect

from lightninglens.nodes.lnd.contract.services import Lightning

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def rest(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving_lab(tmp_path, rest=True) as served:
        yield served


def trusted(lab: Served, name: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(lab.servers[name].folder / "tls.cert"))


def client(lab: Served, name: str, macaroon: str | None = None) -> httpx.AsyncClient:
    headers = {"Grpc-Metadata-macaroon": lab.macaroon(name) if macaroon is None else macaroon}
    return httpx.AsyncClient(
        base_url=f"https://localhost:{lab.servers[name].rest_port}",
        verify=trusted(lab, name),
        headers=headers,
        timeout=30,
    )


async def test_numbers_names_and_nothings_are_as_the_proxy_prints_them(rest: Served) -> None:
    async with client(rest, ALICE) as http:
        info = (await http.get("/v1/getinfo")).json()
        channels = (await http.get("/v1/channels")).json()["channels"]
        edge = (await http.get(f"/v1/graph/edge/{channels[0]['chan_id']}")).json()
    assert (info["alias"], info["num_active_channels"], info["best_header_timestamp"].isdigit()) == (ALICE, 3, True)
    assert info["uris"] == []
    assert info["features"]["17"] == {"name": "multi-path-payments", "is_required": False, "is_known": True}
    assert channels[0]["capacity"] == "1000000"
    assert channels[0]["commitment_type"] == "ANCHORS"
    assert channels[0]["alias_scids"] == []
    assert edge["auth_proof"] is None
    assert edge["node1_policy"]["fee_base_msat"] == "1000"


async def test_it_says_the_same_as_grpc(rest: Served) -> None:
    async with client(rest, ALICE) as http:
        graph = (await http.get("/v1/graph")).json()
        found = (await http.get(f"/v1/graph/node/{rest.node(BOB).node_id}?include_channels=true")).json()
    described = await rest.on(ALICE, Lightning.DescribeGraph)
    assert [edge["chan_point"] for edge in graph["edges"]] == [edge.chan_point for edge in described.edges]
    assert len(found["channels"]) == 3


async def test_errors_have_code_text_and_status(rest: Served) -> None:
    async with client(rest, ALICE) as http:
        answers = {
            "/v1/graph/edge/5": (404, 5, "edge not found"),
            "/v1/graph/node/02": (500, 2, "invalid vertex string length of 2, want 66"),
            "/v1/nothing": (404, 5, "Not Found"),
            "/v1/getdebuginfo": (501, 12, "unknown method GetDebugInfo for service lnrpc.Lightning"),
            "/v1/graph/edge/x": (400, 3, "type mismatch, parameter: chan_id, error: cannot parse 'x'"),
        }
        for path, (status, code, text) in answers.items():
            response = await http.get(path)
            assert (response.status_code, response.json()) == (
                status,
                {"code": code, "message": text, "details": []},
            )
        assert (await http.delete("/v1/getinfo")).status_code == 501
        wrong = await http.post("/v1/invoices", json={"nothing": 1})
        assert (wrong.status_code, wrong.json()["code"]) == (400, 3)


async def test_macaroons_are_judged_as_over_grpc(rest: Served) -> None:
    async with client(rest, ALICE, rest.macaroon(ALICE, "readonly.macaroon")) as http:
        assert (await http.get("/v1/getinfo")).status_code == 200
        refused = await http.post("/v1/invoices", json={"value": "5"})
        assert (refused.status_code, refused.json()["message"]) == (500, "permission denied")
        without = await http.get("/v1/getinfo", headers={"Grpc-Metadata-macaroon": "zz"})
        assert without.json()["message"] == "encoding/hex: invalid byte: U+007A 'z'"
        assert (await http.get("/v1/state")).json() == {"state": "SERVER_ACTIVE"}


async def test_fees_are_set_over_rest(rest: Served) -> None:
    edge = await rest.edge(ALICE, BOB)
    body = {
        "chan_point": {"funding_txid_str": edge.channel_point.split(":")[0], "output_index": 0},
        "base_fee_msat": "3",
        "fee_rate_ppm": 44,
        "time_lock_delta": 80,
    }
    async with client(rest, ALICE) as http:
        assert (await http.post("/v1/chanpolicy", json=body)).json() == {"failed_updates": []}
        fees = (await http.get("/v1/fees")).json()["channel_fees"]
    assert {one["fee_per_mil"] for one in fees if one["chan_id"] == str(edge.chan_id)} == {"44"}


async def test_an_invoice_is_paid_over_rest(rest: Served) -> None:
    async with client(rest, BOB) as http:
        added = (await http.post("/v1/invoices", json={"value": "1200", "memo": "tea"})).json()
        payment_hash = base64.b64decode(added["r_hash"])
        decoded = (await http.get(f"/v1/payreq/{added['payment_request']}")).json()
        assert decoded["payment_hash"] == payment_hash.hex()
        body = {"payment_request": added["payment_request"], "fee_limit_sat": "10", "timeout_seconds": 10}
        async with client(rest, ALICE) as payer, payer.stream("POST", "/v2/router/send", json=body) as response:
            updates = [json.loads(line)["result"] async for line in response.aiter_lines()]
        assert [updates[0]["status"], updates[-1]["status"]] == ["IN_FLIGHT", "SUCCEEDED"]
        assert updates[-1]["failure_reason"] == "FAILURE_REASON_NONE"
        assert updates[0]["htlcs"] == []
        assert (await http.get(f"/v1/invoice/{payment_hash.hex()}")).json()["state"] == "SETTLED"
        async with client(rest, ALICE) as payer:
            safe = base64.urlsafe_b64encode(payment_hash).decode()
            tracked = await payer.get(f"/v2/router/track/{safe}")
            assert json.loads(tracked.text)["result"]["payment_hash"] == payment_hash.hex()
            unknown = await payer.get(f"/v2/router/track/{base64.urlsafe_b64encode(bytes(32)).decode()}")
            assert unknown.json()["message"] == "payment isn't initiated"


async def test_a_stream_is_a_line_for_each_event(rest: Served) -> None:
    async with client(rest, BOB) as http, http.stream("GET", "/v2/router/htlcevents") as response:
        lines = response.aiter_lines()
        first = json.loads(await anext(lines))
    assert first["result"]["subscribed_event"] == {}
    assert "forward_event" not in first["result"]
    assert first["result"]["event_type"] == "UNKNOWN"


async def websocket(lab: Served, name: str, path: str, first: Any, **options: Any) -> list[dict[str, Any]]:
    url = f"wss://localhost:{lab.servers[name].rest_port}{path}"
    async with connect(url, ssl=trusted(lab, name), **options) as socket:
        await socket.send(json.dumps(first))
        async with asyncio.timeout(20):
            return [json.loads(message) async for message in socket]


async def test_a_websocket_carries_a_request_and_its_answers(rest: Served) -> None:
    headers = {"Grpc-Metadata-Macaroon": rest.macaroon(ALICE)}
    (answer,) = await websocket(rest, ALICE, "/v1/state", {})
    assert answer == {"result": {"state": "SERVER_ACTIVE"}}
    (answer,) = await websocket(rest, ALICE, "/v1/invoices?method=POST", {"value": "7"}, additional_headers=headers)
    assert answer["result"]["add_index"] == "1"
    protocols = [f"Grpc-Metadata-Macaroon+{rest.macaroon(ALICE)}"]
    (answer,) = await websocket(rest, ALICE, "/v1/getinfo", {}, subprotocols=protocols)
    assert answer["result"]["alias"] == ALICE
    (answer,) = await websocket(rest, ALICE, "/v1/getinfo", {})
    assert answer["error"]["message"] == "expected 1 macaroon, got 0"
