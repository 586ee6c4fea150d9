"""The columns of what becomes of channels: whether they are up, and how they end."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NOT_THERE = 2
"""In the senders' view, instead of disabled or not: a channel that is not announced yet, or closed."""


class Stage(IntEnum):
    """Where a channel stands: `Life.stage`."""

    OPEN = 0
    CLOSING = 1
    """Both ends agreed to close it: what is in flight ends as ever, nothing new is added."""
    FORCED = 2
    """One end has published the commitment: what is in flight is settled or times out on the chain."""
    CLOSED = 3


class Down(IntEnum):
    """Why a channel takes no new HTLC: bits of `Life.down`."""

    NODE1 = 1
    NODE2 = 2
    FLAP = 4
    ASKED = 8
    """`Engine.set_active`."""
    ENDING = 16


class Life(NamedTuple):
    """How the channels are, by row."""

    stage: NDArray[np.int8]
    down: NDArray[np.uint8]
    """Bits of `Down`; a channel with none is active."""
    announced_ns: NDArray[np.int64]
    """Nothing is said of it before this time."""
    on_chain_ns: NDArray[np.int64]
    """Of a forced one: when the HTLCs that were not settled time out."""
    ledger_msat: NDArray[np.int64]
    """What has come into channels since the beginning, and what has left them."""


def make_life(capacity_msat: NDArray[np.int64]) -> Life:
    """Return channels that are open and up."""
    channels = len(capacity_msat)
    return Life(
        stage=np.zeros(channels, np.int8),
        down=np.zeros(channels, np.uint8),
        announced_ns=np.full(channels, -(2**62), np.int64),
        on_chain_ns=np.zeros(channels, np.int64),
        ledger_msat=np.array([capacity_msat.sum(), 0], np.int64),
    )
