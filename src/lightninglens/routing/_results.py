"""What a sender learns from how an attempt ended, compiled.

Source: LND `routing/result_interpretation.go`, `routing/missioncontrol.go`
(applyPaymentResult). Plain-Python twin: tests/reference/mission_control.py.
"""

from typing import Any

from lightninglens.core.htlc import FailureCode
from lightninglens.core.jit import kernel
from lightninglens.routing._probability import (
    fail_all_of_node,
    grant_second_chance,
    record_failure,
    record_success,
)

_NONE = int(FailureCode.NONE)
_DETAILS = int(FailureCode.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS)
_TEMPORARY_CHANNEL = int(FailureCode.TEMPORARY_CHANNEL_FAILURE)
_UNKNOWN_PEER = int(FailureCode.UNKNOWN_NEXT_PEER)
_PERMANENT_CHANNEL = int(FailureCode.PERMANENT_CHANNEL_FAILURE)
_DISABLED = int(FailureCode.CHANNEL_DISABLED)
_BELOW_MINIMUM = int(FailureCode.AMOUNT_BELOW_MINIMUM)
_FEE = int(FailureCode.FEE_INSUFFICIENT)
_CLTV = int(FailureCode.INCORRECT_CLTV_EXPIRY)
_TOO_SOON = int(FailureCode.EXPIRY_TOO_SOON)


@kernel
def _put(pairs: Any, count: Any, from_node: Any, to_node: Any, success: Any, amount: Any) -> Any:
    """Set a pair's result in the list; the last word on a pair counts, as in LND's map."""
    for row in range(count):
        if pairs[row, 0] == from_node and pairs[row, 1] == to_node:
            pairs[row, 2] = success
            pairs[row, 3] = amount
            return count
    pairs[count, 0] = from_node
    pairs[count, 1] = to_node
    pairs[count, 2] = success
    pairs[count, 3] = amount
    return count + 1


@kernel
def _succeed_range(pairs: Any, count: Any, nodes: Any, amounts: Any, first: Any, last: Any) -> Any:
    for hop in range(first, last + 1):
        count = _put(pairs, count, nodes[hop], nodes[hop + 1], 1, amounts[hop])
    return count


@kernel
def _fail_pair(pairs: Any, count: Any, nodes: Any, hop: Any) -> Any:
    count = _put(pairs, count, nodes[hop], nodes[hop + 1], 0, 0)
    return _put(pairs, count, nodes[hop + 1], nodes[hop], 0, 0)


@kernel
def _fail_node(pairs: Any, count: Any, nodes: Any, hops: Any, index: Any) -> Any:
    count = _fail_pair(pairs, count, nodes, index - 1)
    if index < hops:
        count = _fail_pair(pairs, count, nodes, index)
    return count


@kernel
def _interpret_intermediate(pairs: Any, nodes: Any, amounts: Any, hops: Any, index: Any, code: Any) -> Any:
    """Fill the list for a failure that node `index` of the route reported; return (count, failed node)."""
    count = 0
    if code == _TEMPORARY_CHANNEL:
        count = _put(pairs, count, nodes[index], nodes[index + 1], 0, amounts[index])
        return _succeed_range(pairs, count, nodes, amounts, 0, index - 1), -1
    if code == _UNKNOWN_PEER or code == _PERMANENT_CHANNEL:
        return _fail_pair(pairs, count, nodes, index), -1
    if code == _DISABLED:
        count = _fail_pair(pairs, count, nodes, index)
        return _succeed_range(pairs, count, nodes, amounts, 0, index - 1), -1
    blames_incoming = code == _BELOW_MINIMUM or code == _FEE or code == _CLTV
    if blames_incoming and index > 1:
        count = _fail_pair(pairs, count, nodes, index - 1)
        return _succeed_range(pairs, count, nodes, amounts, 0, index - 2), -1
    if code == _TOO_SOON and index > 1:
        for hop in range(index):
            count = _fail_pair(pairs, count, nodes, hop)
        return count, -1
    return _fail_node(pairs, count, nodes, hops, index), nodes[index]


@kernel
def report_result(
    memory: Any,
    estimator: Any,
    sender: Any,
    nodes: Any,
    amounts: Any,
    hops: Any,
    code: Any,
    index: Any,
    now: Any,
    pairs: Any,
) -> Any:
    """Apply an attempt's result to the sender's memory; return True when the payment must end.

    `nodes` are the route's hops + 1 nodes, `amounts` what each hop carried,
    `code` the failure (NONE for success) and `index` the node that reported it,
    0 being the sender. `pairs` is REPORT_PAIRS x 4 int64 of working memory.
    """
    if code == _NONE:
        count = _succeed_range(pairs, 0, nodes, amounts, 0, hops - 1)
        _apply(memory, estimator, sender, pairs, count, now)
        return True
    if index == 0:
        return False  # the local link changed between search and send: try again
    if index == hops:
        if code == _DETAILS:
            count = _succeed_range(pairs, 0, nodes, amounts, 0, hops - 1)
            _apply(memory, estimator, sender, pairs, count, now)
            return True
        fail_all_of_node(memory, sender, nodes[hops], now)
        count = _fail_node(pairs, 0, nodes, hops, hops)
        if hops > 1:
            count = _succeed_range(pairs, count, nodes, amounts, 0, hops - 2)
        _apply(memory, estimator, sender, pairs, count, now)
        return True
    if code == _DISABLED or code == _BELOW_MINIMUM or code == _FEE or code == _CLTV:
        if grant_second_chance(memory, estimator, sender, nodes[index], nodes[index + 1], now):
            return False
    count, failed = _interpret_intermediate(pairs, nodes, amounts, hops, index, code)
    if failed >= 0:
        fail_all_of_node(memory, sender, failed, now)
    _apply(memory, estimator, sender, pairs, count, now)
    return False


@kernel
def _apply(memory: Any, estimator: Any, sender: Any, pairs: Any, count: Any, now: Any) -> None:
    for row in range(count):
        if pairs[row, 2] == 1:
            record_success(memory, sender, pairs[row, 0], pairs[row, 1], pairs[row, 3], now)
        else:
            record_failure(memory, estimator, sender, pairs[row, 0], pairs[row, 1], pairs[row, 3], now)
