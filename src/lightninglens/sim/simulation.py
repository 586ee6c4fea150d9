"""A scenario on its network: builds the engine, submits the intents, hands out what happens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import InvariantError
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.ids import parse_node_id
from lightninglens.core.units import NS_PER_SECOND
from lightninglens.sim.agents import Agents, Seat
from lightninglens.sim.arrivals import Arrivals
from lightninglens.sim.balances import draw_openers, initial_balances
from lightninglens.sim.changes import make_change, with_opened
from lightninglens.sim.demand import Demand, prepared
from lightninglens.sim.engine import FOREVER_NS, Engine
from lightninglens.sim.engine_state import EngineState
from lightninglens.sim.records import EngineConfig, Harvest
from lightninglens.sim.remembering import Arrays
from lightninglens.sim.scenario import Scenario, held_demand
from lightninglens.sim.senders import seat_senders
from lightninglens.sim.timeline import schedule

STEP_EVENTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All channels at one moment, with those that the scenario opens later; rows are of `Simulation.whole_graph`."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationState:
    """Where a run stands: with its scenario and graph, all that its future depends on."""

    engine: EngineState
    arrivals: Arrivals
    next_snapshot_ns: int
    changes_made: int
    agents: Arrays
    """What agents remember and wait for."""


class Simulation:
    """One run of a scenario, in steps that a caller may stop after any of."""

    def __init__(
        self,
        scenario: Scenario,
        graph: NetworkGraph,
        *,
        opener_side: NDArray[np.int8] | None = None,
        demand: Demand | None = None,
        node1_local_msat: NDArray[np.int64] | None = None,
        seats: Sequence[Seat] = (),
    ) -> None:
        """Prepare the run; `opener_side` is known for the lab and drawn otherwise, `seats` are nodes that decide.

        `demand` is needed where the scenario only names it (a payment list, a
        plug-in), `node1_local_msat` where it names a file of balances.

        Raises ValueError when an observed node is not in the graph or a balance
        is above its channel, ConfigError when the demand is not there or never
        brings a payment, or a change names what is not there at its time.
        """
        world = scenario.world
        self._changes = schedule(scenario.changes, graph)
        self._changes_made = 0
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
                node1_local_msat=node1_local_msat,
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
                mpp_timeout_ns=world.mpp_timeout_s * NS_PER_SECOND,
                gossip_delay_median_ms=world.gossip_delay_s * 1_000,
                gossip_delay_sigma=world.gossip_delay_sigma,
                node_offline_share=world.node_offline_share,
                node_offline_mean_s=world.node_offline_mean_s,
                channel_offline_share=world.channel_offline_share,
                channel_offline_mean_s=world.channel_offline_mean_s,
            ),
        )
        self.whole_graph, self.whole_opener_side = with_opened(graph, self.opener_side, self._changes)
        seat_senders(self.engine, scenario.senders, seed=scenario.seed)
        self.engine.observe([self._row_of(node) for node in scenario.observed_nodes])
        self.demand = prepared(
            held_demand(scenario) if demand is None else demand, graph, seed=scenario.seed, origin_ns=self.start_ns
        )
        self._arrivals = Arrivals.of(self.demand, graph, count=scenario.payments, origin_ns=self.start_ns)
        self._next_snapshot_ns = self.start_ns
        self._seats = tuple(seats)
        self._agents = Agents(self.engine, seats)

    def _row_of(self, node: str) -> int:
        try:
            return self.graph.node_index(parse_node_id(node))
        except KeyError:
            raise ValueError(f"{node} is not a node of this graph") from None

    @property
    def payments_total(self) -> int:
        """How many payments the run will make."""
        return self._arrivals.count

    def state(self) -> SimulationState:
        """Return a copy of where the run stands; raises LensError when an agent cannot say what it remembers."""
        return SimulationState(
            engine=self.engine.state(),
            arrivals=self._arrivals,
            next_snapshot_ns=self._next_snapshot_ns,
            changes_made=self._changes_made,
            agents=self._agents.state(),
        )

    def resume(self, state: SimulationState) -> None:
        """Go on from a state of the same scenario on the same graph; the state's arrays are the run's from then on.

        The same agents must be seated; they take up what theirs remembered.

        Raises ValueError when others are seated.
        """
        self.engine = Engine.resume(state.engine)
        self._arrivals = state.arrivals
        self._next_snapshot_ns = state.next_snapshot_ns
        self._changes_made = state.changes_made
        self._agents = Agents(self.engine, self._seats)
        self._agents.restore(state.agents)

    def steps(self, *, until_ns: int = FOREVER_NS) -> Iterator[Step]:
        """Run to the end or up to a time, yielding after every few thousand events; stop iterating to stop the run.

        Channels are kept at the start, at every interval and at the end.

        Raises InvariantError when a millisatoshi has appeared or disappeared.
        """
        yield self._step(self._due_snapshots())
        self._act()
        while not self._is_over(until_ns):
            self.engine.run_until(self._horizon_ns(until_ns), most_events=STEP_EVENTS)
            self._check()
            yield self._step(self._due_snapshots())
            self._act()
        if until_ns >= FOREVER_NS:
            yield self.last_step()

    def _act(self) -> None:
        """Make the changes that are due and let the agents look whose time has come, once an instant is over."""
        if self._is_amid_an_instant():
            return
        while self._next_change_ns <= self.engine.now_ns:
            make_change(self.engine, self._changes[self._changes_made], self.start_ns)
            self._changes_made += 1
        self._agents.wake(self.engine)

    @property
    def _next_change_ns(self) -> int:
        if self._changes_made == len(self._changes):
            return FOREVER_NS
        return self.start_ns + self._changes[self._changes_made].at_ns

    def last_step(self) -> Step:
        """Return what is left to hand out of a run that ends here, with all channels as they stand."""
        return self._step([self._snapshot()])

    def _is_over(self, until_ns: int) -> bool:
        if until_ns < FOREVER_NS:
            return self.engine.now_ns >= until_ns
        return self._arrivals.left == 0 and self.engine.is_over

    def _horizon_ns(self, until_ns: int) -> int:
        wake_ns = self._agents.next_ns
        due_ns = min(self._next_snapshot_ns, self._next_change_ns, FOREVER_NS if wake_ns is None else wake_ns)
        return min(self._submit(), until_ns, due_ns)

    def _is_amid_an_instant(self) -> bool:
        next_ns = self.engine.next_event_ns
        return next_ns is not None and next_ns <= self.engine.now_ns

    def _due_snapshots(self) -> list[Snapshot]:
        if self._next_snapshot_ns > self.engine.now_ns or self._is_amid_an_instant():
            return []
        self._next_snapshot_ns += self.scenario.snapshot_interval_s * NS_PER_SECOND or FOREVER_NS
        return [self._snapshot()]

    def _submit(self) -> int:
        """Submit the payments that come next, if any are due; return until when all are known."""
        while self._arrivals.left and self._arrivals.drawn_until_ns <= self.engine.now_ns + 1:
            first_id = self._arrivals.drawn
            self._arrivals, requests = self._arrivals.next(
                self.demand,
                self.graph,
                seed=self.scenario.seed,
                senders_parts=self.scenario.most_parts,
                receivers=self.scenario.receivers,
            )
            self.engine.submit(requests, first_id=first_id)
        return self._arrivals.drawn_until_ns - 1 if self._arrivals.left else FOREVER_NS

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            time_ns=self.engine.now_ns,
            local_msat=self._padded(self.engine.local_msat(), 2),
            in_flight_msat=self._padded(self.engine.pending_msat(), 2),
            commit_fee_sat=self._padded(self.engine.commit_fees_sat(), 1),
        )

    def _padded(self, column: NDArray[np.int64], per_channel: int) -> NDArray[np.int64]:
        """Return a column with zeros for the channels that are not open yet."""
        return np.pad(column, (0, per_channel * self.whole_graph.channel_count - len(column)))

    def _step(self, snapshots: list[Snapshot]) -> Step:
        harvest = self.engine.harvest()
        self._agents.take(harvest)
        return Step(harvest=harvest, snapshots=tuple(snapshots), now_ns=self.engine.now_ns)

    def _check(self) -> None:
        drift = self.engine.conservation_drift_msat()
        if drift:
            raise InvariantError(f"the simulation lost or made {drift} msat: please report this scenario and seed")
