"""What an analysis is made of, in columns: sums over attempts and payments, and the payments refused here.

Channels are rows of one list, so that the same code works on a store's answer
and on a simulated node's memory.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.attempts import EstimatedPayment
from lightninglens.core.forward_sums import MOST_BUCKET, SumKey, SumValues, distance_of
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import MSAT_PER_SAT


class Sums(NamedTuple):
    """Sums as columns of equal length; channels are rows of `Evidence.channels`."""

    hour: NDArray[np.int64]
    incoming: NDArray[np.int64]
    outgoing: NDArray[np.int64]
    bucket: NDArray[np.int64]
    distance: NDArray[np.int64]
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
    distance: NDArray[np.int64]
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


def buckets_of(amount_msat: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the classes of amounts."""
    sat = np.maximum(amount_msat // MSAT_PER_SAT, 0)
    bits = np.frexp(sat.astype(np.float64))[1].astype(np.int64)
    return np.minimum(bits // 2, MOST_BUCKET)


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
        distance=np.array([distance_of(each.remaining_blocks) for each in ordered], np.int64),
        probing=np.array([each.probing for each in ordered], np.bool_),
    )
