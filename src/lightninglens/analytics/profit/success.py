"""How likely what is sent to a peer settles: its own share, shrunk to the node's, with an interval."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

from lightninglens.analytics.profit.books import Tried

PRIOR_PAYMENTS = 8
"""So many payments of a peer weigh as much as the node's own rate does."""
COVERED = 0.8
_QUANTILE = NormalDist().inv_cdf((1 + COVERED) / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessScore:
    """The settled share of what was forwarded to one peer."""

    settled: int
    failed: int
    """Estimated payments that failed at the peer or beyond it; what we refused is no failure of the peer."""
    rate: float
    """Shrunk to the node's rate: as (settled + 8 * node's) / (all + 8)."""
    lower: float
    """Of an 80 % interval, as the next field."""
    upper: float

    @property
    def score(self) -> float:
        """From 0 to 100."""
        return 100 * self.rate


def success_scores(tried: Mapping[str, Tried]) -> tuple[float | None, dict[str, SuccessScore]]:
    """Return the node's rate, None where nothing was tried, and the score of each peer."""
    settled, failed = (sum(getattr(each, name) for each in tried.values()) for name in ("settled", "failed"))
    if not settled + failed:
        return None, {}
    node = settled / (settled + failed)
    return node, {peer: _score(each, node) for peer, each in tried.items()}


def _score(tried: Tried, node: float) -> SuccessScore:
    """Return Wilson's interval around the shrunk share, which is not empty even where all or nothing settled."""
    count = tried.settled + tried.failed + PRIOR_PAYMENTS
    rate = (tried.settled + PRIOR_PAYMENTS * node) / count
    square = _QUANTILE**2
    middle = (rate + square / (2 * count)) / (1 + square / count)
    reach = _QUANTILE / (1 + square / count) * (rate * (1 - rate) / count + square / (4 * count**2)) ** 0.5
    return SuccessScore(
        settled=tried.settled,
        failed=tried.failed,
        rate=rate,
        lower=min(max(middle - reach, 0.0), rate),
        upper=max(min(middle + reach, 1.0), rate),
    )
