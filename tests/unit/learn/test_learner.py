import json
from functools import cache

import pytest
from tests.support.observations import CHANNELS, START_NS, attempt, network, payment, seen

from lightninglens.control.rebalance.candidates import Candidate
from lightninglens.core.channels import ChannelState, Opener
from lightninglens.core.errors import DataError
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.observations import ChannelSeen
from lightninglens.core.units import NS_PER_HOUR, NS_PER_SECOND, Msat, Sat, UnixNs
from lightninglens.learn.dataset import DatasetOptions, build_dataset, concatenate
from lightninglens.learn.features import FULL_FEATURES
from lightninglens.learn.learner import Learner, Outcome
from lightninglens.learn.online import LEAST_LEARNED, OnlineLearner
from lightninglens.learn.training import TrainedModel, train

OPTIONS = DatasetOptions(horizon_ns=NS_PER_HOUR)
LOOK_NS = 60 * NS_PER_SECOND
AB, AC = CHANNELS[frozenset("ab")], CHANNELS[frozenset("ac")]


@cache
def model() -> TrainedModel:
    data = concatenate([build_dataset(network(16, seed), OPTIONS) for seed in range(4)])
    return train(data, version="v", created_ns=1, trained_on="a test", data_sha256="", lineage={})


def follow(learner: Learner, hours: float, seed: int = 9) -> list[Outcome]:
    """Let a learner see a network and look once a minute."""
    outcomes, next_ns = [], START_NS + LOOK_NS
    for one in network(hours, seed):
        while next_ns < (one.seen_ns if isinstance(one, ChannelSeen) else one.ended_ns):
            learner.predictions(UnixNs(next_ns))
            outcomes += learner.settle(UnixNs(next_ns))
            next_ns += LOOK_NS
        learner.observe(one)
    return outcomes


def state(channel_id: ChannelId, local_msat: int = 500_000_000) -> ChannelState:
    return ChannelState(
        channel_id=channel_id,
        peer_id=NodeId("b"),
        peer_alias="b",
        capacity_sat=Sat(1_000_000),
        local_msat=Msat(local_msat),
        remote_msat=Msat(1_000_000_000 - local_msat),
        commit_fee_sat=Sat(0),
        unsettled_msat=Msat(0),
        pending_htlcs=0,
        local_reserve_sat=Sat(10_000),
        remote_reserve_sat=Sat(10_000),
        opener=Opener.LOCAL,
        active=True,
        outbound_msat=Msat(local_msat),
        inbound_msat=Msat(1_000_000_000 - local_msat),
        local_policy=None,
        remote_policy=None,
    )


def candidate(outgoing: ChannelId, incoming: ChannelId) -> Candidate:
    return Candidate(
        node_id=NodeId("a"),
        outgoing=state(outgoing),
        incoming=state(incoming),
        amount_msat=Msat(100_000_000),
        cost_msat=Msat(2_000),
    )


def test_it_says_what_is_missing_and_is_ready_within_ten_minutes_of_a_busy_lab() -> None:
    learner = Learner(model())
    assert len(learner.missing(UnixNs(START_NS))) == 3
    assert "no trained model yet" in Learner(None).missing(UnixNs(START_NS))
    for pair, channel in CHANNELS.items():
        learner.observe(seen(channel, (min(pair), max(pair)), START_NS, 500_000, 500_000))
    for number in range(40):  # 240 an hour
        moment = START_NS + number * 15 * NS_PER_SECOND
        learner.observe(payment("ac", 1_000_000, attempt("ac", (1_000_000,), moment), time_ns=moment))
        if number == 10:
            assert learner.missing(UnixNs(moment)) == ("11 of 20 payments seen", "150 of 300 s of the network seen")
    assert learner.missing(UnixNs(START_NS + 600 * NS_PER_SECOND)) == ()
    assert learner.observed_payments == 40


@pytest.mark.promise("A0.36")
def test_outcomes_are_known_a_horizon_later_and_the_online_learner_learns_from_them() -> None:
    learner = Learner(model(), targets={(AB, "a"): 0.6})
    outcomes = follow(learner, 10)
    assert learner.first_outcome_ns == START_NS + LOOK_NS + NS_PER_HOUR
    assert learner.outcomes_known == learner.online.learned == len(outcomes) > 200
    assert len({outcome.made_ns for outcome in outcomes}) == len(outcomes) // 6
    assert all(outcome.model is not None for outcome in outcomes)
    assert {outcome.baseline is None for outcome in outcomes} == {True, False}
    assert outcomes[0].online is None
    assert outcomes[-1].online is not None
    half = sum(outcome.half for outcome in outcomes)
    assert sum(outcome.model or 0.0 for outcome in outcomes) < half
    learned = [outcome for outcome in outcomes if outcome.online is not None][-120:]
    assert sum(outcome.online or 0.0 for outcome in learned) < 1.1 * sum(outcome.half for outcome in learned)
    assert all(outcome.failing_msat_at_best <= outcome.failing_msat_now for outcome in outcomes)


def test_outcomes_are_those_of_the_data_set() -> None:
    data = build_dataset(network(5, 9), OPTIONS)
    best = {
        (int(data.time_ns[row]), int(data.channel_id[row]), data.node_id[row]): data.y[row]
        for row in range(len(data.y))
    }
    compared = 0
    for outcome in follow(Learner(None, horizon_ns=NS_PER_HOUR), 5):
        key = (outcome.made_ns, int(outcome.channel_id), outcome.node_id)
        if key in best:
            assert outcome.best_share == best[key]
            compared += 1
    assert compared > 50


