"""Counter-based randomness: a draw is a function of (seed, entity, stream, index).

Nothing is consumed, so one entity's draws never shift another's, and two
strategies that make different numbers of draws still meet the same world.
The generator is Philox-4x32 with ten rounds (Salmon et al., "Parallel random
numbers: as easy as 1, 2, 3", SC 2011); the seed is the key.
"""

import math
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.jit import kernel

_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_W0 = np.uint64(0x9E3779B9)
_W1 = np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_DROP = np.uint64(11)
_UNIT = 1.0 / (1 << 53)


class Stream(IntEnum):
    """What a draw is for; part of its address. Numbers are frozen: changing one changes every run."""

    ARRIVAL = 1
    AMOUNT = 2
    AMOUNT_COMPONENT = 3
    SENDER = 4
    RECEIVER = 5
    DESCRIPTION = 6
    DRIFT = 7
    INITIAL_BALANCE = 8
    OPENER = 9
    HOP_DELAY = 10
    NON_STRICT_LINK = 11
    TOPOLOGY = 12
    POLICY = 13
    PATTERN = 14
    ROLE = 15
    MODEL = 16
    RETURN = 17
    POPULATION_ARRIVAL = 30
    POPULATION_PAYER = 31
    POPULATION_PAYEE = 32
    POPULATION_AMOUNT = 33
    CIRCULATION = 34
    SWAP = 35
    NODE_ROLE = 36
    NODE_SIDE = 37
    SWAP_PROVIDER = 38
    SCRAMBLE = 40
    GOSSIP_DELAY = 41
    NODE_OUTAGE = 42
    CHANNEL_OUTAGE = 43
    HOLD = 44
    PROBE = 45
    SENDER_KIND = 46
    FIDELITY = 50
    MISSED_NODE = 51


@kernel
def philox(seed: Any, entity: Any, stream: Any, index: Any) -> Any:
    """Return 64 random bits (uint64) for the address (seed, entity, stream, index)."""
    key0 = np.uint64(seed) & _LOW
    key1 = np.uint64(seed) >> _SHIFT
    c0 = np.uint64(index) & _LOW
    c1 = np.uint64(index) >> _SHIFT
    c2 = np.uint64(entity) & _LOW
    c3 = np.uint64(stream) & _LOW
    for _ in range(10):
        product0 = _M0 * c0
        product1 = _M1 * c2
        c0 = (product1 >> _SHIFT) ^ c1 ^ key0
        c1 = product1 & _LOW
        c2 = (product0 >> _SHIFT) ^ c3 ^ key1
        c3 = product0 & _LOW
        key0 = (key0 + _W0) & _LOW
        key1 = (key1 + _W1) & _LOW
    return (c1 << _SHIFT) | c0


@kernel
def uniform(seed: Any, entity: Any, stream: Any, index: Any) -> Any:
    """Return a float in [0, 1) with 53 random bits."""
    return np.float64(philox(seed, entity, stream, index) >> _DROP) * _UNIT


@kernel
def standard_normal(seed: Any, entity: Any, stream: Any, index: Any) -> Any:
    """Return a standard normal float (Box-Muller, the cosine branch)."""
    bits = philox(seed, entity, stream, index)
    first = (np.float64(bits & _LOW) + 1.0) / 4294967297.0
    second = np.float64(bits >> _SHIFT) / 4294967296.0
    return math.sqrt(-2.0 * math.log(first)) * math.cos(2.0 * math.pi * second)


@kernel
def _fill_uniform(out: Any, seed: Any, entity: Any, stream: Any, start: Any) -> None:
    for i in range(out.shape[0]):
        out[i] = uniform(seed, entity, stream, start + i)


@kernel
def _fill_normal(out: Any, seed: Any, entity: Any, stream: Any, start: Any) -> None:
    for i in range(out.shape[0]):
        out[i] = standard_normal(seed, entity, stream, start + i)


def uniforms(seed: int, entity: int, stream: Stream, count: int, *, start: int = 0) -> NDArray[np.float64]:
    """Return `count` uniform draws at the indices from `start` on."""
    out = np.empty(count, np.float64)
    _fill_uniform(out, np.uint64(seed), entity, int(stream), start)
    return out


def normals(seed: int, entity: int, stream: Stream, count: int, *, start: int = 0) -> NDArray[np.float64]:
    """Return `count` standard normal draws at the indices from `start` on."""
    out = np.empty(count, np.float64)
    _fill_normal(out, np.uint64(seed), entity, int(stream), start)
    return out
