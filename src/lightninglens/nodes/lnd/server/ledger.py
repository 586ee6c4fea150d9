"""What a served node has written down: forwards, and what went over each channel. Nothing in it is ever changed."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple

from lightninglens.core.ids import ChannelId


class Forward(NamedTuple):
    """A payment that was forwarded and settled."""

    timestamp_ns: int
    """Real time; no two forwards of a node have the same."""
    incoming: ChannelId
    outgoing: ChannelId
    incoming_msat: int
    outgoing_msat: int
    incoming_htlc_id: int
    outgoing_htlc_id: int

    @property
    def fee_msat(self) -> int:
        """What the node earned."""
        return self.incoming_msat - self.outgoing_msat


class ForwardLog:
    """A node's forwards in the order in which they settled, under rising timestamps."""

    def __init__(self) -> None:
        self._forwards: list[Forward] = []
        self._times: list[int] = []

    def __len__(self) -> int:
        return len(self._forwards)

    def append(self, forward: Forward) -> None:
        """Write a forward down, a nanosecond after the last one if it came at the same time or before."""
        earliest = self._times[-1] + 1 if self._times else 0
        kept = forward._replace(timestamp_ns=max(forward.timestamp_ns, earliest))
        self._forwards.append(kept)
        self._times.append(kept.timestamp_ns)

    def slice(
        self,
        start_ns: int,
        end_ns: int,
        *,
        skip: int,
        most: int,
        incoming: frozenset[int] = frozenset(),
        outgoing: frozenset[int] = frozenset(),
    ) -> list[Forward]:
        """Return at most `most` forwards from `start_ns` to `end_ns`, both included, without the first `skip`.

        `incoming` and `outgoing` name channels that are wanted, all where empty;
        what they leave out is not skipped, since it was never there.
        """
        first, end = bisect_left(self._times, start_ns), bisect_right(self._times, end_ns)
        if not incoming and not outgoing:
            return self._forwards[first:end][skip : skip + most]
        found = [
            forward
            for forward in self._forwards[first:end]
            if (not incoming or forward.incoming in incoming) and (not outgoing or forward.outgoing in outgoing)
        ]
        return found[skip : skip + most]

    def fee_msat_since(self, start_ns: int) -> int:
        """Return what was earned from `start_ns` on."""
        return sum(forward.fee_msat for forward in self._forwards[bisect_left(self._times, start_ns) :])


class PendingHtlc(NamedTuple):
    """An HTLC in flight, as the node's own events tell of it."""

    is_incoming: bool
    amount_msat: int
    expiry_height: int
    htlc_id: int
    other_channel: ChannelId
    other_htlc_id: int


@dataclass(slots=True)
class ChannelBook:
    """What has gone over one channel of a node."""

    sent_msat: int = 0
    received_msat: int = 0
    updates: int = 0
    """Changes of the commitment: two for each HTLC."""
    pending: dict[tuple[bool, int], PendingHtlc] = field(default_factory=dict)
    """By whether it comes in, and its id."""

    def add(self, htlc: PendingHtlc) -> None:
        """Note that an HTLC is in flight."""
        self.pending[htlc.is_incoming, htlc.htlc_id] = htlc

    def resolve(self, htlc_id: int, amount_msat: int, *, incoming: bool, settled: bool) -> None:
        """Note that an HTLC has been settled or has failed."""
        self.pending.pop((incoming, htlc_id), None)
        self.updates += 2
        if settled and incoming:
            self.received_msat += amount_msat
        elif settled:
            self.sent_msat += amount_msat
