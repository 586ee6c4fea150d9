"""The pacing loop: lets a simulated world happen at a chosen speed, and publishes what happens."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from lightninglens.app.bus import Bus
from lightninglens.app.events import Alert, SnapshotTaken
from lightninglens.app.observer import Observer
from lightninglens.app.world import World
from lightninglens.core.clock import PacedClock
from lightninglens.core.errors import InvariantError
from lightninglens.core.units import NS_PER_MS, NS_PER_SECOND, UnixNs
from lightninglens.nodes.simulated import SimulatedWorld

LEAST_STEP_S = 0.05
MOST_STEP_S = 1.0
WINDOW_NS = 600 * NS_PER_SECOND
"""Demand is drawn in pieces of this length, always before the world reaches them."""

MOST_EVENTS_PER_STEP = 200_000
BEHIND_S = 5.0
ON_TIME_S = 1.0
"""A late world is on time again below this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabOptions:
    """How the world runs."""

    speed: float = 1.0
    duration_s: float = 0.0
    """World seconds to run; 0: until it is stopped."""
    baseline_rebalance_s: float = 0.0
    """World seconds between two runs of the baseline rebalancer; 0: never."""
    snapshot_s: float = 300.0
    """World seconds between two snapshots; 0: never."""


@dataclass(slots=True)
class _Job:
    period_ns: int
    next_ns: int
    action: Callable[[UnixNs], Awaitable[None]]


