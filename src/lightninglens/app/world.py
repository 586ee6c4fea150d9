"""Building the world that the service runs: its network, its balances, its engine and its demand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.graph import NetworkGraph, unique_names
from lightninglens.core.units import NS_PER_SECOND
from lightninglens.sim.balances import BalanceModel, draw_openers, initial_balances
from lightninglens.sim.demand import Demand, draw_intents, named_demand, to_requests
from lightninglens.sim.engine import Engine
from lightninglens.sim.records import EngineConfig, PaymentRequests
from lightninglens.sim.scenario import WORLD_START_S
from lightninglens.sim.topology.lab import lab_topology, with_capacity

WORLD_START_NS = WORLD_START_S * NS_PER_SECOND
"""The same start for all, so that the same seed gives the same payments."""

FIRST_WINDOW_NS = 600 * NS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldOptions:
    """Which world."""

    topology: Literal["built", "drawn"] = "built"
    opening: Literal["opener", "balanced"] = "opener"
    capacity_sat: int = 1_000_000
    demand: Literal["roles", "settlements", "uniform"] = "roles"
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A network that is ready to run, with its first window of demand submitted."""

    name: str
    names: tuple[str, ...]
    """Of each node row; all different."""
    opener_side: NDArray[np.int8]
    engine: Engine
    drawn_until_ns: int
    draw: Callable[[int, int], PaymentRequests]
    """The payments that begin in [start_ns, end_ns)."""

    @property
    def graph(self) -> NetworkGraph:
        """The network."""
        return self.engine.graph


def build_lab(options: WorldOptions) -> World:
    """Return the five-node lab."""
    lab = lab_topology(options.seed, drawn=options.topology == "drawn")
    graph = with_capacity(lab.graph, options.capacity_sat)
    opener_side = (graph.node1 != np.array(lab.openers)).astype(np.int8)
    model = BalanceModel.BALANCED if options.opening == "balanced" else BalanceModel.OPENER
    demand = named_demand(options.demand, lab=True)
    return _world("lab", graph, lab.names, opener_side, model, demand, options.seed)


def build_from_graph(graph: NetworkGraph, name: str, options: WorldOptions) -> World:
    """Return a world on any graph; openers and balances, which no public graph tells, are drawn."""
    opener_side = draw_openers(graph, seed=options.seed)
    demand = named_demand(options.demand, lab=False)
    names = unique_names(graph.node_ids, graph.aliases)
    return _world(name, graph, names, opener_side, BalanceModel.UNIFORM, demand, options.seed)


def _world(
    name: str,
    graph: NetworkGraph,
    names: Sequence[str],
    opener_side: NDArray[np.int8],
    balances: BalanceModel,
    demand: Demand,
    seed: int,
) -> World:
    config = EngineConfig(seed=seed, start_ns=WORLD_START_NS)
    balance_msat = initial_balances(
        graph, opener_side, model=balances, seed=seed, commit_feerate_sat_per_kw=config.commit_feerate_sat_per_kw
    )
    engine = Engine(graph, balance_msat=balance_msat, opener_side=opener_side, config=config)
    draw = partial(_draw, demand, graph, seed)
    drawn_until_ns = WORLD_START_NS + FIRST_WINDOW_NS
    # Submitting and running here compiles every kernel before the clock starts.
    engine.submit(draw(WORLD_START_NS, drawn_until_ns))
    engine.run_until(WORLD_START_NS)
    return World(
        name=name,
        names=tuple(names),
        opener_side=opener_side,
        engine=engine,
        drawn_until_ns=drawn_until_ns,
        draw=draw,
    )


def _draw(demand: Demand, graph: NetworkGraph, seed: int, start_ns: int, end_ns: int) -> PaymentRequests:
    intents = draw_intents(demand, graph, seed=seed, start_ns=start_ns, end_ns=end_ns, origin_ns=WORLD_START_NS)
    return to_requests(intents)
