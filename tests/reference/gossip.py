"""Who has heard of which channel_update: every update is kept for good, and everybody is asked anew each time."""

import math
from dataclasses import dataclass

from lightninglens.core.channels import ChannelPolicy
from tests.reference import rng

DELAY_STREAM = 41


@dataclass
class Update:
    """One channel_update; `sent_ns` is None when a newer one took its place before it left."""

    number: int
    policy: ChannelPolicy
    sent_ns: int | None


class Hearsay:
    """The updates of all directions, and what failures have told whom."""

    def __init__(self, seed: int, median_ns: float, sigma: float, source: list[int]) -> None:
        self.seed, self.median_ns, self.sigma, self.source = seed, median_ns, sigma, source
        self.updates: dict[int, list[Update]] = {}
        self.told: dict[tuple[int, int], int] = {}
        self.common: dict[int, ChannelPolicy] = {}
        """Of channels opened in a run: what everybody has heard at once."""

    def announce(self, direction: int, policy: ChannelPolicy, sent_ns: int, now: int) -> None:
        """Send an update at `sent_ns`, or when one that still waits would have been sent."""
        updates = self.updates.setdefault(direction, [])
        if updates and updates[-1].sent_ns is not None and updates[-1].sent_ns > now:
            sent_ns = min(sent_ns, updates[-1].sent_ns)
            updates[-1].sent_ns = None
        updates.append(Update(len(updates) + 1, policy, sent_ns))

    def tell(self, sender: int, direction: int) -> None:
        """A failure shows the sender the newest update."""
        if direction in self.updates:
            self.told[sender, direction] = self.updates[direction][-1].number

    def known(self, sender: int, direction: int, now: int) -> ChannelPolicy | None:
        """Return the policy with the highest timestamp that has reached the sender; None when none has."""
        reached = [update for update in self.updates[direction] if self._has_reached(update, sender, direction, now)]
        return reached[-1].policy if reached else None

    def _has_reached(self, update: Update, sender: int, direction: int, now: int) -> bool:
        if self.source[direction] == sender or self.told.get((sender, direction)) == update.number:
            return True
        if update.sent_ns is None:
            return False
        z = rng.standard_normal(self.seed, sender, DELAY_STREAM, direction * 2**24 + update.number)
        return now - update.sent_ns >= int(self.median_ns * math.exp(self.sigma * max(-3.0, min(3.0, z))))
