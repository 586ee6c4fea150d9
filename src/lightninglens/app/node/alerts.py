"""Reading the series of a watched node every minute: kept for trying rules on them, and held against the rules."""

import asyncio
import contextlib
import math
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from lightninglens.analytics.missed.opportunities import OpportunityOptions
from lightninglens.app.alerts.series import SERIES, Firing, Reading, RuleSet, alert_of
from lightninglens.app.bus import Bus
from lightninglens.app.node.watched import WatchedNode
from lightninglens.core.attempts import AttemptState
from lightninglens.core.channels import ChannelState
from lightninglens.core.errors import LensError, NodeUnavailable
from lightninglens.core.forwards import Gap
from lightninglens.core.node import PendingState
from lightninglens.core.ports import NodeReader
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_DAY, NS_PER_HOUR, NS_PER_MS
from lightninglens.storage.forwards import Batch
from lightninglens.storage.readings import ReadingStore, StoredReading

log = structlog.get_logger(__name__)

MISSED_EVERY_MS = 600_000
"""An analysis takes a moment, and its figure is of a whole day."""
REPEAT_MS = 30 * 60_000
"""A value that does not change is written this often."""
CHANGE = 0.01
"""A change that is written: as a part of the value, or of one."""
LEAST_ATTEMPTS = 20
_MS_PER_MIN = 60_000
_NS_PER_MIN = 60 * 10**9
_EVERYTHING = OpportunityOptions(min_failures=1, min_missed_sat=0)


@dataclass(slots=True)
class _Minute:
    """What ended in one minute; a day of single attempts would be too much to hold."""

    attempts: int = 0
    refused: int = 0
    earned_msat: int = 0


