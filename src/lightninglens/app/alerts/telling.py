"""Telling somebody outside of alerts: one after the other, in the background, and never waited for."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections import deque

from lightninglens.app.bus import Bus
from lightninglens.app.events import Alert

QUEUE_LIMIT = 500


class AlertTeller(ABC):
    """Tells of what the bus says; when too many alerts wait, the oldest are left out and counted."""

    name: str
    """Of the subscription."""

    def __init__(self) -> None:
        self._waiting: deque[Alert] = deque(maxlen=QUEUE_LIMIT)
        self._something = asyncio.Event()
        self.sent = 0
        self.lost = 0
        """Alerts that were given up, or left out since too many waited."""

    @abstractmethod
    async def tell(self, alert: Alert) -> bool:
        """Tell of one alert, and return whether that was done."""

    def wants(self, _alert: Alert) -> bool:
        """Return whether an alert is told of: each is, unless a teller says otherwise."""
        return True

    async def run(self, bus: Bus) -> None:
        """Tell of what the bus says until it closes; what waits then is given one last moment."""
        news = bus.subscribe(self.name, limit=100_000)
        worker = asyncio.create_task(self._work())
        try:
            async for event in news:
                if isinstance(event, Alert) and self.wants(event):
                    self.lost += len(self._waiting) == self._waiting.maxlen
                    self._waiting.append(event)
                    self._something.set()
            if self._waiting:
                await asyncio.wait({worker}, timeout=0.5)
        finally:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
            bus.unsubscribe(news)

    async def _work(self) -> None:
        while True:
            await self._something.wait()
            while self._waiting:
                if await self.tell(self._waiting[0]):
                    self.sent += 1
                else:
                    self.lost += 1
                with contextlib.suppress(IndexError):
                    self._waiting.popleft()
            self._something.clear()
