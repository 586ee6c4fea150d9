"""Telling a program of alerts: run without a shell, one at a time, with the alert as JSON on its standard input."""

import asyncio
import contextlib
import os
from collections import deque
from dataclasses import dataclass

import orjson
import structlog

from lightninglens.app.bus import Bus
from lightninglens.app.events import Alert

log = structlog.get_logger(__name__)

QUEUE_LIMIT = 500
PREFIX = "LENS_ALERT_"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOptions:
    """Which program is run, and for how long it may take."""

    arguments: tuple[str, ...]
    """The program and what it is given; no shell reads it."""
    timeout_s: float = 30.0


class AlertCommand:
    """Runs a program for each alert; when too many wait, the oldest are left out and counted."""

    def __init__(self, options: CommandOptions) -> None:
        self._options = options
        self._waiting: deque[Alert] = deque(maxlen=QUEUE_LIMIT)
        self._something = asyncio.Event()
        self.done = 0
        self.lost = 0
        """Alerts for which the program failed, or which were left out."""

    async def run(self, bus: Bus) -> None:
        """Run it for what the bus says until that closes; what waits then is given one last moment."""
        news = bus.subscribe("alert command", limit=100_000)
        worker = asyncio.create_task(self._work())
        try:
            async for event in news:
                if isinstance(event, Alert) and not event.acknowledged:
                    self.lost += len(self._waiting) == QUEUE_LIMIT
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
                if await self._tell(self._waiting[0]):
                    self.done += 1
                else:
                    self.lost += 1
                with contextlib.suppress(IndexError):
                    self._waiting.popleft()
            self._something.clear()

    async def _tell(self, alert: Alert) -> bool:
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
