"""What a node does with an HTLC that it is asked to forward, compiled.

Source: LND `htlcswitch/link.go` (CheckHtlcForward, CheckHtlcTransit),
`htlcswitch/switch.go` (handlePacketAdd, getLocalLink). Plain-Python twin: tests/reference/engine_htlcs.py.
"""

from typing import Any

import numpy as np

from lightninglens.core.htlc import FailureCode, FailureDetail
from lightninglens.core.jit import inlined, kernel
from lightninglens.core.rng import Stream, philox
from lightninglens.routing._edges import bandwidth_msat
from lightninglens.routing._fees import inbound_fee, proportional_fee
from lightninglens.sim.life import Down, Stage

BLOCK_NS = 600_000_000_000

_NONE = int(FailureCode.NONE)
_TEMPORARY_CHANNEL = int(FailureCode.TEMPORARY_CHANNEL_FAILURE)
_BELOW_MINIMUM = int(FailureCode.AMOUNT_BELOW_MINIMUM)
_FEE_INSUFFICIENT = int(FailureCode.FEE_INSUFFICIENT)
_INCORRECT_CLTV = int(FailureCode.INCORRECT_CLTV_EXPIRY)
_UNKNOWN_PEER = int(FailureCode.UNKNOWN_NEXT_PEER)
_EXPIRY_TOO_SOON = int(FailureCode.EXPIRY_TOO_SOON)
_EXPIRY_TOO_FAR = int(FailureCode.EXPIRY_TOO_FAR)

_NO_DETAIL = int(FailureDetail.NO_DETAIL)
_NOT_ELIGIBLE = int(FailureDetail.LINK_NOT_ELIGIBLE)
_EXCEEDS_MAX = int(FailureDetail.HTLC_EXCEEDS_MAX)
_INSUFFICIENT = int(FailureDetail.INSUFFICIENT_BALANCE)
_ADD_FAILED = int(FailureDetail.HTLC_ADD_FAILED)
_CIRCULAR = int(FailureDetail.CIRCULAR_ROUTE)

_CLOSING, _CLOSED = int(Stage.CLOSING), int(Stage.CLOSED)
_APART = int(Down.NODE1 | Down.NODE2 | Down.FLAP)
_LINK_CHOICE = int(Stream.NON_STRICT_LINK)
_REJECT_DELTA_BLOCKS = 3
_MAX_EXPIRY_BLOCKS = 2016


@kernel
def height_at(parameters: Any, now: Any) -> Any:
    """Return the height of the simulated chain."""
    return parameters.start_height + (now - parameters.start_ns) // BLOCK_NS


