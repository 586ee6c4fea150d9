"""How likely what we forward settles: this pair's and amount's own history, shrunk to the peer's and the node's.

Most HTLCs of the network fail further down the route, and probes look like
payments: whoever counts each refusal as a lost fee overstates it many times.
"""

import numpy as np
from numpy.typing import NDArray

from lightninglens.analytics.missed.columns import Evidence, Sums
from lightninglens.core.attempts import AttemptState, FailureCause
from lightninglens.core.forward_sums import MOST_BUCKET, UNKNOWN_DISTANCE

PRIOR_PAYMENTS = 8.0
"""So many payments of a narrower class weigh as much as what the wider one says."""
FIRST_GUESS = 0.5
_DISTANCES = UNKNOWN_DISTANCE + 1
_CLASSES = (MOST_BUCKET + 1) * _DISTANCES


def settle_rate(
    evidence: Evidence,
    incoming: NDArray[np.int64],
    outgoing: NDArray[np.int64],
    bucket: NDArray[np.int64],
    distance: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return how likely payments by these channels, of these amounts and distances, settle once we forward them.

    Each level is shrunk to the one before: the node, the distance, the amount, the
    peer that it goes to, and the pair of peers.
    """
    passed, settled = _passed(evidence.history)
    peers, count = evidence.peers, int(evidence.peers.max()) + 1 if len(evidence.peers) else 1
    known_in, known_out = peers[evidence.history.incoming], peers[evidence.history.outgoing]
    known = evidence.history.bucket * _DISTANCES + evidence.history.distance
    pairs = (peers[incoming] * count + peers[outgoing]) * _CLASSES + bucket * _DISTANCES + distance
    # Payments of one pair, amount and distance have the same rate: it is worked out once for each.
    classes, group = np.unique(pairs, return_inverse=True)
    wanted, wanted_out = classes % _CLASSES, classes // _CLASSES % count
    levels = (
        (np.zeros_like(known), np.zeros_like(wanted)),
        (evidence.history.distance, wanted % _DISTANCES),
        (known, wanted),
        (known_out * _CLASSES + known, wanted_out * _CLASSES + wanted),
        ((known_in * count + known_out) * _CLASSES + known, classes),
    )
    probability = np.full(len(classes), FIRST_GUESS)
    for of_known, of_each in levels:
        tried, done = _per_class(of_known, (passed, settled), of_each)
        probability = (done + PRIOR_PAYMENTS * probability) / (tried + PRIOR_PAYMENTS)
    return probability[group]


def _passed(sums: Sums) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how many payments went on, and how many of them settled.

    Where we refused a part, the parts that went on come back however much liquidity
    there is further down: the receiver waits for all of them (BOLT 4, mpp_timeout).
    """
    settled = np.where(sums.state == AttemptState.SETTLED, sums.payments, 0)
    ours = sums.cause != FailureCause.NONE
    failed = np.where((sums.state == AttemptState.FAILED_DOWNSTREAM) & ~ours, sums.payments, 0)
    return (settled + failed).astype(np.float64), settled.astype(np.float64)


def _per_class(
    known: NDArray[np.int64], counts: tuple[NDArray[np.float64], ...], wanted: NDArray[np.int64]
) -> list[NDArray[np.float64]]:
    """Return, for each wanted class, the sums of the counts of that class."""
    if not len(known):
        return [np.zeros(len(wanted)) for _ in counts]
    classes, place = np.unique(known, return_inverse=True)
    at = np.minimum(np.searchsorted(classes, wanted), len(classes) - 1)
    is_known = classes[at] == wanted
    return [np.where(is_known, np.bincount(place, weights=each, minlength=len(classes))[at], 0.0) for each in counts]
