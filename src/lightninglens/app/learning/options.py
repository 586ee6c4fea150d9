"""How the service learns."""

from dataclasses import dataclass

from lightninglens.app.learning.training import TrainingLab
from lightninglens.core.units import NS_PER_HOUR

DEFAULT_HORIZON_NS = 6 * NS_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningOptions:
    """Whether and how the service learns and acts on it."""

    enabled: bool = False
    model: str | None = None
    """Version in the registry; None: the selected one, or the newest, or one that is trained first."""
    train_in: TrainingLab | None = None
    """Where a first model is trained when there is none; None: nowhere."""
    automatic: bool = False
    min_confidence: float = 0.5
    budget_sat_per_day: int = 10_000
    """Most that the learner's rebalances may cost in fees per day of world time."""
    horizon_ns: int = DEFAULT_HORIZON_NS
    """How long after a rebalance its effect is looked at."""
    own_payment_worth_ppm: int = 0
    """What it is worth to a node that a payment of its own arrives, in ppm of the amount."""
