"""The event loop, compiled: payments start, HTLCs arrive, settle and fail, senders try again.

Plain-Python twin: tests/reference/engine.py.
"""

from typing import Any

import numpy as np

from lightninglens.core.jit import inlined, kernel
from lightninglens.routing.memory import ROOM as MEMORY_ROOM
from lightninglens.routing.state import MAX_HOPS
from lightninglens.sim._gossip import forget_old, write_policy
from lightninglens.sim._heap import take
from lightninglens.sim._htlcs import come_back, forward
from lightninglens.sim._life import is_put_off
from lightninglens.sim._outages import happen
from lightninglens.sim._paying import begin_payment, close_part, continue_payment, send_planned
from lightninglens.sim._receiving import ask_receiver
from lightninglens.sim.gossip import FREE_VERSIONS, TOLD
from lightninglens.sim.state import MOST_PARTS, Count, EventKind

FINISHED = 0
PAUSED = 1
NEEDS_ROOM = 2
NEEDS_ROUTER = 3

ROOM = MOST_PARTS + 4
"""The most events and log rows that one event can bring; this much must be free before it."""

FOREVER_NS = 2**62
"""A time after everything: running until then leaves the clock at the last event."""

NEWS_ROOM = 4
"""Versions of policies that one event can bring, with what was known before."""

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
_LIFE = int(EventKind.LIFE)
_HOLD = int(EventKind.HOLD)
_PENDING = int(Count.PENDING)
_FOREVER_NS = np.int64(FOREVER_NS)


@inlined
def _has_room(world: Any) -> Any:
    counters, memory, news = world.counters, world.memory, world.news
    return (
        counters[_HEAP] + ROOM + world.life.room[0] < world.heap.shape[0]
        and counters[_FREE_ATTEMPTS] > 0
        and counters[_FINISHED] + 1 < world.finished.shape[0]
        and counters[_ATTEMPT_LOG] + 1 < world.attempt_log.shape[0]
        and counters[_ROUTE_LOG] + MAX_HOPS < world.route_log.shape[0]
        and counters[_HTLC_LOG] + ROOM < world.htlc_log.shape[0]
        and memory.counters[0] + MEMORY_ROOM < memory.results.shape[0]
        and news.counters[FREE_VERSIONS] >= NEWS_ROOM
        and 2 * (news.counters[TOLD] + 1) < news.told_key.shape[0]
    )


@inlined
def _spread(world: Any, direction: Any, now: Any) -> None:
    """Everybody has heard what a direction announced, so long ago as news take to spread."""
    parameters = world.parameters
    if parameters.gossip_delay_median_ns > 0.0:
        forget_old(world.news, world.gossip, direction, now - parameters.gossip_spread_ns)
    else:
        write_policy(world.gossip, world.enforced, direction, direction)


@kernel
def run(world: Any, until_ns: Any, most_events: Any) -> Any:
    """Process events up to and including `until_ns`.

    Returns FINISHED when none is left before then, PAUSED after `most_events`,
    NEEDS_ROOM when a log is full or a pool too small, NEEDS_ROUTER when a
    payment waits for the plan of its sender's router; nothing is lost by any.
    """
    parameters = world.parameters
    # Outages go on for ever: a run without an end is over with its last payment.
    ends_idle = until_ns >= _FOREVER_NS and (parameters.node_up_ns > 0.0 or parameters.channel_up_ns > 0.0)
    done = 0
    counters = world.counters
    while counters[_HEAP] > 0 and world.heap[0].time_ns <= until_ns:
        if done >= most_events:
            return PAUSED
        if not _has_room(world):
            return NEEDS_ROOM
        if ends_idle and counters[_PENDING] == 0:
            return FINISHED
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
        of_htlc = settled or kind == _FAIL or kind == _ARRIVE
        if of_htlc and is_put_off(world, slot, hop, kind, now):
            continue
        if kind == _ARRIVE and hop + 1 < world.routes.hops[slot]:
            forward(world, slot, hop, now)
        elif kind == _ARRIVE or kind == _RELEASE or kind == _HOLD:
            ask_receiver(world, slot, kind, now)
        elif settled or kind == _FAIL:
            over = come_back(world, slot, hop, now, settled)
        elif kind == _SEND:
            over = not send_planned(world, slot, now)
        elif kind == _LIFE:
            happen(world, np.int64(slot), hop, now)
        elif kind == _GOSSIP:
            _spread(world, np.int64(slot), now)
        else:
            if kind == _START:
                begin_payment(world, slot)
            if continue_payment(world, slot, now):
                return NEEDS_ROUTER
        if over:
            close_part(world, slot, now, settled)
    return FINISHED
