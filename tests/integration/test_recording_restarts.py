"""A node that goes down and comes up again while it is recorded: it is resumed, and no settled forward is missing."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.support.htlcs import P, Q
from tests.support.lnd_stand_in import StandIn, stand_in
from tests.support.recorded import evidence

from lightninglens.core.clock import SystemClock
from lightninglens.core.forwards import GapReason
from lightninglens.core.units import NS_PER_SECOND
from lightninglens.nodes.lnd.client import LndReader, events
from lightninglens.nodes.lnd.contract import lnrpc, routerrpc
from lightninglens.nodes.lnd.contract.services import Lightning, Router
from lightninglens.operate.recording import Recording, RecordingOptions
from lightninglens.storage.forwards import ForwardStore

pytestmark = pytest.mark.asyncio
HELD_UP, HELD_DOWN = 3, 4
"""Forwards that settle in each cycle, while the node is reached and while it is not."""
LONGEST_RESUME_S = 35.0


class Forwarding:
    """What a stand-in tells of its forwards: events to whom listens, and a book of all that settled."""

    def __init__(self, node: StandIn) -> None:
        self.node = node
        self.book: list[lnrpc.ForwardingEvent] = []
        self.refused = 0
        self.listening = 0
        self._numbers = itertools.count()
        self._events: asyncio.Queue[routerrpc.HtlcEvent] = asyncio.Queue()
        node.answers[Router.SubscribeHtlcEvents.path] = self._stream
        node.answers[Lightning.ForwardingHistory.path] = self._pages
        node.answers[Lightning.ListChannels.path] = lnrpc.ListChannelsResponse()

    def forward(self) -> None:
        """Let a forward be offered and settle."""
        number, now_ns = next(self._numbers), SystemClock().now_ns()
        info = routerrpc.HtlcInfo(incoming_amt_msat=2_000, outgoing_amt_msat=1_000)
        self._tell(number, now_ns, forward_event=routerrpc.ForwardEvent(info=info))
        self._tell(number, now_ns, settle_event=routerrpc.SettleEvent())
        self.book.append(
            lnrpc.ForwardingEvent(
                chan_id_in=P,
                chan_id_out=Q,
                incoming_htlc_id=number,
                outgoing_htlc_id=number,
                timestamp=now_ns // NS_PER_SECOND,
                timestamp_ns=now_ns,
                amt_in_msat=2_000,
                amt_out_msat=1_000,
                amt_in=2,
                amt_out=1,
                fee=1,
                fee_msat=1_000,
            )
        )

    def refuse(self) -> None:
        """Refuse one."""
        info = routerrpc.HtlcInfo(incoming_amt_msat=2_000, outgoing_amt_msat=1_000)
        failed = routerrpc.LinkFailEvent(
            info=info,
            wire_failure=lnrpc.Failure.TEMPORARY_CHANNEL_FAILURE,
            failure_detail=routerrpc.FailureDetail.INSUFFICIENT_BALANCE,
        )
        self._tell(next(self._numbers), SystemClock().now_ns(), link_fail_event=failed)
        self.refused += self.listening > 0

    def told_everything(self) -> bool:
        return self._events.empty()

    async def down(self) -> None:
        await self.node.stop()
        self.listening = 0
        while not self._events.empty():  # LND keeps no event for who is away
            self._events.get_nowait()

    def _tell(self, number: int, now_ns: int, **kind: object) -> None:
        if self.listening:
            self._events.put_nowait(
                routerrpc.HtlcEvent(
                    incoming_channel_id=P,
                    outgoing_channel_id=Q,
                    incoming_htlc_id=number,
                    outgoing_htlc_id=number,
                    timestamp_ns=now_ns,
                    event_type=routerrpc.HtlcEvent.FORWARD,
                    **kind,  # type: ignore[arg-type]
                )
            )

    async def _stream(self, _request: object) -> AsyncIterator[routerrpc.HtlcEvent]:
        yield routerrpc.HtlcEvent(subscribed_event=routerrpc.SubscribedEvent())
        self.listening += 1
        while True:
            yield await self._events.get()

    async def _pages(self, asked: lnrpc.ForwardingHistoryRequest) -> lnrpc.ForwardingHistoryResponse:
        found = [each for each in self.book if asked.start_time <= each.timestamp <= asked.end_time]
        page = found[asked.index_offset : asked.index_offset + asked.num_max_events]
        return lnrpc.ForwardingHistoryResponse(forwarding_events=page)


async def until(done: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not done():  # noqa: ASYNC110 - a condition, and no event
            await asyncio.sleep(0.01)


async def cycle(node: Forwarding, recording: Recording, *, down_s: float) -> float:
    """Let the node go down and come up once; returns how long it took to be recorded again."""
    for _ in range(HELD_UP):
        node.forward()
    node.refuse()
    taken = recording.events
    await until(node.told_everything)
    await node.down()
    for _ in range(HELD_DOWN):
        node.forward()
    await asyncio.sleep(down_s)
    await node.node.start()
    began = time.monotonic()
    await until(lambda: node.listening)
    assert recording.events >= taken
    return time.monotonic() - began


async def live_through(folder: Path, cycles: int, *, down_s: float) -> list[float]:
    """Record a node that goes down and comes up, hold the record against its book, and return the resume times."""
    options = RecordingOptions(flush_s=0.2, look_s=600.0, book_s=600.0)
    async with stand_in(folder / "lnd") as lnd:
        node = Forwarding(lnd)
        async with LndReader.at(lnd.options(timeout_s=2.0)) as reader:
            with ForwardStore(folder / "forwards.db") as store:
                recording = Recording(reader, store, SystemClock(), options)
                task = asyncio.create_task(recording.run())
                await until(lambda: node.listening)
                resumed_s = [await cycle(node, recording, down_s=down_s) for _ in range(cycles)]
                await until(lambda: recording.totals.settled >= len(node.book) or task.done())
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await recording.flush()
                kept = {each.incoming_htlc_id for _, each in store.newest(10**6) if each.outgoing_amount_msat}
                gaps = store.gaps(since_ns=0, until_ns=2**62)
                covered = store.covered(since_ns=0, until_ns=2**62)
                sums = evidence(store).sums
    assert {each.incoming_htlc_id for each in node.book} <= kept
    assert sums.attempts[sums.state == 1].sum() == len(node.book) == cycles * (HELD_UP + HELD_DOWN)
    assert sums.attempts[sums.state == 3].sum() == node.refused == cycles
    assert [gap.reason for gap in gaps] == [GapReason.DISCONNECTED] * cycles
    assert all(end <= gap.from_ns or begin >= gap.to_ns for gap in gaps for begin, end in covered)
    return resumed_s


async def test_down_and_up_ten_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "STEADY_S", 0.0)
    monkeypatch.setattr(events, "FIRST_WAIT_S", 0.05)
    assert len(await live_through(tmp_path, 10, down_s=0.05)) == 10


@pytest.mark.nightly
async def test_down_and_up_a_hundred_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "STEADY_S", 0.0)  # a hundred nodes that were up for long
    resumed_s = await live_through(tmp_path, 100, down_s=0.5)
    assert max(resumed_s) <= LONGEST_RESUME_S


@pytest.mark.nightly
async def test_a_node_that_was_away_for_long_is_resumed_within_35_s(tmp_path: Path) -> None:
    (resumed_s,) = await live_through(tmp_path, 1, down_s=70.0)
    assert resumed_s <= LONGEST_RESUME_S
