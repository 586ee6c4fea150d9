"""A population's demand: who is what, what goes round, what drains, what comes back by the chain."""

import math
from dataclasses import replace

import numpy as np
import pytest
from tests.reference.networks import build_graph

from lightninglens.core.graph import NetworkGraph
from lightninglens.sim.demand import (
    AmountMixture,
    Amounts,
    Component,
    DemandName,
    Intents,
    NetPayers,
    NodeRole,
    PopulationDemand,
    PopulationWithAmounts,
    circulation_share,
    draw_intents,
    first_intents,
    named_demand,
    netted_share,
    prepared,
)
from lightninglens.sim.demand import circulation as circulation_module
from lightninglens.sim.demand.amounts import AmountComponent
from lightninglens.sim.demand.model import EXCHANGE_2025, MICRO_2023
from lightninglens.sim.demand.roles import PAYEES, PAYERS, assign_roles, role_weights
from lightninglens.sim.topology import synthetic_graph

HOUR_NS = 3_600 * 10**9
DAY_NS = 24 * HOUR_NS


@pytest.fixture(scope="module")
def graph() -> NetworkGraph:
    return synthetic_graph(300, 900, 2)


def steady(**changed: object) -> PopulationDemand:
    """Return demand in which nothing but what a test is about changes."""
    plain: dict[str, object] = {
        "payments_per_hour": 4_000.0,
        "day_amplitude": 0.0,
        "weekend_factor": 1.0,
        "burst_variance": 0.0,
        "onchain_share": 0.0,
        "circulation_hours": 0.25,
    }
    return PopulationDemand(**(plain | changed))  # type: ignore[arg-type]


def drawn(model: PopulationDemand, graph: NetworkGraph, hours: float, seed: int = 1) -> Intents:
    return draw_intents(model, graph, seed=seed, start_ns=0, end_ns=int(hours * HOUR_NS))


@pytest.mark.parametrize("model", [MICRO_2023, EXCHANGE_2025], ids=["micro-2023", "exchange-2025"])
def test_a_calibration_year_has_the_mean_and_the_rate_that_were_measured(
    graph: NetworkGraph, model: PopulationDemand
) -> None:
    """Over a week, without swaps; the median stays below 50,000 sat."""
    plain = replace(model, onchain_share=0.0)
    intents = draw_intents(plain, graph, seed=3, start_ns=0, end_ns=7 * DAY_NS)
    amount_sat = intents.amount_msat / 1_000
    assert len(amount_sat) / 168 == pytest.approx(model.payments_per_hour, rel=0.03)
    spread = amount_sat.std() / math.sqrt(len(amount_sat) / 3)
    assert amount_sat.mean() == pytest.approx(model.amounts.mean_sat, abs=4 * spread)
    assert np.median(amount_sat) == pytest.approx(model.amounts.median_sat(), rel=0.02)
    assert np.median(amount_sat) <= 50_000


def test_shares_are_fitted_to_the_mean_and_stay_near_what_was_given() -> None:
    mixture = AmountMixture(mean_sat=100_000.0)
    means = np.array([mixture.mean_of(component) for component in mixture.components])
    shares = mixture.shares()
    assert shares.sum() == pytest.approx(1.0)
    assert shares @ means == pytest.approx(100_000.0, rel=1e-9)
    # Least relative entropy: log(fitted / given) is linear in the component's mean.
    given = np.array([component.share for component in mixture.components])
    slopes = np.diff(np.log(shares / given)) / np.diff(means)
    assert slopes == pytest.approx(slopes[0], rel=1e-6)


