"""Invoices: adding, looking up, holding, settling, cancelling, and listening to them.

Source: LND `lnrpc/invoicesrpc/addinvoice.go`, `invoices/invoiceregistry.go`, `rpcserver.go`.
"""

import contextlib
import re
import secrets
from collections.abc import AsyncIterator

from lightninglens.core.bolt11 import InvoiceError, RouteHop
from lightninglens.core.errors import InvariantError, NodeRefused
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import NS_PER_SECOND, Blocks, Msat, Ppm
from lightninglens.nodes.lnd.contract import invoicesrpc, lnrpc
from lightninglens.nodes.lnd.contract.services import Invoices, Lightning
from lightninglens.nodes.lnd.server.amounts import value_msat
from lightninglens.nodes.lnd.server.area import Area
from lightninglens.nodes.lnd.server.calls import Behaviours
from lightninglens.nodes.lnd.server.messages import invoice_message
from lightninglens.nodes.lnd.server.refusals import Refusal, not_found
from lightninglens.nodes.paying.invoices import (
    DEFAULT_CLTV_BLOCKS,
    DEFAULT_EXPIRY_S,
    InvoiceRecord,
    InvoiceState,
    hash_of,
    reason_to_refuse,
)
from lightninglens.sim.engine import Engine

DEFAULT_LISTED = 100

_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")


