"""What the service is doing, as seen by its API: warming up, running or ended."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from lightninglens.app.alerts import AlertBook
from lightninglens.app.bus import Bus
from lightninglens.app.events import Alert, SuggestedChange, WorldAdvanced
from lightninglens.app.history import History
from lightninglens.app.lab import Lab
from lightninglens.app.learning.board import LearnerBoard
from lightninglens.app.payments import SearchablePayments
from lightninglens.app.rebalancing import Rebalancing
from lightninglens.app.runs import RunLibrary
from lightninglens.app.shapes import Effect, ModelItem
from lightninglens.app.switches import Switches
from lightninglens.app.world_view import Mode, WorldView
from lightninglens.core.clock import Stopwatch

if TYPE_CHECKING:
    from lightninglens.app.node.watched import WatchedNode

_KEPT_EVENTS = 100_000
"""The keeper takes an event in microseconds; if it ever fell so far behind, the loop would have stopped."""


class SuggestionDesk(Protocol):
    """Who carries out, or turns down, what the learner suggests; both raise NotOpenError."""

    async def accept(self, suggestion_id: str) -> SuggestedChange:
        """Carry out a suggestion and return it once it has ended."""
        ...

    def reject(self, suggestion_id: str) -> SuggestedChange:
        """Turn a suggestion down."""
        ...


class ModelShelf(Protocol):
    """The registry of models."""

    async def items(self) -> list[ModelItem]:
        """Return all models, newest first."""
        ...

    async def select(self, version: str) -> ModelItem | None:
        """Use a model from now on; None where there is none such."""
        ...


class EffectBook(Protocol):
    """What executed rebalances brought."""

    async def newest(self, limit: int) -> list[Effect]:
        """Return the newest effects, newest first."""
        ...


@dataclass(slots=True)
class ServiceState:
    """The parts that come into being while the service already answers."""

    bus: Bus
    switches: Switches
    runs: RunLibrary
    payments: SearchablePayments | None = None
    phase: Literal["warming up", "running", "ended"] = "warming up"
    mode: Mode = "simulated"
    view: WorldView | None = None
    """What is shown of the world; None until there is one."""
    lab: Lab | None = None
    """The world, where it is a simulated one."""
    watched: "dict[str, WatchedNode]" = field(default_factory=dict)
    """The nodes that are recorded, by their key: one, or those of a lab."""
    waits_for: str = ""
    """What a watched node is waited for with, in words."""
    rebalancing: Rebalancing | None = None
    alerts: AlertBook = field(default_factory=AlertBook)
    learner: LearnerBoard = field(default_factory=LearnerBoard)
    desk: SuggestionDesk | None = None
    """Who acts on suggestions; None while there is no world, and where learning is off."""
    models: ModelShelf | None = None
    effects: EffectBook | None = None
    history: History = field(default_factory=History)
    uptime: Stopwatch = field(default_factory=Stopwatch)
    feed_clients: Callable[[], int] = lambda: 0
    _ready: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, lab: Lab, rebalancing: Rebalancing) -> None:
        """The world is ready."""
        self.lab, self.view, self.rebalancing, self.phase = lab, lab.observer, rebalancing, "running"
        self.switches.listen(lambda settings: lab.set_pace(speed=settings.speed, paused=settings.paused))
        self._ready.set()

    def begin_watching(self, watched: "WatchedNode", view: WorldView) -> None:
        """The node answers, and is recorded from now on."""
        self.watched = {str(watched.info.node_id): watched}
        self.view, self.phase = view, "running"
        self._ready.set()

    async def wait_until_watched(self) -> "WatchedNode":
        """Return the node as soon as it is recorded."""
        await self._ready.wait()
        return next(iter(self.watched.values()))

    async def wait_until_ready(self) -> tuple[Lab, Rebalancing]:
        """Return the lab and its rebalancing as soon as there are any."""
        await self._ready.wait()
        if self.lab is None or self.rebalancing is None:
            raise RuntimeError("ready without a lab")
        return self.lab, self.rebalancing

    async def keep_what_happens(self) -> None:
        """Remember alerts and payments until the bus closes."""
        async for event in self.bus.subscribe("keeper", limit=_KEPT_EVENTS):
            match event:
                case Alert():
                    self.alerts.take(event)
                case WorldAdvanced():
                    self.history.absorb(event.payments)
                    if self.payments is not None:
                        self.payments.take(event.payments)
                case _:
                    pass
