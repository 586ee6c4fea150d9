"""Payments: sending, sending along a route, tracking, listing, deleting.

Source: LND `lnrpc/routerrpc/router_server.go`, `router_backend.go` (extractIntentFromSendRequest), `rpcserver.go`.
"""

import asyncio
from collections.abc import AsyncIterator

import grpc

from lightninglens.core.bolt11 import SignedInvoice
from lightninglens.core.errors import NodeRefused
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_SECOND
from lightninglens.nodes.lnd.contract import lnrpc, routerrpc
from lightninglens.nodes.lnd.contract.services import Lightning, Router
from lightninglens.nodes.lnd.server.amounts import value_msat
from lightninglens.nodes.lnd.server.area import Area
from lightninglens.nodes.lnd.server.calls import Behaviours
from lightninglens.nodes.lnd.server.graph import require_vertex_bytes
from lightninglens.nodes.lnd.server.messages import attempt_message, payment_message
from lightninglens.nodes.lnd.server.network import ServedNetwork
from lightninglens.nodes.lnd.server.node import ServedNode
from lightninglens.nodes.lnd.server.payment_requests import read_request
from lightninglens.nodes.lnd.server.refusals import Refusal, not_found
from lightninglens.nodes.lnd.server.routing import MOST_MSAT, cltv_limit, outgoing_rows, time_preference
from lightninglens.nodes.paying.invoices import DEFAULT_CLTV_BLOCKS
from lightninglens.nodes.paying.payments import (
    FailureReason,
    PaidRoute,
    PaymentRecord,
    PaymentStatus,
)
from lightninglens.nodes.paying.sending import Sender, Terms
from lightninglens.nodes.paying.ways import directions_along
from lightninglens.routing.state import MAX_HOPS

DEFAULT_TIMEOUT_S = 60
DEFAULT_PARTS = 16

_EXISTS = grpc.StatusCode.ALREADY_EXISTS


