"""A model's card: what it is, what it learned from, how good it was on time it had not seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from lightninglens.core.records import STRICT

MODEL_FORMAT = "lightninglens/model/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareErrors:
    """Mean absolute error, in shares, on held-out time: the model's and what it is compared with."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    rows: int
    model: float
    half: float
    last_value: float
    baseline: float | None
    """The shipped rebalancer's targets; None where the network has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Suggestions whose confidence was in one range, and how many of them did gain."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    low: float
    high: float
    count: int
    mean_confidence: float
    share_gained: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Calibration of the confidence on held-out time."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    bins: tuple[ReliabilityBin, ...]
    brier: float
    brier_of_base_rate: float
    """Of always saying the share that gained."""
    interval_coverage: float
    """Share of gains inside their 80 % interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """Everything about a model that is not the model."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    format: str = MODEL_FORMAT
    version: str
    """Its name in the registry, like `20261120T101500Z-3f9a1c`."""
    created_ns: int
    trained_on: str
    """What data, in words: `48 h of simulated lab, seeds 9001-9004`, `raw recordings of 2026-11-20`."""
    data_sha256: str
    rows_trained: int
    rows_held_out: int
    horizon_ns: int
    gap_ns: int
    features: tuple[str, ...]
    reduced: bool
    """Trained without per-attempt data."""
    own_payment_worth_ppm: int
    share_errors: ShareErrors
    share_errors_over_time: tuple[tuple[int, ShareErrors], ...]
    """The same by span of held-out world time (start in ms)."""
    reliability: Reliability | None
    """None where no gain could be learned (no per-attempt data, or too few rebalances worth judging)."""
    verdict: str
    """Whether it is better than what it is compared with, in words."""
    lineage: Mapping[str, str]
    """Versions of LightningLens, scikit-learn, numpy; the parent model; the command."""
