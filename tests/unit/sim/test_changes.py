"""A scenario's changes are made at their times, however the run is cut."""

from dataclasses import replace

import numpy as np
import pytest

from lightninglens.core.graph import NetworkGraph
from lightninglens.sim.balances import BalanceModel
from lightninglens.sim.checkpoint import from_arrays, to_arrays
from lightninglens.sim.demand import UniformDemand
from lightninglens.sim.scenario import GraphKind, GraphSource, Scenario, WorldSettings
from lightninglens.sim.simulation import Simulation, Step
from lightninglens.sim.timeline import (
    Change,
    ChannelOffline,
    CloseChannel,
    NodeOffline,
    OpenChannel,
    PolicyFields,
    SetPolicy,
)
from lightninglens.sim.topology import lab_topology

pytestmark = pytest.mark.kernel

SECOND_NS = 10**9
CHANGES: tuple[Change, ...] = (
    SetPolicy(at_s=0.0, channel="202x1x0", node="lnd-alice", policy=PolicyFields(fee_rate_ppm=77)),
    OpenChannel(at_s=100.0, channel="900000x1x0", opener="lnd-dave", peer="lnd-alice", capacity_sat=2_000_000),
    NodeOffline(at_s=150.0, for_s=40.0, node="lnd-bob"),
    ChannelOffline(at_s=160.0, for_s=2_000.0, channel="202x1x0"),
    SetPolicy(at_s=200.0, channel="900000x1x0", node="lnd-dave", policy=PolicyFields(base_fee_msat=5)),
    CloseChannel(at_s=300.0, channel="202x1x0", force=True),
)


@pytest.fixture(name="graph", scope="module")
def _graph() -> NetworkGraph:
    return lab_topology(1).graph


def scenario(**world: float) -> Scenario:
    """Return 30 payments of the lab with every kind of change."""
    return Scenario(
        name="eventful",
        seed=3,
        graph=GraphSource(kind=GraphKind.LAB),
        payments=30,
        balances=BalanceModel.BALANCED,
        demand=UniformDemand(),
        world=WorldSettings(**world),  # type: ignore[arg-type]
        changes=CHANGES,
    )


def run_until(simulation: Simulation, second: float) -> list[Step]:
    return list(simulation.steps(until_ns=simulation.start_ns + round(second * SECOND_NS)))


def outcome(simulation: Simulation, steps: list[Step]) -> list[object]:
    """Return what came out of all steps, and the balances at the end."""
    payments = [list(zip(*(column.tolist() for column in step.harvest.payments), strict=True)) for step in steps]
    return [
        [row for rows in payments for row in rows],
        simulation.engine.balances_msat().tolist(),
        simulation.engine.now_ns,
    ]


def test_each_change_is_made_at_its_time(graph: NetworkGraph) -> None:
    simulation = Simulation(scenario(), graph)
    run_until(simulation, 99.999)
    policy = simulation.engine.policy(0 if graph.aliases[graph.node1[0]] == "lnd-alice" else 1)
    assert policy is not None
    assert policy.fee_rate_ppm == 77
    assert simulation.engine.graph.channel_count == graph.channel_count
    run_until(simulation, 100)
    new = graph.channel_count
    assert simulation.engine.graph.channel_count == new + 1
    run_until(simulation, 151)
    bob = graph.aliases.index("lnd-bob")
    active = simulation.engine._world.own.active
    assert not any(active[direction // 2] for direction in simulation.engine.directions_of(bob))
    run_until(simulation, 191)
    assert sum(simulation.engine._world.own.active) == new  # one channel is offline by itself
    run_until(simulation, 201)
    base_fees = {policy.base_fee_msat for side in (0, 1) if (policy := simulation.engine.policy(2 * new + side))}
    assert base_fees == {5, 1_000}
    steps = list(simulation.steps())
    assert simulation.engine.is_closed(0)
    assert sum(len(step.harvest.payments.payment_id) for step in steps) > 0
    last = steps[-1].snapshots[0]
    assert last.local_msat[:2].tolist() == [0, 0]
    assert len(last.local_msat) == 2 * (new + 1)


def test_snapshots_have_a_row_for_what_is_opened_later(graph: NetworkGraph) -> None:
    simulation = Simulation(scenario(), graph)
    first = next(iter(simulation.steps()))
    assert len(first.snapshots[0].commit_fee_sat) == simulation.whole_graph.channel_count == graph.channel_count + 1
    assert first.snapshots[0].commit_fee_sat[-1] == 0
    assert len(simulation.whole_opener_side) == graph.channel_count + 1


EVENTFUL = {
    "gossip_delay_s": 60.0,
    "node_offline_share": 0.1,
    "node_offline_mean_s": 30.0,
    "channel_offline_share": 0.1,
    "channel_offline_mean_s": 20.0,
}


@pytest.mark.parametrize("world", [{}, EVENTFUL], ids=["plain", "eventful"])
@pytest.mark.parametrize("second", [50.0, 100.0, 170.0, 250.0, 310.0])
def test_a_run_goes_on_from_its_checkpoint(graph: NetworkGraph, second: float, world: dict[str, float]) -> None:
    """The same to the last balance, with opened and closed channels, outages and news under way."""
    whole = Simulation(scenario(**world), graph)
    expected = outcome(whole, list(whole.steps()))
    parent = Simulation(scenario(**world), graph)
    before = run_until(parent, second)
    arrays = {name: array.copy() for name, array in to_arrays(parent.state()).items()}
    resumed = Simulation(scenario(**world), graph)
    resumed.resume(from_arrays(resumed.state(), arrays))
    assert outcome(resumed, [*before, *resumed.steps()]) == expected
    assert resumed.engine.conservation_drift_msat() == 0


def test_a_run_with_outages_ends_with_its_last_payment(graph: NetworkGraph) -> None:
    """Nodes would go on falling for ever."""
    simulation = Simulation(replace(scenario(**EVENTFUL), changes=()), graph)
    steps = list(simulation.steps())
    ends = np.concatenate([step.harvest.payments.end_ns for step in steps])
    assert len(ends) == 30
    assert simulation.engine.now_ns == ends.max()
