"""Reading what channels cost, beside the recording."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.htlcs import START_NS, P, Q
from tests.unit.storage.test_costs import CLOSED, COST, LATER_NS, PAYMENT

from lightninglens.core.attempts import AttemptChanges
from lightninglens.core.clock import VirtualClock
from lightninglens.core.costs import OnChainCost, SelfPayment
from lightninglens.core.errors import NodeRefused, NodeUnavailable
from lightninglens.core.forwards import Forward, ForwardPage
from lightninglens.core.ids import NodeId
from lightninglens.core.node import ClosedChannel, NodeInfo
from lightninglens.core.units import NS_PER_HOUR, Msat, UnixNs
from lightninglens.operate.costs import LONG_REACH_NS, REACH_BLOCKS, REACH_NS, CostReading
from lightninglens.storage.forwards import Batch, ForwardStore

pytestmark = pytest.mark.asyncio


class Books:
    """A node whose books are what the test says, and which notes from when on it was asked."""

    def __init__(self) -> None:
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
        found = tuple(each for each in self.forwards if since_ns <= each.settled_ns < (until_ns or LATER_NS))
        for first in range(0, len(found), 2):
            yield ForwardPage(
                forwards=found[first : first + 2], covered_from_ns=UnixNs(0), covered_until_ns=UnixNs(until_ns or 0)
            )


def forward(settled_ns: int, fee_msat: int = 10) -> Forward:
    return Forward(
        settled_ns=UnixNs(settled_ns),
        incoming_channel_id=P,
        outgoing_channel_id=Q,
        incoming_amount_msat=Msat(1_000 + fee_msat),
        outgoing_amount_msat=Msat(1_000),
    )


async def test_all_of_the_past_is_filled_in_once_and_nothing_of_the_recording_with_it(tmp_path: Path) -> None:
    node, clock = Books(), VirtualClock(START_NS)
    node.forwards = [forward(START_NS - 3 * NS_PER_HOUR, fee) for fee in (1, 2, 3)] + [forward(START_NS)]
    with ForwardStore(tmp_path / "f.db") as store:
        reading = CostReading(node, store.costs, clock)  # type: ignore[arg-type]
        for _ in range(2):
            await reading.read(START_NS)
            node.forwards.append(forward(START_NS - NS_PER_HOUR))
        (found,) = store.costs.earlier_forwards(since_ns=0, until_ns=LATER_NS)
        assert (found.forwards, found.amount_msat, found.fee_msat) == (3, 3_000, 6)
        assert store.costs.self_payments(since_ns=0, until_ns=LATER_NS) == [PAYMENT]
        assert store.costs.on_chain(since_ns=0, until_ns=LATER_NS) == [COST]
        assert store.costs.closed_channels() == [CLOSED]
        assert reading.problem == ""


async def test_it_goes_back_a_day_and_once_a_day_and_after_a_start_further(tmp_path: Path) -> None:
    node, clock = Books(), VirtualClock(START_NS)
    with ForwardStore(tmp_path / "f.db") as store:
        first, second = (CostReading(node, store.costs, clock) for _ in range(2))  # type: ignore[arg-type]
        for later_ns, reading in ((0, first), (NS_PER_HOUR, first), (2 * NS_PER_HOUR, second)):
            clock.advance_to(START_NS + later_ns)
            await reading.read(START_NS)
        assert node.asked_ns == [0, START_NS - REACH_NS, START_NS + NS_PER_HOUR - LONG_REACH_NS]
        assert node.asked_height == [0, 800_000 - REACH_BLOCKS, 800_000 - REACH_BLOCKS]


async def test_what_was_filled_in_before_the_recording_began_is_filled_in_up_to_it(tmp_path: Path) -> None:
    node, clock = Books(), VirtualClock(START_NS)
    node.forwards = [forward(START_NS - 5, 1), forward(START_NS + 5, 2), forward(START_NS + 15, 4)]
    with ForwardStore(tmp_path / "f.db") as store:
        for began_ns, known_msat in ((START_NS, 1), (START_NS + 10, 3)):
            await CostReading(node, store.costs, clock).read(began_ns)  # type: ignore[arg-type]
            sums = store.costs.earlier_forwards(since_ns=0, until_ns=LATER_NS)
            assert sum(each.fee_msat for each in sums) == known_msat
        batch = Batch(changes=AttemptChanges(), next_payment=1, covered=(START_NS + 10, START_NS + 12))
        store.write(batch)
        await CostReading(node, store.costs, clock).read(START_NS + 20)  # type: ignore[arg-type]
        assert store.costs.read_until().earlier_ns == START_NS + 10


async def test_what_the_node_refuses_keeps_the_rest_from_nothing(tmp_path: Path) -> None:
    node = Books()
    node.refuses_payments = True
    with ForwardStore(tmp_path / "f.db") as store:
        reading = CostReading(node, store.costs, VirtualClock(START_NS))  # type: ignore[arg-type]
        await reading.read(START_NS)
        assert reading.problem == "ListPayments: no"
        assert store.costs.on_chain(since_ns=0, until_ns=LATER_NS) == [COST]
        node.refuses_payments = False
        await reading.read(START_NS)
        assert reading.problem == ""
        assert node.asked_ns == [0]


async def test_a_reading_that_breaks_off_is_made_again_in_full(tmp_path: Path) -> None:
    node = Books()
    node.breaks_off = True
    with ForwardStore(tmp_path / "f.db") as store:
        reading = CostReading(node, store.costs, VirtualClock(START_NS))  # type: ignore[arg-type]
        await reading.read(START_NS)
        assert store.costs.self_payments(since_ns=0, until_ns=LATER_NS) == [PAYMENT]
        node.breaks_off = False
        node.payments = [replace(PAYMENT, part=99), PAYMENT]
        await reading.read(START_NS)
        assert node.asked_ns == [0, 0]
        assert len(store.costs.self_payments(since_ns=0, until_ns=LATER_NS)) == 2


async def test_it_reads_again_and_again_until_it_is_cancelled(tmp_path: Path) -> None:
    node = Books()
    with ForwardStore(tmp_path / "f.db") as store:
        reading = CostReading(node, store.costs, VirtualClock(START_NS))  # type: ignore[arg-type]
        task = asyncio.create_task(reading.run(0.001, began_ns=START_NS))
        while len(node.asked_ns) < 3:  # noqa: ASYNC110 - a condition, and no event
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
