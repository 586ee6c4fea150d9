"""What the service is doing, as seen by its API: warming up, running or ended."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from lightninglens.app.bus import Bus
from lightninglens.app.events import Alert
from lightninglens.app.lab import Lab
from lightninglens.app.rebalancing import Rebalancing
from lightninglens.core.clock import Stopwatch

KEPT_ALERTS = 100


@dataclass(slots=True)
class ServiceState:
    """The parts that come into being while the service already answers."""

    bus: Bus
    phase: Literal["warming up", "running", "ended"] = "warming up"
    lab: Lab | None = None
    rebalancing: Rebalancing | None = None
    alerts: list[Alert] = field(default_factory=list)
    alert_count: int = 0
    uptime: Stopwatch = field(default_factory=Stopwatch)
    feed_clients: Callable[[], int] = lambda: 0
    _ready: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, lab: Lab, rebalancing: Rebalancing) -> None:
        """The world is ready."""
        self.lab, self.rebalancing, self.phase = lab, rebalancing, "running"
        self._ready.set()

    async def wait_until_ready(self) -> tuple[Lab, Rebalancing]:
        """Return the lab and its rebalancing as soon as there are any."""
        await self._ready.wait()
        if self.lab is None or self.rebalancing is None:
            raise RuntimeError("ready without a lab")
        return self.lab, self.rebalancing

    async def keep_alerts(self) -> None:
        """Remember the newest alerts until the bus closes."""
        async for event in self.bus.subscribe("alerts"):
            if isinstance(event, Alert):
                self.alert_count += 1
                self.alerts = [*self.alerts[-KEPT_ALERTS + 1 :], event]
