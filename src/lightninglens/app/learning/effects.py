"""Judging executed rebalances: what went over their two channels afterwards, replayed with and without the move."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from lightninglens.app import shapes
from lightninglens.app.bus import Bus
from lightninglens.app.events import Alert, Channel, Payment, WorldAdvanced
from lightninglens.app.learning.observing import payment_seen
from lightninglens.core.effects import Effect, EffectKnown
from lightninglens.core.errors import LensError
from lightninglens.core.ids import ChannelId
from lightninglens.core.records import Plan
from lightninglens.core.units import NS_PER_MS, UnixNs, to_sat
from lightninglens.learn.flows import Flow, flows_of
from lightninglens.learn.gain import SideThen, realised_gain_msat
from lightninglens.learn.target import FlowColumns
from lightninglens.operate.effects import EffectLedger
from lightninglens.operate.executor import ChangeResult

log = structlog.get_logger(__name__)

MOST_PENDING = 2_000
"""Beyond that, new changes are written down but not judged: each keeps the flows of two channels in memory."""


class EffectJudge:
    """Writes down what was done, remembers what follows, and judges it when its horizon is over."""

    def __init__(
        self,
        ledger: EffectLedger,
        bus: Bus,
        *,
        channel: Callable[[str], Channel | None],
        own_payment_worth_ppm: int,
    ) -> None:
        """Take who knows a channel as it is now."""
        self._ledger = ledger
        self._bus = bus
        self._channel = channel
        self._worth_ppm = own_payment_worth_ppm
        self._pending: list[tuple[Effect, int, int]] = []
        """Effects with what both sides of the outgoing and of the incoming channel held together."""
        self._flows: dict[ChannelId, list[Flow]] = {}
        self._reading = asyncio.Lock()

    async def acted(self, plan: Plan, results: Sequence[ChangeResult], now_ns: UnixNs) -> None:
        """Write down a plan's executed changes; a disk that refuses is an alert, since the money has moved anyway."""
        try:
            effects = await self._ledger.acted(plan, results, now_ns=now_ns)
        except LensError as problem:
            self._complain(problem)
            return
        for effect in effects:
            sides = [self._channel(str(one)) for one in _channels_of(effect)]
            if effect.state == "succeeded" and all(sides) and len(self._pending) < MOST_PENDING:
                totals = [side.node1_local_msat + side.node2_local_msat for side in sides if side]
                self._pending.append((effect, totals[0], totals[1]))
                for channel_id in _channels_of(effect):
                    self._flows.setdefault(channel_id, [])

    async def newest(self, limit: int) -> list[shapes.Effect]:
        """Return the newest effects as the API shows them."""
        async with self._reading:
            found = await asyncio.to_thread(self._ledger.store.newest, limit)
        return [_shown(effect, known) for effect, known in found]

    async def run(self) -> None:
        """Watch what follows until the bus closes."""
        news = self._bus.subscribe("effects", limit=100_000)
        try:
            async for event in news:
                if isinstance(event, WorldAdvanced) and self._pending:
                    self._remember(event.payments)
                    await self._judge(UnixNs(event.stats.world_ms * NS_PER_MS))
        finally:
            self._bus.unsubscribe(news)

    def _remember(self, payments: Sequence[Payment]) -> None:
        for payment in payments:
            for flow in flows_of(payment_seen(payment)):
                if flow.channel_id in self._flows:
                    self._flows[flow.channel_id].append(flow)

    async def _judge(self, now_ns: UnixNs) -> None:
        due = [one for one in self._pending if one[0].due_ns <= now_ns]
        if not due:
            return
        self._pending = [one for one in self._pending if one[0].due_ns > now_ns]
        for effect, *totals_msat in due:
            # In a thread: the first replay may have to be compiled.
            worth_msat = await asyncio.to_thread(self._worth_msat, effect, totals_msat)
            try:
                await self._ledger.known(effect, worth_msat - effect.fee_msat, now_ns=now_ns)
            except LensError as problem:
                self._complain(problem)
        waiting = {channel_id for effect, *_ in self._pending for channel_id in _channels_of(effect)}
        oldest_ns = min((effect.acted_ns for effect, *_ in self._pending), default=now_ns)
        self._flows = {
            channel_id: [flow for flow in flows if flow.time_ns > oldest_ns]
            for channel_id, flows in self._flows.items()
            if channel_id in waiting
        }

    def _worth_msat(self, effect: Effect, totals_msat: Sequence[int]) -> int:
        """Return what the move was worth, before its cost: the two channels as they were, with and without it."""
        locals_msat = (effect.outgoing_local_msat, effect.incoming_local_msat)
        # What would be there without the move, at the moment at which it had ended.
        undone_msat = (effect.moved_msat + effect.fee_msat, -effect.moved_msat)
        sides = []
        for channel_id, local_msat, undo_msat, total_msat in zip(
            _channels_of(effect), locals_msat, undone_msat, totals_msat, strict=True
        ):
            flows = FlowColumns.of(
                sorted(self._flows[channel_id], key=lambda flow: flow.time_ns),
                effect.change.node_id,
                own_payment_worth_ppm=self._worth_ppm,
            )
            held_msat = (local_msat[1] if local_msat else 0) + undo_msat
            sides.append(
                SideThen(
                    flows=flows.within(effect.acted_ns, effect.due_ns),
                    local_msat=min(max(held_msat, 0), total_msat),
                    total_msat=total_msat,
                )
            )
        return realised_gain_msat(sides[0], sides[1], amount_msat=effect.moved_msat)

    def _complain(self, problem: LensError) -> None:
        log.error("an effect could not be written down", problem=str(problem))
        alert = Alert(
            level="error", source="effects", text=str(problem), state="raised", alert_id="effects-not-written"
        )
        self._bus.publish(alert)


def _channels_of(effect: Effect) -> tuple[ChannelId, ChannelId]:
    return effect.change.outgoing_channel_id, effect.change.incoming_channel_id


def _shown(effect: Effect, known: EffectKnown | None) -> shapes.Effect:
    change = effect.change
    gain = change.expected_gain
    return shapes.Effect(
        plan_id=effect.plan_id,
        change_index=effect.change_index,
        author=effect.author,
        world_ms=effect.acted_ns // NS_PER_MS,
        node=change.node_id,
        from_node=effect.node_name,
        to_node=effect.outgoing_peer_name,
        back_from_node=effect.incoming_peer_name,
        amount_sat=to_sat(change.amount_msat),
        fee_msat=effect.fee_msat,
        predicted_gain_msat=gain.expected_msat if gain else None,
        predicted_low_msat=gain.low_msat if gain else None,
        predicted_high_msat=gain.high_msat if gain else None,
        confidence=change.confidence,
        outgoing_local_msat=effect.outgoing_local_msat,
        incoming_local_msat=effect.incoming_local_msat,
        realised_gain_msat=known.realised_gain_msat if known else None,
        due_ms=effect.due_ns // NS_PER_MS,
        status=effect.state,
    )
