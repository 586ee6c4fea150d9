"""Demand has the statistics that its parameters promise."""

import hashlib
import math
from dataclasses import replace

import numpy as np
import pytest
from tests.reference.networks import build_graph

from lightninglens.core.errors import ConfigError
from lightninglens.core.graph import NetworkGraph
from lightninglens.sim.demand import (
    DemandModel,
    DemandName,
    Intents,
    UniformDemand,
    draw_intents,
    first_intents,
    named_demand,
    to_requests,
)
from lightninglens.sim.demand.model import LAB_DEMAND, LAB_SETTLEMENTS
from lightninglens.sim.demand.purposes import DESCRIPTIONS, PURPOSES
from lightninglens.sim.topology import lab_topology

HOUR_NS = 3_600 * 10**9
DAY_NS = 24 * HOUR_NS


@pytest.fixture(scope="module")
def graph() -> NetworkGraph:
    """A ring of 60 nodes with chords; capacities from 0.2 to 6 million sat."""
    channels = [(node, (node + 1) % 60, 200_000 + 100_000 * node) for node in range(60)]
    channels += [(node, node + 30, 1_000_000) for node in range(30)]
    return build_graph(60, [(min(low, high), max(low, high), size) for low, high, size in channels])


def steady(**changed: float) -> DemandModel:
    """Return demand without day or drift, so that one thing at a time can be seen."""
    settings = {"payments_per_hour": 6_000.0, "day_amplitude": 0.0, "drift_sigma": 0.0, "hot_share": 0.0} | changed
    return DemandModel(**settings)  # type: ignore[arg-type]


@pytest.mark.promise("A0.29")
def test_amounts_are_log_normal_by_purpose(graph: NetworkGraph) -> None:
    """Each purpose has its share, its median and its spread."""
    intents = draw_intents(steady(amount_scale=1.0), graph, seed=1, start_ns=0, end_ns=10 * HOUR_NS)
    total = sum(purpose.weight for purpose in PURPOSES)
    for tag, purpose in enumerate(PURPOSES):
        amount_sat = intents.amount_msat[intents.tag == tag] / 1_000
        share = purpose.weight / total
        count = len(intents.tag)
        assert abs(len(amount_sat) / count - share) < 5 * math.sqrt(share / count), purpose.description
        error = 5 * 1.26 * purpose.sigma / math.sqrt(len(amount_sat))
        assert abs(math.log(np.median(amount_sat) / purpose.median_sat)) < error, purpose.description
        assert abs(np.log(amount_sat).std() - purpose.sigma) < 0.1 * purpose.sigma, purpose.description


@pytest.mark.promise("A0.29")
def test_all_fifteen_descriptions_occur(graph: NetworkGraph) -> None:
    """In both kinds of demand, and each has its text."""
    assert len(DESCRIPTIONS) == len(set(DESCRIPTIONS)) == 15
    for model in (DemandModel(), UniformDemand()):
        assert set(first_intents(model, graph, seed=2, count=2_000).tag.tolist()) == set(range(15))


def test_amount_bounds_and_scale(graph: NetworkGraph) -> None:
    """Amounts are whole sat within the bounds, and the scale multiplies the median."""
    small, large = (
        draw_intents(steady(amount_scale=scale), graph, seed=3, start_ns=0, end_ns=HOUR_NS).amount_msat
        for scale in (1.0, 4.0)
    )
    assert np.median(large) / np.median(small) == pytest.approx(4.0, rel=0.01)
    bounded = draw_intents(
        steady(least_amount_sat=5_000, most_amount_sat=6_000), graph, seed=3, start_ns=0, end_ns=HOUR_NS
    ).amount_msat
    assert (bounded.min(), bounded.max()) == (5_000_000, 6_000_000)
    assert not np.any(bounded % 1_000)


