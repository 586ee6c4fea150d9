"""Watching what happens with all rules, and publishing the alerts that change."""

from collections.abc import Callable, Iterator

from lightninglens.app.alerts.rules import AlertOptions, DriftRule, FailedPaymentsRule, ImbalanceRule, StaleModelRule
from lightninglens.app.bus import Bus
from lightninglens.app.events import Alert, Event, LearnerNews, WorldAdvanced
from lightninglens.app.observer import Observer

LOOK_MS = 10_000
"""World time between two looks."""


class AlertWatch:
    """Feeds the rules with events."""

    def __init__(self, options: AlertOptions, observer: Observer, promised_error: Callable[[], float | None]) -> None:
        """Take the world as it is now, and who knows the model's error on held-out data."""
        self._promised_error = promised_error
        self._imbalance = ImbalanceRule(options, observer.nodes)
        self._failed = FailedPaymentsRule(options)
        self._drift = DriftRule(options)
        self._stale = StaleModelRule(options)
        self._looked_ms = observer.stats.world_ms
        self._imbalance.take(observer.channels(), self._looked_ms)

    async def run(self, bus: Bus) -> None:
        """Watch until the bus closes."""
        news = bus.subscribe("alert rules", limit=100_000)
        try:
            async for event in news:
                for alert in self.take(event):
                    bus.publish(alert)
        finally:
            bus.unsubscribe(news)

    def take(self, event: Event) -> Iterator[Alert]:
        """Take in an event and yield the alerts that change by it."""
        match event:
            case WorldAdvanced():
                now_ms = event.stats.world_ms
                self._imbalance.take(event.channels, now_ms)
                self._failed.take(event.payments)
                if now_ms - self._looked_ms >= LOOK_MS:
                    self._looked_ms = now_ms
                    for rule in (self._imbalance, self._failed, self._drift, self._stale):
                        yield from rule.look(now_ms)
            case LearnerNews():
                self._drift.take(event.status)
                self._stale.take(event.errors, self._promised_error())
            case _:
                pass
