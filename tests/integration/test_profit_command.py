"""`lens profit` against a simulated node behind our LND server, as against LND."""

import asyncio
import csv
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.support.forwarding import SMALL_MSAT, requests
from tests.support.lnd import ALICE, BOB, CAROL, MACAROONS, Served, serving_lab

from lightninglens.core.clock import SystemClock
from lightninglens.core.node import OpenRequest
from lightninglens.core.records import RebalanceChange
from lightninglens.core.units import Msat, Sat
from lightninglens.nodes.lnd.client import LndChannelManager, LndOptions, LndReader, LndRebalancer
from lightninglens.nodes.lnd.client.baking import BakeOrder, bake
from lightninglens.nodes.lnd.client.roles import BAKEABLE

pytestmark = pytest.mark.asyncio
MOVED_MSAT = 20_000_000


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving_lab(tmp_path / "nodes", in_real_time=True) as lab:
        yield lab


def options(lab: Served, **changed: Any) -> LndOptions:
    server = lab.servers[BOB]
    given: dict[str, Any] = {"lnd_dir": server.folder, "grpc_host": f"127.0.0.1:{server.rpc_port}"}
    return LndOptions(**(given | changed))


async def lens(lab: Served, tmp_path: Path, *arguments: str) -> asyncio.subprocess.Process:
    """Start a command against Bob."""
    command = [
        sys.executable, "-m", "lightninglens", *arguments, "--lnddir", str(lab.servers[BOB].folder),
        "--network", "regtest", "--grpc-host", f"127.0.0.1:{lab.servers[BOB].rpc_port}",
        "--data-dir", str(tmp_path / "data"),
    ]  # fmt: skip
    return await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )


async def shown(lab: Served, tmp_path: Path, *arguments: str) -> str:
    """Return what a command shows that must succeed."""
    async with asyncio.timeout(90):
        process = await lens(lab, tmp_path, *arguments)
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def profit(lab: Served, tmp_path: Path, *arguments: str) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(await shown(lab, tmp_path, "profit", "--days", "1", "--json", *arguments))
    return plain


async def forwarded(lab: Served, count: int) -> None:
    """Let Alice pay Carol by way of Bob, and wait until that is over."""
    log = lab.node(BOB).forwards
    wanted = len(log) + count
    start_ns = await lab.world.use(lambda engine: engine.now_ns) + 10**9
    await lab.world.submit(requests(lab, [SMALL_MSAT] * count, start_ns))
    while len(log) < wanted:  # noqa: ASYNC110 - a condition, and no event
        await asyncio.sleep(0.05)


async def moved_and_opened(lab: Served) -> tuple[int, str, str]:
    """Let Bob rebalance from Carol's channel to Alice's and open one to Carol; returns the fee and both channels."""
    admin = lab.servers[BOB].folder / MACAROONS / "admin.macaroon"
    for role in BAKEABLE:
        await bake(BakeOrder(role=role), options(lab, macaroon=admin, allow_broad_macaroon=True), SystemClock())
    async with LndReader.at(options(lab)) as reader, LndRebalancer.at(options(lab)) as rebalancer:
        peers = {each.peer_id: each for each in await reader.channels()}
        source, target = peers[lab.node(CAROL).node_id], peers[lab.node(ALICE).node_id]
        outcome = await rebalancer.rebalance(
            RebalanceChange(
                node_id=lab.node(BOB).node_id,
                outgoing_channel_id=source.channel_id,
                incoming_channel_id=target.channel_id,
                amount_msat=Msat(MOVED_MSAT),
                max_fee_msat=Msat(1_000_000),
                previous_local_msat=source.local_msat,
                reason="test",
            )
        )
    assert outcome.succeeded, outcome.detail
    async with LndChannelManager.at(options(lab)) as manager:
        await manager.open(OpenRequest(peer_id=lab.node(CAROL).node_id, local_sat=Sat(500_000)))
    return outcome.fee_msat, str(source.channel_id), str(target.channel_id)


