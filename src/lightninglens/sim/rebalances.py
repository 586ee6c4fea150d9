"""Circular rebalances as the engine knows them: payments from a node to itself."""

import numpy as np

from lightninglens.core.htlc import FailureCode, HtlcOutcome
from lightninglens.core.records import RebalanceChange, RebalanceOutcome
from lightninglens.core.units import Msat
from lightninglens.sim.records import FinishedPayments, PaymentKind, PaymentRequests

NO_TAG = -1


def circular_payment(now_ns: int, node: int, outgoing: int, last_hop: int, change: RebalanceChange) -> PaymentRequests:
    """Return a change as the engine takes it: a payment to oneself, out over a direction and back by a peer."""
    return PaymentRequests(
        start_ns=np.array([now_ns], np.int64),
        sender=np.array([node], np.int32),
        receiver=np.array([node], np.int32),
        amount_msat=np.array([change.amount_msat], np.int64),
        fee_limit_msat=np.array([change.max_fee_msat], np.int64),
        kind=np.array([PaymentKind.REBALANCE], np.int8),
        tag=np.array([NO_TAG], np.int32),
        outgoing=np.array([outgoing], np.int32),
        last_hop=np.array([last_hop], np.int32),
    )


def rebalance_outcome(payments: FinishedPayments, row: int) -> RebalanceOutcome:
    """Return how the circular payment in a row of finished payments ended."""
    outcome = HtlcOutcome(int(payments.outcome[row]))
    succeeded = outcome is HtlcOutcome.SUCCEEDED
    return RebalanceOutcome(
        succeeded=succeeded,
        moved_msat=Msat(int(payments.amount_msat[row]) if succeeded else 0),
        fee_msat=Msat(int(payments.fee_msat[row])),
        attempts=int(payments.attempts[row]),
        hops=int(payments.hops[row]),
        detail="" if succeeded else describe_failure(outcome, FailureCode(int(payments.failure_code[row]))),
    )


def describe_failure(outcome: HtlcOutcome, code: FailureCode) -> str:
    """Return in words why a payment failed."""
    words = {
        HtlcOutcome.NO_ROUTE: "no route with enough capacity within the fee limit",
        HtlcOutcome.INSUFFICIENT_BALANCE: "the sender's own channels cannot carry it",
        HtlcOutcome.TIMEOUT: "no attempt succeeded in time",
        HtlcOutcome.FAILED_ON_ROUTE: "every route that was tried failed",
    }
    text = words.get(outcome, outcome.name.lower().replace("_", " "))
    return text if code is FailureCode.NONE else f"{text}; last error: {code.name.lower().replace('_', ' ')}"