def test_a_components_mean_is_that_of_what_is_drawn() -> None:
    """Clipped at both ends."""
    only = AmountComponent(share=1.0, median_sat=50_000.0, sigma=1.5)
    none = AmountComponent(share=0.0, median_sat=1.0, sigma=1.0)
    mixture = AmountMixture(
        mean_sat=60_000.0,
        least_sat=10_000,
        most_sat=100_000,
        highest_median_sat=70_000,
        tips=AmountComponent(share=1e-9, median_sat=90_000.0, sigma=0.0),
        retail=only,
        transfers=none,
        exchange=none,
    )
    amount, component = mixture.amounts(seed=1, count=200_000, start=0)
    of_retail = amount[component == Component.RETAIL] / 1_000
    assert of_retail.mean() == pytest.approx(mixture.mean_of(only), rel=0.01)
    assert set(amount[component == Component.TIP].tolist()) == {90_000_000}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"mean_sat": 9e9}, "mean_sat is 9,000,000,000.0, and these components can only give"),
        ({"mean_sat": 1_200_000.0}, "above highest_median_sat"),
        ({"least_sat": 0}, "least_sat is 0"),
        ({"most_sat": 0}, "most_sat is 0"),
        (dict.fromkeys(("tips", "retail", "transfers", "exchange"), None), "share is 0 for all"),
    ],
)
def test_a_mixture_that_cannot_be_is_refused(changed: dict[str, object], words: str) -> None:
    nothing = AmountComponent(share=0.0, median_sat=1.0, sigma=1.0)
    filled = {name: nothing if value is None else value for name, value in changed.items()}
    with pytest.raises(ValueError, match=words):
        AmountMixture(**filled)  # type: ignore[arg-type]


def test_roles_follow_the_documented_rule() -> None:
    """Leaves by their channels; of 200 hubs 2 exchanges, 6 wallets, 30 merchants; the others route."""
    hubs = [(node, (node + step) % 200, 1_000_000) for node in range(200) for step in (1, 7)]
    leaves = [(node % 20, 200 + node, 500_000) for node in range(150)]
    graph = build_graph(352, [(min(low, high), max(low, high), size) for low, high, size in hubs + leaves])
    population = assign_roles(graph, seed=4, net_payers=NetPayers())
    counts = {role: int((population.role == role).sum()) for role in NodeRole}
    assert counts == {
        NodeRole.NONE: 2,
        NodeRole.WALLET: 6,
        NodeRole.EXCHANGE: 2,
        NodeRole.MERCHANT: 30,
        NodeRole.ROUTER: 162,
        NodeRole.LEAF: 150,
    }
    # Twenty nodes have all the leaves, and with them half of the weight.
    drawn_roles = [assign_roles(graph, seed=seed, net_payers=NetPayers()).role for seed in range(40)]
    assert 0.35 < np.mean([np.mean(np.flatnonzero(role == NodeRole.WALLET) < 20) for role in drawn_roles]) < 0.6
    again = assign_roles(graph, seed=4, net_payers=NetPayers())
    assert again.role.tolist() == population.role.tolist()
    assert assign_roles(graph, seed=5, net_payers=NetPayers()).role.tolist() != population.role.tolist()


def test_each_role_has_its_share_whatever_its_numbers(graph: NetworkGraph) -> None:
    population = assign_roles(graph, seed=1, net_payers=NetPayers())
    everybody = population.role != NodeRole.NONE
    for table in (PAYERS, PAYEES):
        for shares in table.values():
            assert sum(shares) == pytest.approx(1.0)
            weights = role_weights(population, shares, everybody, 0.5)
            in_role = np.bincount(population.role[everybody], weights[everybody], 5)
            assert in_role == pytest.approx(np.array(shares))


def test_without_circulation_money_goes_one_way(graph: NetworkGraph) -> None:
    """Nobody who pays is ever paid."""
    intents = drawn(steady(circulation_share=0.0), graph, 5)
    assert not set(intents.sender.tolist()) & set(intents.receiver.tolist())
    assert netted_share(intents, graph.node_count) == 0.0


@pytest.mark.parametrize("kappa", [0.0, 0.5, 0.7, 0.9, 1.0])
def test_the_circulation_share_is_what_was_asked_for(graph: NetworkGraph, kappa: float) -> None:
    """By volume, as the greatest circulation in the drawn list; cycles that the window cuts are missing from it."""
    intents = drawn(steady(circulation_share=kappa, payments_per_hour=500.0, circulation_hours=0.1), graph, 60)
    exact = circulation_share(intents, graph.node_count)
    assert exact == pytest.approx(kappa, abs=0.04)
    bound = netted_share(intents, graph.node_count)
    assert exact <= bound + 1e-9
    assert bound == pytest.approx(exact, abs=0.01)


