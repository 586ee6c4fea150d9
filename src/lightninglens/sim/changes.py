"""What a scenario's timeline does to an engine."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.graph import NetworkGraph, PolicyColumns
from lightninglens.core.ids import ChannelId
from lightninglens.sim.engine import Engine
from lightninglens.sim.opening import NewChannel, extend_graph, rows_of
from lightninglens.sim.timeline import (
    ChannelOffline,
    CloseChannel,
    NodeOffline,
    OpenChannel,
    ScheduledChange,
    SetPolicy,
    lnd_default_policy,
)


def make_change(engine: Engine, scheduled: ScheduledChange, start_ns: int) -> None:
    """Make a change whose time has come; `start_ns` is the beginning of the world."""
    match scheduled.change:
        case CloseChannel(force=force):
            engine.close_channel(scheduled.channel, force=force)
        case OpenChannel() as change:
            engine.open_channel(_new_channel(scheduled, change))
        case SetPolicy(policy=policy):
            channel = scheduled.channel
            direction = 2 * channel + int(engine.graph.node1[channel] != scheduled.node)
            former = engine.policy(direction) or lnd_default_policy(int(engine.graph.capacity_sat[channel]))
            engine.set_policy(direction, policy.applied_to(former))
        case NodeOffline():
            engine.take_offline(scheduled.node, start_ns + scheduled.until_ns)
        case ChannelOffline():
            engine.disconnect(scheduled.channel, start_ns + scheduled.until_ns)


def _new_channel(scheduled: ScheduledChange, change: OpenChannel) -> NewChannel:
    default = lnd_default_policy(change.capacity_sat)
    return NewChannel(
        channel_id=ChannelId.parse(change.channel),
        opener=scheduled.node,
        peer=scheduled.peer,
        capacity_sat=change.capacity_sat,
        push_sat=change.push_sat,
        opener_policy=change.opener_policy.applied_to(default),
        peer_policy=change.peer_policy.applied_to(default),
    )


def with_opened(
    graph: NetworkGraph, opener_side: NDArray[np.int8], changes: Sequence[ScheduledChange]
) -> tuple[NetworkGraph, NDArray[np.int8]]:
    """Return the graph and the openers with all channels that a timeline opens."""
    for scheduled in changes:
        if isinstance(scheduled.change, OpenChannel):
            rows = rows_of(graph, _new_channel(scheduled, scheduled.change))
            graph = extend_graph(graph, rows, PolicyColumns.unknown(2))
            opener_side = np.concatenate([opener_side, rows.opener_side])
    return graph, opener_side
