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


class Watch(IntEnum):
    """What a node has announced of a channel by itself: `Life.watch`, LND's `netann.ChanStatus`."""

    ENABLED = 0
    PENDING = 1
    """It is down, and will be announced as disabled unless it comes back for good."""
    DISABLED = 2


class Moment(IntEnum):
    """What an event of kind LIFE does, and what its slot is."""

    NODE_FALLS = 0
    NODE_RETURNS = 1
    CHANNEL_FALLS = 2
    CHANNEL_RETURNS = 3
    DISABLE = 4
    """Of a direction."""
    ENABLE = 5


class Life(NamedTuple):
    """How the channels are, by row."""

    stage: NDArray[np.int8]
    down: NDArray[np.uint8]
    """Bits of `Down`; a channel with none is active."""
    announced_ns: NDArray[np.int64]
    """Nothing is said of it before this time."""
    on_chain_ns: NDArray[np.int64]
    """Of a forced one: when the HTLCs that were not settled time out."""
    up_since_ns: NDArray[np.int64]
    channel_back_ns: NDArray[np.int64]
    """When a channel that is offline comes back."""
    channel_outages: NDArray[np.int32]
    """How many outages have been drawn."""
    watch: NDArray[np.int8]
    """Per direction."""
    due_ns: NDArray[np.int64]
    """Per direction: when what is PENDING is announced."""
    asked_disabled: NDArray[np.int8]
    """Per direction: what its owner wants, whatever it has announced."""
    node_back_ns: NDArray[np.int64]
    """When a node that is offline comes back."""
    node_outages: NDArray[np.int32]
    room: NDArray[np.int64]
    """How many events a node's outage can bring: two for each channel of the node with the most."""
    ledger_msat: NDArray[np.int64]
    """What has come into channels since the beginning, and what has left them."""


LONG_AGO_NS = -(2**62)


def make_life(capacity_msat: NDArray[np.int64], asked_disabled: NDArray[np.bool_], nodes: int) -> Life:
    """Return nodes and channels that are up, the channels open."""
    channels = len(capacity_msat)
    return Life(
        stage=np.zeros(channels, np.int8),
        down=np.zeros(channels, np.uint8),
        announced_ns=np.full(channels, LONG_AGO_NS, np.int64),
        on_chain_ns=np.zeros(channels, np.int64),
        up_since_ns=np.full(channels, LONG_AGO_NS, np.int64),
        channel_back_ns=np.full(channels, LONG_AGO_NS, np.int64),
        channel_outages=np.zeros(channels, np.int32),
        watch=np.zeros(2 * channels, np.int8),
        due_ns=np.zeros(2 * channels, np.int64),
        asked_disabled=asked_disabled.astype(np.int8),
        node_back_ns=np.full(nodes, LONG_AGO_NS, np.int64),
        node_outages=np.zeros(nodes, np.int32),
        room=np.zeros(1, np.int64),
        ledger_msat=np.array([capacity_msat.sum(), 0], np.int64),
    )
