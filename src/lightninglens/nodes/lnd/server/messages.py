"""Payments, routes and invoices as LND prints them.

Source: LND `lnrpc/routerrpc/router_backend.go`, `lnrpc/invoicesrpc/utils.go`.
"""

from lightninglens.core.bolt11 import DEFAULT_FEATURES, RouteHop
from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import FailureCode, FailureDetail
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_SECOND
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.server.features import features
from lightninglens.nodes.lnd.server.node import ServedNode
from lightninglens.nodes.paying.invoices import KEYSEND_FEATURES, InvoiceRecord, InvoiceState, ReceivedPart
from lightninglens.nodes.paying.payments import AttemptRecord, PaidRoute, PaymentRecord, PaymentStatus
from lightninglens.nodes.paying.ways import target_of

NO_PREIMAGE = bytes(32).hex()

_REGTEST_GENESIS = bytes.fromhex("06226e46111a0b59caaf126043eb5bbf28c34f3a5e332a1fc7b2b73cf188910f")
_WITH_UPDATE = {
    FailureCode.EXPIRY_TOO_SOON,
    FailureCode.AMOUNT_BELOW_MINIMUM,
    FailureCode.FEE_INSUFFICIENT,
    FailureCode.INCORRECT_CLTV_EXPIRY,
    FailureCode.CHANNEL_DISABLED,
    FailureCode.TEMPORARY_CHANNEL_FAILURE,
}
_WITH_AMOUNT = {
    FailureCode.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS,
    FailureCode.AMOUNT_BELOW_MINIMUM,
    FailureCode.FEE_INSUFFICIENT,
}


