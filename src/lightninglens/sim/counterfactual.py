"""What a fork of a run has otherwise: the same payments meet another liquidity."""

from dataclasses import dataclass
from typing import ClassVar

from lightninglens.core.errors import ConfigError
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.records import STRICT
from lightninglens.core.units import MSAT_PER_SAT, Sat, UnixNs
from lightninglens.sim.engine import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedLiquidity:
    """A channel in which one side has more than it had, or less; the network is not told."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    time_ns: UnixNs
    channel_id: ChannelId
    node_id: NodeId
    """Whose side."""
    amount_sat: Sat
    """Below 0: less."""


def apply_change(engine: Engine, change: AddedLiquidity) -> None:
    """Make the change now; raises ConfigError when it names what is not there, or takes more than there is."""
    graph = engine.graph
    try:
        channel = graph.channel_index(change.channel_id)
    except KeyError:
        raise ConfigError(f"channel {change.channel_id} is not in this graph") from None
    ends = [graph.node_ids[int(graph.node1[channel])], graph.node_ids[int(graph.node2[channel])]]
    if change.node_id not in ends:
        raise ConfigError(
            f"channel {change.channel_id} is between {ends[0][:12]} and {ends[1][:12]}, not of {change.node_id[:12]}"
        )
    direction = 2 * channel + ends.index(change.node_id)
    has_sat = int(engine.balances_msat()[direction]) // MSAT_PER_SAT
    if has_sat + change.amount_sat < 0:
        raise ConfigError(f"{-change.amount_sat:,} sat cannot be taken: this side of the channel has {has_sat:,} sat")
    engine.add_liquidity(direction, change.amount_sat * MSAT_PER_SAT)
