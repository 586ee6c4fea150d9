"""How channels go down, come up and end, compiled. Plain-Python twin: tests/reference/engine_network.py."""

from typing import Any

import numpy as np

from lightninglens.core.htlc import FailureCode, FailureDetail
from lightninglens.core.jit import inlined, kernel
from lightninglens.sim._gossip import drop_news
from lightninglens.sim._heap import schedule
from lightninglens.sim.life import LONG_AGO_NS, NOT_THERE, Down, Stage
from lightninglens.sim.state import EventKind

_SETTLE = int(EventKind.SETTLE)
_FAIL = int(EventKind.FAIL)
_ARRIVE = int(EventKind.ARRIVE)

_OPEN = int(Stage.OPEN)
_CLOSING = int(Stage.CLOSING)
_FORCED = int(Stage.FORCED)
_CLOSED = int(Stage.CLOSED)
_ENDING = int(Down.ENDING)
_NODE1 = int(Down.NODE1)
_NODE2 = int(Down.NODE2)
_FLAP = int(Down.FLAP)

_PERMANENT_CHANNEL = int(FailureCode.PERMANENT_CHANNEL_FAILURE)
_ON_CHAIN_TIMEOUT = int(FailureDetail.ON_CHAIN_TIMEOUT)


@kernel
def set_down(life: Any, own: Any, channel: Any, bit: Any, down: Any) -> None:
    """Enter or take away one reason why a channel takes no new HTLC."""
    bits = np.int64(life.down[channel]) & ~np.int64(bit)
    if down:
        bits |= np.int64(bit)
    life.down[channel] = np.uint8(bits)
    own.active[channel] = bits == 0


@kernel
def begin_close(
    network: Any, own: Any, view: Any, enforced: Any, news: Any, life: Any, channel: Any, stage: Any, on_chain_ns: Any
) -> None:
    """Let a channel take no new HTLC, and end it if none is in flight."""
    life.stage[channel] = stage
    life.on_chain_ns[channel] = on_chain_ns
    set_down(life, own, channel, _ENDING, True)
    _end_if_empty(network, own, view, enforced, news, life, channel)


@kernel
def _end_if_empty(network: Any, own: Any, view: Any, enforced: Any, news: Any, life: Any, channel: Any) -> None:
    """Take an ending channel's money out of the network, and the channel out of the view, when no HTLC is left."""
    stage = life.stage[channel]
    if stage != _CLOSING and stage != _FORCED:
        return
    if own.pending_htlcs[2 * channel] + own.pending_htlcs[2 * channel + 1] > 0:
        return
    life.stage[channel] = np.int8(_CLOSED)
    life.ledger_msat[1] += network.capacity_msat[channel]
    network.capacity_msat[channel] = 0
    for direction in (2 * channel, 2 * channel + 1):
        network.node_msat[network.source[direction]] -= network.balance_msat[direction]
        network.balance_msat[direction] = 0
        own.spendable_msat[direction] = 0
        enforced.disabled[direction] = NOT_THERE
        drop_news(news, direction)
        if view.position[direction] >= 0:
            view.edges[view.position[direction]].disabled = np.uint8(NOT_THERE)


@inlined
def after_resolution(world: Any, channel: Any) -> None:
    """An HTLC of a channel is gone: if it was the last of one that ends, the channel is closed."""
    if world.life.stage[channel] != _OPEN:
        _end_if_empty(world.network, world.own, world.gossip, world.enforced, world.news, world.life, np.int64(channel))


@kernel
def _back_ns(life: Any, source: Any, channel: Any) -> Any:
    """Return when a channel's link will be up again, as far as is known; long ago if it is up."""
    bits = np.int64(life.down[channel])
    back_ns = np.int64(LONG_AGO_NS)
    if bits & _NODE1:
        back_ns = max(back_ns, life.node_back_ns[source[2 * channel]])
    if bits & _NODE2:
        back_ns = max(back_ns, life.node_back_ns[source[2 * channel + 1]])
    if bits & _FLAP:
        back_ns = max(back_ns, life.channel_back_ns[channel])
    return back_ns


@inlined
def is_put_off(world: Any, slot: Any, hop: Any, kind: Any, now: Any) -> Any:
    """Say whether an event of an HTLC cannot happen now; it is scheduled for when it can.

    While a link is down its HTLCs stay as they are; when it is up again, the
    two ends go on where they were (BOLT 2, channel_reestablish).
    What a forced channel carried and nobody has settled goes back when it has timed out on the chain.
    """
    life = world.life
    channel = world.routes.direction[slot, hop] // 2
    if life.stage[channel] != _FORCED:
        back_ns = _back_ns(life, world.network.source, np.int64(channel))
        if back_ns < now:
            return False
        schedule(world.heap, world.counters, back_ns + 1, kind, slot, hop)
        return True
    if kind == _SETTLE:
        return False
    if kind == _FAIL and now >= life.on_chain_ns[channel]:
        attempt = world.attempts[slot]
        attempt.code = _PERMANENT_CHANNEL
        attempt.detail = _ON_CHAIN_TIMEOUT
        attempt.failed_index = hop
        attempt.failed_direction = world.routes.direction[slot, hop]
        return False
    schedule(world.heap, world.counters, max(now, life.on_chain_ns[channel]), _FAIL, slot, hop)
    return True
