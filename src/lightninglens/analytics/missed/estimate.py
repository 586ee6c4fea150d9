"""What a node did not earn because it could not serve: lower, expected and upper, per outgoing channel.

For each payment that met our price and was refused: the fee that it offered, less
what it earned us by another way, times the probability that it would have settled
and that it would have done so by us. Served payments fill the channels that they
come by, so how much the incoming side could still have brought is part of it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightninglens.analytics.missed._serving import serve
from lightninglens.analytics.missed.chance import chance_by_us
from lightninglens.analytics.missed.columns import Evidence, Refused, buckets_of
from lightninglens.analytics.missed.rates import settle_rate
from lightninglens.core.attempts import EARNING_CAUSES, AttemptState, FailureCause

# Fitted with `lens lab missed`, seeds 101 to 140 and 201 to 271, so that 5 % of the channels were below and 5 % above.
LOWER_SPREADS = 1.6
UPPER_SPREADS = 2.9


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
    chance, blocked = _chances(refused, rate, share)
    count = len(evidence.channels)
    outgoing = refused.outgoing

    def per_channel(values: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64]:
        return _sums(outgoing, values, count)

    wanting = np.isin(refused.cause, [FailureCause.LIQUIDITY, FailureCause.SLOTS])
    total = per_channel(chance * worth_msat)
    spread = _spread_msat(count, refused, chance)
    would_come = per_channel((chance + blocked) * worth_msat)
    return Missed(
        attempts=per_channel(refused.refused_here).astype(np.int64),
        payments=np.bincount(outgoing, minlength=count),
        offered_fee_msat=per_channel(refused.fee_msat).astype(np.int64),
        lower_msat=total - LOWER_SPREADS * spread,
        expected_msat=total,
        upper_msat=total + UPPER_SPREADS * spread,
        liquidity_msat=per_channel(chance * np.where(wanting, refused.amount_msat, 0)),
        served_share=np.divide(total, would_come, out=np.ones(count), where=would_come > 0),
        blocked_msat=_sums(refused.incoming, blocked * worth_msat, count),
        blocked_payments=np.bincount(refused.incoming[share < 1.0], minlength=count),
        blocked_amount_msat=_sums(refused.incoming, blocked * refused.amount_msat, count),
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
    return (refused.fee_msat - _earned_msat(refused)).astype(np.float64)


def _earned_msat(refused: Refused) -> NDArray[np.int64]:
    return np.asarray(refused.settled_fee_msat + refused.elsewhere_fee_msat)


def _chances(
    refused: Refused, rate: NDArray[np.float64], share: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how likely each payment would have settled by us, and how much likelier with ample inbound liquidity."""
    came_back = refused.state == AttemptState.FAILED_DOWNSTREAM
    by_us = chance_by_us(refused.outgoing, refused.amount_msat, share, came_back)
    if_ample = chance_by_us(refused.outgoing, refused.amount_msat, np.ones(len(share)), came_back)
    return rate * by_us, rate * (if_ample - by_us)


def _spread_msat(count: int, refused: Refused, chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the interval of each channel is measured in.

    How unsure each payment is, as if all erred the same way; the same, as if each
    erred by itself; and all that was earned another way, which serving would have put
    at risk.
    """
    unsure = chance * (1 - chance)
    earned_msat = _earned_msat(refused)
    alone = _sums(refused.outgoing, unsure * (refused.fee_msat + earned_msat).astype(np.float64) ** 2, count)
    together = _sums(refused.outgoing, unsure * refused.fee_msat + earned_msat, count)
    return together + np.sqrt(alone)


def _served(evidence: Evidence, refused: Refused, rate: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return which share of each payment the incoming channels could have brought beside what they did bring."""
    peers = evidence.peers.astype(np.uint32)
    incoming, outgoing = peers[refused.incoming], peers[refused.outgoing]
    share = np.ones(len(incoming))
    amount = refused.amount_msat.astype(np.float64)
    wanted = amount * rate
    left = refused.incoming_spendable_msat.astype(np.float64)
    excess = np.zeros(int(evidence.peers.max()) + 1 if len(evidence.peers) else 0)
    for peer, first in zip(*np.unique(outgoing, return_index=True), strict=True):
        excess[:] = 0.0
        serve(incoming, outgoing, amount, wanted, left, peer, first, excess, share)
    return share
