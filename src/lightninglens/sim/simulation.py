"""A scenario on its network: builds the engine, submits the intents, hands out what happens."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import InvariantError
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.ids import parse_node_id
from lightninglens.core.units import NS_PER_SECOND
from lightninglens.sim.balances import draw_openers, initial_balances
from lightninglens.sim.demand import first_intents, to_requests
from lightninglens.sim.engine import FOREVER_NS, Engine, EngineConfig, Harvest
from lightninglens.sim.scenario import Scenario

STEP_EVENTS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All channels at one moment; rows and directions are the graph's."""

    time_ns: int
    local_msat: NDArray[np.int64]
    in_flight_msat: NDArray[np.int64]
    commit_fee_sat: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one step of a simulation brought."""

    harvest: Harvest
    snapshots: tuple[Snapshot, ...]
    now_ns: int


class Simulation:
    """One run of a scenario, in steps that a caller may stop after any of."""

    def __init__(self, scenario: Scenario, graph: NetworkGraph, *, opener_side: NDArray[np.int8] | None = None) -> None:
        """Prepare the run; `opener_side` is known for the lab and drawn otherwise.

        Raises ValueError when an observed node is not in the graph.
        """
        world = scenario.world
        self.scenario = scenario
        self.graph = graph
        self.start_ns = world.start_unix_s * NS_PER_SECOND
        self.opener_side = draw_openers(graph, seed=scenario.seed) if opener_side is None else opener_side
        self.engine = Engine(
            graph,
            balance_msat=initial_balances(
                graph,
                self.opener_side,
                model=scenario.balances,
                seed=scenario.seed,
                commit_feerate_sat_per_kw=world.commit_feerate_sat_per_kw,
            ),
            opener_side=self.opener_side,
            config=EngineConfig(
                seed=scenario.seed,
                start_ns=self.start_ns,
                start_height=world.start_height,
                commit_feerate_sat_per_kw=world.commit_feerate_sat_per_kw,
                hop_delay_median_ms=world.hop_delay_median_ms,
                hop_delay_sigma=world.hop_delay_sigma,
                payment_timeout_ns=world.payment_timeout_s * NS_PER_SECOND,
            ),
        )
        self.engine.observe([self._row_of(node) for node in scenario.observed_nodes])
        self.intents = first_intents(
            scenario.demand, graph, seed=scenario.seed, count=scenario.payments, origin_ns=self.start_ns
        )
        self.engine.submit(to_requests(self.intents))

    def _row_of(self, node: str) -> int:
        try:
            return self.graph.node_index(parse_node_id(node))
        except KeyError:
            raise ValueError(f"{node} is not a node of this graph") from None

    @property
    def payments_total(self) -> int:
        """How many payments the run will make."""
        return len(self.intents.start_ns)

    def steps(self) -> Iterator[Step]:
        """Run to the end, yielding after every few thousand events; stop iterating to stop the run.

        Raises InvariantError when a millisatoshi has appeared or disappeared.
        """
        interval_ns = self.scenario.snapshot_interval_s * NS_PER_SECOND
        next_snapshot_ns = self.start_ns + interval_ns
        yield self._step([self._snapshot()])
        while self.engine.next_event_ns is not None:
            horizon = next_snapshot_ns if interval_ns else FOREVER_NS
            snapshots = []
            if self.engine.run_until(horizon, most_events=STEP_EVENTS) and interval_ns:
                snapshots.append(self._snapshot())
                next_snapshot_ns += interval_ns
            self._check()
            yield self._step(snapshots)
        yield self._step([self._snapshot()])

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            time_ns=self.engine.now_ns,
            local_msat=self.engine.local_msat(),
            in_flight_msat=self.engine.pending_msat(),
            commit_fee_sat=self.engine.commit_fees_sat(),
        )

    def _step(self, snapshots: list[Snapshot]) -> Step:
        return Step(harvest=self.engine.harvest(), snapshots=tuple(snapshots), now_ns=self.engine.now_ns)

    def _check(self) -> None:
        drift = self.engine.conservation_drift_msat()
        if drift:
            raise InvariantError(f"the simulation lost or made {drift} msat: please report this scenario and seed")
