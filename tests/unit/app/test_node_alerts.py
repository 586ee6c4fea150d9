"""The series of a watched node, as its alerts read them."""

import asyncio
import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.htlcs import START_NS, Htlcs, P, Q, channel

from lightninglens.app.alerts.series import Reading, RuleSet, SeriesRule
from lightninglens.app.bus import Bus
from lightninglens.app.events import Alert
from lightninglens.app.node.alerts import NodeAlertWatch
from lightninglens.app.node.observer import NodeObserver
from lightninglens.app.node.watched import WatchedNode
from lightninglens.core.channels import ChannelState
from lightninglens.core.clock import VirtualClock
from lightninglens.core.errors import NodeUnavailable
from lightninglens.core.forwards import Gap, GapReason
from lightninglens.core.ids import NodeId
from lightninglens.core.node import NodeInfo, PendingChannel, PendingState
from lightninglens.core.units import NS_PER_SECOND, Msat, Sat, UnixNs
from lightninglens.operate.recording import Recording
from lightninglens.storage.forwards import FORWARDS_FILE, Batch, ForwardStore
from lightninglens.storage.readings import READINGS_FILE, ReadingStore
from lightninglens.storage.recorded import RecordedHistory

pytestmark = pytest.mark.asyncio
INFO = NodeInfo(node_id=NodeId("02" + 64 * "1"), alias="mine", channel_count=2, block_height=800_000)
MINUTE_NS = 60 * NS_PER_SECOND


class Reader:
    """A node whose channels a test sets."""

    def __init__(self) -> None:
        self.states: Sequence[ChannelState] = [channel(P), channel(Q)]
        self.pending: Sequence[PendingChannel] = ()
        self.away = False

    async def pending_channels(self) -> Sequence[PendingChannel]:
        if self.away:
            raise NodeUnavailable("gone")
        return self.pending


class Watching:
    """A watch over a recording that a test drives by hand."""

    def __init__(self, folder: Path, *rules: SeriesRule, backup_file: Path | None = None) -> None:
        path = folder / FORWARDS_FILE
        self.clock, self.reader, self.htlcs = VirtualClock(START_NS), Reader(), Htlcs()
        self.keeper, self.readings = ForwardStore(path), ReadingStore(folder / READINGS_FILE)
        self.recording = Recording(self.reader, self.keeper, self.clock)  # type: ignore[arg-type]
        self.watched = WatchedNode(
            info=INFO,
            recording=self.recording,
            store=RecordedHistory(path),
            readings=self.readings,
            clock=self.clock,
        )
        self.observer = NodeObserver(INFO, "live", now_ns=START_NS)
        self.bus, self.alerts = Bus(), list[Alert]()
        self.news = self.bus.subscribe("test")
        self.watch = NodeAlertWatch(
            watched=self.watched,
            reader=self.reader,  # type: ignore[arg-type]
            rules=RuleSet(rules),
            store=self.readings,
            bus=self.bus,
            every_s=60.0,
            name_of=self.observer.subject_name,
            backup_file=backup_file,
        )
        self.recording.on_batch = self.hear

    def hear(self, batch: Batch) -> None:
        self.watch.take(batch)
        self.observer.absorb(batch, self.clock.now_ns())

    def later(self, minutes: float) -> None:
        self.clock.advance_to(self.clock.now_ns() + round(minutes * MINUTE_NS))
        self.htlcs.now_ns = self.clock.now_ns()

    async def look(self) -> dict[tuple[str, str], float]:
        """Look at channels and series, and return the newest values."""
        self.recording.accounting.channels.see(self.reader.states, self.clock.now_ns(), block_height=800_000)
        self.recording._looked = tuple(self.reader.states)
        self.recording._looked_ns = self.clock.now_ns()
        await self.recording.flush()
        await self.watch.look()
        return {key: each.value for key, each in self.watched.latest.items()}

    def close(self) -> list[Alert]:
        self.bus.close()
        for each in (self.keeper, self.watched.store, self.readings):
            each.close()
        return self.alerts

    async def told(self) -> list[tuple[str, str]]:
        self.bus.close()
        return [(each.source, each.state) async for each in self.news if isinstance(each, Alert)]


def changed(state: ChannelState, **values: Any) -> ChannelState:
    return dataclasses.replace(state, **values)


