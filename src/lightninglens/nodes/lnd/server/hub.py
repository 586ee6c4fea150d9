"""One source of events and many subscribers, none of which can hold up the source or the others."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, NamedTuple, TypeVar
from weakref import WeakSet

import grpc

from lightninglens.nodes.lnd.server.refusals import Refusal

MOST_UNREAD = 100_000
"""Events that one subscriber may leave unread: several seconds of the busiest node there could be."""

Item = TypeVar("Item")


class PaymentNews(NamedTuple):
    """What became of a payment, for those who track it."""

    payment_hash: bytes
    is_final: bool
    message: bytes


class _Subscriber(Generic[Item]):
    def __init__(self, most: int) -> None:
        self.queue: deque[Item] = deque()
        self.most = most
        self.woken = asyncio.Event()
        self.too_slow = False
        self.ended = False


class Hub(Generic[Item]):
    """Hands what is published to all who listen at that moment; who falls too far behind is cut off."""

    def __init__(self, most_unread: int = MOST_UNREAD) -> None:
        self._most_unread = most_unread
        # Of one that was given up before its first event nobody hears; it ends with who holds it.
        self._subscribers: WeakSet[_Subscriber[Item]] = WeakSet()
        self._closed = False

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens, so that it is worth making an event."""
        return bool(self._subscribers)

    def publish(self, item: Item) -> None:
        """Queue an event for every subscriber."""
        for subscriber in list(self._subscribers):
            subscriber.queue.append(item)
            if len(subscriber.queue) > subscriber.most:
                subscriber.too_slow = True
                self._subscribers.discard(subscriber)
            subscriber.woken.set()

    def dismiss(self) -> None:
        """Let the subscriptions that there are end after what is queued."""
        for subscriber in self._subscribers:
            subscriber.ended = True
            subscriber.woken.set()
        self._subscribers.clear()

    def close(self) -> None:
        """Let every subscription end after what is queued, and every later one at once."""
        self._closed = True
        self.dismiss()

    def listen(self) -> AsyncIterator[Item]:
        """Return what is published from this call on.

        Iterating raises Refusal (ABORTED: come again) once more is unread than may be.
        """
        subscriber: _Subscriber[Item] = _Subscriber(self._most_unread)
        self._subscribers.add(subscriber)
        return self._read(subscriber)

    async def _read(self, subscriber: _Subscriber[Item]) -> AsyncIterator[Item]:
        try:
            while True:
                while subscriber.queue and not subscriber.too_slow:
                    yield subscriber.queue.popleft()
                if subscriber.too_slow:
                    raise Refusal(
                        f"the subscriber is too slow: more than {subscriber.most} events are unread",
                        grpc.StatusCode.ABORTED,
                    )
                if self._closed or subscriber.ended:
                    return
                subscriber.woken.clear()
                await subscriber.woken.wait()
        finally:
            self._subscribers.discard(subscriber)
