"""The twin of a node: what is in it, and that it earns what the node earned."""

from pathlib import Path

import numpy as np
import pytest

from lightninglens.core.errors import ConfigError
from lightninglens.core.ids import ChannelId
from lightninglens.lab.ego import (
    NodeChange,
    Recording,
    compare,
    cut,
    earnings_of,
    find_crossings,
    record,
    run_twin,
    save_twin,
)
from lightninglens.lab.ego.compare import floor_of
from lightninglens.lab.ego.crossings import ball, fee_limits_msat
from lightninglens.lab.ego.record import again
from lightninglens.lab.scenarios import open_scenario_file
from lightninglens.lab.worlds import open_world
from lightninglens.sim.demand import named_demand
from lightninglens.sim.scenario import Scenario
from lightninglens.storage.files.scenarios import read_scenario_file

NODES, PAYMENTS, SEED = 300, 1_500, 3


@pytest.fixture(name="base", scope="module")
def _base() -> Recording:
    world = open_world(f"synthetic:{NODES}", seed=SEED)
    demand = named_demand("micro-2023", lab=False)
    return record(Scenario(name="full", seed=SEED, graph=world.source, payments=PAYMENTS, demand=demand), world.graph)


@pytest.fixture(name="busiest", scope="module")
def _busiest(base: Recording) -> int:
    return max(range(base.graph.node_count), key=lambda node: earnings_of(base, node).forwards)


def test_a_ball_holds_who_can_be_reached_over_usable_channels(base: Recording, busiest: int) -> None:
    graph = base.graph
    usable = graph.usable().reshape(-1, 2).any(axis=1)
    within = {busiest}
    for radius in (1, 2, 3):
        ends = zip(graph.node1[usable].tolist(), graph.node2[usable].tolist(), strict=True)
        within |= {node for pair in ends if within & set(pair) for node in pair}
        assert set(np.flatnonzero(ball(graph, busiest, radius)).tolist()) == within


def test_crossings_are_what_a_plain_reading_of_the_attempts_finds(base: Recording, busiest: int) -> None:
    inside = ball(base.graph, busiest, 1)
    crossings = find_crossings(base, inside)
    expected = plain_crossings(base, inside)
    names = ("payment", "entry", "exit", "hops_before", "hops_after", "amount_msat", "outside_fee_msat")
    found = list(zip(*(getattr(crossings, name).tolist() for name in (*names, "settled")), strict=True))
    assert sorted(found) == sorted(expected)
    assert len(expected) > 100
    assert 0 < np.count_nonzero(~crossings.settled) < len(expected)
    assert np.all(np.diff(crossings.start_ns) >= 0)
    assert np.all(crossings.inside_fee_msat >= 0)


def plain_crossings(base: Recording, inside: np.ndarray) -> list[tuple[int, ...]]:
    """Return the crossings, attempt by attempt, in a loop."""
    graph, attempts = base.graph, base.attempts
    sources, targets = graph.sources(), graph.targets()
    within = [bool(inside[sources[d]] and inside[targets[d]]) for d in range(len(sources))]
    settled: list[tuple[int, ...]] = []
    failed: dict[int, tuple[int, tuple[int, ...]]] = {}
    at = 0
    for row in attempts.rows:
        hops = int(row["hops"])
        route, sent = attempts.routes[at : at + hops].tolist(), attempts.amounts_msat[at : at + hops].tolist()
        at += hops
        places = [place for place, direction in enumerate(route) if within[direction]]
        if not places:
            continue
        first, last = places[0], places[-1]
        outside = sent[last] - int(row["amount_msat"]) + (sent[0] - sent[first - 1] if first else 0)
        ends = int(sources[route[first]]), int(targets[route[last]])
        line = (int(row["payment_id"]), *ends, first, hops - 1 - last, sent[last], outside, row["code"] == 0)
        if row["code"] == 0:
            settled.append(line)
        elif row["failed_direction"] >= 0 and within[row["failed_direction"]]:
            number = int(row["number"])
            if line[0] not in failed or number < failed[line[0]][0]:
                failed[line[0]] = (number, line)
    done = {line[0] for line in settled}
    return settled + [line for payment, (_, line) in failed.items() if payment not in done]


