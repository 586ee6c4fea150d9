"""How well missed revenue is estimated, beside the sums that other tools show: numbers, then a page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from scipy import stats

from lightninglens.core.records import STRICT
from lightninglens.core.units import MSAT_PER_SAT
from lightninglens.lab.missed.options import MissedOptions
from lightninglens.lab.missed.world import ChannelCase

GOAL_ERROR, GOAL_COVERED, GOAL_RANK = 0.20, 0.85, 0.8
LEAST_TRUTH_MSAT = MSAT_PER_SAT
"""Below one sat a relative error says nothing; such channels count in the ranking only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One rule against the truth."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    name: str
    channels: int
    """With a truth of at least one sat."""
    median_error: float | None
    """Of |said - true| / true."""
    covered: float | None
    """Share of all channels whose truth lies in the interval; None where the rule gives none."""
    rank: float | None
    """Spearman's, over all channels."""
    total_ratio: float | None
    """What is said of all channels together, over what is true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedTruth:
    """All channels of all worlds, and how each rule did."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    format: Literal["lightninglens/missed-truth/2"] = "lightninglens/missed-truth/2"
    options: MissedOptions
    complete: bool
    seeds: int
    """Done."""
    cases: tuple[ChannelCase, ...]
    scores: tuple[Score, ...]
    cpu_s: float


_RULES: tuple[tuple[str, Callable[[ChannelCase], int]], ...] = (
    ("expected (this)", lambda case: case.expected_msat),
    ("each failure's fee (documented, LNDg)", lambda case: case.each_failure_msat),
    ("each payment's fee", lambda case: case.each_payment_msat),
    ("volume at the own rate (lightning-jet)", lambda case: case.volume_msat),
    ("the truth again, with other delays", lambda case: case.truth_again_msat),
)


def scores_of(cases: Sequence[ChannelCase]) -> tuple[Score, ...]:
    """Return how each rule did."""
    inside = [case.lower_msat <= case.truth_msat <= case.upper_msat for case in cases]
    covered = float(np.mean(inside)) if inside else None
    return tuple(
        _score(name, cases, [rule(case) for case in cases], covered if place == 0 else None)
        for place, (name, rule) in enumerate(_RULES)
    )


def _score(name: str, cases: Sequence[ChannelCase], said: Sequence[int], covered: float | None) -> Score:
    truth = np.array([case.truth_msat for case in cases], np.float64)
    values = np.array(said, np.float64)
    telling = truth >= LEAST_TRUTH_MSAT
    errors = np.abs(values[telling] - truth[telling]) / truth[telling]
    ranks = stats.spearmanr(values, truth).statistic if len(cases) > 2 else np.nan
    total = float(truth.sum())
    return Score(
        name=name,
        channels=int(telling.sum()),
        median_error=float(np.median(errors)) if len(errors) else None,
        covered=covered,
        rank=float(ranks) if np.isfinite(ranks) else None,
        total_ratio=float(values.sum()) / total if total > 0 else None,
    )


def render(found: MissedTruth) -> str:
    """Return the table as Markdown, with the verdict on each goal."""
    options = found.options
    head = (
        f"{len(found.cases)} channels of {len({case.seed for case in found.cases})} nodes, {found.seeds} worlds"
        f" (seeds {options.first_seed} to {options.first_seed + found.seeds - 1}), {options.graph},"
        f" {options.payments:,} payments each, demand {options.demand}, twins of radius {options.radius},"
        f" channels with at least {options.least_payments} refused payments; {found.cpu_s:,.0f} CPU s."
    )
    lines = [
        head,
        "",
        "| rule | median error | truth in the interval | Spearman | sum, said over true |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {score.name} | {_percent(score.median_error)} | {_percent(score.covered)} | {_number(score.rank)}"
        f" | {_number(score.total_ratio)} |"
        for score in found.scores
    ]
    ours = found.scores[0]
    goals = (
        f"Goals: median error of at most {GOAL_ERROR:.0%}: {_verdict(ours.median_error, GOAL_ERROR, least=False)};"
        f" truth in the interval for at least {GOAL_COVERED:.0%}: {_verdict(ours.covered, GOAL_COVERED, least=True)};"
        f" Spearman of at least {GOAL_RANK}: {_verdict(ours.rank, GOAL_RANK, least=True)}."
    )
    return "\n".join([*lines, "", goals, ""])


def _verdict(value: float | None, goal: float, *, least: bool) -> str:
    if value is None:
        return "nothing to judge"
    return "met" if (value >= goal if least else value <= goal) else "not met"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