async def test_a_node_that_was_never_recorded_shows_all_of_its_past(served: Served, tmp_path: Path) -> None:
    await forwarded(served, 5)
    spent_msat, source, target = await moved_and_opened(served)
    earned_msat = sum(each.fee_msat for each in served.node(BOB).forwards.slice(0, 2**63, skip=0, most=100))
    plain = await profit(served, tmp_path)
    assert (plain["format"], plain["by"]) == ("lightninglens/profit/1", "channel")
    node = plain["node"]
    assert node["fee_earned_msat"] == node["fee_split_msat"] == earned_msat > 0
    assert node["rebalance_fee_msat"] == spent_msat > 0
    assert node["open_cost_msat"] == 1_540_000
    assert node["net_msat"] == earned_msat - spent_msat - 1_540_000
    assert sum(each["net_msat"] for each in plain["rows"]) == node["net_msat"]
    rows = {each["channel_id"]: each for each in plain["rows"]}
    assert rows[target]["rebalanced_in_msat"] == MOVED_MSAT
    assert rows[target]["rebalance_fee_msat"] == spent_msat
    assert rows[source]["rebalanced_out_msat"] == MOVED_MSAT + spent_msat
    assert rows[source]["fee_earned_msat"] == earned_msat
    assert rows[source]["liquidity_given_msat"] == rows[target]["liquidity_taken_msat"] > 0
    assert rows[source]["analysis"]["category"] in {"problematic", "active_unprofitable", "profitable"}
    assert {each["hours"] for each in (await profit(served, tmp_path, "--by", "hour"))["rows"]} <= {0, 1}
    (pair,) = (await profit(served, tmp_path, "--by", "pair"))["rows"]
    assert (pair["outgoing_channel_id"], pair["fee_earned_msat"], pair["forwards"]) == (source, earned_msat, 5)


async def test_what_a_recording_saw_is_counted_once_beside_what_was_before(served: Served, tmp_path: Path) -> None:
    await forwarded(served, 5)
    process = await lens(served, tmp_path, "monitor", "--duration", "1")
    assert process.stdout is not None
    async with asyncio.timeout(90):
        await process.stdout.readline()
        while not served.node(BOB).htlc_hub.is_heard:  # noqa: ASYNC110 - a condition, and no event
            await asyncio.sleep(0.05)
        await forwarded(served, 8)
        await asyncio.sleep(2)  # the reader has the last event from the socket to the disk
        process.send_signal(signal.SIGINT)
        await process.communicate()
    log = served.node(BOB).forwards
    earned_msat = sum(each.fee_msat for each in log.slice(0, 2**63, skip=0, most=100))
    plain = await profit(served, tmp_path, "--by", "peer")
    assert (plain["node"]["forwards_out"], len(log)) == (13, 13)
    assert plain["node"]["fee_earned_msat"] == earned_msat
    carol = next(each for each in plain["rows"] if each["peer_id"] == served.node(CAROL).node_id)
    assert carol["fee_earned_msat"] == earned_msat
    assert carol["average_local_msat"] > 0

    table = tmp_path / "profit.csv"
    said = await shown(served, tmp_path, "profit", "--output", str(table))
    assert "PROFIT AND LOSS BY CHANNEL" in said
    assert f"written: {table}" in said
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(int(each["fee_earned_msat"]) for each in rows) == earned_msat
    assert {each["analysis_category"] for each in rows}
    written = tmp_path / "profit.json"
    for by in ("peer", "pair", "hour"):
        assert f"BY {by.upper()}" in await shown(served, tmp_path, "profit", "--by", by, "--output", str(written))
        assert json.loads(written.read_bytes())["by"] == by
    before = await profit(served, tmp_path, "--until", "2024-01-01")
    assert before["node"]["fee_earned_msat"] == 0


async def test_what_is_no_date_is_told_in_words(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lightninglens", "profit", "--until", "yesterday", "--data-dir", str(tmp_path),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 2
    assert b"no date: write 2026-11-01" in said
    assert b"Traceback" not in said
