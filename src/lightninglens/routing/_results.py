"""What a sender learns from how an attempt ended, compiled.

Source: LND `routing/result_interpretation.go`, `routing/missioncontrol.go`
(applyPaymentResult). Plain-Python twin: tests/reference/mission_control.py.
"""

from typing import Any

from lightninglens.core.htlc import FailureCode
from lightninglens.core.jit import kernel
from lightninglens.routing._memory import (
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
_AMOUNT = int(FailureCode.INCORRECT_PAYMENT_AMOUNT)
_FINAL_CLTV = int(FailureCode.FINAL_INCORRECT_CLTV_EXPIRY)
_FINAL_AMOUNT = int(FailureCode.FINAL_INCORRECT_HTLC_AMOUNT)
_FINAL_TOO_SOON = int(FailureCode.FINAL_EXPIRY_TOO_SOON)
_ONION_VERSION = int(FailureCode.INVALID_ONION_VERSION)
_ONION_HMAC = int(FailureCode.INVALID_ONION_HMAC)
_ONION_KEY = int(FailureCode.INVALID_ONION_KEY)
_PAYLOAD = int(FailureCode.INVALID_ONION_PAYLOAD)
_BLINDING = int(FailureCode.INVALID_ONION_BLINDING)
_MPP_TIMEOUT = int(FailureCode.MPP_TIMEOUT)
_UNREADABLE = int(FailureCode.UNREADABLE_FAILURE)


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
def _fail_pairs(pairs: Any, nodes: Any, end: Any) -> Any:
    count = 0
    for hop in range(end):
        count = _fail_pair(pairs, count, nodes, hop)
    return count


@kernel
def _is_bad_onion(code: Any) -> Any:
    return code == _ONION_VERSION or code == _ONION_HMAC or code == _ONION_KEY


@kernel
def _interpret_own(pairs: Any, nodes: Any, hops: Any, code: Any) -> Any:
    """Read a failure of our own: (pairs, failed node, whether the payment must end) (processPaymentOutcomeSelf).

    A malformed HTLC is our peer's fault. Anything else has changed between
    search and send, and a new search will see it.
    """
    if _is_bad_onion(code):
        return _fail_node(pairs, 0, nodes, hops, 1), nodes[1], hops == 1
    return 0, -1, False


@kernel
def _interpret_final(pairs: Any, nodes: Any, amounts: Any, hops: Any, code: Any) -> Any:
    """Read a failure of the receiver, with the same answer as `_interpret_own` (processPaymentOutcomeFinal)."""
    if code == _DETAILS or code == _AMOUNT or code == _MPP_TIMEOUT:
        return _succeed_range(pairs, 0, nodes, amounts, 0, hops - 1), -1, code != _MPP_TIMEOUT
    if code == _FINAL_TOO_SOON:
        return 0, -1, True
    if (code == _FINAL_CLTV or code == _FINAL_AMOUNT) and hops > 1:
        count = _fail_pair(pairs, 0, nodes, hops - 1)
        return _succeed_range(pairs, count, nodes, amounts, 0, hops - 2), -1, False
    count = _fail_node(pairs, 0, nodes, hops, hops)
    if code != _FINAL_CLTV and code != _FINAL_AMOUNT:
        count = _succeed_range(pairs, count, nodes, amounts, 0, hops - 2)
    return count, nodes[hops], True


@kernel
def _interpret_intermediate(pairs: Any, nodes: Any, amounts: Any, hops: Any, index: Any, code: Any) -> Any:
    """Read a failure of node `index` of the route: (pairs, failed node) (processPaymentOutcomeIntermediate)."""
    if code == _TEMPORARY_CHANNEL:
        count = _put(pairs, 0, nodes[index], nodes[index + 1], 0, amounts[index])
        return _succeed_range(pairs, count, nodes, amounts, 0, index - 1), -1
    if code == _UNKNOWN_PEER or code == _PERMANENT_CHANNEL or _is_bad_onion(code):
        return _fail_pair(pairs, 0, nodes, index), -1
    if code == _DISABLED:
        count = _fail_pair(pairs, 0, nodes, index)
        return _succeed_range(pairs, count, nodes, amounts, 0, index - 1), -1
    blames_incoming = code == _BELOW_MINIMUM or code == _FEE or code == _CLTV
    if blames_incoming and index > 1:
        count = _fail_pair(pairs, 0, nodes, index - 1)
        return _succeed_range(pairs, count, nodes, amounts, 0, index - 2), -1
    if code == _TOO_SOON and index > 1:
        return _fail_pairs(pairs, nodes, index), -1
    count = _fail_node(pairs, 0, nodes, hops, index)
    if code == _PAYLOAD or code == _BLINDING:
        count = _succeed_range(pairs, count, nodes, amounts, 0, index - 2)
    return count, nodes[index]


@kernel
def interpret_result(pairs: Any, nodes: Any, amounts: Any, hops: Any, code: Any, index: Any) -> Any:
    """Read how an attempt ended; return (number of pair results, failed node or -1, whether the payment must end).

    The results are written into `pairs` as rows of (from, to, 1 for success, amount).
    """
    if code == _NONE:
        return _succeed_range(pairs, 0, nodes, amounts, 0, hops - 1), -1, True
    if code == _UNREADABLE:
        if hops == 1:
            return _fail_node(pairs, 0, nodes, hops, hops), nodes[hops], True
        return _fail_pairs(pairs, nodes, hops), -1, False
    if index == 0:
        return _interpret_own(pairs, nodes, hops, code)
    if index == hops:
        return _interpret_final(pairs, nodes, amounts, hops, code)
    count, failed = _interpret_intermediate(pairs, nodes, amounts, hops, index, code)
    return count, failed, False


@kernel
def is_policy_failure(code: Any, index: Any, hops: Any) -> Any:
    """Say whether the sender may only have known an old policy, which earns the pair a second chance."""
    if index <= 0 or index >= hops:
        return False
    return code == _DISABLED or code == _BELOW_MINIMUM or code == _FEE or code == _CLTV


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
    0 being the sender; an unreadable failure has no reporter, and `index` is not
    looked at. `pairs` is REPORT_PAIRS x 4 int64 of working memory.
    """
    if is_policy_failure(code, index, hops) and grant_second_chance(
        memory, estimator, sender, nodes[index], nodes[index + 1], now
    ):
        return False
    count, failed, over = interpret_result(pairs, nodes, amounts, hops, code, index)
    if failed >= 0:
        fail_all_of_node(memory, sender, failed, now)
    _apply(memory, estimator, sender, pairs, count, now)
    return over


@kernel
def _apply(memory: Any, estimator: Any, sender: Any, pairs: Any, count: Any, now: Any) -> None:
    for row in range(count):
        if pairs[row, 2] == 1:
            record_success(memory, sender, pairs[row, 0], pairs[row, 1], pairs[row, 3], now)
        else:
            record_failure(memory, estimator, sender, pairs[row, 0], pairs[row, 1], pairs[row, 3], now)
