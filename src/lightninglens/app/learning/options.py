"""How the service learns."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningOptions:
    """Whether and how the service learns and acts on it."""

    enabled: bool = False
    model: str | None = None
    """Version in the registry; None: the selected one, or the newest, or one that is trained first."""
    automatic: bool = False
    min_confidence: float = 0.5
    budget_sat_per_day: int = 10_000
    """Most that the learner's rebalances may cost in fees per day of world time."""
