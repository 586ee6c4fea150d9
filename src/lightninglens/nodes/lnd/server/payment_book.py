"""Payments of a served node, with every attempt; times are real, in ns."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.htlc import FailureCode, FailureDetail


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


FAILED = PaymentStatus.FAILED


class PaymentNews(NamedTuple):
    """What became of a payment, for those who track it."""

    payment_hash: bytes
    is_final: bool
    message: bytes


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
