"""`lens run` over real LND; on regtest, on loopback."""

import asyncio
from pathlib import Path

import httpx
import pytest
from tests.contract.test_real_lnd import RealTriangle, triangle
from tests.harness.real_lnd import free_port
from tests.support.node_contract import AMOUNT_MSAT, eventually

from lightninglens.app.node.service import NodeService, NodeServiceOptions
from lightninglens.app.node.sources import LndSource

__all__ = ["triangle"]

pytestmark = [pytest.mark.real_lnd, pytest.mark.asyncio(loop_scope="module")]


async def test_the_service_records_it_and_shows_what_it_earns(triangle: RealTriangle, tmp_path: Path) -> None:
    node, port = triangle.network["bob"], free_port()
    source = LndSource(node.options(allow_broad_macaroon=False))
    service = NodeService(NodeServiceOptions(data_dir=tmp_path, port=port, dashboard=False), source)
    task = asyncio.create_task(service.run())
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=20) as http:
        watched = await asyncio.wait_for(service.state.wait_until_watched(), 60)
        await asyncio.sleep(1)  # until the events are listened to
        await triangle.forward(AMOUNT_MSAT)

        async def settled() -> bool:
            return bool((await http.get("/recording")).json()["settled"])

        await eventually(settled)
        assert watched.recording.costs is not None
        await watched.recording.costs.read()
        assert watched.recording.costs.problem == ""
        profit = (await http.get("/profit", params={"days": 1})).json()
        health = (await http.get("/health")).json()
        forwards = (await http.get("/payments")).json()["payments"]
    (opened,) = watched.store.costs.on_chain(since_ns=0, until_ns=2**62)  # a block may be dated later than now
    service.stop()
    await task
    assert (health["mode"], health["status"]) == ("live", "ok")
    assert forwards[0]["outcome"] == "SUCCEEDED"
    assert forwards[0]["fee_msat"] > 0
    assert profit["node"]["forwards_out"] >= 1
    assert profit["node"]["fee_earned_msat"] >= forwards[0]["fee_msat"]
    assert opened.fee_msat is not None
    assert opened.fee_msat > 0
