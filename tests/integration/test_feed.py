import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

ALICE_TO_BOB = {"from_node": "lnd-alice", "to_node": "lnd-bob", "amount": 200_000, "confidence": 0.85}


def suggest(**values: object) -> str:
    return json.dumps({"type": "rebalance_suggestion", "suggestion": {**ALICE_TO_BOB, **values}})


async def answer(client: ClientConnection) -> dict[str, Any]:
    """Return the next message that is not news for everybody."""
    async with asyncio.timeout(20):
        while True:
            message: dict[str, Any] = json.loads(await client.recv())
            if message["type"] not in {"transaction", "channel_update"}:
                return message


async def assert_silent(client: ClientConnection) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            raise AssertionError(await client.recv())


@pytest.mark.asyncio
async def test_nonsense_gets_an_error_and_nobody_else_hears_of_it(service: Any) -> None:
    nonsense: list[tuple[str | bytes, str]] = [
        ("", "malformed"),
        ("no json", "malformed"),
        ("[1]", "malformed"),
        ("null", "malformed"),
        ("{}", "malformed"),
        ('{"type": 7}', "malformed"),
        ('{"type": "sell_everything"}', "unknown_type"),
        (b"\x00\xff", "malformed"),
        ("[" * 60_000, "malformed"),
        ('{"type":"rebalance_suggestion"}', "malformed"),
        ('{"type":"rebalance_suggestion","suggestion":[]}', "malformed"),
        ('{"type":"suggestions"}', "malformed"),
        (json.dumps({"type": "suggestions", "suggestions": [ALICE_TO_BOB] * 11}), "malformed"),
        (suggest(from_node="lnd-zoe"), "unknown_node"),
        (suggest(to_node={"$ne": None}), "malformed"),
        (suggest(from_node="lnd-alice", to_node="lnd-dave"), "no_such_channel"),
        (suggest(amount=-1), "bad_amount"),
        (suggest(amount=0), "bad_amount"),
        (suggest(amount=1e300), "bad_amount"),
        (suggest(amount=10**30), "bad_amount"),
        (suggest(amount="1000"), "bad_amount"),
        (suggest(amount=True), "bad_amount"),
        (suggest(amount=1000.5), "bad_amount"),
        (suggest(amount=None), "bad_amount"),
        (suggest(confidence=2), "bad_confidence"),
        ('{"type":"rebalance_suggestion","suggestion":{"amount":NaN}}', "malformed"),
    ]
    async with service.feed() as witness, service.feed() as client:
        for text, code in nonsense:
            await client.send(text)
            message = await answer(client)
            assert message["type"] == "error", (text[:80], message)
            assert message["error"]["code"] == code, (text[:80], message)
            assert message["error"]["reason"]
        await assert_silent(witness)


@pytest.mark.asyncio
async def test_a_frame_of_a_megabyte_ends_its_connection_only(service: Any) -> None:
    async with service.feed() as witness, service.feed() as client:
        await client.send("x" * 1_000_000)
        with pytest.raises(ConnectionClosed) as closed:
            await answer(client)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
        await assert_silent(witness)
        await witness.send('{"type":"register","client":"x"}')
        assert (await answer(witness))["type"] == "registered"


@pytest.mark.asyncio
@pytest.mark.promise("A1.5")
async def test_the_outcome_is_told_to_all_with_what_it_moved_and_cost(service: Any) -> None:
    async with service.feed() as witness, service.feed() as client:
        # The source documents' server takes the suggestion under `data` too.
        await client.send(json.dumps({"type": "rebalance_suggestion", "data": ALICE_TO_BOB}))
        for listener in (client, witness):
            result = (await answer(listener))["data"]
            assert result["accepted"] is True
            assert result["executed"] is True
            assert result["moved"] == 200_000
            assert 0 < result["fee_msat"] <= 5_000
            assert (result["from_node"], result["to_node"], result["author"]) == ("lnd-alice", "lnd-bob", "feed")


@pytest.mark.asyncio
async def test_a_refusal_is_told_with_its_reason_to_who_asked(service: Any) -> None:
    async with service.feed() as witness, service.feed() as client:
        for text, code in (
            (suggest(confidence=0.49), "low_confidence"),
            (
                json.dumps({"type": "suggestions", "suggestions": [{**ALICE_TO_BOB, "confidence": None}]}),
                "low_confidence",
            ),
            (suggest(amount=990_000), "no_inbound"),
            (suggest(amount=980_000), "no_outbound"),
            (suggest(from_node="lnd-carol", to_node="lnd-bob", amount=1_000), "no_outbound"),
        ):
            await client.send(text)
            message = await answer(client)
            assert message["type"] == "rebalance_result"
            assert message["data"]["refusal"] == code, message
            assert message["data"]["accepted"] is False
            assert message["data"]["moved"] == 0
            assert message["data"]["reason"]
        await assert_silent(witness)


@pytest.mark.asyncio
async def test_the_budget_bounds_what_suggestions_may_cost(start: Any) -> None:
    async with start(budget_sat_per_day=1_004) as running, running.feed() as client:
        await client.send(suggest())  # its fee might reach 1,005 sat
        assert (await answer(client))["data"]["refusal"] == "over_budget"
        await client.send(suggest(amount=100_000))
        assert (await answer(client))["data"]["executed"] is True


