"""The composition root of `lens run`: one process that records, analyses, alerts and shows one node."""

import asyncio
import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from lightninglens.app.alerts.command import AlertCommand, CommandOptions
from lightninglens.app.alerts.series import DEFAULT_RULES, RuleSet, SeriesRule
from lightninglens.app.alerts.webhook import Webhook, WebhookOptions
from lightninglens.app.api import create_api
from lightninglens.app.api.security import TOKEN_FILE, Token
from lightninglens.app.api.stream import LiveStream
from lightninglens.app.bus import Bus
from lightninglens.app.events import Alert, RunSettings
from lightninglens.app.node.alerts import NodeAlertWatch
from lightninglens.app.node.observer import NodeObserver
from lightninglens.app.node.remedies import RemedyWatch
from lightninglens.app.node.sources import NodeSource
from lightninglens.app.node.watched import WatchedNode
from lightninglens.app.payments import SearchablePayments
from lightninglens.app.recorder import FOLDER
from lightninglens.app.running import RunningService, announced
from lightninglens.app.runs import RunLibrary
from lightninglens.app.serving import bound_socket, first_cause, service_url, serving
from lightninglens.app.state import ServiceState
from lightninglens.app.switches import Switches
from lightninglens.core.clock import SystemClock
from lightninglens.core.errors import NodeUnavailable
from lightninglens.core.node import NodeInfo
from lightninglens.core.ports import NodeReader
from lightninglens.operate.costs import CostReading
from lightninglens.operate.recording import Recording
from lightninglens.storage.forwards import FORWARDS_FILE, Batch, ForwardStore
from lightninglens.storage.lock import DataDirectoryLock
from lightninglens.storage.payments import PAYMENTS_FILE, PaymentLog
from lightninglens.storage.private import private_directory
from lightninglens.storage.readings import READINGS_FILE, ReadingStore
from lightninglens.storage.recorded import RecordedHistory, write_node
from lightninglens.storage.remedies import REMEDIES_FILE, RemedyStore

log = structlog.get_logger(__name__)

