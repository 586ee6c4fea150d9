"""Strategies in the same worlds: what is paid is the same, what is earned adds up, and words follow numbers."""

import dataclasses
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference.networks import build_graph

from lightninglens.control.guard import GuardRules
from lightninglens.control.rebalance import LiquidityView, baseline
from lightninglens.control.rebalance.candidates import Candidate
from lightninglens.core.errors import ConfigError, LensError
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.observations import ChannelSeen, Observation, PaymentSeen
from lightninglens.core.predictions import GainEstimate, SharePrediction
from lightninglens.core.records import Interval, Plan, RebalanceChange
from lightninglens.core.units import Msat, UnixNs
from lightninglens.lab.compare import CompareOptions, compare, load_strategy, render
from lightninglens.lab.compare.ceiling import Ceiling, is_hopeless
from lightninglens.lab.compare.options import ActingNodes, ComparedDemand
from lightninglens.lab.compare.report import Comparison, summarise
from lightninglens.lab.compare.strategies import Deaf, Learned, Strategy
from lightninglens.lab.compare.world import WorldResult, measure_ceiling, run_world
from lightninglens.storage.files.codec import from_json, to_json

SHORT = CompareOptions(
    strategies=("none", "baseline"), seeds=3, hours=1.0, demand=ComparedDemand.SETTLEMENTS, first_seed=41
)


@pytest.fixture(scope="module")
def found() -> Comparison:
    return compare(SHORT, processes=1)


def by_strategy(comparison: Comparison, name: str) -> list[WorldResult]:
    return [world for world in comparison.worlds if world.strategy == name]


@pytest.mark.promise("A1.16")
@pytest.mark.promise("A1.13c", "A1.1")
def test_strategies_meet_the_same_payments(found: Comparison) -> None:
    none, acting = by_strategy(found, "none"), by_strategy(found, "baseline")
    assert [world.seed for world in none] == [41, 42, 43]
    assert [(world.payments, world.amount_msat) for world in none] == [
        (world.payments, world.amount_msat) for world in acting
    ]
    assert all(world.rebalances_tried == world.cost_msat == 0 for world in none)
    assert all(world.rebalances_succeeded and world.cost_msat for world in acting)
    assert all(world.predicted_gain_msat is None for world in (*none, *acting))


def test_the_same_options_give_the_same_numbers_in_any_number_of_processes(found: Comparison) -> None:
    assert compare(SHORT, processes=2) == found


@pytest.mark.promise("A1.16")
def test_the_report_has_levels_differences_ceiling_and_verdicts(found: Comparison) -> None:
    text = render(found)
    assert "3 simulated worlds (seeds 41 to 43) of 1 h, settlements demand, all nodes act" in text
    assert "| baseline - none |" in text
    assert "no circular rebalance changes" in text
    assert "baseline against none, success:" in text
    assert from_json(Comparison, to_json(found), where="here") == found


def test_all_fees_are_earned_by_somebody() -> None:
    """What the acting nodes earn, when all act, is what senders paid; a node alone earns its part."""
    everybody = run_world(SHORT, 41, "none", partial(Deaf, _nothing))
    alone = [
        run_world(dataclasses.replace(SHORT, nodes=ActingNodes.ONE), seed, "none", partial(Deaf, _nothing))
        for seed in (41,)
    ]
    assert alone[0].node == "lnd-bob"
    assert 0 < alone[0].earned_msat < everybody.earned_msat
    assert 0 < alone[0].own_delivered_msat < everybody.own_delivered_msat == everybody.delivered_msat


def _nothing(view: LiquidityView, now: UnixNs) -> Plan:
    return Plan(plan_id="p", created_ns=now, author="a", changes=())


class Recording:
    """Does what the baseline does, and remembers what it was shown."""

    observes = True

    def __init__(self) -> None:
        self.seen: list[Observation] = []
        self.views: list[LiquidityView] = []

    def observe(self, observation: Observation) -> None:
        self.seen.append(observation)

    def decide(self, view: LiquidityView, now: UnixNs) -> Plan:
        self.views.append(view)
        return baseline.decide(view, now)


def test_a_node_alone_is_shown_only_what_it_could_know() -> None:
    strategy = Recording()
    result = run_world(dataclasses.replace(SHORT, nodes=ActingNodes.ONE), 41, "mine", lambda: strategy)
    (only,) = {view.nodes for view in strategy.views[:1]}
    assert [node.name for node in only] == [result.node]
    me = only[0].node_id
    payments = [seen for seen in strategy.seen if isinstance(seen, PaymentSeen)]
    channels = [seen for seen in strategy.seen if isinstance(seen, ChannelSeen)]
    assert all(me in {seen.node1_id, seen.node2_id} for seen in channels)
    assert len({seen.channel_id for seen in channels}) == len(only[0].channels)
    for seen in payments:
        assert me in {seen.sender_id, seen.receiver_id} or any(
            me in attempt.node_ids for attempt in seen.attempts or ()
        )
    assert any(seen.kind == "rebalance" for seen in payments)
    assert len(payments) < result.payments