class Lab:
    """A simulated world that runs by itself.

    It is also the world's `Clock`: the time up to which everything has happened.
    """

    def __init__(self, world: World, simulated: SimulatedWorld, options: LabOptions, bus: Bus) -> None:
        """Take a world and the adapter of its engine; from then on nobody else advances it."""
        self.world = world
        self.simulated = simulated
        self.observer = Observer(world, speed=options.speed)
        self._options = options
        self._bus = bus
        self._start_ns = self._now_ns = world.engine.now_ns
        self._drawn_until_ns = world.drawn_until_ns
        self._end_ns = self._start_ns + int(options.duration_s * NS_PER_SECOND) if options.duration_s > 0 else 2**63 - 1
        self._jobs: list[_Job] = []
        self._pace_listeners: list[Callable[[UnixNs, float], None]] = []
        self._stopping = False
        self._behind = False
        self._turned = False
        self._clock = PacedClock(start_ns=self._start_ns, speed=options.speed)
        self.every(options.snapshot_s, self._take_snapshot)

    def now_ns(self) -> UnixNs:
        """Return the time up to which everything has happened."""
        return UnixNs(self._now_ns)

    @property
    def speed(self) -> float:
        """World seconds per real second while it runs."""
        return self._clock.speed

    def on_pace(self, listener: Callable[[UnixNs, float], None]) -> None:
        """Tell `listener` from when on the world has another speed."""
        self._pace_listeners.append(listener)

    @property
    def paused(self) -> bool:
        """Whether the world stands still."""
        return self._clock.paused

    def set_pace(self, *, speed: float, paused: bool) -> None:
        """Go on from now at another speed, or stand still; what the world was late is forgotten."""
        self._clock.set_pace(at_ns=self._now_ns, speed=speed, paused=paused)
        self.observer.set_speed(speed)
        for listener in self._pace_listeners:
            listener(self.now_ns(), speed)
        self._turned = True
        self.simulated.submitted.set()

    def every(self, period_s: float, action: Callable[[UnixNs], Awaitable[None]]) -> None:
        """Do something each `period_s` world seconds, at exactly these moments; 0 is never."""
        if period_s > 0:
            period_ns = max(int(period_s * NS_PER_SECOND), NS_PER_MS)
            self._jobs.append(_Job(period_ns, self._start_ns + period_ns, action))

    def stop(self) -> None:
        """Let `run` return soon."""
        self._stopping = True
        self.simulated.submitted.set()

    async def run(self) -> None:
        """Run until the duration is over or `stop` is called; then the world is closed.

        Raises InvariantError when money appeared or disappeared: nothing may go on then.
        """
        clock = self._clock
        clock.set_pace(at_ns=self._now_ns, speed=clock.speed, paused=clock.paused)
        try:
            while not self._stopping and self._now_ns < self._end_ns:
                self._turned = False
                await self._advance_to(min(clock.now_ns(), self._end_ns))
                self._watch_lag(clock)
                await self._rest(clock)
            await self._check_conservation()
        finally:
            self.simulated.close()

    async def _advance_to(self, time_ns: int) -> None:
        while not self._stopping and not self._turned:
            stop_ns = min([time_ns, self._drawn_until_ns, *(job.next_ns for job in self._jobs)])
            await self._step(stop_ns)
            if self._now_ns < stop_ns:
                continue
            if self._now_ns >= self._drawn_until_ns:
                await self._draw_demand()
            for job in self._jobs:
                if job.next_ns <= self._now_ns < self._end_ns:
                    job.next_ns += job.period_ns
                    await job.action(self.now_ns())
            if self._now_ns >= time_ns:
                return

    async def _step(self, stop_ns: int) -> None:
        harvest = await self.simulated.advance(stop_ns, most_events=MOST_EVENTS_PER_STEP)
        self._now_ns, news = await self.simulated.use(
            lambda engine: (engine.now_ns, self.observer.absorb(harvest, engine))
        )
        self._bus.publish(news)

    async def _draw_demand(self) -> None:
        start_ns, end_ns = self._drawn_until_ns, self._drawn_until_ns + WINDOW_NS
        requests = await asyncio.to_thread(self.world.draw, start_ns, end_ns)
        await self.simulated.submit(requests)
        self._drawn_until_ns = end_ns

    async def _rest(self, clock: PacedClock) -> None:
        """Sleep until something is due, at least a moment and at most a second."""
        due = [self._end_ns, self._drawn_until_ns, *(job.next_ns for job in self._jobs)]
        next_event_ns = await self.simulated.use(lambda engine: engine.next_event_ns)
        if next_event_ns is not None:
            due.append(next_event_ns)
        rest_s = min(clock.real_seconds_until(min(due)), MOST_STEP_S)
        self.simulated.submitted.clear()
        if self._stopping:
            return
        if rest_s > LEAST_STEP_S:
            try:
                async with asyncio.timeout(rest_s - LEAST_STEP_S):
                    await self.simulated.submitted.wait()
            except TimeoutError:
                pass
        if self._now_ns < self._end_ns:
            await asyncio.sleep(LEAST_STEP_S)

    def _watch_lag(self, clock: PacedClock) -> None:
        behind_s = (clock.now_ns() - self._now_ns) / NS_PER_SECOND / clock.speed
        if behind_s > BEHIND_S and not self._behind and self._now_ns < self._end_ns:
            self._behind = True
            text = f"the world is {behind_s:.0f} s late: this machine cannot keep up with speed {clock.speed:g}"
            self._bus.publish(self._lateness("raised", text))
        elif self._behind and behind_s < ON_TIME_S:
            self._behind = False
            self._bus.publish(self._lateness("cleared", "the world is on time again"))

    def _lateness(self, state: Literal["raised", "cleared"], text: str) -> Alert:
        world_ms = self._now_ns // NS_PER_MS
        return Alert(level="warning", source="lab", text=text, state=state, alert_id="late-world", world_ms=world_ms)

    async def _take_snapshot(self, now: UnixNs) -> None:
        await self._check_conservation()
        self._bus.publish(SnapshotTaken(channels=self.observer.channels(), world_ms=now // NS_PER_MS))

    async def _check_conservation(self) -> None:
        drift_msat = await self.simulated.use(lambda engine: engine.conservation_drift_msat())
        if drift_msat:
            raise InvariantError(
                f"{drift_msat} msat appeared or disappeared in the simulation by world time {self._now_ns} ns;"
                " nothing after the last snapshot can be trusted. This is a bug in LightningLens: please report it"
            )
