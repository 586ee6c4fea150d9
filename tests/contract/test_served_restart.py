"""A served node that is restarted while it forwards: its clients come back, and nothing is told twice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.lnd import ALICE, BOB, EVE, MACAROONS, Served, serving_lab

from lightninglens.core.forwards import Forward, Gap, GapReason
from lightninglens.core.htlc import HtlcEvent, HtlcEventKind, HtlcEventType, HtlcOutcome
from lightninglens.core.ids import ChannelId
from lightninglens.core.payments import InvoiceRequest, SendOrder
from lightninglens.core.units import Msat
from lightninglens.nodes.lnd.client import LndOptions, LndPayer, LndReader, TransportChoice

pytestmark = pytest.mark.asyncio

Key = tuple[int, int, int, int]
PAYERS = 4


def options(served: Served, name: str, transport: TransportChoice = TransportChoice.GRPC) -> LndOptions:
    server = served.servers[name]
    return LndOptions(
        lnd_dir=server.folder,
        macaroon=server.folder / MACAROONS / "admin.macaroon",
        grpc_host=f"127.0.0.1:{server.rpc_port}",
        rest_host=f"127.0.0.1:{server.rest_port}",
        transport=transport,
        allow_broad_macaroon=True,
    )


class Told:
    """What a consumer was told by a stream."""

    def __init__(self) -> None:
        self.settled: list[Key] = []
        self.all: list[tuple[HtlcEventKind, Key]] = []
        self.gaps: list[Gap] = []

    async def listen(self, reader: LndReader) -> None:
        async with contextlib.aclosing(reader.htlc_events()) as items:
            async for item in items:
                if isinstance(item, Gap):
                    self.gaps.append(item)
                    self.settled += map(of_forward, item.forwards or ())
                elif item.event_type is HtlcEventType.FORWARD:
                    self._take(item)

    def _take(self, event: HtlcEvent) -> None:
        key = (event.incoming_channel_id, event.incoming_htlc_id, event.outgoing_channel_id, event.outgoing_htlc_id)
        self.all.append((event.kind, key))
        if event.kind is HtlcEventKind.SETTLE:
            self.settled.append(key)


def of_forward(found: Forward) -> Key:
    assert found.incoming_htlc_id is not None
    assert found.outgoing_htlc_id is not None
    return found.incoming_channel_id, found.incoming_htlc_id, found.outgoing_channel_id, found.outgoing_htlc_id


async def keep_paying(payer: LndPayer, payee: LndPayer, way: ChannelId) -> None:
    """Pay by way of one channel, one payment after the other, until cancelled."""
    while True:
        invoice = await payee.create_invoice(InvoiceRequest(amount_msat=Msat(10_000)))
        order = SendOrder(invoice=invoice, max_fee_msat=Msat(10_000), outgoing_channel_ids=(way,))
        state = await payer.send(order)
        assert state.outcome is HtlcOutcome.SUCCEEDED, state


@contextlib.asynccontextmanager
async def load(served: Served) -> AsyncIterator[None]:
    """Let several payments at a time go by Bob within the block, and end when all have come through."""
    way = ChannelId((await served.edge(ALICE, BOB)).chan_id)
    async with LndPayer.at(options(served, ALICE)) as payer, LndPayer.at(options(served, EVE)) as payee:
        tasks = [asyncio.create_task(keep_paying(payer, payee, way)) for _ in range(PAYERS)]
        try:
            yield
            assert [task.result() for task in tasks if task.done()] == []
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0.5)  # what was under way comes through


@pytest.mark.parametrize("transport", [TransportChoice.GRPC, TransportChoice.REST])
async def test_a_restart_under_load_is_survived(tmp_path: Path, transport: TransportChoice) -> None:
    async with (
        serving_lab(tmp_path, rest=True, in_real_time=True) as served,
        LndReader.at(options(served, BOB, transport)) as reader,
    ):
        told = Told()
        listening = asyncio.create_task(told.listen(reader))
        await asyncio.sleep(0.3)
        async with load(served):
            await asyncio.sleep(1)
            await served.restart(BOB)
            await asyncio.sleep(2.5)
        assert len(await reader.channels()) == len(served.node(BOB).initial_peer_sat)
        history = [of_forward(each) async for page in reader.forwarding_history() for each in page.forwards]
        assert not listening.done()
        listening.cancel()
    assert [gap.reason for gap in told.gaps] == [GapReason.DISCONNECTED]
    assert told.gaps[0].forwards
    assert len(told.all) == len(set(told.all))
    assert sorted(told.settled) == sorted(set(history))
    assert len(history) > 2 * len(told.gaps[0].forwards)
