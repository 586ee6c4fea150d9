"""Strongly connected components of a directed graph given as columns."""

import numpy as np
from numpy.typing import NDArray

from lightninglens.analytics._kernels import tarjan


def strong_components(sources: NDArray[np.int32], targets: NDArray[np.int32], nodes: int) -> NDArray[np.int32]:
    """Return, per node, the number of its strongly connected component.

    Two nodes have the same number exactly when each can be reached from the
    other. Numbers run from 0 without gaps; a node without edges is a component
    of its own. Takes O(nodes + edges).

    Source: Tarjan, "Depth-first search and linear graph algorithms" (1972), with
    an explicit stack.
    """
    order = np.argsort(sources, kind="stable")
    starts = np.zeros(nodes + 1, np.int64)
    np.cumsum(np.bincount(sources, minlength=nodes), out=starts[1:])
    component = np.full(nodes, -1, np.int32)
    tarjan(starts, targets[order], component, starts[:nodes].copy(), *np.zeros((4, nodes), np.int64))
    return component
