"""Payments on their way: sent once, followed to their end over breaks of the connection, never sent again.

LND goes on with a payment whether or not anybody listens, and knows it by its
hash. So when the stream of a payment breaks, the hash is tracked until the end is
known, and nothing is ever sent a second time.
"""

import asyncio
from collections.abc import AsyncIterator

import structlog

from lightninglens.core.errors import NodeUnavailable
from lightninglens.core.htlc import FailureCode, HtlcOutcome
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.payments import PaymentAttempt, PaymentRoute, PaymentState, RouteStep
from lightninglens.core.units import Msat, UnixNs
from lightninglens.nodes.lnd.client.faults import CallFailed, Code, node_error
from lightninglens.nodes.lnd.client.records import failure_code
from lightninglens.nodes.lnd.client.session import Session
from lightninglens.nodes.lnd.contract import lnrpc, routerrpc
from lightninglens.nodes.lnd.contract.services import Router
from lightninglens.nodes.orders import describe
from lightninglens.nodes.paying.payments import OUTCOMES

log = structlog.get_logger(__name__)

PATIENCE_S = 60.0
"""Waited beyond a payment's own time limit, for HTLCs that are still under way."""
RETRY_S = 1.0


async def send_and_follow(
    session: Session, request: routerrpc.SendPaymentRequest, payment_hash: bytes, *, patience_s: float = PATIENCE_S
) -> PaymentState:
    """Send a payment and return when it is final.

    Raises:
        NodeRefused: the node would not begin it; nothing was sent.
        NodeUnavailable: it is unknown how it ended; it may still move money.
    """
    limit_s = request.timeout_seconds + patience_s
    try:
        async with asyncio.timeout(limit_s):
            try:
                return await _final(session.transport.stream(Router.SendPaymentV2, request))
            except CallFailed as failed:
                error = node_error(failed, "SendPaymentV2")
                if not isinstance(error, NodeUnavailable):
                    raise error from None
                log.warning("the stream of a payment broke; it is tracked", why=str(error))
            return await _tracked(session, payment_hash)
    except TimeoutError:
        raise NodeUnavailable(
            f"the payment is not final after {limit_s:.0f} s; it may still succeed or fail: track it by its hash"
            f" {payment_hash.hex()}"
        ) from None


async def track(session: Session, payment_hash: bytes) -> PaymentState | None:
    """Return how far a payment has come now, or None when the node never began it."""
    request = routerrpc.TrackPaymentRequest(payment_hash=payment_hash)
    try:
        async with asyncio.timeout(session.options.timeout_s):
            async for said in session.transport.stream(Router.TrackPaymentV2, request):
                return payment_state(said)
    except TimeoutError:
        raise NodeUnavailable("TrackPaymentV2: the node did not answer in time") from None
    except CallFailed as failed:
        if failed.code is Code.NOT_FOUND or "isn't initiated" in failed.text:
            return None
        raise await session.explained(failed, "TrackPaymentV2") from None
    raise NodeUnavailable("TrackPaymentV2: the node ended the stream without a word")


async def _tracked(session: Session, payment_hash: bytes) -> PaymentState:
    """Return the final state of a payment whose stream broke, however often the connection breaks meanwhile."""
    request = routerrpc.TrackPaymentRequest(payment_hash=payment_hash, no_inflight_updates=True)
    while True:
        await asyncio.sleep(RETRY_S)
        try:
            return await _final(session.transport.stream(Router.TrackPaymentV2, request))
        except CallFailed as failed:
            if failed.code is Code.NOT_FOUND or "isn't initiated" in failed.text:
                raise NodeUnavailable(
                    "the connection broke before the node began the payment; nothing was sent as far as it knows"
                ) from None
            error = node_error(failed, "TrackPaymentV2")
            if not isinstance(error, NodeUnavailable):
                raise error from None


async def _final(stream: AsyncIterator[lnrpc.Payment]) -> PaymentState:
    """Return the first final state of a stream; raises CallFailed when it ends before one."""
    async for said in stream:
        state = payment_state(said)
        if state.is_final:
            return state
    raise CallFailed(Code.UNAVAILABLE, "the stream ended before the payment did")


def payment_state(said: lnrpc.Payment) -> PaymentState:
    """Return how far a payment has come."""
    outcome = HtlcOutcome.IN_FLIGHT
    if said.status == lnrpc.Payment.SUCCEEDED:
        outcome = HtlcOutcome.SUCCEEDED
    elif said.status == lnrpc.Payment.FAILED:
        outcome = OUTCOMES.get(said.failure_reason, HtlcOutcome.ERROR)
    attempts = tuple(map(attempt, said.htlcs))
    succeeded = outcome is HtlcOutcome.SUCCEEDED
    return PaymentState(
        payment_hash=bytes.fromhex(said.payment_hash),
        outcome=outcome,
        amount_msat=Msat(said.value_msat),
        fee_msat=Msat(said.fee_msat if succeeded else 0),
        attempts=attempts,
        detail=describe(outcome, attempts),
        preimage=bytes.fromhex(said.payment_preimage) if succeeded else None,
    )


def attempt(said: lnrpc.HTLCAttempt) -> PaymentAttempt:
    """Return one HTLC of a payment."""
    outcome = {
        lnrpc.HTLCAttempt.SUCCEEDED: HtlcOutcome.SUCCEEDED,
        lnrpc.HTLCAttempt.FAILED: HtlcOutcome.FAILED_ON_ROUTE,
    }.get(said.status, HtlcOutcome.IN_FLIGHT)
    failed = said.HasField("failure")
    return PaymentAttempt(
        route=route(said.route),
        outcome=outcome,
        failure=failure_code(said.failure.code) if failed else FailureCode.NONE,
        failure_source=said.failure.failure_source_index if failed else None,
        attempted_ns=UnixNs(said.attempt_time_ns),
        resolved_ns=UnixNs(said.resolve_time_ns),
    )


def route(said: lnrpc.Route) -> PaymentRoute:
    """Return a route as LND gives it."""
    steps = tuple(
        RouteStep(
            channel_id=ChannelId(hop.chan_id),
            node_id=NodeId(hop.pub_key),
            amount_msat=Msat(hop.amt_to_forward_msat),
            fee_msat=Msat(hop.fee_msat),
            expiry_height=hop.expiry,
        )
        for hop in said.hops
    )
    return PaymentRoute(
        steps=steps,
        total_msat=Msat(said.total_amt_msat),
        fee_msat=Msat(said.total_fees_msat),
        expiry_height=said.total_time_lock,
    )


def lnd_route(given: PaymentRoute, *, payment_secret: bytes) -> lnrpc.Route:
    """Return a route as LND takes it, with what the payee needs to accept the payment."""
    hops = [
        lnrpc.Hop(
            chan_id=step.channel_id,
            pub_key=step.node_id,
            amt_to_forward_msat=step.amount_msat,
            fee_msat=step.fee_msat,
            expiry=step.expiry_height,
            tlv_payload=True,
        )
        for step in given.steps
    ]
    hops[-1].mpp_record.payment_addr = payment_secret
    hops[-1].mpp_record.total_amt_msat = given.amount_msat
    return lnrpc.Route(
        total_time_lock=given.expiry_height,
        total_amt_msat=given.total_msat,
        total_fees_msat=given.fee_msat,
        hops=hops,
    )
