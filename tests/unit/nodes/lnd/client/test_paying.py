"""Payments and rebalances: what is sent, what is refused unsent, and what is done when a stream breaks."""

import dataclasses
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from tests.support.lnd_stand_in import NODE_ID, SECRET, Failing, StandIn, get_info, stand_in

from lightninglens.core.bolt11 import Invoice, Network, SignedInvoice, sign
from lightninglens.core.clock import SystemClock
from lightninglens.core.errors import DataError, NodeRefused, NodeUnavailable
from lightninglens.core.htlc import FailureCode, HtlcOutcome
from lightninglens.core.ids import ChannelId, derive_node_id, derive_secret
from lightninglens.core.payments import InvoiceRequest, KeysendOrder, RouteQuestion, SendOrder
from lightninglens.core.records import RebalanceChange
from lightninglens.core.units import NS_PER_SECOND, Msat
from lightninglens.nodes.lnd.client import LndPayer, LndRebalancer, Role
from lightninglens.nodes.lnd.client import outgoing as outgoing_module
from lightninglens.nodes.lnd.client.roles import permissions
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.contract.services import Invoices, Lightning, Router
from lightninglens.nodes.orders import KEYSEND_RECORD

pytestmark = pytest.mark.asyncio
PREIMAGE = bytes(range(32))
HASH = hashlib.sha256(PREIMAGE).digest()
PEER_A, PEER_B = derive_node_id(1, "a"), derive_node_id(1, "b")
OUT, BACK, TWIN = ChannelId.of(1, 1, 1), ChannelId.of(2, 2, 2), ChannelId.of(3, 3, 3)
AMOUNT = Msat(50_000_000)


def make_invoice(
    secret: bytes = SECRET, *, amount: int | None = AMOUNT, network: Network = Network.REGTEST, age_s: int = 0
) -> SignedInvoice:
    now_s = SystemClock().now_ns() // NS_PER_SECOND - age_s
    given = Invoice(
        network=network,
        timestamp_s=now_s,
        payment_hash=HASH,
        payment_secret=bytes(32),
        amount_msat=None if amount is None else Msat(amount),
        description="x",
    )
    return sign(given, secret)


def payment(status: int, **more: Any) -> lnrpc.Payment:
    return lnrpc.Payment(
        payment_hash=HASH.hex(),
        payment_preimage=PREIMAGE.hex() if status == lnrpc.Payment.SUCCEEDED else bytes(32).hex(),
        value_msat=AMOUNT,
        fee_msat=2_000,
        status=status,  # type: ignore[arg-type]
        **more,
    )


IN_FLIGHT, SUCCEEDED = payment(lnrpc.Payment.IN_FLIGHT), payment(lnrpc.Payment.SUCCEEDED)


def change(**changed: Any) -> RebalanceChange:
    given: dict[str, Any] = {
        "node_id": NODE_ID,
        "outgoing_channel_id": OUT,
        "incoming_channel_id": BACK,
        "amount_msat": AMOUNT,
        "max_fee_msat": Msat(5_000),
        "previous_local_msat": Msat(0),
        "reason": "test",
    }
    return RebalanceChange(**(given | changed))


@pytest_asyncio.fixture
async def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    monkeypatch.setattr(outgoing_module, "RETRY_S", 0.01)
    async with stand_in(tmp_path / "lnd") as made:
        for role in (Role.PAYMENTS, Role.REBALANCE):
            made.bake(f"lens-{role}.macaroon", permissions(role))
        made.answers[Lightning.ListChannels.path] = lnrpc.ListChannelsResponse(
            channels=[
                lnrpc.Channel(chan_id=OUT, remote_pubkey=PEER_A),
                lnrpc.Channel(chan_id=BACK, remote_pubkey=PEER_B),
                lnrpc.Channel(chan_id=TWIN, remote_pubkey=PEER_A),
            ]
        )
        made.answers[Lightning.AddInvoice.path] = lnrpc.AddInvoiceResponse(
            r_hash=HASH, payment_request=make_invoice().text
        )
        made.answers[Invoices.CancelInvoice.path] = Invoices.CancelInvoice.response()
        made.answers[Router.SendPaymentV2.path] = [IN_FLIGHT, SUCCEEDED]
        yield made


