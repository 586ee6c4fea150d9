"""Payments of served nodes: invoices, keysend, probes, given routes, circles, holds."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from tests.support.lnd import ALICE, BOB, CAROL, DAVE, EVE, Served, serving_lab

from lightninglens.core.bolt11 import Invoice, Network, sign
from lightninglens.core.ids import derive_secret
from lightninglens.core.units import Msat
from lightninglens.nodes.lnd.contract import invoicesrpc, lnrpc, routerrpc
from lightninglens.nodes.lnd.contract.services import Invoices, Lightning, Router
from lightninglens.nodes.lnd.server.payments import Payments

pytestmark = pytest.mark.asyncio

KEYSEND = 5_482_373_484


async def invoice(lab: Served, name: str, sat: int, **fields: Any) -> lnrpc.AddInvoiceResponse:
    request = lnrpc.Invoice(value=sat, memo="coffee", **fields)
    answer: lnrpc.AddInvoiceResponse = await lab.on(name, Lightning.AddInvoice, request)
    return answer


async def pay(lab: Served, name: str, **fields: Any) -> list[lnrpc.Payment]:
    request = routerrpc.SendPaymentRequest(**{"fee_limit_sat": 100, "timeout_seconds": 20, **fields})
    return [update async for update in lab.on(name, Router.SendPaymentV2, request)]


async def local_sat(lab: Served, name: str, peer: str) -> int:
    return int((await lab.edge(name, peer)).local_balance)


async def route_to(lab: Served, name: str, to: str, sat: int, **fields: Any) -> lnrpc.Route:
    request = lnrpc.QueryRoutesRequest(
        pub_key=lab.node(to).node_id, amt=sat, use_mission_control=True, final_cltv_delta=80, **fields
    )
    found: lnrpc.Route = (await lab.on(name, Lightning.QueryRoutes, request)).routes[0]
    return found


async def test_an_invoice_is_paid_and_both_write_it_down(lab: Served) -> None:
    added = await invoice(lab, DAVE, 5_000)
    updates = await pay(lab, ALICE, payment_request=added.payment_request)
    assert [updates[0].status, updates[-1].status] == [lnrpc.Payment.IN_FLIGHT, lnrpc.Payment.SUCCEEDED]
    paid = updates[-1]
    assert hashlib.sha256(bytes.fromhex(paid.payment_preimage)).digest() == added.r_hash
    assert paid.value_sat == 5_000
    assert paid.fee_msat > 0
    (attempt,) = paid.htlcs
    assert attempt.status == lnrpc.HTLCAttempt.SUCCEEDED
    assert attempt.route.hops[-1].pub_key == lab.node(DAVE).node_id
    assert attempt.route.hops[-1].mpp_record.payment_addr == added.payment_addr
    assert attempt.route.total_fees_msat == paid.fee_msat
    settled = await lab.on(DAVE, Lightning.LookupInvoice, lnrpc.PaymentHash(r_hash=added.r_hash))
    assert (settled.state, settled.amt_paid_sat, settled.settle_index) == (lnrpc.Invoice.SETTLED, 5_000, 1)
    assert settled.htlcs[0].amt_msat == 5_000_000
    listed = (await lab.on(ALICE, Lightning.ListPayments)).payments
    assert listed[-1] == paid


async def test_a_payment_is_made_once(lab: Served) -> None:
    added = await invoice(lab, BOB, 1_000)
    await pay(lab, ALICE, payment_request=added.payment_request)
    again = routerrpc.SendPaymentRequest(payment_request=added.payment_request, fee_limit_sat=10)
    assert await lab.refused(lab.on(ALICE, Router.SendPaymentV2, again)) == (
        "ALREADY_EXISTS",
        "invoice is already paid",
    )
    from_another = await pay(lab, EVE, payment_request=added.payment_request)
    assert from_another[-1].failure_reason == lnrpc.FAILURE_REASON_INCORRECT_PAYMENT_DETAILS


async def test_without_a_fee_limit_only_free_routes_are_taken(lab: Served) -> None:
    added = await invoice(lab, DAVE, 5_000)
    (failed,) = (await pay(lab, ALICE, payment_request=added.payment_request, fee_limit_sat=0))[-1:]
    assert (failed.status, failed.failure_reason) == (lnrpc.Payment.FAILED, lnrpc.FAILURE_REASON_NO_ROUTE)
    assert failed.payment_preimage == "00" * 32


async def test_more_than_the_node_has_is_refused_by_its_own_balance(lab: Served) -> None:
    added = await invoice(lab, DAVE, 5_000_000)
    updates = await pay(lab, ALICE, payment_request=added.payment_request)
    assert updates[-1].failure_reason == lnrpc.FAILURE_REASON_INSUFFICIENT_BALANCE


async def test_a_large_payment_is_split(lab: Served) -> None:
    added = await invoice(lab, CAROL, 900_000)
    updates = await pay(lab, ALICE, payment_request=added.payment_request, fee_limit_sat=5_000, max_parts=16)
    paid = updates[-1]
    assert paid.status == lnrpc.Payment.SUCCEEDED
    settled = [attempt for attempt in paid.htlcs if attempt.status == lnrpc.HTLCAttempt.SUCCEEDED]
    assert len(settled) > 1
    assert sum(attempt.route.hops[-1].amt_to_forward_msat for attempt in settled) == 900_000_000
    found = await lab.on(CAROL, Lightning.LookupInvoice, lnrpc.PaymentHash(r_hash=added.r_hash))
    assert found.amt_paid_msat == 900_000_000
    assert len(found.htlcs) == len(settled)


async def test_keysend_is_accepted_by_every_node(lab: Served) -> None:
    preimage = b"\x07" * 32
    fields = {
        "dest": bytes.fromhex(lab.node(CAROL).node_id),
        "amt": 777,
        "payment_hash": hashlib.sha256(preimage).digest(),
        "dest_custom_records": {KEYSEND: preimage},
    }
    updates = await pay(lab, ALICE, **fields)
    assert updates[-1].status == lnrpc.Payment.SUCCEEDED
    (received,) = (await lab.on(CAROL, Lightning.ListInvoices)).invoices
    assert received.is_keysend
    assert received.htlcs[0].custom_records[KEYSEND] == preimage


async def test_a_random_hash_is_refused_by_the_receiver_as_a_probe_wants_it(lab: Served) -> None:
    route = await route_to(lab, ALICE, DAVE, 10_000)
    before = await local_sat(lab, ALICE, BOB)
    probe = routerrpc.SendToRouteRequest(payment_hash=b"\x09" * 32, route=route)
    attempt = await lab.on(ALICE, Router.SendToRouteV2, probe)
    assert attempt.status == lnrpc.HTLCAttempt.FAILED
    assert attempt.failure.code == lnrpc.Failure.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS
    assert attempt.failure.failure_source_index == len(route.hops)
    assert attempt.failure.height > 0
    assert await local_sat(lab, ALICE, BOB) == before
    deleted = lnrpc.DeletePaymentRequest(payment_hash=b"\x09" * 32)
    await lab.on(ALICE, Lightning.DeletePayment, deleted)
    assert (await lab.refused(lab.on(ALICE, Lightning.DeletePayment, deleted)))[0] == "NOT_FOUND"


async def test_a_circle_moves_ones_own_money_at_the_price_of_the_fee(lab: Served) -> None:
    added = await invoice(lab, ALICE, 50_000)
    out, back = await lab.edge(ALICE, BOB), await lab.edge(ALICE, EVE)
    route = await route_to(
        lab,
        ALICE,
        ALICE,
        50_000,
        outgoing_chan_id=out.chan_id,
        last_hop_pubkey=bytes.fromhex(lab.node(EVE).node_id),
    )
    route.hops[-1].mpp_record.payment_addr = added.payment_addr
    route.hops[-1].mpp_record.total_amt_msat = 50_000_000
    request = routerrpc.SendToRouteRequest(payment_hash=added.r_hash, route=route)
    attempt = await lab.on(ALICE, Router.SendToRouteV2, request)
    assert attempt.status == lnrpc.HTLCAttempt.SUCCEEDED
    assert hashlib.sha256(attempt.preimage).digest() == added.r_hash
    assert await local_sat(lab, ALICE, EVE) == back.local_balance + 50_000
    moved = out.local_balance - await local_sat(lab, ALICE, BOB)
    assert moved == pytest.approx(50_000 + route.total_fees_msat / 1000, abs=1.01)
    earned = await lab.on(BOB, Lightning.ForwardingHistory)
    assert [event.amt_out for event in earned.forwarding_events] == [50_001]
    found = await lab.on(ALICE, Lightning.LookupInvoice, lnrpc.PaymentHash(r_hash=added.r_hash))
    assert found.state == lnrpc.Invoice.SETTLED


async def test_paying_oneself_needs_leave(lab: Served) -> None:
    added = await invoice(lab, ALICE, 1_000)
    request = routerrpc.SendPaymentRequest(payment_request=added.payment_request, fee_limit_sat=10)
    assert await lab.refused(lab.on(ALICE, Router.SendPaymentV2, request)) == ("UNKNOWN", "self-payments not allowed")
    out = (await lab.edge(ALICE, BOB)).chan_id
    updates = await pay(
        lab,
        ALICE,
        payment_request=added.payment_request,
        allow_self_payment=True,
        outgoing_chan_ids=[out],
        last_hop_pubkey=bytes.fromhex(lab.node(EVE).node_id),
    )
    assert updates[-1].status == lnrpc.Payment.SUCCEEDED
    assert updates[-1].htlcs[0].route.hops[0].chan_id == out


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"amt": 0, "payment_hash": bytes(32)}, ("UNKNOWN", "amount must be specified")),
        (
            {"amt_msat": 2**63 - 1, "payment_hash": bytes(32)},
            ("UNKNOWN", f"payment amount {2**63 - 1} mSAT exceeds maximum possible payment amount"),
        ),
        ({"amt": -1, "payment_hash": bytes(32)}, ("UNKNOWN", "amount cannot be negative")),
        (
            {"amt": 1, "amt_msat": 1, "payment_hash": bytes(32)},
            ("UNKNOWN", "sat and msat arguments are mutually exclusive"),
        ),
        ({"amt": 1, "payment_hash": bytes(31)}, ("UNKNOWN", "invalid hash length of 31, want 32")),
        (
            {"amt": 1, "payment_hash": bytes(32), "cltv_limit": 9_999},
            ("UNKNOWN", "total time lock of 9999 exceeds max allowed 2016"),
        ),
    ],
)
async def test_what_lnd_does_not_pay_is_refused(lab: Served, fields: dict[str, Any], answer: tuple[str, str]) -> None:
    request = routerrpc.SendPaymentRequest(dest=bytes.fromhex(lab.node(BOB).node_id), **fields)
    assert await lab.refused(lab.on(ALICE, Router.SendPaymentV2, request)) == answer
    assert not (
        await lab.on(ALICE, Lightning.ListPayments, lnrpc.ListPaymentsRequest(include_incomplete=True))
    ).payments


async def test_an_invoice_of_another_network_is_refused(lab: Served) -> None:
    foreign = Invoice(
        network=Network.MAINNET,
        timestamp_s=1_800_000_000,
        payment_hash=bytes(range(32)),
        payment_secret=bytes(32),
        amount_msat=Msat(1_000),
        description="x",
    )
    request = sign(foreign, derive_secret(1, BOB)).text
    answer = ("UNKNOWN", "invoice not for current active network 'regtest'")
    assert await lab.refused(lab.on(ALICE, Lightning.DecodePayReq, lnrpc.PayReqString(pay_req=request))) == answer
    paying = routerrpc.SendPaymentRequest(payment_request=request)
    assert await lab.refused(lab.on(ALICE, Router.SendPaymentV2, paying)) == answer
    old = replace(foreign, network=Network.REGTEST, timestamp_s=1_500_000_000)
    expired = routerrpc.SendPaymentRequest(payment_request=sign(old, derive_secret(1, BOB)).text)
    code, text = await lab.refused(lab.on(ALICE, Router.SendPaymentV2, expired))
    assert (code, text) == ("UNKNOWN", f"invoice expired. Valid until {1_500_000_000 + 3_600}")


async def test_a_payment_request_is_decoded(lab: Served) -> None:
    added = await invoice(lab, BOB, 1_234, cltv_expiry=40, expiry=600)
    found = await lab.on(ALICE, Lightning.DecodePayReq, lnrpc.PayReqString(pay_req=added.payment_request))
    assert (found.destination, found.num_satoshis) == (lab.node(BOB).node_id, 1_234)
    assert (found.cltv_expiry, found.expiry, found.description) == (40, 600, "coffee")
    assert found.payment_addr == added.payment_addr
    assert found.features[17].name == "multi-path-payments"
    paid = await pay(lab, ALICE, payment_request=added.payment_request)
    assert paid[-1].status == lnrpc.Payment.SUCCEEDED
    wrong = lnrpc.PayReqString(pay_req=added.payment_request[:-1])
    assert (await lab.refused(lab.on(ALICE, Lightning.DecodePayReq, wrong)))[0] == "UNKNOWN"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"memo": "x" * 640}, "memo too large: 640 bytes (maxsize=639)"),
        ({"value": -1}, "amount cannot be negative"),
        ({"value": 1, "value_msat": 1}, "sat and msat arguments are mutually exclusive"),
        ({"value_msat": 2**63 - 1}, f"invoice amount {2**63 - 1} mSAT is more than all bitcoin there will be"),
        ({"expiry": -1}, "expiry of invoice must be positive"),
        ({"cltv_expiry": 5}, "CLTV delta of 5 must be greater than minimum of 18"),
        ({"r_preimage": b"1"}, "invalid preimage length of 1, want 32"),
    ],
)
async def test_an_invoice_that_cannot_be_is_refused(lab: Served, fields: dict[str, Any], text: str) -> None:
    assert await lab.refused(lab.on(ALICE, Lightning.AddInvoice, lnrpc.Invoice(**fields))) == ("UNKNOWN", text)


async def test_an_invoice_for_any_amount_is_paid_what_the_payer_says(lab: Served) -> None:
    added = await invoice(lab, BOB, 0)
    request = routerrpc.SendPaymentRequest(payment_request=added.payment_request, fee_limit_sat=10)
    assert (await lab.refused(lab.on(ALICE, Router.SendPaymentV2, request)))[1] == (
        "amount must be specified when paying a zero amount invoice"
    )
    updates = await pay(lab, ALICE, payment_request=added.payment_request, amt=432)
    assert updates[-1].value_sat == 432


async def test_invoices_are_told_as_they_are_added_and_settled(lab: Served) -> None:
    first = await invoice(lab, BOB, 10)
    stream = lab.on(BOB, Lightning.SubscribeInvoices, lnrpc.InvoiceSubscription())
    single = lab.on(
        BOB, Invoices.SubscribeSingleInvoice, invoicesrpc.SubscribeSingleInvoiceRequest(r_hash=first.r_hash)
    )
    await lab.on(BOB, Lightning.GetInfo)
    second = await invoice(lab, BOB, 20)
    await pay(lab, ALICE, payment_request=first.payment_request)
    told = []
    async for news in stream:
        told.append((news.r_hash, news.state))
        if len(told) == 2:
            break
    assert told == [(second.r_hash, lnrpc.Invoice.OPEN), (first.r_hash, lnrpc.Invoice.SETTLED)]
    assert [news.state async for news in single] == [lnrpc.Invoice.OPEN, lnrpc.Invoice.SETTLED]
    again = lab.on(BOB, Lightning.SubscribeInvoices, lnrpc.InvoiceSubscription(add_index=1))
    async for news in again:
        assert news.r_hash == second.r_hash
        break
    page = await lab.on(BOB, Lightning.ListInvoices, lnrpc.ListInvoiceRequest(num_max_invoices=1, reversed=True))
    assert (page.first_index_offset, page.last_index_offset) == (2, 2)


async def held(lab: Served, r_hash: bytes) -> None:
    """Wait until a hold invoice has its amount."""
    async with asyncio.timeout(20):
        request = invoicesrpc.SubscribeSingleInvoiceRequest(r_hash=r_hash)
        async for news in lab.on(CAROL, Invoices.SubscribeSingleInvoice, request):
            if news.state == lnrpc.Invoice.ACCEPTED:
                return


async def test_a_hold_invoice_waits_for_its_owner(lab: Served) -> None:
    for preimage, settles in ((b"\x01" * 32, True), (b"\x02" * 32, False)):
        r_hash = hashlib.sha256(preimage).digest()
        request = invoicesrpc.AddHoldInvoiceRequest(hash=r_hash, value=3_000)
        added = await lab.on(CAROL, Invoices.AddHoldInvoice, request)
        early = invoicesrpc.SettleInvoiceMsg(preimage=preimage)
        assert (await lab.refused(lab.on(CAROL, Invoices.SettleInvoice, early)))[1] == "invoice still open"
        paying = asyncio.create_task(pay(lab, ALICE, payment_request=added.payment_request))
        await held(lab, r_hash)
        if settles:
            await lab.on(CAROL, Invoices.SettleInvoice, early)
            paid = (await paying)[-1]
            assert (paid.status, paid.payment_preimage) == (lnrpc.Payment.SUCCEEDED, preimage.hex())
        else:
            cancelling = invoicesrpc.CancelInvoiceMsg(payment_hash=r_hash)
            await asyncio.gather(*(lab.on(CAROL, Invoices.CancelInvoice, cancelling) for _ in range(3)))
            assert (await paying)[-1].status == lnrpc.Payment.FAILED
        found = await lab.on(CAROL, Lightning.LookupInvoice, lnrpc.PaymentHash(r_hash=r_hash))
        assert found.state == (lnrpc.Invoice.SETTLED if settles else lnrpc.Invoice.CANCELED)


async def test_a_payment_is_tracked(lab: Served) -> None:
    added = await invoice(lab, BOB, 100)
    unknown = routerrpc.TrackPaymentRequest(payment_hash=added.r_hash)
    assert await lab.refused(lab.on(ALICE, Router.TrackPaymentV2, unknown)) == ("NOT_FOUND", "payment isn't initiated")
    tracking = lab.on(ALICE, Router.TrackPayments, routerrpc.TrackPaymentsRequest(no_inflight_updates=True))
    await lab.on(ALICE, Lightning.GetInfo)
    await pay(lab, ALICE, payment_request=added.payment_request)
    updates = [update async for update in lab.on(ALICE, Router.TrackPaymentV2, unknown)]
    assert [update.status for update in updates] == [lnrpc.Payment.SUCCEEDED]
    async for update in tracking:
        assert update == updates[0]
        break


async def test_a_payment_goes_on_when_its_payer_hangs_up_at_the_first_news(lab: Served) -> None:
    added = await invoice(lab, CAROL, 100)
    payer = lab.node(ALICE)
    request = routerrpc.SendPaymentRequest(payment_request=added.payment_request)
    news = cast("AsyncGenerator[lnrpc.Payment, None]", Payments(lab.network, payer).send_payment(request))
    assert (await anext(news)).status == lnrpc.Payment.IN_FLIGHT
    await news.aclose()
    assert not payer.payment_hub.is_heard
    tracked = routerrpc.TrackPaymentRequest(payment_hash=added.r_hash, no_inflight_updates=True)
    updates = [update.status async for update in lab.on(ALICE, Router.TrackPaymentV2, tracked)]
    assert updates == [lnrpc.Payment.SUCCEEDED]


async def test_a_given_route_is_tried_to_its_end_when_its_payer_hangs_up(lab: Served) -> None:
    payer, payment_hash = lab.node(ALICE), b"\x08" * 32
    route = await route_to(lab, ALICE, DAVE, 1_000)
    request = routerrpc.SendToRouteRequest(payment_hash=payment_hash, route=route)
    call = asyncio.create_task(Payments(lab.network, payer).send_to_route(request))
    while (payment := payer.payments.find(payment_hash)) is None or not payment.attempts:  # noqa: ASYNC110 - a record tells nobody
        await asyncio.sleep(0)
    call.cancel()
    tracked = routerrpc.TrackPaymentRequest(payment_hash=payment_hash, no_inflight_updates=True)
    updates = [update.status async for update in lab.on(ALICE, Router.TrackPaymentV2, tracked)]
    assert updates == [lnrpc.Payment.FAILED]


async def test_a_failure_on_the_way_says_where_and_brings_the_policy(lab: Served) -> None:
    route = await route_to(lab, ALICE, DAVE, 10_000)
    route.total_amt_msat -= 900
    for place in range(len(route.hops) - 1):
        route.hops[place].amt_to_forward_msat -= 900 if place else 0
    request = routerrpc.SendToRouteRequest(payment_hash=b"\x05" * 32, route=route)
    attempt = await lab.on(ALICE, Router.SendToRouteV2, request)
    assert attempt.failure.code == lnrpc.Failure.FEE_INSUFFICIENT
    assert attempt.failure.failure_source_index == 1
    assert attempt.failure.channel_update.base_fee == 1_000
    assert attempt.failure.channel_update.chan_id == route.hops[1].chan_id


async def test_a_route_over_a_channel_that_is_not_there_fails_at_its_node(lab: Served) -> None:
    route = await route_to(lab, ALICE, DAVE, 10_000)
    route.hops[1].chan_id = 5
    request = routerrpc.SendToRouteRequest(payment_hash=b"\x06" * 32, route=route)
    attempt = await lab.on(ALICE, Router.SendToRouteV2, request)
    assert (attempt.failure.code, attempt.failure.failure_source_index) == (lnrpc.Failure.UNKNOWN_NEXT_PEER, 1)
    empty = routerrpc.SendToRouteRequest(payment_hash=bytes(32))
    assert (await lab.refused(lab.on(ALICE, Router.SendToRouteV2, empty)))[1] == "unable to send, no routes provided"


async def test_routes_are_narrowed_as_asked(lab: Served) -> None:
    straight = await route_to(lab, ALICE, CAROL, 1_000)
    assert [hop.pub_key for hop in straight.hops] == [lab.node(CAROL).node_id]
    out = (await lab.edge(ALICE, EVE)).chan_id
    for fields in ({"outgoing_chan_id": out}, {"outgoing_chan_ids": [out]}):
        by_eve = await route_to(lab, ALICE, CAROL, 1_000, **fields)
        assert by_eve.hops[0].chan_id == out
    pair = lnrpc.NodePair(
        **{"from": bytes.fromhex(lab.node(ALICE).node_id), "to": bytes.fromhex(lab.node(CAROL).node_id)}
    )
    around = await route_to(lab, ALICE, CAROL, 1_000, ignored_pairs=[pair])
    assert len(around.hops) == 2
    cheap = lnrpc.QueryRoutesRequest(pub_key=lab.node(DAVE).node_id, amt=1_000, fee_limit=lnrpc.FeeLimit(fixed_msat=1))
    nothing = ("UNKNOWN", "unable to find a path to destination")
    assert await lab.refused(lab.on(ALICE, Lightning.QueryRoutes, cheap)) == nothing
    rich = lnrpc.QueryRoutesRequest(pub_key=lab.node(DAVE).node_id, amt=9_000_000)
    assert await lab.refused(lab.on(ALICE, Lightning.QueryRoutes, rich)) == ("UNKNOWN", "insufficient local balance")
    nobody = lnrpc.QueryRoutesRequest(pub_key="02" + "11" * 32, amt=1)
    assert await lab.refused(lab.on(ALICE, Lightning.QueryRoutes, nobody)) == nothing
    certain = await lab.on(
        ALICE, Lightning.QueryRoutes, lnrpc.QueryRoutesRequest(pub_key=lab.node(DAVE).node_id, amt=1_000)
    )
    assert certain.success_prob == 1.0


async def test_0_21_does_not_read_the_field_that_it_removed(tmp_path: Path) -> None:
    async with serving_lab(tmp_path, version="0.21") as lab:
        out = (await lab.edge(ALICE, EVE)).chan_id
        assert (await route_to(lab, ALICE, CAROL, 1_000, outgoing_chan_id=out)).hops[0].chan_id != out


async def test_a_route_is_built_along_given_nodes(lab: Served) -> None:
    hops = [bytes.fromhex(lab.node(name).node_id) for name in (BOB, CAROL, DAVE)]
    request = routerrpc.BuildRouteRequest(amt_msat=1_000_000, hop_pubkeys=hops, final_cltv_delta=80)
    built = (await lab.on(ALICE, Router.BuildRoute, request)).route
    assert [hop.pub_key for hop in built.hops] == [key.hex() for key in hops]
    assert built.total_fees_msat == 2 * 1_000 + 1 + 1
    probe = routerrpc.SendToRouteRequest(payment_hash=b"\x0a" * 32, route=built)
    attempt = await lab.on(ALICE, Router.SendToRouteV2, probe)
    assert attempt.failure.code == lnrpc.Failure.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS
    least = routerrpc.BuildRouteRequest(hop_pubkeys=hops)
    assert (await lab.on(ALICE, Router.BuildRoute, least)).route.hops[-1].amt_to_forward_msat == 1_000
    gap = routerrpc.BuildRouteRequest(amt_msat=1_000, hop_pubkeys=[hops[2]])
    assert (await lab.refused(lab.on(ALICE, Router.BuildRoute, gap)))[1] == (
        "no matching outgoing channel available for node index 0"
    )


async def test_a_fee_is_estimated_without_paying(lab: Served) -> None:
    request = routerrpc.RouteFeeRequest(dest=bytes.fromhex(lab.node(DAVE).node_id), amt_sat=1_000)
    found = await lab.on(ALICE, Router.EstimateRouteFee, request)
    assert found.routing_fee_msat == 1_001
    assert found.time_lock_delay == 160


async def test_mission_control_learns_is_told_and_forgets(lab: Served) -> None:
    added = await invoice(lab, DAVE, 5_000)
    await pay(lab, ALICE, payment_request=added.payment_request)
    pairs = (await lab.on(ALICE, Router.QueryMissionControl)).pairs
    assert {pair.history.success_amt_sat for pair in pairs} >= {5_000}
    asked = routerrpc.QueryProbabilityRequest(from_node=pairs[-1].node_from, to_node=pairs[-1].node_to, amt_msat=1_000)
    assert (await lab.on(ALICE, Router.QueryProbability, asked)).probability == pytest.approx(0.95)
    await lab.on(ALICE, Router.ResetMissionControl)
    assert not (await lab.on(ALICE, Router.QueryMissionControl)).pairs
    assert (await lab.on(ALICE, Router.QueryProbability, asked)).probability == pytest.approx(0.6)
    await lab.on(ALICE, Router.XImportMissionControl, routerrpc.XImportMissionControlRequest(pairs=pairs))
    again = (await lab.on(ALICE, Router.QueryMissionControl)).pairs
    assert [pair.history.success_amt_msat for pair in again] == [pair.history.success_amt_msat for pair in pairs]
    assert (await lab.refused(lab.on(ALICE, Router.XImportMissionControl)))[1] == (
        "at least one pair required for import"
    )


async def test_the_estimator_is_read_and_set(lab: Served) -> None:
    config = (await lab.on(ALICE, Router.GetMissionControlConfig)).config
    assert (config.model, config.apriori.hop_probability) == (routerrpc.MissionControlConfig.APRIORI, 0.6)
    bimodal = routerrpc.MissionControlConfig(
        model=routerrpc.MissionControlConfig.BIMODAL,
        minimum_failure_relax_interval=60,
        bimodal=routerrpc.BimodalParameters(node_weight=0.3, scale_msat=300_000_000, decay_time=604_800),
    )
    await lab.on(ALICE, Router.SetMissionControlConfig, routerrpc.SetMissionControlConfigRequest(config=bimodal))
    assert (await lab.on(ALICE, Router.GetMissionControlConfig)).config.bimodal.node_weight == 0.3
    added = await invoice(lab, DAVE, 5_000)
    assert (await pay(lab, ALICE, payment_request=added.payment_request))[-1].status == lnrpc.Payment.SUCCEEDED
    bimodal.ClearField("bimodal")
    request = routerrpc.SetMissionControlConfigRequest(config=bimodal)
    assert (await lab.refused(lab.on(ALICE, Router.SetMissionControlConfig, request)))[1] == (
        "bimodal estimator requested but corresponding config not set"
    )
