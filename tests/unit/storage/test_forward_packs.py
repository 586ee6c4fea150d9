"""Packing changes what an analysis reads it from, and nothing of what it reads."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from tests.support.htlcs import START_NS, Htlcs, P, Q, R, channel
from tests.support.recorded import evidence

from lightninglens.analytics.missed.accounting import HtlcAccounting
from lightninglens.analytics.missed.columns import Evidence
from lightninglens.core.errors import DataError, LensError
from lightninglens.core.forward_tables import Sums
from lightninglens.core.htlc import HtlcEvent
from lightninglens.core.ids import ChannelId
from lightninglens.core.rng import Stream, uniforms
from lightninglens.core.units import NS_PER_DAY, NS_PER_HOUR, UnixNs
from lightninglens.storage import forward_packs
from lightninglens.storage.forwards import Batch, ForwardStore

ALIAS = ChannelId.of(16_500_000, 1, 0)
LATER_NS = 2**62
DAYS = 8


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a week be long."""
    monkeypatch.setattr(forward_packs, "HISTORY_DAYS", 3)
    monkeypatch.setattr(forward_packs, "HOUR_DAYS", 2)


def events(days: int) -> Iterator[HtlcEvent]:
    """Yield events over days; one in five of the HTLCs that go on ends a day or two later."""
    htlcs, held = Htlcs(), []
    for number in range(days * 40):
        draws = uniforms(1, number, Stream.AMOUNT, 5).tolist()
        htlcs.later(draws[0] * 2 * 86_400 / 40)
        ends: dict[str, Any] = {"incoming": (P, R, ALIAS)[int(draws[1] * 3)], "outgoing": Q}
        amount_msat = int(1_000 * 10 ** (draws[2] * 5))
        if draws[3] < 0.5:
            yield htlcs.refused(amount_msat, **ends)
            continue
        offered = htlcs.offered(amount_msat, **ends)
        yield offered
        if draws[4] < 0.2:
            held.append((htlcs.now_ns + (1 + draws[4] * 5) * NS_PER_DAY, offered))
        else:
            yield htlcs.settled(offered) if draws[4] < 0.6 else htlcs.failed(offered)
        while held and held[0][0] <= htlcs.now_ns:
            yield htlcs.settled(held.pop(0)[1])


def recorded(path: Path, *, packs: bool, days: int = DAYS) -> int:
    """Write a database as the recorder does, and return until when."""
    with ForwardStore(path) as store:
        accounting = HtlcAccounting(earlier=store)
        accounting.channels.see([channel(P), channel(Q), channel(R), channel(ALIAS)], UnixNs(START_NS))
        now_ns = START_NS
        for event in events(days):
            accounting.take(event)
            now_ns = event.timestamp_ns
            store.write(Batch(changes=accounting.changes(now_ns), next_payment=accounting.next_payment))
            if packs:
                store.pack(now_ns=now_ns)
    return now_ns


def contents(path: Path, table: str) -> int:
    with sqlite3.connect(path) as connection:
        found = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
    connection.close()
    return int(found)


def counted(evidence: Evidence, sums: Sums) -> Counter[tuple[object, ...]]:
    """Return sums by key, whatever rows they are in; hours aside."""
    found: Counter[tuple[object, ...]] = Counter()
    for row in zip(*sums, strict=True):
        key = (evidence.channels[row[1]], evidence.channels[row[2]], *row[3:7])
        for name, value in zip(Sums._fields[7:], row[7:], strict=True):
            found[*key, name] += int(value)
    return +found


def refused(evidence: Evidence) -> list[tuple[object, ...]]:
    ends = [[evidence.channels[row] for row in rows] for rows in evidence.refused[:2]]
    return sorted(zip(*ends, *(each.tolist() for each in evidence.refused[2:]), strict=True))


