"""The search's heap, compiled: four children per node, and a node can come forward.

Order: key, distance, greater probability, fewer hops, lower node index. The
keys stand in the heap itself; the rest is looked up only where they are equal.
"""

from typing import Any

import numpy as np

from lightninglens.core.jit import kernel

_ARITY = 4


@kernel
def settles_before(reach: Any, labels: Any, first: Any, second: Any) -> Any:
    """Say whether `first` precedes `second` by distance, probability, hops and index."""
    if reach[first].distance != reach[second].distance:
        return reach[first].distance < reach[second].distance
    a, b = labels[first], labels[second]
    if a.probability != b.probability:
        return a.probability > b.probability
    if a.hops != b.hops:
        return a.hops < b.hops
    return first < second


@kernel
def raise_node(keys: Any, nodes: Any, reach: Any, labels: Any, slot: Any, key: Any, node: Any) -> None:
    """Put a node with its key into a slot that is free or its own, and move it up to its place."""
    while slot > 0:
        parent = (slot - 1) // _ARITY
        other = nodes[parent]
        if keys[parent] < key or (keys[parent] == key and not settles_before(reach, labels, node, other)):
            break
        keys[slot] = keys[parent]
        nodes[slot] = other
        reach[other].heap_slot = np.int32(slot)
        slot = parent
    keys[slot] = key
    nodes[slot] = node
    reach[node].heap_slot = np.int32(slot)


@kernel
def pop_node(keys: Any, nodes: Any, reach: Any, labels: Any, size: Any) -> Any:
    """Take the first node from a heap of `size` nodes."""
    top = nodes[0]
    reach[top].heap_slot = np.int32(-1)
    size -= 1
    if size == 0:
        return top
    node, key = nodes[size], keys[size]
    slot = np.int64(0)
    while True:
        child = slot * _ARITY + 1
        if child >= size:
            break
        best: Any = child
        for other in range(child + 1, min(child + _ARITY, size)):
            if keys[other] < keys[best] or (
                keys[other] == keys[best] and settles_before(reach, labels, nodes[other], nodes[best])
            ):
                best = other
        if keys[best] > key or (keys[best] == key and settles_before(reach, labels, node, nodes[best])):
            break
        keys[slot] = keys[best]
        nodes[slot] = nodes[best]
        reach[nodes[slot]].heap_slot = np.int32(slot)
        slot = best
    keys[slot] = key
    nodes[slot] = node
    reach[node].heap_slot = np.int32(slot)
    return top
