"""Being paid and paying with an LND node: `core.ports.Payer`."""

import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lightninglens.core.bolt11 import InvoiceError, Network, SignedInvoice, decode
from lightninglens.core.clock import Clock
from lightninglens.core.errors import DataError, NodeRefused, NodeUnavailable
from lightninglens.core.htlc import FailureCode, HtlcOutcome
from lightninglens.core.payments import (
    HASH_BYTES,
    InvoiceRecord,
    InvoiceRequest,
    InvoiceState,
    KeysendOrder,
    PaymentAttempt,
    PaymentRoute,
    PaymentState,
    ProbeResult,
    RouteEstimate,
    RouteQuestion,
    SendOrder,
)
from lightninglens.core.units import MAX_MONEY_MSAT, Msat
from lightninglens.nodes.lnd.client.faults import CallFailed, Code, node_error
from lightninglens.nodes.lnd.client.outgoing import attempt, describe, lnd_route, route, send_and_follow, track
from lightninglens.nodes.lnd.client.place import LndOptions
from lightninglens.nodes.lnd.client.roles import Role
from lightninglens.nodes.lnd.client.session import Session, connected
from lightninglens.nodes.lnd.client.versions import SEVERAL_OUTGOING, LndVersion
from lightninglens.nodes.lnd.contract import lnrpc, routerrpc
from lightninglens.nodes.lnd.contract.services import Lightning, Router

KEYSEND_RECORD = 5_482_373_484
"""The custom record that carries the preimage to the payee."""
KEYSEND_CLTV_BLOCKS = 40
MAX_PROBES = 10
ROUTE_TIMEOUT_S = 120.0
"""An HTLC along one route may take this long; after it, it is tracked by its hash."""

_STATES = {
    lnrpc.Invoice.OPEN: InvoiceState.OPEN,
    lnrpc.Invoice.SETTLED: InvoiceState.SETTLED,
    lnrpc.Invoice.CANCELED: InvoiceState.CANCELED,
    lnrpc.Invoice.ACCEPTED: InvoiceState.ACCEPTED,
}
_NETWORKS = {
    "mainnet": Network.MAINNET,
    "testnet": Network.TESTNET,
    "testnet4": Network.TESTNET,
    "signet": Network.SIGNET,
    "regtest": Network.REGTEST,
    "simnet": Network.SIMNET,
}
_NO_ROUTE = ("unable to find a path", "insufficient local balance", "target not found", "no route")


