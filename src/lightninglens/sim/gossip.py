"""The columns of what is said of the channels: policies as enforced, and news that not everybody has heard."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.graph import PolicyColumns
from lightninglens.routing.state import record_type

FIRST_VERSIONS = 64
FIRST_TOLD = 256

MOVING, FREE_VERSIONS, TOLD = 0, 1, 2
"""Places in `News.counters`."""

SLOWEST_SIGMAS = 3.0
"""Nobody hears later than this many standard deviations above the median, and nobody sooner than as many below."""


class Enforced(NamedTuple):
    """Policies by row; in the world, by direction: those that nodes enforce now."""

    base_fee_msat: NDArray[np.int64]
    fee_rate_ppm: NDArray[np.int64]
    time_lock_delta_blocks: NDArray[np.int64]
    min_htlc_msat: NDArray[np.int64]
    max_htlc_msat: NDArray[np.int64]
    inbound_base_fee_msat: NDArray[np.int64]
    inbound_fee_rate_ppm: NDArray[np.int64]
    disabled: NDArray[np.int64]
    """Announced to senders; a node forwards over a channel that it calls disabled."""


VERSION = record_type([("announced_ns", np.int64), ("number", np.int32), ("older", np.int32)])
"""One version of a direction's policy: when it sets out, its number, and the row of the one before, or -1."""


class News(NamedTuple):
    """Changes of policy that are on their way to the senders.

    A direction is in motion from a change until everybody has heard of it. Its
    versions are linked from the newest to the one that everybody knows, which
    is what the senders' view holds.
    """

    newest: NDArray[np.int32]
    """Per direction: row of its newest version, -1 when it is not in motion."""
    numbers: NDArray[np.int32]
    """Per direction: how many changes there have been."""
    place: NDArray[np.int32]
    """Per direction in motion: where it stands in `moving`."""
    moving: NDArray[np.int32]
    """The directions in motion, in no order."""
    versions: NDArray[np.void]
    """Rows of VERSION."""
    policies: Enforced
    """What the versions say, by the same rows."""
    free: NDArray[np.int32]
    """Rows of versions not in use."""
    told_key: NDArray[np.int64]
    """Open-addressing hash of what failures have told: sender << 32 | direction, plus 1; 0 is free."""
    told_number: NDArray[np.int32]
    counters: NDArray[np.int64]
    """By MOVING, FREE_VERSIONS, TOLD."""


def make_enforced(policies: PolicyColumns) -> Enforced:
    """Copy the policies that nodes enforce."""
    return Enforced(*(getattr(policies, name).astype(np.int64).copy() for name in Enforced._fields))


def make_news(directions: int) -> News:
    """Return a network in which everybody has heard everything."""
    return News(
        newest=np.full(directions, -1, np.int32),
        numbers=np.zeros(directions, np.int32),
        place=np.zeros(directions, np.int32),
        moving=np.zeros(directions, np.int32),
        versions=np.zeros(FIRST_VERSIONS, VERSION),
        policies=Enforced(*(np.zeros(FIRST_VERSIONS, np.int64) for _ in Enforced._fields)),
        free=np.arange(FIRST_VERSIONS, dtype=np.int32),
        told_key=np.zeros(FIRST_TOLD, np.int64),
        told_number=np.zeros(FIRST_TOLD, np.int32),
        counters=np.array([0, FIRST_VERSIONS, 0], np.int64),
    )


def grow_versions(news: News) -> News:
    """Return the same news with room for twice as many versions."""
    rows = len(news.versions)
    free = int(news.counters[FREE_VERSIONS])
    news.counters[FREE_VERSIONS] = free + rows
    return news._replace(
        versions=_doubled(news.versions),
        policies=Enforced(*(_doubled(column) for column in news.policies)),
        free=np.concatenate([news.free[:free], np.arange(rows, 2 * rows), news.free[free:]]).astype(np.int32),
    )


def _doubled(rows: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([rows, np.zeros_like(rows)])