def test_the_exact_circulation_of_known_lists() -> None:
    def listed(*payments: tuple[int, int, int]) -> Intents:
        sender, receiver, amount = (np.array(column) for column in zip(*payments, strict=True))
        return Intents.of(
            np.zeros(len(payments), np.int64), sender, receiver, amount, np.zeros(len(payments), np.int64)
        )

    there_and_back = listed((0, 1, 100), (1, 0, 60))
    assert circulation_share(there_and_back, 2) == pytest.approx(120 / 160)
    assert netted_share(there_and_back, 2) == pytest.approx(120 / 160)
    # A surplus that passes through others: the bound is not reached.
    chain = listed((0, 1, 100), (1, 2, 100))
    assert circulation_share(chain, 3) == pytest.approx(0.0)
    assert netted_share(chain, 3) == pytest.approx(0.5)
    triangle = listed((0, 1, 5), (1, 2, 5), (2, 0, 5))
    assert circulation_share(triangle, 3) == pytest.approx(1.0)
    nothing = Intents._make(column[:0] for column in triangle)
    assert circulation_share(nothing, 3) == netted_share(nothing, 3) == 1.0


def test_too_many_pairs_for_the_exact_circulation(graph: NetworkGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circulation_module, "MOST_PAIRS", 10)
    with pytest.raises(Exception, match="netted_share"):
        circulation_share(drawn(steady(), graph, 1), graph.node_count)


def test_cycles_close(graph: NetworkGraph) -> None:
    """With kappa 1 every payment has its two others: the same amount, once around."""
    model = steady(circulation_share=1.0, circulation_nodes=3, payments_per_hour=300.0)
    intents = drawn(model, graph, 40)
    inner = (intents.start_ns > 2 * HOUR_NS) & (intents.start_ns < 38 * HOUR_NS)
    rows = list(zip(intents.sender.tolist(), intents.receiver.tolist(), intents.amount_msat.tolist(), strict=True))
    by_start: dict[tuple[int, int], set[int]] = {}
    for sender, receiver, amount in rows:
        by_start.setdefault((sender, amount), set()).add(receiver)
    for row in np.flatnonzero(inner)[:500].tolist():
        sender, receiver, amount = rows[row]
        assert any(sender in by_start.get((third, amount), ()) for third in by_start.get((receiver, amount), ()))


