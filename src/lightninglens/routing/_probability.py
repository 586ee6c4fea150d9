"""LND's two estimators on what a sender remembers, compiled.

Source: LND `routing/missioncontrol.go` (GetProbability), `routing/probability_apriori.go`,
`routing/probability_bimodal.go`.
Plain-Python twin: tests/reference/mission_control.py.
"""

import math
from typing import Any

import numpy as np

from lightninglens.core.jit import inlined, kernel
from lightninglens.routing._bimodal import bimodal_probability, can_send, cannot_send, fading
from lightninglens.routing._memory import find_pair, next_size
from lightninglens.routing.memory import FIRST_BLOCK, FIRST_NODES, LARGEST_BLOCK, LARGEST_NODES
from lightninglens.routing.state import ANY_NODE, BIMODAL, NEVER_NS

_CERTAIN_SHARE = 0.08
"""Below this share of the capacity the capacity factor is exactly 1.0 in float64, at LND's constants."""
_SMEARING = 0.025
_LEAST_FACTOR = 0.5
_LOCAL_AMOUNT_MSAT = np.int64(2**62)
ABOVE_ROUNDING = 1.0 + 1e-12
"""A bound that is computed otherwise than what it bounds may be off by rounding."""
_HOUR_NS = np.int64(3_600_000_000_000)
_NODE_BITS = 32


@kernel
def load_history(memory: Any, scratch: Any, sender: Any) -> None:
    """Hang the sender's results on the nodes they start at, and mark where pairs are ignored, for the next search."""
    generation = np.int32(scratch.counters[0])
    left = np.int64(memory.nodes_of_sender[sender])
    block = np.int64(memory.first_of_sender[sender])
    size = np.int64(FIRST_NODES)
    while left > 0:
        for place in range(block, block + min(left, size)):
            node = memory.nodes[place].node
            scratch.reach[node].history_generation = generation
            tried = scratch.tried[node]
            tried.place = np.int32(place)
            tried.below_msat = np.int64(0)
            tried.best = 0.0
        left -= size
        size = next_size(size, LARGEST_NODES)
        block = np.int64(memory.next_nodes[block])
    for ignored in scratch.ignored:
        node = ignored >> _NODE_BITS
        if scratch.reach[node].history_generation != generation:
            scratch.tried[node].place = np.int32(-1)
            scratch.tried[node].best = 0.0
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
def _sum_up(memory: Any, estimator: Any, tried: Any, amount: Any, now: Any) -> None:
    """Count what a node's pairs say of an amount, and of which amounts about it they say the same."""
    from_msat, below_msat = np.int64(0), _LOCAL_AMOUNT_MSAT
    successes = np.int32(0)
    failures = 0.0
    left = np.int64(memory.nodes[tried.place].pairs)
    block = np.int64(memory.nodes[tried.place].first)
    size = np.int64(FIRST_BLOCK)
    while left > 0:
        for row in range(block, block + min(left, size)):
            known = memory.results[row]
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
        left -= size
        size = next_size(size, LARGEST_BLOCK)
        block = np.int64(memory.next_block[block])
    tried.from_msat = from_msat
    tried.below_msat = below_msat
    tried.successes = successes
    tried.failures = failures


@inlined
def node_probability(known: Any, tried: Any, estimator: Any, amount: Any, capacity: Any, now: Any) -> Any:
    """Return the probability of a node's untried connections."""
    apriori = estimator.hop_probability * capacity_factor(amount, capacity, estimator.capacity_fraction)
    if tried.place < 0 or estimator.apriori_weight == 1.0:
        return apriori
    if amount < tried.from_msat or amount >= tried.below_msat:
        _sum_up(known, estimator, tried, amount, now)
    factor = 1.0 / (1.0 - estimator.apriori_weight) - 1.0
    weight = factor + np.float64(tried.successes) + tried.failures
    if weight == 0.0:
        return apriori  # only with a weight of 0 and results for other amounts, where LND divides 0 by 0
    return (apriori * factor + estimator.success_probability * np.float64(tried.successes)) / weight


