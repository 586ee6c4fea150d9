"""The composition root of the running service: builds every part, runs them together, ends them in order."""

import asyncio
import contextlib
import dataclasses
import importlib
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import structlog

from lightninglens.app.alerts.rules import AlertOptions
from lightninglens.app.alerts.watch import AlertWatch
from lightninglens.app.alerts.webhook import Webhook, WebhookOptions
from lightninglens.app.api import create_api
from lightninglens.app.api.security import TOKEN_FILE, Token
from lightninglens.app.api.stream import LiveStream
from lightninglens.app.bus import Bus
from lightninglens.app.classic import CLASSIC_SERVICES, ClassicHub, ClassicService, create_classic
from lightninglens.app.events import RunSettings
from lightninglens.app.feed import FeedOptions, FeedServer
from lightninglens.app.kernels import compile_apart
from lightninglens.app.lab import Lab, LabOptions
from lightninglens.app.learning.effects import EffectJudge
from lightninglens.app.learning.options import LearningOptions
from lightninglens.app.learning.shelf import Shelf
from lightninglens.app.lnd_nodes import LndOptions, ServedWorld, lab_secrets, serving_nodes
from lightninglens.app.node.lab_nodes import recorded_nodes
from lightninglens.app.payments import SearchablePayments
from lightninglens.app.rebalancing import Rebalancing
from lightninglens.app.recorder import FOLDER, Recorder
from lightninglens.app.running import RunningService, announced
from lightninglens.app.runs import RunLibrary
from lightninglens.app.serving import bound_socket, first_cause, in_daemon_thread, service_url, serving
from lightninglens.app.state import ServiceState
from lightninglens.app.switches import Switches
from lightninglens.app.world import World
from lightninglens.control.guard import GuardRules
from lightninglens.core.clock import SystemClock
from lightninglens.core.ids import NodeId
from lightninglens.core.ports import Journal
from lightninglens.core.units import UnixNs, to_msat
from lightninglens.nodes.simulated import SimulatedWorld
from lightninglens.operate.effects import EffectLedger, recover
from lightninglens.operate.executor import Executor
from lightninglens.storage.effects import EFFECTS_FILE, SqliteEffects
from lightninglens.storage.journal import JOURNAL_FILE, SqliteJournal
from lightninglens.storage.lock import DataDirectoryLock
from lightninglens.storage.models import FOLDER as MODELS_FOLDER
from lightninglens.storage.models import ModelStore
from lightninglens.storage.payments import PAYMENTS_FILE, PaymentLog

log = structlog.get_logger(__name__)

KILL_SWITCH_FILE = "stop-rebalancing"
SHUTDOWN_S = 1.5
CLASSIC_OPTION = "--no-classic-ports: they are fixed by the documents"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """The databases of the data directory, open while the service runs."""

    journal: SqliteJournal
    effects: SqliteEffects
    payments: SearchablePayments


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """Where the service listens, what it keeps, and what it allows."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 3000
    token_file: Path | None = None
    allowed_origins: tuple[str, ...] = ()
    """Of other web servers whose pages may use the service."""
    dashboard: bool = True
    feed_host: str = "127.0.0.1"
    feed: FeedOptions | None = field(default_factory=FeedOptions)
    """None: no feed."""
    classic_ports: bool = False
    """Whether the source documents' services answer on their ports as well."""
    record: bool = True
    min_confidence: float = 0.5
    budget_sat_per_day: int = 10_000
    learning: LearningOptions = field(default_factory=LearningOptions)
    alerts: AlertOptions = field(default_factory=AlertOptions)
    webhook: WebhookOptions | None = None
    lab: LabOptions = field(default_factory=LabOptions)
    lnd: LndOptions | None = None
    """Where the lab's nodes answer as LND; None: nowhere."""
    seed: int = 1
    """From which the lab's nodes have their keys."""

    @property
    def url(self) -> str:
        """Where the dashboard is."""
        return service_url(self.host, self.port)


