"""What a model says: the share a channel should hold, and what a rebalance would gain."""

from dataclasses import dataclass

from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.records import Interval
from lightninglens.core.units import UnixNs


@dataclass(frozen=True, slots=True, kw_only=True)
class SharePrediction:
    """The local share of a channel that would fail the least volume over the coming horizon, with an 80 % interval.

    Shares are of what both sides hold together, seen from `node_id`.
    """

    channel_id: ChannelId
    node_id: NodeId
    made_ns: UnixNs
    horizon_ns: int
    share_now: float
    share: float
    low_share: float
    high_share: float
    model: str
    """Version of the model in the registry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GainEstimate:
    """What one rebalance would bring its node over the horizon, after its cost."""

    gain: Interval
    confidence: float
    """Probability that the net gain is above 0, calibrated on held-out time."""