@kernel
def fill_greatest(known: Any, tried: Any, estimator: Any, amount: Any, now: Any) -> None:
    """Bound the probability of a tried node's hops for an amount or more.

    `others` is for hops without a success of their own, `best` for any.
    """
    prior = np.float64(estimator.hop_probability)
    others = prior
    if tried.place >= 0:
        others = node_probability(known, tried, estimator, amount, np.int64(0), now)
        if estimator.apriori_weight == 1.0:
            _sum_up(known, estimator, tried, amount, now)
        if estimator.hop_probability > estimator.success_probability:
            others = max(others, prior)
    tried.others = min(others * ABOVE_ROUNDING, 1.0)
    tried.best = tried.others
    if tried.place >= 0 and tried.successes > 0:
        tried.best = max(tried.others, np.float64(estimator.success_probability))


@inlined
def _apriori(known: Any, tried: Any, estimator: Any, own: Any, entry: Any, amount: Any, capacity: Any, now: Any) -> Any:
    """Return the a-priori estimate; `entry` is the row of the pair's own result or -1."""
    if own:
        base = np.float64(estimator.success_probability)
        amount = _LOCAL_AMOUNT_MSAT
    else:
        base = node_probability(known, tried, estimator, amount, capacity, now)
    if entry < 0:
        return base
    pair = known.results[entry]
    if amount <= pair.success_msat:
        return estimator.success_probability
    if pair.fail_time_ns == NEVER_NS or amount < pair.fail_msat:
        return base
    return base * (1.0 - _weight(now - pair.fail_time_ns, estimator.half_life_ns))


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
def _bimodal(
    memory: Any, estimator: Any, own: Any, place: Any, entry: Any, amount: Any, capacity: Any, now: Any
) -> Any:
    """Return the bimodal estimate, mixed with how the node's other channels fared (calculateProbability)."""
    if own:
        return _bimodal_own(memory, estimator, entry, now)
    direct = _bimodal_direct(memory, estimator, entry, amount, capacity, now)
    node_weight, decay = estimator.bimodal_node_weight, estimator.bimodal_decay_ns
    if node_weight == 0.0 or place < 0:
        return direct
    if entry >= 0 and now - max(memory.results[entry].fail_time_ns, memory.results[entry].success_time_ns) < decay:
        return direct
    total = direct
    weights = 1.0
    left = np.int64(memory.nodes[place].pairs)
    block = np.int64(memory.nodes[place].first)
    size = np.int64(FIRST_BLOCK)
    while left > 0:
        for row in range(block, block + min(left, size)):
            known = memory.results[row]
            if row != entry and known.success_msat > 0:
                weight = node_weight * fading(now - known.success_time_ns, decay)
                total += weight
                weights += weight
            if row != entry and known.fail_msat > 0:
                weights += node_weight * fading(now - known.fail_time_ns, decay)
        left -= size
        size = next_size(size, LARGEST_BLOCK)
        block = np.int64(memory.next_block[block])
    return total / weights


@kernel
def _find_result(memory: Any, place: Any, to_node: Any) -> Any:
    """Return the row of a pair that has a result, or -1."""
    entry = find_pair(memory, place, to_node)
    if (
        entry >= 0
        and memory.results[entry].fail_time_ns == NEVER_NS
        and memory.results[entry].success_time_ns == NEVER_NS
    ):
        return np.int32(-1)
    return entry


@kernel
def pair_probability(
    known: Any,
    tried: Any,
    ignored: Any,
    estimator: Any,
    own: Any,
    from_node: Any,
    to_node: Any,
    amount: Any,
    capacity: Any,
    now: Any,
) -> Any:
    """Return the probability that a hop carries an amount; 0 where the pair is ignored.

    `tried` is what the sender remembers of `from_node`, `own` whether that is
    the sender itself.
    """
    if ignored.shape[0] > 0 and _is_ignored(ignored, from_node, to_node):
        return 0.0
    entry = np.int32(-1)
    if tried.place >= 0:
        entry = _find_result(known, tried.place, to_node)
    if estimator.kind == BIMODAL:
        return _bimodal(known, estimator, own, tried.place, entry, amount, capacity, now)
    return _apriori(known, tried, estimator, own, entry, amount, capacity, now)
