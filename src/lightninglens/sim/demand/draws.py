"""What all demand models draw with: weighted picks, and Poisson counts by inversion."""

import math

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.rng import Stream, uniforms

MOST_PER_CELL = 1 << 22
"""Draws that a cell may make in one stream: cell c has the indices from c * MOST_PER_CELL on."""

_POISSON_CHUNK = 500.0
_CHUNKS_PER_CELL = 4096


def pick(weights: NDArray[np.float64], draws: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return, per draw from [0, 1), a row with probability in proportion to its weight."""
    return pick_cumulative(np.cumsum(weights), draws)


def pick_cumulative(cumulative: NDArray[np.float64], draws: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the same for weights that are summed up already."""
    rows = np.searchsorted(cumulative, draws * cumulative[-1], side="right")
    return np.asarray(np.minimum(rows, len(cumulative) - 1), np.int64)


def poisson(mean: float, *, seed: int, stream: Stream, cell: int) -> int:
    """Draw a Poisson count by inversion, in chunks that keep exp(-mean) above the least float."""
    chunks = max(1, math.ceil(mean / _POISSON_CHUNK))
    total = 0
    for draw in uniforms(seed, 0, stream, chunks, start=cell * _CHUNKS_PER_CELL).tolist():
        term = cumulative = math.exp(-mean / chunks)
        count = 0
        while draw > cumulative and term > 0.0:
            count += 1
            term *= mean / chunks / count
            cumulative += term
        total += count
    return min(total, MOST_PER_CELL)


def weighted_sample(
    weights: NDArray[np.float64], count: int, *, seed: int, entity: int, stream: Stream
) -> NDArray[np.int64]:
    """Return up to `count` different rows, ascending, drawn by weight; a row of weight 0 is never drawn."""
    # Gumbel keys: the greatest are a sample without replacement, by weight.
    draws = np.clip(uniforms(seed, entity, stream, len(weights)), 1e-300, 1.0 - 1e-16)
    with np.errstate(divide="ignore"):
        keys = np.log(weights) - np.log(-np.log(draws))
    return np.sort(np.argsort(-keys, kind="stable")[: min(count, int(np.count_nonzero(weights)))])
