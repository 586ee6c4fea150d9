"""LND's messages as the records of `core`, and channel points both ways."""

import re
from collections.abc import Iterable

from lightninglens.core.channels import HTLC_OUTPUT_WEIGHT, ChannelPolicy, ChannelState, Opener
from lightninglens.core.errors import DataError
from lightninglens.core.forwards import Forward
from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEvent, HtlcEventKind, HtlcEventType
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.node import ClosedChannel, Closure, PendingChannel, PendingState
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_SECOND, Blocks, Msat, Ppm, Sat, UnixNs, to_msat
from lightninglens.nodes.lnd.client.faults import clean
from lightninglens.nodes.lnd.contract import lnrpc, routerrpc

_POINT = re.compile(r"([0-9a-f]{64}):(\d{1,5})", re.ASCII)
_KINDS = {
    "forward_event": HtlcEventKind.FORWARD,
    "forward_fail_event": HtlcEventKind.FORWARD_FAIL,
    "settle_event": HtlcEventKind.SETTLE,
    "link_fail_event": HtlcEventKind.LINK_FAIL,
}
_CODES = {code.value: code for code in FailureCode}
_DETAILS = {detail.value: detail for detail in FailureDetail}
_TYPES = {kind.value: kind for kind in HtlcEventType}
_OPENERS = {lnrpc.INITIATOR_LOCAL: Opener.LOCAL, lnrpc.INITIATOR_REMOTE: Opener.REMOTE}
_CLOSURES = {
    lnrpc.ChannelCloseSummary.COOPERATIVE_CLOSE: Closure.COOPERATIVE,
    lnrpc.ChannelCloseSummary.LOCAL_FORCE_CLOSE: Closure.LOCAL_FORCE,
    lnrpc.ChannelCloseSummary.REMOTE_FORCE_CLOSE: Closure.REMOTE_FORCE,
    lnrpc.ChannelCloseSummary.BREACH_CLOSE: Closure.BREACH,
    lnrpc.ChannelCloseSummary.FUNDING_CANCELED: Closure.FUNDING_CANCELED,
    lnrpc.ChannelCloseSummary.ABANDONED: Closure.ABANDONED,
}


def channel_point(text: str) -> lnrpc.ChannelPoint:
    """Return a funding output, `txid:index`, as LND takes it; raises DataError."""
    match = _POINT.fullmatch(text)
    if match is None:
        raise DataError(f"{text[:80]!r} is no channel point (64 hex digits, a colon, the output's number)")
    return lnrpc.ChannelPoint(funding_txid_str=match[1], output_index=int(match[2]))


def policy(said: lnrpc.RoutingPolicy) -> ChannelPolicy:
    """Return what a node asks for."""
    return ChannelPolicy(
        base_fee_msat=Msat(said.fee_base_msat),
        fee_rate_ppm=Ppm(said.fee_rate_milli_msat),
        time_lock_delta_blocks=Blocks(said.time_lock_delta),
        min_htlc_msat=Msat(said.min_htlc),
        max_htlc_msat=Msat(said.max_htlc_msat),
        inbound_base_fee_msat=Msat(said.inbound_fee_base_msat),
        inbound_fee_rate_ppm=Ppm(said.inbound_fee_rate_milli_msat),
        disabled=said.disabled,
    )


def policies_of(edge: lnrpc.ChannelEdge, node_id: NodeId) -> tuple[ChannelPolicy | None, ChannelPolicy | None]:
    """Return what a node and its peer ask for in a channel, ours first; None where nothing was announced."""
    first = policy(edge.node1_policy) if edge.HasField("node1_policy") else None
    second = policy(edge.node2_policy) if edge.HasField("node2_policy") else None
    return (first, second) if edge.node1_pub == node_id else (second, first)


def channel_state(said: lnrpc.Channel, edge: lnrpc.ChannelEdge | None, node_id: NodeId) -> ChannelState:
    """Return an open channel; `edge` is None where the graph does not have it."""
    ours, theirs = policies_of(edge, node_id) if edge is not None else (None, None)
    local_reserve, remote_reserve = said.local_constraints.chan_reserve_sat, said.remote_constraints.chan_reserve_sat
    buffer_sat = _fee_buffer_sat(said)
    return ChannelState(
        channel_id=ChannelId(said.chan_id),
        peer_id=NodeId(said.remote_pubkey),
        peer_alias=clean(said.peer_alias),
        capacity_sat=Sat(said.capacity),
        local_msat=to_msat(said.local_balance),
        remote_msat=to_msat(said.remote_balance),
        commit_fee_sat=Sat(said.commit_fee),
        unsettled_msat=to_msat(said.unsettled_balance),
        pending_htlcs=len(said.pending_htlcs),
        local_reserve_sat=Sat(local_reserve),
        remote_reserve_sat=Sat(remote_reserve),
        opener=Opener.LOCAL if said.initiator else Opener.REMOTE,
        active=said.active,
        outbound_msat=_spendable(said.local_balance, local_reserve, buffer_sat if said.initiator else 0),
        inbound_msat=_spendable(said.remote_balance, remote_reserve, 0 if said.initiator else buffer_sat),
        local_policy=ours,
        remote_policy=theirs,
        channel_point=said.channel_point,
        private=said.private,
    )


