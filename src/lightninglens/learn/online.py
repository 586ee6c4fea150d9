"""The learner that never stops: it learns from each prediction when its best share becomes known."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from river import drift, linear_model, optim, preprocessing

from lightninglens.core.errors import DataError

ONLINE_FORMAT: Final = "lightninglens/online/1"
LEARNING_RATE: Final = 0.001
L2: Final = 0.001
HUBER_EPSILON: Final = 0.25
KEPT_ERRORS: Final = 500
"""So many of the newest errors go with the state, for the drift detector to start from."""

LEAST_LEARNED: Final = 30
"""Outcomes below which it predicts nothing."""

_LARGEST_SCORE: Final = 5.0
"""Scaled features are cut here: one outlier must not throw the weights."""


class OnlineLearner:
    """A linear model of the best share under gradient descent, with a detector (ADWIN) of drift in its error.

    A detected drift is counted and told; the constant learning rate is what
    forgets. Its state is plain JSON.
    """

    def __init__(self, features: Sequence[str]) -> None:
        self.features = tuple(features)
        self.learned = 0
        """Outcomes so far."""
        self.drifts = 0
        self._errors: deque[float] = deque(maxlen=KEPT_ERRORS)
        # River is only partly typed.
        self._scaler: Any = preprocessing.StandardScaler()
        self._model: Any = linear_model.LinearRegression(
            optimizer=optim.SGD(LEARNING_RATE),
            loss=optim.losses.Huber(HUBER_EPSILON),
            l2=L2,
            intercept_init=0.5,
            intercept_lr=LEARNING_RATE,
        )
        self._detector: Any = drift.ADWIN()  # type: ignore[no-untyped-call]

    def predict_one(self, row: Mapping[str, float]) -> float | None:
        """Return the best share as far as it has learned, or None before it has learned enough."""
        if self.learned < LEAST_LEARNED:
            return None
        return min(max(float(self._model.predict_one(self._scaled(row))), 0.0), 1.0)

    def learn_one(self, row: Mapping[str, float], best_share: float) -> None:
        """Learn one outcome: the row as it was when the prediction was made, and the share that was best."""
        known = self._known(row)
        self._scaler.learn_one(known)
        self._model.learn_one(self._scaled(row), best_share)
        self.learned += 1

    def watch_error(self, error: float) -> bool:
        """Show the detector an error of the past, and return whether it says that the world has changed."""
        self._errors.append(error)
        self._detector.update(error)
        if self._detector.drift_detected:
            self.drifts += 1
            return True
        return False

    def to_json(self) -> dict[str, Any]:
        """Return the state as plain JSON values."""
        return {
            "format": ONLINE_FORMAT,
            "features": list(self.features),
            "learned": self.learned,
            "drifts": self.drifts,
            "errors": list(self._errors),
            "counts": dict(self._scaler.counts),
            "means": dict(self._scaler.means),
            "variances": dict(self._scaler.vars),
            "weights": dict(self._model.weights.items()),
            "intercept": float(self._model.intercept),
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "OnlineLearner":
        """Return the learner of a state; raises DataError when it is not one.

        The drift detector starts from the newest errors, so it may be slower to
        notice a change that began before.
        """
        try:
            return cls._of(state)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise DataError(f"this is no state of the online learner: {problem!r}") from problem

    @classmethod
    def _of(cls, state: Mapping[str, Any]) -> "OnlineLearner":
        if state["format"] != ONLINE_FORMAT:
            raise ValueError(f"format {state['format']!r}")
        learner = cls([str(name) for name in state["features"]])
        learner.learned, learner.drifts = int(state["learned"]), int(state["drifts"])
        for error in state["errors"]:
            learner._errors.append(_finite(error))
            learner._detector.update(_finite(error))
        for name, count in state["counts"].items():
            learner._scaler.counts[str(name)] = int(count)
            learner._scaler.means[str(name)] = _finite(state["means"][name])
            learner._scaler.vars[str(name)] = _finite(state["variances"][name])
        learner._model._weights.update(  # noqa: SLF001 - river has no other way to set weights
            {name: _finite(weight) for name, weight in state["weights"].items() if name in learner.features}
        )
        learner._model.intercept = _finite(state["intercept"])
        return learner

    def _known(self, row: Mapping[str, float]) -> dict[str, float]:
        return {name: row[name] for name in self.features if not math.isnan(row[name])}

    def _scaled(self, row: Mapping[str, float]) -> dict[str, float]:
        scaled = self._scaler.transform_one(self._known(row))
        return {name: min(max(value, -_LARGEST_SCORE), _LARGEST_SCORE) for name, value in scaled.items()}


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is not finite")
    return number
