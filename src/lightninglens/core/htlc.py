"""HTLCs: events as LND reports them, failure codes, outcomes of payments.

Numbers and meanings are LND's (`lnrpc.Failure.FailureCode` and
`routerrpc.FailureDetail`), so that simulated and real events are one thing.
"""

from dataclasses import dataclass
from enum import IntEnum

from lightninglens.core.ids import ChannelId
from lightninglens.core.units import Msat, UnixNs


class FailureCode(IntEnum):
    """Why an HTLC failed, in LND's own numbering (not BOLT 4's)."""

    NONE = 0
    INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS = 1
    INCORRECT_PAYMENT_AMOUNT = 2
    FINAL_INCORRECT_CLTV_EXPIRY = 3
    FINAL_INCORRECT_HTLC_AMOUNT = 4
    FINAL_EXPIRY_TOO_SOON = 5
    INVALID_REALM = 6
    EXPIRY_TOO_SOON = 7
    INVALID_ONION_VERSION = 8
    INVALID_ONION_HMAC = 9
    INVALID_ONION_KEY = 10
    AMOUNT_BELOW_MINIMUM = 11
    FEE_INSUFFICIENT = 12
    INCORRECT_CLTV_EXPIRY = 13
    CHANNEL_DISABLED = 14
    TEMPORARY_CHANNEL_FAILURE = 15
    REQUIRED_NODE_FEATURE_MISSING = 16
    REQUIRED_CHANNEL_FEATURE_MISSING = 17
    UNKNOWN_NEXT_PEER = 18
    TEMPORARY_NODE_FAILURE = 19
    PERMANENT_NODE_FAILURE = 20
    PERMANENT_CHANNEL_FAILURE = 21
    EXPIRY_TOO_FAR = 22
    MPP_TIMEOUT = 23
    INVALID_ONION_PAYLOAD = 24
    INVALID_ONION_BLINDING = 25
    UNKNOWN_FAILURE = 998
    """The message could be read, but its code is none that LND knows."""
    UNREADABLE_FAILURE = 999
    """The message could not be decrypted, so nobody knows who sent it."""


class FailureDetail(IntEnum):
    """What LND's own log knows beyond the code on the wire."""

    UNKNOWN = 0
    NO_DETAIL = 1
    LINK_NOT_ELIGIBLE = 3
    ON_CHAIN_TIMEOUT = 4
    HTLC_EXCEEDS_MAX = 5
    INSUFFICIENT_BALANCE = 6
    HTLC_ADD_FAILED = 8
    INVOICE_CANCELED = 10
    INVOICE_EXPIRY_TOO_SOON = 12
    INVOICE_NOT_OPEN = 13
    MPP_INVOICE_TIMEOUT = 14
    UNKNOWN_INVOICE = 19
    CIRCULAR_ROUTE = 22


class HtlcEventKind(IntEnum):
    """What happened to an HTLC at the observed node (`routerrpc.HtlcEvent`, the oneof)."""

    FORWARD = 7
    FORWARD_FAIL = 8
    SETTLE = 9
    LINK_FAIL = 10


class HtlcEventType(IntEnum):
    """The observed node's part in it."""

    UNKNOWN = 0
    SEND = 1
    RECEIVE = 2
    FORWARD = 3


class HtlcOutcome(IntEnum):
    """How a payment or one attempt of it ended. Failure is data."""

    IN_FLIGHT = 0
    SUCCEEDED = 1
    NO_ROUTE = 2
    INSUFFICIENT_BALANCE = 3
    TIMEOUT = 4
    INCORRECT_PAYMENT_DETAILS = 5
    FAILED_ON_ROUTE = 6
    ERROR = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class HtlcEvent:
    """One event of LND's `SubscribeHtlcEvents`, as an observed node reports it.

    The key is (incoming channel, incoming HTLC, outgoing channel, outgoing
    HTLC); ids are 0 where LND sends 0: the incoming side of a SEND, the outgoing
    side of a RECEIVE, and the outgoing HTLC of a link failure.
    """

    timestamp_ns: UnixNs
    kind: HtlcEventKind
    event_type: HtlcEventType
    incoming_channel_id: ChannelId
    outgoing_channel_id: ChannelId
    incoming_htlc_id: int
    outgoing_htlc_id: int
    incoming_amount_msat: Msat
    outgoing_amount_msat: Msat
    incoming_timelock_blocks: int
    outgoing_timelock_blocks: int
    wire_failure: FailureCode = FailureCode.NONE
    failure_detail: FailureDetail = FailureDetail.UNKNOWN
