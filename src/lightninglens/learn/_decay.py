"""Sums that forget: each addition halves with time, at several half-lives at once."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.units import NS_PER_HOUR

HALF_LIVES_H: Final = (0.5, 2.0, 8.0)
HALF_LIFE_NAMES: Final = ("30m", "2h", "8h")

_HALF_LIVES_NS: Final = np.array(HALF_LIVES_H) * NS_PER_HOUR


class DecayedSums:
    """Some quantities, each summed with every half-life."""

    __slots__ = ("_sums", "_time_ns")

    def __init__(self, quantities: int, time_ns: int) -> None:
        self._sums = np.zeros((len(HALF_LIVES_H), quantities))
        self._time_ns = time_ns

    def add(self, time_ns: int, amounts: NDArray[np.float64]) -> None:
        """Add one amount per quantity; a time before the last one counts as the last one."""
        if time_ns > self._time_ns:
            self._sums *= self._decay(time_ns)
            self._time_ns = time_ns
        self._sums += amounts

    def at(self, now_ns: int) -> NDArray[np.float64]:
        """Return the sums as of now, half-lives x quantities, and leave them as they are."""
        return self._sums * self._decay(max(now_ns, self._time_ns))

    def _decay(self, time_ns: int) -> NDArray[np.float64]:
        decay: NDArray[np.float64] = np.exp2((self._time_ns - time_ns) / _HALF_LIVES_NS)[:, np.newaxis]
        return decay


def effective_hours(age_ns: int) -> NDArray[np.float64]:
    """Return, per half-life, the hours by which a decayed sum must be divided to be a rate per hour.

    A sum that began `age_ns` ago has not yet seen what it will have forgotten:
    the rate is right from the first minutes on.
    """
    halves = max(age_ns, 1) / _HALF_LIVES_NS
    hours: NDArray[np.float64] = np.array(HALF_LIVES_H) / np.log(2.0) * -np.expm1(-halves * np.log(2.0))
    return hours
