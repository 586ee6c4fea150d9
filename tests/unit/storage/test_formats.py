"""Every format goes out and comes back the same, and its schema accepts what we write."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lightninglens.core.errors import DataError
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.records import Interval, JournalRecord, JournalState, Plan, RebalanceChange
from lightninglens.core.units import Msat, UnixNs
from lightninglens.sim.balances import BalanceModel
from lightninglens.sim.demand import UniformDemand
from lightninglens.sim.scenario import GraphKind, GraphSource, Scenario
from lightninglens.storage.files.codec import from_json, json_schema, to_json
from lightninglens.storage.files.runs import FileFacts, GraphFacts, Manifest, Timings

ROOT = Path(__file__).parents[3]

CHANGE = RebalanceChange(
    node_id=NodeId("02" + "ab" * 32),
    outgoing_channel_id=ChannelId.of(800_000, 1, 0),
    incoming_channel_id=ChannelId.of(800_001, 2, 1),
    amount_msat=Msat(200_000_000),
    max_fee_msat=Msat(1_000_000),
    previous_local_msat=Msat(700_000_000),
    reason="local share 70 %, target 60 %",
    confidence=0.85,
    expected_gain=Interval(low_msat=-300, expected_msat=1_240, high_msat=2_900),
)
SCENARIO = Scenario(
    name="two nodes",
    seed=7,
    graph=GraphSource(kind=GraphKind.FILE, name="graph.json", sha256="0" * 64),
    payments=10,
    balances=BalanceModel.BIMODAL,
    demand=UniformDemand(),
    observed_nodes=("02" + "ab" * 32,),
)
RECORDS = (
    SCENARIO,
    Manifest(
        scenario=SCENARIO,
        complete=True,
        graph=GraphFacts(nodes=2, channels=1, content_sha256="1" * 64),
        versions={"lightninglens": "0.1.0"},
        files={"payments.parquet": FileFacts(format="lightninglens/run/payments/1", rows=3, sha256="2" * 64)},
    ),
    Timings(wall_s=1.5, cpu_s=1.25, peak_rss_mb=100.0, machine="x86_64"),
    Plan(plan_id="p1", created_ns=UnixNs(1_767_225_600_123_456_789), author="baseline", changes=(CHANGE,)),
    JournalRecord(
        sequence=1,
        recorded_ns=UnixNs(1_767_225_600_123_456_789),
        plan_id="p1",
        change_index=0,
        author="feed",
        state=JournalState.SENT,
        change=CHANGE,
        reserved_msat=Msat(1_000_000),
    ),
)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_comes_back_as_it_went_out(record: Any) -> None:
    data = to_json(record)
    assert from_json(type(record), data, where="here") == record
    assert to_json(from_json(type(record), data, where="here")) == data
    jsonschema.validate(json.loads(data), json_schema(type(record)))


def test_no_number_is_beyond_what_a_float_keeps() -> None:
    def numbers(value: Any) -> list[int]:
        members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        own = [value] if isinstance(value, int) else []
        return own + [number for member in members for number in numbers(member)]

    assert all(abs(number) < 2**53 for record in RECORDS for number in numbers(json.loads(to_json(record))))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"unknown": 1}, "unknown"),
        ({"seed": "7"}, "seed"),
        ({"seed": 7.5}, "seed"),
        ({"payments": None}, "payments"),
        ({"demand": {"kind": "other"}}, "demand"),
        ({"demand": {"kind": "uniform", "least_amount_sats": 5}}, "demand.UniformDemand.least_amount_sats"),
        ({"demand": {"kind": "roles", "payments_per_hour": -1.0}}, "payments_per_hour"),
        ({"demand": {"kind": "roles", "hot_share": 1.5}}, "hot_share"),
        ({"demand": {"kind": "uniform", "direct_weight": 0, "multi_hop_weight": 0, "circular_weight": 0}}, "weight"),
        ({"world": {"hop_delay_sigma": -1}}, "hop_delay_sigma"),
        ({"payments": 0}, "payments"),
        ({"seed": -1}, "seed"),
        ({"graph": []}, "graph"),
        ({"balances": "half"}, "balances"),
        ({"format": "lightninglens/scenario/2"}, "lightninglens/scenario/1"),
    ],
)
def test_a_wrong_scenario_is_refused_and_the_place_named(change: dict[str, Any], place: str) -> None:
    wrong = json.loads(to_json(SCENARIO)) | change
    with pytest.raises(DataError) as refused:
        from_json(Scenario, json.dumps(wrong).encode(), where="scenario.json")
    assert "scenario.json" in str(refused.value)
    assert place in str(refused.value)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"format": 3}'])
def test_what_is_no_record_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(DataError) as refused:
        from_json(Plan, data, where="plan.json")
    assert "\n" not in str(refused.value)


def test_a_time_in_ns_must_be_text() -> None:
    wrong = json.loads(to_json(RECORDS[3])) | {"created_ns": 5}
    with pytest.raises(DataError, match="created_ns"):
        from_json(Plan, json.dumps(wrong).encode(), where="plan.json")


@pytest.mark.parametrize(("field", "value"), [("amount_msat", 0), ("amount_msat", 22 * 10**17), ("max_fee_msat", -1)])
def test_a_plan_with_an_impossible_amount_is_refused(field: str, value: int) -> None:
    wrong = json.loads(to_json(RECORDS[3]))
    wrong["changes"][0][field] = value
    with pytest.raises(DataError, match="changes"):
        from_json(Plan, json.dumps(wrong).encode(), where="plan.json")


def test_the_committed_pages_and_schemas_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/generate_docs.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
