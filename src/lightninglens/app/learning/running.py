"""The learner of the running service: looks once per minute of world time, publishes what it sees, and suggests."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import fmean
from typing import Literal, TypeVar

import structlog

from lightninglens.app.bus import Bus
from lightninglens.app.events import Alert, ErrorPoint, LearnerNews, Prediction, WorldAdvanced
from lightninglens.app.history import History
from lightninglens.app.lab import Lab
from lightninglens.app.learning.board import LearnerBoard
from lightninglens.app.learning.desk import Desk
from lightninglens.app.learning.mind import ONLINE_FILE, Look, Mind, read_state
from lightninglens.app.learning.observing import channels_seen, payment_seen
from lightninglens.app.learning.options import LearningOptions
from lightninglens.app.learning.shelf import Shelf
from lightninglens.app.learning.training import train_apart
from lightninglens.app.rebalancing import Rebalancing
from lightninglens.app.switches import Switches
from lightninglens.core.errors import LensError
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.observations import Observation
from lightninglens.core.predictions import SharePrediction
from lightninglens.core.units import NS_PER_MS, NS_PER_SECOND, Msat, UnixNs
from lightninglens.learn.dataset import targets_by_name
from lightninglens.learn.learner import Outcome
from lightninglens.learn.training import TrainedModel
from lightninglens.storage.models import FOLDER

log = structlog.get_logger(__name__)

LOOK_MS = 60_000
LEAST_REST_S = 0.5
"""However fast the world, looks are at least so far apart in real time."""
SAVE_EVERY_S = 600.0
MOST_CHANNELS = 200
MOST_WAITING = 100_000
"""Observations between two looks; beyond that the oldest are left out."""

_Result = TypeVar("_Result")


class RunningLearner:
    """Follows the bus; all that takes long happens in a thread or in a process."""

    def __init__(
        self,
        options: LearningOptions,
        *,
        lab: Lab,
        rebalancing: Rebalancing,
        switches: Switches,
        board: LearnerBoard,
        history: History,
        shelf: Shelf,
        bus: Bus,
        data_dir: Path,
        run_id: str,
    ) -> None:
        self._options = options
        self._lab = lab
        self._rebalancing = rebalancing
        self._board = board
        self._history = history
        self._shelf = shelf
        self._bus = bus
        self._online_path = data_dir / ONLINE_FILE
        self._models_directory = data_dir / FOLDER
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="learner")
        channels = list(channels_seen(lab.observer.channels(), lab.observer.stats.world_ms))
        names = {node.node_id: node.name for node in lab.observer.nodes}
        self._mind = Mind(
            None,
            targets_by_name(channels, names),
            horizon_ns=options.horizon_ns,
            worth_ppm=options.own_payment_worth_ppm,
        )
        self._model: TrainedModel | None = None
        self._waiting: list[Observation] = []
        self._preparing: tuple[str, ...] = ("the learner is starting",)
        self._failed = False
        self._next_look_ms = 0
        self._jobs: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._acting: asyncio.Task[None] | None = None
        self.desk = Desk(
            board.suggestions,
            rebalancing,
            switches,
            run_id=run_id,
            changed=self._publish,
            complain=bus.publish,
        )
        shelf.on_selected = self._select

    def _select(self, model: TrainedModel) -> None:
        self._start(self._use(model))

    async def run(self) -> None:
        """Learn until the bus closes; a problem is an alert and never ends anything else."""
        news = self._bus.subscribe("learner", limit=100_000)
        self._start(self._prepare())
        self._start(self._save_for_ever())
        try:
            async for event in news:
                if isinstance(event, WorldAdvanced):
                    self._waiting.extend(payment_seen(payment) for payment in event.payments)
                    del self._waiting[:-MOST_WAITING]
                    now_ms = event.stats.world_ms
                    if now_ms >= self._next_look_ms and (self._looking is None or self._looking.done()):
                        self._next_look_ms = now_ms - now_ms % LOOK_MS + LOOK_MS
                        self._looking = self._start(self._look(UnixNs(now_ms * NS_PER_MS)))
        finally:
            self._bus.unsubscribe(news)
            for job in self._jobs:
                job.cancel()
            await asyncio.gather(*self._jobs, return_exceptions=True)
            await self._save()
            self._thread.shutdown(wait=True)

    def _start(self, work: Awaitable[None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(self._quietly(work))
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)
        return task

    async def _quietly(self, work: Awaitable[None]) -> None:
        try:
            await work
        except LensError as problem:
            self._fail(str(problem))
        except Exception as problem:
            log.exception("the learner has failed")
            self._fail(f"unexpected {type(problem).__name__}: {problem}; a bug in LightningLens")

    def _fail(self, text: str) -> None:
        self._failed = True
        self._preparing = (text,)
        alert = Alert(
            level="error",
            source="learner",
            text=f"the learner has stopped, the lab runs on: {text}",
            state="raised",
            alert_id="learner-failed",
        )
        self._bus.publish(alert)
        self._board.status = dataclasses.replace(self._board.status, phase="failed", missing=(text,))
        self._publish()

    async def _prepare(self) -> None:
        """Get a model: the one to use, or a new one; then tell it what was seen meanwhile."""
        state = await asyncio.to_thread(read_state, self._online_path)
        model = await self._shelf.first(self._options.model)
        if model is None and self._options.train_in is not None:
            self._tell(("no model yet: training one in simulated labs",))
            try:
                await train_apart(self._models_directory, self._options.train_in, self._tell_progress)
            except LensError as problem:
                text = f"no model could be trained, so nothing is suggested: {problem}"
                self._bus.publish(
                    Alert(level="error", source="learner", text=text, state="raised", alert_id="training-failed")
                )
                self._failed = True
                self._preparing = (text,)
                self._show(None)
                return
            model = await self._shelf.first(self._options.model)
        if model is None:
            self._tell(("no model for this network; `lens learn pipeline` trains one from its recordings",))
            return
        self._model = model
        await self._in_thread(lambda: self._mind.adopt(model, state))
        self._board.card = model.card
        self._preparing = ()

    async def _use(self, model: TrainedModel) -> None:
        await self._in_thread(lambda: self._mind.adopt(model))
        self._model = model
        self._board.card = model.card
        self._preparing = ()
        self._failed = False
        for alert_id in ("learner-failed", "training-failed"):
            text = f"the model {model.card.version} is in use"
            self._bus.publish(Alert(level="error", source="learner", text=text, state="cleared", alert_id=alert_id))
        self._next_look_ms = 0

    def _tell_progress(self, text: str) -> None:
        self._tell((f"no model yet: {text}",))

    def _tell(self, missing: tuple[str, ...]) -> None:
        self._preparing = missing
        self._show(None)

    async def _look(self, now: UnixNs) -> None:
        waiting, self._waiting = self._waiting, []
        observer = self._lab.observer
        waiting.extend(channels_seen(observer.channels(), now // NS_PER_MS))
        view = await self._rebalancing.view()
        # Not in the thread: the history grows in this one.
        failed = self._failed_volumes(now)
        look = await self._in_thread(lambda: self._mind.look(now, waiting, view, failed))
        self._board.rest = look.rest
        self._board.predictions = tuple(_shown(one) for one in look.predictions)
        points = (_error_point(look.outcomes, now),) if look.outcomes else ()
        self._board.errors.extend(points)
        version = self._model.card.version if self._model else ""
        self.desk.suggest(look.changes, version, now)
        self._show(look, points)
        if self._acting is None or self._acting.done():
            self._acting = self._start(self.desk.act_automatically())
        await asyncio.sleep(LEAST_REST_S)

    def _failed_volumes(self, now: UnixNs) -> dict[tuple[ChannelId, NodeId], Msat]:
        failed = {}
        for channel in self._lab.observer.channels():
            for node_id in (channel.node1_id, channel.node2_id):
                flows = self._history.flows(channel.channel_id, node_id, now // NS_PER_MS)
                if flows.failed_msat:
                    failed[ChannelId.parse(channel.channel_id), NodeId(node_id)] = Msat(flows.failed_msat)
        return failed

    def _show(self, look: Look | None, points: Sequence[ErrorPoint] = ()) -> None:
        """Publish how it stands; without a look only what is being prepared."""
        missing = (*self._preparing, *(look.missing if look and not self._preparing else ()))
        phase: Literal["training", "warming up", "ready", "failed"] = "ready"
        if self._failed:
            phase = "failed"
        elif self._preparing:
            phase = "training"
        elif missing:
            phase = "warming up"
        card = self._model.card if self._model else None
        status = dataclasses.replace(
            self._board.status,
            phase=phase,
            missing=missing,
            model=card.version if card else None,
            model_trained_on=card.trained_on if card else "",
            horizon_s=(card.horizon_ns if card else self._options.horizon_ns) / NS_PER_SECOND,
            verdict=card.verdict if card else "",
        )
        if look is not None:
            status = dataclasses.replace(
                status,
                observed_payments=look.observed_payments,
                outcomes_known=look.outcomes_known,
                first_outcome_ms=_ms(look.first_outcome_ns),
                drifts=look.drifts,
                last_drift_ms=_ms(look.last_drift_ns),
            )
        self._board.status = status
        self._publish(points)

    def _publish(self, points: Sequence[ErrorPoint] = ()) -> None:
        news = LearnerNews(
            status=self._board.status,
            predictions=self._board.predictions,
            suggestions=self._board.suggestions.told(),
            errors=tuple(points),
        )
        self._bus.publish(news)

    async def _save_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY_S)
            await self._save()

    async def _save(self) -> None:
        try:
            await self._in_thread(lambda: self._mind.save(self._online_path))
        except LensError as problem:
            log.warning("what was learned online could not be kept", problem=str(problem))

    async def _in_thread(self, work: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _shown(prediction: SharePrediction) -> Prediction:
    return Prediction(
        channel_id=str(prediction.channel_id),
        node_id=prediction.node_id,
        share_now=prediction.share_now,
        share=prediction.share,
        low_share=prediction.low_share,
        high_share=prediction.high_share,
        model=prediction.model,
        made_ms=prediction.made_ns // NS_PER_MS,
        horizon_s=prediction.horizon_ns / NS_PER_SECOND,
    )


def _error_point(outcomes: Sequence[Outcome], now: UnixNs) -> ErrorPoint:
    def mean(name: str) -> float | None:
        errors = [error for outcome in outcomes if (error := getattr(outcome, name)) is not None]
        return fmean(errors) if errors else None

    return ErrorPoint(
        world_ms=now // NS_PER_MS,
        compared=len(outcomes),
        model=mean("model"),
        online=mean("online"),
        half=mean("half"),
        last_value=mean("last_value"),
        baseline=mean("baseline"),
    )


def _ms(time_ns: int | None) -> int | None:
    return None if time_ns is None else time_ns // NS_PER_MS
