"""How LND cuts a payment into parts: `RequestRoute` of `routing/payment_session.go`, over any search."""

from collections.abc import Callable
from typing import TypeVar

MIN_SHARD_MSAT = 10_000_000

Found = TypeVar("Found")


def request_route(
    find: Callable[[int], Found | None],
    *,
    max_amount: int,
    active_shards: int,
    max_parts: int,
    max_shard: int | None,
) -> Found | None:
    """Return a route for as much of `max_amount` as one is found for, halving it each time.

    `find` returns None when there is no path for an amount, and raises for what
    no smaller amount would cure.
    """
    amount = max_amount if max_shard is None else min(max_amount, max_shard)
    while True:
        found = find(amount)
        if found is not None:
            return found
        if active_shards + 1 >= max_parts:
            return None
        amount //= 2
        if amount < MIN_SHARD_MSAT:
            return None
