"""HTLC events that go on over breaks, with a record of every gap.

LND keeps no HTLC event and holds back none: who is away misses them, and who
reads too slowly makes LND's memory grow. So one task reads as fast as it can into
a queue of fixed length, whatever its consumer does. What does not fit is let go
and counted; what happened while the connection was away is a gap, with the
forwards that settled meanwhile from LND's book.
Source: LND `htlcswitch/htlcnotifier.go`, `subscribe/subscribe.go`.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Container
from dataclasses import dataclass, field

import structlog

from lightninglens.core.clock import Clock
from lightninglens.core.errors import LensError, NodeUnavailable
from lightninglens.core.forwards import Forward, Gap, GapReason
from lightninglens.core.htlc import HtlcEvent, HtlcEventKind
from lightninglens.core.units import NS_PER_SECOND, UnixNs
from lightninglens.nodes.lnd.client.records import htlc_event
from lightninglens.nodes.lnd.contract import routerrpc

log = structlog.get_logger(__name__)

MAX_UNREAD = 50_000
"""Events in the queue, about 15 MB."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
STEADY_S = 60.0
"""A connection that held this long was a good one: the next wait is the shortest again."""
MARGIN_NS = NS_PER_SECOND
"""An HTLC event, LND's book and this clock are dated apart by less than this."""
REMEMBERED = 10_000
"""Settled forwards that were told, so that neither the book's nor the stream's are told again."""

Stream = AsyncGenerator[routerrpc.HtlcEvent, None]
_Key = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where events come from, and how to learn what settled without them."""

    subscribe: Callable[[], Stream]
    """Begin a stream; it raises NodeError when it breaks."""
    settled: Callable[[int, int], Awaitable[tuple[Forward, ...]]]
    """Return the settled forwards from one time up to another, in ns."""
    clock: Clock
    unnoticed_s: float | None
    """How long a dead connection may go unnoticed; None when nobody looks."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    max_unread: int = MAX_UNREAD


async def htlc_events(source: Source) -> AsyncGenerator[HtlcEvent | Gap, None]:
    """Yield events and gaps, each in its place, until the node refuses (raises) or nobody asks any more."""
    follower = _Follower(source)
    task = asyncio.create_task(follower.follow(), name="htlc events")
    try:
        async for item in follower.items(task):
            yield item
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, LensError):
            await task


