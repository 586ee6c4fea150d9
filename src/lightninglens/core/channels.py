"""Channels and their policies, as one node sees them."""

from dataclasses import dataclass
from enum import StrEnum

from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import Blocks, Msat, Ppm, Sat, proportional_fee_msat

ANCHORS_SAT = Sat(660)
"""Two anchor outputs of 330 sat, paid by the opener (BOLT 3)."""

COMMITMENT_WEIGHT = 1124
"""Weight of a commitment transaction with anchors and no HTLC (BOLT 3)."""

HTLC_OUTPUT_WEIGHT = 172
"""Weight that one HTLC output adds to a commitment transaction (BOLT 3)."""

MAX_HTLC_SLOTS = 483
"""HTLCs that one side may have pending in a channel (BOLT 2)."""


MAX_INBOUND_RATE_PPM = 10_000_000
"""LND counts no inbound rate beyond ten times the amount (`graph/db/models/inbound_fee.go`)."""


class Opener(StrEnum):
    """Who opened a channel, and so pays its commitment fee; seen from the node that reports it."""

    LOCAL = "local"
    REMOTE = "remote"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPolicy:
    """What a node asks for one direction of a channel: all fields that LND lets one set.

    The outbound part is for HTLCs that leave over this channel, the inbound
    part for HTLCs that arrive over it (LND 0.18; negative is a discount).
    """

    base_fee_msat: Msat
    fee_rate_ppm: Ppm
    time_lock_delta_blocks: Blocks
    min_htlc_msat: Msat
    max_htlc_msat: Msat
    inbound_base_fee_msat: Msat = Msat(0)
    inbound_fee_rate_ppm: Ppm = Ppm(0)
    disabled: bool = False

    def outbound_fee_msat(self, amount_msat: int) -> Msat:
        """Return the fee for forwarding `amount_msat` out over this channel."""
        return Msat(self.base_fee_msat + proportional_fee_msat(amount_msat, self.fee_rate_ppm))

    def inbound_fee_msat(self, amount_msat: int) -> Msat:
        """Return the fee for `amount_msat` (outgoing amount and outbound fee) arriving over it."""
        rate_ppm = max(min(self.inbound_fee_rate_ppm, MAX_INBOUND_RATE_PPM), -MAX_INBOUND_RATE_PPM)
        return Msat(self.inbound_base_fee_msat + proportional_fee_msat(amount_msat, rate_ppm))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """One channel as its owner's node reports it at one moment.

    local + remote + commitment fee + anchors + unsettled = capacity, up to the
    msat that a commitment transaction cannot show; so the two balances do not
    add up to the capacity.
    """

    channel_id: ChannelId
    peer_id: NodeId
    peer_alias: str
    capacity_sat: Sat
    local_msat: Msat
    remote_msat: Msat
    commit_fee_sat: Sat
    unsettled_msat: Msat
    pending_htlcs: int
    local_reserve_sat: Sat
    remote_reserve_sat: Sat
    opener: Opener
    active: bool
    outbound_msat: Msat
    """What the node could send now: after reserve and fee buffer."""
    inbound_msat: Msat
    """What the peer could send to us now."""
    local_policy: ChannelPolicy | None
    remote_policy: ChannelPolicy | None
    channel_point: str = ""
    """The funding output, `txid:index`; empty in a world without a chain."""
    private: bool = False
