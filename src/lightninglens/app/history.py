"""What went over each channel in the last hour of world time, and how payments fared, in spans of five minutes."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from lightninglens.app.events import Attempt, Payment

FLOW_WINDOW_S = 3_600
_SLOT_MS = 60_000
_SLOTS = FLOW_WINDOW_S * 1_000 // _SLOT_MS
SPAN_MS = 300_000
KEPT_SPANS = 500


@dataclass(slots=True, kw_only=True)
class Flows:
    """What one node sent and received over one channel in a window; earned is what its forwards out over it paid.

    Failed is what this channel could not carry when the node wanted to send it.
    """

    window_s: int = FLOW_WINDOW_S
    sent_msat: int = 0
    sent_count: int = 0
    received_msat: int = 0
    received_count: int = 0
    failed_msat: int = 0
    failed_count: int = 0
    earned_msat: int = 0

    def add(self, other: "Flows") -> None:
        """Add what another stretch of the same window saw."""
        self.sent_msat += other.sent_msat
        self.sent_count += other.sent_count
        self.received_msat += other.received_msat
        self.received_count += other.received_count
        self.failed_msat += other.failed_msat
        self.failed_count += other.failed_count
        self.earned_msat += other.earned_msat


@dataclass(slots=True, kw_only=True)
class SuccessSpan:
    """Payments, or forwards, that ended within five minutes of world time; volume is of those that succeeded."""

    world_ms: int
    payments: int = 0
    succeeded: int = 0
    volume_msat: int = 0


_Slot = dict[tuple[str, str], Flows]


class History:
    """Sums of what has happened, bounded by the number of channels."""

    def __init__(self) -> None:
        self._slots: deque[tuple[int, _Slot]] = deque(maxlen=_SLOTS)
        self.spans: deque[SuccessSpan] = deque(maxlen=KEPT_SPANS)

    def absorb(self, payments: Iterable[Payment]) -> None:
        """Take in payments that have ended, in that order."""
        for payment in payments:
            ended_ms = payment.started_ms + payment.duration_ms
            slot = self._slot(ended_ms // _SLOT_MS)
            for attempt in payment.attempt_log:
                _count(slot, attempt)
            if payment.kind != "rebalance":
                span = self._span(ended_ms // SPAN_MS * SPAN_MS)
                span.payments += 1
                span.succeeded += payment.succeeded
                span.volume_msat += payment.amount_msat if payment.succeeded else 0

    def flows(self, channel_id: str, node_id: str, now_ms: int) -> Flows:
        """Return what one node saw on one channel in the last hour before `now_ms`."""
        total = Flows()
        for number, slot in self._slots:
            if number > now_ms // _SLOT_MS - _SLOTS and (found := slot.get((channel_id, node_id))):
                total.add(found)
        return total

    def _slot(self, number: int) -> _Slot:
        if not self._slots or number > self._slots[-1][0]:
            self._slots.append((number, {}))
        return self._slots[-1][1]

    def _span(self, start_ms: int) -> SuccessSpan:
        if not self.spans or start_ms > self.spans[-1].world_ms:
            self.spans.append(SuccessSpan(world_ms=start_ms))
        return self.spans[-1]


def _count(slot: _Slot, attempt: Attempt) -> None:
    nodes, channels, amounts_msat = attempt.route_node_ids, attempt.route_channel_ids, attempt.hop_amounts_msat
    if attempt.settled:
        for hop, (channel, amount_msat) in enumerate(zip(channels, amounts_msat, strict=True)):
            sender = slot.setdefault((channel, nodes[hop]), Flows())
            sender.sent_msat += amount_msat
            sender.sent_count += 1
            sender.earned_msat += amounts_msat[hop - 1] - amount_msat if hop else 0
            receiver = slot.setdefault((channel, nodes[hop + 1]), Flows())
            receiver.received_msat += amount_msat
            receiver.received_count += 1
    elif attempt.failed_hop is not None:
        hop = attempt.failed_hop
        flows = slot.setdefault((channels[hop], nodes[hop]), Flows())
        flows.failed_msat += amounts_msat[hop]
        flows.failed_count += 1
