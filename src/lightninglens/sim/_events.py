"""The event loop, compiled: payments start, HTLCs arrive, settle and fail, senders try again.

Plain-Python twin: tests/reference/engine.py.
"""

from typing import Any

import numpy as np

from lightninglens.core.jit import inlined, kernel
from lightninglens.routing.memory import ROOM as MEMORY_ROOM
from lightninglens.routing.state import MAX_HOPS
from lightninglens.sim._forwarding import tell_senders
from lightninglens.sim._heap import take
from lightninglens.sim._htlcs import come_back, forward
from lightninglens.sim._paying import begin_payment, close_part, continue_payment, send_planned
from lightninglens.sim._receiving import receive_part, release_part
from lightninglens.sim.state import MOST_PARTS, Count, EventKind

FINISHED = 0
PAUSED = 1
NEEDS_ROOM = 2
NEEDS_ROUTER = 3

ROOM = MOST_PARTS + 4
"""The most events and log rows that one event can bring; this much must be free before it."""

_HEAP = int(Count.HEAP)
_FREE_ATTEMPTS = int(Count.FREE_ATTEMPTS)
_FINISHED = int(Count.FINISHED)
_ATTEMPT_LOG = int(Count.ATTEMPT_LOG)
_ROUTE_LOG = int(Count.ROUTE_LOG)
_HTLC_LOG = int(Count.HTLC_LOG)
_EVENTS = int(Count.EVENTS)
_NOW = int(Count.NOW_NS)

_GOSSIP = int(EventKind.GOSSIP)
_SETTLE = int(EventKind.SETTLE)
_FAIL = int(EventKind.FAIL)
_ARRIVE = int(EventKind.ARRIVE)
_START = int(EventKind.START)
_RELEASE = int(EventKind.RELEASE)
_SEND = int(EventKind.SEND)


@inlined
def _has_room(world: Any) -> Any:
    counters, memory = world.counters, world.memory
    return (
        counters[_HEAP] + ROOM < world.heap.shape[0]
        and counters[_FREE_ATTEMPTS] > 0
        and counters[_FINISHED] + 1 < world.finished.shape[0]
        and counters[_ATTEMPT_LOG] + 1 < world.attempt_log.shape[0]
        and counters[_ROUTE_LOG] + MAX_HOPS < world.route_log.shape[0]
        and counters[_HTLC_LOG] + ROOM < world.htlc_log.shape[0]
        and memory.counters[0] + MEMORY_ROOM < memory.results.shape[0]
    )


@kernel
def run(world: Any, until_ns: Any, most_events: Any) -> Any:
    """Process events up to and including `until_ns`.

    Returns FINISHED when none is left before then, PAUSED after `most_events`,
    NEEDS_ROOM when a log is full or a pool too small, NEEDS_ROUTER when a
    payment waits for the plan of its sender's router; nothing is lost by any.
    """
    done = 0
    counters = world.counters
    while counters[_HEAP] > 0 and world.heap[0].time_ns <= until_ns:
        if done >= most_events:
            return PAUSED
        if not _has_room(world):
            return NEEDS_ROOM
        now = world.heap[0].time_ns
        task = take(world.heap, counters)
        kind = task >> 48
        slot = np.int32(task >> 8 & 0xFFFFFFFF)
        hop = np.int64(task & 0xFF)
        done += 1
        counters[_EVENTS] += 1
        counters[_NOW] = now
        settled = kind == _SETTLE
        over = False
        if kind == _ARRIVE:
            if hop + 1 == world.routes.hops[slot]:
                receive_part(world, slot, now)
            else:
                forward(world, slot, hop, now)
        elif settled or kind == _FAIL:
            over = come_back(world, slot, hop, now, settled)
        elif kind == _SEND:
            over = not send_planned(world, slot, now)
        elif kind == _RELEASE:
            release_part(world, slot, now)
        elif kind == _GOSSIP:
            tell_senders(world.gossip, world.enforced, slot)
        else:
            if kind == _START:
                begin_payment(world, slot)
            if continue_payment(world, slot, now):
                return NEEDS_ROUTER
        if over:
            close_part(world, slot, now, settled)
    return FINISHED
