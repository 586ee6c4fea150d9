"""Whatever is in a file: it is read, or refused in words; never a traceback, and never a number made up."""

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from lightninglens.core.errors import LensError
from lightninglens.lab.learning.collect import collect
from lightninglens.lab.learning.observations import read_worlds
from lightninglens.lab.learning.transform import transform

WORDS = st.text(max_size=12) | st.sampled_from(["", "a", "b", "true", "1767571200", "2026-01-05", "7", "1x1x1", "-1"])
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
KEYS = st.sampled_from(
    [
        "type",
        "data",
        "channels",
        "transactions",
        "amount",
        "sender",
        "receiver",
        "timestamp",
        "success",
        "attempt_log",
        "payment_id",
        "channel_ids",
        "nodes",
        "hop_amounts_msat",
        "settled",
        "failed_hop",
        "code",
        "started",
        "ended",
        "capacity",
        "local_balance",
        "remote_balance",
        "remote_node",
        "remote_pubkey",
        "channel_id",
        "world_ms",
        "message",
    ]
)
JSON = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=12
)
MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from(["transaction", "channel_update", "state_update", "alert"]), "data": JSON}
)
TRANSACTIONS = st.fixed_dictionaries(
    {
        "type": st.just("transaction"),
        "data": st.dictionaries(KEYS, JSON, max_size=8).map(lambda data: {"amount": 5, **data}),
    }
)
LINES = st.fixed_dictionaries({"world_ms": PLAIN, "message": MESSAGES | TRANSACTIONS}) | JSON


def read(content: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            report = collect([path], Path(folder) / "collected")
            transform(Path(folder) / "collected", Path(folder) / "transformed")
            worlds = read_worlds(Path(folder) / "transformed")
        except LensError as problem:
            assert str(problem)  # noqa: PT017 - that it is in words is what is shown
        else:
            assert report.rows_out >= sum(len(world.observations) > 0 for world in worlds)


@settings(max_examples=40)
@given(st.lists(LINES, max_size=6), st.binary(max_size=30))
def test_any_recording_is_read_or_refused(lines: list[object], rest: bytes) -> None:
    head = {"format": "lightninglens/raw/1", "world_ms": 1, "started_ms": 1, "message": {"type": "state_update"}}
    text = "\n".join(json.dumps(line) for line in [head, *lines])
    read(text.encode("utf-8", "surrogatepass") + b"\n" + rest, "lab.jsonl")


@settings(max_examples=40)
@given(st.lists(st.lists(WORDS, min_size=1, max_size=8), max_size=6))
def test_any_csv_is_read_or_refused(rows: list[list[str]]) -> None:
    head = "timestamp,type,sender,receiver,amount,success,channel_before,duration_ms"
    text = "\n".join([head, *(",".join(row) for row in rows)])
    read(text.encode("utf-8", "replace"), "mine.csv")


@settings(max_examples=20)
@given(st.binary(max_size=200), st.sampled_from(["a.csv", "a.jsonl", "a.json", "a.txt", "a"]))
def test_any_bytes_are_read_or_refused(content: bytes, name: str) -> None:
    read(content, name)
