import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

import pytest
from tests.support.htlcs import START_NS, Htlcs, P, Q, channel
from tests.support.recorded import evidence

from lightninglens.analytics.missed.report import coverage_of
from lightninglens.core.attempts import AttemptState
from lightninglens.core.channels import ChannelState
from lightninglens.core.clock import VirtualClock
from lightninglens.core.errors import LensError, NodeRefused, NodeUnavailable
from lightninglens.core.forwards import Forward, ForwardPage, Gap, GapReason
from lightninglens.core.htlc import HtlcEvent, HtlcEventKind
from lightninglens.core.ids import NodeId
from lightninglens.core.node import NodeInfo
from lightninglens.core.units import NS_PER_HOUR, Msat, UnixNs
from lightninglens.operate.recording import Recording, RecordingOptions
from lightninglens.storage.forwards import Batch, ForwardStore

pytestmark = pytest.mark.asyncio
LATER_NS = 2**62
QUICK = RecordingOptions(flush_s=0.01, look_s=0.01, book_s=0.01)


class Node:
    """A node whose events, channels and book are what the test says."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[HtlcEvent | Gap] = asyncio.Queue()
        self.book: list[Forward] = []
        self.away = False

    async def info(self) -> NodeInfo:
        if self.away:
            raise NodeUnavailable("away")
        return NodeInfo(node_id=NodeId("02" + "00" * 32), alias="node", channel_count=2, block_height=100)

    async def channels(self) -> Sequence[ChannelState]:
        if self.away:
            raise NodeUnavailable("away")
        return [channel(P), channel(Q)]

    async def htlc_events(self) -> AsyncGenerator[HtlcEvent | Gap, None]:
        while True:
            yield await self.items.get()

    async def forwarding_history(
        self, *, since_ns: int = 0, until_ns: int | None = None
    ) -> AsyncGenerator[ForwardPage, None]:
        if self.away:
            raise NodeUnavailable("away")
        found = tuple(each for each in self.book if since_ns <= each.settled_ns < (until_ns or LATER_NS))
        yield ForwardPage(forwards=found, covered_from_ns=UnixNs(since_ns), covered_until_ns=UnixNs(until_ns or 0))


class Full(ForwardStore):
    """A store on a disk that is full while the test says so."""

    full = False

    def write(self, batch: Batch) -> None:
        if self.full:
            raise LensError("no space left on device")
        super().write(batch)


class Settable:
    """A clock that anybody sets."""

    def __init__(self) -> None:
        self.moved_ns = 0
        self._began_ns = time.monotonic_ns()

    def now_ns(self) -> UnixNs:
        return UnixNs(START_NS + time.monotonic_ns() - self._began_ns + self.moved_ns)


def line(settled_ns: int, number: int) -> Forward:
    return Forward(
        settled_ns=UnixNs(settled_ns),
        incoming_channel_id=P,
        outgoing_channel_id=Q,
        incoming_amount_msat=Msat(1_010),
        outgoing_amount_msat=Msat(1_000),
        incoming_htlc_id=number,
        outgoing_htlc_id=number,
    )


async def until(done: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110 - a condition, and no event
            await asyncio.sleep(0.005)


async def run_until(recording: Recording, done: Callable[[], object]) -> None:
    """Run a recording until a condition holds, and end it as a signal would."""
    task = asyncio.create_task(recording.run())
    await until(lambda: done() or task.done())
    if task.done():
        task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_events_are_on_disk_and_counted_once_over_two_runs(tmp_path: Path) -> None:
    node, htlcs, clock = Node(), Htlcs(), VirtualClock(START_NS)
    offered, refused = htlcs.offered(1_000_000), htlcs.refused(2_000_000)
    with ForwardStore(tmp_path / "f.db") as store:
        recording = Recording(node, store, clock, QUICK)  # type: ignore[arg-type]
        for event in (offered, refused):
            node.items.put_nowait(event)
        await run_until(recording, lambda: recording.events == 2)
        assert [each.state for each in store.unresolved()] == [AttemptState.IN_FLIGHT]
    clock.advance_to(START_NS + 10**9)
    with ForwardStore(tmp_path / "f.db") as store:
        again = Recording(node, store, clock, QUICK)  # type: ignore[arg-type]
        for event in (offered, refused, htlcs.settled(offered)):
            node.items.put_nowait(event)
        await run_until(again, lambda: again.events == 3)
        clock.advance_to(START_NS + 10**12)
        await again.flush()
        assert evidence(store, since_ns=0, until_ns=LATER_NS).sums.attempts.sum() == 2
        assert again.totals.settled == 1
        (gap,) = store.gaps(since_ns=0, until_ns=LATER_NS)
        assert gap.reason is GapReason.NOT_RUNNING


async def test_what_settled_while_nothing_ran_comes_from_the_book(tmp_path: Path) -> None:
    node, clock = Node(), VirtualClock(START_NS)
    with ForwardStore(tmp_path / "f.db") as store:
        first = Recording(node, store, clock, QUICK)  # type: ignore[arg-type]
        await run_until(first, lambda: store.covered_until_ns() is not None)
        clock.advance_to(START_NS + 3 * 10**9)
        node.book = [line(START_NS + 10**9, 0), line(START_NS + 2 * 10**9, 1)]
        second = Recording(node, store, clock, QUICK)  # type: ignore[arg-type]
        await run_until(second, lambda: second.totals.settled == 2)
        assert len(store.newest(10)) == 2


async def test_a_gap_ends_what_was_covered_and_the_rest_begins_behind_it(tmp_path: Path) -> None:
    node, clock = Node(), VirtualClock(START_NS)
    gap = Gap(
        from_ns=UnixNs(START_NS + 100),
        to_ns=UnixNs(START_NS + 200),
        reason=GapReason.ENDED,
        detail="restart",
        forwards=(line(START_NS + 150, 5),),
    )
    with ForwardStore(tmp_path / "f.db") as store:
        recording = Recording(node, store, clock, QUICK)  # type: ignore[arg-type]
        clock.advance_to(START_NS + 100)
        node.items.put_nowait(gap)
        await run_until(recording, lambda: bool(store.gaps(since_ns=0, until_ns=LATER_NS)))
        covered = store.covered(since_ns=0, until_ns=LATER_NS)
        assert all(end <= gap.from_ns or begin >= gap.to_ns for begin, end in covered)
        assert recording.totals.settled == 1


async def test_a_full_disk_is_told_and_nothing_is_lost_once_there_is_room(tmp_path: Path) -> None:
    node, htlcs, clock = Node(), Htlcs(), VirtualClock(START_NS)
    with Full(tmp_path / "f.db") as store:
        recording = Recording(node, store, clock, QUICK)  # type: ignore[arg-type]
        task = asyncio.create_task(recording.run())
        store.full = True
        node.items.put_nowait(htlcs.refused(2_000_000))
        await until(lambda: recording.problem)
        assert "no space left" in recording.problem
        assert store.newest(10) == []
        store.full = False
        await until(lambda: not recording.problem and store.newest(10))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_disk_that_refuses_for_too_long_makes_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightninglens.operate.recording.MOST_WAITING", 3)
    node, htlcs, clock = Node(), Htlcs(), VirtualClock(START_NS)
    with Full(tmp_path / "f.db") as store:
        recording = Recording(node, store, clock, QUICK)  # type: ignore[arg-type]
        store.full = True
        for _ in range(6):
            recording.accounting.take(htlcs.refused(2_000_000))
            await recording.flush()
        store.full = False
        await recording.flush()
        await recording.flush()
        gaps = store.gaps(since_ns=0, until_ns=LATER_NS)
        assert {each.reason for each in gaps} == {GapReason.UNWRITTEN}
        assert sum(each.lost or 0 for each in gaps) + len(store.newest(10)) == 6


async def test_a_node_that_is_away_is_waited_for(tmp_path: Path) -> None:
    node, clock = Node(), VirtualClock(START_NS)
    node.away = True
    with ForwardStore(tmp_path / "f.db") as store:
        recording = Recording(node, store, clock, QUICK)  # type: ignore[arg-type]
        task = asyncio.create_task(recording.run())
        await asyncio.sleep(0.05)
        assert recording.accounting.channels.states() == []
        node.away = False
        await until(recording.accounting.channels.states)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_waits_for_the_disk_is_known_as_counted(tmp_path: Path) -> None:
    node, htlcs, clock = Node(), Htlcs(), VirtualClock(START_NS)
    first, second = htlcs.refused(2_000_000), htlcs.refused(3_000_000)
    with Full(tmp_path / "f.db") as store:
        recording = Recording(node, store, clock, QUICK)  # type: ignore[arg-type]
        store.full = True
        for event in (first, second):
            assert recording.accounting.take(event)
            await recording.flush()
        assert not recording.accounting.take(first)
        assert recording.attempt((P, 99)) is None


async def test_the_book_tells_the_amounts_of_what_began_unseen(tmp_path: Path) -> None:
    node, htlcs, clock = Node(), Htlcs(), VirtualClock(START_NS)
    node.book = [line(START_NS + 5, 7)]
    with ForwardStore(tmp_path / "f.db") as store:
        recording = Recording(node, store, clock, QUICK)  # type: ignore[arg-type]
        recording.accounting.take(htlcs.event(HtlcEventKind.SETTLE, 7))
        clock.advance_to(START_NS + 10**9)
        task = asyncio.create_task(recording.run())
        await asyncio.sleep(0.05)
        clock.advance_to(START_NS + 2 * 10**9)
        node.book = [line(START_NS + 10**9 + 5, 7)]
        await until(lambda: recording.totals.settled)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert store.newest(1)[0][1].outgoing_amount_msat == 1_000


async def test_a_node_that_refuses_ends_the_recording(tmp_path: Path) -> None:
    class Refusing(Node):
        async def refusal(self) -> HtlcEvent:
            raise NodeRefused("permission denied")

        async def htlc_events(self) -> AsyncGenerator[HtlcEvent | Gap, None]:
            yield await self.refusal()

    with ForwardStore(tmp_path / "f.db") as store:
        recording = Recording(Refusing(), store, VirtualClock(START_NS), QUICK)  # type: ignore[arg-type]
        with pytest.raises(NodeRefused, match="permission denied"):
            await recording.run()


@pytest.mark.parametrize("hours", [5, -5, 24 * 400])
async def test_a_clock_that_is_set_is_told_and_loses_nothing(tmp_path: Path, hours: int) -> None:
    node, htlcs, clock = Node(), Htlcs(), Settable()
    with ForwardStore(tmp_path / "f.db") as store:
        recording = Recording(node, store, clock, QUICK)  # type: ignore[arg-type]
        task = asyncio.create_task(recording.run())
        for moved_ns in (0, hours * NS_PER_HOUR, 0):
            clock.moved_ns = moved_ns
            before = recording.events
            htlcs.now_ns = clock.now_ns()  # the node is on the same machine
            offered = htlcs.offered(1_000_000)
            for event in (offered, htlcs.refused(2_000_000), htlcs.settled(offered)):
                node.items.put_nowait(event)
            await until(lambda seen=before: recording.events == seen + 3)  # type: ignore[misc]
            await asyncio.sleep(0.1)  # flushes, looks, and packs
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        clock.moved_ns = 24 * 500 * NS_PER_HOUR
        await recording.flush()
        gaps = store.gaps(since_ns=0, until_ns=LATER_NS)
        sums = evidence(store).sums
        assert len(store.newest(100)) == 6
        coverage = coverage_of(
            store.covered(since_ns=0, until_ns=LATER_NS), gaps, from_ns=START_NS, to_ns=START_NS + NS_PER_HOUR
        )
    assert [each.reason for each in gaps][:2] == [GapReason.CLOCK] * 2
    assert {f"{each.detail}"[:28] for each in gaps[:2]} == {
        f"the clock moved by {hours:+.2f} hours"[:28],
        f"the clock moved by {-hours:+.2f} hours"[:28],
    }
    assert sums.attempts[sums.state == AttemptState.SETTLED].sum() == 3
    assert sums.attempts[sums.state == AttemptState.FAILED_HERE].sum() == 3
    assert all((column >= 0).all() for column in sums)
    assert 0 < coverage.covered_ns < 10 * 10**9


async def test_a_node_whose_clock_is_hours_off_is_counted_by_its_own(tmp_path: Path) -> None:
    clock = Settable()
    for number, hours in enumerate((3, -3)):
        node, htlcs = Node(), Htlcs(now_ns=clock.now_ns() + hours * NS_PER_HOUR)
        with ForwardStore(tmp_path / f"{number}.db") as store:
            recording = Recording(node, store, clock, QUICK)  # type: ignore[arg-type]
            node.items.put_nowait(htlcs.refused(2_000_000))
            await run_until(recording, lambda of=recording: of.events == 1)  # type: ignore[misc]
            assert len(store.open_payments()) == 1, "a retry may still come"
            clock.moved_ns += 300 * 10**9
            await recording.flush()
            assert store.open_payments() == []
            assert (store.covered_until_ns() or 0) <= clock.now_ns()


async def test_a_circuit_that_ends_before_it_began_is_held_for_no_time(tmp_path: Path) -> None:
    node, htlcs, clock = Node(), Htlcs(), VirtualClock(START_NS)
    with ForwardStore(tmp_path / "f.db") as store:
        recording = Recording(node, store, clock, QUICK)  # type: ignore[arg-type]
        offered = htlcs.offered(1_000_000)
        htlcs.later(-7_200)
        for event in (offered, htlcs.settled(offered)):
            node.items.put_nowait(event)
        await run_until(recording, lambda: recording.events == 2)
        assert evidence(store).sums.held_ns.tolist() == [0]


async def test_a_record_that_is_ahead_of_the_clock_is_told_and_the_book_is_read(tmp_path: Path) -> None:
    node, clock = Node(), VirtualClock(START_NS + 10 * NS_PER_HOUR)
    with ForwardStore(tmp_path / "f.db") as store:
        first = Recording(node, store, clock, QUICK)  # type: ignore[arg-type]
        await run_until(first, lambda: store.covered_until_ns() is not None)
        clock = VirtualClock(START_NS)
        node.book = [line(START_NS - NS_PER_HOUR, 3)]
        second = Recording(node, store, clock, QUICK)  # type: ignore[arg-type]
        await run_until(second, lambda: second.totals.settled == 1)
        (gap,) = store.gaps(since_ns=0, until_ns=LATER_NS)
    assert gap.reason is GapReason.CLOCK
    assert "10.0 hours ahead of the clock" in gap.detail


async def test_what_is_too_old_goes_once_the_clock_has_been_steady_for_an_hour(tmp_path: Path) -> None:
    node, htlcs, clock = Node(), Htlcs(), VirtualClock(START_NS)
    options = RecordingOptions(flush_s=0.01, look_s=600, book_s=0.01, keep_days=0)
    with ForwardStore(tmp_path / "f.db") as store:
        recording = Recording(node, store, clock, options)  # type: ignore[arg-type]
        task = asyncio.create_task(recording.run())
        node.items.put_nowait(htlcs.refused(2_000_000))
        await until(lambda: store.newest(1))
        for _ in range(5):
            clock.advance_to(clock.now_ns() + 1_000 * 10**9)
            await asyncio.sleep(0.05)
        await until(lambda: not store.newest(1))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert evidence(store).sums.attempts.sum() == 1


async def test_a_store_that_cannot_pack_goes_on_recording(tmp_path: Path) -> None:
    class Stiff(ForwardStore):
        asked = 0

        def pack(self, *, now_ns: int) -> None:
            self.asked += 1
            raise LensError(f"cannot be packed at {now_ns}")

    node, htlcs = Node(), Htlcs()
    with Stiff(tmp_path / "f.db") as store:
        recording = Recording(node, store, VirtualClock(START_NS), QUICK)  # type: ignore[arg-type]
        task = asyncio.create_task(recording.run())
        await until(lambda: store.asked > 1)
        node.items.put_nowait(htlcs.refused(2_000_000))
        await until(lambda: store.newest(1))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_who_is_stopped_while_it_writes_counts_nothing_twice(tmp_path: Path) -> None:
    class Slow(ForwardStore):
        began, may_end = threading.Event(), threading.Event()

        def write(self, batch: Batch) -> None:
            if batch.changes.ended:
                self.began.set()
                self.may_end.wait(10)
            super().write(batch)

    node, htlcs = Node(), Htlcs()
    with Slow(tmp_path / "f.db") as store:
        recording = Recording(node, store, VirtualClock(START_NS), QUICK)  # type: ignore[arg-type]
        task = asyncio.create_task(recording.run())
        node.items.put_nowait(htlcs.refused(2_000_000))
        await until(store.began.is_set)
        task.cancel()
        await asyncio.sleep(0.05)
        store.may_end.set()
        await asyncio.gather(task, return_exceptions=True)
        assert evidence(store).sums.attempts.sum() == 1
