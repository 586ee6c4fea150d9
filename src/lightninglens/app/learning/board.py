"""What is known of the learner, for whoever shows it; without a learner it says that it is off."""

from collections import deque
from dataclasses import dataclass, field

from lightninglens.app.events import ErrorPoint, LearnerStatus, Prediction
from lightninglens.app.learning.suggestions import SuggestionBook
from lightninglens.core.model_card import ModelCard

KEPT_ERRORS = 1_000

OFF = LearnerStatus(
    phase="off",
    missing=("learning is off: start without --no-learn",),
    model=None,
    model_trained_on="",
    horizon_s=0.0,
    observed_payments=0,
    outcomes_known=0,
    first_outcome_ms=None,
    drifts=0,
    last_drift_ms=None,
    verdict="",
)


@dataclass(slots=True, kw_only=True)
class LearnerBoard:
    """Written by the running learner, read by everybody else."""

    status: LearnerStatus = OFF
    card: ModelCard | None = None
    predictions: tuple[Prediction, ...] = ()
    suggestions: SuggestionBook = field(default_factory=SuggestionBook)
    rest: str = ""
    """Why nothing is suggested, or nothing more."""
    errors: deque[ErrorPoint] = field(default_factory=lambda: deque(maxlen=KEPT_ERRORS))