class Payments(Area):
    """What the node pays."""

    def __init__(self, network: ServedNetwork, node: ServedNode) -> None:
        super().__init__(network, node)
        self._sender = Sender(network, node, network.clock)

    def behaviours(self) -> Behaviours:
        """Return what this area serves."""
        return {
            Router.SendPaymentV2.path: self.send_payment,
            Router.SendToRouteV2.path: self.send_to_route,
            Router.TrackPaymentV2.path: self.track_payment,
            Router.TrackPayments.path: self.track_payments,
            Lightning.ListPayments.path: self.list_payments,
            Lightning.DeletePayment.path: self.delete_payment,
            Lightning.DeleteAllPayments.path: self.delete_all_payments,
        }

    async def send_payment(self, request: routerrpc.SendPaymentRequest) -> AsyncIterator[lnrpc.Payment | bytes]:
        """SendPaymentV2: each change of the payment, until it has succeeded or failed."""
        payment, terms = await self._intent(request)
        self._require_new(payment.payment_hash)
        news = self.node.payment_hub.listen()
        self.node.payments.add(payment)
        gone = False

        def is_cancelled() -> bool:
            return gone and request.cancelable

        begun = payment_message(payment, self.network.graph)
        self._sender.start(payment, terms, is_cancelled)
        try:
            if not request.no_inflight_updates:
                yield begun
            async for payment_hash, is_final, message in news:
                if payment_hash != payment.payment_hash:
                    continue
                if is_final or not request.no_inflight_updates:
                    yield message
                if is_final:
                    return
        finally:
            gone = True

    async def _intent(self, request: routerrpc.SendPaymentRequest) -> tuple[PaymentRecord, Terms]:
        """Return what a request asks to be paid, and how; raises Refusal where LND does."""
        outgoing = list(request.outgoing_chan_ids)
        if request.outgoing_chan_id and self.network.version.takes_one_outgoing_channel:
            if outgoing:
                raise Refusal("outgoing_chan_id and outgoing_chan_ids are mutually exclusive")
            outgoing = [request.outgoing_chan_id]
        if request.timeout_seconds < 0:
            raise Refusal("timeout_seconds must not be negative")
        if request.amp:
            raise Refusal("AMP payments are not simulated")
        now_ns = await self.network.read(self.network.now_ns)
        said = self._from_invoice(request, now_ns) if request.payment_request else self._from_fields(request)
        payment_hash, receiver_id, amount_msat, final, address, allows_parts = said
        if amount_msat > MOST_MSAT:
            raise Refusal(f"payment amount {amount_msat} mSAT exceeds maximum possible payment amount")
        receiver = self.network.node_row(receiver_id)
        if receiver == self.node.row and not request.allow_self_payment:
            raise Refusal("self-payments not allowed")
        last = require_vertex_bytes(request.last_hop_pubkey) if request.last_hop_pubkey else None
        fee_limit_msat = value_msat(request.fee_limit_sat, request.fee_limit_msat)
        limit = cltv_limit(max(request.cltv_limit, 0))
        if limit <= final:
            raise Refusal(f"cltv limit {limit} should be greater than final cltv delta {final}")
        parts = request.max_parts or DEFAULT_PARTS
        payment = PaymentRecord(
            payment_hash=payment_hash,
            value_msat=amount_msat,
            created_ns=now_ns,
            request=request.payment_request,
        )
        if receiver is None:
            payment.reason = FailureReason.NO_ROUTE  # nobody knows of such a node
        terms = Terms(
            receiver=receiver or 0,
            fee_limit_msat=min(fee_limit_msat, MOST_MSAT),
            timeout_s=request.timeout_seconds or DEFAULT_TIMEOUT_S,
            final_blocks=final,
            cltv_limit=limit,
            outgoing=outgoing_rows(self, outgoing),
            last_hop=None if last is None else self.network.node_row(last),
            most_parts=parts if allows_parts else 1,
            largest_part_msat=request.max_shard_size_msat,
            payment_address=address,
            final_records=dict(request.dest_custom_records),
            time_preference=time_preference(request.time_pref),
        )
        return payment, terms

    def _from_invoice(
        self, request: routerrpc.SendPaymentRequest, now_ns: int
    ) -> tuple[bytes, str, int, int, bytes, bool]:
        """Return hash, receiver, amount, final delta, payment address and leave to split, as an invoice says."""
        if request.dest:
            raise Refusal("dest and payment_request cannot appear together")
        if request.payment_hash:
            raise Refusal("payment_hash and payment_request cannot appear together")
        if request.final_cltv_delta:
            raise Refusal("final_cltv_delta and payment_request cannot appear together")
        invoice = read_request(request.payment_request)
        if invoice.is_expired(now_ns):
            raise Refusal(f"invoice expired. Valid until {invoice.expires_s}")
        return (
            invoice.payment_hash,
            invoice.payee,
            _invoice_amount_msat(invoice, request),
            int(invoice.final_cltv_blocks),
            invoice.payment_secret or b"",
            invoice.allows_parts,
        )

    def _from_fields(self, request: routerrpc.SendPaymentRequest) -> tuple[bytes, str, int, int, bytes, bool]:
        """Return the same as the request's own fields say."""
        receiver = require_vertex_bytes(request.dest)
        amount_msat = value_msat(request.amt, request.amt_msat)
        if amount_msat == 0:
            raise Refusal("amount must be specified")
        if len(request.payment_hash) != 32:
            raise Refusal(f"invalid hash length of {len(request.payment_hash)}, want 32")
        if len(request.payment_addr) not in (0, 32):
            raise Refusal("invalid payment address length")
        final = request.final_cltv_delta or int(DEFAULT_CLTV_BLOCKS)
        if final < 0:
            raise Refusal("final_cltv_delta must not be negative")
        allows_parts = bool(request.payment_addr)
        return request.payment_hash, receiver, amount_msat, final, request.payment_addr, allows_parts

    def _require_new(self, payment_hash: bytes) -> None:
        """Refuse to pay a hash that is being paid or has been."""
        try:
            self.node.payments.require_new(payment_hash)
        except NodeRefused as problem:
            raise Refusal(str(problem), _EXISTS) from None

    async def send_to_route(self, request: routerrpc.SendToRouteRequest) -> lnrpc.HTLCAttempt:
        """SendToRouteV2: one attempt along the given route; how it ends is in the answer, never an error."""
        if not request.HasField("route") or not request.route.hops:
            raise Refusal("unable to send, no routes provided")
        if len(request.payment_hash) != 32:
            raise Refusal(f"invalid hash length of {len(request.payment_hash)}, want 32")
        if len(request.route.hops) > MAX_HOPS:
            raise Refusal(f"route has {len(request.route.hops)} hops, and at most {MAX_HOPS} fit an onion")
        route = self._route(request.route)
        payment = await self._payment_along(request.payment_hash, route)
        attempt, future = await self._sender.send_along(payment, route, skip_temporary=request.skip_temp_err)
        future.add_done_callback(lambda _: self._close(payment, skip_temporary=request.skip_temp_err))
        await asyncio.shield(future)  # a caller that goes away does not end an attempt
        return attempt_message(attempt, self.network.graph)

    async def _payment_along(self, payment_hash: bytes, route: PaidRoute) -> PaymentRecord:
        """Return the payment that a route is part of; raises Refusal when it takes no more parts."""
        total_msat = route.total_msat or route.delivered_msat
        earlier = self.node.payments.find(payment_hash)
        if earlier is not None and earlier.status is PaymentStatus.SUCCEEDED:
            raise Refusal("payment is already succeeded", _EXISTS)
        if earlier is not None and earlier.status is PaymentStatus.IN_FLIGHT:
            if not route.total_msat:
                raise Refusal("payment is in transition", _EXISTS)
            if total_msat != earlier.value_msat:
                raise Refusal("mp payment parameters mismatch", _EXISTS)
            if earlier.sent_msat + route.delivered_msat > total_msat:
                raise Refusal("attempted value exceeds paymentamount")
            return earlier
        now_ns = await self.network.read(self.network.now_ns)
        return self.node.payments.add(
            PaymentRecord(payment_hash=payment_hash, value_msat=total_msat, created_ns=now_ns)
        )

    def _close(self, payment: PaymentRecord, *, skip_temporary: bool) -> None:
        """End a payment of given routes once nothing of it is in flight."""
        if payment.close(skip_temporary=skip_temporary):
            self.network.arrivals.tell(self.node.row, payment)

    def _route(self, route: lnrpc.Route) -> PaidRoute:
        """Return the HTLCs that a route means: what each hop forwards is what the next one gets."""
        rows = [self.network.channels.row(hop.chan_id) for hop in route.hops]
        last, first_msat = route.hops[-1], route.total_amt_msat or route.total_amt * MSAT_PER_SAT
        forwarded = [hop.amt_to_forward_msat or hop.amt_to_forward * MSAT_PER_SAT for hop in route.hops[:-1]]
        amounts = (first_msat or last.amt_to_forward_msat, *forwarded)
        expiries = (route.total_time_lock, *(hop.expiry for hop in route.hops[:-1]))
        if not all(0 < amount <= MOST_MSAT for amount in amounts):
            raise Refusal("route amounts must be positive")
        if not all(expiry < 2**31 for expiry in expiries):
            raise Refusal("route expiries must be block heights")
        return PaidRoute(
            directions=directions_along(self.network.graph, self.node.row, rows),
            amounts_msat=amounts,
            expiry_heights=expiries,
            payment_address=last.mpp_record.payment_addr,
            total_msat=last.mpp_record.total_amt_msat,
            final_records=dict(last.custom_records),
            channel_ids=tuple(hop.chan_id for hop in route.hops),
        )

    async def track_payment(self, request: routerrpc.TrackPaymentRequest) -> AsyncIterator[lnrpc.Payment | bytes]:
        """TrackPaymentV2: what a payment is, then each change, until it has ended."""
        if len(request.payment_hash) != 32:
            raise Refusal(f"invalid hash length of {len(request.payment_hash)}, want 32")
        news = self.node.payment_hub.listen()
        payment = self.node.payments.find(request.payment_hash)
        if payment is None:
            raise not_found("payment isn't initiated")
        in_flight = payment.status is PaymentStatus.IN_FLIGHT
        if not in_flight or not request.no_inflight_updates:
            yield payment_message(payment, self.network.graph)
        if not in_flight:
            return
        async for payment_hash, is_final, message in news:
            if payment_hash == request.payment_hash:
                if is_final or not request.no_inflight_updates:
                    yield message
                if is_final:
                    return

    async def track_payments(self, request: routerrpc.TrackPaymentsRequest) -> AsyncIterator[bytes]:
        """TrackPayments: each change of any payment from now on."""
        async for _, is_final, message in self.node.payment_hub.listen():
            if is_final or not request.no_inflight_updates:
                yield message

    async def list_payments(self, request: lnrpc.ListPaymentsRequest) -> lnrpc.ListPaymentsResponse:
        """ListPayments: a page of them, oldest first in either direction of paging."""
        start, end = request.creation_date_start, request.creation_date_end
        if end and start > end:
            raise Refusal(f"start date({start}) must be before end date({end})")
        every = self.node.payments.all()
        offset, most = request.index_offset, request.max_payments or 2**32
        chosen = [
            payment
            for payment in every
            if (request.include_incomplete or payment.status is PaymentStatus.SUCCEEDED)
            and _created_within(payment, start, end)
            and (not offset or (payment.index < offset if request.reversed else payment.index > offset))
        ]
        page = chosen[-most:] if request.reversed else chosen[:most]
        graph = self.network.graph
        return lnrpc.ListPaymentsResponse(
            payments=[payment_message(payment, graph, with_hops=not request.omit_hops) for payment in page],
            first_index_offset=page[0].index if page else 0,
            last_index_offset=page[-1].index if page else 0,
            total_num_payments=len(every) if request.count_total_payments else 0,
        )

    async def delete_payment(self, request: lnrpc.DeletePaymentRequest) -> lnrpc.DeletePaymentResponse:
        """DeletePayment, or only its failed attempts."""
        if len(request.payment_hash) != 32:
            raise Refusal(f"invalid hash length of {len(request.payment_hash)}, want 32")
        payment = self.node.payments.find(request.payment_hash)
        if payment is None:
            raise not_found("non bucket element in payments bucket")
        if payment.status is PaymentStatus.IN_FLIGHT and payment.in_flight:
            raise Refusal("payment is in transition, cannot be deleted")
        if request.failed_htlcs_only:
            payment.attempts = [attempt for attempt in payment.attempts if attempt.is_settled]
        else:
            self.node.payments.remove(request.payment_hash)
        return lnrpc.DeletePaymentResponse()

    async def delete_all_payments(self, request: lnrpc.DeleteAllPaymentsRequest) -> lnrpc.DeleteAllPaymentsResponse:
        """DeleteAllPayments of the kind that is asked for."""
        if not (request.failed_payments_only or request.failed_htlcs_only or request.all_payments):
            raise Refusal(
                "at least one of the options `all_payments`, `failed_htlcs_only`, or `failed_payments_only` must be set"
            )
        if request.all_payments and (request.failed_htlcs_only or request.failed_payments_only):
            raise Refusal(
                "`all_payments` cannot be set to true while either `failed_htlcs_only`"
                " or `failed_payments_only` is also set to true"
            )
        for payment in self.node.payments.all():
            if payment.status is PaymentStatus.IN_FLIGHT:
                continue
            if request.failed_htlcs_only:
                payment.attempts = [attempt for attempt in payment.attempts if attempt.is_settled]
            elif request.all_payments or payment.status is PaymentStatus.FAILED:
                self.node.payments.remove(payment.payment_hash)
        return lnrpc.DeleteAllPaymentsResponse()


def _created_within(payment: PaymentRecord, start_s: int, end_s: int) -> bool:
    created_s = payment.created_ns // NS_PER_SECOND
    return start_s <= created_s and (not end_s or created_s <= end_s)


def _invoice_amount_msat(invoice: SignedInvoice, request: routerrpc.SendPaymentRequest) -> int:
    """Return what is paid to an invoice; raises Refusal unless exactly one of the two says it."""
    given_msat = value_msat(request.amt, request.amt_msat)
    if invoice.amount_msat is None:
        if not given_msat:
            raise Refusal("amount must be specified when paying a zero amount invoice")
        return given_msat
    if given_msat:
        raise Refusal("amount must not be specified when paying a non-zero amount invoice")
    return int(invoice.amount_msat)
