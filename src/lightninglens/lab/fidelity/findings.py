"""What a comparison with a published result says."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

import numpy as np
from scipy.stats import t as student

from lightninglens.core.records import STRICT

FIDELITY_FORMAT: Final = "lightninglens/fidelity/1"
_CONFIDENCE: Final = 0.975
"""Of one tail: intervals are of 95 %."""


class Verdict(StrEnum):
    """How one of our figures stands to the published one."""

    AGREES = "agrees within error"
    SHAPE = "agrees in shape"
    DEVIATES = "deviates"
    NONE = ""
    """A figure with nothing to compare it to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A figure with its standard error; None where it has none or none is known."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    mean: float
    error: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a table: a figure in each column, None where there is none."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    label: str
    values: tuple[Value | None, ...]
    verdict: Verdict = Verdict.NONE
    why: str = ""
    """The named difference that explains a deviation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Figures of ours beside published ones."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    key: str
    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    decimals: int = 2
    notes: tuple[str, ...] = ()
    """Source, method and explanations, a sentence or more each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """All tables of one call."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    format: str = FIDELITY_FORMAT
    tables: tuple[Table, ...] = ()


def share(successes: int, count: int) -> Value:
    """Return a share in per cent with its binomial standard error.

    At 0 and 1 the error is that of one success more or fewer, as the plain formula would say 0.
    """
    counted = min(max(successes, 1), max(count - 1, 1)) / count
    return Value(mean=100 * successes / count, error=100 * math.sqrt(counted * (1 - counted) / count))


def over_seeds(values: Sequence[float]) -> Value:
    """Return the mean over seeds with its standard error; no error for a single seed."""
    finite = np.asarray(values, np.float64)
    error = float(finite.std(ddof=1) / math.sqrt(len(finite))) if len(finite) > 1 else None
    return Value(mean=float(finite.mean()), error=error)


def paired_verdict(ours: Sequence[float], theirs: Sequence[float]) -> tuple[Value, Verdict]:
    """Return ours less theirs over the same seeds, and whether 0 is in its 95 % interval (Student's t)."""
    difference = over_seeds([one - other for one, other in zip(ours, theirs, strict=True)])
    if difference.error is None:
        return difference, Verdict.NONE
    bound = float(student.ppf(_CONFIDENCE, len(ours) - 1)) * difference.error
    return difference, Verdict.AGREES if abs(difference.mean) <= bound else Verdict.DEVIATES


def verdict_of(ours: Value, published: Value, *, shape: bool) -> Verdict:
    """Compare with a published figure by both errors; `shape` says that the whole line or table keeps the order."""
    error = math.hypot(ours.error or 0.0, published.error or 0.0)
    if abs(ours.mean - published.mean) <= 1.96 * error:
        return Verdict.AGREES
    return Verdict.SHAPE if shape else Verdict.DEVIATES