@dataclass(slots=True)
class NodeAlertWatch:
    """Reads all series of one node. Give it each batch of the recording, and `run` it."""

    watched: WatchedNode
    reader: NodeReader
    rules: RuleSet
    store: ReadingStore
    bus: Bus
    every_s: float
    name_of: Callable[[str, str], str]
    """The name of a subject, given the kind of series and the subject's id."""
    backup_file: Path | None = None
    keep_ns: int = 90 * NS_PER_DAY
    _written: dict[tuple[str, str], Reading] = field(default_factory=dict)
    _gaps: deque[Gap] = field(default_factory=deque)
    _minutes: dict[int, _Minute] = field(default_factory=dict)
    """Of the last day, by the minute since 1970 in which attempts ended, in the order in which minutes came."""
    _offline_since_ms: dict[str, int] = field(default_factory=dict)
    _points: frozenset[str] = frozenset()
    _changed_ms: int | None = None
    """When the set of channels changed; None until it has."""
    _seen_ns: int = 0
    _seen_s: float = field(default_factory=time.monotonic)
    _missed_ms: int = 0
    _forgot_ms: int = 0

    def take(self, batch: Batch) -> None:
        """Take in what the recording is about to write."""
        self._gaps.extend(batch.gaps)
        for each in batch.changes.ended:
            minute = self._minutes.setdefault((each.ended_ns or each.began_ns) // _NS_PER_MIN, _Minute())
            minute.attempts += 1
            minute.refused += each.state is AttemptState.FAILED_HERE
            minute.earned_msat += each.fee_msat if each.state is AttemptState.SETTLED else 0

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self.every_s)

    async def look(self) -> None:
        """Read all series once, tell what changes by them, and keep them."""
        now_ms = self.watched.clock.now_ns() // NS_PER_MS
        readings = [*self._of_channels(now_ms), *await self._of_node(now_ms)]
        for reading in readings:
            for firing in self.rules.take(reading):
                self._tell(firing)
        self.watched.latest = self._missed_latest(readings) | {(each.series, each.subject): each for each in readings}
        for series in ("local_share", "peer_offline", "channel_missed_revenue"):
            there = [each.subject for each in readings if each.series == series]
            if there or series != "channel_missed_revenue":
                for firing in self.rules.forget(series, there, now_ms):
                    self._tell(firing)
        await asyncio.to_thread(self._keep, readings, now_ms)

    def _missed_latest(self, readings: Sequence[Reading]) -> dict[tuple[str, str], Reading]:
        """Return the figures of the last analysis, which is made less often, unless there is a newer one."""
        if any(each.series == "missed_revenue" for each in readings):
            return {}
        return {key: each for key, each in self.watched.latest.items() if "missed_revenue" in each.series}

    def _tell(self, firing: Firing) -> None:
        self.bus.publish(alert_of(firing, self.name_of(SERIES[firing.rule.series].of, firing.subject)))

    def _of_channels(self, now_ms: int) -> Iterator[Reading]:
        states = self.watched.channels()
        for state in states:
            total_msat = state.local_msat + state.remote_msat
            if total_msat:
                yield Reading(
                    series="local_share",
                    subject=str(state.channel_id),
                    at_ms=now_ms,
                    value=round(state.local_msat / total_msat, 4),
                )
        there: dict[str, bool] = {}
        for state in states:
            there[str(state.peer_id)] = there.get(str(state.peer_id), False) or state.active
        for peer_id, active in there.items():
            if active:
                self._offline_since_ms.pop(peer_id, None)
            since_ms = now_ms if active else self._offline_since_ms.setdefault(peer_id, now_ms)
            yield Reading(series="peer_offline", subject=peer_id, at_ms=now_ms, value=(now_ms - since_ms) / _MS_PER_MIN)

    async def _of_node(self, now_ms: int) -> list[Reading]:
        """Return the readings of what there is one of."""
        now_ns = self.watched.clock.now_ns()
        values = self._of_day(now_ns)
        recording = self.watched.recording
        oldest_ns = recording.accounting.oldest_in_flight_ns
        values["stuck_htlc"] = 0.0 if oldest_ns is None else max(now_ns - oldest_ns, 0) / _NS_PER_MIN
        values["unwritten"] = float(bool(recording.problem))
        values["unreachable"] = self._unanswered_min(recording.accounting.channels.seen_ns)
        values["disk_free"] = shutil.disk_usage(self.store.folder).free / 1e6
        with contextlib.suppress(NodeUnavailable):  # `unreachable` says so
            pending = await self.reader.pending_channels()
            values["force_closing"] = float(sum(each.state is PendingState.FORCE_CLOSING for each in pending))
        behind_min = self._backup_behind_min(self.watched.channels(), now_ms)
        if behind_min is not None:
            values["backup_behind"] = behind_min
        readings = [Reading(series=name, subject="", at_ms=now_ms, value=value) for name, value in values.items()]
        return [*readings, *await self._missed(now_ms)]

    def _unanswered_min(self, seen_ns: int) -> float:
        """Return for how long, in real time, no look at the channels has succeeded."""
        if seen_ns != self._seen_ns:
            self._seen_ns, self._seen_s = seen_ns, time.monotonic()
        return (time.monotonic() - self._seen_s) / 60

    def _of_day(self, now_ns: int) -> dict[str, float]:
        """Return what the attempts and gaps of the last day, and hour, come to."""
        day, hour = ((now_ns - ago_ns) // _NS_PER_MIN for ago_ns in (NS_PER_DAY, NS_PER_HOUR))
        self._minutes = {minute: each for minute, each in self._minutes.items() if minute >= day}
        of_hour = [each for minute, each in self._minutes.items() if minute >= hour]
        attempts, refused = (sum(getattr(each, name) for each in of_hour) for name in ("attempts", "refused"))
        hour_ns = now_ns - NS_PER_HOUR
        while self._gaps and self._gaps[0].to_ns < hour_ns:
            self._gaps.popleft()
        gap_ns = sum(max(min(each.to_ns, now_ns) - max(each.from_ns, hour_ns), 0) for each in self._gaps)
        return {
            "fees_earned": sum(each.earned_msat for each in self._minutes.values()) / MSAT_PER_SAT,
            "refused_share": refused / attempts if attempts >= LEAST_ATTEMPTS else 0.0,
            "stream_gap": gap_ns / _NS_PER_MIN,
        }

    async def _missed(self, now_ms: int) -> list[Reading]:
        if now_ms - self._missed_ms < MISSED_EVERY_MS:
            return []
        self._missed_ms = now_ms
        try:
            report = await self.watched.missed(24.0, _EVERYTHING)
        except LensError as problem:
            log.warning("missed revenue cannot be read", problem=str(problem))
            return []
        total = Reading(series="missed_revenue", subject="", at_ms=now_ms, value=report.expected_msat / MSAT_PER_SAT)
        of_channels = [
            Reading(
                series="channel_missed_revenue",
                subject=str(each.channel_id),
                at_ms=now_ms,
                value=each.expected_msat / MSAT_PER_SAT,
            )
            for each in report.opportunities
        ]
        return [total, *of_channels]

    def _backup_behind_min(self, states: Sequence[ChannelState], now_ms: int) -> float | None:
        """Return for how long the backup has lacked a change of the channels; None where there is no backup to see."""
        if self.backup_file is None:
            return None
        points = frozenset(each.channel_point for each in states)
        if self._points and points != self._points:
            self._changed_ms = now_ms
        self._points = points
        try:
            written_ms = self.backup_file.stat().st_mtime * 1_000
        except OSError:
            written_ms = -math.inf
            self._changed_ms = self._changed_ms or now_ms
        # LND writes it when it hears of the change, which may be before this look.
        seen_ms = self.every_s * 2_000
        if self._changed_ms is None or written_ms >= self._changed_ms - seen_ms:
            return 0.0
        return (now_ms - self._changed_ms) / _MS_PER_MIN

    def _keep(self, readings: Sequence[Reading], now_ms: int) -> None:
        """Write what has changed, or was not written for a while."""
        due = [each for each in readings if self._is_due(each)]
        try:
            self.store.append(StoredReading(each.series, each.subject, each.at_ms, each.value) for each in due)
            if now_ms - self._forgot_ms > NS_PER_HOUR // NS_PER_MS:
                self._forgot_ms = now_ms
                self.store.forget(before_ms=now_ms - self.keep_ns // NS_PER_MS)
        except LensError as problem:
            log.warning("readings cannot be kept", problem=str(problem))
            return
        self._written |= {(each.series, each.subject): each for each in due}

    def _is_due(self, reading: Reading) -> bool:
        last = self._written.get((reading.series, reading.subject))
        if last is None or reading.at_ms - last.at_ms >= REPEAT_MS:
            return True
        return abs(reading.value - last.value) > CHANGE * max(abs(last.value), 1.0)
