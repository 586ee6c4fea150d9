"""How far the twins of nodes are from the full network: earnings, and what a change does to them, by radius.

    python benchmarks/ego.py --graph graph.json.gz --payments 20000 --nodes 20 --json

Nodes are taken at even steps among those with at least `--least-forwards` forwards, by their number. Each is run in
the full network and in its twins, as it is, with twice its fee rates, and with 2,000,000 sat more in the channel where
it refused most. The floor is the full network against itself with other delays.
"""

import argparse
import json
import os
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np

from lightninglens.core.htlc import FailureCode
from lightninglens.lab.ego import Comparison, NodeChange, Recording, compare, earnings_of, record
from lightninglens.lab.ego.compare import floor_of
from lightninglens.lab.worlds import open_world
from lightninglens.sim.demand import named_demand
from lightninglens.sim.scenario import Scenario

ADDED_SAT = 2_000_000
RADII = (1, 2, 3)
MEASURES = ("fees_msat", "forwards", "volume_msat", "failures")


def routing_nodes(base: Recording, count: int, least_forwards: int) -> list[int]:
    """Return nodes at even steps among those that forward enough, the busiest first."""
    attempts = base.attempts
    settled = np.repeat(attempts.rows["code"] == FailureCode.NONE, attempts.rows["hops"])
    passed = np.bincount(base.graph.targets()[attempts.routes[settled]], minlength=base.graph.node_count)
    busy = [int(node) for node in np.argsort(-passed, kind="stable") if passed[node] >= least_forwards]
    busy = [node for node in busy if earnings_of(base, node).forwards >= least_forwards]
    steps = np.unique(np.linspace(0, len(busy) - 1, min(count, len(busy))).round().astype(int))
    return [busy[step] for step in steps]


def poorest_channel(base: Recording, node: int) -> int:
    """Return the row of the channel in which a node refused most, of those alike the largest."""
    graph, failed = base.graph, base.attempts.rows["failed_direction"]
    own = np.flatnonzero(graph.sources() == node)
    refused = np.bincount(failed[failed >= 0], minlength=2 * graph.channel_count)[own]
    return int(own[np.lexsort((graph.capacity_sat[own // 2], refused))[-1]]) // 2


def errors(found: Sequence[Comparison], run: int, name: str) -> list[float]:
    """Return relative errors of a measure of the twins in one run."""
    pairs = [(getattr(one.twin[run], name), getattr(one.full[run], name)) for one in found]
    return [(twin - full) / full for twin, full in pairs if full]


def change_errors(found: Sequence[Comparison], run: int) -> dict[str, Any]:
    """Return how what a change does to the fees differs, relative to the fees without it."""
    full = np.array([(one.full[run].fees_msat - one.full[0].fees_msat) / one.full[0].fees_msat for one in found])
    twin = np.array([(one.twin[run].fees_msat - one.twin[0].fees_msat) / one.full[0].fees_msat for one in found])
    moved = np.abs(full) > 0.01
    return {
        "full_change_abs": spread(np.abs(full)),
        "error_abs": spread(np.abs(twin - full)),
        "nodes_that_moved": int(moved.sum()),
        "same_sign": int(np.count_nonzero(np.sign(full[moved]) == np.sign(twin[moved]))),
    }


def spread(values: Any) -> dict[str, float]:
    """Return the median and the 90 % quantile."""
    values = np.asarray(values, np.float64)
    if not len(values):
        return {}
    return {"median": round(float(np.median(values)), 4), "p90": round(float(np.quantile(values, 0.9)), 4)}


def by_radius(found: Sequence[Comparison]) -> dict[str, Any]:
    """Return sizes, errors and times of one radius."""
    return {
        "real_nodes": spread([one.nodes for one in found]),
        "real_channels": spread([one.channels for one in found]),
        "crossings": spread([one.payments for one in found]),
        "error_abs": {name: spread(np.abs(errors(found, 0, name))) for name in MEASURES},
        "error_signed": {name: spread(errors(found, 0, name)).get("median") for name in MEASURES},
        "fee_doubled": change_errors(found, 1),
        "liquidity_added": change_errors(found, 2),
        "twin_cpu_s": spread([cpu_s for one in found for cpu_s in one.twin_cpu_s]),
        "cut_cpu_s": spread([one.cut_cpu_s for one in found]),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graph", default="synthetic:1000")
    parser.add_argument("--payments", type=int, default=20_000)
    parser.add_argument("--demand", default="micro-2023")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--least-forwards", type=int, default=30)
    parser.add_argument("--json", action="store_true", help="the only form; for the sake of scripts")
    given = parser.parse_args()
    world = open_world(given.graph, seed=given.seed)
    demand = named_demand(given.demand, lab=False)
    scenario = Scenario(name="ego", seed=given.seed, graph=world.source, payments=given.payments, demand=demand)
    record(Scenario(name="warm", seed=1, graph=world.source, payments=50, demand=demand), world.graph)
    base = record(scenario, world.graph, opener_side=world.opener_side)
    nodes = routing_nodes(base, given.nodes, given.least_forwards)
    found: dict[int, list[Comparison]] = {radius: [] for radius in RADII}
    full_cpu_s: list[float] = []
    for node in nodes:
        poor = base.graph.channel_id(poorest_channel(base, node))
        changes = [NodeChange(fee_factor=2.0), NodeChange(channel_id=poor, added_sat=ADDED_SAT)]
        for one in compare(base, node, RADII, changes):
            found[one.radius].append(one)
        full_cpu_s += found[1][-1].full_cpu_s
    floor = floor_of(base, np.array(nodes))
    pairs = {name: [(getattr(a, name), getattr(b, name)) for a, b in floor] for name in MEASURES}
    facts = {
        "graph": given.graph,
        "payments": given.payments,
        "demand": given.demand,
        "seed": given.seed,
        "nodes": len(nodes),
        "forwards_of_nodes": [earnings_of(base, node).forwards for node in nodes],
        "success_rate": round(base.succeeded / given.payments, 4),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load_average": os.getloadavg(),
        "full_cpu_s": spread(full_cpu_s),
        "floor_error_abs": {
            name: spread([abs(second - first) / first for first, second in both if first])
            for name, both in pairs.items()
        },
        "radius": {str(radius): by_radius(found[radius]) for radius in RADII},
    }
    print(json.dumps(facts, indent=2))


if __name__ == "__main__":
    main()
