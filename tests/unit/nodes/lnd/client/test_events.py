"""HTLC events over breaks, with a record of every gap, and a reader that never waits for its consumer."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from lightninglens.core.clock import VirtualClock
from lightninglens.core.errors import NodeRefused, NodeUnavailable
from lightninglens.core.forwards import Forward, Gap, GapReason
from lightninglens.core.htlc import HtlcEvent
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import NS_PER_SECOND, Msat, UnixNs
from lightninglens.nodes.lnd.client.events import FIRST_WAIT_S, LONGEST_WAIT_S, Source, htlc_events
from lightninglens.nodes.lnd.contract import routerrpc

pytestmark = pytest.mark.asyncio
START_NS = 1_000 * NS_PER_SECOND
Script = Callable[[], AsyncGenerator[routerrpc.HtlcEvent, None]]


def subscribed() -> routerrpc.HtlcEvent:
    return routerrpc.HtlcEvent(subscribed_event=routerrpc.SubscribedEvent())


def settled(number: int, at_s: float) -> routerrpc.HtlcEvent:
    return routerrpc.HtlcEvent(
        incoming_channel_id=1,
        outgoing_channel_id=2,
        incoming_htlc_id=number,
        outgoing_htlc_id=number,
        timestamp_ns=int(at_s * NS_PER_SECOND),
        event_type=routerrpc.HtlcEvent.FORWARD,
        settle_event=routerrpc.SettleEvent(preimage=b"secret preimage"),
    )


def forward(number: int | None, at_s: float) -> Forward:
    return Forward(
        settled_ns=UnixNs(int(at_s * NS_PER_SECOND)),
        incoming_channel_id=ChannelId(1),
        outgoing_channel_id=ChannelId(2),
        incoming_amount_msat=Msat(1_001),
        outgoing_amount_msat=Msat(1_000),
        incoming_htlc_id=number,
        outgoing_htlc_id=number,
    )


class Node:
    """Streams that play one after another, a book of forwards, and a clock that waiting moves."""

    def __init__(self, *scripts: list[Any], book: tuple[Forward, ...] = (), unnoticed_s: float | None = 10.0) -> None:
        self.scripts = list(scripts)
        self.book = book
        self.clock = VirtualClock(START_NS)
        self.waits: list[float] = []
        self.asked: list[tuple[int, int]] = []
        self.problem: Exception | None = None
        self.unnoticed_s = unnoticed_s
        self.played = asyncio.Event()
        """Set when no stream is left."""

    def source(self, max_unread: int = 100) -> Source:
        return Source(
            subscribe=self.subscribe,
            settled=self.settled,
            clock=self.clock,
            unnoticed_s=self.unnoticed_s,
            sleep=self.sleep,
            max_unread=max_unread,
        )

    async def subscribe(self) -> AsyncGenerator[routerrpc.HtlcEvent, None]:
        if not self.scripts:
            self.played.set()
            await asyncio.Event().wait()
        for step in self.scripts.pop(0):
            if isinstance(step, Exception):
                raise step
            if isinstance(step, float):
                self.clock.advance_to(int(step * NS_PER_SECOND))
            else:
                yield step
        await asyncio.sleep(0)

    async def settled(self, from_ns: int, to_ns: int) -> tuple[Forward, ...]:
        self.asked.append((from_ns, to_ns))
        if self.problem is not None:
            raise self.problem
        return tuple(each for each in self.book if from_ns <= each.settled_ns < to_ns)

    async def sleep(self, wait_s: float) -> None:
        self.waits.append(wait_s)
        self.clock.advance_to(self.clock.now_ns() + int(wait_s * NS_PER_SECOND))
        await asyncio.sleep(0)


async def take(node: Node, count: int, max_unread: int = 100) -> list[HtlcEvent | Gap]:
    found: list[HtlcEvent | Gap] = []
    async with contextlib.aclosing(htlc_events(node.source(max_unread))) as stream, asyncio.timeout(5):
        async for item in stream:
            found.append(item)
            if len(found) == count:
                break
    return found


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ([NodeUnavailable("broken")], GapReason.DISCONNECTED),
        ([], GapReason.ENDED),
        ([ValueError("x")], GapReason.MALFORMED),
    ],
)
async def test_a_stream_that_breaks_or_ends_in_order_goes_on_with_a_gap(ending: list[Any], reason: GapReason) -> None:
    node = Node(
        [subscribed(), 1_100.0, settled(1, 1_100), *ending],
        [subscribed(), settled(3, 1_102)],
        book=(forward(1, 1_100), forward(2, 1_100.4)),
    )
    first, gap, second = await take(node, 3)
    assert isinstance(first, HtlcEvent)
    assert isinstance(second, HtlcEvent)
    assert isinstance(gap, Gap)
    assert gap.reason is reason
    assert gap.from_ns == 1_100 * NS_PER_SECOND
    assert gap.to_ns == int((1_100 + FIRST_WAIT_S) * NS_PER_SECOND)
    assert gap.forwards == (forward(2, 1_100.4),)  # not the one that was seen as an event


async def test_a_forward_that_came_with_a_gap_is_told_again_neither_by_the_stream_nor_by_the_next_gap() -> None:
    node = Node(
        [subscribed(), 1_100.0, settled(1, 1_100)],
        [subscribed(), settled(2, 1_100.4), settled(3, 1_100.6)],
        [subscribed(), settled(4, 1_102)],
        book=(forward(1, 1_100), forward(2, 1_100.4), forward(3, 1_100.6)),
    )
    _, gap, third, short, last = await take(node, 5)
    assert isinstance(gap, Gap)
    assert isinstance(short, Gap)
    assert gap.forwards == (forward(2, 1_100.4),)
    assert [each.incoming_htlc_id for each in (third, last) if isinstance(each, HtlcEvent)] == [3, 4]
    assert short.forwards == ()


async def test_a_quiet_stream_that_ends_in_order_was_alive_until_then() -> None:
    node = Node([subscribed(), 5_000.0], [subscribed()])
    (gap,) = await take(node, 1)
    assert isinstance(gap, Gap)
    assert gap.from_ns == 4_999 * NS_PER_SECOND


async def test_a_connection_that_may_have_been_dead_for_a_while_leaves_a_longer_gap() -> None:
    node = Node([subscribed(), 5_000.0, NodeUnavailable("dead")], [subscribed()], unnoticed_s=60.0)
    (gap,) = await take(node, 1)
    assert isinstance(gap, Gap)
    assert gap.from_ns == (5_000 - 61) * NS_PER_SECOND
    silent = Node([subscribed(), 5_000.0, NodeUnavailable("dead")], [subscribed()], unnoticed_s=None)
    (gap,) = await take(silent, 1)
    assert isinstance(gap, Gap)
    assert gap.from_ns == START_NS


async def test_a_gap_whose_forwards_cannot_be_read_says_so() -> None:
    node = Node([subscribed(), settled(1, 1_000)], [subscribed()])
    node.problem = NodeUnavailable("no history")
    _, gap = await take(node, 2)
    assert isinstance(gap, Gap)
    assert gap.forwards is None


async def test_forwards_without_ids_are_told_apart_by_their_time() -> None:
    book = (forward(None, 1_099.5), forward(None, 1_100.2))
    node = Node([subscribed(), 1_100.0, settled(1, 1_100)], [subscribed()], book=book)
    _, gap = await take(node, 2)
    assert isinstance(gap, Gap)
    assert gap.forwards == (forward(None, 1_100.2),)


async def test_waits_grow_while_the_node_is_away_and_start_anew_after_a_steady_while() -> None:
    away = [[NodeUnavailable("away")] for _ in range(9)]
    steady = [subscribed(), 9_000.0, settled(1, 9_000)]
    node = Node([subscribed()], *away, steady, [subscribed()])
    await take(node, 3)
    assert node.waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert max(node.waits) == LONGEST_WAIT_S
    assert node.waits[-1] == FIRST_WAIT_S


async def test_before_the_first_subscription_nothing_is_missed() -> None:
    node = Node([NodeUnavailable("away")], [subscribed(), settled(1, 1_001)])
    (event,) = await take(node, 1)
    assert isinstance(event, HtlcEvent)


async def test_what_waiting_does_not_mend_ends_the_stream_with_its_reason() -> None:
    node = Node([subscribed(), NodeRefused("not in this LND")])
    with pytest.raises(NodeRefused, match="not in this LND"):
        await take(node, 1)


async def test_a_slow_consumer_loses_events_and_not_the_node_its_time() -> None:
    events = [settled(number, 1_001 + number) for number in range(20)]
    book = tuple(forward(number, 1_001 + number) for number in range(20))
    node = Node([subscribed(), *events], [subscribed(), settled(99, 2_000)], book=book)
    stream = htlc_events(node.source(max_unread=5))
    async with contextlib.aclosing(stream), asyncio.timeout(5):
        first = await anext(stream)
        assert isinstance(first, HtlcEvent)
        await node.played.wait()  # the reading side has gone on meanwhile
        rest = [await anext(stream) for _ in range(5)]
    kinds = [type(each) for each in rest]
    gap = next(each for each in rest if isinstance(each, Gap))
    assert kinds.index(Gap) == len(kinds) - 1
    assert gap.reason is GapReason.OVERFLOW
    assert gap.lost is not None
    assert gap.lost >= 15
    assert gap.forwards is not None
    seen = {first.incoming_htlc_id, *(each.incoming_htlc_id for each in rest if isinstance(each, HtlcEvent))}
    assert {each.incoming_htlc_id for each in gap.forwards} == set(range(20)) - seen


async def test_a_preimage_is_left_where_it_is() -> None:
    (event,) = await take(Node([subscribed(), settled(1, 1_001)]), 1)
    assert "secret" not in repr(event)


async def test_a_consumer_that_leaves_ends_the_reading_side() -> None:
    node = Node([subscribed(), settled(1, 1_001)])
    await take(node, 1)
    await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "htlc events"]


async def test_a_node_whose_clock_is_ahead_leaves_no_gap_that_ends_before_it_begins() -> None:
    node = Node([subscribed(), settled(1, 90_000)], [subscribed(), settled(2, 90_100)], unnoticed_s=None)
    first, gap, second = await take(node, 3)
    assert isinstance(gap, Gap)
    assert gap.from_ns == gap.to_ns == node.clock.now_ns()
    assert [each.incoming_htlc_id for each in (first, second) if isinstance(each, HtlcEvent)] == [1, 2]