class Invoicing(Area):
    """The node's invoices."""

    def behaviours(self) -> Behaviours:
        """Return what this area serves."""
        return {
            Lightning.AddInvoice.path: self.add_invoice,
            Lightning.LookupInvoice.path: self.lookup_invoice,
            Lightning.ListInvoices.path: self.list_invoices,
            Lightning.SubscribeInvoices.path: self.subscribe_invoices,
            Invoices.SubscribeSingleInvoice.path: self.subscribe_single_invoice,
            Invoices.LookupInvoiceV2.path: self.lookup_invoice_v2,
            Invoices.AddHoldInvoice.path: self.add_hold_invoice,
            Invoices.SettleInvoice.path: self.settle_invoice,
            Invoices.CancelInvoice.path: self.cancel_invoice,
        }

    async def add_invoice(self, request: lnrpc.Invoice) -> lnrpc.AddInvoiceResponse:
        """AddInvoice."""
        if len(request.r_preimage) not in (0, 32):
            raise Refusal(f"invalid preimage length of {len(request.r_preimage)}, want 32")
        if request.is_amp:
            raise Refusal("AMP invoices are not simulated")
        preimage = request.r_preimage or secrets.token_bytes(32)
        invoice = self._invoice(request, preimage, hash_of(preimage))
        return await self._add(invoice)

    async def add_hold_invoice(self, request: invoicesrpc.AddHoldInvoiceRequest) -> invoicesrpc.AddHoldInvoiceResp:
        """AddHoldInvoice: one whose preimage only its owner knows."""
        if len(request.hash) != 32:
            raise Refusal(f"invalid hash length of {len(request.hash)}, want 32")
        same = lnrpc.Invoice(
            memo=request.memo,
            value=request.value,
            value_msat=request.value_msat,
            description_hash=request.description_hash,
            expiry=request.expiry,
            fallback_addr=request.fallback_addr,
            cltv_expiry=request.cltv_expiry,
            route_hints=request.route_hints,
            private=request.private,
        )
        added = await self._add(self._invoice(same, None, request.hash))
        return invoicesrpc.AddHoldInvoiceResp(
            payment_request=added.payment_request, add_index=added.add_index, payment_addr=added.payment_addr
        )

    def _invoice(self, request: lnrpc.Invoice, preimage: bytes | None, payment_hash: bytes) -> InvoiceRecord:
        """Return what a request asks for; raises Refusal with LND's limits."""
        invoice = InvoiceRecord(
            node=self.node.row,
            payment_hash=payment_hash,
            payment_address=secrets.token_bytes(32),
            preimage=preimage,
            value_msat=value_msat(request.value, request.value_msat),
            created_ns=0,
            memo=request.memo,
            description_hash=request.description_hash,
            expiry_s=request.expiry or DEFAULT_EXPIRY_S,
            cltv_blocks=request.cltv_expiry or DEFAULT_CLTV_BLOCKS,
            is_private=request.private,
            is_hold=preimage is None,
            hints=tuple(tuple(map(_hop, hint.hop_hints)) for hint in request.route_hints),
        )
        if problem := reason_to_refuse(invoice):
            raise Refusal(problem)
        return invoice

    async def _add(self, invoice: InvoiceRecord) -> lnrpc.AddInvoiceResponse:
        invoice.created_ns = await self.network.read(self.network.now_ns)
        try:
            text = invoice.signed(self.node.secret)
        except InvoiceError as problem:
            raise Refusal(str(problem)) from None
        try:
            self.network.invoices.add(invoice)
        except NodeRefused as problem:
            raise Refusal(str(problem)) from None
        self.network.arrivals.tell_invoice(invoice)
        return lnrpc.AddInvoiceResponse(
            r_hash=invoice.payment_hash,
            payment_request=text,
            add_index=invoice.add_index,
            payment_addr=invoice.payment_address,
        )

    async def lookup_invoice(self, request: lnrpc.PaymentHash) -> lnrpc.Invoice:
        """LookupInvoice, by the hash in bytes or in hex."""
        payment_hash = request.r_hash
        if request.r_hash_str:
            if not _HEX.fullmatch(request.r_hash_str):
                raise Refusal("encoding/hex: invalid byte")
            payment_hash = bytes.fromhex(request.r_hash_str)
        if len(payment_hash) not in (0, 32):
            raise Refusal(f"payment hash must be exactly 32 bytes, is instead {len(payment_hash)}")
        return invoice_message(self._find(payment_hash), self.node)

    async def lookup_invoice_v2(self, request: invoicesrpc.LookupInvoiceMsg) -> lnrpc.Invoice:
        """LookupInvoiceV2, by hash or payment address."""
        if request.WhichOneof("invoice_ref") == "payment_addr":
            for invoice in self.network.invoices.of_node(self.node.row):
                if invoice.payment_address == request.payment_addr:
                    return invoice_message(invoice, self.node)
            raise not_found("unable to locate invoice")
        return invoice_message(self._find(request.payment_hash), self.node)

    def _find(self, payment_hash: bytes) -> InvoiceRecord:
        invoice = self.network.invoices.find(payment_hash, self.node.row)
        if invoice is None:
            raise not_found("unable to locate invoice")
        return invoice

    async def list_invoices(self, request: lnrpc.ListInvoiceRequest) -> lnrpc.ListInvoiceResponse:
        """ListInvoices: a page of them, oldest first in either direction of paging."""
        if request.creation_date_end and request.creation_date_start > request.creation_date_end:
            raise Refusal(
                f"start date({request.creation_date_start}) must be before end date({request.creation_date_end})"
            )
        most, offset = request.num_max_invoices or DEFAULT_LISTED, request.index_offset
        chosen = [
            invoice
            for invoice in self.network.invoices.of_node(self.node.row)
            if _is_wanted(invoice, request)
            and (not offset or (invoice.add_index < offset if request.reversed else invoice.add_index > offset))
        ]
        page = chosen[-most:] if request.reversed else chosen[:most]
        return lnrpc.ListInvoiceResponse(
            invoices=[invoice_message(invoice, self.node) for invoice in page],
            first_index_offset=page[0].add_index if page else 0,
            last_index_offset=page[-1].add_index if page else 0,
        )

    async def subscribe_invoices(self, request: lnrpc.InvoiceSubscription) -> AsyncIterator[lnrpc.Invoice | bytes]:
        """SubscribeInvoices: those added and settled after the given indices, then each that is added or settled."""
        news = self.node.invoice_hub.listen()
        book = self.network.invoices
        if request.add_index:
            for invoice in list(book.of_node(self.node.row)[request.add_index :]):
                yield invoice_message(invoice, self.node)
        if request.settle_index:
            for invoice in list(book.settled_of_node(self.node.row)[request.settle_index :]):
                yield invoice_message(invoice, self.node)
        async for payment_hash, message in news:
            found = book.find(payment_hash)
            if found is None or found.state in (InvoiceState.OPEN, InvoiceState.SETTLED):
                yield message

    async def subscribe_single_invoice(
        self, request: invoicesrpc.SubscribeSingleInvoiceRequest
    ) -> AsyncIterator[lnrpc.Invoice | bytes]:
        """SubscribeSingleInvoice: what it is now, then each change, until it is settled or cancelled."""
        if len(request.r_hash) != 32:
            raise Refusal(f"invalid hash length of {len(request.r_hash)}, want 32")
        news = self.node.invoice_hub.listen()
        invoice = self._find(request.r_hash)
        yield invoice_message(invoice, self.node)
        if _is_final(invoice.state):
            return
        async for payment_hash, message in news:
            if payment_hash == request.r_hash:
                yield message
                if _is_final(lnrpc.Invoice.FromString(message).state):
                    return

    async def settle_invoice(self, request: invoicesrpc.SettleInvoiceMsg) -> invoicesrpc.SettleInvoiceResp:
        """SettleInvoice: take what a hold invoice holds."""
        if len(request.preimage) != 32:
            raise Refusal(f"invalid preimage length of {len(request.preimage)}, want 32")
        invoice = self._find(hash_of(request.preimage))
        if invoice.state is InvoiceState.SETTLED:
            raise Refusal("invoice already settled")
        if invoice.state is InvoiceState.CANCELED:
            raise Refusal("invoice already canceled")
        payment_id = invoice.payment_id
        if invoice.state is not InvoiceState.ACCEPTED or payment_id is None:
            raise Refusal("invoice still open")
        invoice.preimage = request.preimage

        def settle(engine: Engine) -> None:
            try:
                engine.settle_held(payment_id)
            except InvariantError:
                raise Refusal("invoice still open") from None

        await self.network.act(settle)
        return invoicesrpc.SettleInvoiceResp()

    async def cancel_invoice(self, request: invoicesrpc.CancelInvoiceMsg) -> invoicesrpc.CancelInvoiceResp:
        """CancelInvoice: what is held goes back, and nothing more is taken."""
        invoice = self._find(request.payment_hash)
        if invoice.state is InvoiceState.SETTLED:
            raise Refusal("invoice already settled")
        payment_id, was_canceled = invoice.payment_id, invoice.state is InvoiceState.CANCELED

        def cancel(engine: Engine) -> None:
            if payment_id is not None and invoice.is_hold and self.network.arrivals.flight_of(payment_id):
                with contextlib.suppress(InvariantError):  # it has been decided already
                    engine.cancel_held(payment_id)

        await self.network.act(cancel)
        invoice.state = InvoiceState.CANCELED
        if not was_canceled:
            self.network.arrivals.tell_invoice(invoice)
        return invoicesrpc.CancelInvoiceResp()


def _is_final(state: int) -> bool:
    return state in (InvoiceState.SETTLED, InvoiceState.CANCELED)


def _is_wanted(invoice: InvoiceRecord, request: lnrpc.ListInvoiceRequest) -> bool:
    created_s = invoice.created_ns // NS_PER_SECOND
    if request.pending_only and _is_final(invoice.state):
        return False
    return request.creation_date_start <= created_s and (
        not request.creation_date_end or created_s <= request.creation_date_end
    )


def _hop(hint: lnrpc.HopHint) -> RouteHop:
    try:
        return RouteHop(
            node=NodeId(hint.node_id),
            channel=ChannelId(hint.chan_id),
            fee_base_msat=Msat(hint.fee_base_msat),
            fee_rate_ppm=Ppm(hint.fee_proportional_millionths),
            time_lock_delta_blocks=Blocks(hint.cltv_expiry_delta),
        )
    except (InvoiceError, ValueError) as problem:
        raise Refusal(f"invalid hop hint: {problem}") from None
