"""What a circular self-payment is expected to cost, from the policies that are known."""

import heapq
from collections.abc import Iterator

from lightninglens.control.rebalance.view import LiquidityView, NodeView
from lightninglens.core.channels import ChannelPolicy, ChannelState
from lightninglens.core.ids import NodeId
from lightninglens.core.units import Msat

MOST_MIDDLE_HOPS = 4


def expected_cost_msat(
    view: LiquidityView, node_id: NodeId, outgoing: ChannelState, incoming: ChannelState, amount_msat: int
) -> Msat | None:
    """Return the routing fees of a node's cheapest circle by the policies in the view; None where there are too few.

    The last hop's fee is that of the peer from which the money comes back. In
    between, the cheapest way from the first peer to the last is taken from the
    channels that the view has; where it has none, one hop is assumed, at what the
    first peer asks on the channel with us. Whether a way has the liquidity is not
    known, so the true cost may be higher.
    """
    if incoming.remote_policy is None:
        return None
    last_msat = incoming.remote_policy.outbound_fee_msat(amount_msat)
    middle_msat = _cheapest_msat(view, outgoing.peer_id, incoming.peer_id, amount_msat + last_msat, without=node_id)
    if middle_msat is None:
        if outgoing.remote_policy is None:
            return None
        middle_msat = outgoing.remote_policy.outbound_fee_msat(amount_msat + last_msat)
    return Msat(last_msat + middle_msat)


def _cheapest_msat(
    view: LiquidityView, first: NodeId, last: NodeId, amount_msat: int, *, without: NodeId
) -> int | None:
    """Return the fees of the cheapest way over known policies, each taken on `amount_msat` without fees on fees."""
    nodes = {node.node_id: node for node in view.nodes}
    queue: list[tuple[int, int, NodeId]] = [(0, 0, first)]
    done = {without}
    while queue:
        fee_msat, hops, here = heapq.heappop(queue)
        if here == last:
            return fee_msat
        if here in done or here not in nodes or hops == MOST_MIDDLE_HOPS:
            continue
        done.add(here)
        for channel, policy in _usable(nodes[here], amount_msat):
            heapq.heappush(queue, (fee_msat + policy.outbound_fee_msat(amount_msat), hops + 1, channel.peer_id))
    return None


def _usable(node: NodeView, amount_msat: int) -> Iterator[tuple[ChannelState, ChannelPolicy]]:
    for channel in node.channels:
        policy = channel.local_policy
        if channel.active and policy is not None and not policy.disabled and policy.max_htlc_msat >= amount_msat:
            yield channel, policy
