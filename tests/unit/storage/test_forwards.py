import sqlite3
from pathlib import Path

import pytest
from tests.support.htlcs import SECOND, START_NS, Htlcs, P, Q, R, channel
from tests.support.recorded import evidence

from lightninglens.analytics.missed.accounting import HtlcAccounting
from lightninglens.core.attempts import AttemptState, FailureCause
from lightninglens.core.errors import ConfigError, DataError, LensError
from lightninglens.core.forward_tables import Sums
from lightninglens.core.forwards import Gap, GapReason
from lightninglens.core.ids import ChannelId
from lightninglens.core.rng import Stream, uniforms
from lightninglens.core.units import NS_PER_HOUR, UnixNs
from lightninglens.storage.forwards import FORWARDS_FILE, Batch, ForwardStore

LATER_NS = 2**62
ALIAS = ChannelId.of(16_500_000, 1, 0)
"""An id beyond 63 bits, as LND gives channels before they confirm."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FORWARDS_FILE


def batch(accounting: HtlcAccounting, now_ns: int = LATER_NS, **others: object) -> Batch:
    return Batch(changes=accounting.changes(now_ns), next_payment=accounting.next_payment, **others)  # type: ignore[arg-type]


def sums(store: ForwardStore, *, since_ns: int = 0, until_ns: int = LATER_NS) -> Sums:
    return evidence(store, since_ns=since_ns, until_ns=until_ns).sums


def test_what_is_written_is_read_again(path: Path) -> None:
    accounting, htlcs = HtlcAccounting(), Htlcs()
    accounting.channels.see([channel(P), channel(Q), channel(ALIAS)], UnixNs(START_NS))
    offered, refused = htlcs.offered(1_000_000), htlcs.refused(2_000_000, outgoing=ALIAS)
    for event in (offered, refused, htlcs.settled(offered)):
        accounting.take(event)
    written = batch(accounting)
    with ForwardStore(path) as store:
        store.write(written)
    with ForwardStore(path) as store:
        assert [each for _, each in store.newest(10)] == list(reversed(written.changes.attempts.values()))
        assert store.attempt((P, 1)) == written.changes.attempts[P, 1]
        assert store.attempt((P, 77)) is None
        found = evidence(store, since_ns=0, until_ns=LATER_NS)
        (payment,) = (each for each in written.changes.closed if each.refused_here)
        assert [found.channels[row] for row in found.refused.outgoing] == [ALIAS]
        assert found.refused.amount_msat.tolist() == [payment.amount_msat]
        assert store.next_payment() == accounting.next_payment
        (attempt,) = store.refused_at(ALIAS, since_ns=0, until_ns=LATER_NS, limit=10)
        assert attempt.cause is FailureCause.LIQUIDITY


def test_sums_add_up_over_batches_and_hours(path: Path) -> None:
    accounting, htlcs = HtlcAccounting(), Htlcs()
    with ForwardStore(path) as store:
        for _ in range(6):
            accounting.take(htlcs.refused(2_000_000, 2_000))
            htlcs.later(1_800)
            store.write(batch(accounting, htlcs.now_ns))
        found = sums(store)
    assert len(found.hour) in {3, 4}
    assert (found.attempts.sum(), found.payments.sum()) == (6, 6)
    assert (found.amount_msat.sum(), found.fee_msat.sum()) == (12_000_000, 12_000)
    assert found.payment_fee_msat.sum() == 12_000


def test_a_window_touches_whole_hours(path: Path) -> None:
    accounting, htlcs = HtlcAccounting(), Htlcs()
    accounting.take(htlcs.refused(2_000_000))
    hour_ns = START_NS // NS_PER_HOUR * NS_PER_HOUR
    with ForwardStore(path) as store:
        store.write(batch(accounting))
        assert len(sums(store, since_ns=hour_ns, until_ns=hour_ns + 1).hour)
        assert not len(sums(store, since_ns=hour_ns + NS_PER_HOUR).hour)
        assert not len(sums(store, until_ns=hour_ns).hour)


def test_a_payment_that_was_not_refused_is_kept_only_while_it_is_open(path: Path) -> None:
    accounting, htlcs = HtlcAccounting(), Htlcs()
    offered = htlcs.offered(1_000_000)
    accounting.take(offered)
    with ForwardStore(path) as store:
        store.write(batch(accounting, htlcs.now_ns))
        assert [each.number for each in store.open_payments()] == [1]
        assert [each.state for each in store.unresolved()] == [AttemptState.IN_FLIGHT]
        accounting.take(htlcs.settled(offered))
        store.write(batch(accounting))
        assert store.open_payments() == []
        assert store.unresolved() == []
        assert sums(store).payments.sum() == 1


def test_coverage_and_gaps(path: Path) -> None:
    accounting = HtlcAccounting()
    gap = Gap(
        from_ns=UnixNs(50), to_ns=UnixNs(70), reason=GapReason.DISCONNECTED, detail="cable", lost=3, forwards=None
    )
    with ForwardStore(path) as store:
        assert store.covered_until_ns() is None
        store.write(batch(accounting, covered=(10, 40)))
        store.write(batch(accounting, covered=(10, 50), gaps=(gap,)))
        store.write(batch(accounting, covered=(70, 90)))
        assert store.covered(since_ns=20, until_ns=80) == [(20, 50), (70, 80)]
        assert store.covered_until_ns() == 90
        (found,) = store.gaps(since_ns=60, until_ns=65)
        assert (found.reason, found.detail, found.lost) == (GapReason.DISCONNECTED, "cable", 3)
        assert store.gaps(since_ns=70, until_ns=90) == []


def test_channels_are_kept_as_last_seen(path: Path) -> None:
    accounting = HtlcAccounting()
    with ForwardStore(path) as store:
        store.write(batch(accounting, channels=(channel(P), channel(ALIAS)), seen_ns=START_NS))
        store.write(batch(accounting, channels=(channel(P, active=False),), seen_ns=START_NS + 1))
        found = {each.channel_id: (seen, each.active) for seen, each in store.channels()}
    assert found == {P: (START_NS + 1, False), ALIAS: (START_NS, True)}


@pytest.mark.promise("A2.3")
def test_old_attempts_go_and_sums_stay(path: Path) -> None:
    accounting, htlcs = HtlcAccounting(), Htlcs()
    for _ in range(3):
        accounting.take(htlcs.refused(2_000_000, outgoing=R))
        htlcs.later(86_400)
    with ForwardStore(path) as store:
        store.write(batch(accounting))
        assert store.forget(before_ns=START_NS + 86_400 * SECOND) == 2
        assert len(store.newest(10)) == 2
        assert sums(store).attempts.sum() == 3
        assert store.forget(before_ns=LATER_NS) == 4
        assert store.newest(10) == []
        assert store.forget(before_ns=LATER_NS) == 0


def test_a_batch_is_written_whole_or_not_at_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accounting, htlcs = HtlcAccounting(), Htlcs()
    accounting.take(htlcs.refused(2_000_000))
    with ForwardStore(path) as store:
        monkeypatch.setattr("lightninglens.storage.forwards._WRITE_SUM", "INSERT INTO nowhere VALUES (?)")
        with pytest.raises(LensError, match=r"cannot be written .* what was written before is safe"):
            store.write(batch(accounting))
        assert store.newest(10) == []


def test_a_damaged_file_is_left_as_it_is_and_told_in_words(path: Path) -> None:
    with ForwardStore(path) as store:
        store.write(batch(HtlcAccounting()))
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xff" * 3996
    path.write_bytes(content)
    with pytest.raises(DataError, match="was left as it is"):
        ForwardStore(path)
    assert path.read_bytes() == bytes(content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", None),
        (b"This is a note, and no database at all." * 200, "was left as it is"),
        (b"SQLite format 3\0" + b"\7" * 5_000, "was left as it is"),
    ],
)
def test_a_file_that_is_no_database_is_left_as_it_is(path: Path, content: bytes, said: str | None) -> None:
    path.write_bytes(content)
    if said is None:  # an empty file is what is there before the first table
        ForwardStore(path).close()
        return
    with pytest.raises(DataError, match=said):
        ForwardStore(path)
    assert path.read_bytes() == content


def test_a_database_of_somebody_else_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (name TEXT)")
    other.close()
    with pytest.raises(DataError, match="a database of another program"):
        ForwardStore(path)
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    other.close()


def filled(path: Path) -> None:
    """Write a database with something in every table."""
    accounting, htlcs = HtlcAccounting(), Htlcs()
    gap = Gap(from_ns=UnixNs(50), to_ns=UnixNs(70), reason=GapReason.ENDED, detail="restart")
    with ForwardStore(path) as store:
        for number in range(60):
            accounting.take(htlcs.refused(2_000_000 + number))
            offered = htlcs.offered(1_000_000 + number)
            accounting.take(offered)
            htlcs.later(1_800)
            if number % 3:
                accounting.take(htlcs.settled(offered))
            states = (channel(P), channel(Q)) if number % 10 == 0 else ()
            store.write(
                batch(
                    accounting, htlcs.now_ns, covered=(10, htlcs.now_ns), channels=states, gaps=(gap,) * (number == 5)
                )
            )
        store.pack(now_ns=htlcs.now_ns - 6 * NS_PER_HOUR)


def read_all(path: Path) -> None:
    """Read all that there is."""
    with ForwardStore(path) as store:
        evidence(store)
        store.newest(1_000)
        store.refused_at(Q, since_ns=0, until_ns=LATER_NS, limit=100)
        store.channels()
        store.covered(since_ns=0, until_ns=LATER_NS)
        store.gaps(since_ns=0, until_ns=LATER_NS)
        store.covered_until_ns()
        HtlcAccounting(next_payment=store.next_payment(), earlier=store).restore(
            store.unresolved(), store.open_payments()
        )


def told_of(path: Path) -> str | None:
    """Return what somebody is told who reads all that there is; None where nothing is wrong."""
    try:
        read_all(path)
    except (DataError, ConfigError) as problem:
        return str(problem)
    return None


@pytest.mark.parametrize("flips", [60, pytest.param(3_000, marks=pytest.mark.nightly)])
def test_flipped_bytes_are_told_in_words_or_change_nothing_that_is_looked_at(path: Path, flips: int) -> None:
    filled(path)
    whole = path.read_bytes()
    told = 0
    for number in range(flips):
        draws = uniforms(7, number, Stream.AMOUNT, 3).tolist()
        content = bytearray(whole)
        first = int(draws[0] * (len(whole) - 16))
        for place in range(first, first + 1 + int(draws[1] * 16)):
            content[place] ^= 1 + int(draws[2] * 255)
        for ending in ("-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        path.write_bytes(content)
        said = told_of(path)
        told += said is not None
        assert said is None or str(path) in said
        assert len(path.read_bytes()) >= len(whole)
    assert told > flips / 20


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_that_was_cut_off_is_told_in_words_and_kept(path: Path, share: float) -> None:
    filled(path)
    content = path.read_bytes()
    cut = content[: int(len(content) * share)]
    path.write_bytes(cut)
    with pytest.raises(DataError, match="was left as it is"):
        ForwardStore(path)
    assert path.read_bytes() == cut


def test_a_table_that_is_gone_is_told_in_words(path: Path) -> None:
    with ForwardStore(path) as store:
        with sqlite3.connect(path) as other:
            other.execute("DROP TABLE attempts")
        other.close()
        with pytest.raises(DataError, match="cannot be read"):
            store.newest(1)
