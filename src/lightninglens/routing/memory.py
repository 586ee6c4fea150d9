"""Mission control as arrays: what every sender remembers of past attempts, by pair of nodes."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightninglens.routing.state import NEVER_NS, REPORT_PAIRS, record_type

RESULT = record_type(
    [
        ("fail_time_ns", np.int64),
        ("fail_msat", np.int64),
        ("success_msat", np.int64),
        ("success_time_ns", np.int64),
        ("second_chance_ns", np.int64),
    ]
)
"""One pair as one sender knows it; with neither time it has no result, only a second chance that was used."""

NODE = record_type([("node", np.int32), ("first", np.int32), ("last", np.int32), ("pairs", np.int32)])
"""A node of which a sender remembers pairs: the first and the last block of their rows, and how many they are."""


class MissionControl(NamedTuple):
    """What all senders remember.

    Memory grows with what was tried, not with the square of the nodes. A
    sender's nodes, and a node's pairs in the order in which they were tried
    first, lie in blocks, each twice as large as the one before, since a search
    reads them from end to end.
    """

    results: NDArray[np.void]
    """Rows of RESULT."""
    to_node: NDArray[np.int32]
    """Per row of `results`: the node at the pair's end."""
    next_block: NDArray[np.int32]
    """Per first row of a block: the first row of the node's next block."""
    nodes: NDArray[np.void]
    """Rows of NODE."""
    next_nodes: NDArray[np.int32]
    """Per first row of a block of nodes: the first row of the sender's next block."""
    first_of_sender: NDArray[np.int32]
    """Per sender: its first block of nodes, or -1."""
    last_of_sender: NDArray[np.int32]
    """Per sender: its last block of nodes."""
    nodes_of_sender: NDArray[np.int32]
    """Per sender: of how many nodes it remembers pairs."""
    has_succeeded: NDArray[np.bool_]
    """Per sender: whether any pair has ever carried anything."""
    counters: NDArray[np.int64]
    """0: rows of `results` given out; 1: rows of `nodes` given out."""


class Remembered(NamedTuple):
    """The columns of `MissionControl` that a search reads for every hop: a call with all of them would cost more."""

    results: NDArray[np.void]
    to_node: NDArray[np.int32]
    next_block: NDArray[np.int32]
    nodes: NDArray[np.void]


FIRST_BLOCK = 2
LARGEST_BLOCK = 32
"""Rows of a node's first block of results and of its largest."""
FIRST_NODES = 4
LARGEST_NODES = 64
"""The same for a sender's blocks of nodes."""

ROOM = REPORT_PAIRS * LARGEST_BLOCK
NODES_ROOM = REPORT_PAIRS + LARGEST_NODES
"""Rows that one result can use up, of results and of nodes."""


def block_sizes(rows: int, first: int, largest: int) -> Iterator[int]:
    """Yield how many rows of each block are in use, of `rows` in all."""
    size = first
    while rows > 0:
        yield min(rows, size)
        rows -= size
        size = min(2 * size, largest)


def remembered_pairs(
    memory: MissionControl, senders: Iterable[int] | None = None
) -> Iterator[tuple[int, int, int, int]]:
    """Yield (sender, from node, to node, row of `results`) for every pair, of all senders or of some."""
    for sender in np.flatnonzero(memory.first_of_sender >= 0).tolist() if senders is None else senders:
        block = int(memory.first_of_sender[sender])
        for used in block_sizes(int(memory.nodes_of_sender[sender]), FIRST_NODES, LARGEST_NODES):
            for node in memory.nodes[block : block + used]:
                rows = int(node["first"])
                for count in block_sizes(int(node["pairs"]), FIRST_BLOCK, LARGEST_BLOCK):
                    for row in range(rows, rows + count):
                        yield sender, int(node["node"]), int(memory.to_node[row]), row
                    rows = int(memory.next_block[rows])
            block = int(memory.next_nodes[block])


def remembered_results(
    memory: MissionControl, senders: Iterable[int] | None = None
) -> dict[tuple[int, int, int], tuple[int, int, int, int]]:
    """Return (sender, from node, to node) → (fail time, fail amount, success time, success amount), ns and msat."""
    names = ("fail_time_ns", "fail_msat", "success_time_ns", "success_msat")
    found = {}
    for *pair, row in remembered_pairs(memory, senders):
        fail_time, fail_msat, success_time, success_msat = (int(memory.results[name][row]) for name in names)
        if fail_time != NEVER_NS or success_time != NEVER_NS:
            found[pair[0], pair[1], pair[2]] = fail_time, fail_msat, success_time, success_msat
    return found


def forget_all(memory: MissionControl, sender: int) -> None:
    """Let a sender forget everything; its rows stay taken."""
    memory.first_of_sender[sender] = memory.last_of_sender[sender] = -1
    memory.nodes_of_sender[sender] = 0
    memory.has_succeeded[sender] = False


def grow_mission_control(memory: MissionControl, rows: int, node_rows: int) -> MissionControl:
    """Return the same memory with room for that many rows of results and of nodes."""
    grown = make_mission_control(len(memory.first_of_sender), rows, node_rows)
    for name in MissionControl._fields:
        old = getattr(memory, name)
        getattr(grown, name)[: len(old)] = old
    return grown


def make_mission_control(node_count: int, rows: int = 1024, node_rows: int = 512) -> MissionControl:
    """Return an empty memory with room for that many rows of results and of nodes."""
    return MissionControl(
        results=np.zeros(rows, RESULT),
        to_node=np.zeros(rows, np.int32),
        next_block=np.full(rows, -1, np.int32),
        nodes=np.zeros(node_rows, NODE),
        next_nodes=np.full(node_rows, -1, np.int32),
        first_of_sender=np.full(node_count, -1, np.int32),
        last_of_sender=np.full(node_count, -1, np.int32),
        nodes_of_sender=np.zeros(node_count, np.int32),
        has_succeeded=np.zeros(node_count, np.bool_),
        counters=np.zeros(2, np.int64),
    )
