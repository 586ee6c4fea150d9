"""What a set of payments says: success by amount, fees, hops, attempts, depletion. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.htlc import HtlcOutcome
from lightninglens.core.units import MSAT_PER_SAT

AMOUNT_EDGES_SAT = (0, 100, 500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000, 10_000_000)
"""The grid on which published simulators report success, so that shapes can be compared."""

DEPLETED_SHARE = 0.1
"""A channel is depleted when one side has less than this share of what both have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountBucket:
    """Payments of at least `from_sat` and less than `to_sat` (None: no upper bound)."""

    from_sat: int
    to_sat: int | None
    payments: int
    succeeded: int
    attempts_mean: float

    @property
    def success_rate(self) -> float | None:
        """Share that succeeded, None when there was no payment."""
        return self.succeeded / self.payments if self.payments else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSummary:
    """Totals over payments; rates are None where nothing was counted."""

    payments: int
    succeeded: int
    success_rate: float | None
    volume_success_rate: float | None
    delivered_msat: int
    fees_msat_total: int
    fee_rate_ppm_mean: float | None
    attempts_mean: float | None
    attempts_max: int
    hops_mean: float | None
    duration_ms_median: float | None
    outcomes: Mapping[str, int]
    by_amount: tuple[AmountBucket, ...]


def summarise_payments(
    *,
    amount_msat: NDArray[np.int64],
    outcome: NDArray[np.integer],
    attempts: NDArray[np.integer],
    hops: NDArray[np.integer],
    fee_msat: NDArray[np.int64],
    duration_ns: NDArray[np.int64],
) -> PaymentSummary:
    """Summarise payments given as columns of equal length; `outcome` holds `HtlcOutcome` numbers."""
    count = len(amount_msat)
    good = outcome == HtlcOutcome.SUCCEEDED
    delivered, wanted, fees = int(amount_msat[good].sum()), int(amount_msat.sum()), int(fee_msat[good].sum())
    return PaymentSummary(
        payments=count,
        succeeded=int(good.sum()),
        success_rate=_mean(good),
        volume_success_rate=delivered / wanted if wanted else None,
        delivered_msat=delivered,
        fees_msat_total=fees,
        fee_rate_ppm_mean=fees * 1e6 / delivered if delivered else None,
        attempts_mean=_mean(attempts),
        attempts_max=int(attempts.max(initial=0)),
        hops_mean=_mean(hops[good]),
        duration_ms_median=float(np.median(duration_ns[good])) / 1e6 if good.any() else None,
        outcomes={kind.name: int((outcome == kind).sum()) for kind in HtlcOutcome if (outcome == kind).any()},
        by_amount=_by_amount(amount_msat, good, attempts),
    )


def _mean(values: NDArray[np.bool_] | NDArray[np.integer]) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _by_amount(
    amount_msat: NDArray[np.int64], good: NDArray[np.bool_], attempts: NDArray[np.integer]
) -> tuple[AmountBucket, ...]:
    bucket = np.searchsorted(np.array(AMOUNT_EDGES_SAT) * MSAT_PER_SAT, amount_msat, side="right") - 1
    rows = []
    for row, low in enumerate(AMOUNT_EDGES_SAT):
        inside = bucket == row
        rows.append(
            AmountBucket(
                from_sat=low,
                to_sat=AMOUNT_EDGES_SAT[row + 1] if row + 1 < len(AMOUNT_EDGES_SAT) else None,
                payments=int(inside.sum()),
                succeeded=int((inside & good).sum()),
                attempts_mean=_mean(attempts[inside]) or 0.0,
            )
        )
    return tuple(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Depletion:
    """How the liquidity of channels is spread at one moment."""

    time_ns: int
    depleted_share: float
    """Share of channels with less than a tenth on one side."""
    imbalance_mean: float
    """Mean of |local - remote| / (local + remote)."""


def depletion(time_ns: int, local_msat: NDArray[np.int64], used: NDArray[np.bool_]) -> Depletion:
    """Measure the spread over the channels in `used`; `local_msat` is per direction."""
    side0, side1 = local_msat[0::2][used].astype(np.float64), local_msat[1::2][used].astype(np.float64)
    total = side0 + side1
    filled = total > 0
    share = side0[filled] / total[filled]
    if not len(share):
        return Depletion(time_ns=time_ns, depleted_share=0.0, imbalance_mean=0.0)
    return Depletion(
        time_ns=time_ns,
        depleted_share=float(np.mean(np.minimum(share, 1 - share) < DEPLETED_SHARE)),
        imbalance_mean=float(np.mean(np.abs(2 * share - 1))),
    )
