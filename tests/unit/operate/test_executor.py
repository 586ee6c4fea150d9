import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from lightninglens.control.guard import GuardRules, RefusalCode
from lightninglens.core.channels import ChannelState, Opener
from lightninglens.core.clock import VirtualClock
from lightninglens.core.errors import InvariantError, LensError, NodeRefused, NodeUnavailable
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import HtlcEvent
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.ports import NodeInfo
from lightninglens.core.records import JournalRecord, JournalState, Plan, RebalanceChange, RebalanceOutcome
from lightninglens.core.units import Msat, Sat, UnixNs
from lightninglens.operate.executor import ChangeResult, Executor

ALICE = NodeId("02" + "a" * 64)
OUT, BACK = ChannelId.of(1, 1, 0), ChannelId.of(1, 2, 0)


class MemoryJournal:
    def __init__(self) -> None:
        self.kept: list[JournalRecord] = []
        self.full = False

    def append(self, record: JournalRecord) -> JournalRecord:
        if self.full:
            raise LensError("the journal cannot be written (disk is full); nothing was done")
        self.kept.append(dataclasses.replace(record, sequence=len(self.kept) + 1))
        return self.kept[-1]

    def records(self, *, since_sequence: int = 0) -> Sequence[JournalRecord]:
        return self.kept[since_sequence:]


class FakeNode:
    """Moves money at once, unless it is told otherwise."""

    def __init__(self, journal: MemoryJournal) -> None:
        self.local = {OUT: 900_000_000, BACK: 100_000_000}
        self.problem: Exception | None = None
        self.fails = False
        self.gone_after = False
        self.gate: asyncio.Event | None = None
        self.sent: list[RebalanceChange] = []
        self._journal = journal

    async def info(self) -> NodeInfo:
        return NodeInfo(node_id=ALICE, alias="lnd-alice", channel_count=2, block_height=1)

    async def graph(self) -> NetworkGraph:
        raise NotImplementedError

    def htlc_events(self) -> AsyncIterator[HtlcEvent]:
        raise NotImplementedError

    async def channels(self) -> Sequence[ChannelState]:
        if isinstance(self.problem, NodeUnavailable) and not self.sent and self.gate is None:
            raise self.problem
        if self.gone_after and self.sent:
            raise NodeUnavailable("gone")
        return [self._state(number, channel_id) for number, channel_id in enumerate((OUT, BACK))]

    async def rebalance(self, change: RebalanceChange) -> RebalanceOutcome:
        assert self._journal.kept[-1].state is JournalState.SENT  # written before anything is done
        self.sent.append(change)
        if self.gate is not None:
            await self.gate.wait()
        if self.problem is not None:
            raise self.problem
        if not self.fails:
            self.local[OUT] -= change.amount_msat + 2_400
            self.local[BACK] += change.amount_msat
        moved = 0 if self.fails else change.amount_msat
        fee = 0 if self.fails else 2_400
        detail = "no route" if self.fails else ""
        return RebalanceOutcome(
            succeeded=not self.fails, moved_msat=Msat(moved), fee_msat=Msat(fee), attempts=1, hops=3, detail=detail
        )

    def _state(self, number: int, channel_id: ChannelId) -> ChannelState:
        local = self.local[channel_id]
        return ChannelState(
            channel_id=channel_id,
            peer_id=NodeId(f"03{number:064x}"),
            peer_alias=f"peer{number}",
            capacity_sat=Sat(1_000_000),
            local_msat=Msat(local),
            remote_msat=Msat(1_000_000_000 - local),
            commit_fee_sat=Sat(0),
            unsettled_msat=Msat(0),
            pending_htlcs=0,
            local_reserve_sat=Sat(0),
            remote_reserve_sat=Sat(0),
            opener=Opener.LOCAL,
            active=True,
            outbound_msat=Msat(local),
            inbound_msat=Msat(1_000_000_000 - local),
            local_policy=None,
            remote_policy=None,
        )


class Desk:
    """An executor with all that it works on."""

    def __init__(self, folder: Path) -> None:
        self.journal = MemoryJournal()
        self.node = FakeNode(self.journal)
        self.kill_switch = folder / "stop"
        self.plans = 0
        self.executor = self.make()

    def make(self, since_sequence: int = 0) -> Executor:
        return Executor(
            nodes={ALICE: self.node},
            journal=self.journal,
            clock=VirtualClock(1_000),
            kill_switch=self.kill_switch,
            since_sequence=since_sequence,
        )

    async def run(self, *changes: RebalanceChange, rules: GuardRules | None = None) -> list[ChangeResult]:
        self.plans += 1
        plan = Plan(plan_id=f"p{self.plans}", created_ns=UnixNs(1), author="feed", changes=changes)
        return await self.executor.execute(plan, rules or GuardRules())

    def states(self) -> list[JournalState]:
        return [record.state for record in self.journal.kept]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def a_change(amount_sat: int = 200_000) -> RebalanceChange:
    return RebalanceChange(
        node_id=ALICE,
        outgoing_channel_id=OUT,
        incoming_channel_id=BACK,
        amount_msat=Msat(amount_sat * 1000),
        max_fee_msat=Msat(5_000),
        previous_local_msat=Msat(900_000_000),
        reason="test",
    )


