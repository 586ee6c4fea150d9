"""Stages 1 and 2: every source gives the same tables, and what is damaged is left out and counted."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lightninglens.core.errors import ConfigError, DataError
from lightninglens.core.htlc import FailureCode
from lightninglens.core.observations import ChannelSeen, PaymentSeen
from lightninglens.lab.learning.collect import collect, gather
from lightninglens.lab.learning.observations import read_worlds
from lightninglens.storage.files import runs
from lightninglens.storage.files.tables import ATTEMPTS

A, B, C = ("02" + letter * 64 for letter in "abc")
NAMES = {"lnd-alice": A, "lnd-bob": B, "lnd-carol": C}
START_MS = 1_767_571_200_000


def channel(channel_id: str, peer: str, local: int, remote: int) -> dict[str, Any]:
    return {
        "remote_pubkey": NAMES[peer],
        "capacity": 1_000_000,
        "local_balance": local,
        "remote_balance": remote,
        "remote_node": peer,
        "channel_id": channel_id,
    }


def channels(alice: int = 900_000, bob: int = 400_000) -> dict[str, Any]:
    """Alice - Bob - Carol."""
    return {
        "lnd-alice": [channel("202x1x0", "lnd-bob", alice, 990_000 - alice)],
        "lnd-bob": [
            channel("202x1x0", "lnd-alice", 990_000 - alice, alice),
            channel("203x1x0", "lnd-carol", bob, 990_000 - bob),
        ],
        "lnd-carol": [channel("203x1x0", "lnd-bob", 990_000 - bob, bob)],
    }


def head(world_ms: int = START_MS, started_ms: int = 1) -> dict[str, Any]:
    data = {"channels": channels(), "transactions": [], "last_update": "x"}
    message = {"type": "state_update", "data": data}
    return {"format": "lightninglens/raw/1", "world_ms": world_ms, "started_ms": started_ms, "message": message}


def transaction(number: int, *, world_ms: int = START_MS + 5_000, **changes: Any) -> dict[str, Any]:
    attempt = {
        "channel_ids": ["202x1x0", "203x1x0"],
        "nodes": [A, B, C],
        "hop_amounts_msat": [50_001_050, 50_000_000],
        "settled": False,
        "failed_hop": 1,
        "code": "temporary_channel_failure",
        "started": "2026-01-05T00:00:01.000+00:00",
        "ended": "2026-01-05T00:00:02.500+00:00",
    }
    data = {
        "sender": "lnd-alice",
        "receiver": "lnd-carol",
        "amount": 50_000,
        "success": False,
        "description": "Coffee purchase",
        "type": "payment",
        "fee": 0,
        "fee_msat": 0,
        "route_length": 2,
        "attempts": 1,
        "duration_ms": 1_500,
        "failure_reason": "temporary_channel_failure",
        "payment_id": number,
        "attempt_log": [attempt],
        "timestamp": "2026-01-05T00:00:02.500+00:00",
        **changes,
    }
    return {"world_ms": world_ms, "message": {"type": "transaction", "data": data}}


def update(world_ms: int, alice: int) -> dict[str, Any]:
    return {"world_ms": world_ms, "message": {"type": "channel_update", "data": channels(alice=alice)}}


def write(path: Path, *lines: dict[str, Any] | str, end: str = "\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + end)
    return path


def seen(path: Path, out: Path) -> tuple[list[PaymentSeen], list[ChannelSeen]]:
    collect([path], out)
    (world,) = read_worlds(out)
    payments = [one for one in world.observations if isinstance(one, PaymentSeen)]
    return payments, [one for one in world.observations if isinstance(one, ChannelSeen)]


@pytest.mark.promise("A0.13a", "A0.32", "A0.40")
def test_a_recording_tells_of_payments_attempts_and_channels(tmp_path: Path) -> None:
    path = write(tmp_path / "raw/lab.jsonl", head(), transaction(1), update(START_MS + 9_000, 800_000))
    (payment,), states = seen(path, tmp_path / "out")
    assert (payment.sender_id, payment.receiver_id, payment.amount_msat) == (A, C, 50_000_000)
    assert payment.ended_ns - (payment.started_ns or 0) == 1_500_000_000
    assert (payment.succeeded, payment.fee_msat) == (False, None)
    assert payment.attempts is not None
    (attempt,) = payment.attempts
    assert [str(channel_id) for channel_id in attempt.channel_ids] == ["202x1x0", "203x1x0"]
    assert attempt.node_ids == (A, B, C)
    assert attempt.hop_amounts_msat == (50_001_050, 50_000_000)
    assert (attempt.failed_hop, attempt.code) == (1, FailureCode.TEMPORARY_CHANNEL_FAILURE)
    told = [(str(state.channel_id), state.node1_id, state.node1_local_msat) for state in states]
    # Both ends tell of each channel, and the second message tells of one that did not change.
    assert told == [("202x1x0", A, 900_000_000), ("203x1x0", B, 400_000_000), ("202x1x0", A, 800_000_000)]


@pytest.mark.promise("A0.39")
def test_a_data_directory_is_read_whole(tmp_path: Path) -> None:
    write(tmp_path / "raw/a.jsonl", head(), transaction(1))
    write(tmp_path / "raw/b.jsonl", head(START_MS + 60_000, 2), transaction(2, world_ms=START_MS + 61_000))
    write(tmp_path / "raw/notes.txt", "hello")
    found = gather([tmp_path])
    assert found.transactions["payment_id"].to_list() == ["1", "2"]
    assert found.transactions["world"].unique().to_list() == ["a"]
    assert any("1 files there are no recordings" in note for note in found.notes)


def test_a_lab_that_was_started_again_is_another_world(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", head(), transaction(1, world_ms=START_MS + 60_000))
    write(tmp_path / "b.jsonl", head(START_MS, 2), transaction(1))
    found = gather([tmp_path])
    assert found.transactions["world"].to_list() == ["a", "b"]


def test_the_same_name_twice_is_two_worlds(tmp_path: Path) -> None:
    first = write(tmp_path / "1/lab.jsonl", head(), transaction(1))
    second = write(tmp_path / "2/lab.jsonl", head(), transaction(1))
    assert gather([first, second]).transactions["world"].to_list() == ["lab", "lab (2)"]


def test_a_recording_that_was_cut_off_is_read_up_to_there(tmp_path: Path) -> None:
    path = write(tmp_path / "lab.jsonl", head(), transaction(1), json.dumps(transaction(2))[:-40], end="")
    found = gather([path])
    assert found.transactions.height == 1
    assert found.dropped["lines that were cut off"] == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nonsense", "lines that are no JSON object"),
        ("[1, 2]", "lines that are no JSON object"),
        ({"world_ms": 1}, "lines without a message"),
        ({"world_ms": 1, "message": {"type": 3}}, "lines without a message"),
        ({"world_ms": 1, "message": {"type": "alert", "data": {}}}, "messages about something else (alert)"),
        ({"world_ms": 1, "message": {"type": "transaction"}}, "transactions that are not of the feed's form"),
        (
            {"world_ms": 1, "message": {"type": "transaction", "data": {"amount": "many"}}},
            "transactions that are not of the feed's form",
        ),
        ({"world_ms": 1, "message": {"type": "channel_update", "data": 7}}, "channel news without channels or time"),
        (
            {"world_ms": 1, "message": {"type": "channel_update", "data": {"a": [{}]}}},
            "channels that are not of the feed's form",
        ),
        (transaction(1), "payments that are there twice"),
        (transaction(2, amount=-5), "payments without an amount above 0"),
        (transaction(2, amount=2.2e15), "payments without an amount above 0"),
        (transaction(2, timestamp="yesterday"), "payments without a time"),
        (transaction(2, timestamp=["2026"]), "payments without a time"),
        (transaction(2, sender=None), "payments without sender or receiver"),
        (transaction(2, receiver="lnd-alice"), "payments to oneself"),
        (transaction(2, type="gift"), "rows of another type"),
        (update(START_MS + 1, 2_000_000), "channel states whose balances are not within the capacity"),
    ],
)
def test_nonsense_is_left_out_and_counted(tmp_path: Path, line: dict[str, Any] | str, reason: str) -> None:
    found = gather([write(tmp_path / "lab.jsonl", head(), transaction(1), line, "")])
    assert found.dropped[reason] >= 1
    assert found.transactions["payment_id"].to_list() == ["1"]


@pytest.mark.parametrize(
    "changes",
    [
        {"channel_ids": ["202x1x0"]},
        {"channel_ids": ["not a channel", "203x1x0"]},
        {"hop_amounts_msat": [1, -1]},
        {"hop_amounts_msat": None},
        {"code": "gremlins"},
        {"settled": "perhaps"},
        {"failed_hop": 7},
        {"started": None},
    ],
)
def test_a_payment_with_a_damaged_attempt_is_one_of_unknown_attempts(tmp_path: Path, changes: dict[str, Any]) -> None:
    line = transaction(1)
    line["message"]["data"]["attempt_log"][0].update(changes)
    payments, _ = seen(write(tmp_path / "lab.jsonl", head(), line), tmp_path / "out")
    assert payments[0].attempts is None


def test_a_recording_without_attempt_logs_has_unknown_attempts(tmp_path: Path) -> None:
    line = transaction(1)
    del line["message"]["data"]["attempt_log"]
    payments, _ = seen(write(tmp_path / "lab.jsonl", head(), line), tmp_path / "out")
    assert payments[0].attempts is None
    without_route = transaction(1, attempt_log=[], attempts=0)
    payments, _ = seen(write(tmp_path / "lab.jsonl", head(), without_route), tmp_path / "out")
    assert payments[0].attempts == ()


def test_bare_messages_of_the_feed_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "kept.jsonl", transaction(1)["message"], {"type": "channel_update", "data": channels()})
    found = gather([path])
    assert found.transactions.height == 1
    assert found.dropped["channel news without channels or time"] == 1


@pytest.mark.promise("A0.39", "A0.40")
def test_a_run_tells_what_happened_in_it(run: Path, tmp_path: Path) -> None:
    payments, states = seen(run, tmp_path)
    table = runs.read_run_table(run, runs.read_manifest(run), "attempts", ATTEMPTS)
    assert len(payments) == 3_000
    assert sum(len(payment.attempts or ()) for payment in payments) == table.height
    lost = [payment for payment in payments if not payment.succeeded]
    assert lost
    assert all(payment.fee_msat is None for payment in lost)
    assert {state.capacity_sat for state in states} == {1_000_000}
    for payment in payments:
        for attempt in payment.attempts or ():
            assert attempt.hop_amounts_msat[-1] == payment.amount_msat
            assert attempt.node_ids[0] == payment.sender_id
            assert (attempt.failed_hop is None) == attempt.settled


def test_a_run_of_an_older_version_has_unknown_attempts(run: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(run, old)
    path = old / "attempts.parquet"
    known = pl.read_parquet_metadata(path)["lightninglens.format"]
    pl.read_parquet(path).drop("route_amounts_msat").write_parquet(path, metadata={"lightninglens.format": known})
    manifest = json.loads((old / "manifest.json").read_text())
    manifest["files"]["attempts.parquet"]["sha256"] = runs.sha256_of(path)
    (old / "manifest.json").write_text(json.dumps(manifest))
    payments, _ = seen(old, tmp_path / "out")
    assert all(payment.attempts is None for payment in payments)
    assert any("without amounts per hop" in note for note in gather([old]).notes)


def test_a_directory_of_runs_is_several_worlds(run: Path) -> None:
    assert gather([run.parent]).transactions["world"].unique().to_list() == ["lab"]


@pytest.mark.parametrize(
    ("name", "text", "error", "words"),
    [
        ("empty.jsonl", "", DataError, "there is no payment in it"),
        ("empty.csv", "", DataError, "the file is empty"),
        ("head.csv", "timestamp,sender,receiver,amount\n", DataError, "there is no payment in it"),
        ("other.csv", "a,b\n1,2\n", DataError, "no column says the timestamp"),
        ("binary.csv", "a\0b", DataError, "no text"),
        ("binary.dat", "a\0b", DataError, "neither a recording nor a CSV"),
        ("prose.jsonl", "Dear diary,\n", DataError, "there is no payment in it"),
    ],
)
def test_what_holds_nothing_is_refused_in_words(
    tmp_path: Path, name: str, text: str, error: type[Exception], words: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(error, match=words):
        gather([tmp_path / name])


def test_where_there_is_nothing_to_read_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file or directory"):
        gather([tmp_path / "nothing"])
    with pytest.raises(ConfigError, match="`lens up` writes them"):
        gather([tmp_path])
