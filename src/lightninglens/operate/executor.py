"""Carrying out a plan: journal first, behind the guard, one change at a time per channel."""

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lightninglens.control.budget import changes_under_way
from lightninglens.control.guard import GuardRules, Refusal, RefusalCode, check_change
from lightninglens.core.channels import ChannelState
from lightninglens.core.clock import Clock
from lightninglens.core.errors import InvariantError, NodeRefused, NodeUnavailable
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.ports import Journal, Rebalancer
from lightninglens.core.records import JournalRecord, JournalState, Plan, RebalanceChange, RebalanceOutcome
from lightninglens.core.units import Msat


class ManagedNode(Rebalancer, Protocol):
    """A node that may be rebalanced, and whose balances can be read before and after."""

    async def channels(self) -> Sequence[ChannelState]:
        """Return the node's open channels; raises NodeUnavailable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeResult:
    """What became of one change."""

    change: RebalanceChange
    state: JournalState
    """SENT when it is unknown how it ended; its greatest fee stays reserved."""
    reason: str
    refusal: RefusalCode | None = None
    moved_msat: Msat = Msat(0)
    fee_msat: Msat = Msat(0)
    attempts: int = 0
    outgoing_local_msat: tuple[int, int] | None = None
    """Local balance of the outgoing channel, read before and after."""
    incoming_local_msat: tuple[int, int] | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the money moved."""
        return self.state is JournalState.SUCCEEDED