def test_what_is_packed_reads_as_the_rows_did(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain.db", tmp_path / "packed.db"
    now_ns = recorded(plain, packs=False)
    assert recorded(packed, packs=True) == now_ns
    assert contents(packed, "sums") < contents(plain, "sums") / 3
    assert contents(packed, "payments") < contents(plain, "payments") / 3
    hour_ns, day_ns = (now_ns // each * each for each in (NS_PER_HOUR, NS_PER_DAY))
    windows = [(hour_ns - hours * NS_PER_HOUR, now_ns) for hours in (0, 1, 5, 24, 40)]
    # Beyond the days of which hours are kept, a window is of whole days.
    windows += [(day_ns - 6 * NS_PER_DAY, now_ns), (day_ns - 5 * NS_PER_DAY, day_ns - 2 * NS_PER_DAY), (0, LATER_NS)]
    with ForwardStore(plain) as rows, ForwardStore(packed) as packs:
        for since_ns, until_ns in windows:
            before, after = (evidence(each, since_ns=since_ns, until_ns=until_ns) for each in (rows, packs))
            assert refused(before) == refused(after)
            assert counted(before, before.sums) == counted(after, after.sums)
        whole = evidence(packs, since_ns=day_ns - 5 * NS_PER_DAY, until_ns=day_ns - 4 * NS_PER_DAY)
        part = evidence(packs, since_ns=day_ns - 5 * NS_PER_DAY + NS_PER_HOUR, until_ns=day_ns - 4 * NS_PER_DAY)
        assert len(whole.sums.hour)
        assert counted(part, part.sums) == counted(whole, whole.sums)


def test_rates_are_of_the_latest_days_and_of_what_is_in_none_yet(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain.db", tmp_path / "packed.db"
    now_ns = recorded(plain, packs=False)
    recorded(packed, packs=True)
    over_ns = (now_ns // NS_PER_HOUR - 1) * NS_PER_HOUR
    first_ns = (over_ns // NS_PER_DAY - 3) * NS_PER_DAY
    with ForwardStore(plain) as rows, ForwardStore(packed) as packs:
        before = evidence(rows, since_ns=first_ns, until_ns=LATER_NS)
        after = evidence(packs, since_ns=0, until_ns=LATER_NS)
        late = evidence(packs, since_ns=first_ns, until_ns=LATER_NS)
        assert counted(late, late.sums) == counted(before, before.sums)
        extra = counted(after, after.history)
        extra.subtract(counted(before, before.sums))
        assert min(extra.values()) >= 0
        # What came late for a day that is too old waits for the next day to be packed, and is history until then.
        assert sum(value for (*_, name), value in extra.items() if name == "attempts") <= 3


def test_the_history_goes_with_the_clock_forward_and_back(tmp_path: Path) -> None:
    path = tmp_path / "forwards.db"
    now_ns = recorded(path, packs=True)
    with ForwardStore(path) as store:
        store.pack(now_ns=now_ns + NS_PER_DAY)
        before = evidence(store, since_ns=0, until_ns=LATER_NS)
        store.pack(now_ns=now_ns + 400 * NS_PER_DAY)
        away = evidence(store, since_ns=0, until_ns=LATER_NS)
        store.pack(now_ns=now_ns + NS_PER_DAY)
        after = evidence(store, since_ns=0, until_ns=LATER_NS)
    assert not len(away.history.hour)
    assert len(before.history.hour)
    assert counted(before, before.history) == counted(after, after.history)
    assert counted(before, before.sums) == counted(after, after.sums) == counted(away, away.sums)


def test_a_database_of_the_first_form_is_packed_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "forwards.db"
    upgrade = command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, _head: upgrade(config, "forwards_0001"))
        now_ns = recorded(path, packs=False)
    with sqlite3.connect(path) as connection:
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'packs'").fetchall()
    connection.close()
    with ForwardStore(path) as store:
        before = evidence(store, since_ns=0, until_ns=LATER_NS)
        store.pack(now_ns=now_ns)
        after = evidence(store, since_ns=0, until_ns=LATER_NS)
    assert len(before.sums.hour)
    assert counted(before, before.sums) == counted(after, after.sums)
    assert refused(before) == refused(after)
    assert contents(path, "packs")


def test_old_days_and_old_refusals_go(tmp_path: Path) -> None:
    path = tmp_path / "forwards.db"
    now_ns = recorded(path, packs=True)
    with ForwardStore(path) as store:
        store.forget(before_ns=now_ns - 2 * NS_PER_DAY)
        found = evidence(store, since_ns=0, until_ns=LATER_NS)
        assert found.refused.began_ns.min() >= (now_ns - 2 * NS_PER_DAY) // NS_PER_HOUR * NS_PER_HOUR
        assert found.sums.hour.min() <= now_ns // NS_PER_HOUR - 24 * (DAYS - 1)
        store.forget(before_ns=now_ns + 1_000 * NS_PER_DAY)
        gone = evidence(store, since_ns=0, until_ns=LATER_NS)
        assert len(gone.sums.hour) < len(found.sums.hour)


def test_a_pack_that_was_changed_is_told_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "forwards.db"
    now_ns = recorded(path, packs=True)
    with sqlite3.connect(path) as connection:
        (body,) = connection.execute("SELECT body FROM packs WHERE kind = 'sums of a day'").fetchone()
        changed = bytes([*body[:-1], body[-1] ^ 1])
        connection.execute("UPDATE packs SET body = ? WHERE body = ?", (changed, body))
    connection.close()
    with ForwardStore(path) as store:
        with pytest.raises(DataError, match=r"a record is damaged \(sums of a day"):
            evidence(store, since_ns=0, until_ns=now_ns)
        assert contents(path, "packs")
        assert store.newest(1)


def test_a_disk_that_refuses_leaves_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "forwards.db"
    now_ns = recorded(path, packs=False, days=2)
    rows = contents(path, "sums")
    monkeypatch.setattr(forward_packs, "_DELETE", "DELETE FROM nowhere WHERE kind = ? AND to_hour <= ?")
    with ForwardStore(path) as store, pytest.raises(LensError, match="what is over cannot be packed"):
        store.pack(now_ns=now_ns)
    assert contents(path, "sums") == rows
    assert not contents(path, "packs")
