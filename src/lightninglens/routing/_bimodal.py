"""The formulas of the bimodal estimator, compiled: numbers in, a probability out.

Channels are taken for mostly full or mostly empty: the density of the liquidity
x in a channel of capacity c is proportional to e^(-x/s) + e^((x-c)/s) + 1/c,
with the scale s saying how far from the ends money still is. What is known from
attempts cuts that density off and fades with time.

Source: LND `routing/probability_bimodal.go`; the method is that of Pickhardt,
Tikhomirov, Biryukov and Nowostawski, arXiv:2103.08576.
Plain-Python twin: tests/reference/mission_control.py.
"""

import math
from typing import Any

import numpy as np

from lightninglens.core.jit import kernel


@kernel
def fading(age_ns: Any, decay_ns: Any) -> Any:
    """Return what is left of a piece of knowledge: 1 when it is new, 1/e after the decay time."""
    return math.exp(-np.float64(age_ns) / decay_ns)


@kernel
def can_send(success_msat: Any, age_ns: Any, decay_ns: Any) -> Any:
    """Return what a channel can still be trusted to carry after it carried `success_msat` (canSend)."""
    return np.int64(fading(age_ns, decay_ns) * np.float64(success_msat))


@kernel
def cannot_send(failure_msat: Any, capacity_msat: Any, age_ns: Any, decay_ns: Any) -> Any:
    """Return what a channel is still thought unable to carry after `failure_msat` failed (cannotSend)."""
    room = np.float64(capacity_msat - min(failure_msat, capacity_msat))
    return capacity_msat - np.int64(fading(age_ns, decay_ns) * room)


@kernel
def _mass_below(capacity: Any, scale: Any, amount: Any) -> Any:
    """Return the density's integral up to an amount, less a constant (primitive)."""
    norm = -2.0 * math.exp(-capacity / scale) + 2.0 + 1.0 / scale
    upper = math.exp((amount - capacity) / scale)
    lower = math.exp(-amount / scale)
    return (-lower + upper + amount / (capacity * scale)) / norm


@kernel
def bimodal_probability(
    capacity_msat: Any, success_msat: Any, failure_msat: Any, amount_msat: Any, scale_msat: Any
) -> Any:
    """Return the probability that a channel carries an amount, given what it did and did not carry.

    Integer amounts, float scale; `failure_msat` is at most the capacity, which makes two
    corrections that LND has for amounts beyond it idle. Where LND reports an error (no capacity, or a
    share that rounding has driven out of [0, 1]) it uses 0, and so do we (probabilityFormula).
    """
    capacity, amount = np.float64(capacity_msat), np.float64(amount_msat)
    success, failure = np.float64(success_msat), np.float64(failure_msat)
    if capacity == 0.0 or amount > capacity:
        return 0.0
    if failure <= success:  # they contradict each other, or the channel has shrunk since: nothing is known
        success, failure = np.float64(0.0), capacity
    if amount >= failure:
        return 0.0
    if amount <= success:
        return 1.0
    below_failure = _mass_below(capacity, scale_msat, failure)
    possible = below_failure - _mass_below(capacity, scale_msat, success)
    share = (below_failure - _mass_below(capacity, scale_msat, amount)) / possible
    return share if 0.0 <= share <= 1.0 else 0.0  # also where rounding has left nothing possible, and 0 / 0


@kernel
def bimodal_prior(amount_msat: Any, capacity_msat: Any, scale_msat: Any) -> Any:
    """Return the probability of a channel of which nothing is known."""
    return bimodal_probability(capacity_msat, np.int64(0), capacity_msat, amount_msat, scale_msat)