class LndPayer:
    """Makes and pays invoices with one LND node."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @classmethod
    @asynccontextmanager
    async def at(cls, options: LndOptions, clock: Clock | None = None) -> AsyncIterator["LndPayer"]:
        """Connect for payments; raises as `session.connected` does."""
        async with connected(Role.PAYMENTS, options, clock) as session:
            yield cls(session)

    async def create_invoice(self, request: InvoiceRequest) -> SignedInvoice:
        """Return a new invoice of the node."""
        said = await self._session.call(
            Lightning.AddInvoice,
            lnrpc.Invoice(memo=request.description, value_msat=request.amount_msat or 0, expiry=request.expiry_s),
        )
        return await self.decode(said.payment_request)

    async def invoice(self, payment_hash: bytes) -> InvoiceRecord:
        """Return what has become of an invoice of the node; raises NodeRefused when it has none of this hash."""
        said = await self._session.call(Lightning.LookupInvoice, lnrpc.PaymentHash(r_hash=payment_hash))
        return InvoiceRecord(
            invoice=await self.decode(said.payment_request),
            state=_STATES.get(said.state, InvoiceState.OPEN),
            paid_msat=Msat(said.amt_paid_msat),
        )

    async def decode(self, text: str) -> SignedInvoice:
        """Return what an invoice says, verified here; raises DataError for one of another network than the node's."""
        try:
            invoice = decode(text)
        except InvoiceError as problem:
            raise DataError(str(problem), where="invoice") from None
        expected = _NETWORKS.get(self._session.network)
        if expected is not None and invoice.network is not expected:
            raise DataError(
                f"it is of {invoice.network.name.lower()}, and the node is on {self._session.network}", where="invoice"
            )
        return invoice

    async def find_route(self, question: RouteQuestion) -> RouteEstimate | None:
        """Return a route that the node would try now, or None when it knows none."""
        try:
            said = await self._session.raw_call(
                Lightning.QueryRoutes, _query(question, self._session.version), timeout_s=ROUTE_TIMEOUT_S
            )
        except CallFailed as failed:
            if failed.code is Code.UNKNOWN and any(text in failed.text for text in _NO_ROUTE):
                return None
            raise await self._session.explained(failed, "QueryRoutes") from None
        if not said.routes:
            return None
        return RouteEstimate(route=route(said.routes[0]), probability=said.success_prob)

    async def probe(self, question: RouteQuestion) -> ProbeResult:
        """Send HTLCs of a hash that nobody knows, until the payee itself refuses one or no route is left.

        The node learns from each, so the next is another route.
        """
        await self._session.require_synced()
        attempts: list[PaymentAttempt] = []
        while len(attempts) < MAX_PROBES:
            found = await self.find_route(question)
            if found is None:
                return _probed(attempts, "no route is left")
            tried = await self._try(found.route, secrets.token_bytes(HASH_BYTES), secrets.token_bytes(HASH_BYTES))
            attempts.append(tried)
            if tried.failure is FailureCode.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS:
                return ProbeResult(reachable=True, attempts=tuple(attempts), fee_msat=tried.route.fee_msat)
        return _probed(attempts, f"none of {MAX_PROBES} routes carried it")

    async def send(self, order: SendOrder) -> PaymentState:
        """Pay an invoice and return when that is final; what LND has paid or is paying it refuses to pay again.

        Raises:
            NodeRefused: the invoice cannot be paid like this; nothing was sent.
            DataError: it is of another network.
            NodeUnavailable: it is unknown how it ended; `track` tells later.
        """
        invoice = await self.decode(order.invoice.text)
        amount_msat = _amount(order)
        if invoice.is_expired(self._session.clock.now_ns()):
            raise NodeRefused("the invoice has expired; nothing was sent")
        await self._session.require_synced()
        request = routerrpc.SendPaymentRequest(
            payment_request=invoice.text,
            amt_msat=amount_msat,
            fee_limit_msat=order.max_fee_msat,
            timeout_seconds=order.timeout_s,
            outgoing_chan_ids=order.outgoing_channel_ids,
            last_hop_pubkey=bytes.fromhex(order.last_hop or ""),
            max_parts=order.max_parts,
            allow_self_payment=order.allow_self_payment,
            no_inflight_updates=True,
        )
        return await send_and_follow(self._session, request, invoice.payment_hash)

    async def send_along(self, route: PaymentRoute, invoice: SignedInvoice) -> PaymentState:
        """Pay an invoice over one route and return when that is final; raises as `send` does."""
        invoice = await self.decode(invoice.text)
        if invoice.payment_secret is None or invoice.payee != route.steps[-1].node_id:
            raise NodeRefused("the route does not lead to who made the invoice; nothing was sent")
        if invoice.amount_msat not in {None, route.amount_msat}:
            raise NodeRefused("the route brings another amount than the invoice asks for; nothing was sent")
        await self._session.require_synced()
        tried = await self._try(route, invoice.payment_hash, invoice.payment_secret)
        if tried.outcome is HtlcOutcome.IN_FLIGHT:
            raise NodeUnavailable("the payment is under way, and it is unknown how it ends: track it by its hash")
        succeeded = tried.outcome is HtlcOutcome.SUCCEEDED
        found = await track(self._session, invoice.payment_hash) if succeeded else None
        return PaymentState(
            payment_hash=invoice.payment_hash,
            outcome=tried.outcome,
            amount_msat=route.amount_msat,
            fee_msat=Msat(route.fee_msat if succeeded else 0),
            attempts=(tried,),
            detail=describe(HtlcOutcome.ERROR, (tried,)) if not succeeded else "",
            preimage=found.preimage if found else None,
        )

    async def keysend(self, order: KeysendOrder) -> PaymentState:
        """Pay a node that gave no invoice, and return when that is final; raises as `send` does."""
        _require_amount(order.amount_msat)
        await self._session.require_synced()
        preimage = secrets.token_bytes(HASH_BYTES)
        payment_hash = hashlib.sha256(preimage).digest()
        request = routerrpc.SendPaymentRequest(
            dest=bytes.fromhex(order.payee),
            amt_msat=order.amount_msat,
            payment_hash=payment_hash,
            final_cltv_delta=KEYSEND_CLTV_BLOCKS,
            dest_custom_records={KEYSEND_RECORD: preimage},
            fee_limit_msat=order.max_fee_msat,
            timeout_seconds=order.timeout_s,
            no_inflight_updates=True,
        )
        return await send_and_follow(self._session, request, payment_hash)

    async def track(self, payment_hash: bytes) -> PaymentState | None:
        """Return how far a payment has come, or None when the node never began it."""
        return await track(self._session, payment_hash)

    async def _try(self, route: PaymentRoute, payment_hash: bytes, payment_secret: bytes) -> PaymentAttempt:
        """Send one HTLC along a route and return what became of it; raises NodeRefused when it was not begun."""
        request = routerrpc.SendToRouteRequest(
            payment_hash=payment_hash, route=lnd_route(route, payment_secret=payment_secret)
        )
        try:
            said = await self._session.raw_call(Router.SendToRouteV2, request, timeout_s=ROUTE_TIMEOUT_S)
        except CallFailed as failed:
            error = node_error(failed, "SendToRouteV2")
            if isinstance(error, NodeUnavailable):
                raise NodeUnavailable(
                    f"{error}. It is unknown whether it was sent: track it by its hash {payment_hash.hex()}"
                ) from None
            raise error from None
        return attempt(said)


