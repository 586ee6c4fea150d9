"""What the classic services know beyond the lab itself, and whom they tell: one subscription to the bus for all.

Sockets and event streams each have a bounded queue of their own. One that is
full is ended; nobody waits for anybody.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import orjson

from lightninglens.app.bus import Bus
from lightninglens.app.classic import view
from lightninglens.app.events import (
    Alert,
    Channel,
    ErrorPoint,
    Event,
    LearnerNews,
    LearnerStatus,
    Network,
    Node,
    Prediction,
    RebalanceDone,
    SuggestedChange,
    WorldAdvanced,
)
from lightninglens.app.feed import messages
from lightninglens.app.lab import Lab
from lightninglens.app.state import ServiceState
from lightninglens.core.clock import SystemClock
from lightninglens.core.units import NS_PER_MS

QUEUE_LIMIT = 256
MOST_LISTENERS = 256
KEPT_ANOMALIES = 100
TOPICS = ("network", "transactions", "channels", "metrics", "predictions", "anomalies", "learning")
"""Of the event streams; sockets hear what the feed tells as well, under `simulation`."""


class Listener:
    """One socket or event stream: an asynchronous iterator over texts, until the hub or its slowness ends it."""

    def __init__(self, topics: frozenset[str]) -> None:
        self.topics = topics
        self._queue: asyncio.Queue[str | None] = asyncio.Queue(QUEUE_LIMIT + 1)
        self._ended = False

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        text = await self._queue.get()
        if text is None:
            raise StopAsyncIteration
        return text

    def offer(self, text: str) -> bool:
        """Queue a text; return False, and end the listener, when its queue is full."""
        if self._queue.qsize() < QUEUE_LIMIT:
            self._queue.put_nowait(text)
            return True
        self.end()
        return False

    def waiting(self) -> list[str]:
        """Take what is queued without waiting; the end stays queued."""
        texts: list[str] = []
        while not self._queue.empty():
            text = self._queue.get_nowait()
            if text is None:
                self._queue.put_nowait(None)
                break
            texts.append(text)
        return texts

    def end(self) -> None:
        """Let the iteration end after what is queued."""
        if not self._ended:
            self._ended = True
            self._queue.put_nowait(None)


class ClassicHub:
    """Listens to the bus and keeps what the classic services answer with."""

    def __init__(self, state: ServiceState, bus: Bus) -> None:
        self.state = state
        self.bus = bus
        self.anomalies: deque[view.Shape] = deque(maxlen=KEPT_ANOMALIES)
        self.parameters: view.Shape | None = None
        self.first_adjustments: view.Shape | None = None
        """The first that were known, which later ones are compared with."""
        self._book = messages.ChannelBook(Network(name="", mode="simulated", nodes=(), channels=()))
        self._listeners: set[Listener] = set()

    @property
    def predictions(self) -> tuple[Prediction, ...]:
        """What the learner predicts now."""
        return self.state.learner.predictions

    @property
    def status(self) -> LearnerStatus:
        """How the learner stands."""
        return self.state.learner.status

    @property
    def errors(self) -> list[ErrorPoint]:
        """The newest errors of the learner that are known, oldest first."""
        return list(self.state.learner.errors)

    def open_suggestions(self) -> list[SuggestedChange]:
        """Return the learner's suggestions that nobody has decided on."""
        return self.state.learner.suggestions.newest_first("open")

    @property
    def lab(self) -> Lab | None:
        """The lab, once it runs."""
        return self.state.lab

    async def run(self) -> None:
        """Listen until the bus closes, then end all listeners."""
        news = self.bus.subscribe("classic")
        try:
            lab, _ = await self.state.wait_until_ready()
            self._book = messages.ChannelBook(lab.observer.network())
            async for event in news:
                self._take(event)
        finally:
            self.bus.unsubscribe(news)
            for listener in list(self._listeners):
                listener.end()
            self._listeners.clear()

    def listen(self, *topics: str) -> Listener | None:
        """Return a new listener to some topics, or None when there are too many already."""
        if len(self._listeners) >= MOST_LISTENERS:
            return None
        listener = Listener(frozenset(topics))
        self._listeners.add(listener)
        return listener

    def forget(self, listener: Listener) -> None:
        """Drop a listener that has gone away."""
        self._listeners.discard(listener)

    def tell(self, topic: str, text: str) -> None:
        """Queue a text for everybody who listens to this topic."""
        for listener in [one for one in self._listeners if topic in one.topics]:
            if not listener.offer(text):
                self._listeners.discard(listener)

    def publish(self, topic: str, data: Any) -> None:
        """Tell the listeners to an event stream something new."""
        if any(topic in listener.topics for listener in self._listeners):
            self.tell(topic, encode({"type": topic, "data": data, "timestamp": now_text()}))

    def channel_messages(self) -> dict[str, list[messages.Message]]:
        """Return all channels by node, as the feed tells them."""
        return self._book.all()

    def balances(self) -> view.Shape:
        """Return both sides of all channels by key; empty before the lab runs."""
        lab = self.lab
        if lab is None:
            return {}
        return view.channel_balances(lab.observer.nodes, lab.observer.channels(), self.predictions)

    def predicted(self) -> list[view.Shape]:
        """Return the current predictions; empty before there are any."""
        lab = self.lab
        if lab is None:
            return []
        return view.predictions(lab.observer.nodes, lab.observer.channels(), self.predictions)

    def _lab_nodes(self) -> tuple[Node, ...]:
        return self.lab.observer.nodes if self.lab else ()

    def channels(self) -> tuple[Channel, ...]:
        """Return all channels; none before the lab runs."""
        return self.lab.observer.channels() if self.lab else ()

    def performance(self) -> view.Shape | None:
        """Return how far channels are from their best shares, first and now, and the model's errors."""
        now = view.adjustments(self.predictions)
        errors = view.model_error(self.errors)
        if now is None and errors is None:
            return None
        before = self.first_adjustments
        improved = before["avg_adjustment"] - now["avg_adjustment"] if before and now else None
        return {"timestamp": now_text(), "before": before, "after": now, "improvement": improved, "model": errors}

    def _take(self, event: Event) -> None:
        match event:
            case WorldAdvanced():
                for payment in event.payments:
                    self.tell("simulation", encode(messages.transaction(payment)))
                    self.publish("transactions", view.transaction(payment))
                for message in self._book.take(event.channels):
                    self.tell("simulation", encode(message))
                if event.channels and self._lab_nodes():
                    self.publish("channels", view.channel_balances(self._lab_nodes(), event.channels, self.predictions))
            case RebalanceDone():
                self.tell("simulation", encode(messages.rebalance_result(event)))
            case LearnerNews():
                self._learn()
            case Alert():
                self._add_anomaly({"level": event.level, "source": event.source, "message": event.text})
            case _:
                pass

    def _learn(self) -> None:
        if self.first_adjustments is None:
            self.first_adjustments = view.adjustments(self.predictions)
        self.publish("predictions", self.predicted())
        self.publish("learning", view.learning_metrics(self.status, self.errors))
        self.publish("metrics", self.performance())

    def _add_anomaly(self, anomaly: view.Shape) -> None:
        self.anomalies.append({**anomaly, "timestamp": now_text()})
        self.publish("anomalies", self.anomalies[-1])


def encode(value: Any) -> str:
    """Return a value as JSON text."""
    return orjson.dumps(value).decode()


def now_text() -> str:
    """Return the wall clock's time as those services write it."""
    return messages.timestamp(SystemClock().now_ns() // NS_PER_MS)
