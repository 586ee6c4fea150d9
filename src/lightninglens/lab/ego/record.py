"""A full run kept in memory with all its routes, and the run of a twin."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.clock import Stopwatch
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import NS_PER_SECOND, Ppm
from lightninglens.lab.run_tables import Attempts
from lightninglens.sim.counterfactual import AddedLiquidity, apply_change
from lightninglens.sim.demand import Demand, Intents, PaymentList, first_intents, to_requests
from lightninglens.sim.engine import Engine
from lightninglens.sim.records import PaymentRequests
from lightninglens.sim.scenario import Scenario
from lightninglens.sim.simulation import Simulation, Step

if TYPE_CHECKING:
    from lightninglens.lab.ego.cut import EgoNetwork


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeChange:
    """What a node has otherwise from the beginning: its fees, and liquidity on its side of one channel."""

    fee_factor: float = 1.0
    channel_id: ChannelId | None = None
    added_sat: int = 0

    def apply(self, engine: Engine, node: int) -> None:
        """Make the change; raises ConfigError when the channel is not the node's or has too little."""
        for direction in engine.directions_of(node):
            policy = engine.policy(direction)
            if policy is not None and self.fee_factor != 1.0:
                rate = Ppm(round(policy.fee_rate_ppm * self.fee_factor))
                engine.set_policy(direction, replace(policy, fee_rate_ppm=rate))
        if self.channel_id is not None:
            apply_change(
                engine,
                AddedLiquidity(
                    time_ns=engine.now_ns,  # type: ignore[arg-type]
                    channel_id=self.channel_id,
                    node_id=engine.graph.node_ids[node],
                    amount_sat=self.added_sat,  # type: ignore[arg-type]
                ),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A run with all its attempts; channels are as they were at its start."""

    graph: NetworkGraph
    scenario: Scenario
    opener_side: NDArray[np.int8]
    node1_local_msat: NDArray[np.int64]
    spendable_msat: NDArray[np.int64]
    requests: PaymentRequests
    """What was asked for, by the number of the payment."""
    intents: Intents
    attempts: Attempts
    succeeded: int
    cpu_s: float


def record(
    scenario: Scenario,
    graph: NetworkGraph,
    *,
    opener_side: NDArray[np.int8] | None = None,
    demand: Demand | None = None,
    node1_local_msat: NDArray[np.int64] | None = None,
    prepare: Callable[[Engine], None] = lambda _engine: None,
    watch_step: Callable[[Step, Engine], None] = lambda _step, _engine: None,
) -> Recording:
    """Run a scenario to its end and keep its attempts; `prepare` may change the network before the first payment.

    `watch_step` is shown what each step brought. Raises what `Simulation` raises.
    """
    stopwatch = Stopwatch()
    simulation = Simulation(scenario, graph, opener_side=opener_side, demand=demand, node1_local_msat=node1_local_msat)
    engine = simulation.engine
    local_msat, spendable_msat = engine.local_msat()[0::2].copy(), engine.spendable_msat()
    prepare(engine)
    rows, routes, amounts, succeeded = [], [], [], 0
    for step in simulation.steps():
        rows.append(step.harvest.attempts)
        routes.append(step.harvest.routes)
        amounts.append(step.harvest.route_amounts_msat)
        succeeded += int(np.count_nonzero(step.harvest.payments.outcome == 1))
        watch_step(step, engine)
    cpu_s = stopwatch.cpu_s()
    intents = first_intents(
        simulation.demand, graph, seed=scenario.seed, count=scenario.payments, origin_ns=simulation.start_ns
    )
    return Recording(
        graph=graph,
        scenario=scenario,
        opener_side=simulation.opener_side,
        node1_local_msat=local_msat,
        spendable_msat=spendable_msat,
        requests=to_requests(intents, senders_parts=scenario.most_parts),
        intents=intents,
        attempts=Attempts(np.concatenate(rows), np.concatenate(routes), np.concatenate(amounts)),
        succeeded=succeeded,
        cpu_s=cpu_s,
    )


def again(recording: Recording, *, seed: int, prepare: Callable[[Engine], None] = lambda _engine: None) -> Recording:
    """Run the same intents on the same balances with other delays and links: how much chance there is in a result."""
    origin_ns = recording.scenario.world.start_unix_s * NS_PER_SECOND
    intents = recording.intents._replace(start_ns=recording.intents.start_ns - origin_ns)
    return record(
        replace(recording.scenario, seed=seed),
        recording.graph,
        opener_side=recording.opener_side,
        demand=PaymentList(payments=intents, descriptions=tuple(str(tag) for tag in range(int(intents.tag.max()) + 1))),
        node1_local_msat=recording.node1_local_msat,
        prepare=prepare,
    )


def run_twin(
    ego: "EgoNetwork",
    *,
    change: NodeChange | None = None,
    prepare: Callable[[Engine], None] = lambda _engine: None,
    watch_step: Callable[[Step, Engine], None] = lambda _step, _engine: None,
) -> Recording:
    """Run a twin, perhaps with its node changed; for the rest see `record`."""

    def prepared(engine: Engine) -> None:
        if change is not None:
            change.apply(engine, ego.centre)
        prepare(engine)

    return record(
        ego.scenario,
        ego.graph,
        opener_side=ego.opener_side,
        demand=ego.demand,
        node1_local_msat=ego.node1_local_msat,
        prepare=prepared,
        watch_step=watch_step,
    )
