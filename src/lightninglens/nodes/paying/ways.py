"""Ways through a simulated network: as the graph's directions, as the engine takes them, and as payers name them."""

from collections.abc import Sequence

from lightninglens.core.graph import NetworkGraph
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.payments import PaymentRoute, RouteStep
from lightninglens.core.units import Msat
from lightninglens.nodes.paying.payments import PaidRoute
from lightninglens.routing.pathfinding import Route
from lightninglens.sim.engine import Engine


def target_of(graph: NetworkGraph, direction: int) -> int:
    """Return the row of the node that a direction ends at."""
    return int((graph.node2, graph.node1)[direction % 2][direction // 2])


def source_of(graph: NetworkGraph, direction: int) -> int:
    """Return the row of the node that a direction starts at."""
    return int((graph.node1, graph.node2)[direction % 2][direction // 2])


def directions_along(graph: NetworkGraph, sender: int, channels: Sequence[int | None]) -> tuple[int, ...]:
    """Return the directions of a way from a node on over channels by row; -1 for one that is None."""
    at, found = sender, []
    for row in channels:
        direction = -1
        if row is not None:
            direction = 2 * row if source_of(graph, 2 * row) == at else 2 * row + 1
            at = target_of(graph, direction)
        found.append(direction)
    return tuple(found)


def broken_at(engine: Engine, sender: int, route: PaidRoute) -> int | None:
    """Return the place on a route of the node that does not have the channel it is told to use, or None."""
    graph, at = engine.graph, sender
    for place, direction in enumerate(route.directions):
        if direction < 0 or engine.is_closed(direction // 2) or source_of(graph, direction) != at:
            return place
        at = target_of(graph, direction)
    return None


def paid_route(
    route: Route,
    *,
    payment_address: bytes = b"",
    total_msat: int = 0,
    final_records: dict[int, bytes] | None = None,
) -> PaidRoute:
    """Return a route that was found as one that can be paid along."""
    return PaidRoute(
        directions=tuple(hop.direction for hop in route.hops),
        amounts_msat=tuple(int(hop.amount_msat) for hop in route.hops),
        expiry_heights=tuple(hop.expiry_height for hop in route.hops),
        payment_address=payment_address,
        total_msat=total_msat,
        final_records=final_records or {},
    )


def named_route(route: PaidRoute, graph: NetworkGraph) -> PaymentRoute:
    """Return a route as its payer sees it: each step says what its node passes on and until when, not what it gets."""
    amounts, expiries = route.amounts_msat, route.expiry_heights
    steps = []
    for place, direction in enumerate(route.directions):
        onward = min(place + 1, len(amounts) - 1)
        steps.append(
            RouteStep(
                channel_id=graph.channel_id(direction // 2) if direction >= 0 else ChannelId(route.channel_ids[place]),
                node_id=NodeId(graph.node_ids[target_of(graph, direction)] if direction >= 0 else ""),
                amount_msat=Msat(amounts[onward]),
                fee_msat=Msat(amounts[place] - amounts[onward]),
                expiry_height=expiries[onward],
            )
        )
    return PaymentRoute(
        steps=tuple(steps),
        total_msat=Msat(amounts[0]),
        fee_msat=Msat(route.fee_msat),
        expiry_height=expiries[0],
    )
