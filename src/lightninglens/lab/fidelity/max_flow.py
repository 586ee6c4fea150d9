"""A1: how much could be paid at all between random nodes, whatever the sender does (Pickhardt)."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from lightninglens.core.graph import NetworkGraph
from lightninglens.core.rng import Stream, uniforms
from lightninglens.lab.fidelity.findings import Line, Table, Value, Verdict, share
from lightninglens.lab.fidelity.published import (
    MAX_FLOW_AMOUNTS_SAT,
    MAX_FLOW_FULL,
    MAX_FLOW_PROFESSIONAL,
    MAX_FLOW_SAMPLES,
    MAX_FLOW_SOURCE,
)

CORE_NODES: Final = 500
"""How many nodes the well-connected part has at least: the published one had 573."""
_MOST_SAT: Final = 2**31 - 1
"""What an arc may carry in scipy's max-flow: 21 BTC, far above any amount of interest."""
_ENOUGH_SAT: Final = 100_000_000
"""A flow is not followed beyond this, so that sums stay within 32 bits."""

Progress = Callable[[int, int], None]


class Pairs(NamedTuple):
    """Pairs of nodes joined by channels, parallel ones as one; the usable sides of each."""

    node_count: int
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    capacity_sat: NDArray[np.int64]
    upward: NDArray[np.bool_]
    """low -> high can be used."""
    downward: NDArray[np.bool_]


def announced_pairs(graph: NetworkGraph) -> Pairs:
    """Return all channels, usable both ways, enabled or not: the published model."""
    everything = np.ones(graph.channel_count, np.bool_)
    return _merged(graph, everything, everything, everything)


def usable_pairs(graph: NetworkGraph) -> Pairs:
    """Return the channels with a side that is announced and enabled, usable on those sides only."""
    usable = graph.usable().reshape(-1, 2)
    return _merged(graph, usable[:, 0] | usable[:, 1], usable[:, 0], usable[:, 1])


