"""What a node earned in a run, and how far its twin is from that."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.clock import Stopwatch
from lightninglens.core.htlc import FailureCode
from lightninglens.lab.ego.cut import cut
from lightninglens.lab.ego.record import NodeChange, Recording, again, run_twin
from lightninglens.sim.engine import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEarnings:
    """What a node forwarded in a run."""

    forwards: int
    volume_msat: int
    """What it sent on."""
    fees_msat: int
    failures: int
    """HTLCs of others that it refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A node in the full network and in its twin, the same payments, with and without changes."""

    node: str
    radius: int
    nodes: int
    channels: int
    """Real ones in the twin."""
    payments: int
    """Crossings that the twin is asked to carry."""
    full: tuple[NodeEarnings, ...]
    """Without a change, then with each."""
    twin: tuple[NodeEarnings, ...]
    full_cpu_s: tuple[float, ...]
    twin_cpu_s: tuple[float, ...]
    cut_cpu_s: float


def forwards_at(recording: Recording, node: int) -> NDArray[np.int64]:
    """Return where, in the routes one after another, a node was reached by what it then forwarded and what settled."""
    rows, routes, _ = recording.attempts
    hops = rows["hops"].astype(np.int64)
    settled = np.repeat(rows["code"] == FailureCode.NONE, hops)
    goes_on = np.ones(len(routes), np.bool_)
    goes_on[np.cumsum(hops) - 1] = False
    return np.flatnonzero(settled & goes_on & (recording.graph.targets()[routes] == node))


def earnings_of(recording: Recording, node: int) -> NodeEarnings:
    """Return what a node earned in a run; its own payments are no forwards."""
    graph, (rows, _, amounts) = recording.graph, recording.attempts
    at = forwards_at(recording, node)
    refused = (rows["failed_index"] > 0) & (rows["failed_direction"] >= 0)
    refused &= graph.sources()[np.maximum(rows["failed_direction"], 0)] == node
    return NodeEarnings(
        forwards=len(at),
        volume_msat=int(amounts[at + 1].sum()) if len(at) else 0,
        fees_msat=int((amounts[at] - amounts[at + 1]).sum()) if len(at) else 0,
        failures=int(np.count_nonzero(refused)),
    )


def compare(base: Recording, centre: int, radii: Sequence[int], changes: Sequence[NodeChange] = ()) -> list[Comparison]:
    """Run a node's twins of some radii beside the full network, unchanged and with each change.

    Raises ValueError when nothing crossed the node's network, ConfigError when a change cannot be made.
    """
    seed = base.scenario.seed
    changed = [again(base, seed=seed, prepare=_preparation(change, centre)) for change in changes]
    runs = [base, *changed]
    return [_against_twin(runs, centre, radius, changes) for radius in radii]


def floor_of(base: Recording, nodes: NDArray[np.integer]) -> list[tuple[NodeEarnings, NodeEarnings]]:
    """Return what nodes earned, twice: the second time with other delays and other choices among parallel channels."""
    second = again(base, seed=base.scenario.seed + 1)
    return [(earnings_of(base, int(node)), earnings_of(second, int(node))) for node in nodes]


def _preparation(change: NodeChange, node: int) -> Callable[[Engine], None]:
    return lambda engine: change.apply(engine, node)


def _against_twin(runs: Sequence[Recording], centre: int, radius: int, changes: Sequence[NodeChange]) -> Comparison:
    watch = Stopwatch()
    ego = cut(runs[0], centre, radius)
    cut_cpu_s = watch.cpu_s()
    twins = [run_twin(ego), *(run_twin(ego, change=change) for change in changes)]
    return Comparison(
        node=str(ego.graph.node_ids[ego.centre]),
        radius=radius,
        nodes=ego.inside,
        channels=len(ego.channels),
        payments=ego.scenario.payments,
        full=tuple(earnings_of(run, centre) for run in runs),
        twin=tuple(earnings_of(run, ego.centre) for run in twins),
        full_cpu_s=tuple(round(run.cpu_s, 3) for run in runs),
        twin_cpu_s=tuple(round(run.cpu_s, 3) for run in twins),
        cut_cpu_s=round(cut_cpu_s, 3),
    )