def test_day_and_week(graph: NetworkGraph) -> None:
    model = steady(day_amplitude=0.5, day_peak_hour=18.0, weekend_factor=0.5, circulation_share=0.0)
    start_ns = draw_intents(model, graph, seed=1, start_ns=0, end_ns=14 * DAY_NS).start_ns
    per_day = np.bincount(start_ns // DAY_NS % 7, minlength=7)
    assert per_day[5:].mean() / per_day[:5].mean() == pytest.approx(0.5, abs=0.01)
    by_hour = np.bincount(start_ns // HOUR_NS % 24, minlength=24)
    assert (by_hour[17] + by_hour[18]) / (by_hour[5] + by_hour[6]) == pytest.approx(3.0, rel=0.05)
    assert len(start_ns) / (14 * 24) == pytest.approx(4_000, rel=0.01)


@pytest.mark.parametrize("variance", [0.0, 0.5, 2.0])
def test_bursts_spread_the_counts_per_minute(graph: NetworkGraph, variance: float) -> None:
    """Gamma-Poisson: the variance of a count is mean + variance * mean ** 2."""
    model = steady(burst_variance=variance, circulation_share=0.0, payments_per_hour=3_000.0)
    start_ns = draw_intents(model, graph, seed=2, start_ns=0, end_ns=40 * HOUR_NS).start_ns
    counts = np.bincount(start_ns // (60 * 10**9), minlength=2_400)
    assert counts.mean() == pytest.approx(50, rel=0.08)
    assert counts.var() == pytest.approx(50 + variance * 50**2, rel=0.2)


def test_swaps_bring_back_their_share_of_the_net_flow(graph: NetworkGraph) -> None:
    """Of every net receiver to the providers, from them to every net payer; between spans and with the asked delay."""
    model = steady(circulation_share=0.3, onchain_share=0.6, onchain_hours=2.0, onchain_delay_hours=1.0)
    intents = drawn(model, graph, 100)
    out, back = (np.flatnonzero(intents.tag == tag) for tag in (4, 5))
    plain = drawn(replace(model, onchain_share=0.0), graph, 100)
    nodes = graph.node_count
    paid, got = (np.bincount(column, plain.amount_msat, nodes) for column in (plain.sender, plain.receiver))
    net_msat = np.maximum(got - paid, 0).sum()
    for rows in (out, back):
        assert intents.amount_msat[rows].sum() / net_msat == pytest.approx(0.6, rel=0.12)
        assert intents.amount_msat[rows].min() >= model.least_swap_sat * 1_000
    assert len(set(intents.receiver[out].tolist())) <= model.swap_providers
    assert set(intents.receiver[out].tolist()) >= set(intents.sender[back].tolist())
    assert netted_share(intents, nodes) > netted_share(plain, nodes) + 0.2


def test_swaps_settle_a_span_after_the_delay(graph: NetworkGraph) -> None:
    """Money of the first span, [0, 2) h, swaps in [3, 5) h."""
    model = steady(circulation_share=0.0, onchain_share=1.0, onchain_hours=2.0, onchain_delay_hours=1.0)
    intents = drawn(model, graph, 12)
    first = intents.start_ns < 2 * HOUR_NS
    usual = intents.tag < 4
    got = np.bincount(intents.receiver[first & usual], intents.amount_msat[first & usual], graph.node_count)
    swaps = (intents.tag == 4) & (intents.start_ns >= 3 * HOUR_NS) & (intents.start_ns < 5 * HOUR_NS)
    swapped = np.bincount(intents.sender[swaps], intents.amount_msat[swaps], graph.node_count)
    large = np.flatnonzero((got > 50_000_000) & (swapped > 0))
    assert len(large) > 10
    assert swapped[large] == pytest.approx(got[large], abs=500)


def test_one_provider_swaps_with_others_only(graph: NetworkGraph) -> None:
    intents = drawn(steady(onchain_share=1.0, swap_providers=1, circulation_share=0.0), graph, 30)
    assert not np.any(intents.sender == intents.receiver)


def test_a_prepared_demand_gives_the_same_answers(graph: NetworkGraph) -> None:
    """In whatever order it is asked, and about other worlds too."""
    model = steady(onchain_share=0.5)
    ready = prepared(model, graph, seed=1, origin_ns=0)
    with_own = prepared(PopulationWithAmounts(population=model, amounts=model.amounts), graph, seed=1, origin_ns=0)
    assert ready.descriptions == model.descriptions
    assert ready.payments_in_all is None
    for seed in (1, 2):
        for first in (6, 0, 3):
            window = {"seed": seed, "start_ns": first * HOUR_NS, "end_ns": (first + 2) * HOUR_NS}
            expected = draw_intents(model, graph, **window)
            for other in (ready, with_own):
                found = draw_intents(other, graph, **window)
                for name in Intents._fields:
                    assert getattr(found, name).tolist() == getattr(expected, name).tolist()


def test_amounts_may_be_ones_own(graph: NetworkGraph) -> None:
    class Round:
        def amounts(self, *, seed: int, count: int, start: int) -> Amounts:
            return Amounts(np.full(count, 21_000_000), np.full(count, Component.RETAIL))

    own = PopulationWithAmounts(population=steady(), amounts=Round())
    intents = first_intents(own, graph, seed=1, count=500)
    assert own.payments_in_all is None
    assert set(intents.amount_msat.tolist()) == {21_000_000}
    assert {own.descriptions[tag] for tag in intents.tag.tolist()} == {"Retail purchase"}


@pytest.mark.parametrize("name", [DemandName.MICRO_2023, DemandName.EXCHANGE_2025])
def test_a_population_of_two_or_five_can_pay(name: DemandName) -> None:
    tiny = build_graph(2, [(0, 1, 1_000_000)])
    intents = first_intents(named_demand(name, lab=True), tiny, seed=1, count=50)
    assert set(intents.sender.tolist()) <= {0, 1}


def test_one_node_alone_pays_nobody() -> None:
    lonely = build_graph(3, [(0, 1, 1_000)], [None, None])
    assert len(drawn(steady(), lonely, 1).start_ns) == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"circulation_share": 2.0},
        {"circulation_share": -0.1},
        {"burst_variance": -1.0},
        {"onchain_delay_hours": -1.0},
        {"circulation_hours": float("nan")},
        {"circulation_nodes": 1},
    ],
)
def test_a_population_that_cannot_be_is_refused(changed: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(changed))):
        steady(**changed)
    with pytest.raises(ValueError, match="leaf"):
        NetPayers(leaf=1.5)
