"""Nodes and channels that go offline and come back, compiled.

A link that is down takes no new HTLC, and what it carries stays. A node whose
channel has been down for 20 minutes announces it as disabled, and as enabled
when it has been up again for 19; so a short outage stays untold only if it
ends within the first minute. Source: LND `netann/chan_status_manager.go`,
`peer/brontide.go` (ChanActiveTimeout). Plain-Python twin: tests/reference/outages.py.
"""

import math
from typing import Any

import numpy as np

from lightninglens.core.jit import inlined, kernel
from lightninglens.core.rng import Stream, uniform
from lightninglens.sim._gossip import announce
from lightninglens.sim._heap import schedule
from lightninglens.sim._life import set_down
from lightninglens.sim.life import Down, Moment, Stage, Watch
from lightninglens.sim.state import EventKind

DISABLE_NS = 20 * 60 * 1_000_000_000
"""`lncfg`, DefaultChanDisableTimeout."""
ENABLE_NS = 19 * 60 * 1_000_000_000
"""`lncfg`, DefaultChanEnableTimeout."""

_GOSSIP = int(EventKind.GOSSIP)
_LIFE = int(EventKind.LIFE)
_OPEN = int(Stage.OPEN)
_NODE1 = int(Down.NODE1)
_NODE2 = int(Down.NODE2)
_FLAP = int(Down.FLAP)
_OUT = _NODE1 | _NODE2 | _FLAP

_ENABLED = int(Watch.ENABLED)
_PENDING = int(Watch.PENDING)
_DISABLED = int(Watch.DISABLED)

_NODE_FALLS = int(Moment.NODE_FALLS)
_NODE_RETURNS = int(Moment.NODE_RETURNS)
_CHANNEL_FALLS = int(Moment.CHANNEL_FALLS)
_CHANNEL_RETURNS = int(Moment.CHANNEL_RETURNS)
_DISABLE = int(Moment.DISABLE)
_ENABLE = int(Moment.ENABLE)

_NODE_OUTAGE = int(Stream.NODE_OUTAGE)
_CHANNEL_OUTAGE = int(Stream.CHANNEL_OUTAGE)


@kernel
def _bit_of(direction: Any) -> Any:
    return _NODE1 if direction % 2 == 0 else _NODE2


