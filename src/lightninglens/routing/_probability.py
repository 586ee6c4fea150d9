"""Mission control and LND's two estimators, compiled.

Source: LND `routing/missioncontrol_state.go`, `routing/missioncontrol.go`
(GetProbability), `routing/probability_apriori.go`, `routing/probability_bimodal.go`.
Plain-Python twin: tests/reference/mission_control.py.
"""

import math
from typing import Any

import numpy as np

from lightninglens.core.jit import kernel
from lightninglens.routing._bimodal import bimodal_probability, can_send, cannot_send, fading
from lightninglens.routing.memory import FIRST_BLOCK, LARGEST_BLOCK
from lightninglens.routing.state import ANY_NODE, BIMODAL, NEVER_NS

_CERTAIN_SHARE = 0.08
"""Below this share of the capacity the capacity factor is exactly 1.0 in float64, at LND's constants."""
_SMEARING = 0.025
_LEAST_FACTOR = 0.5
_LOCAL_AMOUNT_MSAT = np.int64(2**62)
_HOUR_NS = np.int64(3_600_000_000_000)
_NODE_BITS = 32
_MANY_PAIRS = 24
"""Beyond this many pairs of one node the hash table is quicker than their chain."""


@kernel
def find_entry(memory: Any, sender: Any, from_node: Any, to_node: Any) -> Any:
    """Return the entry of a pair, or -1."""
    mask = np.uint64(memory.table.shape[0] - 1)
    slot = _slot(sender, from_node, to_node) & mask
    while True:
        entry = memory.table[slot]
        if entry < 0:
            return np.int32(-1)
        result = memory.results[entry]
        if result.sender == sender and result.from_node == from_node and result.to_node == to_node:
            return entry
        slot = (slot + np.uint64(1)) & mask


@kernel
def _slot(sender: Any, from_node: Any, to_node: Any) -> Any:
    mixed = np.uint64(sender) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= np.uint64(from_node) * np.uint64(0xC2B2AE3D27D4EB4F) + (mixed >> np.uint64(29))
    mixed ^= np.uint64(to_node) * np.uint64(0x165667B19E3779F9) + (mixed >> np.uint64(32))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return mixed ^ (mixed >> np.uint64(31))


@kernel
def claim_entry(memory: Any, sender: Any, from_node: Any, to_node: Any) -> Any:
    """Return the entry of a pair, making it when it is new. There must be room."""
    entry = find_entry(memory, sender, from_node, to_node)
    if entry >= 0:
        return entry
    head = find_entry(memory, sender, from_node, from_node)
    if head < 0:
        head = _new_entry(memory, sender, from_node, from_node)
        memory.results[head].first_pair = np.int32(-1)
        memory.results[head].pairs = np.int32(0)
        memory.results[head].next = memory.first_of_sender[sender]
        memory.first_of_sender[sender] = head
    entry = _new_entry(memory, sender, from_node, to_node)
    memory.results[entry].next = np.int32(-1)
    node = memory.results[head]
    if node.first_pair < 0:
        node.first_pair = entry
    else:
        memory.results[node.last_pair].next = entry
    node.last_pair = entry
    node.pairs += np.int32(1)
    return entry


@kernel
def _new_entry(memory: Any, sender: Any, from_node: Any, to_node: Any) -> Any:
    entry = _free_row(memory, sender)
    result = memory.results[entry]
    result.sender = sender
    result.from_node = from_node
    result.to_node = to_node
    result.fail_time_ns = NEVER_NS
    result.fail_msat = 0
    result.success_time_ns = NEVER_NS
    result.success_msat = 0
    result.second_chance_ns = NEVER_NS
    result.has_result = False
    insert_in_table(memory, entry)
    return entry


@kernel
def _free_row(memory: Any, sender: Any) -> Any:
    """Take a row of the sender's newest block, or of a new one twice as large."""
    row = memory.free_of_sender[sender]
    if row == memory.end_of_sender[sender]:
        size = FIRST_BLOCK
        if row > 0:
            size = min(2 * memory.results[row - 1].block_rows, LARGEST_BLOCK)
        row = np.int32(memory.counters[0])
        memory.counters[0] += size
        memory.end_of_sender[sender] = row + size
        memory.results[row].block_rows = size
    else:
        memory.results[row].block_rows = memory.results[row - 1].block_rows
    memory.free_of_sender[sender] = row + 1
    return row


