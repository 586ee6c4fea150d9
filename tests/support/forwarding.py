"""Payments that Bob of a served lab is asked to forward, some of which he cannot."""

import asyncio

import numpy as np

from lightninglens.core.graph import NetworkGraph
from lightninglens.sim.engine import Engine
from lightninglens.sim.records import PaymentKind, PaymentRequests
from tests.support.lnd import ALICE, BOB, CAROL, Served

LARGE_MSAT, SMALL_MSAT = 400_000_000, 1_000_000


def drained(engine: Engine) -> None:
    """Leave Bob too little in his channel with Carol for the large payments."""
    engine.add_liquidity(direction(engine.graph, BOB, CAROL), -LARGE_MSAT // 2)


def direction(graph: NetworkGraph, source: str, target: str) -> int:
    """Return the direction of the channel of two nodes."""
    rows = [graph.aliases.index(name) for name in (source, target)]
    ends = zip(graph.sources().tolist(), graph.targets().tolist(), strict=True)
    return next(at for at, each in enumerate(ends) if list(each) == rows)


def requests(lab: Served, amounts_msat: list[int], start_ns: int) -> PaymentRequests:
    """Return payments of Alice to Carol, a world second apart, out over the channel with Bob."""
    count = len(amounts_msat)
    graph = lab.world.graph
    rows = {name: graph.node_index(lab.node(name).node_id) for name in (ALICE, BOB, CAROL)}
    return PaymentRequests(
        start_ns=start_ns + np.arange(count) * 10**9,
        sender=np.full(count, rows[ALICE], np.int32),
        receiver=np.full(count, rows[CAROL], np.int32),
        amount_msat=np.array(amounts_msat, np.int64),
        fee_limit_msat=np.full(count, 10_000_000, np.int64),
        kind=np.full(count, PaymentKind.PAYMENT, np.int8),
        tag=np.zeros(count, np.int32),
        outgoing=np.full(count, direction(graph, ALICE, BOB), np.int32),
        last_hop=np.full(count, rows[BOB], np.int32),
    )


async def pay_once_heard(lab: Served, amounts_msat: list[int]) -> None:
    """Pay once somebody hears Bob's events, and return when all that has happened and been read."""
    while not lab.node(BOB).htlc_hub.is_heard:  # noqa: ASYNC110 - a condition, and no event
        await asyncio.sleep(0.05)
    start_ns = await lab.world.use(lambda engine: engine.now_ns) + 20 * 10**9
    await lab.world.submit(requests(lab, amounts_msat, start_ns))
    end_ns = start_ns + (len(amounts_msat) + 90) * 10**9
    while await lab.world.use(lambda engine: engine.now_ns) < end_ns:  # noqa: ASYNC110 - the same
        await asyncio.sleep(0.05)
    await asyncio.sleep(2)  # the reader has the last event from the socket to the screen
