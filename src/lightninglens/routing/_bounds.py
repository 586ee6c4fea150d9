"""How far it is at least from a node to the sender, compiled: what gives the search its direction.

docs/adr/0040 says why the search stays exact.
"""

from typing import Any, NamedTuple

import numpy as np

from lightninglens.core.jit import kernel
from lightninglens.routing._edges import bandwidth_msat
from lightninglens.routing.state import NEVER_NS

INFINITY = np.int64(2**62)
_EXACT_BELOW = np.float64(2**48)
"""Up to here distances of doubles and integers agree to less than the margin."""
_MARGIN_MSAT = np.int64(4)
_ABOVE_ROUNDING = 1.0 + 1e-12
_MOST_EDGES = 256
"""A node with more edges than this is not looked beyond: that would take longer than it saves."""


class Direction(NamedTuple):
    """Lower bounds of what the way to the sender adds to a label's distance.

    At a node: `to_sender_msat` of the node, or `elsewhere_msat` where that is
    less or there is none, and (attempt cost / probability - `scale`) times
    `near` for the sender's peers and `far` for the others.
    """

    elsewhere_msat: Any
    scale: Any
    near: Any
    far: Any
    greatest_hop_probability: Any


@kernel
def greatest_hop_probability(memory: Any, estimator: Any, sender: Any) -> Any:
    """Return a bound of the probability of any hop of another node, as a sender sees it."""
    greatest: Any = np.float64(estimator.hop_probability)
    entry = memory.first_of_sender[sender]
    while entry >= 0:
        if memory.success_time_ns[entry] != NEVER_NS:
            greatest = max(greatest, np.float64(estimator.success_probability))
        entry = memory.next_of_sender[entry]
    return min(greatest * _ABOVE_ROUNDING, 1.0)


@kernel
def own_channels(view: Any, reach: Any, channels: Any, sender: Any, outgoing: Any, amount: Any, generation: Any) -> Any:
    """Mark the peers that the sender can send `amount` to; return its greatest and its total bandwidth."""
    greatest: Any = np.int64(0)
    total: Any = np.int64(0)
    for place in range(channels.first_out[sender], channels.first_out[sender + 1]):
        direction = channels.out_direction[place]
        row = view.position[direction]
        if row < 0 or (outgoing >= 0 and direction != outgoing):
            continue
        bandwidth = bandwidth_msat(channels, direction)
        greatest = max(greatest, bandwidth)
        total += bandwidth
        if bandwidth < amount:
            continue
        edge = view.edges[row]
        if amount <= edge.capacity_msat and (edge.max_htlc_msat == 0 or amount <= edge.max_htlc_msat):
            peer = reach[edge.target]
            peer.generation = generation
            peer.distance = INFINITY
            peer.heap_slot = -1
            peer.own_row = row
            peer.to_sender_msat = 0
    return greatest, total