@pytest.mark.asyncio
async def test_a_change_is_planned_sent_and_succeeds_and_is_read_back(desk: Desk) -> None:
    (result,) = await desk.run(a_change())
    assert desk.states() == [JournalState.PLANNED, JournalState.SENT, JournalState.SUCCEEDED]
    assert result.succeeded
    assert result.outgoing_local_msat == (900_000_000, 699_997_600)
    assert result.incoming_local_msat == (100_000_000, 300_000_000)
    assert (desk.journal.kept[-1].moved_msat, desk.journal.kept[-1].fee_msat) == (200_000_000, 2_400)
    assert desk.executor.records == tuple(desk.journal.kept)


@pytest.mark.asyncio
async def test_a_failure_is_written_down_and_frees_channel_and_budget(desk: Desk) -> None:
    desk.node.fails = True
    rules = GuardRules(budget_msat_per_day=Msat(5_000))
    for _ in range(2):
        (result,) = await desk.run(a_change(), rules=rules)
        assert (result.state, result.reason) == (JournalState.FAILED, "no route")


@pytest.mark.asyncio
async def test_what_the_guard_refuses_is_never_sent(desk: Desk) -> None:
    (result,) = await desk.run(a_change(999_000))
    assert (result.state, result.refusal) == (JournalState.REFUSED, RefusalCode.NO_OUTBOUND)
    assert desk.states() == [JournalState.REFUSED]
    assert desk.journal.kept[0].reserved_msat == 0
    foreign = dataclasses.replace(a_change(), node_id=NodeId("02" + "b" * 64))
    assert (await desk.run(foreign))[0].refusal is RefusalCode.UNKNOWN_NODE
    desk.node.problem = NodeUnavailable("away")
    assert (await desk.run(a_change()))[0].refusal is RefusalCode.UNAVAILABLE
    assert not desk.node.sent


@pytest.mark.asyncio
async def test_the_kill_switch_is_looked_at_before_each_send(desk: Desk) -> None:
    desk.kill_switch.touch()
    (result,) = await desk.run(a_change())
    assert result.refusal is RefusalCode.STOPPED
    assert desk.states() == [JournalState.PLANNED, JournalState.FAILED]
    desk.kill_switch.unlink()
    assert (await desk.run(a_change()))[0].succeeded


@pytest.mark.asyncio
async def test_a_node_that_refuses_has_done_nothing(desk: Desk) -> None:
    desk.node.problem = NodeRefused("no")
    (result,) = await desk.run(a_change())
    assert (result.state, result.reason) == (JournalState.FAILED, "no")
    desk.node.problem = None
    assert (await desk.run(a_change()))[0].succeeded


@pytest.mark.asyncio
async def test_an_unknown_end_keeps_channel_and_budget_for_ever(desk: Desk) -> None:
    desk.node.problem, desk.node.gate = NodeUnavailable("lost"), asyncio.Event()
    desk.node.gate.set()
    rules = GuardRules(budget_msat_per_day=Msat(9_999))
    (result,) = await desk.run(a_change(), rules=rules)
    assert result.state is JournalState.SENT
    assert desk.states()[-1] is JournalState.SENT
    desk.node.problem = None
    assert (await desk.run(a_change(), rules=rules))[0].refusal is RefusalCode.BUSY
    # Another process that takes over reads the same from the journal.
    desk.executor = desk.make()
    assert (await desk.run(a_change(), rules=rules))[0].refusal is RefusalCode.BUSY
    desk.executor = desk.make(since_sequence=len(desk.journal.kept))
    assert (await desk.run(a_change(), rules=rules))[0].succeeded


@pytest.mark.asyncio
async def test_a_node_that_goes_away_after_the_end_is_not_read_back(desk: Desk) -> None:
    desk.node.gone_after = True
    (result,) = await desk.run(a_change())
    assert result.succeeded
    assert result.outgoing_local_msat is None


@pytest.mark.asyncio
async def test_a_hundred_at_once_never_exceed_the_budget_nor_share_a_channel(desk: Desk) -> None:
    desk.node.gate = asyncio.Event()
    rules = GuardRules(budget_msat_per_day=Msat(12_000))
    tasks = [asyncio.create_task(desk.run(a_change(1_000), rules=rules)) for _ in range(100)]
    await wait_until(lambda: len(desk.journal.kept) >= 101)
    desk.node.gate.set()
    results = [result for task in tasks for result in await task]
    assert sum(result.succeeded for result in results) == 1
    assert {result.refusal for result in results if not result.succeeded} == {RefusalCode.BUSY}
    for _ in range(9):
        await desk.run(a_change(1_000), rules=rules)
    assert sum(record.fee_msat for record in desk.journal.kept) <= 12_000


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the journal has no event to wait for
            await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_a_journal_that_cannot_be_written_stops_before_the_act(desk: Desk) -> None:
    desk.journal.full = True
    with pytest.raises(BaseExceptionGroup) as raised:
        await desk.run(a_change())
    assert raised.group_contains(LensError, match="nothing was done")
    assert not desk.node.sent
    desk.journal.full = False
    assert (await desk.run(a_change()))[0].succeeded


@pytest.mark.asyncio
async def test_a_plan_is_carried_out_once(desk: Desk) -> None:
    plan = Plan(plan_id="once", created_ns=UnixNs(1), author="feed", changes=(a_change(),))
    await desk.executor.execute(plan, GuardRules())
    with pytest.raises(InvariantError):
        await desk.executor.execute(plan, GuardRules())
    with pytest.raises(InvariantError):
        await desk.make().execute(plan, GuardRules())
    assert len(desk.node.sent) == 1
