"""The bus: what happens in the service, handed to whoever asked, without ever waiting for anyone."""

import asyncio
from collections.abc import AsyncIterator

from lightninglens.app.events import Event

DEFAULT_LIMIT = 1_024


class SubscriberDropped(Exception):
    """The subscriber left so much unread that it was dropped."""


class Subscription:
    """One subscriber's queue: an asynchronous iterator over events, until the bus closes.

    Iterating raises SubscriberDropped, after what was queued before, once the
    subscriber has fallen more than its limit behind.
    """

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.dropped = False
        self._closed = False
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(limit + 1)

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        if self._closed and self._queue.empty():
            raise StopAsyncIteration
        event = await self._queue.get()
        if event is not None:
            return event
        if self.dropped:
            raise SubscriberDropped(f"{self.name} was too slow: its queue of {self._queue.maxsize - 1} events was full")
        raise StopAsyncIteration

    def offer(self, event: Event) -> bool:
        """Queue an event; return False, and drop the subscriber, when the queue is full."""
        if self._queue.qsize() < self._queue.maxsize - 1:
            self._queue.put_nowait(event)
            return True
        self.dropped = True
        self.end()
        return False

    def end(self) -> None:
        """Let the iteration end after what is queued."""
        if not self._closed:
            self._closed = True
            self._queue.put_nowait(None)  # the one place beyond the limit is kept for this


class Bus:
    """Hands every event to every subscription, in order."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._closed = False

    def subscribe(self, name: str, *, limit: int = DEFAULT_LIMIT) -> Subscription:
        """Return a new subscription to all events from now on."""
        subscription = Subscription(name, limit)
        if self._closed:
            subscription.end()
        else:
            self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a subscription; its iteration ends."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
        subscription.end()

    def publish(self, event: Event) -> None:
        """Hand an event to all; those that are full are dropped and told."""
        self._subscriptions = [subscription for subscription in self._subscriptions if subscription.offer(event)]

    def close(self) -> None:
        """End all subscriptions after what they have queued."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.end()
        self._subscriptions.clear()
