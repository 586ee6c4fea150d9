"""Rebalances that somebody wants: the baseline, a connected model, the operator. All take the same way."""

import dataclasses
import itertools
from collections.abc import Awaitable, Callable, Iterable, Sequence

from lightninglens.app.bus import Bus
from lightninglens.app.events import Alert, RebalanceDone
from lightninglens.app.lab import Lab
from lightninglens.control.guard import GuardRules, Refusal, RefusalCode, Suggestion, to_change
from lightninglens.control.rebalance import LiquidityView, NodeView, baseline
from lightninglens.core.errors import LensError
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.records import JournalState, Plan, RebalanceChange
from lightninglens.core.units import NS_PER_MS, UnixNs, to_sat
from lightninglens.operate.executor import ChangeResult, Executor

FEED = "feed"
OPERATOR = "operator"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A change that a strategy would make now, and how often such changes succeeded."""

    change: RebalanceChange
    from_node: str
    to_node: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrackRecord:
    """How many of a strategy's changes ended, and how many of these succeeded."""

    succeeded: int
    finished: int

    @property
    def confidence(self) -> float:
        """The expected chance that the next succeeds, by Laplace's rule of succession: 0.5 knowing nothing."""
        return (self.succeeded + 1) / (self.finished + 2)


class Rebalancing:
    """Decides by the baseline or takes suggestions, and carries both out through the executor."""

    def __init__(
        self,
        lab: Lab,
        executor: Executor,
        bus: Bus,
        *,
        suggestion_rules: GuardRules,
        run_id: str,
    ) -> None:
        self._lab = lab
        self._executor = executor
        self._bus = bus
        self._suggestion_rules = suggestion_rules
        self._run_id = run_id
        self.on_ended: Callable[[Plan, Sequence[ChangeResult], UnixNs], Awaitable[None]] | None = None
        """Who is told what became of a plan's changes, before anybody else."""
        self._plan_numbers = itertools.count(1)
        self._baseline_runs = 0
        names, ids = lab.world.names, lab.world.graph.node_ids
        self._names = {NodeId(node_id): name for node_id, name in zip(ids, names, strict=True)}
        self._rows = {name: row for row, name in enumerate(names)} | {
            str(node_id): row for row, node_id in enumerate(ids)
        }

    @property
    def baseline_is_running(self) -> bool:
        """Whether a run of the baseline is under way."""
        return self._baseline_runs > 0

    async def baseline_proposals(self) -> tuple[list[Proposal], str]:
        """Return what the baseline would do now, and in words why it would do no more."""
        view = await self._view(_named_in_targets())
        plan = baseline.decide(view, self._lab.now_ns())
        proposals = [
            Proposal(change=change, from_node=self._names[change.node_id], to_node=self._peer_name(change))
            for change in plan.changes
        ]
        return proposals, baseline.explain_rest(view)

    def baseline_record(self) -> TrackRecord:
        """Return how the baseline's changes have fared in this world."""
        ended = [
            record.state
            for record in self._executor.records
            if record.author == baseline.AUTHOR and record.state in {JournalState.SUCCEEDED, JournalState.FAILED}
        ]
        return TrackRecord(succeeded=ended.count(JournalState.SUCCEEDED), finished=len(ended))

    async def run_baseline(self) -> list[RebalanceDone]:
        """Let the baseline decide for one node after the other, and return what became of each change.

        Every node decides on its channels as those before it have left them:
        all at once would compete for the same liquidity. Raises LensError when
        the journal cannot be written; nothing more is sent then.
        """
        self._baseline_runs += 1
        done: list[RebalanceDone] = []
        try:
            for name in sorted(_named_in_targets()):
                view = await self._view([name])
                done += await self._execute(baseline.decide(view, self._lab.now_ns()), GuardRules())
            return done
        finally:
            self._baseline_runs -= 1

    async def run_baseline_quietly(self) -> None:
        """Run the baseline as a periodic job does: skipped while one runs, and a problem becomes an alert."""
        if self.baseline_is_running:
            self._bus.publish(
                Alert(level="warning", source="baseline", text="skipped: the previous run has not ended yet")
            )
            return
        try:
            await self.run_baseline()
        except LensError as problem:
            self._bus.publish(Alert(level="error", source="baseline", text=str(problem)))

    async def suggest(self, suggestion: Suggestion, *, author: str) -> RebalanceDone | Refusal:
        """Check a suggestion and carry it out; return a Refusal when nothing came of it, not even a plan.

        What was accepted is published when it has ended, whatever the end.
        """
        if self._lab.paused:
            return Refusal(code=RefusalCode.STOPPED, reason="the world is paused: nothing can move in it")
        rules = self._suggestion_rules if author == FEED else GuardRules(fee_limit=self._suggestion_rules.fee_limit)
        view = await self._view((suggestion.from_node, suggestion.to_node))
        change = to_change(suggestion, view, rules)
        if isinstance(change, Refusal):
            return change
        plan = Plan(plan_id="", created_ns=self._lab.now_ns(), author=author, changes=(change,))
        return (await self._execute(plan, rules, to_node=suggestion.to_node))[0]

    async def carry_out(self, change: RebalanceChange, *, author: str, rules: GuardRules) -> RebalanceDone:
        """Carry out a change that somebody decided, behind the guard; it is published when it was accepted."""
        plan = Plan(plan_id="", created_ns=self._lab.now_ns(), author=author, changes=(change,))
        return (await self._execute(plan, rules))[0]

    async def view(self) -> LiquidityView:
        """Return all nodes with their channels as they are now."""
        return await self._view(self._lab.world.names)

    async def _execute(self, plan: Plan, rules: GuardRules, *, to_node: str | None = None) -> list[RebalanceDone]:
        named = dataclasses.replace(plan, plan_id=f"{self._run_id}-{next(self._plan_numbers)}")
        results = await self._executor.execute(named, rules)
        if self.on_ended is not None:
            await self.on_ended(named, results, self._lab.now_ns())
        done = [self._done(named, result, to_node) for result in results]
        for event in done:
            if event.accepted:
                self._bus.publish(event)
        return done

    def _done(self, plan: Plan, result: ChangeResult, to_node: str | None) -> RebalanceDone:
        change = result.change
        return RebalanceDone(
            plan_id=plan.plan_id,
            author=plan.author,
            from_node=self._names[change.node_id],
            to_node=to_node or self._peer_name(change),
            amount_sat=to_sat(change.amount_msat),
            confidence=change.confidence,
            accepted=result.refusal is None,
            executed=result.succeeded,
            moved_msat=result.moved_msat,
            fee_msat=result.fee_msat,
            refusal=result.refusal,
            reason=result.reason or change.reason,
            world_ms=self._lab.now_ns() // NS_PER_MS,
        )

    def names_of(self, change: RebalanceChange) -> tuple[str, str, str]:
        """Return the names of the acting node and of its peers on the outgoing and on the incoming channel."""
        peers = [self._peer(change.node_id, one) for one in (change.outgoing_channel_id, change.incoming_channel_id)]
        return self._names[change.node_id], peers[0], peers[1]

    def _peer_name(self, change: RebalanceChange) -> str:
        return self._peer(change.node_id, change.outgoing_channel_id)

    def _peer(self, node_id: NodeId, channel_id: ChannelId) -> str:
        graph, names = self._lab.world.graph, self._lab.world.names
        row = int((graph.channel_ids == int(channel_id)).argmax())
        ends = (int(graph.node1[row]), int(graph.node2[row]))
        return names[ends[1] if graph.node_ids[ends[0]] == node_id else ends[0]]

    async def _view(self, names: Iterable[str]) -> LiquidityView:
        rows = sorted({self._rows[name] for name in names if name in self._rows})
        channels = await self._lab.simulated.use(lambda engine: [engine.channel_states(row) for row in rows])
        return LiquidityView(
            nodes=tuple(
                NodeView(
                    node_id=NodeId(self._lab.world.graph.node_ids[row]),
                    name=self._lab.world.names[row],
                    channels=tuple(states),
                )
                for row, states in zip(rows, channels, strict=True)
            )
        )


def _named_in_targets() -> set[str]:
    return {name for target in baseline.LAB_TARGETS for name in (target.first, target.second)}
