"""What an analysis is made of, in columns: sums over attempts and payments, and the payments refused here.

Channels are rows of one list, so that the same code works on a store's answer
and on a simulated node's memory.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.attempts import EstimatedPayment
from lightninglens.core.forward_sums import MOST_BUCKET, SumKey, SumValues
from lightninglens.core.forward_tables import Recorded, Refused, Sums, refused_table, sum_table
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import MSAT_PER_SAT

__all__ = ["Evidence", "Refused", "Sums", "buckets_of", "evidence_from", "evidence_of"]


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


_BUCKET_BEGINS_MSAT = 2 ** (2 * np.arange(1, MOST_BUCKET + 1) - 1) * MSAT_PER_SAT


def buckets_of(amount_msat: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the classes of amounts."""
    return np.searchsorted(_BUCKET_BEGINS_MSAT, amount_msat, side="right").astype(np.int64)


def evidence_of(
    sums: Sequence[tuple[SumKey, SumValues]],
    refused: Sequence[EstimatedPayment],
    peer_of: Mapping[ChannelId, str],
    history: Sequence[tuple[SumKey, SumValues]] | None = None,
) -> Evidence:
    """Return records as what an analysis takes; without a `history` the window's sums are all there is."""
    window = sum_table(sums)
    before = window if history is None else sum_table(history)
    return evidence_from(Recorded(window, before, refused_table(refused), dict(peer_of)))


def evidence_from(recorded: Recorded) -> Evidence:
    """Return what is on record as what an analysis takes.

    A channel whose peer is not known is a peer by itself.
    """
    sums, history, refused, peer_of = recorded
    known = np.array(list(peer_of), np.uint64)
    channels = np.unique(np.concatenate((sums.channels, history.channels, refused.channels, known)))
    ids = tuple(map(ChannelId, channels.tolist()))
    numbers: dict[str, int] = {}
    peers = [numbers.setdefault(peer_of.get(each) or str(each), len(numbers)) for each in ids]
    window = sums.over(channels)
    payments = refused.over(channels)
    if np.any(np.diff(payments.began_ns) < 0):
        order = np.argsort(payments.began_ns, kind="stable")
        payments = Refused._make(each[order] for each in payments)
    return Evidence(
        channels=ids,
        peers=np.array(peers, np.int64),
        sums=window,
        history=window if history is sums else history.over(channels),
        refused=payments,
    )
