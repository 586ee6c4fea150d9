"""Payments of a simulated node, with every attempt; times, in ns, are those that the node shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.errors import NodeRefused
from lightninglens.core.htlc import FailureCode, FailureDetail, HtlcOutcome


class PaymentStatus(IntEnum):
    """LND's states of a payment, by its numbers."""

    IN_FLIGHT = 1
    SUCCEEDED = 2
    FAILED = 3


class FailureReason(IntEnum):
    """LND's reasons why a payment failed, by its numbers."""

    NONE = 0
    TIMEOUT = 1
    NO_ROUTE = 2
    ERROR = 3
    INCORRECT_DETAILS = 4
    INSUFFICIENT_BALANCE = 5
    CANCELED = 6


OUTCOMES: Mapping[int, HtlcOutcome] = {
    FailureReason.TIMEOUT: HtlcOutcome.TIMEOUT,
    FailureReason.NO_ROUTE: HtlcOutcome.NO_ROUTE,
    FailureReason.ERROR: HtlcOutcome.ERROR,
    FailureReason.INCORRECT_DETAILS: HtlcOutcome.INCORRECT_PAYMENT_DETAILS,
    FailureReason.INSUFFICIENT_BALANCE: HtlcOutcome.INSUFFICIENT_BALANCE,
    FailureReason.CANCELED: HtlcOutcome.ERROR,
}
"""What each reason means to one who pays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidRoute:
    """The HTLCs of an attempt, the sender's first: directions of the graph, and what each carries until when."""

    directions: tuple[int, ...]
    amounts_msat: tuple[int, ...]
    expiry_heights: tuple[int, ...]
    payment_address: bytes = field(default=b"", repr=False)
    total_msat: int = 0
    """What all parts are to bring; 0: the route says nothing of parts."""
    final_records: dict[int, bytes] = field(default_factory=dict)
    channel_ids: tuple[int, ...] = ()
    """As the route was given, where it was: a direction is -1 for a channel that nobody knows."""

    def up_to(self, place: int) -> "PaidRoute":
        """Return the HTLCs before a place."""
        return PaidRoute(
            directions=self.directions[:place],
            amounts_msat=self.amounts_msat[:place],
            expiry_heights=self.expiry_heights[:place],
        )

    @property
    def delivered_msat(self) -> int:
        """What the receiver gets."""
        return self.amounts_msat[-1]

    @property
    def fee_msat(self) -> int:
        """What it costs."""
        return self.amounts_msat[0] - self.amounts_msat[-1]


@dataclass(slots=True, kw_only=True)
class AttemptRecord:
    """One attempt of a payment."""

    attempt_id: int
    route: PaidRoute
    started_ns: int
    resolved_ns: int = 0
    code: FailureCode | None = None
    """None while it is in flight; NONE when it has settled."""
    detail: FailureDetail = FailureDetail.UNKNOWN
    """What the node that failed it knows of why; it does not tell the sender."""
    failed_index: int = 0
    """Position on the route of the node that failed it, 0 being the sender."""
    height: int = 0
    """The block height when it ended."""
    policy: ChannelPolicy | None = None
    """What the node that failed it asks on the channel that it was asked for, as its error tells."""
    preimage: bytes = field(default=b"", repr=False)

    @property
    def is_in_flight(self) -> bool:
        """Whether nothing is known of it yet."""
        return self.code is None

    @property
    def is_settled(self) -> bool:
        """Whether it arrived."""
        return self.code is FailureCode.NONE


@dataclass(slots=True, kw_only=True)
class PaymentRecord:
    """One payment."""

    payment_hash: bytes
    value_msat: int
    created_ns: int
    index: int = 0
    request: str = field(default="", repr=False)
    preimage: bytes | None = field(default=None, repr=False)
    status: PaymentStatus = PaymentStatus.IN_FLIGHT
    reason: FailureReason = FailureReason.NONE
    attempts: list[AttemptRecord] = field(default_factory=list)

    @property
    def fee_msat(self) -> int:
        """What it cost, or would cost with what is in flight."""
        counted = (a for a in self.attempts if a.is_settled or (a.is_in_flight and self.status is not FAILED))
        return sum(attempt.route.fee_msat for attempt in counted)

    @property
    def sent_msat(self) -> int:
        """What has arrived or is in flight."""
        return sum(a.route.delivered_msat for a in self.attempts if a.is_settled or a.is_in_flight)

    @property
    def in_flight(self) -> int:
        """How many attempts are in flight."""
        return sum(attempt.is_in_flight for attempt in self.attempts)

    def close(self, *, skip_temporary: bool) -> bool:
        """End a payment of given routes once nothing of it is in flight, and tell whether this did.

        With `skip_temporary` only the receiver's word ends it as failed.
        """
        if self.in_flight or self.status is not PaymentStatus.IN_FLIGHT:
            return False
        settled = [attempt for attempt in self.attempts if attempt.is_settled]
        if settled:
            self.status, self.preimage = PaymentStatus.SUCCEEDED, settled[0].preimage
            return True
        details = self.attempts[-1].code is FailureCode.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS
        if skip_temporary and not details:
            return False
        self.status = PaymentStatus.FAILED
        self.reason = FailureReason.INCORRECT_DETAILS if details else FailureReason.ERROR
        return True


FAILED = PaymentStatus.FAILED


class PaymentBook:
    """A node's payments by hash and by index; a deleted one leaves its index unused."""

    def __init__(self) -> None:
        self._by_hash: dict[bytes, PaymentRecord] = {}
        self._next_index = 1
        self._next_attempt_id = 1

    def __len__(self) -> int:
        return len(self._by_hash)

    def find(self, payment_hash: bytes) -> PaymentRecord | None:
        """Return the payment of a hash."""
        return self._by_hash.get(payment_hash)

    def require_new(self, payment_hash: bytes) -> None:
        """Refuse to pay a hash that is being paid or has been; raises NodeRefused."""
        earlier = self.find(payment_hash)
        if earlier is None or earlier.status is PaymentStatus.FAILED:
            return
        paid = earlier.status is PaymentStatus.SUCCEEDED
        raise NodeRefused("invoice is already paid" if paid else "payment is in transition")

    def all(self) -> list[PaymentRecord]:
        """Return all payments, by index."""
        return sorted(self._by_hash.values(), key=lambda payment: payment.index)

    def add(self, payment: PaymentRecord) -> PaymentRecord:
        """Take in a payment and number it; one of the same hash that failed is replaced, as in LND."""
        self._by_hash.pop(payment.payment_hash, None)
        payment.index = self._next_index
        self._next_index += 1
        self._by_hash[payment.payment_hash] = payment
        return payment

    def remove(self, payment_hash: bytes) -> None:
        """Delete a payment."""
        del self._by_hash[payment_hash]

    def new_attempt_id(self) -> int:
        """Return a number that no other attempt of the node has."""
        self._next_attempt_id += 1
        return self._next_attempt_id - 1
