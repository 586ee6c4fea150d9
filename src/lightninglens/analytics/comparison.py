"""Paired comparisons: what changed between two treatments of the same worlds, and whether that can be told from chance.

The unit is the world: two payments of one world are not independent, two worlds
with different seeds are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
SIGNIFICANT = 0.05
LEAST_PAIRS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """Differences of one measure over worlds; NaN is kept out, so `pairs` may be below the number of worlds."""

    pairs: int
    mean: float
    low: float | None
    """Bounds of the 95 % interval of the mean, by Student's t; None with fewer than three pairs."""
    high: float | None
    wins: int
    """Worlds in which the difference is above 0."""
    ties: int
    p_value: float | None
    """Of a two-sided paired t-test, not corrected for several comparisons."""
    variance_ratio: float | None
    """How many times more worlds the same interval would have taken without pairing."""


def paired_difference(treated: Sequence[float], control: Sequence[float]) -> PairedDifference:
    """Return how the measure of the same worlds differs, treated less control.

    Raises ValueError when the two are not of the same worlds (different lengths), or are of none.
    """
    if len(treated) != len(control) or not treated:
        raise ValueError(f"{len(treated)} treated worlds cannot be paired with {len(control)}")
    pairs = np.array([treated, control], np.float64)
    pairs = pairs[:, np.isfinite(pairs).all(axis=0)]
    differences = pairs[0] - pairs[1]
    count = len(differences)
    mean = float(differences.mean()) if count else math.nan
    wins, ties = int((differences > 0).sum()), int((differences == 0).sum())
    if count < LEAST_PAIRS:
        return PairedDifference(
            pairs=count, mean=mean, low=None, high=None, wins=wins, ties=ties, p_value=None, variance_ratio=None
        )
    spread = float(differences.std(ddof=1))
    # Equal differences up to rounding are no sample with a spread: a t-value of them would be noise over noise.
    if spread <= 1e-12 * max(1.0, abs(mean)):
        return PairedDifference(
            pairs=count,
            mean=mean,
            low=mean,
            high=mean,
            wins=wins,
            ties=ties,
            p_value=1.0 if wins == 0 and ties == count else 0.0,
            variance_ratio=None,
        )
    error = spread / math.sqrt(count)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    return PairedDifference(
        pairs=count,
        mean=mean,
        low=mean - half,
        high=mean + half,
        wins=wins,
        ties=ties,
        p_value=float(2 * stats.t.sf(abs(mean) / error, count - 1)),
        variance_ratio=float((pairs[0].var(ddof=1) + pairs[1].var(ddof=1)) / spread**2),
    )


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values corrected for being several, by Holm's method; None stays None and does not count."""
    known = sorted((value, row) for row, value in enumerate(p_values) if value is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (value, row) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * value))
        corrected[row] = highest
    return corrected


def mean_with_interval(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Return a mean and the bounds of its 95 % interval over worlds, None with fewer than three."""
    difference = paired_difference(values, [0.0] * len(values))
    return difference.mean, difference.low, difference.high
