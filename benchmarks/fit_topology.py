"""Measure the constants of the synthetic mainnet on a graph file.

    python benchmarks/fit_topology.py graph.json.gz

prints the tables of `lightninglens/sim/topology/mainnet_fit.py` as JSON. What
each table means stands there.
"""

import argparse
import json
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.graph import NetworkGraph
from lightninglens.sim.topology.mainnet_fit import DEGREE_CLASS_STARTS, DEGREE_LEVELS, LEVELS, STALE_CLASSES
from lightninglens.storage.files.graphs import read_graph

DEGREE_CLASSES = len(DEGREE_CLASS_STARTS)
CLASSES = DEGREE_CLASSES + STALE_CLASSES
PAIRS = CLASSES * (CLASSES + 1) // 2
NODE_SAMPLE = 5
"""Directions that a node must have to count in the share of variance between nodes."""


def fit(graph: NetworkGraph) -> dict[str, Any]:
    """Return every measured constant, by its name in `mainnet_fit`."""
    degree = np.bincount(np.concatenate([graph.node1, graph.node2]), minlength=graph.node_count)
    degree_class = np.digitize(degree, DEGREE_CLASS_STARTS[1:])
    usable = graph.usable()
    sides = usable.reshape(-1, 2).sum(axis=1)
    stale = np.bincount(np.concatenate([graph.node1, graph.node2]), weights=np.tile(sides, 2)) == 0
    class_of = np.where(stale, DEGREE_CLASSES + np.minimum(degree_class, STALE_CLASSES - 1), degree_class)
    pair = _pair_index(class_of[graph.node1], class_of[graph.node2])
    both_live = ~stale[graph.node1] & ~stale[graph.node2]
    log_capacity = np.log(graph.capacity_sat)
    pair_log_capacity = _pair_means(pair, log_capacity)
    pairs = np.unique(np.stack([graph.node1, graph.node2], axis=1), axis=0)
    policies = graph.policies
    per_mille = np.rint(policies.max_htlc_msat / np.repeat(graph.capacity_sat, 2)).astype(np.int64)
    columns = {
        "fee_rate_ppm": policies.fee_rate_ppm[usable],
        "base_fee_msat": policies.base_fee_msat[usable],
        "time_lock_delta_blocks": policies.time_lock_delta_blocks[usable],
        "min_htlc_msat": policies.min_htlc_msat[usable],
        "max_htlc_per_mille": per_mille[usable],
    }
    source = graph.sources()[usable]
    return {
        "NODES": graph.node_count,
        "CHANNELS_PER_NODE": round(graph.channel_count / graph.node_count, 4),
        "PAIRS_PER_CHANNEL": round(len(pairs) / graph.channel_count, 4),
        "CLASS_NODE_SHARE": _rounded(np.bincount(degree_class) / graph.node_count, 5),
        "STALE": _rounded(np.bincount(degree_class, weights=stale) / np.bincount(degree_class), 4),
        "DEGREE_QUANTILES": _quantiles(degree, DEGREE_LEVELS),
        "MIXING": _rounded(np.bincount(pair, minlength=PAIRS) / graph.channel_count, 5),
        "UNUSABLE": _rounded(_pair_means(pair[both_live], (sides[both_live] == 0).astype(float)), 4),
        "ONE_WAY": _rounded(_pair_means(pair[sides > 0], (sides[sides > 0] == 1).astype(float)), 4),
        "PAIR_LOG_CAPACITY": _rounded(pair_log_capacity, 2),
        "LOG_CAPACITY_SPREAD": round(float((log_capacity - pair_log_capacity[pair]).std()), 3),
        "CAPACITY_QUANTILES_SAT": _quantiles(graph.capacity_sat, LEVELS),
        "POLICY_QUANTILES": {name: _quantiles(values, LEVELS) for name, values in columns.items()},
        "NODE_VARIANCE_SHARE": {name: _between_nodes(values, source) for name, values in columns.items()},
        "FEE_RATE_CAPACITY_CORRELATION": round(
            float(
                np.corrcoef(_scores(columns["fee_rate_ppm"]), _scores(np.repeat(graph.capacity_sat, 2)[usable]))[0, 1]
            ),
            3,
        ),
    }


def _pair_index(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of each unordered pair of classes: (0,0), (0,1), ..., (1,1), (1,2), ..."""
    low, high = np.minimum(one, other), np.maximum(one, other)
    return np.asarray(low * CLASSES - low * (low - 1) // 2 + high - low)


def _pair_means(pair: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean in each pair of classes; 0 where there is none."""
    return np.bincount(pair, weights=values, minlength=PAIRS) / np.maximum(np.bincount(pair, minlength=PAIRS), 1)


def _quantiles(values: NDArray[np.int64], levels: tuple[float, ...]) -> list[int]:
    return [int(value) for value in np.quantile(values, levels, method="lower")]


def _rounded(values: NDArray[np.float64], digits: int) -> list[float]:
    return [round(float(value), digits) for value in values]


def _scores(values: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return normal scores of the mid-ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - counts / 2) / len(values)
    return np.array([NormalDist().inv_cdf(level) for level in middle])[inverse]


def _between_nodes(values: NDArray[np.int64], source: NDArray[np.int32]) -> float:
    """Return the share of the variance of normal scores that lies between nodes (intraclass correlation)."""
    scores = _scores(values)
    count = np.bincount(source)
    mean = np.bincount(source, weights=scores) / np.maximum(count, 1)
    chosen = count[source] >= NODE_SAMPLE
    freedom = chosen.sum() - (count >= NODE_SAMPLE).sum()
    within = ((scores - mean[source])[chosen] ** 2).sum() / freedom
    return round(float(1 - within / scores[chosen].var()), 3)


def main() -> None:
    """Print the constants."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graph", type=Path)
    print(json.dumps(fit(read_graph(parser.parse_args().graph).graph)))


if __name__ == "__main__":
    main()
