"""What was seen of a network: payments with their attempts, and channel balances, as records for learning.

Every source (a running lab, a recording, a user's CSV file) is turned into
these before anything is computed from it. What a source does not tell is None,
never a guess.
"""

from dataclasses import dataclass
from typing import Literal

from lightninglens.core.htlc import FailureCode
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import Msat, Sat, UnixNs


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSeen:
    """One attempt of a payment: an HTLC along a route."""

    started_ns: UnixNs
    ended_ns: UnixNs
    channel_ids: tuple[ChannelId, ...]
    node_ids: tuple[NodeId, ...]
    """The route's nodes, sender first; one more than channels."""
    hop_amounts_msat: tuple[Msat, ...]
    """What was sent over each channel, with the fees of the hops after it."""
    failed_hop: int | None
    """Index of the channel that could not carry it; None: it settled, or failed at no channel."""
    settled: bool
    code: FailureCode


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSeen:
    """A payment, or a circular rebalance, that has ended."""

    payment_id: str
    kind: Literal["payment", "rebalance"]
    started_ns: UnixNs | None
    ended_ns: UnixNs
    sender_id: str
    """Node id, or its name where the source has no ids."""
    receiver_id: str
    amount_msat: Msat
    fee_msat: Msat | None
    succeeded: bool | None
    attempts: tuple[AttemptSeen, ...] | None
    """None: the source has no attempts. Empty: the sender found no route to try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSeen:
    """A channel's balances at one moment, as both sides report them."""

    seen_ns: UnixNs
    channel_id: ChannelId
    node1_id: str
    node2_id: str
    capacity_sat: Sat
    node1_local_msat: Msat
    node2_local_msat: Msat


Observation = PaymentSeen | ChannelSeen
