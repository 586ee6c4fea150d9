"""Judging predictions on held-out time: errors beside what needs no learning, and the reliability of chances."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lightninglens.core.model_card import Reliability, ReliabilityBin, ShareErrors
from lightninglens.core.units import NS_PER_MS
from lightninglens.learn.dataset import Dataset

LEAST_BLOCKS: Final = 4
"""Blocks of one horizon below which no interval is given."""

BINS: Final = 10

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedShares:
    """How good predicted shares were."""

    errors: ShareErrors
    over_time: tuple[tuple[int, ShareErrors], ...]
    verdict: str


def share_errors(best: Floats, predicted: Floats, share_now: Floats, baseline: Floats) -> ShareErrors:
    """Return mean absolute errors; the baseline's over the rows that it has a target for."""
    known = ~np.isnan(baseline)
    return ShareErrors(
        rows=len(best),
        model=float(np.mean(np.abs(best - predicted))),
        half=float(np.mean(np.abs(best - 0.5))),
        last_value=float(np.mean(np.abs(best - share_now))),
        baseline=float(np.mean(np.abs(best - baseline)[known])) if known.any() else None,
    )


def judge_shares(dataset: Dataset, chosen: NDArray[np.bool_], predicted: Floats) -> JudgedShares:
    """Judge predictions for the chosen rows, in all and by span of one horizon."""
    best, now, rule = (column[chosen] for column in (dataset.y, dataset.share_now, dataset.baseline))
    spans = dataset.time_ns[chosen] // dataset.options.horizon_ns
    over_time = tuple(
        (
            int(span * dataset.options.horizon_ns // NS_PER_MS),
            share_errors(*(column[spans == span] for column in (best, predicted, now, rule))),
        )
        for span in np.unique(spans)
    )
    errors = share_errors(best, predicted, now, rule)
    rivals = {"one half": np.full(len(best), 0.5), "the share of today": now}
    if not np.isnan(rule).any():
        rivals["the baseline's targets"] = rule
    name, rival = min(rivals.items(), key=lambda item: float(np.mean(np.abs(best - item[1]))))
    gains = np.abs(best - rival) - np.abs(best - predicted)
    blocks = np.unique(np.stack([dataset.world[chosen], spans]), axis=1, return_inverse=True)[1].reshape(-1)
    per_block = np.bincount(blocks, gains) / np.bincount(blocks)
    said = _verdict_on_shares(errors, name, float(np.mean(np.abs(best - rival))), per_block)
    return JudgedShares(errors=errors, over_time=over_time, verdict=said)


def judge_confidence(*, confidence: Floats, gained: NDArray[np.bool_], covered: NDArray[np.bool_]) -> Reliability:
    """Return how well chances and intervals held; bins without a suggestion are left out."""
    which = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    bins = tuple(
        ReliabilityBin(
            low=int(row) / BINS,
            high=(int(row) + 1) / BINS,
            count=int((which == row).sum()),
            mean_confidence=float(confidence[which == row].mean()),
            share_gained=float(gained[which == row].mean()),
        )
        for row in np.unique(which)
    )
    base_rate = float(gained.mean())
    return Reliability(
        bins=bins,
        brier=float(np.mean((confidence - gained) ** 2)),
        brier_of_base_rate=base_rate * (1.0 - base_rate),
        interval_coverage=float(covered.mean()),
    )


def verdict_on_gains(reliability: Reliability | None, *, reduced: bool) -> str:
    """Say in words what the model knows of gains."""
    if reliability is None:
        why = "the data has no attempts" if reduced else "there were too few rebalances worth judging"
        return f"What a rebalance would gain was not learned: {why}."
    count = sum(one.count for one in reliability.bins)
    gained = sum(one.count * one.share_gained for one in reliability.bins) / count
    better = reliability.brier < reliability.brier_of_base_rate
    return (
        f"Of {count:,} rebalances that could have been made on held-out time, {gained:.0%} would have gained after"
        f" their cost, as far as each channel by itself can tell; the stated chances are"
        f" {'better' if better else 'no better'} than always saying that"
        f" (Brier {reliability.brier:.3f} against {reliability.brier_of_base_rate:.3f}), and the 80 % interval"
        f" held {reliability.interval_coverage:.0%} of the gains."
    )


def _verdict_on_shares(errors: ShareErrors, rival: str, rival_error: float, per_block: Floats) -> str:
    facts = (
        f"On {errors.rows:,} held-out rows the predicted share is off by {errors.model:.3f} on average;"
        f" the best of what needs no learning, {rival}, by {rival_error:.3f}:"
    )
    if len(per_block) < LEAST_BLOCKS:
        return f"{facts} too short a time to say whether that is more than chance."
    mean = float(per_block.mean())
    half = float(stats.t.ppf(0.975, len(per_block) - 1) * per_block.std(ddof=1) / np.sqrt(len(per_block)))
    interval = f"by {mean:.3f} (95 % interval {mean - half:.3f} to {mean + half:.3f}, {len(per_block)} blocks of time)"
    if mean - half > 0:
        return f"{facts} better {interval}."
    if mean + half < 0:
        return f"{facts} worse {interval.replace(f'by {mean:.3f}', f'by {-mean:.3f}')}."
    return f"{facts} no difference could be shown: better {interval}."
