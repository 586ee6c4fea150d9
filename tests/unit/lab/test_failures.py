"""Prediction of refusals: the worlds, the scores, the page."""

import pytest

from lightninglens.lab.failures import (
    FailureOptions,
    FailurePrediction,
    NodeLosses,
    render,
    rule_scores,
    score_failures,
)
from lightninglens.learn.failing import CHANNEL_RATE, RULES
from lightninglens.storage.files.codec import from_json, to_json

SMALL = FailureOptions(seeds=1, first_seed=105, graph="synthetic:300", payments=20_000)


def losses(seed: int, *values: float) -> NodeLosses:
    return NodeLosses(seed=seed, attempts=100, refused=10, log_losses=values)


def test_each_node_weighs_the_same_and_rivals_are_held_against_the_rate() -> None:
    scores = rule_scores([losses(1, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6), losses(2, 0.3, 0.4, 0.35, 0.2, 0.5, 0.6)])
    assert [each.name for each in scores] == list(RULES)
    assert [each.log_loss for each in scores] == pytest.approx([0.2, 0.3, 0.325, 0.3, 0.5, 0.6])
    assert [each.better_than_rate for each in scores] == [1.0, 0.5, 0.0, 0.5, 0.0, 0.0]


def test_of_no_node_nothing_is_said() -> None:
    assert rule_scores([]) == ()
    found = FailurePrediction(options=SMALL, complete=True, seeds=1, nodes=(), scores=(), cpu_s=1.0)
    assert "0 nodes" in render(found)


def test_a_world_gives_the_same_scores_each_time() -> None:
    found = score_failures(SMALL, processes=1)
    again = score_failures(SMALL, processes=1)
    assert found.nodes == again.nodes
    assert found.complete
    assert from_json(FailurePrediction, to_json(found), where="test") == found
    for node in found.nodes:
        assert 0 < node.refused < node.attempts
        assert all(each >= 0 for each in node.log_losses)
        assert f"| {CHANNEL_RATE} |" in render(found)


def test_it_stops_between_worlds_when_it_is_told_to() -> None:
    answer = score_failures(SMALL, processes=1, stopped=lambda: True)
    assert (answer.seeds, answer.complete, answer.nodes) == (0, False, ())


@pytest.mark.parametrize("wrong", [{"seeds": 0}, {"payments": 1}, {"first_seed": -1}])
def test_what_cannot_be_run_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        FailureOptions(**wrong)  # type: ignore[arg-type]
