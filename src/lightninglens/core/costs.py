"""What channels earn and cost a node, as it is recorded: sums, payments to itself, transactions on the chain."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import Msat, UnixNs


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfPayment:
    """One part of a payment that ended at the node that sent it: a circular rebalance.

    A payment is one only if its destination is our own key. The peer that it comes
    back by may take another of its channels with us than the route says (BOLT 4,
    non-strict forwarding), so with several channels `incoming_channel_id` is sure
    for the peer only.
    """

    payment_hash: str
    """In hex; in a simulated world whatever names the payment."""
    part: int
    """The attempt's number, which no other attempt of the payment has."""
    settled_ns: UnixNs
    outgoing_channel_id: ChannelId
    """Where it left us: the source of the liquidity."""
    incoming_channel_id: ChannelId
    """Where it came back: the target."""
    amount_msat: Msat
    """What came back."""
    fee_msat: Msat


class CostKind(StrEnum):
    """What a transaction on the chain was for."""

    OPEN = "open"
    CLOSE = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnChainCost:
    """What opening or closing one channel cost us on the chain, in miners' fees."""

    kind: CostKind
    channel_id: ChannelId
    channel_point: str
    """The funding output, `txid:index`."""
    peer_id: NodeId
    transaction_id: str
    """In hex; empty where it is not known."""
    at_ns: UnixNs
    """Of the block; ten minutes for each block since, where the node knows its height only."""
    fee_msat: Msat | None
    """None where the node cannot know it; then `unknown` says why."""
    unknown: str = ""


class SettledSum(NamedTuple):
    """Forwards of one pair of channels that settled, summed over an hour or over any number of them."""

    hour: int
    """Hours since 1970; 0 where several are summed."""
    incoming_channel_id: ChannelId
    outgoing_channel_id: ChannelId
    forwards: int
    amount_msat: int
    """What went out; the fee came in on top of it."""
    fee_msat: int


class HourSum(NamedTuple):
    """Forwards that settled in one hour, over all channels."""

    hour: int
    forwards: int
    amount_msat: int
    fee_msat: int


class BalanceSum(NamedTuple):
    """What was seen of a channel's balance in the hours of a range, one look for each hour."""

    channel_id: ChannelId
    hours: int
    """In which somebody looked."""
    active_hours: int
    """In which the peer was there."""
    local_msat_hours: int
    """The sum of our balance over these hours."""
