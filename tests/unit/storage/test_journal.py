import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lightninglens.core.errors import ConfigError, DataError, LensError
from lightninglens.core.ids import ChannelId, derive_node_id
from lightninglens.core.ports import Journal
from lightninglens.core.records import Interval, JournalRecord, JournalState, RebalanceChange
from lightninglens.core.units import MAX_MONEY_MSAT, Msat, UnixNs
from lightninglens.storage.journal import SqliteJournal

NODE = derive_node_id(1, "lnd-alice")
money = st.integers(0, MAX_MONEY_MSAT).map(Msat)
paid = st.integers(1, MAX_MONEY_MSAT).map(Msat)
# No channel is both the way out and the way in.
outgoing = st.integers(0, 2**63 - 1).map(lambda half: ChannelId(2 * half))
incoming = st.integers(0, 2**63 - 1).map(lambda half: ChannelId(2 * half + 1))
text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
gains = st.builds(
    Interval, low_msat=st.integers(-1000, 0), expected_msat=st.integers(0, 9), high_msat=st.integers(9, 99)
)
changes = st.builds(
    RebalanceChange,
    node_id=st.just(NODE),
    outgoing_channel_id=outgoing,
    incoming_channel_id=incoming,
    amount_msat=paid,
    max_fee_msat=money,
    previous_local_msat=money,
    reason=text,
    confidence=st.none() | st.floats(0, 1),
    expected_gain=st.none() | gains,
)
records = st.builds(
    JournalRecord,
    sequence=st.just(0),
    recorded_ns=st.integers(0, 2**63 - 1).map(UnixNs),
    plan_id=text,
    change_index=st.integers(0, 1000),
    author=text,
    state=st.sampled_from(JournalState),
    change=changes,
    reserved_msat=money,
    moved_msat=money,
    fee_msat=money,
    detail=text,
)


def record(plan_id: str = "p") -> JournalRecord:
    change = RebalanceChange(
        node_id=NODE,
        outgoing_channel_id=ChannelId.of(800_000, 1, 0),
        incoming_channel_id=ChannelId.of(800_000, 1, 1),
        amount_msat=Msat(1),
        max_fee_msat=Msat(1),
        previous_local_msat=Msat(1),
        reason="",
    )
    return JournalRecord(
        sequence=0,
        recorded_ns=UnixNs(1),
        plan_id=plan_id,
        change_index=0,
        author="test",
        state=JournalState.PLANNED,
        change=change,
        reserved_msat=Msat(1),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.db"


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.lists(records, max_size=4))
def test_records_are_read_as_written_and_in_order(written: list[JournalRecord], tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "journal.db") as journal:
        journal.close()
        before = [each.sequence for each in journal.records()]
        kept = [journal.append(each) for each in written]
        since = before[-1] if before else 0
        assert list(journal.records(since_sequence=since)) == kept
        assert [each.sequence for each in kept] == list(range(since + 1, since + 1 + len(kept)))


def test_it_is_a_journal_in_a_private_file(path: Path) -> None:
    journal: Journal = SqliteJournal(path)
    journal.append(record())
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_every_commit_is_synced_and_logged_ahead(path: Path) -> None:
    with SqliteJournal(path) as journal, journal._engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("synchronous", "journal_mode")
        }
        found["foreign_keys"] = connection.exec_driver_sql("PRAGMA foreign_keys").scalar()
    assert found == {"synchronous": 2, "journal_mode": "wal", "foreign_keys": 1}


@pytest.mark.parametrize("statement", ["UPDATE journal SET fee_msat = 0", "DELETE FROM journal"])
def test_what_is_written_cannot_be_changed(statement: str, path: Path) -> None:
    with SqliteJournal(path) as journal:
        journal.append(record())
    raw = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        raw.execute(statement)
    raw.close()
    with SqliteJournal(path) as journal:
        assert len(journal.records()) == 1


def test_threads_may_write_together(path: Path) -> None:
    with SqliteJournal(path) as journal, ThreadPoolExecutor(4) as pool:
        kept = list(pool.map(lambda index: journal.append(record(str(index))).sequence, range(40)))
        assert sorted(kept) == list(range(1, 41))
        assert len(journal.records()) == 40