def _query(question: RouteQuestion, version: LndVersion) -> lnrpc.QueryRoutesRequest:
    _require_amount(question.amount_msat)
    request = lnrpc.QueryRoutesRequest(
        pub_key=question.payee,
        amt_msat=question.amount_msat,
        fee_limit=lnrpc.FeeLimit(fixed_msat=question.max_fee_msat),
        final_cltv_delta=question.final_cltv_blocks,
        use_mission_control=True,
        last_hop_pubkey=bytes.fromhex(question.last_hop or ""),
    )
    outgoing = question.outgoing_channel_ids
    if version.has(SEVERAL_OUTGOING):
        request.outgoing_chan_ids.extend(outgoing)
    elif len(outgoing) > 1:
        raise NodeRefused(f"LND {version.shown} searches routes out of one channel or any, not out of {len(outgoing)}")
    elif outgoing:
        request.outgoing_chan_id = outgoing[0]
    return request


def _probed(attempts: list[PaymentAttempt], detail: str) -> ProbeResult:
    last = describe(HtlcOutcome.NO_ROUTE, tuple(attempts)).partition("; ")[2]
    return ProbeResult(
        reachable=False, attempts=tuple(attempts), fee_msat=None, detail=f"{detail}; {last}" if last else detail
    )


def _amount(order: SendOrder) -> int:
    """Return the amount to name, 0 where the invoice names it; raises NodeRefused when both or neither do."""
    if order.invoice.amount_msat is not None:
        if order.amount_msat not in {None, order.invoice.amount_msat}:
            raise NodeRefused("the invoice names its amount, and another was given; nothing was sent")
        return 0
    _require_amount(order.amount_msat or Msat(0))
    return order.amount_msat or 0


def _require_amount(amount_msat: int) -> None:
    if not 0 < amount_msat <= MAX_MONEY_MSAT:
        raise NodeRefused(f"{amount_msat} msat is no amount to send; nothing was sent")
