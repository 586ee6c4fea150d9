"""What an analysis is made of, in columns: sums over attempts and payments, and the payments refused here.

Channels are rows of one list, so that the same code works on a store's answer
and on a simulated node's memory.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.attempts import EstimatedPayment, ForwardAttempt
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_HOUR

MOST_BUCKET = 16


class SumKey(NamedTuple):
    """What sums are kept apart by."""

    hour: int
    """Hours since 1970 in which the attempt, or the payment, began."""
    incoming_channel_id: ChannelId
    outgoing_channel_id: ChannelId
    bucket: int
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


class Sums(NamedTuple):
    """Sums as columns of equal length; channels are rows of `Evidence.channels`."""

    hour: NDArray[np.int64]
    incoming: NDArray[np.int64]
    outgoing: NDArray[np.int64]
    bucket: NDArray[np.int64]
    state: NDArray[np.int64]
    cause: NDArray[np.int64]
    attempts: NDArray[np.int64]
    amount_msat: NDArray[np.int64]
    fee_msat: NDArray[np.int64]
    payments: NDArray[np.int64]
    payment_amount_msat: NDArray[np.int64]
    payment_fee_msat: NDArray[np.int64]
    held_ns: NDArray[np.int64]


class Refused(NamedTuple):
    """Payments of which our node refused at least one attempt, oldest first, as columns of equal length."""

    incoming: NDArray[np.int64]
    outgoing: NDArray[np.int64]
    began_ns: NDArray[np.int64]
    amount_msat: NDArray[np.int64]
    fee_msat: NDArray[np.int64]
    cause: NDArray[np.int64]
    state: NDArray[np.int64]
    settled_fee_msat: NDArray[np.int64]
    elsewhere_fee_msat: NDArray[np.int64]
    refused_here: NDArray[np.int64]
    outgoing_spendable_msat: NDArray[np.int64]
    """-1 where nobody looked, as in the next column."""
    incoming_spendable_msat: NDArray[np.int64]
    probing: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of a window of time."""

    channels: tuple[ChannelId, ...]
    peers: NDArray[np.int64]
    """Of each channel, a number that channels with the same peer share."""
    sums: Sums
    """Of the window."""
    history: Sums
    """Of all that is known, for rates: it may be longer than the window."""
    refused: Refused
    """Of the window."""


def bucket_of(amount_msat: int) -> int:
    """Return the class of an amount: each reaches to four times the one before, from 1 sat on."""
    return min((amount_msat // MSAT_PER_SAT).bit_length() // 2, MOST_BUCKET)


def buckets_of(amount_msat: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the classes of amounts."""
    sat = np.maximum(amount_msat // MSAT_PER_SAT, 0)
    bits = np.frexp(sat.astype(np.float64))[1].astype(np.int64)
    return np.minimum(bits // 2, MOST_BUCKET)


def sums_of(
    ended: Iterable[ForwardAttempt], closed: Iterable[EstimatedPayment], into: dict[SumKey, SumValues]
) -> dict[SumKey, SumValues]:
    """Add attempts that ended and payments that closed to sums, and return these."""
    for attempt in ended:
        held_ns = (attempt.ended_ns or attempt.began_ns) - attempt.began_ns
        values = SumValues(
            attempts=1, amount_msat=attempt.outgoing_amount_msat, fee_msat=attempt.fee_msat, held_ns=held_ns
        )
        key = SumKey(
            attempt.began_ns // NS_PER_HOUR,
            attempt.incoming_channel_id,
            attempt.outgoing_channel_id,
            bucket_of(attempt.outgoing_amount_msat),
            int(attempt.state),
            int(attempt.cause),
        )
        into[key] = into.get(key, SumValues()).plus(values)
    for payment in closed:
        values = SumValues(payments=1, payment_amount_msat=payment.amount_msat, payment_fee_msat=payment.fee_msat)
        key = SumKey(
            payment.began_ns // NS_PER_HOUR,
            payment.incoming_channel_id,
            payment.outgoing_channel_id,
            bucket_of(payment.amount_msat),
            int(payment.state),
            int(payment.cause),
        )
        into[key] = into.get(key, SumValues()).plus(values)
    return into


def evidence_of(
    sums: Sequence[tuple[SumKey, SumValues]],
    refused: Sequence[EstimatedPayment],
    peer_of: Mapping[ChannelId, str],
    history: Sequence[tuple[SumKey, SumValues]] | None = None,
) -> Evidence:
    """Return columns for an analysis; without a `history` the window's sums are all there is.

    A channel whose peer is not known is a peer by itself.
    """
    ids = {each for key, _ in (*sums, *(history or ())) for each in (key.incoming_channel_id, key.outgoing_channel_id)}
    ids |= {each for payment in refused for each in (payment.incoming_channel_id, payment.outgoing_channel_id)}
    channels = tuple(sorted(ids | set(peer_of)))
    row_of = {channel_id: row for row, channel_id in enumerate(channels)}
    names: dict[str, int] = {}
    peers = [names.setdefault(peer_of.get(each) or str(each), len(names)) for each in channels]
    columns = _sum_columns(sums, row_of)
    return Evidence(
        channels=channels,
        peers=np.array(peers, np.int64),
        sums=columns,
        history=columns if history is None else _sum_columns(history, row_of),
        refused=refused_columns(refused, row_of),
    )


def _sum_columns(sums: Sequence[tuple[SumKey, SumValues]], row_of: Mapping[ChannelId, int]) -> Sums:
    rows = [
        (key.hour, row_of[key.incoming_channel_id], row_of[key.outgoing_channel_id], *key[3:], *values)
        for key, values in sums
    ]
    table = np.array(rows, np.int64).reshape(len(rows), len(Sums._fields))
    return Sums(*np.ascontiguousarray(table.T))


def refused_columns(payments: Sequence[EstimatedPayment], row_of: Mapping[ChannelId, int]) -> Refused:
    """Return payments that were refused here as columns, oldest first."""
    ordered = sorted(payments, key=lambda each: each.began_ns)

    def column(name: str) -> NDArray[np.int64]:
        return np.array([getattr(each, name) for each in ordered], np.int64)

    def optional(name: str) -> NDArray[np.int64]:
        found = (getattr(each, name) for each in ordered)
        return np.array([-1 if each is None else each for each in found], np.int64)

    return Refused(
        incoming=np.array([row_of[each.incoming_channel_id] for each in ordered], np.int64),
        outgoing=np.array([row_of[each.outgoing_channel_id] for each in ordered], np.int64),
        began_ns=column("began_ns"),
        amount_msat=column("amount_msat"),
        fee_msat=column("fee_msat"),
        cause=column("cause"),
        state=column("state"),
        settled_fee_msat=column("settled_fee_msat"),
        elsewhere_fee_msat=column("elsewhere_fee_msat"),
        refused_here=column("refused_here"),
        outgoing_spendable_msat=optional("outgoing_spendable_msat"),
        incoming_spendable_msat=optional("incoming_spendable_msat"),
        probing=np.array([each.probing for each in ordered], np.bool_),
    )