async def test_a_rebalance_pays_its_own_invoice_in_a_circle_with_every_limit_set(node: StandIn) -> None:
    async with LndRebalancer.at(node.options()) as rebalancer:
        outcome = await rebalancer.rebalance(change())
    assert (outcome.succeeded, outcome.moved_msat, outcome.fee_msat) == (True, AMOUNT, 2_000)
    (sent,) = node.questions(Router.SendPaymentV2)
    assert sent.payment_request == node.answers[Lightning.AddInvoice.path].payment_request
    assert list(sent.outgoing_chan_ids) == [OUT]
    assert sent.last_hop_pubkey.hex() == PEER_B
    assert (sent.allow_self_payment, sent.fee_limit_msat, sent.timeout_seconds, sent.max_parts) == (True, 5_000, 60, 1)
    assert node.questions(Invoices.CancelInvoice) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"node_id": PEER_A},
        {"outgoing_channel_id": ChannelId(9)},
        {"incoming_channel_id": ChannelId(9)},
        {"incoming_channel_id": TWIN},
    ],
    ids=["another node", "no such way out", "no such way in", "the same peer"],
)
async def test_what_is_no_circle_is_refused_before_an_invoice_is_made(node: StandIn, wrong: dict[str, Any]) -> None:
    async with LndRebalancer.at(node.options()) as rebalancer:
        with pytest.raises(NodeRefused):
            await rebalancer.rebalance(change(**wrong))
    assert node.questions(Lightning.AddInvoice) == []
    assert node.questions(Router.SendPaymentV2) == []


@pytest.mark.parametrize(
    ("text", "payment_hash"),
    [
        (make_invoice(derive_secret(2, "somebody")).text, HASH),
        (make_invoice(amount=AMOUNT + 1).text, HASH),
        (make_invoice().text, bytes(32)),
        ("lnbc1nonsense", HASH),
    ],
    ids=["of somebody else", "of another amount", "of another hash", "none at all"],
)
async def test_an_invoice_that_is_not_exactly_ours_is_not_paid(node: StandIn, text: str, payment_hash: bytes) -> None:
    node.answers[Lightning.AddInvoice.path] = lnrpc.AddInvoiceResponse(r_hash=payment_hash, payment_request=text)
    async with LndRebalancer.at(node.options()) as rebalancer:
        with pytest.raises(NodeRefused, match="nothing was sent"):
            await rebalancer.rebalance(change())
    assert node.questions(Router.SendPaymentV2) == []


async def test_a_rebalance_that_fails_is_an_outcome_and_its_invoice_is_withdrawn(node: StandIn) -> None:
    failed = payment(lnrpc.Payment.FAILED, failure_reason=lnrpc.FAILURE_REASON_NO_ROUTE)
    node.answers[Router.SendPaymentV2.path] = [failed]
    async with LndRebalancer.at(node.options()) as rebalancer:
        outcome = await rebalancer.rebalance(change())
    assert (outcome.succeeded, outcome.moved_msat, outcome.fee_msat) == (False, 0, 0)
    assert "no route" in outcome.detail
    assert [each.payment_hash for each in node.questions(Invoices.CancelInvoice)] == [HASH]


async def test_a_node_that_is_not_synced_rebalances_nothing(node: StandIn) -> None:
    node.answers[Lightning.GetInfo.path] = get_info(synced_to_chain=False)
    async with LndRebalancer.at(node.options()) as rebalancer:
        with pytest.raises(NodeUnavailable, match="not synced"):
            await rebalancer.rebalance(change())
    assert node.questions(Lightning.AddInvoice) == []