def route_message(route: PaidRoute, graph: NetworkGraph) -> lnrpc.Route:
    """Return a route; each hop says what it forwards and until when, not what it gets."""
    amounts, expiries = route.amounts_msat, route.expiry_heights
    message = lnrpc.Route(
        total_time_lock=expiries[0],
        total_fees=route.fee_msat // MSAT_PER_SAT,
        total_amt=amounts[0] // MSAT_PER_SAT,
        total_fees_msat=route.fee_msat,
        total_amt_msat=amounts[0],
    )
    for hop, direction in enumerate(route.directions):
        onward = min(hop + 1, len(amounts) - 1)
        fee_msat = amounts[hop] - amounts[onward]
        message.hops.add(
            chan_id=graph.channel_id(direction // 2) if direction >= 0 else route.channel_ids[hop],
            chan_capacity=amounts[hop] // MSAT_PER_SAT,
            amt_to_forward=amounts[onward] // MSAT_PER_SAT,
            fee=fee_msat // MSAT_PER_SAT,
            expiry=expiries[onward],
            amt_to_forward_msat=amounts[onward],
            fee_msat=fee_msat,
            pub_key=graph.node_ids[target_of(graph, direction)] if direction >= 0 else "",
            tlv_payload=True,
        )
    last = message.hops[-1]
    if route.payment_address:
        last.mpp_record.payment_addr = route.payment_address
        last.mpp_record.total_amt_msat = route.total_msat
    for kind, value in route.final_records.items():
        last.custom_records[kind] = value
    return message


def failure_message(attempt: AttemptRecord, graph: NetworkGraph) -> lnrpc.Failure:
    """Return why an attempt failed, with the channel_update that such an error carries."""
    code = attempt.code or FailureCode.NONE
    failure = lnrpc.Failure(
        code=int(code),  # type: ignore[arg-type]  # LND's numbers are ours
        failure_source_index=attempt.failed_index,
        height=attempt.height if code is FailureCode.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS else 0,
    )
    place = min(attempt.failed_index, len(attempt.route.directions)) - 1
    if code in _WITH_AMOUNT and place >= 0:
        failure.htlc_msat = attempt.route.amounts_msat[place]
    if code is FailureCode.INCORRECT_CLTV_EXPIRY and place >= 0:
        failure.cltv_expiry = attempt.route.expiry_heights[place]
    brings_update = code in _WITH_UPDATE and attempt.detail is not FailureDetail.CIRCULAR_ROUTE
    if brings_update and attempt.policy is not None:
        failure.channel_update.CopyFrom(_channel_update(attempt, graph))
    return failure


def _channel_update(attempt: AttemptRecord, graph: NetworkGraph) -> lnrpc.ChannelUpdate:
    policy, direction = attempt.policy, attempt.route.directions[attempt.failed_index]
    if policy is None:
        return lnrpc.ChannelUpdate()
    return lnrpc.ChannelUpdate(
        signature=bytes(64),
        chain_hash=_REGTEST_GENESIS,
        chan_id=graph.channel_id(direction // 2),
        timestamp=attempt.resolved_ns // NS_PER_SECOND,
        channel_flags=direction % 2 | policy.disabled << 1,
        time_lock_delta=policy.time_lock_delta_blocks,
        htlc_minimum_msat=policy.min_htlc_msat,
        base_fee=policy.base_fee_msat,
        fee_rate=policy.fee_rate_ppm,
        message_flags=1,
        htlc_maximum_msat=policy.max_htlc_msat,
    )


def attempt_message(attempt: AttemptRecord, graph: NetworkGraph) -> lnrpc.HTLCAttempt:
    """Return one attempt with its route and how it ended."""
    kind = lnrpc.HTLCAttempt
    status = kind.IN_FLIGHT if attempt.is_in_flight else kind.SUCCEEDED if attempt.is_settled else kind.FAILED
    message = kind(
        attempt_id=attempt.attempt_id,
        status=status,
        route=route_message(attempt.route, graph),
        attempt_time_ns=attempt.started_ns,
        resolve_time_ns=attempt.resolved_ns,
        preimage=attempt.preimage,
    )
    if status == kind.FAILED:
        message.failure.CopyFrom(failure_message(attempt, graph))
    return message


def payment_message(payment: PaymentRecord, graph: NetworkGraph, *, with_hops: bool = True) -> lnrpc.Payment:
    """Return a payment with its attempts."""
    succeeded = payment.status is PaymentStatus.SUCCEEDED
    fee_msat = payment.fee_msat
    message = lnrpc.Payment(
        payment_hash=payment.payment_hash.hex(),
        value=payment.value_msat // MSAT_PER_SAT,
        creation_date=payment.created_ns // NS_PER_SECOND,
        fee=fee_msat // MSAT_PER_SAT,
        payment_preimage=payment.preimage.hex() if succeeded and payment.preimage else NO_PREIMAGE,
        value_sat=payment.value_msat // MSAT_PER_SAT,
        value_msat=payment.value_msat,
        payment_request=payment.request,
        status=int(payment.status),  # type: ignore[arg-type]  # LND's numbers are ours
        fee_sat=fee_msat // MSAT_PER_SAT,
        fee_msat=fee_msat,
        creation_time_ns=payment.created_ns,
        htlcs=[attempt_message(attempt, graph) for attempt in payment.attempts],
        payment_index=payment.index,
        failure_reason=int(payment.reason),  # type: ignore[arg-type]  # LND's numbers are ours
    )
    if not with_hops:
        for attempt in message.htlcs:
            del attempt.route.hops[:]
    return message


def invoice_message(invoice: InvoiceRecord, node: ServedNode) -> lnrpc.Invoice:
    """Return an invoice with what has arrived for it."""
    settled = invoice.state is InvoiceState.SETTLED
    bits = KEYSEND_FEATURES if invoice.is_keysend else DEFAULT_FEATURES
    return lnrpc.Invoice(
        memo=invoice.memo,
        r_preimage=invoice.preimage or b"",
        r_hash=invoice.payment_hash,
        value=invoice.value_msat // MSAT_PER_SAT,
        settled=settled,
        creation_date=invoice.created_ns // NS_PER_SECOND,
        settle_date=invoice.settled_ns // NS_PER_SECOND,
        payment_request=invoice.signed(node.secret),
        description_hash=invoice.description_hash,
        expiry=invoice.expiry_s,
        fallback_addr=invoice.fallback,
        cltv_expiry=invoice.cltv_blocks,
        route_hints=[route_hint(hint) for hint in invoice.hints],
        private=invoice.is_private,
        add_index=invoice.add_index,
        settle_index=invoice.settle_index,
        amt_paid=invoice.paid_msat if settled else 0,
        amt_paid_sat=invoice.paid_msat // MSAT_PER_SAT if settled else 0,
        amt_paid_msat=invoice.paid_msat if settled else 0,
        state=int(invoice.state),  # type: ignore[arg-type]  # LND's numbers are ours
        htlcs=[_received(part, invoice) for part in invoice.parts],
        value_msat=invoice.value_msat,
        features=features(bits),
        is_keysend=invoice.is_keysend,
        payment_addr=invoice.payment_address,
    )


def _received(part: ReceivedPart, invoice: InvoiceRecord) -> lnrpc.InvoiceHTLC:
    state = {
        InvoiceState.SETTLED: lnrpc.SETTLED,
        InvoiceState.ACCEPTED: lnrpc.ACCEPTED,
        InvoiceState.CANCELED: lnrpc.CANCELED,
        InvoiceState.OPEN: lnrpc.ACCEPTED,
    }[invoice.state]
    return lnrpc.InvoiceHTLC(
        chan_id=part.channel_id,
        htlc_index=part.htlc_id,
        amt_msat=part.amount_msat,
        accept_height=part.accept_height,
        accept_time=part.accepted_ns // NS_PER_SECOND,
        resolve_time=part.resolved_ns // NS_PER_SECOND,
        expiry_height=part.expiry_height,
        state=state,
        mpp_total_amt_msat=part.total_msat,
        custom_records=part.custom_records,
    )


def route_hint(hint: tuple[RouteHop, ...]) -> lnrpc.RouteHint:
    """Return a private channel on the way to a receiver."""
    return lnrpc.RouteHint(
        hop_hints=[
            lnrpc.HopHint(
                node_id=hop.node,
                chan_id=hop.channel,
                fee_base_msat=hop.fee_base_msat,
                fee_proportional_millionths=hop.fee_rate_ppm,
                cltv_expiry_delta=hop.time_lock_delta_blocks,
            )
            for hop in hint
        ]
    )
