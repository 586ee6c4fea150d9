"""What one sender has learned of the liquidity of others' channels: bounds per direction that fade with time."""

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.units import MSAT_PER_SAT, NS_PER_HOUR

HALF_LIFE_NS = NS_PER_HOUR
"""After this a bound is half as far from knowing nothing, as LND's penalties are."""


class LiquidityBounds:
    """Between what each direction surely carries and what it surely does not exceed lies what is uncertain.

    Two directions of a channel share its capacity, so what is learned of one is
    known of the other. Reserves and fee buffers are left out.
    """

    def __init__(self, capacity_sat: NDArray[np.int64]) -> None:
        self._capacity_msat = np.repeat(capacity_sat * MSAT_PER_SAT, 2)
        self._least_msat = np.zeros(len(self._capacity_msat), np.float64)
        self._most_msat = self._capacity_msat.astype(np.float64)
        self._time_ns = np.zeros(len(self._capacity_msat), np.int64)
        self._in_flight_msat = np.zeros(len(self._capacity_msat), np.int64)

    def at(self, now_ns: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (least, most) in msat that each direction can carry beside what the sender has in flight there."""
        weight = np.exp2(-(now_ns - self._time_ns) / HALF_LIFE_NS)
        least = self._least_msat * weight
        most = self._capacity_msat - (self._capacity_msat - self._most_msat) * weight
        free = [np.maximum(bound - self._in_flight_msat, 0).astype(np.int64) for bound in (least, most)]
        return free[0], free[1]

    def set_out(self, directions: tuple[int, ...], sent_msat: tuple[int, ...], sign: int = 1) -> None:
        """Count a part as in flight, or with a sign of -1 no longer."""
        np.add.at(self._in_flight_msat, list(directions), sign * np.array(sent_msat, np.int64))

    def settled(self, direction: int, sent_msat: int, now_ns: int) -> None:
        """A direction has carried an amount: it carried that much at least, and it is on the other side now."""
        least, most = self._now(direction, now_ns)
        self._learn(direction, max(least, sent_msat) - sent_msat, max(most, sent_msat) - sent_msat, now_ns)

    def passed(self, direction: int, sent_msat: int, now_ns: int) -> None:
        """A direction could carry an amount, and has it back."""
        least, most = self._now(direction, now_ns)
        self._learn(direction, max(least, sent_msat), max(most, sent_msat), now_ns)

    def refused(self, direction: int, sent_msat: int, now_ns: int) -> None:
        """A direction could not carry an amount."""
        least, _ = self._now(direction, now_ns)
        most = max(sent_msat - 1, 0)
        self._learn(direction, min(least, most), most, now_ns)

    def _now(self, direction: int, now_ns: int) -> tuple[float, float]:
        weight = 2.0 ** (-(now_ns - int(self._time_ns[direction])) / HALF_LIFE_NS)
        capacity = float(self._capacity_msat[direction])
        return float(self._least_msat[direction]) * weight, capacity - (
            capacity - float(self._most_msat[direction])
        ) * weight

    def _learn(self, direction: int, least_msat: float, most_msat: float, now_ns: int) -> None:
        capacity = float(self._capacity_msat[direction])
        least, most = min(least_msat, capacity), min(most_msat, capacity)
        self._least_msat[direction], self._most_msat[direction] = least, most
        self._least_msat[direction ^ 1], self._most_msat[direction ^ 1] = capacity - most, capacity - least
        self._time_ns[direction] = self._time_ns[direction ^ 1] = now_ns
