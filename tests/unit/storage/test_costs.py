"""What channels cost, kept beside what was forwarded."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.htlcs import START_NS, P, Q, channel

from lightninglens.analytics.missed.accounting import HtlcAccounting
from lightninglens.core.channels import Opener
from lightninglens.core.costs import BalanceSum, CostKind, HourSum, OnChainCost, SelfPayment, SettledSum
from lightninglens.core.errors import DataError, LensError
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.node import ClosedChannel, Closure
from lightninglens.core.units import NS_PER_HOUR, Msat, Sat, UnixNs
from lightninglens.storage.forwards import FORWARDS_FILE, Batch, ForwardStore

LATER_NS = 2**62
HOUR = START_NS // NS_PER_HOUR
PEER = NodeId("02" + "11" * 32)
ALIAS = ChannelId.of(16_500_000, 1, 0)
"""An id beyond 63 bits, as LND gives channels before they confirm."""

PAYMENT = SelfPayment(
    payment_hash="ab" * 32,
    part=7,
    settled_ns=UnixNs(START_NS),
    outgoing_channel_id=ALIAS,
    incoming_channel_id=Q,
    amount_msat=Msat(1_000_000),
    fee_msat=Msat(321),
)
COST = OnChainCost(
    kind=CostKind.OPEN,
    channel_id=ALIAS,
    channel_point=f"{'cd' * 32}:1",
    peer_id=PEER,
    transaction_id="cd" * 32,
    at_ns=UnixNs(START_NS),
    fee_msat=None,
    unknown="not the wallet's",
)
CLOSED = ClosedChannel(
    channel_id=P,
    channel_point=COST.channel_point,
    peer_id=PEER,
    capacity_sat=Sat(5),
    settled_sat=Sat(4),
    close_height=800_000,
    closure=Closure.COOPERATIVE,
    opener=Opener.LOCAL,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FORWARDS_FILE


def test_what_is_written_is_read_again_and_twice_is_once(path: Path) -> None:
    for _ in range(2):
        with ForwardStore(path) as store:
            store.costs.write_self_payments([PAYMENT, replace(PAYMENT, part=8)], read_ns=START_NS + 5)
            store.costs.write_on_chain([COST], [CLOSED], height=800_000)
            store.costs.write_settled([SettledSum(HOUR, P, ALIAS, 2, 100, -3)], from_hour=HOUR, until_ns=START_NS)
    with ForwardStore(path) as store:
        costs = store.costs
        assert costs.self_payments(since_ns=0, until_ns=LATER_NS) == [PAYMENT, replace(PAYMENT, part=8)]
        assert costs.on_chain(since_ns=0, until_ns=LATER_NS) == [COST]
        assert costs.closed_channels() == [CLOSED]
        assert costs.settled(since_ns=0, until_ns=LATER_NS) == [SettledSum(0, P, ALIAS, 2, 100, -3)]
        assert costs.settled_by_hour(since_ns=0, until_ns=LATER_NS) == [HourSum(HOUR, 2, 100, -3)]
        read = costs.read_until()
        assert (read.self_payments_ns, read.height, read.settled_ns) == (START_NS + 5, 800_000, START_NS)


def test_a_range_takes_what_happened_in_it(path: Path) -> None:
    with ForwardStore(path) as store:
        costs = store.costs
        costs.write_self_payments([PAYMENT])
        costs.write_on_chain([COST], [], height=1)
        costs.write_settled([SettledSum(HOUR, P, Q, 1, 1, 1)], from_hour=0, until_ns=1)
        for found in (costs.self_payments, costs.on_chain, costs.settled, costs.settled_by_hour):
            assert found(since_ns=START_NS, until_ns=START_NS + 1)
            assert not found(since_ns=0, until_ns=START_NS - NS_PER_HOUR)
            assert not found(since_ns=START_NS + NS_PER_HOUR, until_ns=LATER_NS)


def test_hours_that_are_read_again_are_in_place_of_what_was_known_of_them(path: Path) -> None:
    with ForwardStore(path) as store:
        first = [SettledSum(HOUR + hour, P, Q, 1, 100, 10) for hour in range(3)]
        store.costs.write_settled(first, from_hour=HOUR, until_ns=1)
        store.costs.write_settled([SettledSum(HOUR + 2, P, Q, 2, 200, 25)], from_hour=HOUR + 2, until_ns=2)
        assert store.costs.settled(since_ns=0, until_ns=LATER_NS) == [SettledSum(0, P, Q, 4, 400, 45)]


def test_a_fee_that_was_known_stays_known(path: Path) -> None:
    known = replace(COST, fee_msat=Msat(1_540_000), unknown="")
    with ForwardStore(path) as store:
        for cost, wanted in ((COST, COST), (known, known), (COST, known)):
            store.costs.write_on_chain([cost], [], height=1)
            assert store.costs.on_chain(since_ns=0, until_ns=LATER_NS) == [wanted]


def test_balances_are_counted_by_the_hour(path: Path) -> None:
    with ForwardStore(path) as store:
        accounting = HtlcAccounting()
        for hour, active in enumerate((True, False, True)):
            seen_ns = START_NS + hour * NS_PER_HOUR
            states = (replace(channel(P), active=active, local_msat=Msat(hour)), channel(Q))
            batch = Batch(changes=accounting.changes(0), next_payment=1, channels=states, seen_ns=seen_ns)
            store.write(batch)
            store.write(batch)
        found = store.costs.balances(since_ns=START_NS, until_ns=LATER_NS)
        assert found[0] == BalanceSum(P, 3, 2, 3)
        (last, _) = store.costs.balances(since_ns=START_NS + 2 * NS_PER_HOUR, until_ns=LATER_NS)
        assert last == BalanceSum(P, 1, 1, 2)


def test_a_database_from_before_is_brought_up_to_date(path: Path) -> None:
    with ForwardStore(path):
        pass
    with sqlite3.connect(path) as old:
        for table in ("self_payments", "on_chain_costs", "closed_channels", "settled_hours"):
            old.execute(f"DROP TABLE {table}")
        old.execute("UPDATE alembic_version SET version_num = 'forwards_0002'")
    with ForwardStore(path) as store:
        assert store.costs.read_until().settled_ns == 0
        store.costs.write_self_payments([PAYMENT])


def test_a_disk_that_refuses_is_told_in_words(path: Path) -> None:
    with ForwardStore(path) as store:
        with sqlite3.connect(path) as other:
            other.execute("DROP TABLE self_payments")
        with pytest.raises(LensError, match="cannot be written"):
            store.costs.write_self_payments([PAYMENT])
        with pytest.raises(DataError, match="cannot be read"):
            store.costs.self_payments(since_ns=0, until_ns=1)
