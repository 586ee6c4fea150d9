"""Compiled loops of the analytics."""

from typing import Any

from lightninglens.core.jit import kernel


@kernel
def tarjan(
    starts: Any, heads: Any, component: Any, edge: Any, visited: Any, lowest: Any, path: Any, pending: Any
) -> None:
    """Number the strongly connected components; `component` comes filled with -1.

    Edges of node n lead to heads[starts[n]:starts[n + 1]]. The rest is working
    memory, one int64 per node: `edge` begins as the nodes' `starts`, `visited`,
    which is the order of discovery from 1 on, and `lowest` as zeros.
    """
    nodes = component.shape[0]
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