@dataclass(slots=True)
class _Follower:
    """The reading side and its queue."""

    source: Source
    _queue: deque[HtlcEvent | Gap] = field(default_factory=deque)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _seen_ns: int = 0
    """The last moment up to which everything was seen; 0 before the first subscription."""
    _why: tuple[GapReason, str] | None = None
    """Why events are missed since then; None while the stream holds."""
    _lost: int = 0
    _lost_from_ns: int = 0
    _told: dict[_Key, None] = field(default_factory=dict)
    """The latest settled forwards that were told, as events or with a gap, oldest first."""

    async def items(self, task: "asyncio.Task[None]") -> AsyncGenerator[HtlcEvent | Gap, None]:
        """Yield what is in the queue as it comes; raises what ended the reading side."""
        while True:
            while self._queue:
                yield self._queue.popleft()
            if self._lost:
                yield await self._overflow()
                continue
            self._news.clear()
            if task.done():
                task.result()
                return
            waiting = asyncio.ensure_future(self._news.wait())
            await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()

    async def follow(self) -> None:
        """Read, again and again; raises NodeRefused and NodeUnauthorised, which waiting does not mend."""
        wait_s = FIRST_WAIT_S
        while True:
            began_ns = self.source.clock.now_ns()
            self._why = await self._read()
            self._alive_until(self._why[0])
            if self.source.clock.now_ns() - began_ns > STEADY_S * NS_PER_SECOND:
                wait_s = FIRST_WAIT_S
            log.warning("the stream of HTLC events broke", why=str(self._why[0]), detail=self._why[1], wait_s=wait_s)
            await self.source.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def _read(self) -> tuple[GapReason, str]:
        """Read one stream to its end and return why it ended."""
        try:
            async with contextlib.aclosing(self.source.subscribe()) as stream:
                async for said in stream:
                    await self._take(said)
        except NodeUnavailable as problem:
            return GapReason.DISCONNECTED, str(problem)
        except ValueError as problem:
            return GapReason.MALFORMED, f"an event that cannot be read: {problem}"
        return GapReason.ENDED, "the node ended the stream in order"

    def _alive_until(self, reason: GapReason) -> None:
        """Move on what was seen to when the connection was surely alive, with nothing to tell."""
        unnoticed_s = 0.0 if reason is GapReason.ENDED else self.source.unnoticed_s
        if self._seen_ns and unnoticed_s is not None:
            alive_ns = self.source.clock.now_ns() - int(unnoticed_s * NS_PER_SECOND) - MARGIN_NS
            self._seen_ns = max(self._seen_ns, alive_ns)

    async def _take(self, said: routerrpc.HtlcEvent) -> None:
        if self._why is not None or not self._seen_ns:
            await self._begin()
        event = htlc_event(said)
        if event is None:
            return
        self._seen_ns = max(self._seen_ns, event.timestamp_ns)
        settles = event.kind is HtlcEventKind.SETTLE
        if settles and _key(event) in self._told:
            return  # it settled as the stream began, and came with the gap
        if self._put(event) and settles:
            self._remember(_key(event))

    def _remember(self, key: _Key) -> None:
        self._told[key] = None
        if len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]

    async def _begin(self) -> None:
        """A stream is there: close the gap, if there was one before it."""
        now_ns = self.source.clock.now_ns()
        why, self._why = self._why, None
        if why is not None and self._seen_ns:
            # A clock that was set back meanwhile, or a node's that is ahead, leaves no gap that ends before it begins.
            self._put(await self._gap(min(self._seen_ns, now_ns), now_ns, *why))
        self._seen_ns = now_ns

    def _put(self, item: HtlcEvent | Gap) -> bool:
        """Queue it, or count it as lost; once one was lost all are, until the queue is empty, so the order holds."""
        self._news.set()
        if self._lost or len(self._queue) >= self.source.max_unread:
            self._lost += 1
            self._lost_from_ns = self._lost_from_ns or (
                item.timestamp_ns if isinstance(item, HtlcEvent) else item.from_ns
            )
            return False
        self._queue.append(item)
        return True

    async def _overflow(self) -> Gap:
        lost, from_ns = self._lost, self._lost_from_ns
        self._lost = self._lost_from_ns = 0
        to_ns = max(self._seen_ns, from_ns) + 1
        detail = f"more than {self.source.max_unread} events were left unread"
        return await self._gap(from_ns, to_ns, GapReason.OVERFLOW, detail, lost)

    async def _gap(self, from_ns: int, to_ns: int, reason: GapReason, detail: str, lost: int | None = None) -> Gap:
        """Return the record of a gap, with the forwards that settled in it where the node still tells them."""
        forwards: tuple[Forward, ...] | None
        try:
            found = await self.source.settled(from_ns - MARGIN_NS, to_ns)
            forwards = tuple(each for each in found if _is_new(each, self._told, from_ns))
        except NodeUnavailable as problem:
            log.warning("the forwards of a gap could not be read", problem=str(problem))
            forwards = None
        for key in map(_forward_key, forwards or ()):
            if key is not None:
                self._remember(key)
        return Gap(
            from_ns=UnixNs(from_ns),
            to_ns=UnixNs(to_ns),
            reason=reason,
            detail=detail,
            lost=lost,
            forwards=forwards,
        )


def _key(event: HtlcEvent) -> _Key:
    return event.incoming_channel_id, event.incoming_htlc_id, event.outgoing_channel_id, event.outgoing_htlc_id


def _forward_key(found: Forward) -> _Key | None:
    """Return the key of a forward of the book; None where LND keeps no ids with it."""
    if found.incoming_htlc_id is None or found.outgoing_htlc_id is None:
        return None
    return found.incoming_channel_id, found.incoming_htlc_id, found.outgoing_channel_id, found.outgoing_htlc_id


def _is_new(found: Forward, told: Container[_Key], from_ns: int) -> bool:
    """Tell whether a forward of the book was not told yet: by its ids, or by its time where LND keeps none."""
    key = _forward_key(found)
    return found.settled_ns >= from_ns if key is None else key not in told
