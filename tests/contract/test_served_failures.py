"""What a simulated node emits through our LND server for each failure, beside what real LND was recorded to emit."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.support.lnd import ALICE, BOB, CAROL, Served, serving_lab
from tests.support.provoked import Stage, provoke

from lightninglens.core.units import NS_PER_HOUR
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.contract.methods import UnaryUnary
from lightninglens.nodes.lnd.contract.services import Lightning, Router
from lightninglens.sim.engine import Engine

_FILE = Path(__file__).parents[1] / "fixtures/lnd/real_failures.json"
RECORDED: dict[str, Any] = json.loads(_FILE.read_text())["situations"]
NAMES = {"alice": ALICE, "bob": BOB, "carol": CAROL}


class ServedStage(Stage):
    """Simulated nodes behind our server."""

    too_much_msat = 400_000_000
    quiet_s = 0.1

    def __init__(self, served: Served, channels: dict[str, int], height: int) -> None:
        super().__init__({name: served.node(ours).node_id for name, ours in NAMES.items()}, channels, height)
        self._served = served

    async def call(self, name: str, method: UnaryUnary[Any, Any], request: Any) -> Any:
        return await self._served.on(NAMES[name], method, request)

    async def listen(self, name: str) -> None:
        async for event in self._served.on(NAMES[name], Router.SubscribeHtlcEvents):
            self.events[name] += [event] if event.WhichOneof("event") != "subscribed_event" else []

    async def set_policy(self, name: str, peer: str, **changed: int) -> None:
        channel = await self._served.edge(NAMES[name], NAMES[peer])
        edge = await self.call(name, Lightning.GetChanInfo, lnrpc.ChanInfoRequest(chan_id=channel.chan_id))
        before = edge.node1_policy if edge.node1_pub == self.node_ids[name] else edge.node2_policy
        given = {
            "base_fee_msat": before.fee_base_msat,
            "fee_rate_ppm": before.fee_rate_milli_msat,
            "time_lock_delta_blocks": before.time_lock_delta,
            "min_htlc_msat": before.min_htlc,
            "max_htlc_msat": before.max_htlc_msat,
        } | changed
        funding, _, output = channel.channel_point.partition(":")
        request = lnrpc.PolicyUpdateRequest(
            chan_point=lnrpc.ChannelPoint(funding_txid_str=funding, output_index=int(output)),
            base_fee_msat=given["base_fee_msat"],
            fee_rate_ppm=given["fee_rate_ppm"],
            time_lock_delta=given["time_lock_delta_blocks"],
            min_htlc_msat=given["min_htlc_msat"],
            min_htlc_msat_specified=True,
            max_htlc_msat=given["max_htlc_msat"],
        )
        assert not (await self.call(name, Lightning.UpdateChannelPolicy, request)).failed_updates

    async def empty(self, name: str, peer: str) -> None:
        row = self._served.network.channels.row(self.channels[f"{name}-{peer}"])

        def move(engine: Engine) -> None:
            (own,) = [d for d in engine.directions_of(self._served.node(NAMES[name]).row) if d // 2 == row]
            engine.move_liquidity(own, int(engine.balances_msat()[own]) - self.too_much_msat // 2)

        await self._served.network.act(move)

    async def leave(self, name: str) -> None:
        node = self._served.node(NAMES[name]).row
        await self._served.network.act(lambda engine: engine.take_offline(node, engine.now_ns + 1_000 * NS_PER_HOUR))


async def channel_ids(served: Served) -> dict[str, int]:
    found = {}
    for name, ours in NAMES.items():
        for peer, theirs in NAMES.items():
            if name != peer:
                with contextlib.suppress(StopIteration, RuntimeError):
                    found[f"{name}-{peer}"] = int((await served.edge(ours, theirs)).chan_id)
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def told(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Any]]:
    """What happened in each situation."""
    async with serving_lab(tmp_path_factory.mktemp("failures"), in_real_time=True) as served:
        info = await served.on(ALICE, Lightning.GetInfo)
        stage = ServedStage(served, await channel_ids(served), info.block_height)
        listening = [asyncio.create_task(stage.listen(name)) for name in NAMES]
        await asyncio.sleep(0.2)
        yield await provoke(stage)
        for task in listening:
            task.cancel()


@pytest.mark.asyncio(loop_scope="module")
class TestFailures:
    @pytest.mark.parametrize("situation", sorted(RECORDED))
    async def test_a_simulated_node_emits_what_real_lnd_emitted(self, told: dict[str, Any], situation: str) -> None:
        assert told[situation] == RECORDED[situation]

    async def test_every_situation_that_was_provoked_was_recorded_of_real_lnd(self, told: dict[str, Any]) -> None:
        assert set(told) == set(RECORDED)
