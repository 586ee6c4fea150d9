"""The learner with its memory, in a thread of its own: it is told what happened and asked what it makes of it."""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from lightninglens.control.rebalance import LiquidityView, learned
from lightninglens.core.errors import LensError
from lightninglens.core.observations import ChannelSeen, Observation
from lightninglens.core.predictions import SharePrediction
from lightninglens.core.records import RebalanceChange
from lightninglens.core.units import NS_PER_SECOND, UnixNs
from lightninglens.learn.dataset import Targets
from lightninglens.learn.learner import Learner, Outcome
from lightninglens.learn.online import OnlineLearner
from lightninglens.learn.training import TrainedModel
from lightninglens.storage.files.atomic import atomic_writer

log = structlog.get_logger(__name__)

ONLINE_FILE = "online-learner.json"
MOST_REMEMBERED = 20_000
REMEMBER_CHANNELS_NS = 600 * NS_PER_SECOND
"""Balances are told at each look; this often they are kept for a model that comes later."""

_MOST_STATE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the learner said at one moment."""

    missing: tuple[str, ...]
    predictions: Sequence[SharePrediction]
    outcomes: Sequence[Outcome]
    changes: Sequence[RebalanceChange]
    rest: str
    """Why it suggests nothing, or nothing more."""
    observed_payments: int
    outcomes_known: int
    first_outcome_ns: int | None
    drifts: int
    last_drift_ns: int | None


class Mind:
    """Not for two threads at once."""

    def __init__(self, model: TrainedModel | None, targets: Targets, *, horizon_ns: int, worth_ppm: int) -> None:
        self._targets = targets
        self._horizon_ns = horizon_ns
        self._worth_ppm = worth_ppm
        self._remembered: deque[Observation] = deque(maxlen=MOST_REMEMBERED)
        self._channels_due_ns = 0
        self._learner = self._make(model, None)

    def adopt(self, model: TrainedModel | None, state: Mapping[str, Any] | None = None) -> None:
        """Go on with another model, which is first told all that is remembered; raises DataError for a bad state.

        What the online learner has learned is kept, or taken from `state`. Predictions of before are not judged.
        """
        online = OnlineLearner.from_json(state) if state is not None else self._learner.online
        features = model.card.features if model else self._learner.online.features
        known, first_ns = self._learner.outcomes_known, self._learner.first_outcome_ns
        learner = self._make(model, online if online.features == tuple(features) else None)
        for observation in self._remembered:
            learner.observe(observation)
        learner.outcomes_known = known
        learner.first_outcome_ns = first_ns if known else None
        self._learner = learner

    def look(
        self, now: UnixNs, observations: Sequence[Observation], view: LiquidityView, failed: learned.FailedVolumes
    ) -> Look:
        """Take in what happened, and say what is to be said of it."""
        remember_channels = now >= self._channels_due_ns
        if remember_channels:
            self._channels_due_ns = now + REMEMBER_CHANNELS_NS
        for observation in observations:
            self._learner.observe(observation)
            if remember_channels or not isinstance(observation, ChannelSeen):
                self._remembered.append(observation)
        outcomes = self._learner.settle(now)
        predictions = self._learner.predictions(now)
        missing = self._learner.missing(now)
        changes: Sequence[RebalanceChange] = ()
        rest = ""
        if not missing:
            changes = learned.decide(view, now, shares=predictions, gains=self._learner, failed=failed).changes
            rest = learned.explain_rest(view, shares=predictions)
        return Look(
            missing=missing,
            predictions=predictions,
            outcomes=outcomes,
            changes=changes,
            rest=rest,
            observed_payments=self._learner.observed_payments,
            outcomes_known=self._learner.outcomes_known,
            first_outcome_ns=self._learner.first_outcome_ns,
            drifts=self._learner.drifts,
            last_drift_ns=self._learner.last_drift_ns,
        )

    def save(self, path: Path) -> None:
        """Keep what the online learner has learned; raises LensError or OSError when the disk refuses."""
        state = self._learner.online.to_json()
        with atomic_writer(path) as file:
            file.write(json.dumps(state, allow_nan=False).encode())

    def _make(self, model: TrainedModel | None, online: OnlineLearner | None) -> Learner:
        return Learner(
            model,
            horizon_ns=self._horizon_ns,
            targets=self._targets,
            own_payment_worth_ppm=self._worth_ppm,
            online=online,
        )


def read_state(path: Path) -> Mapping[str, Any] | None:
    """Return what an online learner had learned; None where nothing is kept, or it is of no use."""
    try:
        with path.open("rb") as stream:
            state = json.loads(stream.read(_MOST_STATE_BYTES))
        OnlineLearner.from_json(state)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError, LensError) as problem:
        log.warning("what was learned online cannot be used and begins anew", path=str(path), problem=str(problem))
        return None
    return dict(state)