def test_what_is_shown_comes_in_order_of_time() -> None:
    strategy = Recording()
    run_world(dataclasses.replace(SHORT, hours=0.5), 41, "mine", lambda: strategy)
    times = [seen.seen_ns for seen in strategy.seen if isinstance(seen, ChannelSeen)]
    assert times == sorted(times)
    assert (times[7] - times[0]) / 1e9 == 300


class Planner:
    """Plans whatever the test says, once for each decision."""

    observes = False

    def __init__(self, change: RebalanceChange | None = None, **values: object) -> None:
        self.change, self.values = change, values

    def observe(self, observation: Observation) -> None:
        raise AssertionError

    def decide(self, view: LiquidityView, now: UnixNs) -> Plan:
        plan = baseline.decide(view, now)
        first = dataclasses.replace(self.change or plan.changes[0], **self.values)  # type: ignore[arg-type]
        return dataclasses.replace(plan, plan_id="always the same", changes=(first,))


def one_decision(strategy: Strategy, **options: object) -> WorldResult:
    chosen = dataclasses.replace(SHORT, hours=0.3, **options)  # type: ignore[arg-type]
    return run_world(chosen, 41, "mine", lambda: strategy)


def test_everything_passes_the_guard() -> None:
    stranger = Planner(node_id=NodeId("02" + "f" * 64))
    assert one_decision(stranger).refused == {"unknown_node": 1}
    assert one_decision(Planner(confidence=0.4)).refused == {"low_confidence": 1}
    assert one_decision(Planner(confidence=0.4), min_confidence=0.3).rebalances_tried == 1
    assert one_decision(Planner(), rules=GuardRules(most_amount_msat=Msat(1))).refused == {"too_large": 1}
    often = dataclasses.replace(SHORT, hours=1.0, rules=GuardRules(most_changes_per_day=1))
    result = run_world(often, 41, "mine", Planner)
    assert result.rebalances_succeeded <= 1 or result.refused["too_often"]


def test_what_was_promised_is_added_up() -> None:
    gain = Interval(low_msat=0, expected_msat=7_000, high_msat=9_000)
    result = run_world(SHORT, 41, "mine", lambda: Planner(expected_gain=gain, confidence=0.9))
    count = result.rebalances_succeeded
    assert count > 1
    assert result.predicted_gain_msat == 7_000 * count
    assert result.rebalanced_msat > 0
    none = run_world(SHORT, 41, "none", lambda: Deaf(_nothing))
    options = dataclasses.replace(SHORT, strategies=("mine",))
    worlds = (dataclasses.replace(none, strategy="none"), result)
    comparison = summarise(options, worlds=worlds, ceilings=(), complete=False)
    text = render(comparison)
    assert f"`mine` expected {7 * count} sat per world from what it moved" in text
    assert "interrupted" in text
    assert "1 world(s) are too few to say anything" in text
    assert comparison.ceiling is None


def world_of(seed: int, strategy: str, succeeded: int) -> WorldResult:
    return WorldResult(
        seed=seed,
        strategy=strategy,
        node=None,
        payments=1_000,
        succeeded=succeeded,
        attempts=1_000,
        amount_msat=10**9,
        delivered_msat=succeeded * 10**6,
        own_delivered_msat=succeeded * 10**6,
        earned_msat=succeeded,
        cost_msat=0,
        depleted_share=0.1,
        rebalances_tried=0,
        rebalances_succeeded=0,
        rebalanced_msat=0,
        refused={},
        predicted_gain_msat=None,
    )


def verdicts(*gains: int) -> list[str]:
    worlds = [world_of(seed, "none", 800 + seed) for seed in range(len(gains))]
    worlds += [world_of(seed, "mine", 800 + seed + gain) for seed, gain in enumerate(gains)]
    found = summarise(SHORT, worlds=tuple(worlds), ceilings=(), complete=True)
    return [contrast.verdict for contrast in found.contrasts if contrast.measure == "success"]


def test_a_verdict_says_no_more_than_the_worlds_show() -> None:
    assert "better; +1.05 points" in verdicts(10, 11, 10, 11)[0]
    assert "worse; -1.05 points" in verdicts(-10, -11, -10, -11)[0]
    assert "no difference could be shown; 0.00 points" in verdicts(5, -5, 6, -6)[0]