def _fee_buffer_sat(said: lnrpc.Channel) -> int:
    """Return what the opener keeps back for commitments to come: twice the fee with one more HTLC.

    Source: LND `lnwallet/channel.go`, `availableBalance`; the fee of now is not part of the balance.
    """
    return max(2 * said.fee_per_kw * (said.commit_weight + HTLC_OUTPUT_WEIGHT) // 1_000 - said.commit_fee, 0)


def _spendable(balance_sat: int, reserve_sat: int, buffer_sat: int) -> Msat:
    return to_msat(max(balance_sat - reserve_sat - buffer_sat, 0))


def closed_channel(said: lnrpc.ChannelCloseSummary) -> ClosedChannel:
    """Return a channel that is no more."""
    return ClosedChannel(
        channel_id=ChannelId(said.chan_id),
        channel_point=said.channel_point,
        peer_id=NodeId(said.remote_pubkey),
        capacity_sat=Sat(said.capacity),
        settled_sat=Sat(said.settled_balance),
        close_height=said.close_height,
        closure=_CLOSURES.get(said.close_type),
        opener=_OPENERS.get(said.open_initiator),
    )


def pending_channels(said: lnrpc.PendingChannelsResponse) -> tuple[PendingChannel, ...]:
    """Return the channels on their way in or out."""
    groups: tuple[tuple[PendingState, Iterable[lnrpc.PendingChannelsResponse.PendingChannel]], ...] = (
        (PendingState.OPENING, (each.channel for each in said.pending_open_channels)),
        (PendingState.CLOSING, (each.channel for each in said.pending_closing_channels)),
        (PendingState.FORCE_CLOSING, (each.channel for each in said.pending_force_closing_channels)),
        (PendingState.WAITING_CLOSE, (each.channel for each in said.waiting_close_channels)),
    )
    return tuple(_pending(state, channel) for state, channels in groups for channel in channels)


def _pending(state: PendingState, said: lnrpc.PendingChannelsResponse.PendingChannel) -> PendingChannel:
    return PendingChannel(
        channel_point=said.channel_point,
        peer_id=NodeId(said.remote_node_pub),
        capacity_sat=Sat(said.capacity),
        local_sat=Sat(said.local_balance),
        remote_sat=Sat(said.remote_balance),
        state=state,
    )


def forward(said: lnrpc.ForwardingEvent) -> Forward:
    """Return a settled forward; LND before 0.13 has neither ns nor msat, which then are whole."""
    return Forward(
        settled_ns=UnixNs(said.timestamp_ns or said.timestamp * NS_PER_SECOND),
        incoming_channel_id=ChannelId(said.chan_id_in),
        outgoing_channel_id=ChannelId(said.chan_id_out),
        incoming_amount_msat=Msat(said.amt_in_msat or said.amt_in * MSAT_PER_SAT),
        outgoing_amount_msat=Msat(said.amt_out_msat or said.amt_out * MSAT_PER_SAT),
        incoming_htlc_id=said.incoming_htlc_id if said.HasField("incoming_htlc_id") else None,
        outgoing_htlc_id=said.outgoing_htlc_id if said.HasField("outgoing_htlc_id") else None,
    )


def htlc_event(said: routerrpc.HtlcEvent) -> HtlcEvent | None:
    """Return an HTLC event; None for what is none of the four kinds (subscribed, final, or newer than this program).

    The preimage of a settled HTLC is left where it is.
    """
    which = said.WhichOneof("event")
    kind = _KINDS.get(which or "")
    if kind is None:
        return None
    failed = said.link_fail_event
    info = failed.info if which == "link_fail_event" else said.forward_event.info
    return HtlcEvent(
        timestamp_ns=UnixNs(said.timestamp_ns),
        kind=kind,
        event_type=_TYPES.get(said.event_type, HtlcEventType.UNKNOWN),
        incoming_channel_id=ChannelId(said.incoming_channel_id),
        outgoing_channel_id=ChannelId(said.outgoing_channel_id),
        incoming_htlc_id=said.incoming_htlc_id,
        outgoing_htlc_id=said.outgoing_htlc_id,
        incoming_amount_msat=Msat(info.incoming_amt_msat),
        outgoing_amount_msat=Msat(info.outgoing_amt_msat),
        incoming_timelock_blocks=info.incoming_timelock,
        outgoing_timelock_blocks=info.outgoing_timelock,
        wire_failure=failure_code(failed.wire_failure),
        failure_detail=_DETAILS.get(failed.failure_detail, FailureDetail.UNKNOWN),
    )


def failure_code(number: int) -> FailureCode:
    """Return a failure code; one that is not known here is that of an unknown failure."""
    return _CODES.get(number, FailureCode.UNKNOWN_FAILURE)
