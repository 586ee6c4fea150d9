"""How far it is at least from a node to the sender, compiled: what gives the search its direction.

With c the attempt cost, m the greatest probability of any hop and s that of the
sender's own, a hop multiplies c / probability by at least 1/m, the last by 1/s.
Any label has probability at most m, and at most m * m where the receiver itself
did not label the node. So the rest of the way adds at least:

    hops to the sender   labelled by the receiver      not
    1                    c/m (1/s - 1) = a             c/m**2 (1/s - 1)
    2                    a + c/m (1/m - 1) = b         a + c/m**2 (1/m - 1)
    3 or more            b + c/m (1/m - 1)             b + c/m**2 (1/m - 1)

m is 0.6 for a sender that remembers no success, else 0.95. An estimator that can
be certain (the bimodal one) leaves nothing: its search is the plain one.
docs/adr/0040 says why the search stays exact.
"""

from typing import Any

import numpy as np

from lightninglens.core.jit import kernel
from lightninglens.routing._edges import bandwidth_msat
from lightninglens.routing.state import BIMODAL

INFINITY = np.int64(2**62)
DIRECTED_BELOW = np.float64(2**48)
"""Up to here the rounding of distances is far below the margin."""
_MARGIN_MSAT = 4
_ABOVE_ROUNDING = 1.0 + 1e-12


@kernel
def greatest_prior(estimator: Any) -> Any:
    """Return a bound of the probability of any hop of another node, for a sender without memory."""
    return 1.0 if estimator.kind == BIMODAL else np.float64(estimator.hop_probability)


@kernel
def greatest_own_probability(estimator: Any) -> Any:
    """Return a bound of the probability of the sender's own hop."""
    return 1.0 if estimator.kind == BIMODAL else np.float64(estimator.success_probability)


@kernel
def greatest_hop_probability(estimator: Any, has_success: Any) -> Any:
    """Return a bound of the probability of any hop of another node, for a sender that remembers a success or none."""
    greatest: Any = greatest_prior(estimator)
    if has_success:
        greatest = max(greatest, greatest_own_probability(estimator))
    return min(greatest * _ABOVE_ROUNDING, 1.0)


@kernel
def mark(reach: Any, node: Any, generation: Any, own_row: Any, to_sender: Any) -> None:
    """Enter a node that no label has reached yet."""
    here = reach[node]
    here.generation = generation
    here.distance = INFINITY
    here.heap_slot = np.int32(-1)
    here.own_row = np.int32(own_row)
    here.to_sender = np.int16(to_sender)


@kernel
def mark_peers(view: Any, reach: Any, channels: Any, sender: Any, outgoing: Any, amount: Any, generation: Any) -> Any:
    """Mark the peers that the sender can send `amount` to; return its greatest and its total bandwidth.

    `channels.spendable_msat` is per direction; `outgoing` restricts to one direction, -1 to none.
    """
    greatest: Any = np.int64(0)
    total: Any = np.int64(0)
    for place in range(view.first_out[sender], view.first_out[sender + 1]):
        pair = view.outgoing[place]
        row = np.int64(pair.first_row)
        serves = False
        while row < view.edges.shape[0] and view.edges[row].target == pair.peer and view.edges[row].source == sender:
            edge = view.edges[row]
            row += 1
            if outgoing >= 0 and edge.direction != outgoing:
                continue
            bandwidth = bandwidth_msat(channels, edge.direction)
            greatest = max(greatest, bandwidth)
            total += bandwidth
            in_time = edge.max_htlc_msat == 0 or amount <= edge.max_htlc_msat
            serves = serves or (bandwidth >= amount and amount <= edge.capacity_msat and in_time)
        if serves:
            mark(reach, pair.peer, generation, pair.first_row, 1)
    return greatest, total


@kernel
def mark_peers_of_peers(view: Any, reach: Any, sender: Any, amount: Any, generation: Any, horizon: Any) -> Any:
    """Mark the nodes that a marked peer has a channel to; return the least hops of all other nodes.

    Peers with more than `horizon` channels together are not worth the time.
    """
    count: Any = np.int64(0)
    for place in range(view.first_out[sender], view.first_out[sender + 1]):
        peer = view.outgoing[place].peer
        if reach[peer].generation == generation:
            count += view.first_out_leaf[peer] - view.first_out[peer]
            if count > horizon:
                return 2
    for place in range(view.first_out[sender], view.first_out[sender + 1]):
        peer = view.outgoing[place].peer
        if reach[peer].generation != generation:
            continue
        for onward in range(view.first_out[peer], view.first_out_leaf[peer]):
            pair = view.outgoing[onward]
            if pair.capacity_msat < amount:
                break
            if reach[pair.peer].generation != generation:
                mark(reach, pair.peer, generation, -1, 2)
    return 3


@kernel
def fill_bounds(bounds: Any, cost: Any, greatest: Any, own_greatest: Any) -> None:
    """Write what the way to the sender adds at least to the distance, at (hops to sender, hops to receiver).

    A node that is not the receiver's peer has a probability of at most
    `greatest` squared, so that each further hop costs more there.
    """
    own_step = 1.0 / own_greatest - 1.0
    step = 1.0 / greatest - 1.0
    for to_receiver in range(1, 3):
        attempts = cost / greatest if to_receiver == 1 else cost / (greatest * greatest)
        hop = max(np.int64(attempts * step) - _MARGIN_MSAT, np.int64(0))
        bounds[1, to_receiver] = max(np.int64(attempts * own_step) - _MARGIN_MSAT, np.int64(0))
        bounds[2, to_receiver] = bounds[1, 1] + hop
        bounds[3, to_receiver] = bounds[2, 1] + hop
    bounds[1, 2] = min(bounds[1, 2], bounds[2, 2])
