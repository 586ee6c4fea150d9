"""What was counted, kept in memory: for one analysis, a simulated node, or a program without a database.

Sums and refused payments are columns, as narrow as they may be; of a circuit that
has ended only its number stays, so that its events count once.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lightninglens.analytics.missed.columns import Evidence, evidence_from
from lightninglens.core.attempts import AttemptChanges, AttemptState, EstimatedPayment, ForwardAttempt, Key
from lightninglens.core.forward_sums import SumKey, SumValues, sums_of
from lightninglens.core.forward_tables import (
    Columns,
    Recorded,
    Refused,
    Sums,
    Table,
    joined,
    merged,
    refused_table,
    sum_table,
)
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import NS_PER_HOUR

MOST_LOOSE = 1_000
"""Records that are not in columns yet."""


@dataclass(slots=True)
class _Ended:
    """Circuits of one incoming channel that have ended: their numbers, ascending, and when they began."""

    numbers: "array[int]" = field(default_factory=lambda: array("q"))
    began_ns: "array[int]" = field(default_factory=lambda: array("q"))

    def add(self, number: int, began_ns: int) -> None:
        place = bisect_left(self.numbers, number)
        if not self._is_at(place, number):
            self.numbers.insert(place, number)
            self.began_ns.insert(place, began_ns)

    def has(self, number: int) -> bool:
        return self._is_at(bisect_left(self.numbers, number), number)

    def forget(self, before_ns: int) -> None:
        stays = np.array(self.began_ns, np.int64) >= before_ns
        self.numbers, self.began_ns = (
            array("q", np.array(each, np.int64)[stays].tobytes()) for each in (self.numbers, self.began_ns)
        )

    def _is_at(self, place: int, number: int) -> bool:
        return place < len(self.numbers) and self.numbers[place] == number


@dataclass(slots=True)
class ForwardMemory:
    """Hourly sums, and the payments that were refused here. It is what an accounting asks for earlier circuits, too."""

    _sums: list[Table[Sums]] = field(default_factory=list)
    """Each much longer than the next, so that joining is rare; the same of `_refused`."""
    _refused: list[Table[Refused]] = field(default_factory=list)
    _loose_sums: dict[SumKey, SumValues] = field(default_factory=dict)
    _loose_refused: list[EstimatedPayment] = field(default_factory=list)
    _unfinished: dict[Key, ForwardAttempt] = field(default_factory=dict)
    _ended: dict[ChannelId, _Ended] = field(default_factory=dict)
    _highest: dict[ChannelId, int] = field(default_factory=dict)

    def take(self, changes: AttemptChanges) -> None:
        """Keep what has changed."""
        sums_of(changes.ended, changes.closed, self._loose_sums)
        self._loose_refused += [each for each in changes.closed if each.refused_here]
        for (channel_id, number), attempt in changes.attempts.items():
            self._highest[channel_id] = max(self.highest_htlc_id(channel_id), number)
            if _is_over(attempt):
                self._unfinished.pop(attempt.key, None)
                self._ended.setdefault(channel_id, _Ended()).add(number, attempt.began_ns)
            else:
                self._unfinished[attempt.key] = attempt
        if max(len(self._loose_sums), len(self._loose_refused)) > MOST_LOOSE:
            self._tidy()

    def attempt(self, key: Key) -> ForwardAttempt | None:
        """Return a circuit that has not ended, or of which the amounts are not known yet."""
        return self._unfinished.get(key)

    def ended(self, key: Key) -> bool:
        """Tell whether a circuit has ended."""
        ended = self._ended.get(key[0])
        return ended is not None and ended.has(key[1])

    def highest_htlc_id(self, incoming_channel_id: ChannelId) -> int:
        """Return the highest number of an HTLC that came by a channel; -1 where none did."""
        return self._highest.get(incoming_channel_id, -1)

    def forget(self, *, before_ns: int) -> None:
        """Let go of what began before a time; hours go as a whole."""
        self._tidy()
        self._sums = _only(self._sums, lambda columns: (_wide(columns.hour) + 1) * NS_PER_HOUR > before_ns)
        self._refused = _only(self._refused, lambda columns: columns.began_ns >= before_ns)
        self._unfinished = {
            key: each for key, each in self._unfinished.items() if each.began_ns >= before_ns or not each.state.is_final
        }
        for ended in self._ended.values():
            ended.forget(before_ns)

    def evidence(self, peers: Mapping[ChannelId, str], *, since_ns: int = 0) -> Evidence:
        """Return what an analysis of the time since then takes; rates are of all that is remembered."""
        self._tidy()
        history, refused = joined(Sums, self._sums), joined(Refused, self._refused)
        window = history.only(history.columns.hour >= since_ns // NS_PER_HOUR)
        return evidence_from(Recorded(window, history, refused.only(refused.columns.began_ns >= since_ns), dict(peers)))

    def _tidy(self) -> None:
        """Bring everything into columns."""
        if self._loose_sums:
            _grow(self._sums, sum_table(self._loose_sums.items()), lambda tables: merged(joined(Sums, tables)))
            self._loose_sums = {}
        if self._loose_refused:
            _grow(self._refused, refused_table(self._loose_refused), lambda tables: joined(Refused, tables))
            self._loose_refused = []


@dataclass(slots=True)
class AttemptMemory(ForwardMemory):
    """The same, and every attempt as it is, for who looks at each: it takes some 700 bytes of one."""

    attempts: dict[Key, ForwardAttempt] = field(default_factory=dict)

    def take(self, changes: AttemptChanges) -> None:
        """Keep what has changed."""
        ForwardMemory.take(self, changes)
        self.attempts.update(changes.attempts)


def _is_over(attempt: ForwardAttempt) -> bool:
    """Tell whether nothing more can be learnt of a circuit."""
    return attempt.state.is_final and (attempt.state is not AttemptState.SETTLED or attempt.outgoing_amount_msat > 0)


def _grow(
    tables: list[Table[Columns]],
    table: Table[Columns],
    join: Callable[[Sequence[Table[Columns]]], Table[Columns]],
) -> None:
    """Add a table, joined with those before it that are not much longer."""
    while tables and len(tables[-1]) <= 2 * len(table):
        table = join((tables.pop(), table))
    tables.append(table.narrowed())


def _only(tables: Sequence[Table[Columns]], stays: Callable[[Columns], NDArray[np.bool_]]) -> list[Table[Columns]]:
    return [table for each in tables if len(table := each.only(stays(each.columns)))]


def _wide(column: NDArray[np.int64]) -> NDArray[np.int64]:
    return column.astype(np.int64)
