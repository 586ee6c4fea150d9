"""Receivers whose answer comes from outside: hold invoices that somebody settles or cancels while the engine runs."""

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import InvariantError
from lightninglens.core.htlc import HtlcOutcome
from lightninglens.sim import _receiving
from lightninglens.sim.answers import Answer
from lightninglens.sim.engine_changes import EngineChanges

_NEVER_HELD = (Answer.SETTLE, Answer.UNKNOWN_INVOICE, Answer.CANCELLED)


class EngineReceivers(EngineChanges):
    """What can be asked and said of invoices under way."""

    def held_payments(self) -> NDArray[np.int64]:
        """Return the ids of payments of which a receiver holds the complete set now, in ascending order."""
        payments = self._world.payments
        complete = (payments["held_msat"] >= payments["amount_msat"]) & (payments["amount_msat"] > 0)
        return np.sort(payments["payment_id"][complete])

    def settle_held(self, payment_id: int) -> None:
        """Let a receiver settle the complete set that it holds (LND's SettleInvoice).

        Raises InvariantError when it holds none of this payment.
        """
        row = self._row_in_flight(payment_id)
        payment = self._world.payments[row]
        if payment["held_msat"] < payment["amount_msat"]:
            raise InvariantError(
                f"payment {payment_id} cannot be settled: its receiver has {payment['held_msat']:,} msat"
                f" of {payment['amount_msat']:,}"
            )
        self._decide(row, settles=True)

    def cancel_held(self, payment_id: int) -> None:
        """Let a receiver cancel a hold invoice: what it has goes back, and so does what still comes (CancelInvoice).

        Raises InvariantError when the payment is not in flight, or its receiver does not hold.
        """
        row = self._row_in_flight(payment_id)
        answer = Answer(int(self._world.payments[row]["answer"]))
        if answer in _NEVER_HELD:
            raise InvariantError(f"payment {payment_id} cannot be cancelled: its receiver's answer is {answer.name}")
        self._decide(row, settles=False)

    def _decide(self, row: int, *, settles: bool) -> None:
        self._make_room()
        _receiving.decide_held(self._world, row, settles, self._now_ns)

    def _row_in_flight(self, payment_id: int) -> int:
        """Return the slot of a payment that has not ended; raises InvariantError when there is none."""
        payments = self._world.payments
        waits = (payments["outcome"] == HtlcOutcome.IN_FLIGHT) & (payments["amount_msat"] > 0)
        rows = np.flatnonzero(waits & (payments["payment_id"] == payment_id))
        if not len(rows):
            raise InvariantError(f"payment {payment_id} is not in flight")
        return int(rows[0])
