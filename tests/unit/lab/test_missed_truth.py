"""Missed revenue against the truth: the worlds, the scores, the page."""

import dataclasses

import pytest

from lightninglens.lab.missed.options import MissedOptions
from lightninglens.lab.missed.report import MissedTruth, render, scores_of
from lightninglens.lab.missed.run import hold_against_truth
from lightninglens.lab.missed.world import ChannelCase, run_seed
from lightninglens.storage.files.codec import from_json, to_json

SMALL = MissedOptions(
    seeds=2, first_seed=105, graph="synthetic:300", payments=20_000, least_payments=3, most_channels=2
)


def case(truth_msat: int, expected_msat: int, *, width: float = 0.5) -> ChannelCase:
    return ChannelCase(
        seed=1,
        node_channels=9,
        attempts=60,
        payments=40,
        true_payments=35,
        truth_msat=truth_msat,
        truth_again_msat=truth_msat + 1_000,
        attracted_msat=7,
        lower_msat=int(expected_msat * (1 - width)),
        expected_msat=expected_msat,
        upper_msat=int(expected_msat * (1 + width)),
        each_failure_msat=10 * expected_msat,
        each_payment_msat=2 * expected_msat,
        volume_msat=20 * expected_msat,
    )


def test_scores_are_what_one_works_out_by_hand() -> None:
    cases = [case(10_000, 9_000), case(20_000, 30_000), case(40_000, 40_000), case(-5_000, 100)]
    ours, each, _, volume, again = scores_of(cases)
    assert ours.channels == 3
    assert ours.median_error == pytest.approx(0.1)
    assert ours.covered == pytest.approx(3 / 4)
    assert ours.rank == pytest.approx(1.0)
    assert ours.total_ratio == pytest.approx(79_100 / 65_000)
    assert each.median_error == pytest.approx(9.0)
    assert each.covered is None
    assert again.median_error == pytest.approx(0.05)
    assert volume.total_ratio == pytest.approx(20 * 79_100 / 65_000)


def test_of_no_channel_nothing_is_said() -> None:
    for score in scores_of([]):
        assert (score.median_error, score.covered, score.rank, score.total_ratio) == (None, None, None, None)
    found = MissedTruth(options=SMALL, complete=True, seeds=2, cases=(), scores=scores_of([]), cpu_s=1.0)
    assert "nothing to judge" in render(found)


def test_the_page_says_which_goal_is_met() -> None:
    cases = tuple(case(10_000 * at, 10_500 * at) for at in range(1, 6))
    found = MissedTruth(options=SMALL, complete=True, seeds=2, cases=cases, scores=scores_of(cases), cpu_s=1.0)
    page = render(found)
    assert "| expected (this) | 5% | 100% | 1.00 | 1.05 |" in page
    assert page.count(": met") == 3
    worse = tuple(dataclasses.replace(each, truth_msat=2 * each.truth_msat) for each in cases)
    assert "not met" in render(dataclasses.replace(found, cases=worse, scores=scores_of(worse)))


def test_a_world_gives_the_same_cases_each_time_and_they_hold_together() -> None:
    found = run_seed(SMALL, 105)
    assert found == run_seed(SMALL, 105)
    for each in found:
        assert each.lower_msat <= each.expected_msat <= each.upper_msat
        assert each.payments >= SMALL.least_payments
        assert each.attempts >= each.payments
        assert each.each_failure_msat >= 0
    answer = hold_against_truth(SMALL, processes=1)
    assert answer.complete
    assert [each for each in answer.cases if each.seed == 105] == found
    assert from_json(MissedTruth, to_json(answer), where="test") == answer


def test_it_stops_between_worlds_when_it_is_told_to() -> None:
    answer = hold_against_truth(SMALL, processes=1, stopped=lambda: True)
    assert (answer.seeds, answer.complete, answer.cases) == (0, False, ())


@pytest.mark.parametrize("wrong", [{"seeds": 0}, {"payments": 1}, {"radius": 4}, {"least_payments": 0}])
def test_what_cannot_be_run_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        MissedOptions(**wrong)  # type: ignore[arg-type]
