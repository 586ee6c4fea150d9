"""Monitoring and analysing under the names of the source documents, in memory.

async with AsyncLNDgRPCClient(lnd_dir="~/.lnd") as client:
    async with HTLCMonitor(grpc_client=client, history_hours=24) as monitor:
        await asyncio.sleep(3_600)
        for opportunity in await OpportunityAnalyzer(htlc_monitor=monitor).analyze_opportunities():
            print(opportunity.channel_id, opportunity.recommended_action)

`Recording` is the same with a database; this forgets what is older than its history, and all of it at the end.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, Self, cast

import structlog

from lightninglens.analytics.missed.accounting import HtlcAccounting
from lightninglens.analytics.missed.memory import ForwardMemory
from lightninglens.analytics.missed.opportunities import (
    FEE_SHARE,
    Opportunity,
    OpportunityOptions,
    Recommendation,
    find_opportunities,
)
from lightninglens.analytics.missed.report import MissedReport, to_plain
from lightninglens.analytics.missed.summary import ChannelFailureStats, channel_stats
from lightninglens.core.clock import Clock, SystemClock
from lightninglens.core.errors import ConfigError, LensError, NodeUnavailable
from lightninglens.core.forwards import Gap
from lightninglens.core.htlc import HtlcEvent
from lightninglens.core.ids import ChannelId
from lightninglens.core.ports import NodeReader
from lightninglens.core.units import NS_PER_HOUR
from lightninglens.storage.files.atomic import atomic_writer

log = structlog.get_logger(__name__)

LIQUIDITY_SHARE = 0.5
"""From this share of the refusals on liquidity is what constrains a channel, as documented."""
LOOK_S = 60.0

Callback = Callable[[HtlcEvent | Gap], None]


class HasReader(Protocol):
    """A client that reads a node, as `AsyncLNDgRPCClient` does once it is connected."""

    @property
    def reader(self) -> NodeReader:
        """What it reads with."""
        ...


class ManageClient(Protocol):
    """What is asked of lnd-manageJ: `LndManageClient`."""

    async def flow(self, channel_id: ChannelId, *, days: int | None = None) -> Any:
        """Return what flowed over a channel."""
        ...


class HTLCMonitor:
    """Counts what a node is asked to forward, while it runs; `async with` starts and stops it."""

    def __init__(
        self,
        grpc_client: HasReader | NodeReader | None = None,
        history_hours: float = 24,
        min_failure_count: int = 3,
        min_missed_sats: float = 100,
        *,
        clock: Clock | None = None,
    ) -> None:
        """Take a connected client, or anything that reads a node; raises ConfigError for what cannot be."""
        if history_hours <= 0 or min_failure_count < 1 or min_missed_sats < 0:
            raise ConfigError("history_hours must be above 0, min_failure_count at least 1, min_missed_sats at least 0")
        self.history_hours, self.min_failure_count = history_hours, min_failure_count
        self.min_missed_sats = min_missed_sats
        self.total_events = 0
        self._client, self._clock = grpc_client, clock or SystemClock()
        self._memory = ForwardMemory()
        self.accounting = HtlcAccounting(earlier=self._memory)
        self._callbacks: list[Callback] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._began_ns: int | None = None

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start_monitoring()
        return self

    async def __aexit__(self, *_problem: object) -> None:
        """Stop."""
        await self.stop_monitoring()

    @property
    def monitoring_active(self) -> bool:
        """Whether events are being read."""
        return bool(self._tasks) and not self._tasks[0].done()

    @property
    def observed_hours(self) -> float:
        """For how long, of the history that is kept."""
        if self._began_ns is None:
            return 0.0
        return min((self._clock.now_ns() - self._began_ns) / NS_PER_HOUR, self.history_hours)

    @property
    def reader(self) -> NodeReader:
        """What it reads with; raises ConfigError where there is none."""
        if self._client is None:
            raise ConfigError("HTLCMonitor needs grpc_client: a connected AsyncLNDgRPCClient, or a NodeReader")
        # Where there is no `reader`, the client reads itself.
        found: NodeReader = getattr(self._client, "reader", None) or cast("NodeReader", self._client)
        return found

    def register_callback(self, callback: Callback) -> None:
        """Call `callback` with each event and gap from now on."""
        self._callbacks.append(callback)

    async def start_monitoring(self) -> None:
        """Begin to read; does nothing when it does already. Raises NodeError when the node cannot be read."""
        if self.monitoring_active:
            return
        await self._look()
        self._began_ns = self._began_ns or self._clock.now_ns()
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._look_again())]
        await asyncio.sleep(0)

    async def stop_monitoring(self) -> None:
        """End reading; what was counted stays. Raises what ended it before, if something did."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        self._remember()
        for problem in results:
            if isinstance(problem, Exception):
                raise problem

    def get_channel_stats(self, channel_id: ChannelId | int | str) -> ChannelFailureStats | None:
        """Return a channel's statistics; None where nothing was counted."""
        wanted = ChannelId.parse(channel_id) if isinstance(channel_id, str) else ChannelId(channel_id)
        return self._stats().get(wanted)

    def get_top_missed_opportunities(self, limit: int = 10) -> list[ChannelFailureStats]:
        """Return the channels with most missed revenue that are worth showing."""
        found = [
            each
            for each in self._stats().values()
            if each.failed_forwards >= self.min_failure_count and each.missed_revenue_sats >= self.min_missed_sats
        ]
        return sorted(found, key=lambda each: (-each.missed_revenue_sats, each.channel_id))[:limit]

    def get_liquidity_constrained_channels(self) -> list[ChannelFailureStats]:
        """Return the channels most of whose refusals are for want of liquidity."""
        return self._constrained(lambda each: each.liquidity_failures, LIQUIDITY_SHARE)

    def get_fee_constrained_channels(self) -> list[ChannelFailureStats]:
        """Return the channels of whose refusals many are for the fee."""
        return self._constrained(lambda each: each.fee_failures, FEE_SHARE)

    def get_summary_stats(self) -> dict[str, Any]:
        """Return totals under the documented keys."""
        stats = self._stats().values()
        return {
            "monitoring_active": self.monitoring_active,
            "total_events": self.total_events,
            "total_failures": sum(each.failed_forwards for each in stats),
            "liquidity_failures": sum(each.liquidity_failures for each in stats),
            "channels_tracked": len(stats),
            "total_missed_revenue_sats": sum(each.missed_revenue_sats for each in stats),
            "history_hours": self.history_hours,
            "opportunities_found": len(self.get_top_missed_opportunities(len(stats))),
        }

    def cleanup_old_data(self) -> None:
        """Let go of what is older than the history."""
        self._remember()
        self._memory.forget(before_ns=self._clock.now_ns() - int(self.history_hours * NS_PER_HOUR))

    def opportunities(self, *, hours: float, options: OpportunityOptions) -> list[Opportunity]:
        """Return the opportunities of the last hours."""
        self._remember()
        channels = {each.channel_id: each for each in self.accounting.channels.states()}
        since_ns = self._clock.now_ns() - int(hours * NS_PER_HOUR)
        evidence = self._memory.evidence(
            {each.channel_id: str(each.peer_id) for each in channels.values()}, since_ns=max(since_ns, 0)
        )
        return find_opportunities(evidence, channels, observed_hours=min(self.observed_hours, hours), options=options)

    def _stats(self) -> dict[ChannelId, ChannelFailureStats]:
        self._remember()
        since_ns = self._clock.now_ns() - int(self.history_hours * NS_PER_HOUR)
        return channel_stats(self._memory.evidence({}, since_ns=max(since_ns, 0)))

    def _constrained(self, count: Callable[[ChannelFailureStats], int], share: float) -> list[ChannelFailureStats]:
        found = [
            each
            for each in self._stats().values()
            if each.failed_forwards >= self.min_failure_count and count(each) > share * each.failed_forwards
        ]
        return sorted(found, key=lambda each: (-count(each), each.channel_id))

    def _remember(self) -> None:
        self._memory.take(self.accounting.changes(self._clock.now_ns()))

    async def _listen(self) -> None:
        async with contextlib.aclosing(self.reader.htlc_events()) as stream:
            async for item in stream:
                self.total_events += 1
                self.accounting.take(item)
                for callback in self._callbacks:
                    callback(item)

    async def _look(self) -> None:
        height = (await self.reader.info()).block_height
        self.accounting.channels.see(await self.reader.channels(), self._clock.now_ns(), block_height=height)

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            with contextlib.suppress(NodeUnavailable):
                await self._look()
            self.cleanup_old_data()


