"""Mission control, compiled: finding and keeping what senders remember of pairs.

Source: LND `routing/missioncontrol_state.go`.
Plain-Python twin: tests/reference/mission_control.py.
"""

from typing import Any

import numpy as np

from lightninglens.core.jit import kernel
from lightninglens.routing.memory import (
    FIRST_BLOCK,
    FIRST_NODES,
    LARGEST_BLOCK,
    LARGEST_NODES,
    NODES_ROOM,
    ROOM,
    Remembered,
)
from lightninglens.routing.state import NEVER_NS


@kernel
def has_room(memory: Any) -> Any:
    """Say whether one more result fits."""
    return (
        memory.counters[0] + ROOM < memory.results.shape[0] and memory.counters[1] + NODES_ROOM < memory.nodes.shape[0]
    )


@kernel
def remembered(memory: Any) -> Any:
    """Return the columns that a search reads for every hop."""
    return Remembered(memory.results, memory.to_node, memory.next_block, memory.nodes)


@kernel
def next_size(size: Any, largest: Any) -> Any:
    """Return the rows of the block after one of `size` rows."""
    return min(2 * size, np.int64(largest))


@kernel
def find_node(memory: Any, sender: Any, node: Any) -> Any:
    """Return the row of a node of which a sender remembers pairs, or -1."""
    left = np.int64(memory.nodes_of_sender[sender])
    block = np.int64(memory.first_of_sender[sender])
    size = np.int64(FIRST_NODES)
    while left > 0:
        for row in range(block, block + min(left, size)):
            if memory.nodes[row].node == node:
                return np.int32(row)
        left -= size
        size = next_size(size, LARGEST_NODES)
        block = np.int64(memory.next_nodes[block])
    return np.int32(-1)


@kernel
def find_pair(memory: Any, place: Any, to_node: Any) -> Any:
    """Return the row of the result of a pair of the node in row `place` of `nodes`, or -1."""
    left = np.int64(memory.nodes[place].pairs)
    block = np.int64(memory.nodes[place].first)
    size = np.int64(FIRST_BLOCK)
    while left > 0:
        for row in range(block, block + min(left, size)):
            if memory.to_node[row] == to_node:
                return np.int32(row)
        left -= size
        size = next_size(size, LARGEST_BLOCK)
        block = np.int64(memory.next_block[block])
    return np.int32(-1)


@kernel
def find_entry(memory: Any, sender: Any, from_node: Any, to_node: Any) -> Any:
    """Return the row of a pair, or -1."""
    place = find_node(memory, sender, from_node)
    return find_pair(memory, place, to_node) if place >= 0 else place


@kernel
def _in_last_block(count: Any, first: Any, largest: Any) -> Any:
    """Return (rows of the last block in use, its size), after `count` rows; a full one counts as a new, empty one."""
    size = np.int64(first)
    left = np.int64(count)
    while left >= size:
        left -= size
        size = next_size(size, largest)
    return left, size


@kernel
def _claim_node(memory: Any, sender: Any, node: Any) -> Any:
    place = find_node(memory, sender, node)
    if place >= 0:
        return place
    used, size = _in_last_block(memory.nodes_of_sender[sender], FIRST_NODES, LARGEST_NODES)
    if used == 0:
        block = np.int32(memory.counters[1])
        memory.counters[1] += size
        if memory.first_of_sender[sender] < 0:
            memory.first_of_sender[sender] = block
        else:
            memory.next_nodes[memory.last_of_sender[sender]] = block
        memory.last_of_sender[sender] = block
    place = np.int32(memory.last_of_sender[sender] + used)
    memory.nodes_of_sender[sender] += np.int32(1)
    memory.nodes[place].node = np.int32(node)
    memory.nodes[place].first = np.int32(-1)
    memory.nodes[place].last = np.int32(-1)
    memory.nodes[place].pairs = np.int32(0)
    return place


