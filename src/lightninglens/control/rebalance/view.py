"""What a rebalancing strategy sees, and the one rule for how much a rebalance may cost."""

from collections.abc import Iterator
from dataclasses import dataclass

from lightninglens.core.channels import ChannelState
from lightninglens.core.ids import NodeId
from lightninglens.core.units import PPM, Msat


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """One node that may act, and its channels as it reports them."""

    node_id: NodeId
    name: str
    channels: tuple[ChannelState, ...]

    def channels_with(self, peer_id: NodeId) -> Iterator[ChannelState]:
        """Yield the channels that lead to a peer."""
        return (channel for channel in self.channels if channel.peer_id == peer_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidityView:
    """The nodes that a strategy decides for."""

    nodes: tuple[NodeView, ...]

    def find(self, name: str) -> NodeView | None:
        """Return the node with this name or id, or None."""
        return next((node for node in self.nodes if name in {node.name, node.node_id}), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeLimit:
    """The most that one rebalance may cost: a fixed part and a part of the amount, as fees themselves are made."""

    base_msat: Msat = Msat(5_000)
    rate_ppm: int = 5_000

    def of(self, amount_msat: int) -> Msat:
        """Return the limit for an amount, rounded up to whole msat."""
        return Msat(self.base_msat - (-amount_msat * self.rate_ppm // PPM))

    def most_within(self, spendable_msat: int) -> Msat:
        """Return the greatest amount that, together with its fee limit, is at most `spendable_msat`."""
        return Msat(max(0, (spendable_msat - self.base_msat) * PPM // (PPM + self.rate_ppm)))


DEFAULT_FEE_LIMIT = FeeLimit()
