"""The event heap, compiled: the earliest first, then by kind, then in the order of scheduling."""

from typing import Any

import numpy as np

from lightninglens.core.jit import kernel
from lightninglens.sim.state import Count, EventKind

_HEAP = int(Count.HEAP)
_SEQUENCE = int(Count.SEQUENCE)
_START = int(EventKind.START)


@kernel
def _earlier(heap: Any, first: Any, second: Any) -> Any:
    a, b = heap[first], heap[second]
    if a.time_ns != b.time_ns:
        return a.time_ns < b.time_ns
    return a.order < b.order


@kernel
def _swap(heap: Any, first: Any, second: Any) -> None:
    a, b = heap[first], heap[second]
    a.time_ns, b.time_ns = b.time_ns, a.time_ns
    a.order, b.order = b.order, a.order
    a.task, b.task = b.task, a.task


@kernel
def schedule(heap: Any, counters: Any, time_ns: Any, kind: Any, slot: Any, hop: Any) -> None:
    """Put an event into the heap; there must be room."""
    row = counters[_HEAP]
    counters[_HEAP] += 1
    counters[_SEQUENCE] += 1
    event = heap[row]
    event.time_ns = time_ns
    event.order = np.int64(kind) << 56 | counters[_SEQUENCE]
    event.task = np.int64(kind) << 48 | np.int64(slot) << 8 | np.int64(hop)
    while row > 0:
        parent = (row - 1) // 2
        if not _earlier(heap, row, parent):
            break
        _swap(heap, row, parent)
        row = parent


@kernel
def schedule_starts(heap: Any, counters: Any, start_ns: Any, slots: Any) -> None:
    """Put the start of each payment into the heap; there must be room."""
    for row in range(slots.shape[0]):
        schedule(heap, counters, start_ns[row], _START, slots[row], 0)


@kernel
def take(heap: Any, counters: Any) -> Any:
    """Remove the first event and return its task: kind << 48 | slot << 8 | hop."""
    task = heap[0].task
    counters[_HEAP] -= 1
    size = counters[_HEAP]
    _swap(heap, 0, size)
    row = 0
    while True:
        child = 2 * row + 1
        if child >= size:
            break
        if child + 1 < size and _earlier(heap, child + 1, child):
            child += 1
        if not _earlier(heap, child, row):
            break
        _swap(heap, row, child)
        row = child
    return task
