"""Strongly connected components of a directed graph given as columns."""

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray


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
    _tarjan(starts, targets[order], component)
    return component


@nb.njit(cache=True)
def _tarjan(starts: Any, heads: Any, component: Any) -> None:
    nodes = component.shape[0]
    visited = np.zeros(nodes, np.int64)  # order of discovery from 1 on; 0 is not yet
    lowest = np.zeros(nodes, np.int64)
    edge = starts[:nodes].copy()
    path = np.empty(nodes, np.int64)
    pending = np.empty(nodes, np.int64)
    path_size = pending_size = clock = components = 0
    for root in range(nodes):
        if visited[root]:
            continue
        path[path_size] = root
        path_size += 1
        while path_size:
            node = path[path_size - 1]
            if not visited[node]:
                clock += 1
                visited[node] = lowest[node] = clock
                pending[pending_size] = node
                pending_size += 1
            descend = False
            while edge[node] < starts[node + 1]:
                head = heads[edge[node]]
                edge[node] += 1
                if not visited[head]:
                    path[path_size] = head
                    path_size += 1
                    descend = True
                    break
                if component[head] < 0:
                    lowest[node] = min(lowest[node], visited[head])
            if descend:
                continue
            path_size -= 1
            if path_size:
                parent = path[path_size - 1]
                lowest[parent] = min(lowest[parent], lowest[node])
            if lowest[node] == visited[node]:
                while True:
                    pending_size -= 1
                    member = pending[pending_size]
                    component[member] = components
                    if member == node:
                        break
                components += 1
