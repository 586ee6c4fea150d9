"""Reading what channels cost, beside the recording."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.htlcs import START_NS, P, Q
from tests.unit.storage.test_costs import CLOSED, COST, LATER_NS, PAYMENT

from lightninglens.core.clock import VirtualClock
from lightninglens.core.costs import OnChainCost, SelfPayment
from lightninglens.core.errors import NodeRefused, NodeUnavailable
from lightninglens.core.forwards import Forward, ForwardPage
from lightninglens.core.ids import NodeId
from lightninglens.core.node import ClosedChannel, NodeInfo
from lightninglens.core.units import NS_PER_HOUR, Msat, UnixNs
from lightninglens.operate.costs import LONG_REACH_NS, REACH_BLOCKS, REACH_NS, CostReading
from lightninglens.storage.forwards import ForwardStore

pytestmark = pytest.mark.asyncio


class Books:
    """A node whose books are what the test says, and which notes from when on it was asked."""

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self.clock = clock or VirtualClock(UnixNs(START_NS))
        self.payments: list[SelfPayment] = [PAYMENT]
        self.forwards: list[Forward] = []
        self.asked_ns: list[int] = []
        self.asked_height: list[int] = []
        self.refuses_payments = False
        self.breaks_off = False

    async def info(self) -> NodeInfo:
        return NodeInfo(node_id=NodeId("02" + "00" * 32), alias="node", channel_count=2, block_height=800_000)

    async def self_payments(self, *, since_ns: int = 0) -> AsyncGenerator[tuple[SelfPayment, ...], None]:
        if self.refuses_payments:
            raise NodeRefused("ListPayments: no")
        self.asked_ns.append(since_ns)
        yield tuple(self.payments)
        if self.breaks_off:
            raise NodeUnavailable("away")

    async def on_chain_costs(self, *, since_height: int = 0) -> list[OnChainCost]:
        self.asked_height.append(since_height)
        return [COST]

    async def closed_channels(self) -> list[ClosedChannel]:
        return [CLOSED]

    async def forwarding_history(
        self, *, since_ns: int = 0, until_ns: int | None = None
    ) -> AsyncGenerator[ForwardPage, None]:
        end_ns = until_ns or self.clock.now_ns()
        found = tuple(each for each in self.forwards if since_ns <= each.settled_ns < end_ns)
        for first in range(0, len(found) + 1, 2):
            page = found[first : first + 2]
            until = page[-1].settled_ns + 1 if page else end_ns
            yield ForwardPage(forwards=page, covered_from_ns=UnixNs(since_ns), covered_until_ns=UnixNs(until))


def forward(settled_ns: int, fee_msat: int = 10) -> Forward:
    return Forward(
        settled_ns=UnixNs(settled_ns),
        incoming_channel_id=P,
        outgoing_channel_id=Q,
        incoming_amount_msat=Msat(1_000 + fee_msat),
        outgoing_amount_msat=Msat(1_000),
    )


async def test_all_of_the_past_is_read_and_every_forward_counts_once(tmp_path: Path) -> None:
    clock = VirtualClock(UnixNs(START_NS))
    node = Books(clock)
    settled_ns = [START_NS - 30 * NS_PER_HOUR, START_NS - 3 * NS_PER_HOUR, START_NS - 2, START_NS - 1]
    node.forwards = [forward(at_ns, fee) for fee, at_ns in enumerate(settled_ns, 1)]
    with ForwardStore(tmp_path / "f.db") as store:
        reading = CostReading(node, store.costs, clock)  # type: ignore[arg-type]
        for later_ns in (0, 0, NS_PER_HOUR, NS_PER_HOUR):
            clock.advance_to(START_NS + later_ns)
            await reading.read()
            known = store.costs.settled_by_hour(since_ns=0, until_ns=LATER_NS)
            assert sum(each.forwards for each in known) == len([each for each in settled_ns if each < clock.now_ns()])
            settled_ns.append(clock.now_ns() + 5)
            node.forwards.append(forward(settled_ns[-1]))
        (found,) = store.costs.settled(since_ns=0, until_ns=START_NS)
        assert found.fee_msat == 1 + 2 + 3 + 4 + 10 + 10
        assert store.costs.self_payments(since_ns=0, until_ns=LATER_NS) == [PAYMENT]
        assert store.costs.on_chain(since_ns=0, until_ns=LATER_NS) == [COST]
        assert store.costs.closed_channels() == [CLOSED]
        assert reading.problem == ""


async def test_a_forward_that_the_node_writes_down_late_is_not_missed(tmp_path: Path) -> None:
    hour_ns = START_NS // NS_PER_HOUR * NS_PER_HOUR
    clock = VirtualClock(UnixNs(hour_ns + 10))
    node = Books(clock)
    with ForwardStore(tmp_path / "f.db") as store:
        reading = CostReading(node, store.costs, clock)  # type: ignore[arg-type]
        await reading.read()
        node.forwards = [forward(hour_ns - 5, 7)]
        await reading.read()
        (found,) = store.costs.settled(since_ns=0, until_ns=LATER_NS)
        assert (found.forwards, found.fee_msat) == (1, 7)


async def test_it_goes_back_a_day_and_once_a_day_and_after_a_start_further(tmp_path: Path) -> None:
    node, clock = Books(), VirtualClock(START_NS)
    with ForwardStore(tmp_path / "f.db") as store:
        first, second = (CostReading(node, store.costs, clock) for _ in range(2))  # type: ignore[arg-type]
        for later_ns, reading in ((0, first), (NS_PER_HOUR, first), (2 * NS_PER_HOUR, second)):
            clock.advance_to(START_NS + later_ns)
            await reading.read()
        assert node.asked_ns == [0, START_NS - REACH_NS, START_NS + NS_PER_HOUR - LONG_REACH_NS]
        assert node.asked_height == [0, 800_000 - REACH_BLOCKS, 800_000 - REACH_BLOCKS]


async def test_what_the_node_refuses_keeps_the_rest_from_nothing(tmp_path: Path) -> None:
    node = Books()
    node.refuses_payments = True
    with ForwardStore(tmp_path / "f.db") as store:
        reading = CostReading(node, store.costs, VirtualClock(START_NS))  # type: ignore[arg-type]
        await reading.read()
        assert reading.problem == "ListPayments: no"
        assert store.costs.on_chain(since_ns=0, until_ns=LATER_NS) == [COST]
        node.refuses_payments = False
        await reading.read()
        assert reading.problem == ""
        assert node.asked_ns == [0]


async def test_a_reading_that_breaks_off_is_made_again_in_full(tmp_path: Path) -> None:
    node = Books()
    node.breaks_off = True
    with ForwardStore(tmp_path / "f.db") as store:
        reading = CostReading(node, store.costs, VirtualClock(START_NS))  # type: ignore[arg-type]
        await reading.read()
        assert store.costs.self_payments(since_ns=0, until_ns=LATER_NS) == [PAYMENT]
        node.breaks_off = False
        node.payments = [replace(PAYMENT, part=99), PAYMENT]
        await reading.read()
        assert node.asked_ns == [0, 0]
        assert len(store.costs.self_payments(since_ns=0, until_ns=LATER_NS)) == 2


async def test_it_reads_again_and_again_until_it_is_cancelled(tmp_path: Path) -> None:
    node = Books()
    with ForwardStore(tmp_path / "f.db") as store:
        reading = CostReading(node, store.costs, VirtualClock(START_NS))  # type: ignore[arg-type]
        task = asyncio.create_task(reading.run(0.001))
        while len(node.asked_ns) < 3:  # noqa: ASYNC110 - a condition, and no event
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
