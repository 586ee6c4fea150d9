"""Mission control as arrays: what every sender remembers of past attempts, by pair of nodes."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightninglens.routing.state import REPORT_PAIRS, record_type

RESULT = record_type(
    [
        ("fail_time_ns", np.int64),
        ("fail_msat", np.int64),
        ("success_msat", np.int64),
        ("success_time_ns", np.int64),
        ("second_chance_ns", np.int64),
        ("sender", np.int32),
        ("from_node", np.int32),
        ("to_node", np.int32),
        ("next", np.int32),
        ("first_pair", np.int32),
        ("last_pair", np.int32),
        ("pairs", np.int32),
        ("block_rows", np.int16),
        ("has_result", np.bool_),
    ]
)
"""One pair as one sender knows it, or, where both nodes are the same, the head of a node's pairs.

`next` is the node's next pair, in the order in which they were tried first, or the sender's next head; -1 at the end.
`first_pair`, `last_pair` and `pairs` are a head's. `block_rows` is the size of the block that the row lies in.
"""


class MissionControl(NamedTuple):
    """What all senders remember.

    Memory grows with what was tried, not with the square of the nodes. A sender's
    rows lie in blocks of its own, since a search reads many of them.
    """

    results: NDArray[np.void]
    """Rows of RESULT; a row that no pair has taken yet has sender -1."""
    first_of_sender: NDArray[np.int32]
    """Per sender: the head of one of its nodes, or -1."""
    has_succeeded: NDArray[np.bool_]
    """Per sender: whether any pair has ever carried anything."""
    free_of_sender: NDArray[np.int32]
    """Per sender: the next free row of its newest block."""
    end_of_sender: NDArray[np.int32]
    """Per sender: where that block ends."""
    table: NDArray[np.int32]
    """Open-addressing hash of (sender, from, to)."""
    counters: NDArray[np.int64]
    """0: rows given out in blocks."""


FIRST_BLOCK = 4
LARGEST_BLOCK = 256
"""Rows of a sender's first block and of its largest; each is twice the one before."""


ROOM = 2 * REPORT_PAIRS + 2 * LARGEST_BLOCK
"""Rows that one result can use up, heads and blocks included."""


def grow_mission_control(memory: MissionControl, capacity: int) -> MissionControl:
    """Return the same memory with room for `capacity` rows (a power of two); its table is to be rebuilt."""
    grown = make_mission_control(len(memory.first_of_sender), capacity)
    grown.results[: len(memory.results)] = memory.results
    for name in ("first_of_sender", "has_succeeded", "free_of_sender", "end_of_sender", "counters"):
        getattr(grown, name)[:] = getattr(memory, name)
    return grown


def make_mission_control(node_count: int, capacity: int = 1024) -> MissionControl:
    """Return an empty memory with room for `capacity` rows (a power of two)."""
    results = np.zeros(capacity, RESULT)
    results["sender"] = -1
    return MissionControl(
        results=results,
        first_of_sender=np.full(node_count, -1, np.int32),
        has_succeeded=np.zeros(node_count, np.bool_),
        free_of_sender=np.zeros(node_count, np.int32),
        end_of_sender=np.zeros(node_count, np.int32),
        table=np.full(2 * capacity, -1, np.int32),
        counters=np.zeros(1, np.int64),
    )
