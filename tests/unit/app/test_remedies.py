"""Remedies of a watched node: seen, written, and shown with their effect."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.htlcs import POLICY, START_NS, Htlcs, P, Q, channel
from tests.unit.app.test_run_cli import lens

from lightninglens.analytics.missed.accounting import HtlcAccounting
from lightninglens.app.alerts.series import Reading
from lightninglens.app.node.remedies import RemedyWatch
from lightninglens.app.node.watched import WatchedNode
from lightninglens.core.attempts import AttemptChanges
from lightninglens.core.channels import ChannelState
from lightninglens.core.clock import SystemClock, VirtualClock
from lightninglens.core.costs import SelfPayment
from lightninglens.core.ids import NodeId
from lightninglens.core.node import NodeInfo
from lightninglens.core.remedies import Remedy, RemedyKind
from lightninglens.core.units import NS_PER_DAY, NS_PER_HOUR, Msat, Ppm, UnixNs
from lightninglens.operate.recording import Recording
from lightninglens.storage.forwards import FORWARDS_FILE, Batch, ForwardStore
from lightninglens.storage.recorded import RecordedHistory
from lightninglens.storage.remedies import REMEDIES_FILE, RemedyStore

INFO = NodeInfo(node_id=NodeId("02" + 64 * "1"), alias="mine", channel_count=2, block_height=800_000)


def look(*states: ChannelState) -> Batch:
    return Batch(changes=AttemptChanges(), next_payment=1, channels=states, seen_ns=START_NS)


@pytest.mark.asyncio
async def test_what_is_done_is_seen_and_written_once(tmp_path: Path) -> None:
    path, clock = tmp_path / FORWARDS_FILE, VirtualClock(START_NS + 3 * NS_PER_HOUR)
    with ForwardStore(path) as keeper, RecordedHistory(path) as store, RemedyStore(tmp_path / REMEDIES_FILE) as kept:
        recording = Recording(None, keeper, clock)  # type: ignore[arg-type]
        keeper.write(look(channel(P)))
        watched = WatchedNode(info=INFO, recording=recording, store=store, clock=clock, remedies=kept)
        recording.accounting.channels.see([channel(P), channel(Q)], clock.now_ns())
        missed = Reading(series="channel_missed_revenue", subject=str(P), at_ms=0, value=2.5)
        watched.latest = {(missed.series, missed.subject): missed}
        watch = RemedyWatch(watched, kept)
        cheaper = channel(P, local_policy=type(POLICY)(**{**_fields(POLICY), "fee_rate_ppm": Ppm(10)}))
        watch.take(look(cheaper))
        watch.take(Batch(changes=AttemptChanges(), next_payment=1))
        keeper.costs.write_self_payments(
            [paid(0, 5, 100), paid(1, 7, 50), paid(2, 11, 1, channel_id=int(P) + 999), paid(3, 3, 1, hours=2.9)]
        )
        await watch.write()
        await watch.write()
        found = {each.kind: each for each in kept.remedies(since_ns=0, limit=10)}
        assert set(found) == {RemedyKind.FEE_LOWERED, RemedyKind.LIQUIDITY_ADDED}
        assert found[RemedyKind.FEE_LOWERED].expected_msat_per_day == 2_500
        added = found[RemedyKind.LIQUIDITY_ADDED]
        assert (added.channel_id, added.after, added.cost_msat) == (Q, 12, 150)
        clock.advance_to(START_NS + 5 * NS_PER_HOUR)
        again = RemedyWatch(watched, kept)
        task = asyncio.create_task(again.run())
        async with asyncio.timeout(10):
            while len(kept.remedies(since_ns=0, limit=10)) < 3:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _fields(policy: Any) -> dict[str, Any]:
    return {name: getattr(policy, name) for name in policy.__slots__}


def paid(part: int, amount_msat: int, fee_msat: int, *, channel_id: int = int(Q), hours: float = 0.1) -> SelfPayment:
    return SelfPayment(
        payment_hash=f"{part:064x}",
        part=part,
        settled_ns=UnixNs(START_NS // NS_PER_HOUR * NS_PER_HOUR + int(hours * NS_PER_HOUR) + part),
        outgoing_channel_id=P,
        incoming_channel_id=type(P)(channel_id),
        amount_msat=Msat(amount_msat),
        fee_msat=Msat(fee_msat),
    )


@pytest.mark.asyncio
async def test_a_disk_that_refuses_is_tried_again(tmp_path: Path) -> None:
    path, clock = tmp_path / FORWARDS_FILE, VirtualClock(START_NS)
    with ForwardStore(path) as keeper, RecordedHistory(path) as store, RemedyStore(tmp_path / REMEDIES_FILE) as kept:
        recording = Recording(None, keeper, clock)  # type: ignore[arg-type]
        watched = WatchedNode(info=INFO, recording=recording, store=store, clock=clock)
        watch = RemedyWatch(watched, kept)
        watch.take(look(channel(P)))
        watch.take(look(channel(P, local_policy=type(POLICY)(**{**_fields(POLICY), "fee_rate_ppm": Ppm(10)}))))
        with kept._engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE remedies RENAME TO away")
        await watch.write()
        with kept._engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE away RENAME TO remedies")
        await watch.write()
        assert len(kept.remedies(since_ns=0, limit=10)) == 1


def test_effects_are_told_in_words_and_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "nodes" / INFO.node_id[:20]
    now_ns = SystemClock().now_ns()
    data = ["--data-dir", str(tmp_path)]
    with ForwardStore(folder / FORWARDS_FILE) as store:
        store.write(history(now_ns))
    assert lens("effects", *data) == 0
    assert "nothing was seen to be done in 30 days" in capsys.readouterr().out
    with RemedyStore(folder / REMEDIES_FILE) as kept:
        kept.append([remedy(now_ns - 2 * NS_PER_DAY, kind) for kind in RemedyKind])
        kept.append([remedy(now_ns - NS_PER_HOUR, RemedyKind.FEE_LOWERED)])
    assert lens("effects", *data) == 0
    shown = capsys.readouterr().out
    assert "too young to tell" in shown
    for words in ("fee lowered: 2,000 to 5,000,000 ppm", "liquidity added: 5,000 sat, for 0.150 sat", "a day before"):
        assert words in shown
    assert lens("effects", *data, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["format"] == "lightninglens/effects/1"
    assert len(said["effects"]) == len(RemedyKind)
    assert len(said["too_young"]) == 1
    effect = said["effects"][0]
    assert effect["earned_before_msat_per_day"] == 0
    assert effect["earned_after_msat_per_day"] > 0


def history(now_ns: int) -> Batch:
    """Return forwards over Q, one day ago."""
    htlcs, accounting = Htlcs(now_ns=now_ns - NS_PER_DAY), HtlcAccounting()
    accounting.channels.see([channel(P), channel(Q)], UnixNs(htlcs.now_ns))
    for _ in range(5):
        offered = htlcs.offered(1_000_000, 700)
        accounting.take(offered)
        htlcs.later(1)
        accounting.take(htlcs.settled(offered))
    return Batch(
        changes=accounting.changes(now_ns),
        next_payment=accounting.next_payment,
        covered=(now_ns - 8 * NS_PER_DAY, now_ns),
    )


def remedy(at_ns: int, kind: RemedyKind) -> Remedy:
    return Remedy(
        at_ns=UnixNs(at_ns),
        channel_id=Q,
        peer_id=channel(Q).peer_id,
        kind=kind,
        before=2_000,
        after=5_000_000,
        cost_msat=Msat(150),
    )


def test_remedies_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    path = tmp_path / REMEDIES_FILE
    with RemedyStore(path) as kept:
        kept.append([])
        kept.append([remedy(1, RemedyKind.FEE_LOWERED), remedy(1, RemedyKind.FEE_LOWERED)])
        assert len(kept.remedies(since_ns=0, limit=10)) == 1
        assert kept.remedies(since_ns=2, limit=10) == []