@kernel
def insert_in_table(memory: Any, entry: Any) -> None:
    """Put an entry into the hash table."""
    mask = np.uint64(memory.table.shape[0] - 1)
    slot = _slot(memory.results[entry].sender, memory.results[entry].from_node, memory.results[entry].to_node) & mask
    while memory.table[slot] >= 0:
        slot = (slot + np.uint64(1)) & mask
    memory.table[slot] = entry


@kernel
def record_success(memory: Any, sender: Any, from_node: Any, to_node: Any, amount: Any, now: Any) -> None:
    """Note that a pair carried `amount` (setLastPairResult, success)."""
    entry = claim_entry(memory, sender, from_node, to_node)
    memory.has_succeeded[sender] = True
    memory.results[entry].has_result = True
    memory.results[entry].success_time_ns = now
    memory.results[entry].success_msat = max(memory.results[entry].success_msat, amount)
    if memory.results[entry].fail_time_ns != NEVER_NS and amount >= memory.results[entry].fail_msat:
        memory.results[entry].fail_msat = amount + 1


@kernel
def record_failure(
    memory: Any, estimator: Any, sender: Any, from_node: Any, to_node: Any, amount: Any, now: Any
) -> None:
    """Note that a pair failed at `amount`, 0 meaning any amount (setLastPairResult, failure)."""
    entry = claim_entry(memory, sender, from_node, to_node)
    failed_before = memory.results[entry].fail_time_ns != NEVER_NS
    too_soon = failed_before and now - memory.results[entry].fail_time_ns < estimator.min_failure_relax_ns
    if amount > memory.results[entry].fail_msat and too_soon:
        return
    memory.results[entry].has_result = True
    memory.results[entry].fail_time_ns = now
    memory.results[entry].fail_msat = amount
    if amount == 0:
        memory.results[entry].success_msat = 0
    elif amount <= memory.results[entry].success_msat:
        memory.results[entry].success_msat = amount - 1


@kernel
def fail_all_of_node(memory: Any, sender: Any, node: Any, now: Any) -> None:
    """Fail every remembered pair that touches a node (setAllFail)."""
    head = memory.first_of_sender[sender]
    while head >= 0:
        entry = memory.results[head].first_pair
        while entry >= 0:
            result = memory.results[entry]
            if (result.from_node == node or result.to_node == node) and result.has_result:
                result.fail_time_ns = now
                result.fail_msat = 0
                result.success_time_ns = NEVER_NS
                result.success_msat = 0
            entry = result.next
        head = memory.results[head].next


@kernel
def grant_second_chance(memory: Any, estimator: Any, sender: Any, from_node: Any, to_node: Any, now: Any) -> Any:
    """Say whether a pair may fail on its policy once more (requestSecondChance)."""
    entry = claim_entry(memory, sender, from_node, to_node)
    last = memory.results[entry].second_chance_ns
    if last == NEVER_NS or now - last > estimator.second_chance_ns:
        memory.results[entry].second_chance_ns = now
        return True
    return False


@kernel
def load_history(memory: Any, scratch: Any, sender: Any) -> None:
    """Hang the sender's results on the nodes they start at, and mark where pairs are ignored, for the next search."""
    generation = np.int32(scratch.counters[0])
    head = memory.first_of_sender[sender]
    while head >= 0:
        node = memory.results[head].from_node
        scratch.labels[node].history = head
        scratch.reach[node].history_generation = generation
        scratch.tried[node].below_msat = np.int64(0)
        head = memory.results[head].next
    for ignored in scratch.ignored:
        node = ignored >> _NODE_BITS
        if scratch.reach[node].history_generation != generation:
            scratch.labels[node].history = np.int32(-1)
            scratch.reach[node].history_generation = generation


@kernel
def _contains(keys: Any, key: Any) -> Any:
    row = np.searchsorted(keys, key)
    return row < keys.shape[0] and keys[row] == key


@kernel
def _is_ignored(ignored: Any, from_node: Any, to_node: Any) -> Any:
    first = np.int64(from_node) << _NODE_BITS
    return _contains(ignored, first + ANY_NODE + 1) or _contains(ignored, first + to_node + 1)


