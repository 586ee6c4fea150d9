"""Receivers whose answer comes from outside: hold invoices that somebody settles or cancels while the engine runs."""

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import InvariantError
from lightninglens.core.htlc import HtlcOutcome
from lightninglens.sim.answers import Answer
from lightninglens.sim.engine_changes import EngineChanges
from lightninglens.sim.state import EventKind

_HOLDS = (Answer.HOLD_THEN_SETTLE, Answer.HOLD_THEN_CANCEL, Answer.HOLD)


class EngineReceivers(EngineChanges):
    """What can be asked and said of invoices under way."""

    def held_payments(self) -> NDArray[np.int64]:
        """Return the ids of payments of which a receiver holds the complete set now, in ascending order."""
        payments = self._world.payments
        complete = (payments["held_msat"] >= payments["amount_msat"]) & (payments["amount_msat"] > 0)
        return np.sort(payments["payment_id"][complete & np.isin(payments["answer"], _HOLDS)])

    def settle_held(self, payment_id: int) -> None:
        """Let a receiver settle the complete set that it holds, at this moment (LND's SettleInvoice).

        Raises InvariantError when it holds none of this payment.
        """
        row = self._row_of_hold(payment_id)
        payment = self._world.payments[row]
        if payment["held_msat"] < payment["amount_msat"]:
            raise InvariantError(
                f"payment {payment_id} cannot be settled: its receiver has {payment['held_msat']:,} msat"
                f" of {payment['amount_msat']:,}"
            )
        self._decide(row, Answer.SETTLED)

    def cancel_held(self, payment_id: int) -> None:
        """Let a receiver cancel a hold invoice: what it has goes back, and so does what still comes (CancelInvoice).

        Raises InvariantError when the payment is not in flight, or its receiver does not hold.
        """
        self._decide(self._row_of_hold(payment_id), Answer.CANCELLED)

    def _decide(self, row: int, answer: Answer) -> None:
        self._world.payments[row]["answer"] = answer
        self._schedule(self._now_ns, EventKind.HOLD, row)

    def _row_of_hold(self, payment_id: int) -> int:
        row = self._row_in_flight(payment_id)
        answer = Answer(int(self._world.payments[row]["answer"]))
        if answer not in _HOLDS:
            raise InvariantError(f"payment {payment_id} is not held: its receiver's answer is {answer.name}")
        return row

    def _row_in_flight(self, payment_id: int) -> int:
        """Return the slot of a payment that has not ended; raises InvariantError when there is none."""
        row = self._find_in_flight(payment_id)
        if row is None:
            raise InvariantError(f"payment {payment_id} is not in flight")
        return row

    def _find_in_flight(self, payment_id: int) -> int | None:
        payments = self._world.payments
        waits = (payments["outcome"] == HtlcOutcome.IN_FLIGHT) & (payments["amount_msat"] > 0)
        rows = np.flatnonzero(waits & (payments["payment_id"] == payment_id))
        return int(rows[0]) if len(rows) else None