async def broken_stream(_request: object) -> AsyncIterator[lnrpc.Payment]:
    yield IN_FLIGHT
    raise Failing(grpc.StatusCode.UNAVAILABLE, "gone")


async def ended_stream(_request: object) -> AsyncIterator[lnrpc.Payment]:
    yield IN_FLIGHT


async def stopped_node(_request: object) -> AsyncIterator[lnrpc.Payment]:
    yield IN_FLIGHT
    raise Failing(grpc.StatusCode.UNKNOWN, "routerrpc server shutting down")


@pytest.mark.parametrize("broken", [broken_stream, ended_stream, stopped_node])
async def test_a_payment_whose_stream_breaks_is_tracked_and_never_sent_again(node: StandIn, broken: Any) -> None:
    attempts = []

    async def tracked(request: Any) -> AsyncIterator[lnrpc.Payment]:
        attempts.append(request.payment_hash)
        if len(attempts) < 3:
            raise Failing(grpc.StatusCode.UNAVAILABLE, "still away")
        yield SUCCEEDED

    node.answers[Router.SendPaymentV2.path] = broken
    node.answers[Router.TrackPaymentV2.path] = tracked
    async with LndPayer.at(node.options()) as payer:
        state = await payer.send(SendOrder(invoice=make_invoice(), max_fee_msat=Msat(1_000)))
    assert state.outcome is HtlcOutcome.SUCCEEDED
    assert attempts == [HASH] * 3
    assert len(node.questions(Router.SendPaymentV2)) == 1


async def test_a_payment_that_the_node_never_began_is_told_so(node: StandIn) -> None:
    async def unknown(request: Any) -> AsyncIterator[lnrpc.Payment]:
        if request.payment_hash:
            raise Failing(grpc.StatusCode.NOT_FOUND, "payment isn't initiated")
        yield SUCCEEDED

    node.answers[Router.SendPaymentV2.path] = broken_stream
    node.answers[Router.TrackPaymentV2.path] = unknown
    async with LndPayer.at(node.options()) as payer:
        with pytest.raises(NodeUnavailable, match="before the node began"):
            await payer.send(SendOrder(invoice=make_invoice(), max_fee_msat=Msat(1_000)))
        assert await payer.track(HASH) is None
    assert len(node.questions(Router.SendPaymentV2)) == 1


