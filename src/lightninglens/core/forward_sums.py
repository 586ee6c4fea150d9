"""Sums over attempts to forward and over the payments that they are taken for, by the hour."""

from collections.abc import Iterable
from typing import NamedTuple

from lightninglens.core.attempts import EstimatedPayment, ForwardAttempt
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_HOUR

MOST_BUCKET = 16
BLOCKS_PER_DISTANCE = 50
MOST_DISTANCE = 4
UNKNOWN_DISTANCE = 5


class SumKey(NamedTuple):
    """What sums are kept apart by."""

    hour: int
    """Hours since 1970 in which the attempt, or the payment, began."""
    incoming_channel_id: ChannelId
    outgoing_channel_id: ChannelId
    bucket: int
    """Class of the amount: `bucket_of`."""
    distance: int
    """Class of what was left of the time lock: `distance_of`."""
    state: int
    cause: int


class SumValues(NamedTuple):
    """Sums, which add up."""

    attempts: int = 0
    amount_msat: int = 0
    fee_msat: int = 0
    payments: int = 0
    payment_amount_msat: int = 0
    payment_fee_msat: int = 0
    held_ns: int = 0
    """How long the attempts were in flight."""

    def plus(self, other: "SumValues") -> "SumValues":
        """Return the sum of both."""
        return SumValues(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def bucket_of(amount_msat: int) -> int:
    """Return the class of an amount: each reaches to four times the one before, from 1 sat on."""
    return min((amount_msat // MSAT_PER_SAT).bit_length() // 2, MOST_BUCKET)


def distance_of(remaining_blocks: int | None) -> int:
    """Return the class of what was left of a time lock: 0 is likely to end at our peer, 4 far away; 5 is not known.

    A receiver asks for 18 to 80 blocks, each hop adds 18 to 144. What these classes
    mean is left to how often payments of each settle.
    """
    if remaining_blocks is None:
        return UNKNOWN_DISTANCE
    return min(max(remaining_blocks, 0) // BLOCKS_PER_DISTANCE, MOST_DISTANCE)


def sums_of(
    ended: Iterable[ForwardAttempt], closed: Iterable[EstimatedPayment], into: dict[SumKey, SumValues]
) -> dict[SumKey, SumValues]:
    """Add attempts that ended and payments that closed to sums, and return these."""
    for attempt in ended:
        amount_msat = attempt.outgoing_amount_msat
        # A clock that is set back lets an attempt end before it began.
        held_ns = max((attempt.ended_ns or attempt.began_ns) - attempt.began_ns, 0)
        values = SumValues(attempts=1, amount_msat=amount_msat, fee_msat=attempt.fee_msat, held_ns=held_ns)
        _add(into, attempt, amount_msat, values)
    for payment in closed:
        values = SumValues(payments=1, payment_amount_msat=payment.amount_msat, payment_fee_msat=payment.fee_msat)
        _add(into, payment, payment.amount_msat, values)
    return into


def _add(
    into: dict[SumKey, SumValues], record: ForwardAttempt | EstimatedPayment, amount_msat: int, values: SumValues
) -> None:
    key = SumKey(
        record.began_ns // NS_PER_HOUR,
        record.incoming_channel_id,
        record.outgoing_channel_id,
        bucket_of(amount_msat),
        distance_of(record.remaining_blocks),
        int(record.state),
        int(record.cause),
    )
    into[key] = into.get(key, SumValues()).plus(values)
