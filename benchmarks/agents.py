"""What agents cost: processor seconds of one simulation with 0, 100 and 1,000 nodes that look once an hour.

    python benchmarks/agents.py --graph graph.json.gz --payments 20000 --json

The payments are the same in all. An agent reads its own channels and decides nothing, so that what is measured is the
look and not what comes of it. The nodes without an agent pay if the time for everything but looks grows.
"""

import argparse
import json
import os
import platform
import statistics
from typing import Any

import numpy as np

from lightninglens.core.clock import Stopwatch
from lightninglens.lab.worlds import World, open_world
from lightninglens.sim.agents import Agents, AgentView, Decision, Seat
from lightninglens.sim.demand import named_demand
from lightninglens.sim.scenario import Scenario
from lightninglens.sim.simulation import Simulation

COUNTS = (0, 100, 1_000)


class Looker:
    """Sums what its node can send, and leaves everything as it is."""

    looks = 0
    channels = 0

    def decide(self, view: AgentView, _now: int) -> Decision:
        """Look."""
        Looker.looks += 1
        Looker.channels += len(view.channels)
        sum(channel.local_msat for channel in view.channels)
        return Decision()


class TimedAgents:
    """Counts the processor time of looks, apart from the loop's."""

    def __init__(self, agents: Agents) -> None:
        self.agents = agents
        self.cpu_s = 0.0

    @property
    def next_ns(self) -> int | None:
        """When somebody looks next."""
        return self.agents.next_ns

    def take(self, harvest: Any) -> None:
        """Keep what concerns the agents."""
        watch = Stopwatch()
        self.agents.take(harvest)
        self.cpu_s += watch.cpu_s()

    def wake(self, engine: Any) -> None:
        """Ask those whose time has come."""
        watch = Stopwatch()
        self.agents.wake(engine)
        self.cpu_s += watch.cpu_s()


def run(world: World, scenario: Scenario, count: int, *, watches: bool) -> dict[str, Any]:
    """Run once with so many agents, the nodes with most channels first."""
    graph = world.graph
    channels = np.bincount(np.concatenate([graph.node1, graph.node2]), minlength=graph.node_count)
    nodes = np.argsort(-channels, kind="stable")[:count]
    Looker.looks = Looker.channels = 0
    seats = [
        Seat(node_id=graph.node_ids[int(node)], agent=Looker(), every_s=3_600.0, watches=watches) for node in nodes
    ]
    simulation = Simulation(scenario, graph, opener_side=world.opener_side, seats=seats)
    timed = TimedAgents(simulation._agents)  # noqa: SLF001 - to time it from outside
    simulation._agents = timed  # type: ignore[assignment]  # noqa: SLF001
    watch, started_ns = Stopwatch(), simulation.engine.now_ns
    for _ in simulation.steps():
        pass
    cpu_s = watch.cpu_s()
    return {
        "agents": count,
        "looks": Looker.looks,
        "channels_per_look": round(Looker.channels / max(Looker.looks, 1), 1),
        "world_hours": round((simulation.engine.now_ns - started_ns) / 3.6e12, 2),
        "events": simulation.engine.events,
        "cpu_s": round(cpu_s, 3),
        "agents_cpu_s": round(timed.cpu_s, 3),
        "loop_cpu_s": round(cpu_s - timed.cpu_s, 3),
        "us_per_look": round(1e6 * timed.cpu_s / Looker.looks, 1) if Looker.looks else None,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graph", default="synthetic:1000")
    parser.add_argument("--payments", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--watch", action="store_true", help="agents are given their HTLC events too")
    parser.add_argument("--json", action="store_true", help="the only form; for the sake of scripts")
    given = parser.parse_args()
    world = open_world(given.graph, seed=given.seed)
    scenario = Scenario(
        name="agents",
        seed=given.seed,
        graph=world.source,
        payments=given.payments,
        demand=named_demand("micro-2023", lab=False),
    )
    run(world, scenario, 0, watches=False)
    counts = [count for count in COUNTS if count <= world.graph.node_count]
    turns = [[run(world, scenario, count, watches=given.watch) for count in counts] for _ in range(given.repeat)]
    rows = []
    for place in range(len(counts)):
        same = [turn[place] for turn in turns]
        times = {
            name: {"min": min(row[name] for row in same), "median": statistics.median(row[name] for row in same)}
            for name in ("cpu_s", "agents_cpu_s", "loop_cpu_s", "us_per_look")
            if same[0][name] is not None
        }
        rows.append({**same[0], **times})
    machine = {"machine": platform.machine(), "cores": os.cpu_count(), "load_average": os.getloadavg()}
    print(json.dumps({"graph": given.graph, "payments": given.payments, **machine, "runs": rows}, indent=2))


if __name__ == "__main__":
    main()