def test_without_a_model_only_the_online_learner_learns_and_nothing_is_claimed() -> None:
    learner = Learner(None, horizon_ns=NS_PER_HOUR)
    outcomes = follow(learner, 4)
    assert learner.predictions(UnixNs(START_NS + 4 * NS_PER_HOUR)) == []
    assert learner.online.learned == len(outcomes) > 0
    assert all(outcome.model is None for outcome in outcomes)
    (claim,) = learner.estimate([candidate(AB, AC)], UnixNs(START_NS + 4 * NS_PER_HOUR))
    assert claim.confidence == 0.0
    assert claim.gain.expected_msat == -2_000


def test_candidates_are_judged_with_an_interval_and_unknown_channels_claim_nothing() -> None:
    learner, now = Learner(model()), UnixNs(START_NS + 4 * NS_PER_HOUR)
    follow(learner, 4)
    predictions = learner.predictions(now)
    assert len(predictions) == 6
    assert all(one.low_share <= one.share <= one.high_share for one in predictions)
    assert predictions[0].model == "v"
    unknown = ChannelId.of(9, 9, 9)
    there, nowhere, back = learner.estimate([candidate(AB, AC), candidate(unknown, AC), candidate(AC, AB)], now)
    for one in (there, back):
        assert one.gain.low_msat <= one.gain.expected_msat <= one.gain.high_msat
        assert 0.0 < one.confidence < 1.0
    assert nowhere.confidence == 0.0
    assert there != back
    assert list(learner.estimate([], now)) == []


def test_what_a_rebalance_gained_is_known_a_horizon_later() -> None:
    learner, moved_ns = Learner(None, horizon_ns=NS_PER_HOUR, own_payment_worth_ppm=1_000), START_NS + 1
    learner.observe(seen(AC, ("a", "c"), START_NS, 10_000, 990_000))
    learner.observe(seen(AB, ("a", "b"), START_NS, 900_000, 100_000))
    failed = attempt("ac", (50_000_000,), moved_ns + 5, failed_hop=0)
    learner.observe(payment("ac", 50_000_000, failed, time_ns=moved_ns + 5))

    def gain(now_ns: int, amount_msat: int = 60_000_000) -> int | None:
        return learner.realised_gain_msat(
            node_id="a",
            outgoing=(AB, 900_000_000, 100_000_000),
            incoming=(AC, 10_000_000, 990_000_000),
            amount_msat=amount_msat,
            cost_msat=2_000,
            moved_ns=moved_ns,
            now=now_ns,
        )

    assert gain(moved_ns + NS_PER_HOUR - 1) is None
    assert gain(moved_ns + NS_PER_HOUR) == 50_000 - 2_000  # 1,000 ppm of the payment that it saves
    assert gain(moved_ns + NS_PER_HOUR, 30_000_000) == -2_000
    assert gain(moved_ns + 2 * NS_PER_HOUR) is None


def test_the_online_learners_state_is_plain_json_and_goes_on_where_it_was() -> None:
    learner = Learner(model())
    outcomes = follow(learner, 6)
    state_text = json.dumps(learner.online.to_json(), allow_nan=False)
    again = OnlineLearner.from_json(json.loads(state_text))
    row = learner._tracker.row(AC, "a", START_NS + 7 * NS_PER_HOUR)
    assert again.predict_one(row) == learner.online.predict_one(row) is not None
    for _ in range(3):
        learner.online.learn_one(row, 0.9)
        again.learn_one(row, 0.9)
    assert again.predict_one(row) == pytest.approx(learner.online.predict_one(row))
    assert again.learned == len(outcomes) + 3


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"format": "other"},
        {"features": 3},
        {"weights": {"out_2h": "x"}},
        {"intercept": float("nan")},
        {"counts": []},
    ],
)
def test_what_is_no_state_is_refused_in_words(broken: dict[str, object]) -> None:
    good = OnlineLearner(FULL_FEATURES)
    good.learn_one(dict.fromkeys(FULL_FEATURES, 0.5), 0.5)
    with pytest.raises(DataError, match="no state of the online learner"):
        OnlineLearner.from_json({**good.to_json(), **broken} if broken else {})


def test_drift_is_noticed_and_the_learner_says_when() -> None:
    online = OnlineLearner(("balance_ratio",))
    assert not any(online.watch_error(0.1 + 0.01 * (number % 3)) for number in range(300))
    assert any(online.watch_error(0.6) for _ in range(200))
    assert online.drifts >= 1
    assert OnlineLearner.from_json(online.to_json()).drifts == online.drifts
    assert online.predict_one({"balance_ratio": 0.5}) is None
    for _ in range(LEAST_LEARNED):
        online.learn_one({"balance_ratio": 0.5}, 0.5)
    assert online.predict_one({"balance_ratio": 0.5}) == pytest.approx(0.5)


def test_the_learner_remembers_when_it_last_noticed_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = Learner(None, horizon_ns=NS_PER_HOUR)
    monkeypatch.setattr(OnlineLearner, "watch_error", lambda _self, error: error > 0)
    follow(learner, 5)
    assert learner.last_drift_ns is not None
    assert START_NS + 2 * NS_PER_HOUR < learner.last_drift_ns <= START_NS + 5 * NS_PER_HOUR
    assert learner.drifts == 0  # the counter is the detector's own


def test_a_model_without_gains_is_named_as_what_is_missing() -> None:
    shares_only = {key: value for key, value in model().estimators.items() if key.startswith("share")}
    learner = Learner(TrainedModel(card=model().card, estimators=shares_only))
    assert "the model has not learned what a rebalance would gain" in learner.missing(UnixNs(START_NS))
