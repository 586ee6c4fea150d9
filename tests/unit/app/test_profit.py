"""Profit and loss from a store, as JSON, as a table and as CSV."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.htlcs import START_NS, Htlcs, P, Q, R, channel
from tests.unit.operate.test_costs import Books
from tests.unit.storage.test_costs import CLOSED, COST, PAYMENT

from lightninglens.analytics.missed.accounting import HtlcAccounting
from lightninglens.app.cli.profit_view import show_head, show_rows, write_csv
from lightninglens.app.profit import FORMAT, By, fill_in, profit_report, to_plain
from lightninglens.core.clock import VirtualClock
from lightninglens.core.costs import SettledSum
from lightninglens.core.units import NS_PER_DAY, NS_PER_HOUR, Msat, UnixNs
from lightninglens.storage.forwards import FORWARDS_FILE, Batch, ForwardStore
from lightninglens.storage.lock import DataDirectoryLock

ROOT = Path(__file__).resolve().parents[3]
LATER_NS = 2**62
NOW_NS = START_NS + NS_PER_HOUR
BEFORE_NS = START_NS - NS_PER_DAY


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ForwardStore]:
    with ForwardStore(tmp_path / FORWARDS_FILE) as made:
        yield made


def record(store: ForwardStore) -> None:
    """Write a payment that was recorded, what the node's books say, and two channels that are open."""
    accounting, htlcs = HtlcAccounting(), Htlcs()
    states = (channel(P, peer_alias="=cmd()"), channel(Q))
    accounting.channels.see(states, START_NS)  # type: ignore[arg-type]
    offered = htlcs.offered(1_000_000, 1_001)
    for event in (offered, htlcs.settled(offered)):
        accounting.take(event)
    store.write(
        Batch(
            changes=accounting.changes(LATER_NS),
            next_payment=accounting.next_payment,
            covered=(START_NS, NOW_NS),
            channels=states,
            seen_ns=START_NS,
        )
    )
    fill(store)


