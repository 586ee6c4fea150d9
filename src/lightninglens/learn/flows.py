"""What payments meant for single channel directions: money that moved, or demand that found no liquidity."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lightninglens.core.htlc import FailureCode
from lightninglens.core.ids import ChannelId
from lightninglens.core.observations import AttemptSeen, PaymentSeen
from lightninglens.core.units import Msat, UnixNs

Role = Literal["forward", "own", "rebalance"]

ChannelsOfPairs = Mapping[frozenset[str], Sequence[ChannelId]]
"""The channels between two nodes, by the pair of their ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What one payment meant for one direction of a channel."""

    time_ns: UnixNs
    """When the payment ended: before that nobody knows how it ends."""
    channel_id: ChannelId
    from_node_id: str
    amount_msat: Msat
    settled: bool
    """It moved; else it failed for lack of liquidity on this very channel."""
    role: Role
    fee_msat: Msat
    """What `from_node_id` earns by it, or would have earned; 0 for its own payments."""
    lost: bool
    """The payment failed in the end."""


def flows_of(payment: PaymentSeen, channels: ChannelsOfPairs | None = None) -> tuple[Flow, ...]:
    """Return what a payment meant for the channels that it moved money on, or found empty.

    An attempt that failed elsewhere moved nothing and is no flow of the channels
    before; a failed rebalance is nobody's demand. Retries over a direction
    count once, and not at all when the payment moved there in the end.

    Without a route, the direct channel stands for it, if sender and receiver
    share exactly one: for a payment that failed before any attempt, and for
    every payment of a source that has no attempts. The latter is an
    assumption. Otherwise such a payment has no flows.
    """
    if payment.attempts:
        return _of_attempts(payment, payment.attempts)
    return _of_direct_channel(payment, channels or {})


def _of_attempts(payment: PaymentSeen, attempts: Sequence[AttemptSeen]) -> tuple[Flow, ...]:
    moved = [flow for attempt in attempts if attempt.settled for flow in _moved(payment, attempt)]
    if payment.kind == "rebalance":
        return tuple(moved)
    seen = {(flow.channel_id, flow.from_node_id) for flow in moved}
    missed = []
    for attempt in attempts:
        hop = attempt.failed_hop
        if attempt.settled or hop is None or attempt.code is not FailureCode.TEMPORARY_CHANNEL_FAILURE:
            continue
        direction = (attempt.channel_ids[hop], attempt.node_ids[hop])
        if direction not in seen:
            seen.add(direction)
            missed.append(_at_hop(payment, attempt, hop))
    return (*moved, *missed)


def _moved(payment: PaymentSeen, attempt: AttemptSeen) -> Iterator[Flow]:
    return (_at_hop(payment, attempt, hop) for hop in range(len(attempt.channel_ids)))


def _at_hop(payment: PaymentSeen, attempt: AttemptSeen, hop: int) -> Flow:
    amount_msat = attempt.hop_amounts_msat[hop]
    own: Role = "own" if hop == 0 else "forward"
    return Flow(
        time_ns=payment.ended_ns,
        channel_id=attempt.channel_ids[hop],
        from_node_id=attempt.node_ids[hop],
        amount_msat=amount_msat,
        settled=attempt.settled,
        role="rebalance" if payment.kind == "rebalance" else own,
        fee_msat=Msat(attempt.hop_amounts_msat[hop - 1] - amount_msat if hop else 0),
        lost=not payment.succeeded,
    )


def _of_direct_channel(payment: PaymentSeen, channels: ChannelsOfPairs) -> tuple[Flow, ...]:
    between = channels.get(frozenset((payment.sender_id, payment.receiver_id)), ())
    unknown_route = payment.attempts is None and payment.succeeded is not None
    if payment.kind != "payment" or len(between) != 1 or not (unknown_route or payment.succeeded is False):
        return ()
    flow = Flow(
        time_ns=payment.ended_ns,
        channel_id=between[0],
        from_node_id=payment.sender_id,
        amount_msat=payment.amount_msat,
        settled=bool(payment.succeeded),
        role="own",
        fee_msat=Msat(0),
        lost=not payment.succeeded,
    )
    return (flow,)
