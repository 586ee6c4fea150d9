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
from lightninglens.routing.state import ANY_NODE, BIMODAL, NEVER_NS

_CERTAIN_SHARE = 0.08
"""Below this share of the capacity the capacity factor is exactly 1.0 in float64, at LND's constants."""
_SMEARING = 0.025
_LEAST_FACTOR = 0.5
_LOCAL_AMOUNT_MSAT = np.int64(2**62)
_HOUR_NS = np.int64(3_600_000_000_000)
_NODE_BITS = 32


@kernel
def find_entry(memory: Any, sender: Any, from_node: Any, to_node: Any) -> Any:
    """Return the entry of a pair, or -1."""
    mask = np.uint64(memory.table.shape[0] - 1)
    slot = _slot(sender, from_node, to_node) & mask
    while True:
        entry = memory.table[slot]
        if entry < 0:
            return np.int32(-1)
        if memory.sender[entry] == sender and memory.from_node[entry] == from_node and memory.to_node[entry] == to_node:
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
    entry = np.int32(memory.counters[0])
    memory.counters[0] += 1
    memory.sender[entry] = sender
    memory.from_node[entry] = from_node
    memory.to_node[entry] = to_node
    memory.fail_time_ns[entry] = NEVER_NS
    memory.fail_msat[entry] = 0
    memory.success_time_ns[entry] = NEVER_NS
    memory.success_msat[entry] = 0
    memory.second_chance_ns[entry] = NEVER_NS
    memory.has_result[entry] = False
    memory.next_of_sender[entry] = memory.first_of_sender[sender]
    memory.first_of_sender[sender] = entry
    insert_in_table(memory, entry)
    return entry


@kernel
def insert_in_table(memory: Any, entry: Any) -> None:
    """Put an entry into the hash table."""
    mask = np.uint64(memory.table.shape[0] - 1)
    slot = _slot(memory.sender[entry], memory.from_node[entry], memory.to_node[entry]) & mask
    while memory.table[slot] >= 0:
        slot = (slot + np.uint64(1)) & mask
    memory.table[slot] = entry


@kernel
def record_success(memory: Any, sender: Any, from_node: Any, to_node: Any, amount: Any, now: Any) -> None:
    """Note that a pair carried `amount` (setLastPairResult, success)."""
    entry = claim_entry(memory, sender, from_node, to_node)
    memory.has_result[entry] = True
    memory.success_time_ns[entry] = now
    memory.success_msat[entry] = max(memory.success_msat[entry], amount)
    if memory.fail_time_ns[entry] != NEVER_NS and amount >= memory.fail_msat[entry]:
        memory.fail_msat[entry] = amount + 1


@kernel
def record_failure(
    memory: Any, estimator: Any, sender: Any, from_node: Any, to_node: Any, amount: Any, now: Any
) -> None:
    """Note that a pair failed at `amount`, 0 meaning any amount (setLastPairResult, failure)."""
    entry = claim_entry(memory, sender, from_node, to_node)
    failed_before = memory.fail_time_ns[entry] != NEVER_NS
    too_soon = failed_before and now - memory.fail_time_ns[entry] < estimator.min_failure_relax_ns
    if amount > memory.fail_msat[entry] and too_soon:
        return
    memory.has_result[entry] = True
    memory.fail_time_ns[entry] = now
    memory.fail_msat[entry] = amount
    if amount == 0:
        memory.success_msat[entry] = 0
    elif amount <= memory.success_msat[entry]:
        memory.success_msat[entry] = amount - 1


@kernel
def fail_all_of_node(memory: Any, sender: Any, node: Any, now: Any) -> None:
    """Fail every remembered pair that touches a node (setAllFail)."""
    entry = memory.first_of_sender[sender]
    while entry >= 0:
        touches = memory.from_node[entry] == node or memory.to_node[entry] == node
        if touches and memory.has_result[entry]:
            memory.fail_time_ns[entry] = now
            memory.fail_msat[entry] = 0
            memory.success_time_ns[entry] = NEVER_NS
            memory.success_msat[entry] = 0
        entry = memory.next_of_sender[entry]


@kernel
def grant_second_chance(memory: Any, estimator: Any, sender: Any, from_node: Any, to_node: Any, now: Any) -> Any:
    """Say whether a pair may fail on its policy once more (requestSecondChance)."""
    entry = claim_entry(memory, sender, from_node, to_node)
    last = memory.second_chance_ns[entry]
    if last == NEVER_NS or now - last > estimator.second_chance_ns:
        memory.second_chance_ns[entry] = now
        return True
    return False


