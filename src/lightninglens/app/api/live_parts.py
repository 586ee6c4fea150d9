"""What pages of the live stream are told: the state as all updates so far have said it, and the next update."""

import dataclasses
from collections import deque
from collections.abc import Collection, Mapping
from typing import Any

import orjson

from lightninglens.app.events import (
    Alert,
    Channel,
    ErrorPoint,
    Event,
    LearnerNews,
    LearnerStatus,
    Network,
    Payment,
    Prediction,
    RebalanceDone,
    RunSettings,
    SettingsChanged,
    Stats,
    SuggestedChange,
    WorldAdvanced,
)
from lightninglens.app.world_view import WorldView

TOPICS: Mapping[str, frozenset[str]] = {
    "payments": frozenset({"payments"}),
    "channels": frozenset({"network", "channels"}),
    "stats": frozenset({"stats"}),
    "learning": frozenset({"learner", "predictions", "suggestions", "errors"}),
    "rebalances": frozenset({"rebalances"}),
    "alerts": frozenset({"alerts"}),
    "settings": frozenset({"settings"}),
}
"""The keys of `hello` and `update` that belong to each topic."""

HELLO_PAYMENTS = 200
HELLO_REBALANCES = 50
HELLO_ERRORS = 1_000
UPDATE_PAYMENTS = 500
"""In a fast world only the newest of one update are told one by one; the statistics count them all."""
UPDATE_NEWS = 200
"""Alerts and rebalances of one update."""

Parts = dict[str, str]
"""JSON by key, ready to be put together for each choice of topics."""


def encode(value: Any) -> str:
    """Return a value as JSON."""
    return orjson.dumps(value).decode()


def keys_of(topics: Collection[str]) -> frozenset[str]:
    """Return the keys that these topics have."""
    return frozenset().union(*(TOPICS[topic] for topic in topics))


def put_together(head: Parts, parts: Parts, keys: frozenset[str]) -> str:
    """Return one JSON object of the head and the parts with these keys."""
    chosen = [*head.items(), *((key, text) for key, text in parts.items() if key in keys)]
    return "{" + ",".join(f'"{key}":{text}' for key, text in chosen) + "}"


class Told:
    """What a page knows that has had `hello` and all updates since."""

    def __init__(self) -> None:
        self.network: Network | None = None
        self.channels: dict[str, Channel] = {}
        self.payments: deque[Payment] = deque(maxlen=HELLO_PAYMENTS)
        self.stats: Stats | None = None
        self.learner: LearnerStatus | None = None
        self.predictions: tuple[Prediction, ...] = ()
        self.suggestions: tuple[SuggestedChange, ...] = ()
        self.errors: deque[ErrorPoint] = deque(maxlen=HELLO_ERRORS)
        self.alerts: dict[str, Alert] = {}
        self.rebalances: deque[RebalanceDone] = deque(maxlen=HELLO_REBALANCES)
        self.settings: RunSettings | None = None

    def begin(self, view: WorldView) -> None:
        """Know the world as it is seen now."""
        self.network = view.network()
        self.channels = {channel.channel_id: channel for channel in self.network.channels}
        self.payments.extend(view.payments)
        self.stats = view.stats

    def parts(self) -> Parts:
        """Return the snapshot by key."""
        network = self.network and dataclasses.replace(self.network, channels=tuple(self.channels.values()))
        return {
            "network": encode(network),
            "payments": encode(list(self.payments)),
            "stats": encode(self.stats),
            "learner": encode(self.learner),
            "predictions": encode(self.predictions),
            "suggestions": encode(self.suggestions),
            "errors": encode(list(self.errors)),
            "alerts": encode(list(self.alerts.values())),
            "rebalances": encode(list(self.rebalances)),
            "settings": encode(self.settings),
        }


class News:
    """What has happened since the last update."""

    def __init__(self) -> None:
        self._channels: dict[str, Channel] = {}
        self._payments: deque[Payment] = deque(maxlen=UPDATE_PAYMENTS)
        self._stats: Stats | None = None
        self._learner: LearnerNews | None = None
        self._errors: deque[ErrorPoint] = deque(maxlen=HELLO_ERRORS)
        self._alerts: deque[Alert] = deque(maxlen=UPDATE_NEWS)
        self._rebalances: deque[RebalanceDone] = deque(maxlen=UPDATE_NEWS)
        self._settings: RunSettings | None = None

    def take(self, event: Event) -> bool:
        """Take in an event and tell whether there is anything to tell of it."""
        match event:
            case WorldAdvanced():
                self._channels.update((channel.channel_id, channel) for channel in event.channels)
                self._payments.extend(event.payments)
                self._stats = event.stats
            case LearnerNews():
                self._learner = event
                self._errors.extend(event.errors)
            case Alert():
                self._alerts.append(event)
            case RebalanceDone():
                self._rebalances.append(event)
            case SettingsChanged():
                self._settings = event.settings
            case _:
                return False
        return True

    def parts(self, told: Told) -> Parts:
        """Return the update by key; what every update has is there even when nothing happened."""
        parts = {
            "channels": encode(list(self._channels.values())),
            "payments": encode(list(self._payments)),
            "stats": encode(self._stats or told.stats),
        }
        if self._learner is not None:
            parts["learner"] = encode(self._learner.status)
            parts["predictions"] = encode(self._learner.predictions)
            parts["suggestions"] = encode(self._learner.suggestions)
        for key, news in (("errors", self._errors), ("alerts", self._alerts), ("rebalances", self._rebalances)):
            if news:
                parts[key] = encode(list(news))
        if self._settings is not None:
            parts["settings"] = encode(self._settings)
        return parts

    def tell(self, told: Told) -> None:
        """Let all of this be known."""
        told.channels.update(self._channels)
        told.payments.extend(self._payments)
        told.stats = self._stats or told.stats
        if self._learner is not None:
            told.learner = self._learner.status
            told.predictions, told.suggestions = self._learner.predictions, self._learner.suggestions
        told.errors.extend(self._errors)
        told.rebalances.extend(self._rebalances)
        told.settings = self._settings or told.settings
        for alert in self._alerts:
            if alert.state == "raised":
                told.alerts[alert.alert_id] = alert
            elif alert.state == "cleared":
                told.alerts.pop(alert.alert_id, None)
