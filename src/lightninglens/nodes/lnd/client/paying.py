"""Being paid and paying with an LND node: `core.ports.Payer`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lightninglens.core.bolt11 import Network, SignedInvoice
from lightninglens.core.clock import Clock
from lightninglens.core.errors import NodeRefused, NodeUnavailable
from lightninglens.core.htlc import HtlcOutcome
from lightninglens.core.payments import (
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
from lightninglens.core.units import Msat
from lightninglens.nodes.lnd.client.faults import CallFailed, Code, node_error
from lightninglens.nodes.lnd.client.outgoing import attempt, lnd_route, route, send_and_follow, track
from lightninglens.nodes.lnd.client.place import LndOptions
from lightninglens.nodes.lnd.client.roles import Role
from lightninglens.nodes.lnd.client.session import Session, connected
from lightninglens.nodes.lnd.client.versions import SEVERAL_OUTGOING, LndVersion
from lightninglens.nodes.lnd.contract import lnrpc, routerrpc
from lightninglens.nodes.lnd.contract.services import Lightning, Router
from lightninglens.nodes.orders import (
    KEYSEND_CLTV_BLOCKS,
    KEYSEND_RECORD,
    amount_to_name,
    new_preimage,
    probe,
    read_invoice,
    require_amount,
    require_unexpired,
    secret_for,
    state_along,
)

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
        network = self._session.network
        return read_invoice(text, _NETWORKS.get(network), network)

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
        """Send HTLCs that nobody can claim, until the payee itself refuses one or no route is left."""
        await self._session.require_synced()
        return await probe(question, self.find_route, self._try)

    async def send(self, order: SendOrder) -> PaymentState:
        """Pay an invoice and return when that is final; what LND has paid or is paying it refuses to pay again.

        Raises:
            NodeRefused: the invoice cannot be paid like this; nothing was sent.
            DataError: it is of another network.
            NodeUnavailable: it is unknown how it ended; `track` tells later.
        """
        invoice = await self.decode(order.invoice.text)
        amount_msat = amount_to_name(order)
        require_unexpired(invoice, self._session.clock.now_ns())
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
        payment_secret = secret_for(route, invoice)
        await self._session.require_synced()
        tried = await self._try(route, invoice.payment_hash, payment_secret)
        if tried.outcome is HtlcOutcome.IN_FLIGHT:
            raise NodeUnavailable("the payment is under way, and it is unknown how it ends: track it by its hash")
        succeeded = tried.outcome is HtlcOutcome.SUCCEEDED
        found = await track(self._session, invoice.payment_hash) if succeeded else None
        return state_along(route, tried, invoice.payment_hash, found.preimage if found else None)

    async def keysend(self, order: KeysendOrder) -> PaymentState:
        """Pay a node that gave no invoice, and return when that is final; raises as `send` does."""
        require_amount(order.amount_msat)
        await self._session.require_synced()
        preimage, payment_hash = new_preimage()
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
    require_amount(question.amount_msat)
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
