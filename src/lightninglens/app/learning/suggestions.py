"""The book of suggestions: each is open until somebody decides, it expires, or a newer one takes its place."""

import dataclasses
from collections.abc import Iterable
from typing import Literal

from lightninglens.app.events import SuggestedChange
from lightninglens.core.errors import LensError

KEPT_SUGGESTIONS = 500
TOLD_SUGGESTIONS = 100
LASTS_MS = 600_000
"""World time after which an open suggestion expires: the channels are others by then."""

Status = Literal["open", "under way", "done", "failed", "refused", "rejected", "expired"]


class NotOpenError(LensError):
    """The suggestion has been decided on, has expired, or is being carried out."""


class SuggestionBook:
    """Keeps the newest suggestions by id, oldest first."""

    def __init__(self) -> None:
        self._suggestions: dict[str, SuggestedChange] = {}

    def get(self, suggestion_id: str) -> SuggestedChange | None:
        """Return a suggestion, or None."""
        return self._suggestions.get(suggestion_id)

    def renew(self, suggestions: Iterable[SuggestedChange]) -> list[tuple[str, str]]:
        """Take the newest suggestions, best first: what is open of an older look is replaced by what is said now.

        A suggestion that is said again for the same two channels keeps its id, so that a page that shows it
        can still accept it; one that is said no more expires. Returns the ids that were given and are kept.
        """
        kept_ids: list[tuple[str, str]] = []
        open_before = {_circle(one): one for one in self._suggestions.values() if one.status == "open"}
        for suggestion in reversed(list(suggestions)):
            before = open_before.pop(_circle(suggestion), None)
            kept = suggestion
            if before is not None:
                kept_ids.append((suggestion.suggestion_id, before.suggestion_id))
                kept = dataclasses.replace(suggestion, suggestion_id=before.suggestion_id, outcome=before.outcome)
            self._suggestions.pop(kept.suggestion_id, None)
            self._suggestions[kept.suggestion_id] = kept
        for gone in open_before.values():
            self._put(gone, "expired", "the learner no longer suggests it")
        self._forget()
        return kept_ids

    def expire(self, now_ms: int) -> None:
        """Let what is open and too old expire."""
        for one in list(self._suggestions.values()):
            if one.status == "open" and one.expires_ms <= now_ms:
                self._put(one, "expired", "nobody decided in time, and the channels are others by now")

    def take(self, suggestion_id: str) -> SuggestedChange:
        """Mark an open suggestion as under way and return it; raises NotOpenError."""
        return self._put(self._open(suggestion_id), "under way", "")

    def reject(self, suggestion_id: str) -> SuggestedChange:
        """Reject an open suggestion; raises NotOpenError."""
        return self._put(self._open(suggestion_id), "rejected", "turned down by a person")

    def reopen(self, suggestion_id: str, why: str) -> SuggestedChange:
        """Let a suggestion that was under way be open again, since nothing was tried."""
        return self._put(self._suggestions[suggestion_id], "open", why)

    def end(self, suggestion_id: str, status: Status, outcome: str) -> SuggestedChange:
        """Write down what came of a suggestion."""
        return self._put(self._suggestions[suggestion_id], status, outcome)

    def newest_first(self, status: str | None = None) -> list[SuggestedChange]:
        """Return the suggestions, only those with a status if one is given."""
        return [one for one in reversed(self._suggestions.values()) if status is None or one.status == status]

    def told(self) -> tuple[SuggestedChange, ...]:
        """Return what pages show: all that have not expired, newest first, up to a hundred."""
        return tuple(one for one in self.newest_first() if one.status != "expired")[:TOLD_SUGGESTIONS]

    def _open(self, suggestion_id: str) -> SuggestedChange:
        found = self._suggestions[suggestion_id]
        if found.status != "open":
            raise NotOpenError(f"the suggestion is {found.status}" + (f": {found.outcome}" if found.outcome else ""))
        return found

    def _put(self, suggestion: SuggestedChange, status: Status, outcome: str) -> SuggestedChange:
        changed = dataclasses.replace(suggestion, status=status, outcome=outcome)
        self._suggestions[suggestion.suggestion_id] = changed
        return changed

    def _forget(self) -> None:
        over = [one.suggestion_id for one in self._suggestions.values() if one.status not in {"open", "under way"}]
        for suggestion_id in over[: max(0, len(self._suggestions) - KEPT_SUGGESTIONS)]:
            del self._suggestions[suggestion_id]


def _circle(suggestion: SuggestedChange) -> tuple[str, str, str]:
    return suggestion.node_id, suggestion.outgoing_channel_id, suggestion.incoming_channel_id