class OpportunityAnalyzer:
    """What a monitor's counts say of missed revenue."""

    def __init__(
        self,
        htlc_monitor: HTLCMonitor,
        lnd_manage_client: ManageClient | None = None,
        min_opportunity_sats: float = 100,
        analysis_window_hours: float = 24,
    ) -> None:
        """Take a monitor; `lnd_manage_client` only adds what lnd-manageJ knows to the report."""
        self.monitor, self.manage = htlc_monitor, lnd_manage_client
        self.min_opportunity_sats, self.analysis_window_hours = min_opportunity_sats, analysis_window_hours

    async def analyze_opportunities(self) -> list[Opportunity]:
        """Return the opportunities of the window, the most urgent first."""
        options = OpportunityOptions(
            min_failures=self.monitor.min_failure_count, min_missed_sat=int(self.min_opportunity_sats)
        )
        return self.monitor.opportunities(hours=self.analysis_window_hours, options=options)

    async def get_top_opportunities(self, limit: int = 10) -> list[Opportunity]:
        """Return the most urgent."""
        return (await self.analyze_opportunities())[:limit]

    async def get_fee_opportunities(self) -> list[Opportunity]:
        """Return those whose remedy is a lower fee."""
        return await self._of(Recommendation.LOWER_FEES)

    async def get_liquidity_opportunities(self) -> list[Opportunity]:
        """Return those whose remedy is liquidity."""
        return await self._of(Recommendation.REBALANCE_INBOUND, Recommendation.REBALANCE_OUTBOUND)

    async def get_capacity_opportunities(self) -> list[Opportunity]:
        """Return those whose remedy is another channel."""
        return await self._of(Recommendation.INCREASE_CAPACITY)

    async def generate_report(self, opportunities: Sequence[Opportunity] | None = None) -> dict[str, Any]:
        """Return the documented JSON, with lnd-manageJ's flows where it is given and answers."""
        found = list(await self.analyze_opportunities() if opportunities is None else opportunities)
        plain = to_plain(
            MissedReport(
                made_ns=SystemClock().now_ns(),
                window_hours=self.analysis_window_hours,
                coverage=None,
                opportunities=tuple(found),
                channels=len(self.monitor.accounting.channels.states()),
            )
        )
        if self.manage is not None:
            plain["managed"] = await self._managed(self.manage, found)
        return plain

    async def export_opportunities_json(
        self, opportunities: Sequence[Opportunity], filename: str | Path = "opportunities.json"
    ) -> None:
        """Write a report to a file, whole or not at all; raises DataError when it cannot be written."""
        text = json.dumps(await self.generate_report(opportunities), indent=2)
        with atomic_writer(Path(filename)) as file:
            file.write(text.encode() + b"\n")

    async def _of(self, *wanted: Recommendation) -> list[Opportunity]:
        return [each for each in await self.analyze_opportunities() if each.recommendation in wanted]

    async def _managed(self, client: ManageClient, found: Sequence[Opportunity]) -> dict[str, Any]:
        try:
            return {str(each.channel_id): await client.flow(each.channel_id, days=30) for each in found}
        except LensError as problem:
            log.warning("lnd-manageJ does not answer", problem=str(problem))
            return {"problem": str(problem)}
