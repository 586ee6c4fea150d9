"""Receivers of the plain simulator: `invoices/update.go` and `invoices/invoiceregistry.go`."""

from collections.abc import Callable

from lightninglens.core.htlc import (
    FailureCode as Code,
)
from lightninglens.core.htlc import (
    FailureDetail as Detail,
)
from lightninglens.core.htlc import (
    HtlcEventKind as Kind,
)
from lightninglens.core.htlc import (
    HtlcEventType as Type,
)
from tests.reference.engine_htlcs import EngineHtlcs
from tests.reference.engine_network import BLOCK_NS
from tests.reference.engine_records import Attempt, Payment

INVOICE_DELTA = 80


class EngineReceivers(EngineHtlcs):
    """What a receiver does with the parts that reach it."""

    def tell(self, payment: Payment, *, settles: bool) -> None:
        """Let the receiver's program decide at this moment."""
        assert payment.invoice is not None
        assert payment.invoice.state == "accepted" or not settles
        payment.invoice.state = "settled" if settles else "canceled"
        self._schedule(self.now, "hold", lambda: (self._settle if settles else self._cancel)(payment))

    def _settle(self, payment: Payment) -> None:
        """`SettleHodlInvoice`."""
        assert payment.invoice is not None
        payment.invoice.state = "settled"
        for part in payment.accepted:
            self._report(part, len(part.hops), payment.request.receiver, Kind.SETTLE, Type.RECEIVE)
            self._go_back(part, len(part.hops) - 1, settled=True)
        payment.accepted = []

    def _cancel(self, payment: Payment) -> None:
        """`cancelInvoiceImpl`."""
        assert payment.invoice is not None
        payment.invoice.state = "canceled"
        for part in payment.accepted:
            self._refuse(part, Code.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS, Detail.INVOICE_CANCELED)
        payment.accepted = []

    def _accept(self, attempt: Attempt) -> None:
        """`NotifyExitHopHtlc` and `updateMpp`: keep the part until the set is complete."""
        payment, details = attempt.payment, Code.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS
        invoice = payment.invoice
        if invoice is None:
            self._refuse(attempt, details, Detail.UNKNOWN_INVOICE)
            return
        if invoice.state != "open":
            self._refuse(attempt, details, Detail.INVOICE_NOT_OPEN)
            return
        if payment.request.routes_given and attempt.hops[-1].expiry < self._height + INVOICE_DELTA:
            self._refuse(attempt, details, Detail.INVOICE_EXPIRY_TOO_SOON)
            return
        payment.accepted.append(attempt)
        if sum(part.amount for part in payment.accepted) < payment.request.amount_msat:
            self._schedule(self.now + self.world.mpp_timeout_ns, "release", lambda: self._release(attempt))
            return
        invoice.state = "accepted"
        if invoice.hodl:
            self._await_decision(payment)
        else:
            self._settle(payment)

    def _await_decision(self, payment: Payment) -> None:
        """Let the receiver's program decide in its time, and the `InvoiceExpiryWatcher` watch the height."""
        request = payment.request
        if request.answer != "hold":
            decide = self._settle if request.answer == "hold-settle" else self._cancel
            self._schedule(self.now + request.hold_ns, "hold", lambda: self._if_accepted(payment, decide))
        height = min(part.hops[-1].expiry for part in payment.accepted) - self.world.hold_expiry_delta
        reached_ns = self.world.start_ns + (height - self.world.start_height) * BLOCK_NS
        self._schedule(max(self.now, reached_ns), "hold", lambda: self._if_accepted(payment, self._cancel))

    def _if_accepted(self, payment: Payment, decide: Callable[[Payment], None]) -> None:
        if payment.invoice is not None and payment.invoice.state == "accepted":
            decide(payment)

    def _release(self, attempt: Attempt) -> None:
        """`cancelSingleHtlc`, which leaves alone an invoice that is not open any more."""
        payment = attempt.payment
        if attempt in payment.accepted and payment.invoice is not None and payment.invoice.state == "open":
            payment.accepted.remove(attempt)
            self._refuse(attempt, Code.MPP_TIMEOUT, Detail.MPP_INVOICE_TIMEOUT)

    def _refuse(self, attempt: Attempt, code: Code, detail: Detail) -> None:
        """`getResolutionFailure`."""
        hops = len(attempt.hops)
        attempt.code, attempt.detail, attempt.failed_index = code, int(detail), hops
        self._report(attempt, hops, attempt.payment.request.receiver, Kind.LINK_FAIL, Type.RECEIVE)
        self._go_back(attempt, hops - 1, settled=False)
