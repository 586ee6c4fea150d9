"""A recorded history as a node: what it was asked to forward happens again, at its own pace or faster.

Reads only. What the recording does not hold is made up as little as possible: a
refusal has the first code that leads to its cause, policies are the last ones.
"""

import asyncio
import dataclasses
import heapq
import itertools
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lightninglens.core.attempts import AttemptState, FailureCause, ForwardAttempt
from lightninglens.core.channels import ChannelState
from lightninglens.core.clock import PacedClock
from lightninglens.core.costs import OnChainCost, SelfPayment
from lightninglens.core.errors import NodeRefused
from lightninglens.core.forwards import Forward, ForwardPage, Gap
from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEvent, HtlcEventKind, HtlcEventType
from lightninglens.core.node import ClosedChannel, NodeInfo, PendingChannel
from lightninglens.core.units import NS_PER_DAY, NS_PER_SECOND, Msat, UnixNs

if TYPE_CHECKING:
    from lightninglens.core.graph import NetworkGraph

BLOCK_HEIGHT = 1_000_000
"""The recording holds how many blocks were left, not the height: any height does."""
OUT_OF_ORDER_NS = 120 * NS_PER_SECOND
"""Attempts are written within seconds of their beginning, so none begins this much before an earlier line."""
LONG_NS = 2 * NS_PER_DAY
"""What settled later than this after it began is told as an event only, and is in no later reading of the book."""
PAGE = 1_000
_END_NS = 2**63 - 1
MOST_REST_S = 0.2
"""Between two looks at the clock, whose pace may change."""

_CODES = {
    FailureCause.LIQUIDITY: (FailureCode.TEMPORARY_CHANNEL_FAILURE, FailureDetail.INSUFFICIENT_BALANCE),
    FailureCause.OWN_MAX_HTLC: (FailureCode.TEMPORARY_CHANNEL_FAILURE, FailureDetail.HTLC_EXCEEDS_MAX),
    FailureCause.TOO_LARGE: (FailureCode.TEMPORARY_CHANNEL_FAILURE, FailureDetail.HTLC_EXCEEDS_MAX),
    FailureCause.SLOTS: (FailureCode.TEMPORARY_CHANNEL_FAILURE, FailureDetail.HTLC_ADD_FAILED),
    FailureCause.FEE: (FailureCode.FEE_INSUFFICIENT, FailureDetail.NO_DETAIL),
    FailureCause.FEE_SPREADING: (FailureCode.FEE_INSUFFICIENT, FailureDetail.NO_DETAIL),
    FailureCause.PEER_OFFLINE: (FailureCode.TEMPORARY_CHANNEL_FAILURE, FailureDetail.LINK_NOT_ELIGIBLE),
    FailureCause.BELOW_MINIMUM: (FailureCode.AMOUNT_BELOW_MINIMUM, FailureDetail.NO_DETAIL),
    FailureCause.EXPIRY: (FailureCode.INCORRECT_CLTV_EXPIRY, FailureDetail.NO_DETAIL),
    FailureCause.REFUSED_BY_POLICY: (FailureCode.CHANNEL_DISABLED, FailureDetail.NO_DETAIL),
    FailureCause.UNKNOWN_CHANNEL: (FailureCode.UNKNOWN_NEXT_PEER, FailureDetail.NO_DETAIL),
    FailureCause.INCOMING: (FailureCode.INVALID_ONION_VERSION, FailureDetail.ONION_DECODE),
}
_OTHER = (FailureCode.TEMPORARY_NODE_FAILURE, FailureDetail.UNKNOWN)


class History(Protocol):
    """What was recorded: `storage.recorded.RecordedHistory`."""

    def attempts(self, *, since_ns: int = 0) -> Iterator[ForwardAttempt]:
        """Yield the attempts of a time on, nearly in order."""
        ...

    def gaps(self, *, since_ns: int, until_ns: int) -> Sequence[Gap]:
        """Return the times of which events are missing, oldest first."""
        ...

    def channels_at(self, time_ns: int) -> tuple[ChannelState, ...]:
        """Return the channels as they were."""
        ...

    @property
    def costs(self) -> "CostHistory":
        """What channels cost."""
        ...


class CostHistory(Protocol):
    """What was recorded of costs: `storage.costs.CostTables`."""

    def self_payments(self, *, since_ns: int, until_ns: int) -> Sequence[SelfPayment]:
        """Return the payments to oneself that settled in a time, oldest first."""
        ...

    def on_chain(self, *, since_ns: int, until_ns: int) -> Sequence[OnChainCost]:
        """Return what channels cost on the chain in a time."""
        ...

    def closed_channels(self) -> Sequence[ClosedChannel]:
        """Return the channels that the node once had."""
        ...