async def test_a_payment_that_hangs_is_unknown_and_not_failed(node: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    async def hanging(_request: object) -> AsyncIterator[lnrpc.Payment]:
        yield IN_FLIGHT
        await asyncio.sleep(30)

    node.answers[Router.SendPaymentV2.path] = hanging
    monkeypatch.setattr(outgoing_module.send_and_follow, "__kwdefaults__", {"patience_s": 0.2})
    async with LndPayer.at(node.options()) as payer:
        with pytest.raises(NodeUnavailable, match="may still succeed or fail"):
            await payer.send(SendOrder(invoice=make_invoice(), max_fee_msat=Msat(1_000), timeout_s=0))


async def test_what_lnd_has_paid_it_refuses_and_so_do_we(node: StandIn) -> None:
    async def paid(request: Any) -> AsyncIterator[lnrpc.Payment]:
        if request.payment_request:
            raise Failing(grpc.StatusCode.ALREADY_EXISTS, "invoice is already paid")
        yield SUCCEEDED

    node.answers[Router.SendPaymentV2.path] = paid
    async with LndPayer.at(node.options()) as payer:
        with pytest.raises(NodeRefused, match="already paid"):
            await payer.send(SendOrder(invoice=make_invoice(), max_fee_msat=Msat(1_000)))


@pytest.mark.parametrize(
    ("invoice", "amount", "kind", "words"),
    [
        (make_invoice(network=Network.MAINNET), None, DataError, "of mainnet"),
        (make_invoice(age_s=7_200), None, NodeRefused, "expired"),
        (make_invoice(amount=None), None, NodeRefused, "no amount"),
        (make_invoice(amount=None), 0, NodeRefused, "no amount"),
        (make_invoice(amount=None), 2**63, NodeRefused, "no amount"),
        (make_invoice(), AMOUNT + 1, NodeRefused, "names its amount"),
    ],
    ids=["network", "expired", "no amount", "zero", "2^63", "another amount"],
)
async def test_an_invoice_that_cannot_be_paid_like_this_is_refused_unsent(
    node: StandIn, invoice: SignedInvoice, amount: int | None, kind: type[Exception], words: str
) -> None:
    order = SendOrder(invoice=invoice, max_fee_msat=Msat(1_000), amount_msat=None if amount is None else Msat(amount))
    async with LndPayer.at(node.options()) as payer:
        with pytest.raises(kind, match=words):
            await payer.send(order)
    assert node.questions(Router.SendPaymentV2) == []


async def test_an_invoice_is_made_and_read(node: StandIn) -> None:
    async with LndPayer.at(node.options()) as payer:
        made = await payer.create_invoice(InvoiceRequest(amount_msat=AMOUNT, description="coffee", expiry_s=60))
        assert made == make_invoice() or made.payment_hash == HASH
    (asked,) = node.questions(Lightning.AddInvoice)
    assert (asked.memo, asked.value_msat, asked.expiry) == ("coffee", AMOUNT, 60)


async def test_a_keysend_carries_its_preimage_and_shows_it_to_nobody(node: StandIn) -> None:
    async with LndPayer.at(node.options()) as payer:
        await payer.keysend(KeysendOrder(payee=PEER_A, amount_msat=Msat(7_000), max_fee_msat=Msat(10)))
        for wrong in (0, -1, 2**63):
            with pytest.raises(NodeRefused):
                await payer.keysend(KeysendOrder(payee=PEER_A, amount_msat=Msat(wrong), max_fee_msat=Msat(10)))
    (sent,) = node.questions(Router.SendPaymentV2)
    assert hashlib.sha256(sent.dest_custom_records[KEYSEND_RECORD]).digest() == sent.payment_hash


def lnd_route() -> lnrpc.Route:
    hop = {"amt_to_forward_msat": AMOUNT, "expiry": 100}
    return lnrpc.Route(
        total_time_lock=140,
        total_amt_msat=AMOUNT + 1_050,
        total_fees_msat=1_050,
        hops=[
            lnrpc.Hop(chan_id=OUT, pub_key=PEER_A, fee_msat=1_050, **hop),  # type: ignore[arg-type]
            lnrpc.Hop(chan_id=BACK, pub_key=PEER_B, **hop),  # type: ignore[arg-type]
        ],
    )


QUESTION = RouteQuestion(payee=PEER_B, amount_msat=AMOUNT, max_fee_msat=Msat(2_000), outgoing_channel_ids=(OUT,))


@pytest.mark.parametrize(
    ("version", "one", "several"), [("0.19.3-beta", OUT, []), ("0.20.0-beta", 0, [OUT]), ("odd", 0, [OUT])]
)
async def test_a_route_is_asked_for_with_the_field_that_the_version_has(
    node: StandIn, version: str, one: int, several: list[int]
) -> None:
    node.answers[Lightning.GetInfo.path] = get_info(version=version)
    node.answers[Lightning.QueryRoutes.path] = lnrpc.QueryRoutesResponse(routes=[lnd_route()], success_prob=0.7)
    async with LndPayer.at(node.options()) as payer:
        found = await payer.find_route(QUESTION)
        if one:
            with pytest.raises(NodeRefused, match="out of one channel or any"):
                await payer.find_route(dataclasses.replace(QUESTION, outgoing_channel_ids=(OUT, BACK)))
    assert found is not None
    assert (found.probability, found.route.fee_msat, found.route.amount_msat) == (0.7, 1_050, AMOUNT)
    asked = node.questions(Lightning.QueryRoutes)[0]
    assert (asked.outgoing_chan_id, list(asked.outgoing_chan_ids)) == (one, several)


async def test_no_route_is_an_answer(node: StandIn) -> None:
    async def none(_request: object) -> None:
        raise Failing(grpc.StatusCode.UNKNOWN, "unable to find a path to destination")

    node.answers[Lightning.QueryRoutes.path] = none
    async with LndPayer.at(node.options()) as payer:
        assert await payer.find_route(QUESTION) is None
        result = await payer.probe(QUESTION)
    assert not result.reachable
    assert result.detail == "no route is left"


async def test_a_probe_goes_on_until_the_payee_itself_refuses(node: StandIn) -> None:
    codes = [lnrpc.Failure.TEMPORARY_CHANNEL_FAILURE, lnrpc.Failure.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS]

    async def attempt(request: Any) -> lnrpc.HTLCAttempt:
        code = codes.pop(0)
        return lnrpc.HTLCAttempt(
            status=lnrpc.HTLCAttempt.FAILED,
            route=request.route,
            failure=lnrpc.Failure(code=code, failure_source_index=1),
        )

    node.answers[Lightning.QueryRoutes.path] = lnrpc.QueryRoutesResponse(routes=[lnd_route()])
    node.answers[Router.SendToRouteV2.path] = attempt
    async with LndPayer.at(node.options()) as payer:
        result = await payer.probe(QUESTION)
    assert (result.reachable, result.fee_msat) == (True, 1_050)
    assert [each.failure for each in result.attempts] == [
        FailureCode.TEMPORARY_CHANNEL_FAILURE,
        FailureCode.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS,
    ]
    sent = node.questions(Router.SendToRouteV2)
    assert len({each.payment_hash for each in sent}) == 2
    assert sent[0].route.hops[-1].mpp_record.total_amt_msat == AMOUNT


async def test_a_route_that_does_not_fit_the_invoice_is_refused_unsent(node: StandIn) -> None:
    node.answers[Lightning.QueryRoutes.path] = lnrpc.QueryRoutesResponse(routes=[lnd_route()])
    async with LndPayer.at(node.options()) as payer:
        found = await payer.find_route(QUESTION)
        assert found is not None
        with pytest.raises(NodeRefused, match="does not lead to"):
            await payer.send_along(found.route, make_invoice())
        other = make_invoice(derive_secret(1, "b"), amount=AMOUNT + 1)
        with pytest.raises(NodeRefused, match="another amount"):
            await payer.send_along(found.route, other)
    assert node.questions(Router.SendToRouteV2) == []


async def test_a_payment_along_a_route_says_how_it_ended(node: StandIn) -> None:
    async def failed(request: Any) -> lnrpc.HTLCAttempt:
        failure = lnrpc.Failure(code=lnrpc.Failure.FEE_INSUFFICIENT, failure_source_index=1)
        return lnrpc.HTLCAttempt(status=lnrpc.HTLCAttempt.FAILED, route=request.route, failure=failure)

    async def lost(_request: object) -> None:
        raise Failing(grpc.StatusCode.UNAVAILABLE, "gone")

    node.answers[Lightning.QueryRoutes.path] = lnrpc.QueryRoutesResponse(routes=[lnd_route()])
    invoice = make_invoice(derive_secret(1, "b"))
    async with LndPayer.at(node.options()) as payer:
        found = await payer.find_route(QUESTION)
        assert found is not None
        node.answers[Router.SendToRouteV2.path] = failed
        state = await payer.send_along(found.route, invoice)
        assert (state.outcome, state.fee_msat) == (HtlcOutcome.FAILED_ON_ROUTE, 0)
        assert "fee insufficient" in state.detail
        node.answers[Router.SendToRouteV2.path] = lost
        with pytest.raises(NodeUnavailable, match="unknown whether it was sent"):
            await payer.send_along(found.route, invoice)