@kernel
def check_forward(
    own: Any,
    enforced: Any,
    incoming: Any,
    outgoing: Any,
    amount_in: Any,
    amount_out: Any,
    cltv_in: Any,
    cltv_out: Any,
    height: Any,
) -> Any:
    """Return (code, detail) of forwarding over one link, NONE when it would pass (CheckHtlcForward)."""
    if not own.active[outgoing // 2]:
        return _UNKNOWN_PEER, _NO_DETAIL
    fee = enforced.base_fee_msat[outgoing] + proportional_fee(amount_out, enforced.fee_rate_ppm[outgoing])
    arriving = incoming ^ 1
    inbound = inbound_fee(
        enforced.inbound_base_fee_msat[arriving], enforced.inbound_fee_rate_ppm[arriving], amount_out + fee
    )
    if amount_in < amount_out or amount_in - amount_out < fee + inbound:
        return _FEE_INSUFFICIENT, _NO_DETAIL
    if amount_out < enforced.min_htlc_msat[outgoing]:
        return _BELOW_MINIMUM, _NO_DETAIL
    if enforced.max_htlc_msat[outgoing] != 0 and amount_out > enforced.max_htlc_msat[outgoing]:
        return _TEMPORARY_CHANNEL, _EXCEEDS_MAX
    if cltv_out <= height + _REJECT_DELTA_BLOCKS:
        return _EXPIRY_TOO_SOON, _NO_DETAIL
    if cltv_out > height + _MAX_EXPIRY_BLOCKS:
        return _EXPIRY_TOO_FAR, _NO_DETAIL
    if amount_out > own.spendable_msat[outgoing]:
        return _TEMPORARY_CHANNEL, _INSUFFICIENT
    if cltv_in - cltv_out < enforced.time_lock_delta_blocks[outgoing]:
        return _INCORRECT_CLTV, _NO_DETAIL
    if cltv_in - cltv_out > _MAX_EXPIRY_BLOCKS:
        return _EXPIRY_TOO_FAR, _NO_DETAIL
    return _NONE, _NO_DETAIL


@kernel
def check_own_link(own: Any, enforced: Any, outgoing: Any, amount: Any, cltv: Any, height: Any) -> Any:
    """Return (code, detail) of sending over an own link, NONE when it takes the HTLC (getLocalLink, canSendHtlc)."""
    if not own.active[outgoing // 2]:
        return _TEMPORARY_CHANNEL, _NOT_ELIGIBLE
    if amount < enforced.min_htlc_msat[outgoing]:
        return _BELOW_MINIMUM, _NO_DETAIL
    if enforced.max_htlc_msat[outgoing] != 0 and amount > enforced.max_htlc_msat[outgoing]:
        return _TEMPORARY_CHANNEL, _EXCEEDS_MAX
    if cltv <= height + _REJECT_DELTA_BLOCKS:
        return _EXPIRY_TOO_SOON, _NO_DETAIL
    if cltv > height + _MAX_EXPIRY_BLOCKS:
        return _EXPIRY_TOO_FAR, _NO_DETAIL
    if amount > bandwidth_msat(own, outgoing):
        return _TEMPORARY_CHANNEL, _INSUFFICIENT
    return _NONE, _NO_DETAIL


@inlined
def is_flushing(life: Any, channel: Any) -> Any:
    """Say whether a channel has a link that takes nothing new; of a peer that is away there is none (IsFlushing)."""
    return life.stage[channel] == _CLOSING and life.down[channel] & _APART == 0


@inlined
def choose_link(world: Any, slot: Any, hop: Any, now: Any) -> Any:
    """Return (direction, code, detail) of the link that forwards HTLC number `hop` of a route.

    Any channel to the same peer may serve, even the one that the HTLC came by
    if another was asked for; of those that would pass one is picked at random,
    by reservoir sampling. The error is that of the channel that was asked for.
    A link's slots are looked at only when it has been picked (handlePacketAdd,
    handleDownstreamUpdateAdd).
    """
    own, view, parameters, route = world.own, world.gossip, world.parameters, world.routes
    asked = route.direction[slot, hop]
    incoming = route.direction[slot, hop - 1]
    if asked == incoming ^ 1:
        return asked, _TEMPORARY_CHANNEL, _CIRCULAR
    if world.life.stage[asked // 2] == _CLOSED:
        return asked, _UNKNOWN_PEER, _NO_DETAIL
    height = height_at(parameters, now)
    amount_in, amount_out = route.amount_msat[slot, hop - 1], route.amount_msat[slot, hop]
    cltv_in, cltv_out = route.cltv_blocks[slot, hop - 1], route.cltv_blocks[slot, hop]
    row = np.int64(view.position[asked])
    node, peer = view.edges[row].source, view.edges[row].target
    while row > 0 and view.edges[row - 1].source == node and view.edges[row - 1].target == peer:
        row -= 1
    passing = 0
    chosen, code, detail = asked, _NONE, _NO_DETAIL
    bits = np.uint64(0)
    while row < view.edges.shape[0] and view.edges[row].source == node and view.edges[row].target == peer:
        link = view.edges[row].direction
        row += 1
        link_code, link_detail = check_forward(
            own, world.enforced, incoming, link, amount_in, amount_out, cltv_in, cltv_out, height
        )
        if link == asked:
            code, detail = link_code, link_detail
        if link_code != _NONE:
            continue
        passing += 1
        if passing == 2:
            attempt = world.attempts[slot]
            index = np.int64(attempt.number) * 128 + hop
            bits = philox(parameters.seed, world.payments[attempt.payment].payment_id, _LINK_CHOICE, index)
        if passing > 1:
            bits = bits * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
        if passing == 1 or (bits >> np.uint64(33)) % np.uint64(passing) == 0:
            chosen = link
    if passing == 0:
        if code == _UNKNOWN_PEER and is_flushing(world.life, asked // 2):
            detail = _NOT_ELIGIBLE
        return asked, code, detail
    if own.pending_htlcs[chosen] >= own.max_htlcs:
        return chosen, _TEMPORARY_CHANNEL, _ADD_FAILED
    return chosen, _NONE, _NO_DETAIL


@kernel
def carries_policy(code: Any, detail: Any) -> Any:
    """Say whether a failure brings the channel's current policy along (extractChannelUpdate)."""
    if code == _TEMPORARY_CHANNEL:
        return detail != _CIRCULAR
    return code == _FEE_INSUFFICIENT or code == _BELOW_MINIMUM or code == _INCORRECT_CLTV or code == _EXPIRY_TOO_SOON
