"""Recording what a node is asked to forward, around the clock, and how much of the time was seen.

LND keeps no failed forward, so what is not recorded as it happens is lost. Events
are counted as they come; once a second what has changed is written by a thread.
Nothing here decides anything.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from lightninglens.analytics.missed.accounting import HtlcAccounting
from lightninglens.core.attempts import AttemptChanges, AttemptState, EstimatedPayment, ForwardAttempt, Key
from lightninglens.core.channels import ChannelState
from lightninglens.core.clock import Clock
from lightninglens.core.errors import LensError, NodeUnavailable
from lightninglens.core.forwards import Forward, Gap, GapReason
from lightninglens.core.ids import ChannelId
from lightninglens.core.ports import NodeReader
from lightninglens.core.units import NS_PER_DAY, NS_PER_HOUR, NS_PER_SECOND, UnixNs
from lightninglens.operate.costs import CostReading
from lightninglens.storage.forwards import Batch

log = structlog.get_logger(__name__)

MOST_WAITING = 600
"""Batches that wait for a disk that refuses; beyond them the oldest is let go, and is a gap."""
MOST_BACK_NS = 60 * NS_PER_SECOND
"""Between two flushes a clock that is not set goes back by less than this."""
STEADY_NS = NS_PER_HOUR
"""So long after the start, or after the clock was set, nothing is deleted for its age: the clock may be wrong."""
LOOK_BACK_NS = 7 * NS_PER_DAY
"""Where the record is ahead of the clock, the node's book is read from as long ago as this."""


class ForwardKeeper(Protocol):
    """Where it is written. `write` returns only when the batch is safe."""

    def write(self, batch: Batch) -> None:
        """Write a batch, whole or not at all; raises LensError."""
        ...

    def attempt(self, key: Key) -> ForwardAttempt | None:
        """Return an attempt that was written."""
        ...

    def highest_htlc_id(self, incoming_channel_id: ChannelId) -> int:
        """Return the highest number of an HTLC that was written for a channel; -1 where there is none."""
        ...

    def unresolved(self) -> Sequence[ForwardAttempt]:
        """Return the attempts of which nobody saw the end."""
        ...

    def open_payments(self) -> Sequence[EstimatedPayment]:
        """Return the payments that were open at the last batch."""
        ...

    def covered_until_ns(self) -> int | None:
        """Return until when anything was seen."""
        ...

    def next_payment(self) -> int:
        """Return the first number that no payment has yet."""
        ...

    def pack(self, *, now_ns: int) -> None:
        """Make little of what is over; raises LensError."""
        ...

    def forget(self, *, before_ns: int) -> int:
        """Delete raw attempts that began before a time; raises LensError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingOptions:
    """How often, and for how long."""

    flush_s: float = 1.0
    look_s: float = 60.0
    """Between two looks at the channels."""
    book_s: float = 300.0
    """Between two readings of the node's book of settled forwards."""
    most_forward_s: float = 1_200.0
    """Between two flushes a clock that is not set goes on by less than this."""
    keep_days: int = 90
    """For so long single attempts are kept; sums stay longer."""


@dataclass(slots=True)
class Totals:
    """Attempts that ended since the start."""

    settled: int = 0
    refused: int = 0
    failed_downstream: int = 0

    def add(self, ended: Sequence[ForwardAttempt]) -> None:
        """Count attempts."""
        for attempt in ended:
            self.settled += attempt.state is AttemptState.SETTLED
            self.refused += attempt.state is AttemptState.FAILED_HERE
            self.failed_downstream += attempt.state is AttemptState.FAILED_DOWNSTREAM


