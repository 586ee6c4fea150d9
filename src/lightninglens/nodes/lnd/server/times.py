"""Whose time it is: tools compare what a node says with their own clocks, and a simulated world has another time."""

from lightninglens.core.units import UnixNs


class ShownTime:
    """Shows world time as the real time at which it happened.

    A world that runs ten times as fast shows a tenth of its durations, and what
    has happened is never in a tool's future.
    """

    def __init__(self, *, world_ns: int, real_ns: int, speed: float) -> None:
        self._world_ns = world_ns
        self._shown_ns = real_ns
        self._speed = speed

    def set_pace(self, *, world_ns: int, speed: float) -> None:
        """Go on from `world_ns` at another speed."""
        self._shown_ns = self.shown(world_ns)
        self._world_ns, self._speed = world_ns, speed

    def shown(self, world_ns: int) -> UnixNs:
        """Return the real time that stands for a moment of the world."""
        return UnixNs(self._shown_ns + int((world_ns - self._world_ns) / self._speed))

    def in_world(self, shown_ns: int) -> UnixNs:
        """Return the moment of the world that a real time stands for."""
        return UnixNs(self._world_ns + int((shown_ns - self._shown_ns) * self._speed))