def test_fee_limits_allow_what_was_paid_and_no_more_than_the_way_around_or_the_payer(
    base: Recording, busiest: int
) -> None:
    inside = ball(base.graph, busiest, 1)
    crossings = find_crossings(base, inside)
    limits = fee_limits_msat(base, inside, crossings)
    payers = base.requests.fee_limit_msat[crossings.payment]
    assert np.all(limits >= crossings.inside_fee_msat)
    assert np.all((limits <= payers) | (limits == crossings.inside_fee_msat))
    assert np.count_nonzero(limits < payers - crossings.outside_fee_msat) > 0


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_a_twin_is_the_real_channels_and_free_ways_in_and_out(base: Recording, busiest: int, radius: int) -> None:
    ego = cut(base, busiest, radius)
    graph, real = ego.graph, len(ego.channels)
    assert graph.node_ids[ego.centre] == base.graph.node_ids[busiest]
    assert graph.channel_ids[:real].tolist() == base.graph.channel_ids[ego.channels].tolist()
    assert graph.capacity_sat[:real].tolist() == base.graph.capacity_sat[ego.channels].tolist()
    assert len(set(graph.node_ids)) == graph.node_count
    assert all(graph.node_ids[a] < graph.node_ids[b] for a, b in zip(graph.node1, graph.node2, strict=True))
    assert not graph.policies.fee_rate_ppm[2 * real :].any()
    assert not graph.policies.base_fee_msat[2 * real :].any()
    assert ego.centre < ego.inside
    virtual = np.bincount(np.concatenate([graph.node1[real:], graph.node2[real:]]), minlength=graph.node_count)
    assert virtual[ego.centre] == 0


def test_a_twin_earns_what_its_node_earned(base: Recording, busiest: int) -> None:
    for one, most in zip(compare(base, busiest, (1, 2, 3)), (0.3, 0.15, 0.15), strict=True):
        (full,), (twin,) = one.full, one.twin
        assert full.forwards > 100
        assert abs(twin.forwards - full.forwards) <= most * full.forwards
        assert abs(twin.fees_msat - full.fees_msat) <= most * full.fees_msat


def test_a_change_moves_the_twin_as_it_moves_the_network(base: Recording, busiest: int) -> None:
    (one,) = compare(base, busiest, (2,), [NodeChange(fee_factor=2.0)])
    full, twin = (runs[1].fees_msat - runs[0].fees_msat for runs in (one.full, one.twin))
    assert np.sign(full) == np.sign(twin)
    assert abs(twin - full) < 0.2 * one.full[0].fees_msat


def test_the_same_run_again_is_the_same_and_other_delays_hardly_matter(base: Recording, busiest: int) -> None:
    same = again(base, seed=SEED)
    names = base.attempts.rows.dtype.names or ()
    assert all(same.attempts.rows[name].tolist() == base.attempts.rows[name].tolist() for name in names)
    ((first, second),) = floor_of(base, np.array([busiest]))
    assert first == earnings_of(base, busiest)
    assert abs(second.forwards - first.forwards) < 0.1 * first.forwards


def test_added_liquidity_stands_on_the_nodes_side(base: Recording, busiest: int) -> None:
    ego = cut(base, busiest, 1)
    channel = next(
        row for row in range(len(ego.channels)) if ego.centre in (ego.graph.node1[row], ego.graph.node2[row])
    )
    change = NodeChange(channel_id=ego.graph.channel_id(channel), added_sat=2_000_000)
    assert run_twin(ego, change=change).succeeded >= run_twin(ego).succeeded - 5
    with pytest.raises(ConfigError, match="not in this graph"):
        run_twin(ego, change=NodeChange(channel_id=ChannelId(1), added_sat=1))


def test_what_cannot_be_cut_is_refused(base: Recording) -> None:
    with pytest.raises(ValueError, match="1, 2 or 3"):
        cut(base, 0, 4)
    lonely = next(
        row for row in range(base.graph.node_count) if not base.graph.usable()[base.graph.sources() == row].any()
    )
    with pytest.raises(ValueError, match="simulate more payments"):
        cut(base, lonely, 1)


def test_a_saved_twin_is_a_scenario(base: Recording, busiest: int, tmp_path: Path) -> None:
    ego = cut(base, busiest, 1)
    opened = open_scenario_file(read_scenario_file(save_twin(ego, tmp_path / "twin")))
    assert opened.scenario.payments == ego.scenario.payments
    assert list(opened.world.graph.node_ids) == list(ego.graph.node_ids)
    assert opened.node1_local_msat is not None
    assert opened.node1_local_msat.tolist() == ego.node1_local_msat.tolist()
    listed = opened.demand.intents(opened.world.graph, seed=0, start_ns=0, end_ns=2**62, origin_ns=0)
    for name in ("sender", "receiver", "amount_msat", "fee_limit_msat", "most_parts"):
        assert getattr(listed, name).tolist() == getattr(ego.demand.payments, name).tolist()