@pytest.mark.promise("A0.29")
def test_hot_receivers_get_their_share(graph: NetworkGraph) -> None:
    """A share goes to a few; with none, nobody stands out."""
    hot = draw_intents(steady(hot_receivers=3, hot_share=0.6), graph, seed=4, start_ns=0, end_ns=5 * HOUR_NS).receiver
    even = draw_intents(steady(), graph, seed=4, start_ns=0, end_ns=5 * HOUR_NS).receiver
    top_hot, top_even = (
        np.sort(np.bincount(column, minlength=60))[::-1][:3].sum() / len(column) for column in (hot, even)
    )
    assert 0.58 < top_hot < 0.75
    assert top_even < 0.15


@pytest.mark.promise("A0.29")
def test_rate_follows_the_day(graph: NetworkGraph) -> None:
    """The peak hour has (1 + a) / (1 - a) times the payments of the hour twelve hours off."""
    model = DemandModel(payments_per_hour=2_000, day_amplitude=0.5, day_peak_hour=18.0)
    start_ns = draw_intents(model, graph, seed=5, start_ns=0, end_ns=4 * DAY_NS).start_ns
    by_hour = np.bincount(start_ns // HOUR_NS % 24, minlength=24)
    peak, trough = by_hour[17] + by_hour[18], by_hour[5] + by_hour[6]
    assert peak / trough == pytest.approx(3.0, rel=0.08)
    assert len(start_ns) == pytest.approx(4 * 24 * 2_000, rel=0.02)


def test_arrivals_are_poisson(graph: NetworkGraph) -> None:
    """Counts per minute vary as much as their mean."""
    start_ns = draw_intents(steady(), graph, seed=6, start_ns=0, end_ns=20 * HOUR_NS).start_ns
    per_minute = np.bincount(start_ns // (60 * 10**9), minlength=1_200)
    assert per_minute.mean() == pytest.approx(100, rel=0.02)
    assert per_minute.var() / per_minute.mean() == pytest.approx(1.0, abs=0.2)
    assert np.all(np.diff(start_ns) >= 0)


@pytest.mark.promise("A0.29")
def test_preferences_drift(graph: NetworkGraph) -> None:
    """Who is paid changes from one period to the next; without drift it does not."""

    def distance(sigma: float) -> float:
        model = steady(drift_sigma=sigma, drift_hours=2.0)
        intents = draw_intents(model, graph, seed=7, start_ns=0, end_ns=9 * HOUR_NS)
        early, late = (
            np.bincount(intents.receiver[(intents.start_ns // HOUR_NS) == hour], minlength=60) / 6_000
            for hour in (0, 8)
        )
        return float(np.abs(early - late).sum())

    assert distance(0.0) < 0.2
    assert distance(1.0) > 0.5


def test_weights_follow_capacity(graph: NetworkGraph) -> None:
    """With exponent 1 a node sends in proportion to its capacity; with 0 all are alike."""
    capacity = np.bincount(graph.sources(), weights=np.repeat(graph.capacity_sat, 2), minlength=60)
    by_size = draw_intents(steady(sender_exponent=1.0), graph, seed=8, start_ns=0, end_ns=9 * HOUR_NS).sender
    alike = draw_intents(steady(sender_exponent=0.0), graph, seed=8, start_ns=0, end_ns=9 * HOUR_NS).sender
    assert np.corrcoef(np.bincount(by_size, minlength=60), capacity)[0, 1] > 0.98
    counts = np.bincount(alike, minlength=60)
    assert counts.var() / counts.mean() < 2.0


def test_nobody_pays_himself(graph: NetworkGraph) -> None:
    """Not even where two nodes are all there is."""
    tiny = build_graph(2, [(0, 1, 1_000_000)])
    for model in (DemandModel(), LAB_DEMAND, UniformDemand()):
        for network in (graph, tiny):
            intents = first_intents(model, network, seed=9, count=300)
            assert not np.any(intents.sender == intents.receiver)


def test_uniform_pattern(graph: NetworkGraph) -> None:
    """500 to 3,000 sat, a payment every 10 to 30 seconds, 70 in 100 to a neighbour."""
    intents = first_intents(UniformDemand(), graph, seed=10, count=20_000)
    amount_sat = intents.amount_msat // 1_000
    assert (amount_sat.min(), amount_sat.max()) == (500, 3_000)
    assert amount_sat.mean() == pytest.approx(1_750, rel=0.01)
    gaps = np.diff(intents.start_ns) / 1e9
    assert 10.0 <= gaps.min() < 10.1
    assert 29.9 < gaps.max() <= 30.0
    assert gaps.mean() == pytest.approx(20.0, rel=0.01)
    neighbours = np.zeros((60, 60), np.bool_)
    neighbours[graph.node1, graph.node2] = neighbours[graph.node2, graph.node1] = True
    assert neighbours[intents.sender, intents.receiver].mean() == pytest.approx(0.70 + 0.05 * 3 / 59, abs=0.02)
    assert set(intents.sender.tolist()) == set(range(60))


def test_money_comes_back_from_receiver_to_sender_after_a_while(graph: NetworkGraph) -> None:
    """A share of the payments is paid back in full, a quarter of an hour later on average and within six times that."""
    model = steady(payments_per_hour=400.0, return_share=0.6, return_hours=0.25)
    there = draw_intents(replace(model, return_share=0.0), graph, seed=12, start_ns=0, end_ns=20 * HOUR_NS)
    both = draw_intents(model, graph, seed=12, start_ns=0, end_ns=22 * HOUR_NS)
    assert np.all(np.diff(both.start_ns) >= 0)
    rows = list(zip(*(column.tolist() for column in both), strict=True))
    before = dict.fromkeys(zip(*(column.tolist() for column in there), strict=True))
    assert set(before) <= set(rows)
    later: dict[tuple[int, ...], list[int]] = {}
    for time_ns, sender, receiver, amount_msat, tag, *_ in rows:
        later.setdefault((sender, receiver, amount_msat, tag), []).append(time_ns)
    delays = []
    for time_ns, sender, receiver, amount_msat, tag, *_ in before:
        back = [moment for moment in later.get((receiver, sender, amount_msat, tag), ()) if moment > time_ns]
        if back:
            delays.append((min(back) - time_ns) / HOUR_NS)
    assert len(delays) / len(before) == pytest.approx(0.6, abs=0.02)
    assert np.mean(delays) == pytest.approx(0.25 * (1 - 6 / math.expm1(6)), rel=0.05)
    assert max(delays) <= 1.5


def test_amounts_may_have_one_median_for_all_purposes(graph: NetworkGraph) -> None:
    """As settlements have: two hundred thousand sat, give or take a third."""
    amount_sat = first_intents(LAB_SETTLEMENTS, graph, seed=13, count=4_000).amount_msat / 1_000
    assert np.median(amount_sat) == pytest.approx(200_000, rel=0.03)
    assert np.log(amount_sat).std() == pytest.approx(0.3, rel=0.06)
    assert amount_sat.max() <= 400_000


@pytest.mark.parametrize("name", list(DemandName))
def test_each_demand_has_a_form_for_the_lab_and_one_for_other_graphs(graph: NetworkGraph, name: DemandName) -> None:
    """All bring payments; the lab's are its own, but for the uniform one."""
    for lab in (True, False):
        assert len(first_intents(named_demand(name, lab=lab), graph, seed=14, count=20).start_ns) == 20
    same = named_demand(name, lab=True) == named_demand(name, lab=False)
    assert same == (name is DemandName.UNIFORM)


def test_requests_carry_the_default_fee_limit(graph: NetworkGraph) -> None:
    """All of it up to 1,000 sat, 5 % above."""
    intents = first_intents(DemandModel(), graph, seed=11, count=500)
    requests = to_requests(intents)
    amount = intents.amount_msat
    assert requests.fee_limit_msat.tolist() == np.where(amount <= 1_000_000, amount, amount * 5 // 100).tolist()
    assert set(requests.outgoing.tolist()) == set(requests.last_hop.tolist()) == {-1}


def test_a_graph_without_usable_channels_has_no_demand() -> None:
    """Nobody can pay, so nobody wants to: no payment, and no error."""
    empty = build_graph(3, [(0, 1, 1_000)], [None, None])
    assert len(draw_intents(DemandModel(), empty, seed=1, start_ns=0, end_ns=HOUR_NS).start_ns) == 0
    with pytest.raises(ConfigError, match="no channel is announced"):
        first_intents(DemandModel(), empty, seed=1, count=1)


def test_demand_without_payments_is_refused(graph: NetworkGraph) -> None:
    """Waiting for the first of none would never end."""
    with pytest.raises(ConfigError, match="no payments"):
        first_intents(DemandModel(payments_per_hour=0.0), graph, seed=1, count=1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [(DemandName.ROLES, "4cf8c21e137d3360"), (DemandName.SETTLEMENTS, "ca4fcdb489639c56")],
)
def test_the_labs_demand_is_the_one_that_results_were_measured_with(name: DemandName, expected: str) -> None:
    """Its first five thousand intents, and the fee limits, byte for byte."""
    lab = lab_topology(1).graph
    intents = first_intents(named_demand(name, lab=True), lab, seed=1, count=5_000, origin_ns=1_767_571_200 * 10**9)
    digest = hashlib.sha256()
    for column in (*intents[:5], to_requests(intents).fee_limit_msat):
        digest.update(column.tobytes())
    assert digest.hexdigest()[:16] == expected


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"start_ns": [5, 4]}, "goes back in time, in row 1"),
        ({"start_ns": [5, 100]}, "leaves the time"),
        ({"receiver": [1, 60]}, "not a row of the graph"),
        ({"sender": [-1, 0]}, "not a row of the graph"),
        ({"sender": [1, 0]}, "pay itself"),
        ({"amount_msat": [5, 0]}, "below 1 msat"),
        ({"tag": [0, 1]}, "tag without a description"),
        ({"fee_limit_msat": [-2, 0]}, "negative fee limit"),
        ({"most_parts": [0, -1]}, "negative number of parts"),
        ({"tag": [0]}, "different lengths"),
    ],
)
def test_a_plug_in_that_answers_nonsense_is_told_so(
    graph: NetworkGraph, wrong: dict[str, list[int]], words: str
) -> None:
    """Before the engine sees it."""

    class PlugIn:
        descriptions = ("anything",)
        payments_in_all = None

        def intents(self, graph: NetworkGraph, *, seed: int, start_ns: int, end_ns: int, origin_ns: int) -> Intents:
            one, none = np.ones(2, np.int64), np.zeros(2, np.int64)
            made = Intents.of(one, none, one, one, none)
            columns = made._asdict() | {name: np.array(column) for name, column in wrong.items()}
            return Intents(**columns)

    with pytest.raises(ConfigError, match=f"the demand PlugIn .*{words}"):
        draw_intents(PlugIn(), graph, seed=1, start_ns=0, end_ns=100)


def test_a_demand_that_falls_silent_is_not_waited_for(graph: NetworkGraph) -> None:
    """Ten years without a payment are enough."""

    class Silent:
        descriptions = ("anything",)
        payments_in_all = None

        def intents(self, graph: NetworkGraph, *, seed: int, start_ns: int, end_ns: int, origin_ns: int) -> Intents:
            nothing = np.zeros(0, np.int64)
            return Intents.of(nothing, nothing, nothing, nothing, nothing)

    with pytest.raises(ConfigError, match="no payment in ten years"):
        first_intents(Silent(), graph, seed=1, count=1)