@kernel
def load_history(memory: Any, scratch: Any, sender: Any) -> None:
    """Hang the sender's results on the nodes they start at, and mark where pairs are ignored, for the next search."""
    generation = np.int32(scratch.counters[0])
    entry = memory.first_of_sender[sender]
    while entry >= 0:
        if memory.has_result[entry]:
            node = memory.from_node[entry]
            label = scratch.labels[node]
            before = label.history if label.history_generation == generation else np.int32(-1)
            scratch.history_next[entry] = before
            label.history = entry
            label.history_generation = generation
        entry = memory.next_of_sender[entry]
    for row in range(scratch.ignored.shape[0]):
        label = scratch.labels[scratch.ignored[row] >> _NODE_BITS]
        if label.history_generation != generation:
            label.history = np.int32(-1)
            label.history_generation = generation


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
def node_probability(
    memory: Any, scratch: Any, estimator: Any, first: Any, amount: Any, capacity: Any, now: Any
) -> Any:
    """Return the probability of a node's untried connections; `first` is its newest result or -1."""
    apriori = estimator.hop_probability * capacity_factor(amount, capacity, estimator.capacity_fraction)
    if first < 0 or estimator.apriori_weight == 1.0:
        return apriori
    factor = 1.0 / (1.0 - estimator.apriori_weight) - 1.0
    total = apriori * factor
    weight = factor
    entry = first
    while entry >= 0:
        if amount <= memory.success_msat[entry]:
            weight += 1.0
            total += estimator.success_probability
        elif memory.fail_time_ns[entry] != NEVER_NS and amount >= memory.fail_msat[entry]:
            weight += _weight(now - memory.fail_time_ns[entry], estimator.half_life_ns)
        entry = scratch.history_next[entry]
    if weight == 0.0:
        return apriori  # only with a weight of 0 and results for other amounts, where LND divides 0 by 0
    return total / weight


@kernel
def _apriori(
    memory: Any, scratch: Any, estimator: Any, own: Any, first: Any, entry: Any, amount: Any, capacity: Any, now: Any
) -> Any:
    """Return the a-priori estimate; `entry` is the pair's own result or -1, `first` its node's newest."""
    if own:
        base = estimator.success_probability
        amount = _LOCAL_AMOUNT_MSAT
    else:
        base = node_probability(memory, scratch, estimator, first, amount, capacity, now)
    if entry < 0:
        return base
    if amount <= memory.success_msat[entry]:
        return estimator.success_probability
    if memory.fail_time_ns[entry] == NEVER_NS or amount < memory.fail_msat[entry]:
        return base
    return base * (1.0 - _weight(now - memory.fail_time_ns[entry], estimator.half_life_ns))


@kernel
def _bimodal_direct(memory: Any, estimator: Any, entry: Any, amount: Any, capacity: Any, now: Any) -> Any:
    """Return the probability from what is known of the pair itself (directProbability)."""
    success, failure = np.int64(0), np.int64(capacity)
    if entry >= 0 and memory.fail_time_ns[entry] != NEVER_NS:
        age = now - memory.fail_time_ns[entry]
        failure = cannot_send(memory.fail_msat[entry], np.int64(capacity), age, estimator.bimodal_decay_ns)
    if entry >= 0 and memory.success_time_ns[entry] != NEVER_NS:
        age = now - memory.success_time_ns[entry]
        success = can_send(memory.success_msat[entry], age, estimator.bimodal_decay_ns)
    return bimodal_probability(capacity, success, failure, amount, estimator.bimodal_scale_msat)


@kernel
def _bimodal_own(memory: Any, estimator: Any, entry: Any, now: Any) -> Any:
    """Return the probability of a channel of the sender, whose balance it knows (LocalPairProbability)."""
    if entry < 0 or memory.fail_time_ns[entry] == NEVER_NS:
        return 1.0
    age = max(now - memory.fail_time_ns[entry], np.int64(0))
    return 1.0 - fading(age, estimator.bimodal_decay_ns)


@kernel
def _bimodal(
    memory: Any, scratch: Any, estimator: Any, own: Any, first: Any, entry: Any, amount: Any, capacity: Any, now: Any
) -> Any:
    """Return the bimodal estimate, mixed with how the node's other channels fared (calculateProbability)."""
    if own:
        return _bimodal_own(memory, estimator, entry, now)
    direct = _bimodal_direct(memory, estimator, entry, amount, capacity, now)
    node_weight, decay = estimator.bimodal_node_weight, estimator.bimodal_decay_ns
    if node_weight == 0.0:
        return direct
    if entry >= 0 and now - max(memory.fail_time_ns[entry], memory.success_time_ns[entry]) < decay:
        return direct
    total = direct
    weights = 1.0
    other = first
    while other >= 0:
        if other != entry and memory.success_msat[other] > 0:
            weight = node_weight * fading(now - memory.success_time_ns[other], decay)
            total += weight
            weights += weight
        if other != entry and memory.fail_msat[other] > 0:
            weights += node_weight * fading(now - memory.fail_time_ns[other], decay)
        other = scratch.history_next[other]
    return total / weights


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
    label = scratch.labels[from_node]
    first = label.history if label.history_generation == scratch.counters[0] else np.int32(-1)
    entry = first
    while entry >= 0 and memory.to_node[entry] != to_node:
        entry = scratch.history_next[entry]
    own = from_node == sender
    if estimator.kind == BIMODAL:
        return _bimodal(memory, scratch, estimator, own, first, entry, amount, capacity, now)
    return _apriori(memory, scratch, estimator, own, first, entry, amount, capacity, now)


@kernel
def rebuild_table(memory: Any) -> None:
    """Fill an empty hash table with every entry in use, after the pool has grown."""
    for entry in range(memory.counters[0]):
        insert_in_table(memory, np.int32(entry))