@kernel
def capacity_factor(amount: Any, capacity: Any, fraction: Any) -> Any:
    """Return how much an amount near the capacity lowers the probability."""
    if capacity == 0 or fraction == 1.0:
        return 1.0
    if amount > capacity:
        return 0.0
    if fraction > 0.9995 and amount < _CERTAIN_SHARE * capacity:
        return 1.0
    distance = (np.float64(amount) - fraction * np.float64(capacity)) / (_SMEARING * np.float64(capacity))
    return 1.0 - (1.0 - _LEAST_FACTOR) / (1.0 + math.exp(-distance))


@kernel
def _hours(duration_ns: Any) -> Any:
    """Return a duration in hours, rounded as Go's Duration.Hours rounds."""
    whole = duration_ns // _HOUR_NS
    return np.float64(whole) + np.float64(duration_ns - whole * _HOUR_NS) / np.float64(_HOUR_NS)


@kernel
def _weight(age_ns: Any, half_life_ns: Any) -> Any:
    return math.pow(2.0, -_hours(age_ns) / _hours(np.int64(half_life_ns)))


@kernel
def _sum_up(memory: Any, estimator: Any, tried: Any, head: Any, amount: Any, now: Any) -> None:
    """Count what a node's pairs say of an amount, and of which amounts about it they say the same."""
    from_msat, below_msat = np.int64(0), _LOCAL_AMOUNT_MSAT
    successes = np.int32(0)
    failures = 0.0
    entry = memory.results[head].first_pair
    while entry >= 0:
        known = memory.results[entry]
        entry = known.next
        has_failed = known.fail_time_ns != NEVER_NS
        if amount <= known.success_msat:
            successes += np.int32(1)
            below_msat = min(below_msat, known.success_msat + 1)
            continue
        from_msat = max(from_msat, known.success_msat + 1)
        if has_failed and amount >= known.fail_msat:
            failures += _weight(now - known.fail_time_ns, estimator.half_life_ns)
            from_msat = max(from_msat, known.fail_msat)
        elif has_failed:
            below_msat = min(below_msat, known.fail_msat)
    tried.from_msat = from_msat
    tried.below_msat = below_msat
    tried.successes = successes
    tried.failures = failures


@kernel
def node_probability(
    memory: Any, scratch: Any, estimator: Any, node: Any, head: Any, amount: Any, capacity: Any, now: Any
) -> Any:
    """Return the probability of a node's untried connections; `head` is the head of its pairs or -1."""
    apriori = estimator.hop_probability * capacity_factor(amount, capacity, estimator.capacity_fraction)
    if head < 0 or estimator.apriori_weight == 1.0:
        return apriori
    tried = scratch.tried[node]
    if amount < tried.from_msat or amount >= tried.below_msat:
        _sum_up(memory, estimator, tried, head, amount, now)
    factor = 1.0 / (1.0 - estimator.apriori_weight) - 1.0
    weight = factor + np.float64(tried.successes) + tried.failures
    if weight == 0.0:
        return apriori  # only with a weight of 0 and results for other amounts, where LND divides 0 by 0
    return (apriori * factor + estimator.success_probability * np.float64(tried.successes)) / weight


@kernel
def _apriori(
    memory: Any,
    scratch: Any,
    estimator: Any,
    own: Any,
    node: Any,
    head: Any,
    entry: Any,
    amount: Any,
    capacity: Any,
    now: Any,
) -> Any:
    """Return the a-priori estimate; `entry` is the pair's own result or -1, `head` that of its node's pairs."""
    if own:
        base = estimator.success_probability
        amount = _LOCAL_AMOUNT_MSAT
    else:
        base = node_probability(memory, scratch, estimator, node, head, amount, capacity, now)
    if entry < 0:
        return base
    known = memory.results[entry]
    if amount <= known.success_msat:
        return estimator.success_probability
    if known.fail_time_ns == NEVER_NS or amount < known.fail_msat:
        return base
    return base * (1.0 - _weight(now - known.fail_time_ns, estimator.half_life_ns))


