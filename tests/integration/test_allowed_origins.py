"""Pages that another web server serves."""

from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

ELSEWHERE = Origin("https://lens.example")
OTHER = Origin("https://other.example")
PREFLIGHT = {
    "Origin": ELSEWHERE,
    "Access-Control-Request-Method": "PATCH",
    "Access-Control-Request-Headers": "authorization,content-type",
    "Access-Control-Request-Private-Network": "true",
}


@pytest.mark.asyncio
async def test_an_allowed_page_reads_and_writes_with_the_token(start: Any) -> None:
    async with start(allowed_origins=(ELSEWHERE,)) as running, running.http() as http:
        read = await http.get("/api/v1/stats", headers={"Origin": ELSEWHERE})
        assert read.status_code == 200
        assert read.headers["access-control-allow-origin"] == ELSEWHERE
        assert "Origin" in read.headers["vary"]

        asked = await http.options("/api/v1/settings", headers=PREFLIGHT)
        assert asked.is_success
        assert "PATCH" in asked.headers["access-control-allow-methods"]
        assert "authorization" in asked.headers["access-control-allow-headers"].lower()
        assert asked.headers["access-control-allow-private-network"] == "true"

        body: dict[str, Any] = {"paused": True}
        refused = await http.patch("/api/v1/settings", headers={"Origin": ELSEWHERE}, json=body)
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == ELSEWHERE
        headers = {"Origin": ELSEWHERE, **running.authorised}
        assert (await http.patch("/api/v1/settings", headers=headers, json=body)).json()["paused"] is True


@pytest.mark.asyncio
async def test_an_allowed_page_hears_the_live_stream(start: Any) -> None:
    async with start(allowed_origins=(ELSEWHERE,)) as running:
        url = f"ws://127.0.0.1:{running.options.port}/ws"
        async with connect(url, origin=ELSEWHERE, max_size=None) as stream:
            assert '"hello"' in str(await stream.recv())
        with pytest.raises(InvalidStatus):
            async with connect(url, origin=OTHER):
                pass


@pytest.mark.asyncio
async def test_no_other_page_is_answered(start: Any) -> None:
    async with start(allowed_origins=(ELSEWHERE,)) as running, running.http() as http:
        for origin in (OTHER, f"{ELSEWHERE}.evil.example", "http://lens.example", "null"):
            for response in (
                await http.get("/api/v1/stats", headers={"Origin": origin}),
                await http.options("/api/v1/settings", headers={**PREFLIGHT, "Origin": origin}),
            ):
                assert response.status_code == 403
                assert "access-control-allow-origin" not in response.headers


@pytest.mark.asyncio
async def test_without_the_setting_there_is_no_other_origin(service: Any) -> None:
    async with service.http() as http:
        assert (await http.get("/api/v1/stats", headers={"Origin": ELSEWHERE})).status_code == 403
        own = await http.get("/api/v1/stats", headers={"Origin": f"http://127.0.0.1:{service.options.port}"})
        assert own.status_code == 200
        assert "access-control-allow-origin" not in own.headers