@kernel
def claim_entry(memory: Any, sender: Any, from_node: Any, to_node: Any) -> Any:
    """Return the row of a pair, making it when it is new. There must be room."""
    place = _claim_node(memory, sender, from_node)
    row = find_pair(memory, place, to_node)
    if row >= 0:
        return row
    here = memory.nodes[place]
    used, size = _in_last_block(here.pairs, FIRST_BLOCK, LARGEST_BLOCK)
    if used == 0:
        block = np.int32(memory.counters[0])
        memory.counters[0] += size
        if here.first < 0:
            here.first = block
        else:
            memory.next_block[here.last] = block
        here.last = block
    row = np.int32(here.last + used)
    here.pairs += np.int32(1)
    memory.to_node[row] = to_node
    result = memory.results[row]
    result.fail_time_ns = NEVER_NS
    result.fail_msat = 0
    result.success_msat = 0
    result.success_time_ns = NEVER_NS
    result.second_chance_ns = NEVER_NS
    return row


@kernel
def record_success(memory: Any, sender: Any, from_node: Any, to_node: Any, amount: Any, now: Any) -> None:
    """Note that a pair carried `amount` (setLastPairResult, success)."""
    result = memory.results[claim_entry(memory, sender, from_node, to_node)]
    memory.has_succeeded[sender] = True
    result.success_time_ns = now
    result.success_msat = max(result.success_msat, amount)
    if result.fail_time_ns != NEVER_NS and amount >= result.fail_msat:
        result.fail_msat = amount + 1


@kernel
def record_failure(
    memory: Any, estimator: Any, sender: Any, from_node: Any, to_node: Any, amount: Any, now: Any
) -> None:
    """Note that a pair failed at `amount`, 0 meaning any amount (setLastPairResult, failure)."""
    result = memory.results[claim_entry(memory, sender, from_node, to_node)]
    failed_before = result.fail_time_ns != NEVER_NS
    too_soon = failed_before and now - result.fail_time_ns < estimator.min_failure_relax_ns
    if amount > result.fail_msat and too_soon:
        return
    result.fail_time_ns = now
    result.fail_msat = amount
    if amount == 0:
        result.success_msat = 0
    elif amount <= result.success_msat:
        result.success_msat = amount - 1


@kernel
def _fail_result(result: Any, now: Any) -> None:
    if result.fail_time_ns == NEVER_NS and result.success_time_ns == NEVER_NS:
        return
    result.fail_time_ns = now
    result.fail_msat = 0
    result.success_time_ns = NEVER_NS
    result.success_msat = 0


@kernel
def _fail_pairs_of(memory: Any, place: Any, node: Any, now: Any) -> None:
    """Fail the pairs of one remembered node that touch `node`."""
    here = memory.nodes[place]
    left = np.int64(here.pairs)
    block = np.int64(here.first)
    size = np.int64(FIRST_BLOCK)
    while left > 0:
        for row in range(block, block + min(left, size)):
            if here.node == node or memory.to_node[row] == node:
                _fail_result(memory.results[row], now)
        left -= size
        size = next_size(size, LARGEST_BLOCK)
        block = np.int64(memory.next_block[block])


@kernel
def fail_all_of_node(memory: Any, sender: Any, node: Any, now: Any) -> None:
    """Fail every remembered pair that touches a node (setAllFail)."""
    left = np.int64(memory.nodes_of_sender[sender])
    block = np.int64(memory.first_of_sender[sender])
    size = np.int64(FIRST_NODES)
    while left > 0:
        for place in range(block, block + min(left, size)):
            _fail_pairs_of(memory, place, node, now)
        left -= size
        size = next_size(size, LARGEST_NODES)
        block = np.int64(memory.next_nodes[block])


@kernel
def grant_second_chance(memory: Any, estimator: Any, sender: Any, from_node: Any, to_node: Any, now: Any) -> Any:
    """Say whether a pair may fail on its policy once more (requestSecondChance)."""
    result = memory.results[claim_entry(memory, sender, from_node, to_node)]
    last = result.second_chance_ns
    if last == NEVER_NS or now - last > estimator.second_chance_ns:
        result.second_chance_ns = now
        return True
    return False
