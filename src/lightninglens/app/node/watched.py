"""What is recorded of a watched node, asked for by the API: analyses run in a thread, on a connection of their own."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lightninglens.analytics.missed.opportunities import OpportunityOptions
from lightninglens.analytics.missed.remedies import days_of
from lightninglens.analytics.missed.report import MissedReport, coverage_of
from lightninglens.app.alerts.backtest import Trial, try_rules
from lightninglens.app.alerts.series import Reading, SeriesRule
from lightninglens.app.missed import analyse
from lightninglens.app.profit import By, ProfitReport, profit_report
from lightninglens.app.remedies import effects_of
from lightninglens.app.remedies import to_plain as effects_to_plain
from lightninglens.core.attempts import ForwardAttempt
from lightninglens.core.channels import ChannelState
from lightninglens.core.clock import Clock
from lightninglens.core.forwards import Gap
from lightninglens.core.ids import ChannelId
from lightninglens.core.node import NodeInfo
from lightninglens.core.units import NS_PER_DAY, NS_PER_HOUR, NS_PER_MS, Ppm
from lightninglens.operate.recording import Recording
from lightninglens.storage.readings import ReadingStore
from lightninglens.storage.recorded import RecordedHistory
from lightninglens.storage.remedies import RemedyStore

FRESH_S = 10.0
"""For so long an analysis is handed out again: many pages ask for the same."""
MOST_KEPT = 16

_Asked = tuple[float, OpportunityOptions, Ppm | None]
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedGap:
    """A time of which events are missing."""

    from_ms: int
    to_ms: int
    reason: str
    detail: str
    lost: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStatus:
    """How the recording of a node is doing."""

    node_id: str
    alias: str
    network: str
    version: str
    transport: str
    now_ms: int
    events: int
    """Taken since the service started, as the next three."""
    settled: int
    refused: int
    failed_downstream: int
    in_flight: int
    oldest_in_flight_ms: int | None
    problem: str
    """Why nothing can be written; empty when all is well."""
    ended: bool
    """Whether a recorded history is over: nothing more will come."""
    window_hours: float
    coverage: float
    """Share of the window that was seen."""
    gaps: list[RecordedGap]


@dataclass(slots=True)
class WatchedNode:
    """One node: its recording, and what that has written."""

    info: NodeInfo
    recording: Recording
    store: RecordedHistory
    """For reading only; the recording writes through another."""
    clock: Clock
    readings: ReadingStore | None = None
    """Of its series; None where no rules watch it."""
    remedies: RemedyStore | None = None
    """Remedies that were seen; None where nobody looks for them."""
    rules: tuple[SeriesRule, ...] = ()
    """Those that are in force."""
    ended: bool = False
    """Whether there is nothing more to come, as when a recorded history is over."""
    latest: dict[tuple[str, str], Reading] = field(default_factory=dict)
    """The newest reading of each series and subject."""
    _reports: dict[tuple[float, OpportunityOptions, Ppm | None], tuple[float, MissedReport]] = field(
        default_factory=dict
    )
    _analysing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def end(self) -> None:
        """Take note that there is nothing more to come."""
        self.ended = True

    def channels(self) -> Sequence[ChannelState]:
        """Return the open channels as last seen."""
        return self.recording.accounting.channels.states()

    async def missed(
        self, hours: float, options: OpportunityOptions, liquidity_cost_ppm: Ppm | None = None
    ) -> MissedReport:
        """Return what was missed in the last hours; raises DataError when the records cannot be read."""
        key = (hours, options, liquidity_cost_ppm)
        async with self._analysing:
            known = self._reports.get(key)
            if known is not None and time.monotonic() - known[0] < FRESH_S:
                return known[1]
            channels, now_ns = self.channels(), self.clock.now_ns()
            report = await asyncio.to_thread(
                analyse,
                self.store,
                channels,
                now_ns=now_ns,
                hours=hours,
                options=options,
                liquidity_cost_ppm=liquidity_cost_ppm,
            )
            while len(self._reports) >= MOST_KEPT:
                del self._reports[next(iter(self._reports))]
            self._reports[key] = (time.monotonic(), report)
            return report

    async def profit(self, days: float, by: By) -> ProfitReport:
        """Return what was earned and spent in the last days; raises DataError when the records cannot be read."""
        channels, now_ns = self.channels(), self.clock.now_ns()
        return await self.read(lambda store: profit_report(store, channels, now_ns=now_ns, days=days, by=by))

    async def effects(self, *, days: float, limit: int) -> dict[str, Any]:
        """Return what the remedies of the last days brought, as JSON; raises DataError when it cannot be read."""
        now_ns = self.clock.now_ns()
        known = self.remedies

        def worked_out(store: RecordedHistory) -> dict[str, Any]:
            since_ns = int(now_ns - days * NS_PER_DAY)
            taken = [] if known is None else known.remedies(since_ns=since_ns, limit=limit)
            young = [each for each in taken if days_of(each, now_ns) is None]
            return effects_to_plain(effects_of(store, taken, now_ns=now_ns), young, made_ns=now_ns)

        return await self.read(worked_out)

    async def refused(self, channel_id: ChannelId, *, hours: float, limit: int) -> list[ForwardAttempt]:
        """Return what was refused towards a channel in the last hours, newest first."""
        now_ns = self.clock.now_ns()
        since_ns = int(now_ns - hours * NS_PER_HOUR)
        return await self.read(
            lambda store: store.refused_at(channel_id, since_ns=since_ns, until_ns=now_ns + 1, limit=limit)
        )

    async def status(self, hours: float) -> RecordingStatus:
        """Return how the recording is doing, with the coverage of the last hours."""
        now_ns = self.clock.now_ns()
        since_ns = int(now_ns - hours * NS_PER_HOUR)
        covered, gaps = await self.read(
            lambda store: (
                store.covered(since_ns=since_ns, until_ns=now_ns),
                store.gaps(since_ns=since_ns, until_ns=now_ns),
            )
        )
        recording, info = self.recording, self.info
        oldest_ns = recording.accounting.oldest_in_flight_ns
        return RecordingStatus(
            node_id=str(info.node_id),
            alias=info.alias,
            network=info.network,
            version=info.version,
            transport=info.transport,
            now_ms=now_ns // NS_PER_MS,
            events=recording.events,
            settled=recording.totals.settled,
            refused=recording.totals.refused,
            failed_downstream=recording.totals.failed_downstream,
            in_flight=recording.accounting.in_flight,
            oldest_in_flight_ms=None if oldest_ns is None else oldest_ns // NS_PER_MS,
            problem=recording.problem,
            ended=self.ended,
            window_hours=hours,
            coverage=coverage_of(covered, gaps, from_ns=since_ns, to_ns=now_ns).share,
            gaps=[_shown(each) for each in reversed(gaps[-100:])],
        )

    async def try_rules(self, rules: Sequence[SeriesRule], *, days: float) -> list[Trial]:
        """Return what rules would have done in the last days."""
        until_ms = self.clock.now_ns() // NS_PER_MS
        since_ms = int(until_ms - days * NS_PER_DAY / NS_PER_MS)

        return await self.read(
            lambda store: try_rules(rules, self.readings, store, since_ms=since_ms, until_ms=until_ms)
        )

    async def read(self, question: Callable[[RecordedHistory], _Result]) -> _Result:
        """Ask the records, in a thread."""
        return await asyncio.to_thread(question, self.store)


def _shown(gap: Gap) -> RecordedGap:
    return RecordedGap(
        from_ms=gap.from_ns // NS_PER_MS,
        to_ms=gap.to_ns // NS_PER_MS,
        reason=gap.reason.value,
        detail=gap.detail,
        lost=gap.lost,
    )
