"""What all payers of ours ask of an order and say of its end, whichever node pays."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable

from lightninglens.core.bolt11 import InvoiceError, Network, SignedInvoice, decode
from lightninglens.core.errors import DataError, NodeRefused
from lightninglens.core.htlc import FailureCode, HtlcOutcome
from lightninglens.core.payments import (
    HASH_BYTES,
    PaymentAttempt,
    PaymentRoute,
    PaymentState,
    ProbeResult,
    RouteEstimate,
    RouteQuestion,
    SendOrder,
)
from lightninglens.core.units import MAX_MONEY_MSAT, Msat

KEYSEND_RECORD = 5_482_373_484
"""The custom record that carries a keysend payment's preimage to the payee."""
KEYSEND_CLTV_BLOCKS = 40
MAX_PROBES = 10

_WORDS = {
    HtlcOutcome.TIMEOUT: "no attempt succeeded in time",
    HtlcOutcome.NO_ROUTE: "no route with enough capacity within the fee limit",
    HtlcOutcome.ERROR: "the node gave up",
    HtlcOutcome.INCORRECT_PAYMENT_DETAILS: "the payee does not know the payment or wants another amount",
    HtlcOutcome.INSUFFICIENT_BALANCE: "the node's own channels cannot carry it",
}


def read_invoice(text: str, network: Network | None, shown: str) -> SignedInvoice:
    """Return what an invoice says; raises DataError for what is none, or is not of `network`, `shown` to people."""
    try:
        invoice = decode(text)
    except InvoiceError as problem:
        raise DataError(str(problem), where="invoice") from None
    if network is not None and invoice.network is not network:
        raise DataError(f"it is of {invoice.network.name.lower()}, and the node is on {shown}", where="invoice")
    return invoice


def amount_to_name(order: SendOrder) -> int:
    """Return the amount to name, 0 where the invoice names it; raises NodeRefused when both or neither do."""
    if order.invoice.amount_msat is not None:
        if order.amount_msat not in {None, order.invoice.amount_msat}:
            raise NodeRefused("the invoice names its amount, and another was given; nothing was sent")
        return 0
    require_amount(order.amount_msat or Msat(0))
    return order.amount_msat or 0


def require_amount(amount_msat: int) -> None:
    """Refuse what no payment can be of; raises NodeRefused."""
    if not 0 < amount_msat <= MAX_MONEY_MSAT:
        raise NodeRefused(f"{amount_msat} msat is no amount to send; nothing was sent")


def require_unexpired(invoice: SignedInvoice, now_ns: int) -> None:
    """Refuse an invoice whose time is over; raises NodeRefused."""
    if invoice.is_expired(now_ns):
        raise NodeRefused("the invoice has expired; nothing was sent")


def secret_for(route: PaymentRoute, invoice: SignedInvoice) -> bytes:
    """Return the payment secret of an invoice; raises NodeRefused when a route does not pay it."""
    if not route.steps:
        raise NodeRefused("a route without a hop leads nowhere; nothing was sent")
    if invoice.payment_secret is None or invoice.payee != route.steps[-1].node_id:
        raise NodeRefused("the route does not lead to who made the invoice; nothing was sent")
    if invoice.amount_msat not in {None, route.amount_msat}:
        raise NodeRefused("the route brings another amount than the invoice asks for; nothing was sent")
    return invoice.payment_secret


def new_preimage() -> tuple[bytes, bytes]:
    """Return a preimage that nobody knows, and its hash."""
    preimage = secrets.token_bytes(HASH_BYTES)
    return preimage, hashlib.sha256(preimage).digest()


def describe(outcome: HtlcOutcome, attempts: tuple[PaymentAttempt, ...]) -> str:
    """Return in words why a payment failed; empty for one that did not."""
    words = _WORDS.get(outcome, "")
    last = next((each.failure for each in reversed(attempts) if each.failure is not FailureCode.NONE), None)
    return f"{words}; last error: {last.name.lower().replace('_', ' ')}" if words and last else words


def state_along(
    route: PaymentRoute, tried: PaymentAttempt, payment_hash: bytes, preimage: bytes | None
) -> PaymentState:
    """Return how the payment of an invoice ended that was tried along one route, with the preimage if it arrived."""
    succeeded = tried.outcome is HtlcOutcome.SUCCEEDED
    return PaymentState(
        payment_hash=payment_hash,
        outcome=tried.outcome,
        amount_msat=route.amount_msat,
        fee_msat=Msat(route.fee_msat if succeeded else 0),
        attempts=(tried,),
        detail="" if succeeded else describe(HtlcOutcome.ERROR, (tried,)),
        preimage=preimage,
    )


async def probe(
    question: RouteQuestion,
    find: Callable[[RouteQuestion], Awaitable[RouteEstimate | None]],
    attempt: Callable[[PaymentRoute, bytes, bytes], Awaitable[PaymentAttempt]],
) -> ProbeResult:
    """Send HTLCs of hashes that nobody knows, until the payee itself refuses one or no route is left.

    `attempt` takes a route, a payment hash and a payment secret. The node learns
    from each, so the next is another route.
    """
    attempts: list[PaymentAttempt] = []
    while len(attempts) < MAX_PROBES:
        found = await find(question)
        if found is None:
            return _unreached(attempts, "no route is left")
        tried = await attempt(found.route, secrets.token_bytes(HASH_BYTES), secrets.token_bytes(HASH_BYTES))
        attempts.append(tried)
        if tried.failure is FailureCode.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS:
            return ProbeResult(reachable=True, attempts=tuple(attempts), fee_msat=tried.route.fee_msat)
    return _unreached(attempts, f"none of {MAX_PROBES} routes carried it")


def _unreached(attempts: list[PaymentAttempt], detail: str) -> ProbeResult:
    last = describe(HtlcOutcome.NO_ROUTE, tuple(attempts)).partition("; ")[2]
    return ProbeResult(
        reachable=False, attempts=tuple(attempts), fee_msat=None, detail=f"{detail}; {last}" if last else detail
    )