@kernel
def _bimodal_direct(memory: Any, estimator: Any, entry: Any, amount: Any, capacity: Any, now: Any) -> Any:
    """Return the probability from what is known of the pair itself (directProbability)."""
    success, failure = np.int64(0), np.int64(capacity)
    if entry >= 0 and memory.results[entry].fail_time_ns != NEVER_NS:
        age = now - memory.results[entry].fail_time_ns
        failure = cannot_send(memory.results[entry].fail_msat, np.int64(capacity), age, estimator.bimodal_decay_ns)
    if entry >= 0 and memory.results[entry].success_time_ns != NEVER_NS:
        age = now - memory.results[entry].success_time_ns
        success = can_send(memory.results[entry].success_msat, age, estimator.bimodal_decay_ns)
    return bimodal_probability(capacity, success, failure, amount, estimator.bimodal_scale_msat)


@kernel
def _bimodal_own(memory: Any, estimator: Any, entry: Any, now: Any) -> Any:
    """Return the probability of a channel of the sender, whose balance it knows (LocalPairProbability)."""
    if entry < 0 or memory.results[entry].fail_time_ns == NEVER_NS:
        return 1.0
    age = max(now - memory.results[entry].fail_time_ns, np.int64(0))
    return 1.0 - fading(age, estimator.bimodal_decay_ns)


@kernel
def _bimodal(memory: Any, estimator: Any, own: Any, head: Any, entry: Any, amount: Any, capacity: Any, now: Any) -> Any:
    """Return the bimodal estimate, mixed with how the node's other channels fared (calculateProbability)."""
    if own:
        return _bimodal_own(memory, estimator, entry, now)
    direct = _bimodal_direct(memory, estimator, entry, amount, capacity, now)
    node_weight, decay = estimator.bimodal_node_weight, estimator.bimodal_decay_ns
    if node_weight == 0.0:
        return direct
    if entry >= 0 and now - max(memory.results[entry].fail_time_ns, memory.results[entry].success_time_ns) < decay:
        return direct
    total = direct
    weights = 1.0
    other = memory.results[head].first_pair if head >= 0 else np.int32(-1)
    while other >= 0:
        known = memory.results[other]
        if other != entry and known.success_msat > 0:
            weight = node_weight * fading(now - known.success_time_ns, decay)
            total += weight
            weights += weight
        if other != entry and known.fail_msat > 0:
            weights += node_weight * fading(now - known.fail_time_ns, decay)
        other = known.next
    return total / weights


@kernel
def _find_result(memory: Any, sender: Any, from_node: Any, to_node: Any, head: Any) -> Any:
    """Return the entry of a pair that has a result, or -1."""
    if memory.results[head].pairs > _MANY_PAIRS:
        entry = find_entry(memory, sender, from_node, to_node)
    else:
        entry = memory.results[head].first_pair
        while entry >= 0 and memory.results[entry].to_node != to_node:
            entry = memory.results[entry].next
    if entry >= 0 and not memory.results[entry].has_result:
        return np.int32(-1)
    return entry


@kernel
def pair_probability(
    memory: Any,
    scratch: Any,
    estimator: Any,
    sender: Any,
    from_node: Any,
    to_node: Any,
    amount: Any,
    capacity: Any,
    now: Any,
) -> Any:
    """Return the probability that a hop carries an amount, as `sender` sees it; 0 where the pair is ignored."""
    if scratch.ignored.shape[0] > 0 and _is_ignored(scratch.ignored, from_node, to_node):
        return 0.0
    head = np.int32(-1)
    if scratch.reach[from_node].history_generation == scratch.counters[0]:
        head = scratch.labels[from_node].history
    entry = np.int32(-1)
    if head >= 0:
        entry = _find_result(memory, sender, from_node, to_node, head)
    own = from_node == sender
    if estimator.kind == BIMODAL:
        return _bimodal(memory, estimator, own, head, entry, amount, capacity, now)
    return _apriori(memory, scratch, estimator, own, from_node, head, entry, amount, capacity, now)


@kernel
def rebuild_table(memory: Any) -> None:
    """Fill an empty hash table with every entry in use, after the pool has grown."""
    for entry in range(memory.counters[0]):
        if memory.results[entry].sender >= 0:
            insert_in_table(memory, np.int32(entry))
