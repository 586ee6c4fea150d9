"""Where suggestions are decided on: by a person, or automatically; all are carried out behind the guard."""

import dataclasses
from collections.abc import Callable, Sequence

import structlog

from lightninglens.app.events import Alert, RebalanceDone, RunSettings, SuggestedChange
from lightninglens.app.learning.suggestions import LASTS_MS, SuggestionBook
from lightninglens.app.rebalancing import Rebalancing
from lightninglens.app.switches import Switches
from lightninglens.control.guard import AUTOMATIC_RULES, GuardRules
from lightninglens.control.rebalance.learned import AUTHOR
from lightninglens.core.errors import LensError
from lightninglens.core.records import RebalanceChange
from lightninglens.core.units import NS_PER_MS, UnixNs, to_msat, to_sat

log = structlog.get_logger(__name__)


class Desk:
    """Turns changes into suggestions, and suggestions into acts."""

    def __init__(
        self,
        book: SuggestionBook,
        rebalancing: Rebalancing,
        switches: Switches,
        *,
        run_id: str,
        changed: Callable[[], None],
        complain: Callable[[Alert], None],
    ) -> None:
        """Take who is to hear that the book has changed, and who hears of problems."""
        self._book = book
        self._rebalancing = rebalancing
        self._switches = switches
        self._run_id = run_id
        self._changed = changed
        self._complain = complain
        self._changes: dict[str, RebalanceChange] = {}
        self._number = 0

    def suggest(self, changes: Sequence[RebalanceChange], model: str, now: UnixNs) -> None:
        """Let these be the open suggestions, instead of those of before; what is expected to gain nothing is none."""
        made = []
        for change in changes:
            if change.expected_gain is None or change.expected_gain.expected_msat <= 0:
                continue
            self._number += 1
            one = self._suggestion(change, f"{self._run_id}-s{self._number}", model, now)
            self._changes[one.suggestion_id] = change
            made.append(one)
        self._book.expire(now // NS_PER_MS)
        for was, kept in self._book.renew(made):
            self._changes[kept] = self._changes.pop(was)
        open_ids = {one.suggestion_id for one in self._book.newest_first() if one.status in {"open", "under way"}}
        self._changes = {one: change for one, change in self._changes.items() if one in open_ids}

    async def act_automatically(self) -> None:
        """Carry out what is open and good enough, one after the other, while that is switched on."""
        for one in self._book.newest_first("open"):
            settings = self._switches.settings
            if not settings.automatic or settings.paused:
                return
            if one.confidence >= settings.min_confidence and one.gain_msat > 0 and self._is_open(one):
                try:
                    await self._carry_out(one.suggestion_id, automatic_rules(settings), automatic=True)
                except LensError as problem:
                    alert = Alert(level="error", source="learner", text=str(problem))
                    self._complain(alert)
                    return

    async def accept(self, suggestion_id: str) -> SuggestedChange:
        """Carry out a suggestion that a person wants; the confidence is theirs then. Raises NotOpenError, LensError."""
        rules = dataclasses.replace(automatic_rules(self._switches.settings), min_confidence=None)
        return await self._carry_out(suggestion_id, rules, automatic=False)

    def reject(self, suggestion_id: str) -> SuggestedChange:
        """Turn a suggestion down; raises NotOpenError."""
        rejected = self._book.reject(suggestion_id)
        self._changed()
        return rejected

    def _is_open(self, suggestion: SuggestedChange) -> bool:
        found = self._book.get(suggestion.suggestion_id)
        return found is not None and found.status == "open"

    async def _carry_out(self, suggestion_id: str, rules: GuardRules, *, automatic: bool) -> SuggestedChange:
        self._book.take(suggestion_id)
        self._changed()
        try:
            done = await self._rebalancing.carry_out(self._changes[suggestion_id], author=AUTHOR, rules=rules)
        except BaseException as problem:
            self._book.end(suggestion_id, "failed", str(problem) or "ended before it was known")
            self._changed()
            raise
        if done.refusal is not None and automatic:
            # Said again at the next look, it would be refused again: it stays, and says why it waits.
            ended = self._book.reopen(suggestion_id, f"not carried out automatically: {done.reason}")
        elif done.refusal is not None:
            ended = self._book.end(suggestion_id, "refused", done.reason)
        else:
            ended = self._book.end(suggestion_id, "done" if done.executed else "failed", _outcome(done))
        self._changed()
        return ended

    def _suggestion(self, change: RebalanceChange, suggestion_id: str, model: str, now: UnixNs) -> SuggestedChange:
        node, outgoing_peer, incoming_peer = self._rebalancing.names_of(change)
        gain = change.expected_gain
        made_ms = now // NS_PER_MS
        return SuggestedChange(
            suggestion_id=suggestion_id,
            author=AUTHOR,
            model=model,
            node_id=change.node_id,
            from_node=node,
            to_node=outgoing_peer,
            back_from_node=incoming_peer,
            outgoing_channel_id=str(change.outgoing_channel_id),
            incoming_channel_id=str(change.incoming_channel_id),
            amount_sat=to_sat(change.amount_msat),
            max_fee_msat=change.max_fee_msat,
            confidence=change.confidence or 0.0,
            gain_msat=gain.expected_msat if gain else 0,
            low_gain_msat=gain.low_msat if gain else 0,
            high_gain_msat=gain.high_msat if gain else 0,
            reason=change.reason,
            made_ms=made_ms,
            expires_ms=made_ms + LASTS_MS,
            status="open",
            outcome="",
        )


def automatic_rules(settings: RunSettings) -> GuardRules:
    """Return what the learner may do under these settings."""
    return dataclasses.replace(
        AUTOMATIC_RULES,
        min_confidence=settings.min_confidence,
        budget_msat_per_day=to_msat(settings.budget_sat_per_day),
    )


def _outcome(done: RebalanceDone) -> str:
    if done.executed:
        return f"moved {to_sat(done.moved_msat):,} sat for {done.fee_msat / 1_000:,.3f} sat"
    return done.reason