def fill(store: ForwardStore) -> None:
    hours = [
        SettledSum(BEFORE_NS // NS_PER_HOUR, R, P, 1, 1_000_000, 500),
        SettledSum(START_NS // NS_PER_HOUR, P, Q, 1, 1_000_000, 1_001),
    ]
    store.costs.write_settled(hours, from_hour=0, until_ns=NOW_NS)
    store.costs.write_self_payments([replace(PAYMENT, outgoing_channel_id=P)], read_ns=NOW_NS)
    store.costs.write_on_chain(
        [replace(COST, channel_id=Q, fee_msat=Msat(700), unknown=""), replace(COST, channel_id=Q, channel_point="x")],
        [replace(CLOSED, channel_id=R)],
        height=800_000,
    )


def plain(store: ForwardStore, by: By = By.CHANNEL, **options: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"now_ns": NOW_NS, "days": 30.0, "by": by} | options
    return to_plain(profit_report(store, [channel(P, peer_alias="=cmd()"), channel(Q)], **given))


def test_what_was_recorded_and_what_was_before_add_up(store: ForwardStore) -> None:
    record(store)
    found = plain(store)
    assert json.loads(json.dumps(found)) == found
    assert (found["format"], found["by"]) == (FORMAT, "channel")
    assert (found["node"]["fee_earned_msat"], found["node"]["forwards_out"]) == (1_501, 2)
    assert found["node"]["net_msat"] == 1_501 - 321 - 700
    assert found["node"]["costs_unknown"] == 1
    assert found["forwards_known_until_ms"] == found["self_payments_known_until_ms"] == NOW_NS // 10**6
    rows = {each["channel_id"]: each for each in found["rows"]}
    assert sum(each["net_msat"] for each in rows.values()) == found["node"]["net_msat"]
    assert (rows[str(Q)]["fee_earned_msat"], rows[str(Q)]["rebalance_fee_msat"]) == (1_001, 321)
    assert rows[str(Q)]["liquidity_taken_msat"] == rows[str(P)]["liquidity_given_msat"] == 500
    assert (rows[str(R)]["is_open"], rows[str(R)]["peer_id"]) == (False, CLOSED.peer_id)
    assert (rows[str(P)]["average_local_msat"], rows[str(P)]["active_share"]) == (500_000_000, 1.0)


def test_a_range_begins_and_ends_where_it_is_asked_to(store: ForwardStore) -> None:
    record(store)
    assert plain(store, days=0.1)["node"]["fee_earned_msat"] == 1_001
    assert plain(store, until_ns=START_NS // NS_PER_HOUR * NS_PER_HOUR)["node"]["fee_earned_msat"] == 500
    assert plain(store, days=10**6)["from_ms"] == 0


def test_rates_are_of_what_was_recorded(store: ForwardStore) -> None:
    record(store)
    rows = {each["peer_id"]: each for each in plain(store, By.PEER)["rows"]}
    success = rows[str(channel(Q).peer_id)]["success"]
    assert (success["settled_payments"], success["failed_payments"], success["rate"]) == (1, 0, 1.0)
    assert rows[str(channel(P).peer_id)]["success"]["rate"] is None
    assert {tuple(each["success"]) for each in rows.values()} == {tuple(success)}


@pytest.mark.parametrize("by", By)
def test_every_field_is_documented(store: ForwardStore, by: By) -> None:
    record(store)
    text = (ROOT / "docs/reference/profit.md").read_text()
    found = plain(store, by)
    for fields in (found, found["node"], *found["rows"]):
        for name, value in fields.items():
            for each in (name, *(value if isinstance(value, dict) else ())):
                assert f"`{each}`" in text, each


@pytest.mark.parametrize("by", By)
def test_every_table_is_shown_and_written(
    store: ForwardStore, by: By, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(store)
    found = plain(store, by)
    show_head(found)
    show_rows(found)
    shown = capsys.readouterr().out
    assert "net 0.480 sats = earned 1.501 - rebalancing 0.321 - on chain 0.700" in shown
    assert "openings or closings whose cost the node cannot tell, or not all of it: 1" in shown
    assert f"PROFIT AND LOSS BY {by.upper()}" in shown.replace("\n", " ")
    write_csv(found["rows"], tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found["rows"])
    assert not any(cell.startswith("=") for row in rows for cell in row.values())


def test_what_is_missing_is_said(store: ForwardStore, capsys: pytest.CaptureFixture[str]) -> None:
    show_head(plain(store))
    shown = capsys.readouterr().out
    assert "what forwards earned was never read" in shown
    assert "what rebalancing cost was never read" in shown
    store.costs.write_settled([], from_hour=0, until_ns=START_NS)
    store.costs.write_self_payments([], read_ns=START_NS + NS_PER_DAY)
    show_head(plain(store, now_ns=START_NS + NS_PER_DAY))
    shown = capsys.readouterr().out
    assert "what forwards earned is known until 2023-11-14 22:13" in shown
    assert "what rebalancing cost" not in shown


def test_many_rows_are_in_the_file(store: ForwardStore, capsys: pytest.CaptureFixture[str]) -> None:
    record(store)
    found = plain(store, By.PAIR)
    found["rows"] *= 30
    show_rows(found)
    assert "20 more: --output FILE writes them all" in capsys.readouterr().out


@pytest.mark.asyncio
async def test_books_are_read_up_to_now_where_nobody_else_does(store: ForwardStore, tmp_path: Path) -> None:
    clock = VirtualClock(UnixNs(NOW_NS))
    node: Any = Books(clock)
    with DataDirectoryLock(tmp_path):
        assert await fill_in(store, node, tmp_path, clock) == ""
    assert node.asked_ns == []
    assert await fill_in(store, node, tmp_path, clock) == ""
    assert store.costs.read_until().settled_ns == NOW_NS
    node.refuses_payments = True
    assert await fill_in(store, node, tmp_path, clock) == "ListPayments: no"
