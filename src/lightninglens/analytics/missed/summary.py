"""What each channel was asked to carry and refused: counts by cause, as attempts and as estimated payments."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightninglens.analytics.missed.columns import Evidence
from lightninglens.core.attempts import EARNING_CAUSES, FEE_CAUSES, LIQUIDITY_CAUSES, AttemptState, FailureCause
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import MSAT_PER_SAT, Msat


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFailureStats:
    """Forwards out over one channel, in a window."""

    channel_id: ChannelId
    successful_forwards: int
    failed_forwards: int
    """Refused by our node; what failed further down is no failure of this channel."""
    failed_downstream: int
    payments: int
    """What all these attempts are taken for."""
    refused_payments: int
    """Those that were refused here and settled nowhere by way of us."""
    failures_by_cause: Mapping[FailureCause, int]
    settled_msat: Msat
    settled_fee_msat: Msat
    refused_msat: Msat
    """The amounts of all attempts that were refused."""
    offered_fee_msat: Msat
    """What all these attempts offered, for causes in which our price was met: the documented missed revenue."""

    @property
    def total_forwards(self) -> int:
        """Successes and failures at our node."""
        return self.successful_forwards + self.failed_forwards

    @property
    def success_rate(self) -> float | None:
        """Share of the forwards that settled; None where there was none."""
        return self.successful_forwards / self.total_forwards if self.total_forwards else None

    @property
    def failure_rate(self) -> float | None:
        """Share of the forwards that our node refused; None where there was none."""
        return self.failed_forwards / self.total_forwards if self.total_forwards else None

    @property
    def liquidity_failures(self) -> int:
        """Refusals for want of balance, slots or room, by the documents' broad category."""
        return sum(self.failures_by_cause.get(cause, 0) for cause in LIQUIDITY_CAUSES)

    @property
    def fee_failures(self) -> int:
        """Refusals for a fee below ours: senders with an old policy, and no sign that the fee is too high."""
        return sum(self.failures_by_cause.get(cause, 0) for cause in FEE_CAUSES)

    @property
    def missed_revenue_sats(self) -> float:
        """The documented figure: every refused attempt's fee, retries and probes included."""
        return self.offered_fee_msat / MSAT_PER_SAT


_PRICE_MET = list(EARNING_CAUSES | {FailureCause.TOO_LARGE})


def channel_stats(evidence: Evidence) -> dict[ChannelId, ChannelFailureStats]:
    """Return the statistics of every channel that was asked to carry anything."""
    sums, count = evidence.sums, len(evidence.channels)

    def per_channel(values: NDArray[np.int64], chosen: NDArray[np.bool_]) -> list[int]:
        found = np.zeros(count, np.int64)
        np.add.at(found, sums.outgoing[chosen], values[chosen])
        listed: list[int] = found.tolist()
        return listed

    settled = sums.state == AttemptState.SETTLED
    refused = sums.state == AttemptState.FAILED_HERE
    everything = np.ones(len(sums.state), np.bool_)
    columns = {
        "successful_forwards": per_channel(sums.attempts, settled),
        "failed_forwards": per_channel(sums.attempts, refused),
        "failed_downstream": per_channel(sums.attempts, sums.state == AttemptState.FAILED_DOWNSTREAM),
        "payments": per_channel(sums.payments, everything),
        "refused_payments": per_channel(sums.payments, refused),
        "settled_msat": per_channel(sums.amount_msat, settled),
        "settled_fee_msat": per_channel(sums.fee_msat, settled),
        "refused_msat": per_channel(sums.amount_msat, refused),
        "offered_fee_msat": per_channel(sums.fee_msat, refused & np.isin(sums.cause, _PRICE_MET)),
    }
    causes = _by_cause(evidence, refused)
    names = tuple(columns)
    return {
        channel_id: ChannelFailureStats(
            channel_id=channel_id,
            failures_by_cause=causes.get(row, {}),
            **dict(zip(names, values, strict=True)),
        )
        for row, (channel_id, values) in enumerate(
            zip(evidence.channels, zip(*columns.values(), strict=True), strict=True)
        )
        if any(values)
    }


def _by_cause(evidence: Evidence, refused: NDArray[np.bool_]) -> dict[int, dict[FailureCause, int]]:
    """Return, per row of channels, the refused attempts of each cause."""
    sums, width = evidence.sums, len(FailureCause)
    keys = sums.outgoing[refused] * width + sums.cause[refused]
    kinds, place = np.unique(keys, return_inverse=True)
    counts = np.bincount(place, weights=sums.attempts[refused], minlength=len(kinds))
    found: dict[int, dict[FailureCause, int]] = {}
    for key, attempts in zip(kinds.tolist(), counts.tolist(), strict=True):
        if attempts:
            found.setdefault(key // width, {})[FailureCause(key % width)] = int(attempts)
    return found
