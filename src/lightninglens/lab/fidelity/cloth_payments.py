"""Payments by the rules of CLoTH's generator, drawn by ours, so that both simulators can be given the same."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.rng import Stream, normals, uniforms
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_MS

MS_PER_SECOND = 1_000


class ClothPayments(NamedTuple):
    """Payments as CLoTH's `payments.csv` has them: columns of equal length, nodes by their ids."""

    sender: NDArray[np.int64]
    receiver: NDArray[np.int64]
    amount_msat: NDArray[np.int64]
    start_ms: NDArray[np.int64]

    @property
    def start_ns(self) -> NDArray[np.int64]:
        """When each begins, in nanoseconds."""
        return self.start_ms * NS_PER_MS


def draw_payments(seed: int, nodes: int, count: int, *, amount_sat: int, rate_per_s: float = 1.0) -> ClothPayments:
    """Draw uniform pairs of different nodes, amounts of |amount + N(0, 1)| sat, and Poisson arrivals.

    Source: CLoTH `src/payments.c`, `generate_random_payments`; times are whole milliseconds there too.
    """
    draws = uniforms(seed, 0, Stream.FIDELITY, 3 * count).reshape(3, count)
    sender = np.floor(draws[0] * nodes).astype(np.int64)
    others = np.floor(draws[1] * (nodes - 1)).astype(np.int64)
    noise = normals(seed, 1, Stream.FIDELITY, count)
    gaps_ms = np.floor(-np.log1p(-draws[2]) / rate_per_s * MS_PER_SECOND).astype(np.int64)
    return ClothPayments(
        sender=sender,
        receiver=others + (others >= sender),
        amount_msat=np.maximum(np.floor(np.abs(amount_sat + noise) * MSAT_PER_SAT), 1).astype(np.int64),
        start_ms=1 + np.cumsum(gaps_ms),
    )


def write_payments(payments: ClothPayments, path: Path) -> None:
    """Write the payments in CLoTH's form."""
    rows = zip(*(column.tolist() for column in payments), strict=True)
    lines = (f"{number},{','.join(map(str, row))}\n" for number, row in enumerate(rows))
    path.write_text("id,sender_id,receiver_id,amount,start_time\n" + "".join(lines))