@dataclass(slots=True)
class ReplayNode:
    """Implements `core.ports.NodeReader` over a recorded history, as far as the clock has come."""

    history: History
    node: NodeInfo
    clock: PacedClock
    end_ns: int = 0
    """When the recording ends: the last event may be long before."""
    on_end: Callable[[], None] = lambda: None
    """Called when the clock has come there."""

    async def info(self) -> NodeInfo:
        """Return who the node was."""
        return self.node

    async def channels(self) -> Sequence[ChannelState]:
        """Return the channels as they were in this hour."""
        return await asyncio.to_thread(self.history.channels_at, self.clock.now_ns())

    async def closed_channels(self) -> Sequence[ClosedChannel]:
        """Return the channels that were closed, some of them later than now: when that was is not recorded."""
        return await asyncio.to_thread(self.history.costs.closed_channels)

    async def pending_channels(self) -> Sequence[PendingChannel]:
        """Return nothing: pending channels are not recorded."""
        return ()

    async def graph(self) -> "NetworkGraph":
        """Raise NodeRefused: the network is not recorded."""
        raise NodeRefused("a recorded history has no graph; give one with --graph where it is needed")

    async def forwarding_history(
        self, *, since_ns: int = 0, until_ns: int | None = None
    ) -> AsyncGenerator[ForwardPage, None]:
        """Yield what settled from `since_ns` up to before `until_ns`, which is at most now."""
        end_ns = min(until_ns if until_ns is not None else self.clock.now_ns(), self.clock.now_ns())
        found = await asyncio.to_thread(self._settled, since_ns, end_ns)
        for start in range(0, len(found), PAGE):
            page = found[start : start + PAGE]
            is_last = start + PAGE >= len(found)
            covered_ns = end_ns if is_last else page[-1].settled_ns + 1
            yield ForwardPage(
                forwards=tuple(page), covered_from_ns=UnixNs(since_ns), covered_until_ns=UnixNs(covered_ns)
            )
        if not found:
            yield ForwardPage(forwards=(), covered_from_ns=UnixNs(since_ns), covered_until_ns=UnixNs(end_ns))

    async def self_payments(self, *, since_ns: int = 0) -> AsyncGenerator[tuple[SelfPayment, ...], None]:
        """Yield what the node had paid itself since a time, in one page."""
        until_ns = self.clock.now_ns() + 1
        found = await asyncio.to_thread(self.history.costs.self_payments, since_ns=since_ns, until_ns=until_ns)
        yield tuple(found)

    async def on_chain_costs(self, *, since_height: int = 0) -> Sequence[OnChainCost]:  # noqa: ARG002 - the port's
        """Return what channels had cost on the chain, from the beginning: heights are not recorded."""
        until_ns = self.clock.now_ns() + 1
        return await asyncio.to_thread(self.history.costs.on_chain, since_ns=0, until_ns=until_ns)

    async def htlc_events(self) -> AsyncGenerator[HtlcEvent | Gap, None]:
        """Yield all events and gaps of the recording, each when it is due."""
        gaps = self.history.gaps(since_ns=0, until_ns=_END_NS)
        items = events_of(self.history.attempts(), gaps)
        while page := await asyncio.to_thread(lambda: list(itertools.islice(items, PAGE))):
            for item in page:
                await self._until(item.to_ns if isinstance(item, Gap) else item.timestamp_ns)
                yield item
        await self._until(self.end_ns)
        self.on_end()

    async def _until(self, time_ns: int) -> None:
        """Wait; the pace may change meanwhile, so the clock is asked again and again."""
        while (rest_s := self.clock.real_seconds_until(time_ns)) > 0:  # noqa: ASYNC110 - a clock tells nobody
            await asyncio.sleep(min(rest_s, MOST_REST_S))

    def _settled(self, since_ns: int, until_ns: int) -> list[Forward]:
        attempts = self.history.attempts(since_ns=max(since_ns - LONG_NS, 0))
        of_time = itertools.takewhile(lambda each: each.began_ns < until_ns + OUT_OF_ORDER_NS, attempts)
        settled = (each for each in of_time if each.state is AttemptState.SETTLED)
        found = [_forward(each) for each in settled if since_ns <= (each.ended_ns or each.began_ns) < until_ns]
        return sorted(found, key=lambda each: each.settled_ns)


