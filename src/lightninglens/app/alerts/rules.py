"""The rules that raise and clear alerts. Each raises at one limit and clears at another, so that none flickers.

Pure: a rule is told what happened and what time it is in the world, and says
which alerts change. Times are world time.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from lightninglens.app.events import Alert, Channel, ErrorPoint, LearnerStatus, Node, Payment

MOST_CHANNELS = 1_000
"""A larger network's channels are not watched one by one."""

_MS_PER_S = 1_000
_LEAST_OUTCOMES = 100
_KEPT_POINTS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertOptions:
    """The limits of all rules."""

    low_share: float = 0.1
    """A channel is imbalanced when either side holds less than this part of what both hold."""
    margin_share: float = 0.05
    """It is balanced again when the emptier side holds this much more than that."""
    imbalanced_for_s: float = 900.0
    """How long it must last, either way."""
    failed_share: float = 0.4
    """Part of the payments that fail."""
    failed_margin: float = 0.1
    failed_window_s: float = 1_800.0
    failed_least_payments: int = 20
    drift_s: float = 3_600.0
    """How long a drift stays an alert after it was last noticed."""
    stale_factor: float = 1.5
    """How many times the error on held-out data the model's error here may be."""
    stale_clear_factor: float = 1.2


class ImbalanceRule:
    """One alert per channel that has been nearly empty on one side for some time."""

    def __init__(self, options: AlertOptions, nodes: Iterable[Node]) -> None:
        self._options = options
        self._names = {node.node_id: node.name for node in nodes}
        self._raised: set[str] = set()
        self._changing_since: dict[str, int] = {}
        self._channels: dict[str, Channel] = {}

    def take(self, channels: Iterable[Channel], now_ms: int) -> None:
        """Take in channels as they are now; what is past a limit begins to count."""
        for channel in channels:
            self._channels[channel.channel_id] = channel
            share = _emptier_share(channel)
            raised = channel.channel_id in self._raised
            low, margin = self._options.low_share, self._options.margin_share
            if (share >= low + margin) if raised else (share < low):
                self._changing_since.setdefault(channel.channel_id, now_ms)
            else:
                self._changing_since.pop(channel.channel_id, None)

    def look(self, now_ms: int) -> Iterator[Alert]:
        """Yield what has lasted long enough."""
        if len(self._channels) > MOST_CHANNELS:
            return
        due_ms = now_ms - self._options.imbalanced_for_s * _MS_PER_S
        for channel_id in [one for one, since_ms in self._changing_since.items() if since_ms <= due_ms]:
            del self._changing_since[channel_id]
            channel = self._channels[channel_id]
            if channel_id in self._raised:
                self._raised.remove(channel_id)
                yield self._alert(channel, "cleared", "is balanced again", now_ms)
            else:
                self._raised.add(channel_id)
                lasting = f"has been imbalanced for {self._options.imbalanced_for_s / 60:g} min"
                yield self._alert(channel, "raised", lasting, now_ms)

    def _alert(self, channel: Channel, state: Literal["raised", "cleared"], what: str, now_ms: int) -> Alert:
        first, second = self._names[channel.node1_id], self._names[channel.node2_id]
        total_msat = max(channel.node1_local_msat + channel.node2_local_msat, 1)
        share = channel.node1_local_msat / total_msat
        return Alert(
            level="warning",
            source="channels",
            text=f"the channel of {first} and {second} {what}: {first} holds {share:.0%}, {second} {1 - share:.0%}",
            state=state,
            alert_id=f"imbalanced-{channel.channel_id}",
            channel_id=channel.channel_id,
            world_ms=now_ms,
        )