FIRST_RETRY_S, LAST_RETRY_S = 1.0, 30.0
"""Pauses between tries to reach a node that does not answer: after it is back, it is recorded within 35 s."""
SHOWN_FORWARDS = 1_000
SHUTDOWN_S = 3.0
UNREACHABLE = "node-unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeServiceOptions:
    """Where the service listens, what it keeps, and whom it tells."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 3000
    token_file: Path | None = None
    allowed_origins: tuple[str, ...] = ()
    dashboard: bool = True
    rules: tuple[SeriesRule, ...] = DEFAULT_RULES
    webhook: WebhookOptions | None = None
    command: CommandOptions | None = None
    backup_file: Path | None = None
    """The channel backup whose age is watched; None: none is."""
    speed: float = 1.0
    """Of a replay."""

    @property
    def url(self) -> str:
        """Where the dashboard is."""
        return service_url(self.host, self.port)


@dataclass(slots=True)
class NodeService:
    """Watches one node. `run` it; `stop` ends it."""

    options: NodeServiceOptions
    source: NodeSource
    bus: Bus = field(init=False, default_factory=Bus)
    state: ServiceState = field(init=False)
    folder: Path | None = field(init=False, default=None)
    """Where the node's records are; None until it has answered."""
    _stopping: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Make the parts that need no node."""
        settings = RunSettings(
            speed=self.options.speed, paused=False, automatic=False, min_confidence=1.0, budget_sat_per_day=0
        )
        self.state = ServiceState(
            bus=self.bus,
            switches=Switches(settings, self.bus),
            runs=RunLibrary(self.options.data_dir / FOLDER),
            mode=self.source.mode,
            waits_for=f"waiting for {self.source.place}",
        )

    @property
    def token_path(self) -> Path:
        """Where the token is kept."""
        return self.options.token_file or self.options.data_dir / TOKEN_FILE

    def stop(self) -> None:
        """Let `run` end cleanly, soon."""
        self._stopping.set()

    async def run(self) -> None:
        """Watch until `stop` is called.

        Raises LensError when the port or the node's data is taken, and NodeRefused
        or NodeUnauthorised when the node will not be read: waiting mends neither.
        """
        options = self.options
        with contextlib.ExitStack() as stack:
            web = stack.enter_context(bound_socket(options.host, options.port, "--port"))
            private_directory(options.data_dir)
            token = Token(self.token_path)
            stream = LiveStream(self.bus)
            api = create_api(
                self.state,
                stream,
                token,
                port=options.port,
                dashboard=options.dashboard,
                allowed_origins=options.allowed_origins,
            )
            try:
                async with serving(api, [web]) as server_failed, asyncio.TaskGroup() as group:
                    keeping = [group.create_task(self.state.keep_what_happens()), *self._tellers(group)]
                    stopping = asyncio.create_task(self._stopping.wait())
                    watching = asyncio.create_task(self._watch(stream))
                    await asyncio.wait({stopping, watching, server_failed}, return_when=asyncio.FIRST_COMPLETED)
                    await self._end(watching, stopping, keeping)
            except BaseExceptionGroup as problems:
                raise first_cause(problems) from None
            finally:
                self.state.phase = "ended"
                self.bus.close()

    def _tellers(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Start those that tell others of alerts."""
        told = []
        if self.options.webhook is not None:
            told.append(group.create_task(Webhook(self.options.webhook, SystemClock()).run(self.bus)))
        if self.options.command is not None:
            told.append(group.create_task(AlertCommand(self.options.command).run(self.bus)))
        return told

    async def _end(
        self, watching: asyncio.Task[None], stopping: asyncio.Task[bool], keeping: list[asyncio.Task[None]]
    ) -> None:
        """End the recording first, so that all it saw is written, then those who listen."""
        stopping.cancel()
        watching.cancel()
        results = await asyncio.gather(watching, return_exceptions=True)
        self.state.phase = "ended"
        self.bus.close()
        await asyncio.wait(keeping, timeout=SHUTDOWN_S)
        if isinstance(results[0], Exception):
            raise results[0]

    async def _watch(self, stream: LiveStream) -> None:
        """Reach the node, then record and show it, until cancelled."""
        async with contextlib.AsyncExitStack() as stack:
            reader, info = await self._reach(stack)
            folder = self.folder = self.source.folder(self.options.data_dir, info)
            stack.enter_context(DataDirectoryLock(folder))
            self.source.prepare(folder)
            write_node(folder, info)
            started = RunningService(pid=os.getpid(), started_ns=SystemClock().now_ns(), url=self.options.url)
            stack.enter_context(announced(folder, started))
            keeper = stack.enter_context(ForwardStore(folder / FORWARDS_FILE))
            store = stack.enter_context(RecordedHistory(folder / FORWARDS_FILE))
            readings = stack.enter_context(ReadingStore(folder / READINGS_FILE))
            log_file = stack.enter_context(PaymentLog(folder / PAYMENTS_FILE))
            self.state.payments = stack.enter_context(SearchablePayments(log_file, self.bus))
            remedies = stack.enter_context(RemedyStore(folder / REMEDIES_FILE))
            await self._record(stream, reader, info, keeper, store, readings, remedies)

    async def _reach(self, stack: contextlib.AsyncExitStack) -> tuple[NodeReader, NodeInfo]:
        """Connect, trying for as long as it takes; what waiting cannot mend is raised."""
        pause_s, told = FIRST_RETRY_S, False
        while True:
            try:
                reader = await stack.enter_async_context(self.source.opened())
                info = await reader.info()
            except NodeUnavailable as problem:
                await stack.aclose()
                self.state.waits_for = f"waiting for {self.source.place}: {problem}"
                if not told:
                    self.bus.publish(_unreachable("raised", str(problem)))
                told = True
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LAST_RETRY_S)
                continue
            if told:
                self.bus.publish(_unreachable("cleared", f"{self.source.place} answers"))
            return reader, info

    async def _record(
        self,
        stream: LiveStream,
        reader: NodeReader,
        info: NodeInfo,
        keeper: ForwardStore,
        store: RecordedHistory,
        readings: ReadingStore,
        remedy_store: RemedyStore,
    ) -> None:
        clock, options = self.source.clock, self.source.recording
        observer = NodeObserver(info, self.source.mode, now_ns=clock.now_ns(), speed=self.options.speed)
        costs = CostReading(reader, keeper.costs, clock)
        recording = Recording(reader, keeper, clock, options, costs=costs)
        watched = WatchedNode(
            info=info,
            recording=recording,
            store=store,
            readings=readings,
            remedies=remedy_store,
            clock=clock,
            rules=self.options.rules,
        )
        watch = NodeAlertWatch(
            watched=watched,
            reader=reader,
            rules=RuleSet(self.options.rules),
            store=readings,
            bus=self.bus,
            every_s=options.look_s,
            name_of=observer.subject_name,
            backup_file=self.options.backup_file,
        )

        remedies = RemedyWatch(watched, remedy_store)

        def hear(batch: Batch) -> None:
            watch.take(batch)
            remedies.take(batch)
            self.bus.publish(observer.absorb(batch, clock.now_ns()))

        recording.on_batch = hear
        earlier = [attempt for _, attempt in reversed(store.newest(SHOWN_FORWARDS))]
        shown = observer.begin(await reader.channels(), earlier)
        self.state.payments.take(shown)  # type: ignore[union-attr]  # set by the caller
        self.state.switches.listen(lambda settings: self._set_pace(observer, settings))
        self.source.on_end(watched.end)
        self.source.on_end(lambda: self.state.switches.change(paused=True))
        self.state.begin_watching(watched, observer)
        async with asyncio.TaskGroup() as group:
            group.create_task(stream.run(observer, self.state.switches.settings))
            group.create_task(self.state.payments.write_each_second())  # type: ignore[union-attr]
            group.create_task(recording.run())
            group.create_task(watch.run())
            group.create_task(remedies.run())

    def _set_pace(self, observer: NodeObserver, settings: RunSettings) -> None:
        self.source.set_pace(speed=settings.speed, paused=settings.paused)
        observer.set_speed(settings.speed)


def _unreachable(state: str, text: str) -> Alert:
    return Alert(
        level="error",
        source="node",
        text=text,
        state="raised" if state == "raised" else "cleared",
        alert_id=UNREACHABLE,
    )