def events_of(attempts: Iterable[ForwardAttempt], gaps: Sequence[Gap] = ()) -> Iterator[HtlcEvent | Gap]:
    """Yield the events that attempts came as, and the gaps among them, in order of time.

    What only the node's book told of, after a gap, comes with that gap again.
    """
    waiting: list[tuple[int, int, HtlcEvent | Gap]] = [(gap.to_ns, number, gap) for number, gap in enumerate(gaps)]
    heapq.heapify(waiting)
    number = len(waiting)
    by_book: list[Forward] = []
    for attempt in attempts:
        if attempt.incoming_htlc_id < 0:
            by_book.append(_forward(attempt))
            continue
        for event in _events(attempt):
            number += 1
            heapq.heappush(waiting, (event.timestamp_ns, number, event))
        while waiting and waiting[0][0] <= attempt.began_ns - OUT_OF_ORDER_NS:
            yield _filled(heapq.heappop(waiting)[2], by_book)
    while waiting:
        yield _filled(heapq.heappop(waiting)[2], by_book)


def _filled(item: HtlcEvent | Gap, by_book: list[Forward]) -> HtlcEvent | Gap:
    """Return an item; a gap with the forwards of its time, which are taken out of `by_book`."""
    if not isinstance(item, Gap):
        return item
    inside = [each for each in by_book if item.from_ns <= each.settled_ns < item.to_ns]
    by_book[:] = [each for each in by_book if each not in inside]
    return dataclasses.replace(item, forwards=tuple(inside))


def _forward(attempt: ForwardAttempt) -> Forward:
    """Return a settled attempt as the node's book has it; a number of ours is none of the node's."""
    own = attempt.incoming_htlc_id < 0
    return Forward(
        settled_ns=attempt.ended_ns if attempt.ended_ns is not None else attempt.began_ns,
        incoming_channel_id=attempt.incoming_channel_id,
        outgoing_channel_id=attempt.outgoing_channel_id,
        incoming_amount_msat=attempt.incoming_amount_msat,
        outgoing_amount_msat=attempt.outgoing_amount_msat,
        incoming_htlc_id=None if own else attempt.incoming_htlc_id,
        outgoing_htlc_id=None if own else attempt.outgoing_htlc_id,
    )


def _events(attempt: ForwardAttempt) -> Iterator[HtlcEvent]:
    refused = attempt.state is AttemptState.FAILED_HERE
    if attempt.outgoing_amount_msat and not refused:
        yield _event(attempt, HtlcEventKind.FORWARD, attempt.began_ns)
    ended_ns = attempt.ended_ns if attempt.ended_ns is not None else attempt.began_ns
    match attempt.state:
        case AttemptState.SETTLED:
            yield _event(attempt, HtlcEventKind.SETTLE, ended_ns)
        case AttemptState.FAILED_DOWNSTREAM:
            yield _event(attempt, HtlcEventKind.FORWARD_FAIL, ended_ns)
        case AttemptState.FAILED_HERE:
            yield _event(attempt, HtlcEventKind.LINK_FAIL, ended_ns)
        case _:
            pass


def _event(attempt: ForwardAttempt, kind: HtlcEventKind, time_ns: int) -> HtlcEvent:
    failed = kind is HtlcEventKind.LINK_FAIL
    has_amounts = kind in {HtlcEventKind.FORWARD, HtlcEventKind.LINK_FAIL}
    code, detail = _CODES.get(attempt.cause, _OTHER) if failed else (FailureCode.NONE, FailureDetail.UNKNOWN)
    blocks = attempt.remaining_blocks
    return HtlcEvent(
        timestamp_ns=UnixNs(time_ns),
        kind=kind,
        event_type=HtlcEventType.FORWARD,
        incoming_channel_id=attempt.incoming_channel_id,
        outgoing_channel_id=attempt.outgoing_channel_id,
        incoming_htlc_id=attempt.incoming_htlc_id,
        outgoing_htlc_id=attempt.outgoing_htlc_id,
        incoming_amount_msat=attempt.incoming_amount_msat if has_amounts else Msat(0),
        outgoing_amount_msat=attempt.outgoing_amount_msat if has_amounts else Msat(0),
        incoming_timelock_blocks=0,
        outgoing_timelock_blocks=BLOCK_HEIGHT + blocks if has_amounts and blocks is not None else 0,
        wire_failure=code,
        failure_detail=detail,
    )
