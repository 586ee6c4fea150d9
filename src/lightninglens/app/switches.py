"""What can be switched while the service runs, and who must hear of it."""

import dataclasses
from collections.abc import Callable

from lightninglens.app.bus import Bus
from lightninglens.app.events import RunSettings, SettingsChanged

LEAST_SPEED = 0.01
MOST_SPEED = 10_000.0


class Switches:
    """The settings of the running service; a change is told to those that act on it, then to everybody."""

    def __init__(self, settings: RunSettings, bus: Bus) -> None:
        self.settings = settings
        self._bus = bus
        self._listeners: list[Callable[[RunSettings], None]] = []

    def listen(self, listener: Callable[[RunSettings], None]) -> None:
        """Let somebody act on every change, and on the settings as they are."""
        self._listeners.append(listener)
        listener(self.settings)

    def change(
        self,
        *,
        speed: float | None = None,
        paused: bool | None = None,
        automatic: bool | None = None,
        min_confidence: float | None = None,
        budget_sat_per_day: int | None = None,
    ) -> RunSettings:
        """Change what is given and return all settings."""
        given = {
            "speed": speed,
            "paused": paused,
            "automatic": automatic,
            "min_confidence": min_confidence,
            "budget_sat_per_day": budget_sat_per_day,
        }
        wanted = {name: value for name, value in given.items() if value is not None}
        changed = dataclasses.replace(self.settings, **wanted)  # type: ignore[arg-type]  # each by its own type
        if changed != self.settings:
            self.settings = changed
            for listener in self._listeners:
                listener(changed)
            self._bus.publish(SettingsChanged(settings=changed))
        return changed