@pytest.mark.asyncio
async def test_the_kill_switch_stops_everything(service: Any) -> None:
    (service.options.data_dir / "stop-rebalancing").touch()
    async with service.feed() as client:
        await client.send(suggest())
        result = (await answer(client))["data"]
        assert result["refusal"] == "stopped"
        assert "stop-rebalancing" in result["reason"]


@pytest.mark.asyncio
async def test_one_channel_takes_part_in_one_rebalance_at_a_time(start: Any) -> None:
    async with start(lab={"speed": 5.0}) as running, running.feed() as client:
        await client.send(suggest(amount=20_000))
        await client.send(suggest(amount=20_000))
        results = [(await answer(client))["data"] for _ in range(2)]
        assert [result["refusal"] for result in results] == ["busy", None]


@pytest.mark.asyncio
@pytest.mark.promise("A1.4")
async def test_suggestions_on_request_are_the_baselines_and_can_be_sent_back(service: Any) -> None:
    async with service.feed() as client:
        await client.send('{"type":"request_suggestions"}')
        message = await answer(client)
        assert message["type"] == "rebalance_suggestions"
        assert message["confidence_basis"]["finished"] == 0
        first = message["suggestions"][0]
        assert (first["from_node"], first["amount"], first["confidence"]) == ("lnd-alice", 300_000, 0.5)
        await client.send(json.dumps({"type": "rebalance_suggestion", "suggestion": first}))
        assert (await answer(client))["data"]["executed"] is True


@pytest.mark.asyncio
async def test_an_empty_list_comes_with_its_reason(start: Any) -> None:
    async with start(world={"opening": "balanced", "capacity_sat": 20_000}) as running, running.feed() as client:
        await client.send('{"type":"request_suggestions"}')
        message = await answer(client)
        assert message["suggestions"] == []
        assert "within 10,000 sat" in message["reason"]


@pytest.mark.asyncio
async def test_a_client_that_reads_nothing_is_dropped_and_others_go_on(start: Any) -> None:
    """With a small send buffer, so that the kernel does not hide the slowness."""
    feed = {"queue_limit": 8, "stuck_s": 0.5, "send_buffer_bytes": 4096}
    async with start(traffic=True, lab={"speed": 2_000.0}, feed=feed) as running, running.feed() as witness:
        assert running.options.feed is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", running.options.feed.port, limit=1024)
        writer.write(
            f"GET / HTTP/1.1\r\nHost: localhost:{running.options.feed.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        async with asyncio.timeout(20):
            assert b"101" in await reader.readline()
            while running.service.state.feed_clients() < 2:
                await witness.recv()
            while running.service.state.feed_clients() == 2:
                await witness.recv()  # the witness goes on hearing all the while
        assert running.service.feed is not None
        assert running.service.feed.clients_dropped == 1
        writer.close()
        assert json.loads(await witness.recv())


@pytest.mark.asyncio
async def test_a_flood_is_read_slowly_and_disturbs_nobody(start: Any) -> None:
    async with start(feed={"messages_per_s": 20.0}) as running, running.feed() as client, running.feed() as witness:
        for _ in range(40):
            await client.send("nonsense")
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for _ in range(40):
            assert (await answer(client))["type"] == "error"
        assert loop.time() - began_s > 0.7  # 20 at once, the other 20 within a second
        await witness.send('{"type":"register"}')
        assert (await answer(witness))["type"] == "registered"


@pytest.mark.asyncio
async def test_no_more_clients_than_allowed(start: Any) -> None:
    async with start(feed={"max_clients": 1}) as running, running.feed() as client:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{running.options.feed.port}")
        assert refused.value.response.status_code == 503
        await client.send('{"type":"register"}')
        assert (await answer(client))["type"] == "registered"


@pytest.mark.asyncio
async def test_pages_of_other_origins_and_rebound_names_are_refused(service: Any) -> None:
    feed_port, page_port = service.options.feed.port, service.options.port
    address = f"ws://127.0.0.1:{feed_port}"
    for origin in (
        "https://evil.example",
        f"http://localhost:{page_port}.evil.example",
        f"http://evil-localhost:{page_port}",
        f"http://localhost:{page_port + 1}",
        f"http://LOCALHOST:{page_port}",
        f"https://localhost:{page_port}",
        "http://localhost",
        "null",
        "",
    ):
        with pytest.raises(InvalidStatus) as refused:
            await connect(address, additional_headers={"Origin": origin})
        assert refused.value.response.status_code == 403, origin
    with pytest.raises(InvalidStatus):
        await connect(f"ws://rebound.example:{feed_port}", host="127.0.0.1", port=feed_port)
    for host in ("localhost", "127.0.0.1", "[::1]"):
        async with connect(address, additional_headers={"Origin": f"http://{host}:{page_port}"}):
            pass


@pytest.mark.asyncio
async def test_clients_are_told_when_the_lab_ends(start: Any) -> None:
    async with start() as running, running.feed() as client:
        running.service.stop()
        with pytest.raises(ConnectionClosed) as closed:
            await answer(client)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        assert closed.value.rcvd.reason == "the lab has ended"