def _merged(graph: NetworkGraph, kept: NDArray[np.bool_], forth: NDArray[np.bool_], back: NDArray[np.bool_]) -> Pairs:
    first, second = graph.node1[kept].astype(np.int64), graph.node2[kept].astype(np.int64)
    low, high = np.minimum(first, second), np.maximum(first, second)
    keys, of_pair = np.unique(low * graph.node_count + high, return_inverse=True)
    capacity = np.bincount(of_pair, weights=graph.capacity_sat[kept]).astype(np.int64)
    upward, downward = np.zeros((2, len(keys)), np.bool_)
    np.logical_or.at(upward, of_pair, np.where(first < second, forth[kept], back[kept]))
    np.logical_or.at(downward, of_pair, np.where(first < second, back[kept], forth[kept]))
    return _relabelled(keys // graph.node_count, keys % graph.node_count, capacity, upward, downward)


def _relabelled(
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    capacity_sat: NDArray[np.int64],
    upward: NDArray[np.bool_],
    downward: NDArray[np.bool_],
) -> Pairs:
    """Return the pairs with their nodes numbered anew, without gaps."""
    nodes, rows = np.unique(np.concatenate([low, high]), return_inverse=True)
    return Pairs(len(nodes), rows[: len(low)], rows[len(low) :], capacity_sat, upward, downward)


def well_connected(pairs: Pairs, *, least_nodes: int = CORE_NODES) -> tuple[Pairs, int]:
    """Return the innermost k-core by peers that has at least so many nodes, and its k."""
    kept, core, peers = np.ones(len(pairs.low), np.bool_), np.ones(len(pairs.low), np.bool_), 0
    while True:
        inner = _k_core(pairs, kept, peers + 1)
        nodes = len(np.unique(np.concatenate([pairs.low[inner], pairs.high[inner]])))
        if nodes < least_nodes:
            break
        core, kept, peers = inner, inner, peers + 1
    found = _relabelled(
        pairs.low[core], pairs.high[core], pairs.capacity_sat[core], pairs.upward[core], pairs.downward[core]
    )
    return found, peers


def _k_core(pairs: Pairs, kept: NDArray[np.bool_], peers: int) -> NDArray[np.bool_]:
    while True:
        ends = np.concatenate([pairs.low[kept], pairs.high[kept]])
        degree = np.bincount(ends, minlength=pairs.node_count)
        inner = kept & (degree[pairs.low] >= peers) & (degree[pairs.high] >= peers)
        if inner.sum() == kept.sum():
            return inner
        kept = inner


def sample_flows(pairs: Pairs, samples: int, *, seed: int) -> Iterator[int]:
    """Yield max-flows in sat, each between two random nodes on balances drawn afresh.

    Of a pair's whole capacity the lower node owns a uniform share. A flow
    above 1 BTC is yielded as 1 BTC.
    """
    count, nodes = len(pairs.low), pairs.node_count
    rows = np.concatenate([pairs.low, pairs.high, [nodes]])
    columns = np.concatenate([pairs.high, pairs.low, [0]])
    for sample in range(samples):
        draws = uniforms(seed, 10 + sample, Stream.FIDELITY, count + 2)
        owned = np.floor(draws[:count] * (pairs.capacity_sat + 1)).astype(np.int64)
        source = int(draws[count] * nodes)
        sink = int(draws[count + 1] * (nodes - 1))
        sink += sink >= source
        columns[-1] = source
        arcs = np.concatenate([owned * pairs.upward, (pairs.capacity_sat - owned) * pairs.downward, [_ENOUGH_SAT]])
        network = csr_array(
            (np.minimum(arcs, _MOST_SAT).astype(np.int32), (rows, columns)), shape=(nodes + 1, nodes + 1)
        )
        yield int(maximum_flow(network, nodes, sink).flow_value)


def compare_max_flow(
    graph: NetworkGraph, *, samples: int, seed: int = 1, progress: Progress = lambda _done, _total: None
) -> tuple[Table, ...]:
    """Run A1 on a snapshot and return ours beside the published shares."""
    announced, usable = announced_pairs(graph), usable_pairs(graph)
    (core, peers), (usable_core, usable_peers) = well_connected(announced), well_connected(usable)
    studied = (announced, usable, core, usable_core)
    flows: list[NDArray[np.int64]] = []
    for pairs in studied:
        found = []
        for flow in sample_flows(pairs, samples, seed=seed):
            found.append(flow)
            progress(len(flows) * samples + len(found), len(studied) * samples)
        flows.append(np.array(found))
    full = _table("max-flow-full", "all nodes", MAX_FLOW_FULL, flows[0], flows[1], (announced, usable))
    rule = (
        f"Ours are the nodes of the innermost core of at least {CORE_NODES} nodes: each has {peers} peers or more"
        f" within it ({core.node_count:,} nodes, {len(core.low):,} pairs), and {usable_peers} by usable channels"
        f" ({usable_core.node_count:,} nodes, {len(usable_core.low):,} pairs). The published part had 573 nodes and"
        " 7,123 edges, chosen by a list of node scores that no longer exists."
    )
    inner = _table(
        "max-flow-core", "well-connected nodes", MAX_FLOW_PROFESSIONAL, flows[2], flows[3], (core, usable_core), rule
    )
    return full, inner


def _table(
    key: str,
    who: str,
    published: Mapping[str, tuple[float, ...]],
    announced: NDArray[np.int64],
    usable: NDArray[np.int64],
    sizes: tuple[Pairs, Pairs],
    *notes: str,
) -> Table:
    lines = []
    curves = [
        [share(int((flows >= amount).sum()), len(flows)) for amount in MAX_FLOW_AMOUNTS_SAT]
        for flows in (announced, usable)
    ]
    falls = all(later.mean <= earlier.mean for curve in curves for earlier, later in itertools.pairwise(curve))
    for row, amount in enumerate(MAX_FLOW_AMOUNTS_SAT):
        spans = [published[year][row] for year in published]
        bounds = (curves[0][row], curves[1][row])
        verdict, why = _verdict(bounds, spans, falls=falls)
        lines.append(
            Line(
                label=f"{amount:,} sat",
                values=(
                    _with_error(spans[0]),
                    Value(mean=spans[1]),
                    *bounds,
                ),
                verdict=verdict,
                why=why,
            )
        )
    return Table(
        key=key,
        title=f"A1: share of pairs of {who} whose max-flow is at least the amount, per cent",
        columns=("published, 2022", "published, 2024", "ours, all channels", "ours, usable directions"),
        lines=tuple(lines),
        notes=(
            MAX_FLOW_SOURCE,
            (
                f"Ours: {sizes[0].node_count:,} nodes, {len(sizes[0].low):,} pairs with channels as announced;"
                f" {sizes[1].node_count:,} nodes, {len(sizes[1].low):,} pairs by directions that are announced and"
                f" enabled. {len(announced):,} samples each, each between two random nodes on balances of its"
                " own: a uniform"
                " share of the pair's capacity, no fees, parallel channels as one, as in the notebook. The"
                " published model"
                " lets every announced channel carry both ways, whether it is enabled or not; the last column does not."
            ),
            *notes,
        ),
    )


def _with_error(published: float) -> Value:
    return share(round(published / 100 * MAX_FLOW_SAMPLES), MAX_FLOW_SAMPLES)


def _verdict(bounds: tuple[Value, Value], published: list[float], *, falls: bool) -> tuple[Verdict, str]:
    """Agree when the published span and ours overlap, by 1.96 errors; else, at most, the curve falls as it should."""
    low, high = sorted(bounds, key=lambda value: value.mean)
    least, most = low.mean - 1.96 * (low.error or 0.0), high.mean + 1.96 * (high.error or 0.0)
    if least <= max(published) and min(published) <= most:
        return Verdict.AGREES, ""
    return Verdict.SHAPE if falls else Verdict.DEVIATES, "another snapshot of the network (not tested)"
