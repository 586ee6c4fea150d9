"""Plain-Python twin of `analytics/missed/_serving.py`."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple


class RefusedRow(NamedTuple):
    """One refused payment, by peers; `left` is None where nobody looked."""

    source: int
    target: int
    amount: float
    wanted: float
    left: float | None


def served_shares(rows: Sequence[RefusedRow], peer: int) -> list[float]:
    """Return the share that fits of each payment towards `peer`, oldest first."""
    excess: defaultdict[int, float] = defaultdict(float)
    shares = []
    seen = False
    for row in rows:
        if row.target != peer:
            if seen:
                back = min(excess[row.target], row.wanted)
                excess[row.target] -= back
                excess[row.source] += back
            continue
        seen = True
        if row.left is None or row.amount <= 0:
            shares.append(1.0)
            continue
        used = min(excess[row.source], row.left)
        share = min(1.0, (row.left - used) / row.amount)
        excess[row.source] = used + row.wanted * share
        shares.append(share)
    return shares