async def test_every_series_is_read(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    htlcs, accounting = watching.htlcs, watching.recording.accounting
    await watching.look()
    settled, flying = htlcs.offered(1_000_000, 5_000), htlcs.offered(2_000_000)
    accounting.take(settled)
    accounting.take(flying)
    for _ in range(24):
        accounting.take(htlcs.refused(600_000_000))
    watching.later(30)
    accounting.take(htlcs.settled(settled))
    watching.reader.states = [changed(channel(P), local_msat=Msat(0)), changed(channel(Q), active=False)]
    watching.reader.pending = [
        PendingChannel(
            channel_point="a:0",
            peer_id=NodeId("02" + 64 * "3"),
            capacity_sat=Sat(1),
            local_sat=Sat(0),
            remote_sat=Sat(1),
            state=PendingState.FORCE_CLOSING,
        )
    ]
    gap = Gap(
        from_ns=UnixNs(watching.clock.now_ns() - 10 * MINUTE_NS),
        to_ns=UnixNs(watching.clock.now_ns()),
        reason=GapReason.DISCONNECTED,
        detail="gone",
    )
    watching.recording._gaps.append(gap)
    first = await watching.look()
    watching.later(45)
    values = await watching.look()
    watching.close()
    peer = channel(Q).peer_id
    assert first["stream_gap", ""] == 10.0
    assert first["refused_share", ""] == pytest.approx(24 / 25)
    assert values["local_share", str(P)] == 0.0
    assert values["local_share", str(Q)] == 0.5
    assert values["peer_offline", peer] == 45.0
    assert values["peer_offline", channel(P).peer_id] == 0.0
    assert values["fees_earned", ""] == 5.0
    assert values["stuck_htlc", ""] == 75.0
    assert values["force_closing", ""] == 1.0
    assert values["unwritten", ""] == 0.0
    assert values["unreachable", ""] < 1.0
    assert values["disk_free", ""] > 0.0
    assert values["missed_revenue", ""] >= 0.0
    assert ("backup_behind", "") not in values


async def test_alerts_are_told_of_and_end_with_their_channel(tmp_path: Path) -> None:
    watching = Watching(tmp_path, SeriesRule(name="empty", series="local_share", below=0.1))
    watching.reader.states = [changed(channel(P), local_msat=Msat(1_000)), channel(Q)]
    await watching.look()
    watching.later(1)
    watching.reader.states = [channel(Q)]
    await watching.look()
    assert await watching.told() == [("empty", "raised"), ("empty", "cleared")]
    watching.close()


async def test_a_node_that_does_not_answer_is_no_error_here(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.reader.away = True
    assert ("force_closing", "") not in await watching.look()
    watching.close()


async def test_a_backup_is_behind_from_when_the_channels_changed(tmp_path: Path) -> None:
    backup = tmp_path / "channel.backup"
    watching = Watching(tmp_path, backup_file=backup)
    assert (await watching.look())["backup_behind", ""] == 0.0
    watching.later(7)
    assert (await watching.look())["backup_behind", ""] == 7.0
    backup.write_bytes(b"all")
    now_s = watching.clock.now_ns() / NS_PER_SECOND
    os.utime(backup, (now_s, now_s))
    assert (await watching.look())["backup_behind", ""] == 0.0
    watching.later(60)
    watching.reader.states = [changed(channel(P), channel_point="b:1"), channel(Q)]
    assert (await watching.look())["backup_behind", ""] == 0.0
    watching.later(20)
    assert (await watching.look())["backup_behind", ""] == 20.0
    watching.close()


async def test_what_does_not_change_is_written_seldom(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    for _ in range(70):
        watching.later(1)
        await watching.look()
    kept = watching.readings.of_series("local_share", since_ms=0, until_ms=2**62)
    watching.close()
    assert len([each for each in kept if each.subject == str(P)]) == 3


async def test_a_disk_that_refuses_is_no_end(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    await watching.look()
    watching.readings.close()
    watching.readings._engine = ReadingStore(tmp_path / "other.db")._engine
    with watching.readings._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE readings")
    watching.later(60)
    assert (await watching.look())["local_share", str(P)] == 0.5
    watching.close()


async def test_it_looks_again_and_again(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    watching.watch.every_s = 0.01
    watching.recording.accounting.channels.see(watching.reader.states, watching.clock.now_ns())
    task = asyncio.create_task(watching.watch.run())
    async with asyncio.timeout(10):
        while ("local_share", str(P)) not in watching.watched.latest:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    watching.close()
    assert isinstance(watching.watched.latest["local_share", str(P)], Reading)
