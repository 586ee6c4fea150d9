"""Training: a model of the best share and one of a rebalance's gain, each calibrated and judged on time of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.dummy import DummyRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import HuberRegressor, LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from lightninglens.core.model_card import ModelCard, Reliability
from lightninglens.core.units import PPM
from lightninglens.learn import evaluation
from lightninglens.learn.dataset import Dataset
from lightninglens.learn.moves import Moves, move_rows
from lightninglens.learn.split import Split, split

LOW, HIGH = 0.1, 0.9
"""Bounds of the 80 % interval."""

LEAST_MOVES: Final = 200
"""Below that many rebalances to learn from, and a quarter of that to calibrate, no gain is learned."""

GAIN_LIMIT_PPM: Final = 5_000.0
"""Gains are cut at this part of the amount for learning: few extreme ones would rule the rest."""

_NARROWEST: Final = 0.02
"""Least spread, so that an interval is never a point."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Predicted best shares with 80 % intervals, all within [0, 1]."""

    share: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Gains:
    """Predicted gains after cost, in msat, with 80 % intervals, and the probability that they are above 0."""

    expected: Floats
    low: Floats
    high: Floats
    confidence: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A model's estimators, all scikit-learn's own and linear, and its card.

    `share` predicts the best share, `share_spread` how far off it is, and
    `share_low`, `share_high` are the quantiles of the error in units of that
    spread. `gain*` are the same for a gain in ppm of the amount before cost;
    `gain_calibration` and `confidence_calibration` correct `gain` and
    `confidence` by what calibration time showed. Without gain, no such keys.
    """

    card: ModelCard
    estimators: Mapping[str, Any]

    @property
    def knows_gains(self) -> bool:
        """Whether it can say what a rebalance would gain."""
        return "gain" in self.estimators

    def shares(self, rows: Floats) -> Shares:
        """Predict for rows of features, where both sides of a channel follow one another.

        What one side is told is 1 less what the other is told.
        """
        return _shares(self.estimators, rows)

    def gains(self, rows: Floats, *, amount_msat: NDArray[np.int64], cost_msat: NDArray[np.int64]) -> Gains:
        """Predict for rows of `move_rows`; raises KeyError when gains were not learned."""
        return _gains(self.estimators, rows, amount_msat, cost_msat)


def train(
    dataset: Dataset,
    *,
    version: str,
    created_ns: int,
    trained_on: str,
    data_sha256: str,
    lineage: Mapping[str, str],
    seed: int = 42,
) -> TrainedModel:
    """Train, calibrate and judge a model.

    `seed` is for estimators that draw. Raises DataError when there is too
    little data, saying how much is needed.
    """
    parts = split(dataset)
    estimators = _train_shares(dataset, parts)
    reliability = None
    if not dataset.reduced:
        gain_estimators = _train_gains(dataset, parts, seed)
        if gain_estimators:
            estimators |= gain_estimators
            reliability = _judge_gains(estimators, dataset, _moves_of(dataset, parts.held_out))
    judged = evaluation.judge_shares(dataset, parts.held_out, _shares(estimators, dataset.X[parts.held_out]).share)
    card = ModelCard(
        version=version,
        created_ns=created_ns,
        trained_on=trained_on,
        data_sha256=data_sha256,
        rows_trained=int(parts.train.sum()),
        rows_held_out=int(parts.held_out.sum()),
        horizon_ns=dataset.options.horizon_ns,
        gap_ns=parts.gap_ns,
        features=dataset.features,
        reduced=dataset.reduced,
        own_payment_worth_ppm=dataset.options.own_payment_worth_ppm,
        share_errors=judged.errors,
        share_errors_over_time=judged.over_time,
        reliability=reliability,
        verdict=f"{judged.verdict} {evaluation.verdict_on_gains(reliability, reduced=dataset.reduced)}",
        lineage={**lineage, "scikit-learn": sklearn.__version__, "numpy": np.__version__},
    )
    return TrainedModel(card=card, estimators=estimators)


def _pipeline(last: Any) -> Pipeline:
    # A feature that is nowhere in the data counts as its mean, which is no information.
    imputer = SimpleImputer(keep_empty_features=True)
    return Pipeline([("fill", imputer), ("scale", StandardScaler()), ("model", last)])


def _train_shares(dataset: Dataset, parts: Split) -> dict[str, Any]:
    rows, best = dataset.X[parts.train], dataset.y[parts.train]
    estimators: dict[str, Any] = {"share": _pipeline(HuberRegressor(alpha=1.0, max_iter=1_000)).fit(rows, best)}
    errors = np.abs(best - _both_sides(estimators["share"].predict(rows)))
    estimators["share_spread"] = _pipeline(Ridge(alpha=100.0)).fit(rows, errors)
    rows, best = dataset.X[parts.calibration], dataset.y[parts.calibration]
    scores = (best - _both_sides(estimators["share"].predict(rows))) / _spread(estimators["share_spread"], rows)
    # The sides mirror each other, so one number says how far the interval reaches either way.
    reach = float(np.quantile(np.abs(scores), HIGH - LOW))
    estimators["share_low"], estimators["share_high"] = _constant(-reach), _constant(reach)
    return estimators


def _shares(estimators: Mapping[str, Any], rows: Floats) -> Shares:
    share = _both_sides(estimators["share"].predict(rows))
    spread = _spread(estimators["share_spread"], rows)
    spread = np.repeat(spread.reshape(-1, 2).mean(axis=1), 2)
    low, high = (share + estimators[key].predict(rows) * spread for key in ("share_low", "share_high"))
    return Shares(share=share, low=np.clip(low, 0.0, 1.0), high=np.clip(high, 0.0, 1.0))


def _both_sides(predicted: Floats) -> Floats:
    """Return predictions that agree: the mean of what is said of one side and 1 less what is said of the other."""
    pairs = predicted.reshape(-1, 2)
    # Cut only afterwards: what is the same for both sides, like the hour, then cancels, however far it leads.
    first = np.clip((pairs[:, 0] + 1.0 - pairs[:, 1]) / 2.0, 0.0, 1.0)
    return np.column_stack([first, 1.0 - first]).reshape(-1)


def _train_gains(dataset: Dataset, parts: Split, seed: int) -> dict[str, Any]:
    """Return the estimators of gains, or none when there is too little, or only one kind of outcome, to learn from."""
    moves, later = (_moves_of(dataset, part) for part in (parts.train, parts.calibration))
    if len(moves) < LEAST_MOVES or len(later) < LEAST_MOVES // 4:
        return {}
    gained, gained_later = moves.gain_msat > moves.cost_msat, later.gain_msat > later.cost_msat
    if gained.all() or not gained.any() or gained_later.all() or not gained_later.any():
        return {}
    rows, gain_ppm = _rows_of(dataset, moves), _gain_ppm(moves)
    rows_later, gain_later_ppm = _rows_of(dataset, later), _gain_ppm(later)
    estimators: dict[str, Any] = {"gain": _pipeline(Ridge(alpha=1_000.0)).fit(rows, gain_ppm)}
    raw_later = estimators["gain"].predict(rows_later)
    # Never against the model's own order: with no skill the slope is 0, and what is left is the mean.
    estimators["gain_calibration"] = LinearRegression(positive=True).fit(raw_later[:, np.newaxis], gain_later_ppm)
    errors = np.abs(gain_ppm - estimators["gain"].predict(rows))
    estimators["gain_spread"] = _pipeline(Ridge(alpha=1_000.0)).fit(rows, errors)
    expected_later = estimators["gain_calibration"].predict(raw_later[:, np.newaxis])
    scores = (_gain_ppm(later, cut=False) - expected_later) / _gain_spread(estimators, rows_later)
    estimators["gain_low"], estimators["gain_high"] = (_constant(float(np.quantile(scores, q))) for q in (LOW, HIGH))
    classifier = LogisticRegression(C=0.01, max_iter=1_000, random_state=seed)
    estimators["confidence"] = _pipeline(classifier).fit(rows, gained)
    logits = _logits(estimators["confidence"], rows_later)
    estimators["confidence_calibration"] = LogisticRegression(random_state=seed).fit(logits, gained_later)
    return estimators


def _gains(
    estimators: Mapping[str, Any], rows: Floats, amount_msat: NDArray[np.int64], cost_msat: NDArray[np.int64]
) -> Gains:
    raw_ppm = estimators["gain"].predict(rows)
    expected_ppm = estimators["gain_calibration"].predict(raw_ppm[:, np.newaxis])
    spread_ppm = _gain_spread(estimators, rows)
    low_ppm, high_ppm = (expected_ppm + estimators[key].predict(rows) * spread_ppm for key in ("gain_low", "gain_high"))
    expected, low, high = (
        ppm * amount_msat / PPM - cost_msat
        for ppm in (expected_ppm, np.minimum(low_ppm, expected_ppm), np.maximum(high_ppm, expected_ppm))
    )
    confidence = estimators["confidence_calibration"].predict_proba(_logits(estimators["confidence"], rows))[:, 1]
    # An 80 % interval lies wholly above 0 only where nine of ten gain, and wholly below only where nine of ten do not.
    low = np.where(confidence <= HIGH, np.minimum(low, 0.0), low)
    high = np.where(confidence >= LOW, np.maximum(high, 0.0), high)
    return Gains(expected=expected, low=low, high=high, confidence=confidence)


def _judge_gains(estimators: Mapping[str, Any], dataset: Dataset, moves: Moves) -> Reliability | None:
    if not len(moves):
        return None
    said = _gains(estimators, _rows_of(dataset, moves), moves.amount_msat, moves.cost_msat)
    net_msat = (moves.gain_msat - moves.cost_msat).astype(np.float64)
    return evaluation.judge_confidence(
        confidence=said.confidence, gained=net_msat > 0, covered=(said.low <= net_msat) & (net_msat <= said.high)
    )


def _moves_of(dataset: Dataset, part: NDArray[np.bool_]) -> Moves:
    return dataset.moves.take(part[dataset.moves.outgoing_row])


def _rows_of(dataset: Dataset, moves: Moves) -> Floats:
    return move_rows(
        dataset.X[moves.outgoing_row],
        dataset.X[moves.incoming_row],
        features=dataset.features,
        amount_msat=moves.amount_msat,
        cost_msat=moves.cost_msat,
    )


def _gain_ppm(moves: Moves, *, cut: bool = True) -> Floats:
    ppm = moves.gain_msat * PPM / np.maximum(moves.amount_msat, 1)
    return np.clip(ppm, -GAIN_LIMIT_PPM, GAIN_LIMIT_PPM) if cut else ppm


def _gain_spread(estimators: Mapping[str, Any], rows: Floats) -> Floats:
    spread: Floats = np.maximum(estimators["gain_spread"].predict(rows), 1.0)
    return spread


def _spread(estimator: Any, rows: Floats) -> Floats:
    spread: Floats = np.maximum(estimator.predict(rows), _NARROWEST)
    return spread


def _logits(classifier: Any, rows: Floats) -> Floats:
    logits: Floats = classifier.decision_function(rows)[:, np.newaxis]
    return logits


def _constant(value: float) -> DummyRegressor:
    return DummyRegressor(strategy="constant", constant=value).fit(np.zeros((1, 1)), [value])
