"""Routes that are given and not searched: one attempt each, as LND's SendToRouteV2 makes it."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.graph import NetworkGraph
from lightninglens.core.units import MAX_MONEY_MSAT
from lightninglens.routing.state import MAX_HOPS
from lightninglens.sim.routers import route_nodes

_MAX_HEIGHT = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenRoute:
    """A way through the network with all that its HTLCs carry; whether nodes forward it so is for them to say.

    `sim.routers.price_part` works out amounts and expiries from announced policies.
    """

    directions: tuple[int, ...]
    """From the sender on."""
    amounts_msat: tuple[int, ...]
    """What each HTLC carries; the last one's is what the receiver gets."""
    expiry_heights: tuple[int, ...]
    """The block height at which each HTLC expires."""


class SentRoute(NamedTuple):
    """Names an attempt in the harvest: `payment_id` and `number` of a row of ATTEMPT_ROW."""

    payment_id: int
    number: int


def problem_of_route(graph: NetworkGraph, position: NDArray[np.int32], route: GivenRoute) -> str | None:
    """Return why a route can be no route of this network, or None; `position` is -1 for directions never announced."""
    hops = len(route.directions)
    if not 1 <= hops <= MAX_HOPS:
        return f"a route of {hops} hops cannot be sent: 1 to {MAX_HOPS} fit an onion"
    if len(route.amounts_msat) != hops or len(route.expiry_heights) != hops:
        return (
            f"a route of {hops} hops needs as many amounts and expiries:"
            f" {len(route.amounts_msat)} and {len(route.expiry_heights)} are given"
        )
    if not all(1 <= amount_msat <= MAX_MONEY_MSAT for amount_msat in route.amounts_msat):
        return f"amounts are from 1 msat to all money: {list(route.amounts_msat)}"
    if not all(0 <= height <= _MAX_HEIGHT for height in route.expiry_heights):
        return f"expiries are block heights: {list(route.expiry_heights)}"
    return _problem_of_way(graph, position, route.directions)


def _problem_of_way(graph: NetworkGraph, position: NDArray[np.int32], directions: tuple[int, ...]) -> str | None:
    count = 2 * graph.channel_count
    for direction in directions:
        if not 0 <= direction < count:
            return f"the route names direction {direction}, and the graph has {count}"
        if position[direction] < 0:
            return f"direction {direction} cannot be used: nobody has announced it"
    return f"the route has a gap: {list(directions)}" if route_nodes(graph, directions) is None else None
