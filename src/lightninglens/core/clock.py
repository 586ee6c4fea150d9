"""Clocks: virtual, real, and real at a chosen speed. The only place that asks what time it is."""

import math
import time
from typing import Protocol

from lightninglens.core.units import NS_PER_SECOND, UnixNs


class Clock(Protocol):
    """What time it is in the world at hand."""

    def now_ns(self) -> UnixNs:
        """Return the current time of this world."""
        ...


class VirtualClock:
    """Time that stands still until it is told to move."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = UnixNs(start_ns)

    def now_ns(self) -> UnixNs:
        """Return the time last set."""
        return self._now_ns

    def advance_to(self, time_ns: int) -> None:
        """Move forward to `time_ns`; raises ValueError when that is in the past."""
        if time_ns < self._now_ns:
            raise ValueError(f"a clock cannot go back: {time_ns} is before {self._now_ns}")
        self._now_ns = UnixNs(time_ns)


class SystemClock:
    """The real time."""

    def now_ns(self) -> UnixNs:
        """Return the system's wall clock."""
        return UnixNs(time.time_ns())


class PacedClock:
    """World time that starts at `start_ns` and runs `speed` times as fast as the monotonic clock, or stands still."""

    def __init__(self, *, start_ns: int, speed: float) -> None:
        self._paused = False
        self.set_pace(at_ns=start_ns, speed=speed)

    def set_pace(self, *, at_ns: int, speed: float, paused: bool = False) -> None:
        """Go on from `at_ns` at this speed, or stand still there; raises ValueError for a speed of 0 or less."""
        if not speed > 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        self._start_ns = at_ns
        self._speed = speed
        self._paused = paused
        self._origin_ns = time.monotonic_ns()

    @property
    def speed(self) -> float:
        """World seconds per real second while it runs."""
        return self._speed

    @property
    def paused(self) -> bool:
        """Whether it stands still."""
        return self._paused

    def now_ns(self) -> UnixNs:
        """Return the world's time."""
        if self._paused:
            return UnixNs(self._start_ns)
        return UnixNs(self._start_ns + int((time.monotonic_ns() - self._origin_ns) * self._speed))

    def real_seconds_until(self, time_ns: int) -> float:
        """Return how many real seconds remain until the world reaches `time_ns` (0 when it has, inf while paused)."""
        left_s = max(0.0, (time_ns - self.now_ns()) / NS_PER_SECOND / self._speed)
        return math.inf if self._paused and left_s else left_s


class Stopwatch:
    """Wall and processor seconds since it was made."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._cpu = time.process_time()

    def wall_s(self) -> float:
        """Return elapsed wall seconds."""
        return time.perf_counter() - self._wall

    def cpu_s(self) -> float:
        """Return processor seconds of this process."""
        return time.process_time() - self._cpu