class FailedPaymentsRule:
    """One alert while too many payments of a window fail."""

    def __init__(self, options: AlertOptions) -> None:
        self._options = options
        self._ended: deque[tuple[int, bool]] = deque()
        self._failed = 0
        self._raised = False

    def take(self, payments: Iterable[Payment]) -> None:
        """Take in payments that have ended."""
        for payment in payments:
            if payment.kind == "payment":
                self._ended.append((payment.started_ms + payment.duration_ms, payment.succeeded))
                self._failed += not payment.succeeded

    def look(self, now_ms: int) -> Iterator[Alert]:
        """Yield the alert when it changes."""
        window_ms = self._options.failed_window_s * _MS_PER_S
        while self._ended and self._ended[0][0] <= now_ms - window_ms:
            self._failed -= not self._ended.popleft()[1]
        count = len(self._ended)
        share = self._failed / count if count >= self._options.failed_least_payments else 0.0
        limit = self._options.failed_share - (self._options.failed_margin if self._raised else 0.0)
        if (share >= limit) != self._raised:
            self._raised = not self._raised
            minutes = self._options.failed_window_s / 60
            yield Alert(
                level="warning",
                source="payments",
                text=f"{self._failed} of the {count} payments of the last {minutes:g} min failed",
                state="raised" if self._raised else "cleared",
                alert_id="failed-payments",
                world_ms=now_ms,
            )


class DriftRule:
    """One alert while the demand has lately become another, as the online learner's detector sees it."""

    def __init__(self, options: AlertOptions) -> None:
        self._options = options
        self._last_ms: int | None = None
        self._told_ms: int | None = None

    def take(self, status: LearnerStatus) -> None:
        """Take in what the learner says of itself."""
        self._last_ms = status.last_drift_ms

    def look(self, now_ms: int) -> Iterator[Alert]:
        """Yield the alert when it begins or ends."""
        recent = self._last_ms is not None and now_ms - self._last_ms < self._options.drift_s * _MS_PER_S
        if recent and self._told_ms is None:
            self._told_ms = self._last_ms
            text = "what is paid has become other than it was: predictions are less sure until the learner has followed"
            yield self._alert("raised", text, now_ms)
        elif not recent and self._told_ms is not None:
            self._told_ms = None
            yield self._alert("cleared", f"no drift in the last {self._options.drift_s / 3_600:g} h", now_ms)

    def _alert(self, state: Literal["raised", "cleared"], text: str, now_ms: int) -> Alert:
        return Alert(level="warning", source="learner", text=text, state=state, alert_id="drift", world_ms=now_ms)


class StaleModelRule:
    """One alert while the model's error here is much greater than on the data that it was tested on."""

    def __init__(self, options: AlertOptions) -> None:
        self._options = options
        self._points: deque[ErrorPoint] = deque(maxlen=_KEPT_POINTS)
        self._promised: float | None = None
        self._raised = False

    def take(self, points: Iterable[ErrorPoint], promised: float | None) -> None:
        """Take in newly known errors, and the mean error on held-out data; a new model begins anew."""
        if promised != self._promised:
            self._promised = promised
            self._points.clear()
        self._points.extend(points)

    def look(self, now_ms: int) -> Iterator[Alert]:
        """Yield the alert when it changes."""
        error = self._newest_error()
        if not self._promised or error is None:
            return
        factor = self._options.stale_clear_factor if self._raised else self._options.stale_factor
        if (error > factor * self._promised) != self._raised:
            self._raised = not self._raised
            yield Alert(
                level="warning",
                source="learner",
                text=f"the model's mean error here is {error:.3f}; on held-out data it was {self._promised:.3f}"
                + ("; train a new one (`lens learn pipeline`)" if self._raised else ""),
                state="raised" if self._raised else "cleared",
                alert_id="model-stale",
                world_ms=now_ms,
            )

    def _newest_error(self) -> float | None:
        """Return the mean error of the newest outcomes, or None while these are too few."""
        compared, total = 0, 0.0
        for point in reversed(self._points):
            if point.model is not None:
                compared += point.compared
                total += point.compared * point.model
            if compared >= _LEAST_OUTCOMES:
                return total / compared
        return None


def _emptier_share(channel: Channel) -> float:
    total_msat = channel.node1_local_msat + channel.node2_local_msat
    return min(channel.node1_local_msat, channel.node2_local_msat) / max(total_msat, 1)
