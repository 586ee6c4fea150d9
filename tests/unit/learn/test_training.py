import dataclasses
from functools import cache

import numpy as np
import pytest
from tests.support.observations import network

from lightninglens.core.units import NS_PER_HOUR
from lightninglens.learn.dataset import Dataset, DatasetOptions, build_dataset, concatenate
from lightninglens.learn.evaluation import judge_confidence, judge_shares, verdict_on_gains
from lightninglens.learn.training import TrainedModel, train

OPTIONS = DatasetOptions(horizon_ns=NS_PER_HOUR)


@cache
def data() -> Dataset:
    return concatenate([build_dataset(network(16, seed), OPTIONS) for seed in range(4)])


def trained(dataset: Dataset) -> TrainedModel:
    return train(dataset, version="v", created_ns=1, trained_on="a test", data_sha256="", lineage={"parent": "none"})


@cache
def model() -> TrainedModel:
    return trained(data())


@pytest.mark.promise("A0.34")
def test_a_model_learns_the_best_share_better_than_what_needs_no_learning() -> None:
    card = model().card
    assert card.share_errors.model < min(card.share_errors.half, card.share_errors.last_value)
    assert card.share_errors.baseline is None
    assert "better by" in card.verdict
    assert card.rows_trained > card.rows_held_out > 0
    assert card.lineage["parent"] == "none"
    assert "scikit-learn" in card.lineage
    assert sum(errors.rows for _, errors in card.share_errors_over_time) == card.rows_held_out


def test_training_twice_gives_the_same_model() -> None:
    again = trained(data())
    assert again.card == model().card
    assert np.array_equal(again.shares(data().X).share, model().shares(data().X).share)


def test_predictions_are_shares_with_an_interval_and_the_two_sides_agree() -> None:
    said = model().shares(data().X)
    assert ((said.low >= 0) & (said.low <= said.share) & (said.share <= said.high) & (said.high <= 1)).all()
    assert np.allclose(said.share[0::2] + said.share[1::2], 1.0)
    assert np.allclose(said.low[0::2] + said.high[1::2], 1.0)
    covered = (said.low <= data().y) & (data().y <= said.high)
    assert 0.6 < covered.mean() < 0.97


def test_gains_come_with_an_interval_and_a_chance_that_was_judged() -> None:
    assert model().knows_gains
    reliability = model().card.reliability
    assert reliability is not None
    assert 0.4 < reliability.interval_coverage <= 1.0
    assert reliability.brier < reliability.brier_of_base_rate + 0.05
    assert "would have gained after" in model().card.verdict


def test_without_attempts_no_gain_is_learned() -> None:
    dataset = concatenate([build_dataset(network(16, seed, attempts_known=False), OPTIONS) for seed in range(4)])
    reduced = trained(dataset)
    assert reduced.card.reduced
    assert not reduced.knows_gains
    assert "not learned: the data has no attempts" in reduced.card.verdict


def test_gains_of_one_kind_or_too_few_are_not_learned() -> None:
    moves = dataclasses.replace(data().moves, gain_msat=np.zeros_like(data().moves.gain_msat))
    assert not trained(dataclasses.replace(data(), moves=moves)).knows_gains
    few = data().moves.take(np.arange(len(data().moves)) % 20 == 0)
    nothing = trained(dataclasses.replace(data(), moves=few))
    assert nothing.card.reliability is None
    assert "too few rebalances" in nothing.card.verdict


def test_a_feature_that_is_nowhere_in_the_data_does_no_harm() -> None:
    rows = data().X.copy()
    rows[:, data().features.index("avg_fee")] = np.nan
    blind = trained(dataclasses.replace(data(), X=rows))
    assert np.isfinite(blind.shares(rows).share).all()


def test_the_verdict_says_plainly_when_a_model_is_no_better() -> None:
    chosen = np.ones(len(data().y), np.bool_)
    no_better = judge_shares(data(), chosen, np.full(len(data().y), 0.5))
    assert "no difference could be shown" in no_better.verdict
    worse = judge_shares(data(), chosen, 1.0 - data().y)
    assert "worse by" in worse.verdict
    short = np.arange(len(data().y)) < 6
    assert "too short a time" in judge_shares(data(), short, data().y[short]).verdict
    ruled = dataclasses.replace(data(), baseline=data().y + 0.01)
    against_rule = judge_shares(ruled, chosen, data().y)
    assert "the baseline's targets" in against_rule.verdict
    assert against_rule.errors.baseline == pytest.approx(0.01)


def test_reliability_counts_what_was_said_and_what_came() -> None:
    confidence, gained = np.array([0.1, 0.15, 0.9, 1.0]), np.array([False, True, True, True])
    judged = judge_confidence(confidence=confidence, gained=gained, covered=gained)
    assert [(one.count, one.share_gained) for one in judged.bins] == [(2, 0.5), (2, 1.0)]
    assert judged.brier_of_base_rate == pytest.approx(0.1875)
    assert judged.interval_coverage == 0.75
    assert "are no better" in verdict_on_gains(dataclasses.replace(judged, brier=0.5), reduced=False)
