"""Why our node refused an HTLC: what each of LND's codes proves.

LND checks fee, min_htlc, max_htlc, expiry, balance and time lock in this order, so a
later refusal proves that everything before it was in order.
Source: LND `htlcswitch/link.go` (CheckHtlcForward, canSendHtlc), `htlcswitch/switch.go`.
"""

from lightninglens.analytics.missed.channels import ChannelBook
from lightninglens.core.attempts import FailureCause
from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEvent
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_HOUR

SPREADING_NS = 2 * NS_PER_HOUR
"""For so long after a raise senders may not have heard of it: gossip takes minutes to hours."""

_POLICY_DETAILS = {FailureDetail.CIRCULAR_ROUTE, FailureDetail.FORWARDS_DISABLED}
_BY_CODE = {
    FailureCode.CHANNEL_DISABLED: FailureCause.REFUSED_BY_POLICY,
    FailureCode.AMOUNT_BELOW_MINIMUM: FailureCause.BELOW_MINIMUM,
    FailureCode.INCORRECT_CLTV_EXPIRY: FailureCause.EXPIRY,
    FailureCode.EXPIRY_TOO_SOON: FailureCause.EXPIRY,
    FailureCode.EXPIRY_TOO_FAR: FailureCause.EXPIRY,
}


def cause_of(event: HtlcEvent, channels: ChannelBook) -> FailureCause:
    """Return why our node refused a forward; `channels` as they were at that moment."""
    if not event.outgoing_channel_id:
        return FailureCause.INCOMING
    if event.failure_detail in _POLICY_DETAILS:
        return FailureCause.REFUSED_BY_POLICY
    match event.wire_failure:
        case FailureCode.TEMPORARY_CHANNEL_FAILURE:
            return _temporary(event, channels)
        case FailureCode.FEE_INSUFFICIENT:
            return _fee(event, channels)
        case FailureCode.UNKNOWN_NEXT_PEER:
            is_ours = channels.get(event.outgoing_channel_id) is not None
            return FailureCause.PEER_OFFLINE if is_ours else FailureCause.UNKNOWN_CHANNEL
        case code:
            return _BY_CODE.get(code, FailureCause.UNCLEAR)


def _temporary(event: HtlcEvent, channels: ChannelBook) -> FailureCause:
    match event.failure_detail:
        case FailureDetail.INSUFFICIENT_BALANCE:
            return FailureCause.SLOTS if _has_balance(event, channels) else FailureCause.LIQUIDITY
        case FailureDetail.HTLC_EXCEEDS_MAX:
            spendable_msat = channels.spendable_msat(event.outgoing_channel_id)
            had_it = spendable_msat is not None and event.outgoing_amount_msat <= spendable_msat
            return FailureCause.OWN_MAX_HTLC if had_it else FailureCause.TOO_LARGE
        case FailureDetail.HTLC_ADD_FAILED:
            return FailureCause.SLOTS
        case FailureDetail.LINK_NOT_ELIGIBLE:
            return FailureCause.PEER_OFFLINE
        case _:
            return FailureCause.UNCLEAR


def _has_balance(event: HtlcEvent, channels: ChannelBook) -> bool:
    """Tell whether a channel with the peer had the amount, so that something else lacked than a balance.

    Where the peer opened the channel and is at its reserve, it cannot pay for one
    more HTLC, and LND says for it what it says for an empty channel.
    """
    return any(
        each.local_msat - each.local_reserve_sat * MSAT_PER_SAT >= event.outgoing_amount_msat > each.outbound_msat
        for each in channels.beside(event.outgoing_channel_id)
    )


def _fee(event: HtlcEvent, channels: ChannelBook) -> FailureCause:
    """Tell an offer by our last policy, soon after a raise, from one that would not have done before either."""
    raised = [
        each
        for each in (channels.raised(event.outgoing_channel_id), channels.raised(event.incoming_channel_id))
        if each is not None and 0 <= event.timestamp_ns - each.at_ns <= SPREADING_NS
    ]
    if not raised:
        return FailureCause.FEE
    asked_msat = _asked_before_msat(event, channels)
    met = event.incoming_amount_msat - event.outgoing_amount_msat >= asked_msat
    return FailureCause.FEE_SPREADING if met else FailureCause.FEE


def _asked_before_msat(event: HtlcEvent, channels: ChannelBook) -> int:
    """Return what we asked for this forward before the latest raise of either channel."""
    outgoing = _policy_before(event.outgoing_channel_id, channels)
    incoming = _policy_before(event.incoming_channel_id, channels)
    fee_msat = 0 if outgoing is None else outgoing.outbound_fee_msat(event.outgoing_amount_msat)
    if incoming is not None:
        fee_msat += incoming.inbound_fee_msat(event.outgoing_amount_msat + fee_msat)
    return max(fee_msat, 0)


def _policy_before(channel_id: int, channels: ChannelBook) -> ChannelPolicy | None:
    raised = channels.raised(channel_id)  # type: ignore[arg-type]
    if raised is not None:
        return raised.before
    state = channels.get(channel_id)  # type: ignore[arg-type]
    return None if state is None else state.local_policy