@dataclass(slots=True)
class Recording:
    """Records one node. `run` it; whoever wants to know more reads `accounting`."""

    reader: NodeReader
    keeper: ForwardKeeper
    clock: Clock
    options: RecordingOptions = field(default_factory=RecordingOptions)
    on_batch: Callable[[Batch], None] = lambda _batch: None
    """Told of what is about to be written, once per `flush_s`."""
    costs: CostReading | None = None
    """Keeps what channels earned and cost, as often as the book is read; None where nobody asks for it."""
    problem: str = ""
    """Why nothing can be written at the moment; empty when all is well."""
    accounting: HtlcAccounting = field(init=False)
    events: int = field(init=False, default=0)
    """Taken since the start."""
    totals: Totals = field(init=False, default_factory=Totals)
    _covered_from_ns: int = field(init=False, default=0)
    _covered_to_ns: int = field(init=False, default=0)
    _gaps: list[Gap] = field(init=False, default_factory=list)
    _looked: tuple[ChannelState, ...] = field(init=False, default=())
    _looked_ns: int = field(init=False, default=0)
    _book_ns: int = field(init=False, default=0)
    _clock_ns: int = field(init=False, default=0)
    """What the clock said at the last flush."""
    _steady_ns: int = field(init=False, default=0)
    """Since when the clock was not set."""
    _ahead_ns: int = field(init=False, default=0)
    """By how much the node's clock was ahead of ours at its last event."""
    _waiting: deque[Batch] = field(init=False, default_factory=deque)
    _writing: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        """Take up what an earlier run left; raises DataError when it cannot be read."""
        self.accounting = HtlcAccounting(next_payment=self.keeper.next_payment(), earlier=self)
        self.accounting.restore(self.keeper.unresolved(), self.keeper.open_payments())

    async def run(self) -> None:
        """Record until cancelled; raises NodeRefused and NodeUnauthorised, which waiting does not mend."""
        await self._begin()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen())
                group.create_task(self._repeat(self.options.look_s, self._look))
                group.create_task(self._repeat(self.options.book_s, self._read_book))
                group.create_task(self._repeat(self.options.flush_s, self.flush))
                if self.costs is not None:
                    group.create_task(self.costs.run(self.options.book_s))
        except BaseExceptionGroup as problems:
            raise problems.exceptions[0] from None
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Write what has changed; where the disk refuses it waits, and is tried again."""
        # Who is cancelled meanwhile leaves the writing to its end: what was written half-seen would be written twice.
        await asyncio.shield(asyncio.ensure_future(self._flush()))

    async def _flush(self) -> None:
        async with self._writing:
            self._watch_clock()
            self._waiting.append(self._batch())
            while len(self._waiting) > MOST_WAITING:
                self._let_go(self._waiting.popleft())
            while self._waiting:
                try:
                    await asyncio.to_thread(self.keeper.write, self._waiting[0])
                except LensError as problem:
                    if not self.problem:
                        log.warning("recording cannot write", problem=str(problem))
                    self.problem = str(problem)
                    return
                self._waiting.popleft()
            if self.problem:
                log.info("recording writes again")
            self.problem = ""

    def attempt(self, key: Key) -> ForwardAttempt | None:
        """Return an attempt that is written, or waits to be."""
        for batch in self._waiting:
            if found := batch.changes.attempts.get(key):
                return found
        return self.keeper.attempt(key)

    def ended(self, _key: Key) -> bool:
        """Return False: what has ended is kept as a whole."""
        return False

    def highest_htlc_id(self, incoming_channel_id: ChannelId) -> int:
        """Return the highest number of an HTLC that was written for a channel; -1 where there is none."""
        return self.keeper.highest_htlc_id(incoming_channel_id)

    async def _begin(self) -> None:
        """Look at the channels, and make the time since the last run a gap with the forwards that settled in it."""
        await self._look()
        now_ns = self.clock.now_ns()
        seen_ns = self.keeper.covered_until_ns()
        if seen_ns is not None and seen_ns != now_ns:
            gap = await self._since_last_run(seen_ns, now_ns)
            self.accounting.take(gap)
            self._gaps.append(gap)
        self._covered_from_ns = self._covered_to_ns = self._book_ns = self._steady_ns = now_ns

    async def _since_last_run(self, seen_ns: int, now_ns: UnixNs) -> Gap:
        if seen_ns <= now_ns:
            return Gap(
                from_ns=UnixNs(seen_ns),
                to_ns=now_ns,
                reason=GapReason.NOT_RUNNING,
                detail="nothing was recorded in this time",
                forwards=await self._settled(seen_ns, now_ns),
            )
        found = await self._settled(max(now_ns - LOOK_BACK_NS, 0), now_ns)
        ahead = f"the record is {(seen_ns - now_ns) / NS_PER_HOUR:.1f} hours ahead of the clock"
        log.warning("the clock was set back since the last run", detail=ahead)
        return Gap(
            from_ns=now_ns,
            to_ns=now_ns,
            reason=GapReason.CLOCK,
            detail=f"{ahead}: for how long nothing was recorded is not known",
            # Those without ids cannot be told from what was counted as events.
            forwards=tuple(each for each in found or () if each.incoming_htlc_id is not None),
        )

    async def _listen(self) -> None:
        async with contextlib.aclosing(self.reader.htlc_events()) as stream:
            async for item in stream:
                if isinstance(item, Gap):
                    self._break_off(item)
                else:
                    now_ns = self.clock.now_ns()
                    self._ahead_ns = item.timestamp_ns - now_ns
                    self._covered_to_ns = max(self._covered_to_ns, now_ns)
                self.accounting.take(item)
                self.events += 1

    def _break_off(self, gap: Gap) -> None:
        """End what was covered where a gap begins, and begin anew behind it."""
        self._gaps.append(gap)
        ended_ns = max(min(self._covered_to_ns, gap.from_ns), self._covered_from_ns)
        self._cover_anew(ended_ns, max(gap.to_ns, ended_ns))

    def _cover_anew(self, ended_ns: int, begins_ns: int) -> None:
        self._waiting.append(
            Batch(
                changes=AttemptChanges(),
                next_payment=self.accounting.next_payment,
                covered=(self._covered_from_ns, ended_ns),
            )
        )
        self._covered_from_ns = self._covered_to_ns = begins_ns

    def _watch_clock(self) -> None:
        """Where the clock was set, end what was covered, and begin anew at what it says now."""
        before_ns, now_ns = self._clock_ns, self.clock.now_ns()
        self._clock_ns = now_ns
        moved_ns = now_ns - before_ns
        most_forward_ns = self.options.most_forward_s * NS_PER_SECOND
        if not before_ns or not self._covered_from_ns or -MOST_BACK_NS <= moved_ns <= most_forward_ns:
            return
        detail = f"the clock moved by {moved_ns / NS_PER_HOUR:+.2f} hours at once"
        log.warning("the clock was set, or this machine slept", detail=detail)
        from_ns = UnixNs(min(before_ns, now_ns))
        self._gaps.append(Gap(from_ns=from_ns, to_ns=now_ns, reason=GapReason.CLOCK, detail=detail))
        self._cover_anew(max(min(self._covered_to_ns, before_ns), self._covered_from_ns), now_ns)
        self._steady_ns = now_ns
        self._book_ns = min(self._book_ns, now_ns)

    def _node_now_ns(self) -> int:
        """Return what the node's clock says, by its last event."""
        return self.clock.now_ns() + self._ahead_ns

    async def _look(self) -> None:
        """See the channels; where the node cannot be reached, they stay as last seen."""
        try:
            height = (await self.reader.info()).block_height
            states = tuple(await self.reader.channels())
        except NodeUnavailable as problem:
            log.warning("the channels could not be read", problem=str(problem))
            return
        now_ns = self.clock.now_ns()
        self.accounting.channels.see(states, now_ns, block_height=height)
        self._looked, self._looked_ns = states, now_ns
        self._covered_to_ns = max(self._covered_to_ns, now_ns) if self._covered_from_ns else 0

    async def _read_book(self) -> None:
        """Take the settled forwards from the node's own book, which misses none and is dated by its clock."""
        node_ns = self._node_now_ns()
        since_ns = min(self._book_ns, node_ns - int(self.options.book_s * NS_PER_SECOND))
        forwards = await self._settled(since_ns, node_ns)
        if forwards is not None:
            for forward in forwards:
                self.accounting.take_forward(forward)
            # What settles at this moment may be dated a little earlier than it is written.
            self._book_ns = node_ns - 10 * NS_PER_SECOND
        self._watch_clock()
        await asyncio.to_thread(self._tidy, self._clock_ns)

    def _tidy(self, now_ns: int) -> None:
        """Pack what is over, and delete what is too old."""
        try:
            self.keeper.pack(now_ns=now_ns)
            if now_ns - self._steady_ns >= STEADY_NS:
                self.keeper.forget(before_ns=now_ns - self.options.keep_days * NS_PER_DAY)
        except LensError as problem:
            log.warning("what is over stays as it is", problem=str(problem))

    async def _settled(self, from_ns: int, to_ns: int) -> tuple[Forward, ...] | None:
        try:
            pages = self.reader.forwarding_history(since_ns=from_ns, until_ns=to_ns)
            return tuple([each async for page in pages for each in page.forwards])
        except NodeUnavailable as problem:
            log.warning("the settled forwards could not be read", problem=str(problem))
            return None

    async def _repeat(self, every_s: float, work: "_Work") -> None:
        while True:
            await asyncio.sleep(every_s)
            await work()

    def _batch(self) -> Batch:
        looked, self._looked = self._looked, ()
        gaps, self._gaps = tuple(self._gaps), []
        covered = (self._covered_from_ns, self._covered_to_ns) if self._covered_from_ns else None
        changes = self.accounting.changes(self._node_now_ns())
        self.totals.add(changes.ended)
        batch = Batch(
            changes=changes,
            next_payment=self.accounting.next_payment,
            covered=covered,
            gaps=gaps,
            channels=looked,
            seen_ns=self._looked_ns,
        )
        self.on_batch(batch)
        return batch

    def _let_go(self, batch: Batch) -> None:
        """Give up a batch that the disk would not take for too long: what it says was seen becomes a gap."""
        log.error("a batch was let go: the disk refused it for too long", attempts=len(batch.changes.attempts))
        now_ns = self.clock.now_ns()
        self._gaps.append(
            Gap(
                from_ns=UnixNs(batch.covered[1] if batch.covered else now_ns),
                to_ns=now_ns,
                reason=GapReason.UNWRITTEN,
                detail=self.problem,
                lost=len(batch.changes.attempts),
            )
        )


class _Work(Protocol):
    async def __call__(self) -> None: ...
