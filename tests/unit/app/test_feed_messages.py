import dataclasses
import json

import pytest

from lightninglens.app.events import Attempt, Channel, Network, Node, Payment, PaymentFailure
from lightninglens.app.feed import messages
from lightninglens.control.guard import Refusal

A, B = "02" + "a" * 64, "03" + "b" * 64


def channel(number: int = 1, local_msat: int = 590_000_999) -> Channel:
    return Channel(
        channel_id=f"202x{number}x0",
        node1_id=A,
        node2_id=B,
        capacity_sat=1_000_000,
        node1_local_msat=local_msat,
        node2_local_msat=406_529_001,
        commit_fee_sat=2_810,
        unsettled_msat=0,
        pending_htlcs=0,
        opener_id=A,
        node1_policy=None,
        node2_policy=None,
    )


def network(channels: int = 1) -> Network:
    return Network(
        name="lab",
        mode="simulated",
        nodes=tuple(
            Node(node_id=node_id, name=name, x=0.0, y=0.0, capacity_sat=1, channel_count=1)
            for node_id, name in ((A, "lnd-alice"), (B, "lnd-bob"))
        ),
        channels=tuple(channel(number) for number in range(channels)),
    )


PAYMENT = Payment(
    payment_id=7,
    kind="payment",
    started_ms=1_767_571_200_000,
    duration_ms=1_250,
    sender_id=A,
    receiver_id=B,
    sender_name="lnd-alice",
    receiver_name="lnd-bob",
    amount_msat=1_000_000,
    fee_msat=1_001,
    succeeded=True,
    outcome="SUCCEEDED",
    failure=None,
    attempts=1,
    route_channel_ids=("202x1x0",),
    route_node_ids=(A, B),
    description="Coffee purchase",
    attempt_log=(
        Attempt(
            started_ms=1_767_571_200_000,
            ended_ms=1_767_571_201_250,
            route_channel_ids=("202x1x0",),
            route_node_ids=(A, B),
            hop_amounts_msat=(1_000_000,),
            settled=True,
            failed_hop=None,
            code="NONE",
            detail="UNKNOWN",
        ),
    ),
)


@pytest.mark.promise("A1.6")
def test_a_transaction_is_as_the_document_shows_it() -> None:
    told = json.loads(messages.encode(messages.transaction(PAYMENT)))
    assert told["type"] == "transaction"
    documented = {"sender", "receiver", "amount", "success", "description"}
    assert {key: told["data"][key] for key in documented} == {
        "sender": "lnd-alice",
        "receiver": "lnd-bob",
        "amount": 1000,
        "success": True,
        "description": "Coffee purchase",
    }
    assert told["data"]["fee"] == 2
    assert told["data"]["timestamp"] == "2026-01-05T00:00:01.250+00:00"
    assert told["data"]["failure_reason"] is None


def test_a_failure_says_why() -> None:
    failure = PaymentFailure(code="TEMPORARY_CHANNEL_FAILURE", detail="INSUFFICIENT_BALANCE", channel_id="202x1x0")
    failed = dataclasses.replace(PAYMENT, succeeded=False, outcome="FAILED_ON_ROUTE", failure=failure)
    assert messages.transaction_data(failed)["failure_reason"] == "temporary_channel_failure"
    no_route = dataclasses.replace(failed, outcome="NO_ROUTE", failure=None)
    assert messages.transaction_data(no_route)["failure_reason"] == "no_route"


@pytest.mark.promise("A1.7")
def test_channels_are_as_the_document_shows_them_and_need_not_add_up() -> None:
    book = messages.ChannelBook(network())
    (told,) = book.take([channel(0)])
    assert told["type"] == "channel_update"
    (alices,) = told["data"]["lnd-alice"]
    documented = {"remote_pubkey", "capacity", "local_balance", "remote_balance"}
    assert {key: alices[key] for key in documented} == {
        "remote_pubkey": B,
        "capacity": 1_000_000,
        "local_balance": 590_000,
        "remote_balance": 406_529,
    }
    (bobs,) = told["data"]["lnd-bob"]
    assert (bobs["local_balance"], bobs["remote_pubkey"], bobs["initiator"]) == (406_529, A, False)


def test_news_of_a_node_holds_all_its_channels_but_not_in_a_large_network() -> None:
    small = messages.ChannelBook(network(3))
    (told,) = small.take([channel(1, local_msat=5_000)])
    assert [entry["local_balance"] for entry in told["data"]["lnd-alice"]] == [590_000, 5, 590_000]
    assert small.take([]) == []
    assert len(small.snapshot(network(3).channels)) == 1
    large = messages.ChannelBook(network(messages.LARGE_NETWORK_CHANNELS + 1))
    (partial,) = large.take([channel(1, local_msat=5_000)])
    assert partial["partial"] is True
    assert [entry["local_balance"] for entry in partial["data"]["lnd-alice"]] == [5]
    assert large.snapshot([channel(1)]) == []
    assert len(large.all()["lnd-alice"]) == messages.LARGE_NETWORK_CHANNELS + 1


@pytest.mark.parametrize(
    "text", ["", "{", "1", "[]", '{"type":1}', b"{}", "[" * 2_000, '{"a":NaN,"type":"x"}', "\ud800"]
)
def test_what_is_no_message_is_told_apart(text: str | bytes) -> None:
    refusal = messages.decode(text)
    assert isinstance(refusal, Refusal)
    assert refusal.reason
