"""Who has a channel with whom: degrees, then ends joined so that degree classes mix as on mainnet."""

from collections import Counter
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.rng import Stream, uniforms
from lightninglens.sim.topology import mainnet_fit as fit

_HUB_POWER: Final = 0.75
_FIT_ROUNDS: Final = 200
_SWAP_TRIES: Final = 50


class _Draw(IntEnum):
    """Entity of each family of draws; apart from those of `synthetic`."""

    ENDS = 101
    MATCH = 102
    REMAINDER = 103
    SWAP = 104


def degree_sequence(nodes: int, channels: int) -> NDArray[np.int64]:
    """Return channels per node in ascending order; they add up to 2 * `channels`.

    Mainnet's quantiles, stretched above 1 so that the sum is right. The largest
    node's share grows as a network shrinks: with the power 3/4 of its size, it
    has 4 % of the channels on mainnet and 8 % among 1,000 nodes.
    """
    levels = (np.arange(nodes) + 0.5) / nodes
    shape = np.expm1(np.interp(levels, fit.DEGREE_LEVELS, np.log(np.array(fit.DEGREE_QUANTILES, np.float64))))
    cap = max(fit.DEGREE_QUANTILES[-1] * (nodes / fit.NODES) ** _HUB_POWER, 4 * channels / nodes, 2.0)
    low, high = 0.0, 2.0
    while (1 + np.minimum(high * shape, cap)).sum() < 2 * channels and high < 2.0**40:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 + np.minimum(middle * shape, cap)).sum() < 2 * channels else (low, middle)
    exact = 1 + np.minimum(low * shape, cap)
    degrees = np.floor(exact).astype(np.int64)
    missing = 2 * channels - int(degrees.sum())
    fullest = np.argsort(-(exact - degrees), kind="stable")
    np.add.at(degrees, fullest[np.arange(missing) % nodes], 1)
    return np.sort(degrees)


def wire(degrees: NDArray[np.int64], class_of: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return the two ends of each channel, shape (channels, 2).

    `degrees` and `class_of` (see `mainnet_fit`) are per node. No channel joins a node to itself;
    parallel channels are as frequent as on mainnet, or as rare as a small network allows.
    """
    stubs = [
        _shuffled(np.repeat(members, degrees[members]), seed, _Draw.ENDS, index)
        for index in range(len(fit.STALE) + fit.STALE_CLASSES)
        for members in [np.flatnonzero(class_of == index)]
    ]
    counts = np.floor(_joint_counts(np.array([len(ends) for ends in stubs], np.float64)) + 1e-9).astype(np.int64)
    used = [0] * len(stubs)

    def take(index: int, count: int) -> NDArray[np.int64]:
        used[index] += count
        return stubs[index][used[index] - count : used[index]]

    joined = []
    for one in range(len(stubs)):
        for other in range(one, len(stubs)):
            count = int(counts[one, other])
            joined.append(np.stack([take(one, count), take(other, count)], axis=1))
    left = np.concatenate([ends[used[index] :] for index, ends in enumerate(stubs)])
    joined.append(_shuffled(left, seed, _Draw.REMAINDER, 0).reshape(-1, 2))
    ends = np.concatenate(joined)
    ends = ends[np.argsort(uniforms(seed, _Draw.MATCH, Stream.TOPOLOGY, len(ends)), kind="stable")]
    return _Repair(ends, seed).run()


def _shuffled(values: NDArray[np.int64], seed: int, draw: _Draw, part: int) -> NDArray[np.int64]:
    order = uniforms(seed, draw, Stream.TOPOLOGY, len(values), start=part << 32)
    return values[np.argsort(order, kind="stable")]


def _joint_counts(stubs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the expected channels per pair of classes (upper triangle): mainnet's mixing, fitted to these ends."""
    size = len(stubs)
    share = np.zeros((size, size))
    share[np.triu_indices(size)] = fit.MIXING
    # Each class's ends, counted once per end: a channel inside a class has two.
    table = share + share.T
    weight = np.ones(size)
    for _ in range(_FIT_ROUNDS):
        row = weight * (table @ weight)
        weight *= np.sqrt(np.divide(stubs, row, out=np.zeros(size), where=row > 0))
    ends = np.triu(table * np.outer(weight, weight))
    ends[np.diag_indices(size)] /= 2
    return ends


class _Repair:
    """Exchange ends of channels until none is a loop and parallel ones are few enough."""

    def __init__(self, ends: NDArray[np.int64], seed: int) -> None:
        self._ends = [(int(one), int(other)) for one, other in ends]
        self._seed = seed
        self._count = Counter(map(_key, self._ends))
        self._draws = 0

    def run(self) -> NDArray[np.int64]:
        """Return the repaired ends."""
        allowed = round((1 - fit.PAIRS_PER_CHANNEL) * len(self._ends))
        seen: set[tuple[int, int]] = set()
        for row in range(len(self._ends)):
            key = _key(self._ends[row])
            if key[0] == key[1]:
                if not self._exchange(row):
                    self._force(row)
            elif key in seen:
                if allowed:
                    allowed -= 1
                else:
                    self._exchange(row)
            seen.add(_key(self._ends[row]))
        return np.array(self._ends, np.int64)

    def _exchange(self, row: int) -> bool:
        """Swap the second end with that of some other channel, making no loop and nothing parallel."""
        draws = uniforms(self._seed, _Draw.SWAP, Stream.TOPOLOGY, _SWAP_TRIES, start=self._draws)
        self._draws += _SWAP_TRIES
        for draw in draws:
            partner = int(draw * len(self._ends))
            if self._count[_key(self._ends[partner])] == 1 and self._swap(row, partner, parallel=False):
                return True
        return False

    def _force(self, row: int) -> None:
        """Dissolve a loop with the first channel that allows it, or by moving one end to another node."""
        for partner in range(len(self._ends)):
            if self._swap(row, partner, parallel=True):
                return
        node = self._ends[row][0]
        self._replace(row, (node, node - 1 if node else 1))

    def _swap(self, row: int, partner: int, *, parallel: bool) -> bool:
        (a, b), (c, d) = self._ends[row], self._ends[partner]
        first, second = (a, d), (c, b)
        if a == d or c == b:
            return False
        if not parallel and (self._count[_key(first)] or self._count[_key(second)] or _key(first) == _key(second)):
            return False
        self._replace(row, first)
        self._replace(partner, second)
        return True

    def _replace(self, row: int, ends: tuple[int, int]) -> None:
        self._count[_key(self._ends[row])] -= 1
        self._ends[row] = ends
        self._count[_key(ends)] += 1


def _key(ends: tuple[int, int]) -> tuple[int, int]:
    return ends if ends[0] <= ends[1] else (ends[1], ends[0])
