"""Remedies that were taken for a channel, by whomever, and what came of them."""

from dataclasses import dataclass
from enum import StrEnum

from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import Msat, UnixNs


class RemedyKind(StrEnum):
    """What was done."""

    FEE_LOWERED = "fee lowered"
    FEE_RAISED = "fee raised"
    MAX_HTLC_RAISED = "max_htlc raised"
    CHANNEL_ADDED = "channel added"
    """To a peer with which there was one."""
    LIQUIDITY_ADDED = "liquidity added"
    """By circular rebalances that came back over the channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One thing that was done for one channel."""

    at_ns: UnixNs
    """When it was seen, which is up to a minute after it was done; of rebalances the first of the hour."""
    channel_id: ChannelId
    peer_id: NodeId
    kind: RemedyKind
    before: int
    """What it was: fee rate in ppm, max_htlc in msat; 0 for what was added."""
    after: int
    """What it became: the same, capacity in sat of a channel, amount in msat of liquidity."""
    cost_msat: Msat | None = None
    """What it cost; None where nobody knows."""
    expected_msat_per_day: Msat | None = None
    """Expected missed revenue of the channel just before; None where there was no analysis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemedyEffect:
    """A remedy, and the channel's days before and after it. Figures are per day that was seen."""

    remedy: Remedy
    days: float
    """Length of either time: since the remedy, a week at most."""
    seen_before: float
    """Share of the time before that was seen, as the next of the time after."""
    seen_after: float
    earned_before_msat: float
    earned_after_msat: float
    refused_before: float
    """Payments that met our price and were refused."""
    refused_after: float
    missed_before_msat: float
    """Expected."""
    missed_after_msat: float
    others_before_msat: float
    """What the node's other channels earned: what changed there was not the remedy."""
    others_after_msat: float
    lower_msat: float
    """Of the change in what was earned: 80 % of the chance that payments come as they do."""
    upper_msat: float

    @property
    def change_msat(self) -> float:
        """How much more the channel earned per day."""
        return self.earned_after_msat - self.earned_before_msat
