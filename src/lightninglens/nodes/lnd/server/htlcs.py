"""A node's HTLC events: from a row of the engine's log to what LND sends."""

import hashlib
from typing import NamedTuple

from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcEventKind, HtlcEventType
from lightninglens.core.ids import ChannelId
from lightninglens.nodes.lnd.contract import routerrpc

_FORWARD, _FORWARD_FAIL, _SETTLE, _LINK_FAIL = (
    int(kind)
    for kind in (HtlcEventKind.FORWARD, HtlcEventKind.FORWARD_FAIL, HtlcEventKind.SETTLE, HtlcEventKind.LINK_FAIL)
)

_DETAIL_TEXTS = {
    FailureDetail.LINK_NOT_ELIGIBLE: "link not eligible",
    FailureDetail.ON_CHAIN_TIMEOUT: "payment was resolved on-chain, then canceled back",
    FailureDetail.HTLC_EXCEEDS_MAX: "htlc exceeds maximum policy amount",
    FailureDetail.INSUFFICIENT_BALANCE: "insufficient bandwidth to route htlc",
    FailureDetail.HTLC_ADD_FAILED: "could not add downstream htlc",
    FailureDetail.INVOICE_CANCELED: "invoice canceled",
    FailureDetail.INVOICE_UNDERPAID: "amount too low",
    FailureDetail.INVOICE_EXPIRY_TOO_SOON: "expiry too soon",
    FailureDetail.INVOICE_NOT_OPEN: "invoice no longer open",
    FailureDetail.MPP_INVOICE_TIMEOUT: "mpp timeout",
    FailureDetail.ADDRESS_MISMATCH: "payment address mismatch",
    FailureDetail.SET_TOTAL_TOO_LOW: "set total too low for invoice",
    FailureDetail.UNKNOWN_INVOICE: "invoice not found",
    FailureDetail.INVALID_KEYSEND: "invalid keysend parameters",
    FailureDetail.CIRCULAR_ROUTE: "same incoming and outgoing channel",
}
_NO_UPDATE = "update=(*lnwire.ChannelUpdate1)(<nil>)\n"
"""How Go prints that a message has no channel_update with it: the simulator's events do not say which it had."""
_CODE_TEXTS = {
    FailureCode.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS: "IncorrectOrUnknownPaymentDetails",
    FailureCode.EXPIRY_TOO_SOON: f"ExpiryTooSoon({_NO_UPDATE}",
    FailureCode.AMOUNT_BELOW_MINIMUM: f"AmountBelowMinimum(amt={{outgoing_msat}} mSAT, {_NO_UPDATE}",
    FailureCode.FEE_INSUFFICIENT: f"FeeInsufficient(htlc_amt=={{incoming_msat}} mSAT, {_NO_UPDATE}",
    FailureCode.INCORRECT_CLTV_EXPIRY: f"IncorrectCltvExpiry(expiry={{incoming_timelock}}, {_NO_UPDATE}",
    FailureCode.CHANNEL_DISABLED: "ChannelDisabled",
    FailureCode.TEMPORARY_CHANNEL_FAILURE: "TemporaryChannelFailure",
    FailureCode.UNKNOWN_NEXT_PEER: "UnknownNextPeer",
    FailureCode.PERMANENT_CHANNEL_FAILURE: "PermanentChannelFailure",
    FailureCode.EXPIRY_TOO_FAR: "ExpiryTooFar",
    FailureCode.MPP_TIMEOUT: "MPPTimeout",
}


class HtlcRow(NamedTuple):
    """A row of HTLC_ROW as plain numbers; directions are -1 where there is none."""

    timestamp_ns: int
    node: int
    kind: int
    event_type: int
    code: int
    detail: int
    incoming_direction: int
    outgoing_direction: int
    incoming_htlc_id: int
    outgoing_htlc_id: int
    incoming_msat: int
    outgoing_msat: int
    incoming_timelock: int
    outgoing_timelock: int

    @property
    def is_settle(self) -> bool:
        """Whether the HTLC was settled."""
        return self.kind == _SETTLE

    @property
    def is_add(self) -> bool:
        """Whether the HTLC was sent on."""
        return self.kind == _FORWARD

    @property
    def was_added(self) -> bool:
        """Whether the outgoing channel has had it: our own link did not refuse it."""
        return self.kind != _LINK_FAIL

    @property
    def is_forward(self) -> bool:
        """Whether the node forwards it, and neither sends nor receives it."""
        return self.event_type == HtlcEventType.FORWARD


def preimage_of(outgoing: ChannelId, htlc_id: int) -> bytes:
    """Return a preimage for an HTLC of the simulation, which has none: tools take an empty one for a failure."""
    return hashlib.sha256(f"lightninglens/preimage/{int(outgoing)}/{htlc_id}".encode()).digest()


def htlc_event(row: HtlcRow, incoming: ChannelId, outgoing: ChannelId, timestamp_ns: int) -> routerrpc.HtlcEvent:
    """Return a row as LND's event, of a real time."""
    event = routerrpc.HtlcEvent(
        incoming_channel_id=incoming,
        outgoing_channel_id=outgoing,
        incoming_htlc_id=row.incoming_htlc_id,
        outgoing_htlc_id=row.outgoing_htlc_id,
        timestamp_ns=timestamp_ns,
        event_type=row.event_type,  # type: ignore[arg-type]  # LND's numbers are ours
    )
    if row.kind == _FORWARD:
        event.forward_event.info.CopyFrom(_info(row))
    elif row.kind == _SETTLE:
        event.settle_event.preimage = preimage_of(outgoing or incoming, row.outgoing_htlc_id or row.incoming_htlc_id)
    elif row.kind == _FORWARD_FAIL:
        event.forward_fail_event.SetInParent()
    else:
        failure = event.link_fail_event
        failure.info.CopyFrom(_info(row))
        failure.wire_failure = row.code  # type: ignore[assignment]  # LND's numbers are ours
        failure.failure_detail = row.detail  # type: ignore[assignment]  # LND's numbers are ours
        failure.failure_string = _failure_text(row)
    return event


def final_event(row: HtlcRow, incoming: ChannelId, timestamp_ns: int) -> routerrpc.HtlcEvent | None:
    """Return what follows when an incoming HTLC is resolved for good; None where there is none, or it goes on."""
    if row.incoming_direction < 0 or row.kind == _FORWARD:
        return None
    return routerrpc.HtlcEvent(
        incoming_channel_id=incoming,
        incoming_htlc_id=row.incoming_htlc_id,
        timestamp_ns=timestamp_ns,
        final_htlc_event=routerrpc.FinalHtlcEvent(settled=row.kind == _SETTLE, offchain=True),
    )


def _info(row: HtlcRow) -> routerrpc.HtlcInfo:
    return routerrpc.HtlcInfo(
        incoming_timelock=row.incoming_timelock,
        outgoing_timelock=row.outgoing_timelock,
        incoming_amt_msat=row.incoming_msat,
        outgoing_amt_msat=row.outgoing_msat,
    )


def _failure_text(row: HtlcRow) -> str:
    """Return the detail in words, or the message on the wire as Go prints it (`lnwire/onion_error.go`)."""
    words = _DETAIL_TEXTS.get(FailureDetail(row.detail))
    if words is not None:
        return words
    try:
        code = FailureCode(row.code)
    except ValueError:
        return f"failure {row.code}"
    return _CODE_TEXTS.get(code, code.name).format(**row._asdict())
