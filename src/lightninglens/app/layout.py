"""Where to draw the nodes: the lab as its drawing has it, any other network on a spiral by size."""

import math
from collections.abc import Sequence

import numpy as np

from lightninglens.core.graph import NetworkGraph

LAB_POSITIONS = {
    "lnd-alice": (0.0, 1.0),
    "lnd-bob": (1.0, 1.35),
    "lnd-carol": (2.0, 1.0),
    "lnd-eve": (0.0, 0.0),
    "lnd-dave": (2.0, 0.0),
}
"""Alice, Bob and Carol on top; Eve below Alice, Dave below Carol. Bob stands out of
line, since otherwise the channel from Alice to Carol would lie under those to Bob."""

_GOLDEN_ANGLE = math.pi * (3.0 - math.sqrt(5.0))


def positions(graph: NetworkGraph, names: Sequence[str]) -> list[tuple[float, float]]:
    """Return each node's place, the same for the same graph; y grows upwards.

    In a network other than the lab the nodes with most capacity are in the
    middle of a sunflower spiral, which spreads any number of them evenly.
    """
    if set(names) == set(LAB_POSITIONS):
        return [LAB_POSITIONS[name] for name in names]
    capacity = np.bincount(graph.node1, graph.capacity_sat, graph.node_count)
    capacity += np.bincount(graph.node2, graph.capacity_sat, graph.node_count)
    rank = np.empty(graph.node_count, np.int64)
    rank[np.argsort(-capacity, kind="stable")] = np.arange(graph.node_count)
    radius, angle = np.sqrt(rank + 0.5), rank * _GOLDEN_ANGLE
    return list(zip((radius * np.cos(angle)).tolist(), (radius * np.sin(angle)).tolist(), strict=True))
