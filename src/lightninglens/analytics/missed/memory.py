"""What was counted, kept in memory: for one analysis, a simulated node, or a program without a database."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lightninglens.analytics.missed.columns import Evidence, evidence_of
from lightninglens.core.attempts import AttemptChanges, EstimatedPayment, ForwardAttempt, Key
from lightninglens.core.forward_sums import SumKey, SumValues, sums_of
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import NS_PER_HOUR


@dataclass(slots=True)
class ForwardMemory:
    """Hourly sums, and the payments that were refused here. It is what an accounting asks for earlier circuits, too."""

    sums: dict[SumKey, SumValues] = field(default_factory=dict)
    refused: dict[int, EstimatedPayment] = field(default_factory=dict)
    attempts: dict[Key, ForwardAttempt] = field(default_factory=dict)

    def take(self, changes: AttemptChanges) -> None:
        """Keep what has changed."""
        sums_of(changes.ended, changes.closed, self.sums)
        self.attempts.update(changes.attempts)
        self.refused.update({each.number: each for each in changes.closed if each.refused_here})

    def attempt(self, key: Key) -> ForwardAttempt | None:
        """Return a circuit."""
        return self.attempts.get(key)

    def highest_htlc_id(self, incoming_channel_id: ChannelId) -> int:
        """Return the highest number of an HTLC that came by a channel; -1 where none did."""
        return max((number for channel_id, number in self.attempts if channel_id == incoming_channel_id), default=-1)

    def forget(self, *, before_ns: int) -> None:
        """Let go of what began before a time; hours go as a whole."""
        self.sums = {key: values for key, values in self.sums.items() if (key.hour + 1) * NS_PER_HOUR > before_ns}
        self.refused = {number: each for number, each in self.refused.items() if each.began_ns >= before_ns}
        self.attempts = {
            key: each for key, each in self.attempts.items() if each.began_ns >= before_ns or not each.state.is_final
        }

    def evidence(self, peers: Mapping[ChannelId, str], *, since_ns: int = 0) -> Evidence:
        """Return what an analysis of the time since then takes; rates are of all that is remembered."""
        hour = since_ns // NS_PER_HOUR
        return evidence_of(
            [(key, values) for key, values in self.sums.items() if key.hour >= hour],
            [each for each in self.refused.values() if each.began_ns >= since_ns],
            peers,
            history=list(self.sums.items()),
        )