def test_learned_is_held_against_the_baseline_too() -> None:
    worlds = tuple(world_of(seed, name, 800 + seed) for seed in range(3) for name in ("none", "baseline", "learned"))
    found = summarise(SHORT, worlds=worlds, ceilings=(), complete=True)
    assert {(contrast.strategy, contrast.against) for contrast in found.contrasts} == {
        ("baseline", "none"),
        ("learned", "none"),
        ("learned", "baseline"),
    }


def test_a_node_alone_is_judged_by_its_net_only() -> None:
    worlds = tuple(world_of(seed, name, 800 + seed) for seed in range(3) for name in ("none", "mine"))
    options = dataclasses.replace(SHORT, nodes=ActingNodes.ONE)
    found = summarise(options, worlds=worlds, ceilings=(), complete=True)
    assert [contrast.measure for contrast in found.contrasts if contrast.verdict] == ["net"]


def test_a_comparison_can_be_stopped() -> None:
    done: list[int] = []
    found = compare(SHORT, processes=1, progress=lambda count, _: done.append(count), stopped=lambda: bool(done))
    assert found.seeds == (41,)
    assert not found.complete
    nothing = compare(SHORT, processes=2, stopped=lambda: True)
    assert nothing.seeds == ()


@pytest.mark.parametrize(
    "values",
    [
        {"seeds": 0},
        {"hours": 0.0},
        {"every_s": 0.5},
        {"min_confidence": 1.5},
        {"strategies": ()},
        {"strategies": ("none", "none")},
    ],
)
def test_what_cannot_be_compared_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        dataclasses.replace(SHORT, **values)  # type: ignore[arg-type]


