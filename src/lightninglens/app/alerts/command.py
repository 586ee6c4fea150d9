"""Telling a program of alerts: run without a shell, one at a time, with the alert as JSON on its standard input."""

import asyncio
import os
from dataclasses import dataclass

import orjson
import structlog

from lightninglens.app.alerts.telling import AlertTeller
from lightninglens.app.events import Alert

log = structlog.get_logger(__name__)

PREFIX = "LENS_ALERT_"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOptions:
    """Which program is run, and for how long it may take."""

    arguments: tuple[str, ...]
    """The program and what it is given; no shell reads it."""
    timeout_s: float = 30.0


class AlertCommand(AlertTeller):
    """Runs a program for each alert that nobody has seen yet."""

    name = "alert command"

    def __init__(self, options: CommandOptions) -> None:
        super().__init__()
        self._options = options

    def wants(self, alert: Alert) -> bool:
        """Return whether nobody has said that they have seen it."""
        return not alert.acknowledged

    async def tell(self, alert: Alert) -> bool:
        """Run the program for an alert, and return whether it was content."""
        said = {"level": alert.level, "source": alert.source, "state": alert.state, "text": alert.text}
        environment = os.environ | {f"{PREFIX}{name.upper()}": value.replace("\0", "") for name, value in said.items()}
        try:
            process = await asyncio.create_subprocess_exec(
                *self._options.arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                env=environment,
            )
        except OSError as problem:
            log.warning("the alert command cannot be run", program=self._options.arguments[0], problem=str(problem))
            return False
        body = orjson.dumps({"version": 1, "alert": alert})
        try:
            async with asyncio.timeout(self._options.timeout_s):
                await process.communicate(body)
        except TimeoutError:
            process.kill()
            await process.wait()
            log.warning("the alert command took too long", program=self._options.arguments[0])
            return False
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode:
            log.warning("the alert command failed", program=self._options.arguments[0], code=process.returncode)
        return not process.returncode
