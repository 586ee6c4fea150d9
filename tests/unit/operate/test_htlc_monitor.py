"""The documented names, on a node that says what the test says."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.htlcs import START_NS, Htlcs, P, Q, channel

from lightninglens.core.channels import ChannelState
from lightninglens.core.clock import VirtualClock
from lightninglens.core.errors import ConfigError, NodeRefused, NodeUnavailable
from lightninglens.core.forwards import Gap
from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEvent
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.node import NodeInfo
from lightninglens.core.units import Msat
from lightninglens.operate.htlc_monitor import HTLCMonitor, OpportunityAnalyzer

pytestmark = pytest.mark.asyncio
FEE = (FailureCode.FEE_INSUFFICIENT, FailureDetail.NO_DETAIL)
DAY_NS = 86_400 * 10**9


class Node:
    """A node of which only events and channels are asked."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[HtlcEvent | Gap | Exception] = asyncio.Queue()

    @property
    def reader(self) -> Any:
        return self

    async def info(self) -> NodeInfo:
        return NodeInfo(node_id=NodeId("02" + "00" * 32), alias="node", channel_count=2, block_height=100)

    async def channels(self) -> Sequence[ChannelState]:
        return [channel(P), channel(Q, local_msat=Msat(20_000_000), outbound_msat=Msat(10_000_000))]

    async def htlc_events(self) -> AsyncGenerator[HtlcEvent | Gap, None]:
        while True:
            item = await self.items.get()
            if isinstance(item, Exception):
                raise item
            yield item


async def monitored(**options: Any) -> tuple[HTLCMonitor, Node, Htlcs, VirtualClock]:
    node, clock = Node(), VirtualClock(START_NS)
    monitor = HTLCMonitor(node, clock=clock, **options)
    await monitor.start_monitoring()
    return monitor, node, Htlcs(), clock


async def take(monitor: HTLCMonitor, node: Node, *events: HtlcEvent) -> None:
    before = monitor.total_events
    for event in events:
        node.items.put_nowait(event)
    async with asyncio.timeout(5):
        while monitor.total_events < before + len(events):  # noqa: ASYNC110 - a condition, and no event
            await asyncio.sleep(0.001)


@pytest.mark.promise("A2.4")
async def test_the_documented_monitor_counts_and_forgets() -> None:
    monitor, node, htlcs, clock = await monitored(history_hours=24, min_failure_count=3, min_missed_sats=0)
    seen: list[object] = []
    monitor.register_callback(seen.append)
    assert monitor.monitoring_active
    events = []
    for _ in range(4):
        events.append(htlcs.refused(100_000_000, 100_000))
        htlcs.later(200)
    offered = htlcs.offered(1_000_000)
    await take(monitor, node, *events, offered, htlcs.settled(offered))
    clock.advance_to(htlcs.now_ns + 10**12)
    assert len(seen) == 6
    stats = monitor.get_channel_stats(str(Q))
    assert stats is not None
    assert (stats.failed_forwards, stats.successful_forwards) == (4, 1)
    assert monitor.get_channel_stats(ChannelId(7)) is None
    assert [each.channel_id for each in monitor.get_top_missed_opportunities()] == [Q]
    assert [each.channel_id for each in monitor.get_liquidity_constrained_channels()] == [Q]
    assert monitor.get_fee_constrained_channels() == []
    summary = monitor.get_summary_stats()
    assert summary == {
        "monitoring_active": True,
        "total_events": 6,
        "total_failures": 4,
        "liquidity_failures": 4,
        "channels_tracked": 1,
        "total_missed_revenue_sats": 400.0,
        "history_hours": 24,
        "opportunities_found": 1,
    }
    clock.advance_to(clock.now_ns() + 2 * DAY_NS)
    monitor.cleanup_old_data()
    assert monitor.get_summary_stats()["total_failures"] == 0
    await monitor.stop_monitoring()
    assert not monitor.monitoring_active


async def test_the_documented_analyser_finds_exports_and_ranks(tmp_path: Path) -> None:
    monitor, node, htlcs, clock = await monitored(min_failure_count=1, min_missed_sats=0)
    await take(monitor, node, *[htlcs.refused(100_000_000, 100_000) for _ in range(3)])
    clock.advance_to(htlcs.now_ns + 8 * 3_600 * 10**9)
    analyzer = OpportunityAnalyzer(monitor, None, 0, 24)
    (found,) = await analyzer.analyze_opportunities()
    assert await analyzer.get_top_opportunities(5) == [found]
    assert await analyzer.get_liquidity_opportunities() == [found]
    assert await analyzer.get_fee_opportunities() == []
    assert await analyzer.get_capacity_opportunities() == []
    assert found.potential_monthly_revenue_sats is not None
    await analyzer.export_opportunities_json([found], tmp_path / "o.json")
    assert json.loads((tmp_path / "o.json").read_bytes())["total_opportunities"] == 1
    await monitor.stop_monitoring()


async def test_fees_are_named_and_lnd_managej_only_adds() -> None:
    class Manage:
        def __init__(self, problem: NodeUnavailable | None = None) -> None:
            self.problem = problem

        async def flow(self, channel_id: ChannelId, *, days: int | None = None) -> Any:
            if self.problem:
                raise self.problem
            return {"days": days}

    async with HTLCMonitor(grpc_client=Node(), min_failure_count=1, clock=VirtualClock(START_NS)) as monitor:
        node: Any = monitor.reader
        await take(monitor, node, *[Htlcs().refused(1_000_000, 1, FEE)])
        assert [each.channel_id for each in monitor.get_fee_constrained_channels()] == [Q]
        analyzer = OpportunityAnalyzer(htlc_monitor=monitor, lnd_manage_client=Manage(), min_opportunity_sats=0)
        assert [each.new_fee_rate_ppm for each in await analyzer.get_fee_opportunities()] == [700]
        assert (await analyzer.generate_report())["managed"] == {str(Q): {"days": 30}}
        gone = OpportunityAnalyzer(monitor, Manage(NodeUnavailable("away")), 0)
        assert (await gone.generate_report())["managed"] == {"problem": "away"}


async def test_a_monitor_without_a_node_or_with_nonsense_says_so() -> None:
    with pytest.raises(ConfigError, match="needs grpc_client"):
        await HTLCMonitor().start_monitoring()
    assert HTLCMonitor(Node()).observed_hours == 0
    for wrong in ({"history_hours": 0}, {"min_failure_count": 0}, {"min_missed_sats": -1}):
        with pytest.raises(ConfigError):
            HTLCMonitor(Node(), **wrong)  # type: ignore[arg-type]


async def test_stopping_tells_what_had_ended_it() -> None:
    monitor, node, _, _ = await monitored()
    node.items.put_nowait(NodeRefused("no"))
    async with asyncio.timeout(5):
        while monitor.monitoring_active:  # noqa: ASYNC110 - a condition, and no event
            await asyncio.sleep(0.001)
    with pytest.raises(NodeRefused):
        await monitor.stop_monitoring()
    await monitor.stop_monitoring()


async def test_channels_are_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightninglens.operate.htlc_monitor.LOOK_S", 0.001)
    monitor, _, _, clock = await monitored()
    assert monitor.observed_hours == 0
    clock.advance_to(START_NS + 3_600 * 10**9)
    async with asyncio.timeout(5):
        while monitor.accounting.channels.seen_ns == START_NS:  # noqa: ASYNC110 - a condition, and no event
            await asyncio.sleep(0.001)
    assert monitor.observed_hours == 1
    await monitor.start_monitoring()
    await monitor.stop_monitoring()