OWN = """
from lightninglens.control.rebalance import baseline
decide = baseline.decide
number = 5
def broken(view, now): return 1 / 0
def wrong(view, now): return []
class Learning:
    def __init__(self): self.seen = 0
    def observe(self, observation): self.seen += 1
    def decide(self, view, now):
        assert self.seen > 7
        return baseline.decide(view, now)
class Simple:
    def decide(self, view, now): return baseline.decide(view, now)
class Empty: pass
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of a user in the working directory."""
    (tmp_path / "my_strategy.py").write_text(OWN)
    (tmp_path / "my_mistake.py").write_text("import nothing_of_that_name")
    (tmp_path / "my_crash.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    for name in ("my_strategy", "my_mistake", "my_crash"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return "my_strategy"


def test_a_strategy_of_ones_own_takes_part(own: str) -> None:
    expected = one_decision(load_strategy("baseline")())
    for name in ("decide", "Learning", "Simple"):
        assert one_decision(load_strategy(f"{own}:{name}")()) == expected


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("best", "there is no strategy 'best'; there are none, baseline, learned"),
        (":decide", "there is no strategy"),
        ("no_module:decide", "there is no module 'no_module'"),
        ("my_mistake:decide", "there is no module 'nothing_of_that_name'"),
        ("my_crash:decide", "cannot be imported: ZeroDivisionError"),
        ("my_strategy:nobody", "has no 'nobody'"),
        ("my_strategy:number", "neither a function"),
        ("learned", "needs a model"),
    ],
)
def test_what_is_no_strategy_is_refused_in_words(own: str, name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_strategy(name)


def test_a_strategy_that_fails_is_named(own: str) -> None:
    for name, words in (("broken", "failed in the world of seed 41: ZeroDivisionError"), ("wrong", "returned a list")):
        with pytest.raises(LensError, match=words):
            one_decision(load_strategy(f"{own}:{name}")())
    with pytest.raises(ConfigError, match="no method"):
        load_strategy(f"{own}:Empty")()


def test_a_payment_above_the_greatest_flow_is_hopeless() -> None:
    """Two ways of 300 and 200 sat: 500 can flow in parts, 501 cannot."""
    graph = build_graph(4, [(0, 1, 1_000), (1, 3, 1_000), (0, 2, 1_000), (2, 3, 1_000)])
    balance_msat = np.zeros(8, np.int64)
    for (low, high), sat in {(0, 1): 300, (1, 3): 900, (0, 2): 700, (2, 3): 200}.items():
        row = int(np.flatnonzero((graph.node1 == low) & (graph.node2 == high))[0])
        balance_msat[2 * row : 2 * row + 2] = sat * 1_000, (1_000 - sat) * 1_000
    assert not is_hopeless(graph, balance_msat, 0, 3, 500_999)
    assert is_hopeless(graph, balance_msat, 0, 3, 501_000)
    assert not is_hopeless(graph, balance_msat, 3, 0, 400_000)
    assert is_hopeless(graph, balance_msat, 3, 0, 401_000)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_no_circle_changes_what_is_hopeless(data: st.DataObject) -> None:
    graph = build_graph(4, [(0, 1, 1_000), (1, 2, 1_000), (0, 2, 1_000), (1, 3, 1_000), (2, 3, 1_000)])
    balance_msat = np.zeros(10, np.int64)
    for row in range(5):
        balance_msat[2 * row] = data.draw(st.integers(0, 1_000)) * 1_000
        balance_msat[2 * row + 1] = 1_000_000 - balance_msat[2 * row]
    sources, targets = graph.sources(), graph.targets()
    sender, receiver = data.draw(st.permutations(range(4)))[:2]
    amount_msat = data.draw(st.integers(1, 2_000)) * 1_000
    before = is_hopeless(graph, balance_msat, sender, receiver, amount_msat)
    circle = data.draw(st.sampled_from([(0, 1, 2), (0, 2, 1), (1, 2, 3), (1, 3, 2), (0, 1, 3, 2), (0, 2, 3, 1)]))
    ways = list(zip(circle, circle[1:] + circle[:1], strict=True))
    directions = [int(np.flatnonzero((sources == here) & (targets == there))[0]) for here, there in ways]
    moved_msat = data.draw(st.integers(0, int(min(balance_msat[directions])) // 1_000)) * 1_000
    for direction in directions:
        balance_msat[direction] -= moved_msat
        balance_msat[direction ^ 1] += moved_msat
    assert is_hopeless(graph, balance_msat, sender, receiver, amount_msat) == before


def test_the_ceiling_counts_failures_and_the_hopeless_among_them(found: Comparison) -> None:
    everyday = dataclasses.replace(SHORT, demand=ComparedDemand.EVERYDAY, hours=3.0)
    ceiling = measure_ceiling(everyday, 41)
    world = run_world(everyday, 41, "none", partial(Deaf, _nothing))
    assert ceiling.failed == world.payments - world.succeeded
    assert ceiling.failed_msat == world.amount_msat - world.delivered_msat
    assert 0 < ceiling.hopeless < ceiling.failed
    assert 0 < ceiling.hopeless_msat < ceiling.failed_msat
    nobody_failed = Ceiling(payments=5, failed=0, hopeless=0, failed_msat=0, hopeless_msat=0)
    summary = summarise(SHORT, worlds=found.worlds, ceilings=[nobody_failed], complete=True)
    assert summary.ceiling is not None
    assert summary.ceiling.hopeless_share.mean is None
    assert "none % of these" in render(summary)


class StubLearner:
    """Says that every side should hold half, and that every move gains five sat."""

    def __init__(self) -> None:
        self.sides: dict[tuple[ChannelId, NodeId], tuple[int, int]] = {}
        self.settled: list[int] = []

    def observe(self, observation: Observation) -> None:
        if isinstance(observation, ChannelSeen):
            node1, node2 = observation.node1_local_msat, observation.node2_local_msat
            self.sides[observation.channel_id, NodeId(observation.node1_id)] = node1, node2
            self.sides[observation.channel_id, NodeId(observation.node2_id)] = node2, node1

    def settle(self, now: UnixNs) -> None:
        self.settled.append(now)

    def missing(self, now: UnixNs) -> tuple[str, ...]:
        return () if len(self.settled) > 1 else ("not enough seen",)

    def predictions(self, now: UnixNs) -> list[SharePrediction]:
        return [
            SharePrediction(
                channel_id=channel_id,
                node_id=node_id,
                made_ns=now,
                horizon_ns=1,
                share_now=local / (local + remote),
                share=0.5,
                low_share=0.4,
                high_share=0.6,
                model="stub",
            )
            for (channel_id, node_id), (local, remote) in self.sides.items()
        ]

    def estimate(self, candidates: Sequence[Candidate], now: UnixNs) -> list[GainEstimate]:
        gain = Interval(low_msat=0, expected_msat=5_000, high_msat=9_000)
        return [GainEstimate(gain=gain, confidence=0.8) for _ in candidates]


@pytest.mark.promise("A1.16")
def test_the_learned_strategy_waits_until_it_has_seen_enough_and_then_acts() -> None:
    silent = Learned(None)  # without a model it has nothing to say, however much it sees
    assert one_decision(silent).rebalances_tried == 0
    ready, stub = Learned(None), StubLearner()
    ready._learner = stub  # type: ignore[assignment]
    result = run_world(SHORT, 41, "learned", lambda: ready)
    assert len(stub.settled) == 5
    assert result.rebalances_succeeded
    assert result.predicted_gain_msat == 5_000 * result.rebalances_succeeded
