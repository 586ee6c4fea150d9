"""The ledger of effects: what each executed change did, and what is known to have come of it a horizon later."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from lightninglens.core.effects import Effect, EffectKnown
from lightninglens.core.records import JournalRecord, JournalState, Plan, RebalanceChange
from lightninglens.core.units import UnixNs
from lightninglens.operate.executor import ChangeResult

Names = Callable[[RebalanceChange], tuple[str, str, str]]
"""Names of the acting node, of the peer of the outgoing and of the peer of the incoming channel."""


_ENDED = frozenset({JournalState.SUCCEEDED, JournalState.FAILED})


class EffectStore(Protocol):
    """Where effects are kept. Appending returns only when the record is on disk."""

    def append(self, record: Effect | EffectKnown) -> None:
        """Write a record; one that is there already stays as it is."""
        ...

    def newest(self, limit: int) -> Sequence[tuple[Effect, EffectKnown | None]]:
        """Return the newest effects with what is known of them, newest first."""
        ...

    def keys(self) -> set[tuple[str, int]]:
        """Return plan and index of every change that is there."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectLedger:
    """Writes effects down."""

    store: EffectStore
    horizon_ns: int
    names: Names

    async def acted(self, plan: Plan, results: Sequence[ChangeResult], *, now_ns: UnixNs) -> list[Effect]:
        """Write down the changes of a plan that were tried; what was refused has no effect."""
        effects = []
        for index, result in enumerate(results):
            if result.refusal is None and result.state in _ENDED:
                node, outgoing, incoming = self.names(result.change)
                effect = Effect(
                    plan_id=plan.plan_id,
                    change_index=index,
                    author=plan.author,
                    acted_ns=now_ns,
                    horizon_ns=self.horizon_ns,
                    state="succeeded" if result.succeeded else "failed",
                    change=result.change,
                    moved_msat=result.moved_msat,
                    fee_msat=result.fee_msat,
                    outgoing_local_msat=result.outgoing_local_msat,
                    incoming_local_msat=result.incoming_local_msat,
                    node_name=node,
                    outgoing_peer_name=outgoing,
                    incoming_peer_name=incoming,
                )
                await asyncio.to_thread(self.store.append, effect)
                effects.append(effect)
        return effects

    async def known(self, effect: Effect, realised_gain_msat: int, *, now_ns: UnixNs) -> None:
        """Write down what came of a change."""
        known = EffectKnown(
            plan_id=effect.plan_id,
            change_index=effect.change_index,
            known_ns=now_ns,
            realised_gain_msat=realised_gain_msat,
        )
        await asyncio.to_thread(self.store.append, known)


def recover(store: EffectStore, journal: Sequence[JournalRecord], *, horizon_ns: int) -> int:
    """Write down what the journal says was done and the ledger lacks, and return how many that were.

    A crash between the two leaves such changes; what their channels held was not read any more.
    """
    there = store.keys()
    latest: dict[tuple[str, int], JournalRecord] = {}
    sent: set[tuple[str, int]] = set()
    for record in journal:
        key = (record.plan_id, record.change_index)
        latest[key] = record
        if record.state is JournalState.SENT:
            sent.add(key)
    missing = [record for key, record in latest.items() if key in sent - there and record.state in _ENDED]
    for record in missing:
        effect = Effect(
            plan_id=record.plan_id,
            change_index=record.change_index,
            author=record.author,
            acted_ns=record.recorded_ns,
            horizon_ns=horizon_ns,
            state="succeeded" if record.state is JournalState.SUCCEEDED else "failed",
            change=record.change,
            moved_msat=record.moved_msat,
            fee_msat=record.fee_msat,
            outgoing_local_msat=None,
            incoming_local_msat=None,
            node_name=record.change.node_id,
            outgoing_peer_name="",
            incoming_peer_name="",
        )
        store.append(effect)
    return len(missing)