def test_it_opens_again_as_it_was(path: Path) -> None:
    for count in range(1, 4):
        with SqliteJournal(path) as journal:
            journal.append(record())
            assert len(journal.records()) == count


@pytest.mark.parametrize("damage", ["text", "torn", "scribbled"])
def test_a_damaged_file_is_refused_and_kept(damage: str, path: Path) -> None:
    with SqliteJournal(path) as journal:
        for _ in range(200):
            journal.append(record("x" * 200))
    good = path.read_bytes()
    bad = {"text": b"not a database" * 99, "torn": good[: len(good) // 2], "scribbled": good[:8192] + b"\x5a" * 16384}
    path.write_bytes(bad[damage])
    with pytest.raises(DataError, match=r"cannot be read .*left as it is: move it"):
        SqliteJournal(path)
    assert path.read_bytes() == bad[damage]


def test_rows_that_break_the_rules_are_damage(path: Path) -> None:
    with SqliteJournal(path) as journal:
        journal.append(record())
    raw = sqlite3.connect(path)
    raw.execute("DROP TRIGGER journal_refuses_update")
    raw.execute("PRAGMA ignore_check_constraints = ON")
    raw.execute("UPDATE journal SET fee_msat = -1")
    raw.commit()
    raw.close()
    with pytest.raises(DataError, match=r"cannot be read .*CHECK constraint failed in journal"):
        SqliteJournal(path)


def test_an_upgrade_that_is_cut_short_leaves_nothing_behind(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        # After the table and its index, before the triggers.
        patched.setattr("alembic.op.execute", cut)
        with pytest.raises(KeyboardInterrupt):
            SqliteJournal(path)
    raw = sqlite3.connect(path)
    assert raw.execute("SELECT name FROM sqlite_master").fetchall() == []
    raw.close()
    with SqliteJournal(path) as journal:
        assert journal.append(record()).sequence == 1


def test_a_newer_file_is_refused(path: Path) -> None:
    SqliteJournal(path).close()
    raw = sqlite3.connect(path)
    raw.execute("UPDATE alembic_version SET version_num = 'journal_9999'")
    raw.commit()
    raw.close()
    with pytest.raises(ConfigError, match="written by a newer LightningLens"):
        SqliteJournal(path)


def test_another_programs_file_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE theirs (x)")
    raw.commit()
    raw.close()
    with pytest.raises(DataError, match="of another program"):
        SqliteJournal(path)
    raw = sqlite3.connect(path)
    assert raw.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    raw.close()


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("format", "lightninglens/journal/9", "record 1: unknown format"),
        ("change", "{}", "record 1: "),
        ("change", "[", "record 1: not readable as JSON"),
    ],
)
def test_a_record_that_makes_no_sense_is_named(column: str, value: str, said: str, path: Path) -> None:
    with SqliteJournal(path) as journal:
        journal.append(record())
    raw = sqlite3.connect(path)
    raw.execute("DROP TRIGGER journal_refuses_update")
    raw.execute(f"UPDATE journal SET {column} = ?", (value,))  # noqa: S608 - the names are in this file
    raw.commit()
    raw.close()
    with SqliteJournal(path) as journal, pytest.raises(DataError, match=said):
        journal.records()


def test_money_that_cannot_be_is_refused(path: Path) -> None:
    from dataclasses import replace

    with SqliteJournal(path) as journal:
        with pytest.raises(LensError, match=r"cannot be written .*nothing was done"):
            journal.append(replace(record(), fee_msat=Msat(-1)))
        assert journal.records() == []


def test_a_journal_that_is_locked_for_long_is_an_error_not_a_loss(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightninglens.storage.sqlite.engine.BUSY_TIMEOUT_MS", 100)
    with SqliteJournal(path) as journal:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LensError, match="locked"):
            journal.append(record())
        with pytest.raises(DataError, match="locked"):
            journal.records()
        other.execute("ROLLBACK")
        other.close()
        assert journal.append(record()).sequence == 1
