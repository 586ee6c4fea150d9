"""Receivers of the plain simulator: `invoices/update.go` and `invoices/invoiceregistry.go`."""

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
from tests.reference.engine_records import Attempt


class EngineReceivers(EngineHtlcs):
    """What a receiver does with the parts that reach it."""

    def _accept(self, attempt: Attempt) -> None:
        """`updateMpp`: hold the part until the set is complete."""
        payment = attempt.payment
        payment.accepted.append(attempt)
        if sum(part.amount for part in payment.accepted) < payment.request.amount_msat:
            self._schedule(self.now + self.world.mpp_timeout_ns, "release", lambda: self._release(attempt))
            return
        for part in payment.accepted:
            self._report(part, len(part.hops), payment.request.receiver, Kind.SETTLE, Type.RECEIVE)
            self._go_back(part, len(part.hops) - 1, settled=True)
        payment.accepted = []

    def _release(self, attempt: Attempt) -> None:
        """`cancelSingleHtlc`."""
        payment, hops = attempt.payment, len(attempt.hops)
        if attempt not in payment.accepted:
            return
        payment.accepted.remove(attempt)
        attempt.code, attempt.detail, attempt.failed_index = Code.MPP_TIMEOUT, int(Detail.MPP_INVOICE_TIMEOUT), hops
        self._report(attempt, hops, payment.request.receiver, Kind.LINK_FAIL, Type.RECEIVE)
        self._go_back(attempt, hops - 1, settled=False)