@kernel
def _note_down(life: Any, heap: Any, counters: Any, direction: Any, now: Any) -> None:
    """The node at a direction's start sees that the link is down, if it is up itself (markPendingInactiveChannels)."""
    if life.watch[direction] == _ENABLED and not life.down[direction // 2] & _bit_of(direction):
        life.watch[direction] = _PENDING
        life.due_ns[direction] = now + DISABLE_NS
        schedule(heap, counters, now + DISABLE_NS, _LIFE, direction, _DISABLE)


@kernel
def _note_up(life: Any, heap: Any, counters: Any, channel: Any, now: Any) -> None:
    life.up_since_ns[channel] = now
    for direction in (2 * channel, 2 * channel + 1):
        if life.watch[direction] != _ENABLED:
            schedule(heap, counters, now + ENABLE_NS, _LIFE, direction, _ENABLE)


@kernel
def _turn_node(own: Any, life: Any, heap: Any, counters: Any, node: Any, down: Any, now: Any) -> None:
    """Take a node off the network or bring it back, with all its channels."""
    for place in range(own.first_out[node], own.first_out[node + 1]):
        direction = np.int64(own.out_direction[place])
        channel = direction // 2
        was_out = life.down[channel] & _OUT
        set_down(life, own, channel, _bit_of(direction), down)
        is_out = life.down[channel] & _OUT
        if down:
            if life.watch[direction] == _PENDING:
                life.watch[direction] = _ENABLED  # what it was about to say is forgotten with its process
            if not was_out:
                _note_down(life, heap, counters, direction ^ 1, now)
        elif is_out:
            _note_down(life, heap, counters, direction, now)
        elif was_out:
            _note_up(life, heap, counters, channel, now)


@kernel
def _turn_channel(own: Any, life: Any, heap: Any, counters: Any, channel: Any, down: Any, now: Any) -> None:
    was_out = life.down[channel] & _OUT
    set_down(life, own, channel, _FLAP, down)
    if down and not was_out:
        _note_down(life, heap, counters, 2 * channel, now)
        _note_down(life, heap, counters, 2 * channel + 1, now)
    elif was_out and not life.down[channel] & _OUT:
        _note_up(life, heap, counters, channel, now)


@kernel
def drop_node(own: Any, life: Any, heap: Any, counters: Any, node: Any, until_ns: Any, now: Any) -> None:
    """Take a node offline until a time, or until later if it is offline for longer already."""
    is_offline = life.node_back_ns[node] > now
    life.node_back_ns[node] = max(life.node_back_ns[node], until_ns)
    if not is_offline:
        _turn_node(own, life, heap, counters, node, True, now)
    schedule(heap, counters, until_ns, _LIFE, node, _NODE_RETURNS)


@kernel
def drop_channel(own: Any, life: Any, heap: Any, counters: Any, channel: Any, until_ns: Any, now: Any) -> None:
    """Take a channel offline until a time, or until later if it is offline for longer already."""
    is_offline = life.channel_back_ns[channel] > now
    life.channel_back_ns[channel] = max(life.channel_back_ns[channel], until_ns)
    if not is_offline:
        _turn_channel(own, life, heap, counters, channel, True, now)
    schedule(heap, counters, until_ns, _LIFE, channel, _CHANNEL_RETURNS)


@kernel
def exponential_ns(seed: Any, entity: Any, stream: Any, index: Any, mean_ns: Any) -> Any:
    """Draw an exponential time, 1 ns at least."""
    return np.int64(-math.log(1.0 - uniform(seed, entity, stream, index)) * mean_ns) + 1


@kernel
def first_outages(life: Any, parameters: Any, heap: Any, counters: Any, now: Any) -> None:
    """Begin the outages of all nodes and channels, as many of them being offline now as at any other time."""
    if parameters.node_up_ns > 0.0:
        share = parameters.node_down_ns / (parameters.node_down_ns + parameters.node_up_ns)
        for node in range(life.node_back_ns.shape[0]):
            first_ns = exponential_ns(parameters.seed, node, _NODE_OUTAGE, 1, parameters.node_up_ns)
            if uniform(parameters.seed, node, _NODE_OUTAGE, 0) < share:
                first_ns = np.int64(1)
            schedule(heap, counters, now + first_ns, _LIFE, node, _NODE_FALLS)
    if parameters.channel_up_ns > 0.0:
        share = parameters.channel_down_ns / (parameters.channel_down_ns + parameters.channel_up_ns)
        for channel in range(life.stage.shape[0]):
            first_ns = exponential_ns(parameters.seed, channel, _CHANNEL_OUTAGE, 1, parameters.channel_up_ns)
            if uniform(parameters.seed, channel, _CHANNEL_OUTAGE, 0) < share:
                first_ns = np.int64(1)
            schedule(heap, counters, now + first_ns, _LIFE, channel, _CHANNEL_FALLS)


@kernel
def _fall(life: Any, own: Any, parameters: Any, heap: Any, counters: Any, row: Any, moment: Any, now: Any) -> None:
    """An outage that was drawn begins; draw how long it is, and when the next one comes."""
    seed = parameters.seed
    if moment == _NODE_FALLS:
        life.node_outages[row] += 1
        index = 2 * np.int64(life.node_outages[row])
        back_ns = now + exponential_ns(seed, row, _NODE_OUTAGE, index, parameters.node_down_ns)
        drop_node(own, life, heap, counters, row, back_ns, now)
        up_ns = exponential_ns(seed, row, _NODE_OUTAGE, index + 1, parameters.node_up_ns)
    else:
        if life.stage[row] != _OPEN:
            return
        life.channel_outages[row] += 1
        index = 2 * np.int64(life.channel_outages[row])
        back_ns = now + exponential_ns(seed, row, _CHANNEL_OUTAGE, index, parameters.channel_down_ns)
        drop_channel(own, life, heap, counters, row, back_ns, now)
        up_ns = exponential_ns(seed, row, _CHANNEL_OUTAGE, index + 1, parameters.channel_up_ns)
    schedule(heap, counters, back_ns + up_ns, _LIFE, row, moment)


@inlined
def happen(world: Any, row: Any, moment: Any, now: Any) -> None:
    """A node or a channel falls or returns, or a node announces what became of a channel."""
    life, own, heap, counters = world.life, world.own, world.heap, world.counters
    if moment == _NODE_FALLS or moment == _CHANNEL_FALLS:
        _fall(life, own, world.parameters, heap, counters, row, moment, now)
    elif moment == _NODE_RETURNS:
        if life.node_back_ns[row] <= now:
            _turn_node(own, life, heap, counters, row, False, now)
    elif moment == _CHANNEL_RETURNS:
        if life.channel_back_ns[row] <= now:
            _turn_channel(own, life, heap, counters, row, False, now)
    elif _is_told(life, world.enforced, row, moment, now):
        announced_ns = max(now, life.announced_ns[row // 2])
        if world.parameters.gossip_delay_median_ns > 0.0:
            announced_ns = announce(world.news, world.gossip, world.enforced, row, announced_ns, now)
            announced_ns += world.parameters.gossip_spread_ns
        schedule(heap, counters, announced_ns, _GOSSIP, row, 0)


@kernel
def _is_told(life: Any, enforced: Any, direction: Any, moment: Any, now: Any) -> Any:
    """Let the time of an announcement come; return whether one is made."""
    channel = direction // 2
    if life.stage[channel] != _OPEN:
        return False
    if moment == _DISABLE:
        if life.watch[direction] != _PENDING or life.due_ns[direction] != now:
            return False
        life.watch[direction] = _DISABLED
        enforced.disabled[direction] = 1
        return not life.asked_disabled[direction]
    if life.down[channel] & _OUT or life.up_since_ns[channel] != now - ENABLE_NS:
        return False
    was_told = life.watch[direction] == _DISABLED
    life.watch[direction] = _ENABLED
    enforced.disabled[direction] = life.asked_disabled[direction]
    return was_told and not life.asked_disabled[direction]
