"""lnd-manageJ: amounts as strings, the documented port and then its own, and never a path that sends money."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lightninglens.core.errors import ConfigError, DataError, NodeRefused, NodeUnavailable
from lightninglens.core.ids import ChannelId, derive_node_id
from lightninglens.nodes.lnd.client import LndManageClient, managej

pytestmark = pytest.mark.asyncio
CHANNEL = ChannelId.of(712_345, 123, 1)
PEER = derive_node_id(1, "peer")
POLICY = {
    "feeRatePpm": 100,
    "baseFeeMilliSat": "0",
    "inboundFeeRatePpm": -5,
    "inboundBaseFeeMilliSat": "0",
    "enabled": True,
    "timeLockDelta": 40,
    "minHtlcMilliSat": "1",
    "maxHtlcMilliSat": "9007199254740993000",
}
DETAILS: dict[str, Any] = {
    "remotePubkey": PEER,
    "remoteAlias": "peer\x1b",
    "capacitySat": "1000000",
    "balance": {
        "localBalanceSat": "600000",
        "localAvailableSat": "590000",
        "remoteBalanceSat": "400000",
        "remoteAvailableSat": "390000",
    },
    "policies": {"local": POLICY, "remote": POLICY | {"enabled": False}},
    "feeReport": {"earnedMilliSat": "1234567", "sourcedMilliSat": "0"},
    "rating": {"rating": -1, "message": "Unable to compute rating", "descriptions": {}},
    "warnings": ["No flow in the past 30 days"],
}
ANSWERS: dict[str, Any] = {
    "/api/status/synced-to-chain": True,
    "/api/status/block-height": 900_000,
    "/api/status/open-channels": {"channels": ["712345x123x1"]},
    f"/api/channel/{CHANNEL}/details": DETAILS,
    f"/api/channel/{CHANNEL}/flow-report/last-days/7": {"forwardedSentMilliSat": "5000", "days": 7},
}


@contextlib.asynccontextmanager
async def manage_j(answers: dict[str, Any]) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        status, data = (200, json.dumps(answers[path]).encode()) if path in answers else (404, b"")
        if path.endswith("/alias"):
            status, data = 200, b"a name"
        writer.write(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n" % (status, len(data)) + data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_channel_is_read_with_its_strings_as_numbers() -> None:
    async with manage_j(ANSWERS) as url, LndManageClient(url) as client:
        assert await client.synced_to_chain()
        assert await client.block_height() == 900_000
        assert await client.open_channels() == (CHANNEL,)
        found = await client.channel(CHANNEL)
        assert await client.flow(CHANNEL, days=7) == {"forwardedSent": 5_000}
        assert await client.alias(PEER) == "a name"
    assert (found.peer_alias, found.capacity_sat, found.rating) == ("peer", 1_000_000, None)
    assert found.balance.local_available_msat == 590_000_000
    assert (found.fees.earned_msat, found.warnings) == (1_234_567, ("No flow in the past 30 days",))
    assert found.local_policy.max_htlc_msat == 9_007_199_254_740_993_000
    assert (found.local_policy.disabled, found.remote_policy.disabled) == (False, True)


async def test_the_documented_port_is_tried_and_then_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    async with manage_j(ANSWERS) as url:
        monkeypatch.setattr(managej, "DOCUMENTED_URL", "http://127.0.0.1:1")
        monkeypatch.setattr(managej, "OWN_DEFAULT_URL", url)
        async with LndManageClient() as client:
            assert await client.block_height() == 900_000
        with pytest.raises(NodeUnavailable, match="cannot be reached"):
            async with LndManageClient("http://127.0.0.1:1"):
                pass


async def test_what_it_does_not_know_is_refused_and_nonsense_is_an_error() -> None:
    broken = ANSWERS | {f"/api/channel/{CHANNEL}/details": {"capacitySat": "1"}, "/api/status/block-height": "high"}
    async with manage_j(broken) as url, LndManageClient(url) as client:
        with pytest.raises(NodeRefused, match="does not know"):
            await client.channel(ChannelId.of(1, 1, 1))
        with pytest.raises(DataError, match="details"):
            await client.channel(CHANNEL)
        with pytest.raises(DataError, match="no number"):
            await client.block_height()


@pytest.mark.parametrize(
    "path",
    [
        "/api/payments/top-up/02/amount/1",
        "/api/payments/pay-payment-request/lnbc1",
        "/api/channel/1x1x1/details/../../payments",
        "/api/channel/1x1x1/close",
        "/",
    ],
)
async def test_a_path_that_is_not_for_reading_is_never_asked_for(path: str) -> None:
    async with manage_j({**ANSWERS, path: {}}) as url, LndManageClient(url) as client:
        with pytest.raises(NodeRefused, match="nothing was sent"):
            await client._json(path)


@pytest.mark.parametrize("url", ["https://localhost:8081", "localhost:8081", "http://x:99999999", "http://x/path"])
async def test_what_is_no_address_is_wrong_usage(url: str) -> None:
    with pytest.raises(ConfigError):
        LndManageClient(url)
