"""What a node did not earn because it could not serve: lower, expected and upper, per outgoing channel.

For each payment that met our price and was refused: the fee that it offered, times
the probability that it would have settled, less what it earned us by another way.
Served payments fill the channels that they come by, so one is counted only while
the incoming side could still have brought it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightninglens.analytics.missed._serving import serve
from lightninglens.analytics.missed.columns import Evidence, Refused, buckets_of
from lightninglens.analytics.missed.rates import SettleRate, settle_rate
from lightninglens.core.attempts import EARNING_CAUSES, FailureCause

INTERVAL_SDS = 1.2816
"""80 % of a normal distribution."""
MODEL_SHARE = 0.6
"""What the model leaves out (senders that would have learnt, displaced traffic), as a share of the figure.

Set from `lens lab missed`, seeds 101 to 112; the table in docs/explanation/missed-revenue.md is of others.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """Figures per channel of `Evidence.channels`; fees in msat."""

    attempts: NDArray[np.int64]
    """Refusals in which our price was met."""
    payments: NDArray[np.int64]
    """What these are taken for."""
    offered_fee_msat: NDArray[np.int64]
    """The sum over payments as if each would have settled: what other tools call missed, without the retries."""
    lower_msat: NDArray[np.float64]
    expected_msat: NDArray[np.float64]
    upper_msat: NDArray[np.float64]
    liquidity_msat: NDArray[np.float64]
    """What serving them would have taken out of the channel, as far as liquidity was what lacked."""
    served_share: NDArray[np.float64]
    """Of what would have settled, the share that the incoming channels could still have brought."""
    blocked_msat: NDArray[np.float64]
    """The rest of it, in fees, by the channel that it came by: what more inbound there would have been worth."""
    blocked_amount_msat: NDArray[np.float64]
    """The same, in amounts."""
    blocked_payments: NDArray[np.int64]
    """How many payments it would have been part of, by the channel that they came by."""


def missed_revenue(evidence: Evidence, causes: frozenset[FailureCause] = EARNING_CAUSES) -> Missed:
    """Return what was missed in a window for these causes."""
    refused = _only(evidence.refused, causes)
    rate = settle_rate(evidence, refused.incoming, refused.outgoing, buckets_of(refused.amount_msat), refused.distance)
    worth_msat = _worth_msat(refused)
    share = _served(evidence, refused, rate)
    expected = rate.probability * share * worth_msat
    count = len(evidence.channels)
    outgoing = refused.outgoing

    def per_channel(values: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64]:
        return _sums(outgoing, values, count)

    wanting = np.isin(refused.cause, [FailureCause.LIQUIDITY, FailureCause.SLOTS])
    sd = np.sqrt(_variance(count, outgoing, share * worth_msat, rate) + (MODEL_SHARE * per_channel(expected)) ** 2)
    total = per_channel(expected)
    would_settle = per_channel(rate.probability * worth_msat)
    return Missed(
        attempts=per_channel(refused.refused_here).astype(np.int64),
        payments=np.bincount(outgoing, minlength=count),
        offered_fee_msat=per_channel(refused.fee_msat).astype(np.int64),
        lower_msat=total - INTERVAL_SDS * sd,
        expected_msat=total,
        upper_msat=total + INTERVAL_SDS * sd,
        liquidity_msat=per_channel(rate.probability * share * np.where(wanting, refused.amount_msat, 0)),
        served_share=np.divide(total, would_settle, out=np.ones(count), where=would_settle > 0),
        blocked_msat=_sums(refused.incoming, rate.probability * (1 - share) * worth_msat, count),
        blocked_payments=np.bincount(refused.incoming[share < 1.0], minlength=count),
        blocked_amount_msat=_sums(refused.incoming, rate.probability * (1 - share) * refused.amount_msat, count),
    )


def _only(refused: Refused, causes: frozenset[FailureCause]) -> Refused:
    chosen = np.isin(refused.cause, list(causes)) & ~refused.probing
    return Refused._make(column[chosen] for column in refused)


def _sums(
    classes: NDArray[np.int64], values: NDArray[np.float64] | NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """Return the sum of the values of each class."""
    return np.bincount(classes, weights=values, minlength=count).astype(np.float64)


def _worth_msat(refused: Refused) -> NDArray[np.float64]:
    """Return what each payment would have added: its fee, less what it earned us another way.

    It is below 0 where the sender came back over a channel of ours that is dearer.
    """
    earned = refused.settled_fee_msat + refused.elsewhere_fee_msat
    return (refused.fee_msat - earned).astype(np.float64)


def _variance(
    count: int, outgoing: NDArray[np.int64], worth_msat: NDArray[np.float64], rate: SettleRate
) -> NDArray[np.float64]:
    """Return the variance of each channel's sum: each payment's chance, and the error that a class shares."""
    p = rate.probability
    chance = _sums(outgoing, worth_msat**2 * p * (1 - p), count)
    if not len(outgoing):
        return chance
    groups = int(rate.group.max()) + 1
    classes, place = np.unique(outgoing * groups + rate.group, return_inverse=True)
    shared_msat = _sums(place, worth_msat, len(classes))
    error = np.zeros(groups)
    error[rate.group] = rate.variance
    return chance + _sums(classes // groups, shared_msat**2 * error[classes % groups], count)


def _served(evidence: Evidence, refused: Refused, rate: SettleRate) -> NDArray[np.float64]:
    """Return which share of each payment the incoming channels could have brought beside what they did bring."""
    peers = evidence.peers.astype(np.uint32)
    incoming, outgoing = peers[refused.incoming], peers[refused.outgoing]
    share = np.ones(len(incoming))
    amount = refused.amount_msat.astype(np.float64)
    wanted = amount * rate.probability
    left = refused.incoming_spendable_msat.astype(np.float64)
    excess = np.zeros(int(evidence.peers.max()) + 1 if len(evidence.peers) else 0)
    for peer, first in zip(*np.unique(outgoing, return_index=True), strict=True):
        excess[:] = 0.0
        serve(incoming, outgoing, amount, wanted, left, peer, first, excess, share)
    return share