class Executor:
    """Carries out plans on the nodes it is given.

    Every step is in the journal before it is taken, so that a crash leaves SENT
    and never nothing. A channel that takes part in a change takes part in no
    other until that one is final.
    """

    def __init__(
        self,
        *,
        nodes: Mapping[NodeId, ManagedNode],
        journal: Journal,
        clock: Clock,
        kill_switch: Path,
        since_sequence: int = 0,
    ) -> None:
        """Take the journal's records after `since_sequence` as those of the world at hand.

        While the file `kill_switch` exists, nothing is sent.
        """
        self._nodes = nodes
        self._journal = journal
        self._clock = clock
        self._kill_switch = kill_switch
        self._records = list(journal.records(since_sequence=since_sequence))
        self._busy = {key for change in changes_under_way(self._records) for key in _channels_of(change)}
        self._plan_ids = {record.plan_id for record in self._records}
        self._book = asyncio.Lock()

    @property
    def records(self) -> Sequence[JournalRecord]:
        """What this world's journal says so far."""
        return tuple(self._records)

    async def execute(self, plan: Plan, rules: GuardRules) -> list[ChangeResult]:
        """Carry out a plan and return what became of each change, in the plan's order.

        Changes of one node follow one another; different nodes act at the same
        time. Raises InvariantError for a plan that was carried out before: doing
        it twice would do it twice.
        """
        if plan.plan_id in self._plan_ids:
            raise InvariantError(f"plan {plan.plan_id} was carried out before")
        self._plan_ids.add(plan.plan_id)
        by_node: dict[NodeId, list[int]] = {}
        for index, change in enumerate(plan.changes):
            by_node.setdefault(change.node_id, []).append(index)
        results: dict[int, ChangeResult] = {}

        async def act(indices: list[int]) -> None:
            for index in indices:
                results[index] = await self._carry_out(plan, index, rules)

        async with asyncio.TaskGroup() as group:
            for indices in by_node.values():
                group.create_task(act(indices))
        return [results[index] for index in range(len(plan.changes))]

    async def _carry_out(self, plan: Plan, index: int, rules: GuardRules) -> ChangeResult:
        change = plan.changes[index]
        node = self._nodes.get(change.node_id)
        if node is None:
            unknown = Refusal(code=RefusalCode.UNKNOWN_NODE, reason=f"node {change.node_id[:12]} is not ours")
            return await self._refused(plan, index, unknown)
        try:
            before = await node.channels()
        except NodeUnavailable as problem:
            return await self._refused(plan, index, Refusal(code=RefusalCode.UNAVAILABLE, reason=str(problem)))
        if (refusal := await self._reserve(plan, index, before, rules)) is not None:
            return await self._refused(plan, index, refusal)
        result = await self._send(plan, index, node, before)
        if result.state is not JournalState.SENT:
            self._busy -= _channels_of(change)
        return result

    async def _reserve(
        self, plan: Plan, index: int, channels: Sequence[ChannelState], rules: GuardRules
    ) -> Refusal | None:
        """Check a change and, in the same breath, reserve its fee and its channels."""
        change = plan.changes[index]
        async with self._book:
            if self._busy & _channels_of(change):
                return Refusal(code=RefusalCode.BUSY, reason="another rebalance of one of these channels is under way")
            refusal = check_change(
                change, channels, rules, author=plan.author, records=self._records, now=self._clock.now_ns()
            )
            if refusal is None:
                self._busy |= _channels_of(change)
                try:
                    await self._write(plan, index, JournalState.PLANNED)
                except BaseException:
                    self._busy -= _channels_of(change)
                    raise
            return refusal

    async def _send(self, plan: Plan, index: int, node: ManagedNode, before: Sequence[ChannelState]) -> ChangeResult:
        change = plan.changes[index]
        if await asyncio.to_thread(self._kill_switch.exists):
            reason = f"rebalancing is switched off: remove {self._kill_switch} to allow it again"
            await self._note(plan, index, JournalState.FAILED, detail=reason)
            return ChangeResult(change=change, state=JournalState.FAILED, reason=reason, refusal=RefusalCode.STOPPED)
        await self._note(plan, index, JournalState.SENT)
        try:
            outcome = await node.rebalance(change)
        except NodeRefused as problem:
            await self._note(plan, index, JournalState.FAILED, detail=str(problem))
            return ChangeResult(change=change, state=JournalState.FAILED, reason=str(problem))
        except NodeUnavailable as problem:
            return ChangeResult(change=change, state=JournalState.SENT, reason=str(problem))
        state = JournalState.SUCCEEDED if outcome.succeeded else JournalState.FAILED
        await self._note(plan, index, state, outcome=outcome, detail=outcome.detail)
        return await self._read_back(change, state, outcome, node, before)

    async def _read_back(
        self,
        change: RebalanceChange,
        state: JournalState,
        outcome: RebalanceOutcome,
        node: ManagedNode,
        before: Sequence[ChannelState],
    ) -> ChangeResult:
        result = ChangeResult(
            change=change,
            state=state,
            reason=outcome.detail,
            moved_msat=outcome.moved_msat,
            fee_msat=outcome.fee_msat,
            attempts=outcome.attempts,
        )
        try:
            after = await node.channels()
        except NodeUnavailable:
            return result
        return dataclasses.replace(
            result,
            outgoing_local_msat=_local_pair(before, after, change.outgoing_channel_id),
            incoming_local_msat=_local_pair(before, after, change.incoming_channel_id),
        )

    async def _refused(self, plan: Plan, index: int, refusal: Refusal) -> ChangeResult:
        await self._note(plan, index, JournalState.REFUSED, detail=refusal.reason)
        return ChangeResult(
            change=plan.changes[index], state=JournalState.REFUSED, reason=refusal.reason, refusal=refusal.code
        )

    async def _note(
        self,
        plan: Plan,
        index: int,
        state: JournalState,
        *,
        outcome: RebalanceOutcome | None = None,
        detail: str = "",
    ) -> None:
        async with self._book:
            await self._write(plan, index, state, outcome=outcome, detail=detail)

    async def _write(
        self,
        plan: Plan,
        index: int,
        state: JournalState,
        *,
        outcome: RebalanceOutcome | None = None,
        detail: str = "",
    ) -> None:
        change = plan.changes[index]
        record = JournalRecord(
            sequence=0,
            recorded_ns=self._clock.now_ns(),
            plan_id=plan.plan_id,
            change_index=index,
            author=plan.author,
            state=state,
            change=change,
            reserved_msat=Msat(0) if state is JournalState.REFUSED else change.max_fee_msat,
            moved_msat=outcome.moved_msat if outcome else Msat(0),
            fee_msat=outcome.fee_msat if outcome else Msat(0),
            detail=detail,
        )
        # Shielded: a record that is being written is written to its end, whoever stops waiting.
        self._records.append(await asyncio.shield(asyncio.to_thread(self._journal.append, record)))


def _channels_of(change: RebalanceChange) -> set[tuple[NodeId, ChannelId]]:
    return {(change.node_id, change.outgoing_channel_id), (change.node_id, change.incoming_channel_id)}


def _local_pair(
    before: Sequence[ChannelState], after: Sequence[ChannelState], channel_id: ChannelId
) -> tuple[int, int] | None:
    values = [
        next((int(channel.local_msat) for channel in channels if channel.channel_id == channel_id), None)
        for channels in (before, after)
    ]
    return None if values[0] is None or values[1] is None else (values[0], values[1])
