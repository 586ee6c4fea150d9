"""A CSV of one's own: read under its own names, with nothing made up."""

import json
from pathlib import Path

import polars as pl
import pytest

from lightninglens.core.errors import ConfigError, DataError
from lightninglens.core.observations import ChannelSeen, PaymentSeen
from lightninglens.lab.learning.collect import collect, gather
from lightninglens.lab.learning.observations import read_worlds
from lightninglens.lab.learning.user_csv import read_user_csv


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.promise("A0.27", "A1.7")
def test_the_17_columns_give_what_the_run_has(csv: Path, run: Path, tmp_path: Path) -> None:
    collect([csv], tmp_path / "csv")
    collect([run], tmp_path / "run")
    (ours,), (theirs,) = read_worlds(tmp_path / "run"), read_worlds(tmp_path / "csv")
    names = ours.names
    for kind in (PaymentSeen, ChannelSeen):
        assert sum(isinstance(one, kind) for one in ours.observations) == sum(
            isinstance(one, kind) for one in theirs.observations
        )
    told = {one.amount_msat for one in theirs.observations if isinstance(one, PaymentSeen)}
    assert told == {one.amount_msat for one in ours.observations if isinstance(one, PaymentSeen)}
    assert all(one.attempts is None for one in theirs.observations if isinstance(one, PaymentSeen))
    ends = {(one.channel_id, names[one.node1_id]) for one in ours.observations if isinstance(one, ChannelSeen)}
    assert ends == {(one.channel_id, one.node1_id) for one in theirs.observations if isinstance(one, ChannelSeen)}


def test_other_names_and_units_are_understood(tmp_path: Path) -> None:
    path = write(
        tmp_path / "mine.csv",
        "Created At,From Node,to,Value_msat,Status,memo\n"
        "1767571200,alice,bob,1500,succeeded,hi\n"
        "2026-01-05 00:01:00,bob,alice,2000,FAILED,\n",
    )
    found = gather([path]).transactions
    assert found["amount"].to_list() == [1.5, 2.0]
    assert found["success"].to_list() == [True, False]
    assert found["description"].to_list() == ["hi", None]
    assert found["timestamp"].dt.epoch("s").to_list() == [1_767_571_200, 1_767_571_260]


def test_a_column_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.csv", "time,from,to,wert\n1767571200,a,b,7\n")
    with pytest.raises(DataError, match="--column amount=NAME"):
        read_user_csv(path)
    assert gather([path], columns={"amount": "wert"}).transactions["amount"].to_list() == [7]
    with pytest.raises(ConfigError, match="no column 'Wert'; it has time, from, to, wert"):
        read_user_csv(path, {"amount": "Wert"})
    with pytest.raises(ConfigError, match="no column 'sum' to be filled"):
        read_user_csv(path, {"sum": "wert"})


@pytest.mark.promise("A0.13b", "A0.41")
def test_what_the_file_does_not_tell_stays_unknown(tmp_path: Path) -> None:
    path = write(
        tmp_path / "mine.csv", "time,from,to,amount,success,fee\n1767571200,a,b,7,perhaps,\n1767571201,a,b,8,,3\n"
    )
    found = gather([path])
    unknown = ("success", "fee", "duration_ms", "attempts", "route_length", "failure_reason", "sender_id")
    assert found.transactions.select(unknown).null_count().row(0) == (2,) * len(unknown)
    assert found.attempts.height == 0
    report = collect([path], tmp_path / "out")
    assert report.missing["transactions.success"] == 2
    assert any("tells of no channel" in note for note in report.notes)
    assert any("taken for a payment" in note for note in report.notes)


def channel(channel_id: str, local: int) -> str:
    facts = {"channel_id": channel_id, "capacity": 1_000_000, "local_balance": local, "remote_balance": 990_000 - local}
    return json.dumps(facts)


def states(path: Path) -> list[tuple[str, str, str, float]]:
    frame = gather([path]).channel_states
    return frame.select("channel_id", "node1", "node2", "node1_balance").rows()


def payments(path: Path, *rows: tuple[str, str, int, str]) -> Path:
    """Write a CSV of payments: sender, receiver, hops, channel before."""
    cells = {
        "timestamp": [f"2026-01-05 00:00:{second:02d}" for second in range(len(rows))],
        "sender": [row[0] for row in rows],
        "receiver": [row[1] for row in rows],
        "amount": [100] * len(rows),
        "route_length": [row[2] for row in rows],
        "channel_before": [row[3] for row in rows],
    }
    pl.DataFrame(cells).write_csv(path)
    return path


def test_a_channel_is_known_by_the_two_that_paid_over_it(tmp_path: Path) -> None:
    path = payments(
        tmp_path / "mine.csv",
        ("a", "c", 2, channel("1x1x1", 300_000)),
        ("b", "a", 2, channel("1x1x1", 700_000)),
        ("a", "d", 1, json.dumps(channel("2x1x1", 500_000))),
    )
    assert states(path) == [
        ("1x1x1", "a", "b", 300_000),
        ("1x1x1", "b", "a", 700_000),
        ("2x1x1", "a", "d", 500_000),
    ]


def test_a_channel_with_one_known_end_is_not_made_up(tmp_path: Path) -> None:
    path = payments(
        tmp_path / "mine.csv", ("a", "c", 2, channel("1x1x1", 300_000)), ("a", "b", 1, "{broken"), ("a", "b", 1, "[]")
    )
    assert states(path) == []
    assert gather([path]).dropped["channel states of payments whose channel's two ends the file does not tell"] == 1


def test_damaged_snapshots_are_counted(tmp_path: Path) -> None:
    snapshot = json.dumps(
        [{"channel_id": "1x1x1", "node1": "a", "node2": "b", "capacity": 10, "node1_balance": 4, "node2_balance": 5}, 7]
    )
    rows = {
        "timestamp": ["2026-01-05"] * 4,
        "type": ["snapshot", "snapshot", "payment", "gift"],
        "sender": ["", "", "a", "a"],
        "receiver": ["", "", "b", "b"],
        "amount": ["", "", "7", "7"],
        "channel_before": [snapshot, "nonsense", "", ""],
    }
    path = tmp_path / "mine.csv"
    pl.DataFrame(rows).write_csv(path)
    found = gather([path])
    assert found.channel_states.height == 1
    assert found.dropped["snapshots that are no list of channels"] == 1
    assert found.dropped["channels of a snapshot that are no object"] == 1
    assert found.dropped["rows of another type"] == 1


def test_no_cell_is_taken_for_a_formula_and_none_is_changed_for_good(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.csv", 'time,from,to,amount,memo\n1767571200,"=cmd()",@b,7,"+1"\n')
    collect([path], tmp_path / "one")
    written = (tmp_path / "one/transactions.csv").read_text()
    assert "'=cmd()" in written
    assert "'@b" in written
    assert "'+1" in written
    again = gather([tmp_path / "one/transactions.csv"]).transactions
    assert again.select("sender", "receiver", "description").row(0) == ("=cmd()", "@b", "+1")


def test_ragged_rows_and_strange_bytes_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(b"time,from,to,amount\n1767571200,a,b,7,8,9\n1767571200,a\n1767571200,\xff\xfe,b,7\n\n")
    found = gather([path])
    assert found.transactions["amount"].to_list() == [7, 7]
    assert sum(found.dropped.values()) >= 1
