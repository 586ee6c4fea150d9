"""A rebalance that could be made, and who can say what it would gain."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lightninglens.core.channels import ChannelState
from lightninglens.core.ids import NodeId
from lightninglens.core.predictions import GainEstimate
from lightninglens.core.units import Msat, UnixNs


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A circular self-payment of one node: out over one of its channels, back in over another."""

    node_id: NodeId
    outgoing: ChannelState
    incoming: ChannelState
    amount_msat: Msat
    cost_msat: Msat
    """What its routing is expected to cost."""


class GainModel(Protocol):
    """Whatever can say what candidates would gain."""

    def estimate(self, candidates: Sequence[Candidate], now: UnixNs) -> Sequence[GainEstimate]:
        """Return an estimate per candidate, given that its money moves, net of its cost."""
        ...