class Service:
    """The lab with everything round it, as one process.

    `build` makes the world; it runs in a thread, while the page is already served.
    """

    def __init__(self, options: ServiceOptions, build: Callable[[], World]) -> None:
        """Make the parts that need no world; must be called with an event loop running."""
        self.options = options
        self._build = build
        self._stopping = asyncio.Event()
        self.bus = Bus()
        settings = RunSettings(
            speed=options.lab.speed,
            paused=False,
            automatic=options.learning.automatic,
            min_confidence=options.learning.min_confidence,
            budget_sat_per_day=options.learning.budget_sat_per_day,
        )
        self.state = ServiceState(
            bus=self.bus, switches=Switches(settings, self.bus), runs=RunLibrary(options.data_dir / FOLDER)
        )
        self.feed: FeedServer | None = None

    @property
    def token_path(self) -> Path:
        """Where the token is kept."""
        return self.options.token_file or self.options.data_dir / TOKEN_FILE

    def stop(self) -> None:
        """Let `run` end cleanly, soon."""
        self._stopping.set()

    async def run(self, on_listening: Callable[[], None] = lambda: None) -> None:
        """Run until `stop` is called or the lab's duration is over.

        `on_listening` is called as soon as the page is served. Raises LensError
        when a port or the data directory is taken, and InvariantError when the
        simulation cannot be trusted any more.
        """
        options = self.options
        with contextlib.ExitStack() as stack:
            stack.enter_context(DataDirectoryLock(options.data_dir))
            web = [stack.enter_context(bound_socket(options.host, options.port, "--port"))]
            feed = (
                [
                    stack.enter_context(
                        bound_socket(options.feed_host, options.feed.port, "--feed-port", send_buffer_bytes=None)
                    )
                ]
                if options.feed
                else []
            )
            classic = self._bind_classic(stack)
            token = Token(self.token_path)
            log_file = stack.enter_context(PaymentLog(options.data_dir / PAYMENTS_FILE))
            files = _Files(
                journal=stack.enter_context(SqliteJournal(options.data_dir / JOURNAL_FILE)),
                effects=stack.enter_context(SqliteEffects(options.data_dir / EFFECTS_FILE)),
                payments=stack.enter_context(SearchablePayments(log_file, self.bus)),
            )
            self.state.payments = files.payments
            system = SystemClock()
            started = RunningService(pid=os.getpid(), started_ns=system.now_ns(), url=options.url)
            stack.enter_context(announced(options.data_dir, started))
            try:
                await self._run_parts(web, feed, classic, token, files, on_listening)
            except BaseExceptionGroup as problems:
                raise first_cause(problems) from None
            finally:
                self.state.phase = "ended"
                self.bus.close()

    async def _run_parts(
        self,
        web: list[socket.socket],
        feed: list[socket.socket],
        classic: list[tuple[ClassicService, socket.socket]],
        token: Token,
        files: _Files,
        on_listening: Callable[[], None],
    ) -> None:
        stream = LiveStream(self.bus)
        api = create_api(
            self.state,
            stream,
            token,
            port=self.options.port,
            dashboard=self.options.dashboard,
            allowed_origins=self.options.allowed_origins,
        )
        async with (
            serving(api, web) as server_failed,
            self._serving_classic(classic, stream, token),
            asyncio.TaskGroup() as group,
        ):
            on_listening()
            group.create_task(self.state.keep_what_happens())
            if self.options.webhook is not None:
                group.create_task(Webhook(self.options.webhook, SystemClock()).run(self.bus))
            writing = group.create_task(files.payments.write_each_second())
            if self.options.feed is not None:
                server = self.feed = FeedServer(
                    self.options.feed, self.bus, self.state.wait_until_ready, self.state.learner
                )
                self.state.feed_clients = lambda: server.client_count
                feed_task = group.create_task(server.run(feed))
            else:
                feed_task = None
            stopping = group.create_task(self._stopping.wait())
            lab_task = group.create_task(self._run_lab(files, stream, group))
            await asyncio.wait({stopping, lab_task, server_failed}, return_when=asyncio.FIRST_COMPLETED)
            await self._end(lab_task, feed_task)
            stopping.cancel()
            writing.cancel()

    def _bind_classic(self, stack: contextlib.ExitStack) -> list[tuple[ClassicService, socket.socket]]:
        if not self.options.classic_ports:
            return []
        taken = {self.options.port, self.options.feed.port if self.options.feed else 0}
        return [
            (service, stack.enter_context(bound_socket(self.options.host, service.port, CLASSIC_OPTION)))
            for service in CLASSIC_SERVICES
            if service.port not in taken
        ]

    @contextlib.asynccontextmanager
    async def _serving_classic(
        self, services: list[tuple[ClassicService, socket.socket]], stream: LiveStream, token: Token
    ) -> AsyncIterator[None]:
        """Serve the documents' services within the block."""
        async with contextlib.AsyncExitStack() as stack:
            if services:
                hub = ClassicHub(self.state, self.bus)
                listening = asyncio.create_task(hub.run())
                stack.callback(listening.cancel)
                for service, sock in services:
                    if service.serves_dashboard:
                        app = create_api(self.state, stream, token, port=service.port, dashboard=self.options.dashboard)
                    else:
                        app = create_classic(service, hub, token, service_port=self.options.port)
                    await stack.enter_async_context(serving(app, [sock]))
            yield

    async def _run_lab(self, files: _Files, stream: LiveStream, group: asyncio.TaskGroup) -> None:
        """Build the world and run it, with those who listen to it, to its end."""
        await compile_apart()
        world = await in_daemon_thread(self._build)
        lab = lab_around(world, self.options.lab, self.bus)
        rebalancing = self._rebalancing(lab, files.journal)
        judge = self._effect_judge(lab, rebalancing, files)
        group.create_task(judge.run())

        async def start_baseline(_now: UnixNs) -> None:
            group.create_task(rebalancing.run_baseline_quietly())

        lab.every(self.options.lab.baseline_rebalance_s, start_baseline)
        group.create_task(stream.run(lab.observer, self.state.switches.settings))
        watch = AlertWatch(self.options.alerts, lab.observer, self._promised_error)
        group.create_task(watch.run(self.bus))
        if self.options.record:
            recorder = Recorder(self.options.data_dir, self.bus, SystemClock())
            group.create_task(recorder.run(lab.observer.network(), lab.observer.stats))
        await self._begin_learning(lab, rebalancing, group)
        async with self._recording_nodes(lab):
            self.state.begin(lab, rebalancing)
            await asyncio.sleep(0)  # those who listen subscribe before anything happens
            if self._stopping.is_set():
                lab.simulated.close()
                return
            async with self._serving_lnd(lab, world):
                await lab.run()

    @contextlib.asynccontextmanager
    async def _recording_nodes(self, lab: Lab) -> AsyncIterator[None]:
        """Record the lab's nodes within the block, where anything is recorded."""
        if not self.options.record:
            yield
            return
        async with recorded_nodes(lab, self.options.data_dir) as nodes:
            self.state.watched = {str(each.info.node_id): each for each in nodes}
            yield

    @contextlib.asynccontextmanager
    async def _serving_lnd(self, lab: Lab, world: World) -> AsyncIterator[None]:
        """Let the lab's nodes answer as LND within the block, where that is wanted."""
        if self.options.lnd is None:
            yield
            return
        secrets_of = lab_secrets(world, self.options.seed, range(world.graph.node_count))
        served = ServedWorld(world=world, secrets=secrets_of, originals={})
        async with serving_nodes(lab, served, self.options.lnd, SystemClock()):
            yield

    async def _begin_learning(self, lab: Lab, rebalancing: Rebalancing, group: asyncio.TaskGroup) -> None:
        options, state = self.options.learning, self.state
        shelf = state.models = Shelf(ModelStore(self.options.data_dir / MODELS_FOLDER))
        if not options.enabled:
            return
        running = await in_daemon_thread(_import_learner)
        channels = lab.world.graph.channel_count
        if channels > running.MOST_CHANNELS:
            text = f"learning is for networks of up to {running.MOST_CHANNELS} channels, and this one has {channels:,}"
            state.learner.status = dataclasses.replace(state.learner.status, missing=(text,))
            return
        learner = running.RunningLearner(
            options,
            lab=lab,
            rebalancing=rebalancing,
            switches=state.switches,
            board=state.learner,
            history=state.history,
            shelf=shelf,
            bus=self.bus,
            data_dir=self.options.data_dir,
            run_id=secrets.token_hex(4),
        )
        state.desk = learner.desk
        group.create_task(learner.run())

    def _promised_error(self) -> float | None:
        card = self.state.learner.card
        return None if card is None else card.share_errors.model

    def _rebalancing(self, lab: Lab, journal: Journal) -> Rebalancing:
        graph = lab.world.graph
        earlier = journal.records()
        executor = Executor(
            nodes={NodeId(node_id): lab.simulated.node(row) for row, node_id in enumerate(graph.node_ids)},
            journal=journal,
            clock=lab,
            kill_switch=self.options.data_dir / KILL_SWITCH_FILE,
            # Earlier records are of worlds that ended with their processes: their money is not this world's.
            since_sequence=earlier[-1].sequence if earlier else 0,
        )
        rules = GuardRules(
            min_confidence=self.options.min_confidence,
            budget_msat_per_day=to_msat(self.options.budget_sat_per_day),
        )
        return Rebalancing(lab, executor, self.bus, suggestion_rules=rules, run_id=secrets.token_hex(4))

    def _effect_judge(self, lab: Lab, rebalancing: Rebalancing, files: _Files) -> EffectJudge:
        horizon_ns = self.options.learning.horizon_ns
        recover(files.effects, files.journal.records(), horizon_ns=horizon_ns)
        judge = self.state.effects = EffectJudge(
            EffectLedger(store=files.effects, horizon_ns=horizon_ns, names=rebalancing.names_of),
            self.bus,
            channel=lab.observer.channel,
            own_payment_worth_ppm=self.options.learning.own_payment_worth_ppm,
        )
        rebalancing.on_ended = judge.acted
        return judge

    async def _end(self, lab_task: asyncio.Task[None], feed_task: asyncio.Task[None] | None) -> None:
        """End the world first, then those who listen, so that each hears all that happened."""
        if self.state.lab is not None:
            self.state.lab.stop()
        else:
            lab_task.cancel()
        await asyncio.wait({lab_task}, timeout=SHUTDOWN_S)
        self.state.phase = "ended"
        self.bus.close()
        if self.state.lab is None and feed_task is not None:
            feed_task.cancel()


def lab_around(world: World, options: LabOptions, bus: Bus) -> Lab:
    """Return what lets a world happen; from then on nobody else advances it."""
    return Lab(world, SimulatedWorld(world.engine), options, bus)


def _import_learner() -> ModuleType:
    """Return the module of the running learner: its libraries take seconds to import, while the page is served."""
    return importlib.import_module("lightninglens.app.learning.running")
