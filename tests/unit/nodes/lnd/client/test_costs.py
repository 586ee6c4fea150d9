"""What an LND node paid itself and the chain, from what it tells."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.lnd_stand_in import NODE_ID

from lightninglens.core.clock import VirtualClock
from lightninglens.core.costs import CostKind, SelfPayment
from lightninglens.core.ids import ChannelId, derive_node_id
from lightninglens.core.units import NS_PER_SECOND, UnixNs
from lightninglens.nodes.lnd.client.costs import BLOCK_NS, on_chain_costs, parts_to_oneself, self_payments
from lightninglens.nodes.lnd.contract import lnrpc
from lightninglens.nodes.lnd.contract.services import Lightning

PEER = derive_node_id(1, "peer")
OUT, BACK = ChannelId.of(700_000, 1, 0), ChannelId.of(700_001, 2, 1)
HEIGHT, NOW_NS = 800_000, 1_700_000_000 * NS_PER_SECOND
TXID, CLOSING = "ab" * 32, "cd" * 32
Close = lnrpc.ChannelCloseSummary


def payment(number: int = 1, destination: str = NODE_ID, *attempts: lnrpc.HTLCAttempt, **changed: Any) -> lnrpc.Payment:
    given_: dict[str, Any] = {
        "payment_hash": f"{number:064x}",
        "payment_index": number,
        "creation_time_ns": number * NS_PER_SECOND,
        "status": lnrpc.Payment.SUCCEEDED,
        "htlcs": attempts or (attempt(number, destination),),
    }
    return lnrpc.Payment(**(given_ | changed))


def attempt(number: int, destination: str = NODE_ID, amount_msat: int = 5_000_001, **changed: Any) -> lnrpc.HTLCAttempt:
    hops = [
        lnrpc.Hop(chan_id=OUT, pub_key=PEER, amt_to_forward_msat=amount_msat + 7, fee_msat=13),
        lnrpc.Hop(chan_id=BACK, pub_key=destination, amt_to_forward_msat=amount_msat),
    ]
    given_: dict[str, Any] = {
        "attempt_id": 100 + number,
        "status": lnrpc.HTLCAttempt.SUCCEEDED,
        "resolve_time_ns": number * NS_PER_SECOND + 5,
        "route": lnrpc.Route(hops=hops, total_fees_msat=20, total_amt_msat=amount_msat + 20),
    }
    return lnrpc.HTLCAttempt(**(given_ | changed))


class Node:
    """A node with payments, transactions and closed channels, as `Session` shows it."""

    node_id = NODE_ID
    clock = VirtualClock(UnixNs(NOW_NS))

    def __init__(
        self,
        payments: tuple[lnrpc.Payment, ...] = (),
        transactions: tuple[lnrpc.Transaction, ...] = (),
        closed: tuple[Close, ...] = (),
    ) -> None:
        self.payments, self.transactions, self.closed = payments, transactions, closed

    async def info(self) -> lnrpc.GetInfoResponse:
        return lnrpc.GetInfoResponse(block_height=HEIGHT)

    async def call(self, method: Any, asked: Any, timeout_s: float = 0) -> Any:
        if method is Lightning.GetTransactions:
            return lnrpc.TransactionDetails(transactions=self.transactions)
        if method is Lightning.ClosedChannels:
            return lnrpc.ClosedChannelsResponse(channels=self.closed)
        assert asked.reversed
        before = [each for each in self.payments if not asked.index_offset or each.payment_index < asked.index_offset]
        page = before[-asked.max_payments :]
        return lnrpc.ListPaymentsResponse(payments=page, first_index_offset=page[0].payment_index if page else 0)


def read(node: Any, since_ns: int = 0, page_size: int = 200) -> list[SelfPayment]:
    async def all_of_them() -> list[SelfPayment]:
        pages = self_payments(node, since_ns=since_ns, page_size=page_size)
        return [each async for page in pages for each in page]

    return asyncio.run(all_of_them())


def test_a_payment_whose_destination_is_another_is_none_to_oneself() -> None:
    (made,) = read(Node((payment(1), payment(2, PEER))))
    assert made == SelfPayment(
        payment_hash=f"{1:064x}",
        part=101,
        settled_ns=UnixNs(NS_PER_SECOND + 5),
        outgoing_channel_id=OUT,
        incoming_channel_id=BACK,
        amount_msat=5_000_001,  # type: ignore[arg-type]
        fee_msat=20,  # type: ignore[arg-type]
    )


def test_every_part_that_settled_counts_and_no_other() -> None:
    failed = attempt(1, status=lnrpc.HTLCAttempt.FAILED)
    nowhere = attempt(4, route=lnrpc.Route())
    parts = payment(1, NODE_ID, failed, attempt(2), attempt(3, amount_msat=1), nowhere)
    assert [each.part for each in parts_to_oneself(parts, NODE_ID)] == [102, 103]
    for status in (lnrpc.Payment.FAILED, lnrpc.Payment.IN_FLIGHT):
        assert not list(parts_to_oneself(payment(1, status=status), NODE_ID))


@given(
    st.lists(st.booleans(), max_size=12),
    st.integers(1, 5),
    st.integers(0, 14),
)
def test_pages_of_any_size_give_the_same_payments(to_us: list[bool], page_size: int, since_s: int) -> None:
    made = tuple(payment(number, NODE_ID if own else PEER) for number, own in enumerate(to_us, 1))
    found = read(Node(made), since_s * NS_PER_SECOND, page_size)
    wanted = [number for number, own in enumerate(to_us, 1) if own and number >= since_s]
    assert sorted(int(each.payment_hash, 16) for each in found) == wanted


def channel(index: int, *, initiator: bool = True, txid: str = TXID) -> lnrpc.Channel:
    channel_id = ChannelId.of(799_000, 1, index)
    return lnrpc.Channel(
        chan_id=channel_id, channel_point=f"{txid}:{index}", remote_pubkey=PEER, initiator=initiator, capacity=1_000_000
    )


def funding(**changed: Any) -> lnrpc.Transaction:
    given_: dict[str, Any] = {
        "tx_hash": TXID,
        "block_height": 799_000,
        "time_stamp": 1_699_000_000,
        "total_fees": 1_000,
    }
    return lnrpc.Transaction(**(given_ | changed))


def closing(*outputs_sat: int, **changed: Any) -> lnrpc.Transaction:
    given_: dict[str, Any] = {
        "tx_hash": CLOSING,
        "block_height": 799_900,
        "time_stamp": 1_699_900_000,
        "output_details": [lnrpc.OutputDetail(amount=each) for each in outputs_sat],
    }
    return lnrpc.Transaction(**(given_ | changed))


def closed(**changed: Any) -> Close:
    given_: dict[str, Any] = {
        "chan_id": ChannelId.of(700_000, 9, 0),
        "channel_point": f"{'ef' * 32}:0",
        "closing_tx_hash": CLOSING,
        "remote_pubkey": PEER,
        "capacity": 1_000_000,
        "close_height": 799_900,
        "settled_balance": 400_000,
        "close_type": Close.COOPERATIVE_CLOSE,
        "open_initiator": lnrpc.INITIATOR_LOCAL,
    }
    return Close(**(given_ | changed))


def costs(node: Any, *channels: lnrpc.Channel, since_height: int = 0) -> list[Any]:
    return list(asyncio.run(on_chain_costs(node, channels, since_height=since_height)))


def test_one_transaction_for_several_channels_is_shared_and_nothing_is_lost() -> None:
    found = costs(Node(transactions=(funding(),)), channel(0), channel(1), channel(2), channel(3, initiator=False))
    assert [each.fee_msat for each in found] == [333_334, 333_333, 333_333]
    assert {(each.kind, each.at_ns) for each in found} == {(CostKind.OPEN, 1_699_000_000 * NS_PER_SECOND)}


@pytest.mark.parametrize("transactions", [(), (funding(total_fees=0),), (funding(block_height=0),)])
def test_a_funding_that_the_wallet_did_not_pay_alone_is_told_as_unknown(
    transactions: tuple[lnrpc.Transaction, ...],
) -> None:
    (found,) = costs(Node(transactions=transactions), channel(0))
    assert (found.fee_msat, found.unknown) == (None, "it was paid from outside of the node's wallet")
    assert found.at_ns in {1_699_000_000 * NS_PER_SECOND, NOW_NS - 1_000 * BLOCK_NS}


@pytest.mark.parametrize(
    ("summary", "transaction", "fee_msat", "unknown"),
    [
        ({}, closing(400_000, 599_000), 1_000_000, ""),
        ({}, closing(), None, "does not know what the closing"),
        ({}, closing(2_000_000), None, "does not know what the closing"),
        ({}, None, None, "does not know what the closing"),
        ({"close_type": Close.LOCAL_FORCE_CLOSE}, closing(999_000), 1_000_000, "sweep"),
        ({"close_type": Close.REMOTE_FORCE_CLOSE}, None, None, "closing transaction paid; what it cost to sweep"),
        ({"close_type": Close.LOCAL_FORCE_CLOSE, "open_initiator": lnrpc.INITIATOR_REMOTE}, None, None, "sweep"),
        ({"open_initiator": lnrpc.INITIATOR_UNKNOWN}, closing(1), None, "who opened"),
    ],
)
def test_what_a_close_cost_is_told_as_far_as_it_is_known(
    summary: dict[str, Any], transaction: lnrpc.Transaction | None, fee_msat: int | None, unknown: str
) -> None:
    node = Node(transactions=(transaction,) if transaction else (), closed=(closed(**summary),))
    (found,) = [each for each in costs(node) if each.kind is CostKind.CLOSE]
    assert found.fee_msat == fee_msat
    assert (unknown in found.unknown) if unknown else not found.unknown
    assert found.at_ns in {1_699_900_000 * NS_PER_SECOND, NOW_NS - 100 * BLOCK_NS}


@pytest.mark.parametrize(
    "summary",
    [
        {"open_initiator": lnrpc.INITIATOR_REMOTE},
        {"open_initiator": lnrpc.INITIATOR_REMOTE, "close_type": Close.REMOTE_FORCE_CLOSE, "settled_balance": 0},
        {"close_type": Close.FUNDING_CANCELED},
        {"close_type": Close.ABANDONED},
    ],
)
def test_what_others_paid_or_nobody_is_no_cost(summary: dict[str, Any]) -> None:
    assert costs(Node(transactions=(closing(1_000),), closed=(closed(**summary),))) == []


def test_only_blocks_from_a_height_on_are_told() -> None:
    node = Node(transactions=(funding(), closing(999_000)), closed=(closed(),))
    assert [each.kind for each in costs(node, channel(0), since_height=799_900)] == [CostKind.CLOSE]
    assert costs(node, channel(0), since_height=799_901) == []
