"""Room in a world: kernels do not allocate, so pools grow between two of their runs."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightninglens.sim import _gossip
from lightninglens.sim.gossip import FREE_VERSIONS, TOLD, grow_versions
from lightninglens.sim.state import Count, World

_SPARE_EVENTS = 8


def with_events(world: World, count: int) -> World:
    """Return a world in whose heap `count` more events fit."""
    used, rows = int(world.counters[Count.HEAP]), len(world.heap)
    if used + count + _SPARE_EVENTS < rows:
        return world
    return world._replace(heap=_grown(world.heap, max(2 * rows, used + count + _SPARE_EVENTS)))


def with_news(world: World, versions: int) -> World:
    """Return a world with room for further versions of policies and for what failures tell."""
    news = world.news
    if news.counters[FREE_VERSIONS] < versions:
        news = grow_versions(news)
    if 2 * (int(news.counters[TOLD]) + 1) >= len(news.told_key):
        former_key, former_number, size = news.told_key, news.told_number, 2 * len(news.told_key)
        news = news._replace(told_key=np.zeros(size, np.int64), told_number=np.zeros(size, np.int32))
        news.counters[TOLD] = 0
        _gossip.keep_told(news, former_key, former_number)
    return world._replace(news=news)


def with_payments(world: World, count: int) -> World:
    """Return a world with free slots for `count` payments."""
    free, slots = int(world.counters[Count.FREE_PAYMENTS]), len(world.payments)
    if free >= count:
        return world
    size = max(2 * slots, slots + count - free)
    return world._replace(
        payments=_grown(world.payments, size),
        free_payments=_with_free(world.free_payments, world.counters, Count.FREE_PAYMENTS, slots, size),
    )


def with_more_attempts(world: World) -> World:
    """Return a world with twice the slots for attempts."""
    slots = len(world.attempts)
    return world._replace(
        attempts=_grown(world.attempts, 2 * slots),
        routes=type(world.routes)._make(_grown(column, 2 * slots) for column in world.routes),
        htlc_id=_grown(world.htlc_id, 2 * slots),
        free_attempts=_with_free(world.free_attempts, world.counters, Count.FREE_ATTEMPTS, slots, 2 * slots),
    )


def _grown(rows: NDArray[Any], size: int) -> NDArray[Any]:
    grown = np.zeros((size, *rows.shape[1:]), rows.dtype)
    grown[: len(rows)] = rows
    return grown


def _with_free(
    free_slots: NDArray[np.int32], counters: NDArray[np.int64], count: Count, slots: int, size: int
) -> NDArray[np.int32]:
    """Return the list of free slots after a pool has grown from `slots` to `size`, the new ones first."""
    left, added = int(counters[count]), size - slots
    grown = np.zeros(size, np.int32)
    grown[:added] = np.arange(size - 1, slots - 1, -1)
    grown[added : added + left] = free_slots[:left]
    counters[count] = left + added
    return grown
