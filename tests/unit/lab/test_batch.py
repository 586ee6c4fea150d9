"""A run: deterministic to the byte, honest about failures, whole or marked as not."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import lightninglens
from lightninglens.core.errors import ConfigError, DataError
from lightninglens.core.ids import ChannelId
from lightninglens.core.units import Sat, UnixNs
from lightninglens.lab import run_output, run_scenario
from lightninglens.lab.batch import resume_run
from lightninglens.lab.report import read_findings, write_report
from lightninglens.lab.worlds import open_world
from lightninglens.sim.counterfactual import AddedLiquidity
from lightninglens.sim.demand.model import LAB_DEMAND
from lightninglens.sim.demand.purposes import DESCRIPTIONS
from lightninglens.sim.scenario import Scenario
from lightninglens.storage.files import runs
from lightninglens.storage.files.checkpoints import CHECKPOINT, read_checkpoint, write_checkpoint
from lightninglens.storage.files.codec import to_json
from lightninglens.storage.files.csv_export import COLUMNS, export_csv
from lightninglens.storage.files.tables import ATTEMPTS, CHANNEL_STATES, HTLC_EVENTS, PAYMENTS


def lab_scenario(payments: int = 400, seed: int = 5) -> Scenario:
    world = open_world("lab", seed=seed)
    return Scenario(
        name="lab",
        seed=seed,
        graph=world.source,
        payments=payments,
        demand=replace(LAB_DEMAND, amount_scale=4.0),
        observed_nodes=(world.graph.node_ids[0],),
        snapshot_interval_s=600,
    )


def run_lab(directory: Path, scenario: Scenario) -> runs.Manifest:
    world = open_world("lab", seed=scenario.seed)
    return run_scenario(scenario, world.graph, directory, opener_side=world.opener_side).manifest


@pytest.fixture(name="run", scope="module")
def _run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "lab"
    run_lab(directory, lab_scenario())
    write_report(directory)
    return directory


def table(run: Path, name: str) -> pl.DataFrame:
    known = {"payments": PAYMENTS, "attempts": ATTEMPTS, "htlc_events": HTLC_EVENTS, "channel_states": CHANNEL_STATES}
    return runs.read_run_table(run, runs.read_manifest(run), name, known[name])


def test_the_same_scenario_gives_the_same_bytes_in_another_process(run: Path, tmp_path: Path) -> None:
    (tmp_path / "scenario.json").write_bytes(to_json(lab_scenario()))
    command = ["sim", "run", "--scenario", "scenario.json", "--out", "again"]
    subprocess.run(
        [sys.executable, "-m", "lightninglens", *command],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        env={"PATH": "/usr/bin", "HOME": str(Path.home()), "PYTHONHASHSEED": "77"},
    )
    for name in [*runs.read_manifest(run).files, runs.MANIFEST]:
        assert (tmp_path / "again" / name).read_bytes() == (run / name).read_bytes(), name


def test_another_seed_gives_another_run(run: Path, tmp_path: Path) -> None:
    other = run_lab(tmp_path / "other", lab_scenario(seed=6))
    assert other.files["payments.parquet"].sha256 != runs.read_manifest(run).files["payments.parquet"].sha256


@pytest.mark.promise("A0.29", "A1.20")
def test_payments_fail_and_are_recorded_with_the_cause(run: Path) -> None:
    payments = table(run, "payments")
    failed = payments.filter(pl.col("outcome") != "SUCCEEDED")
    assert 0 < failed.height < payments.height
    assert (failed["fee_msat"] == 0).all()
    on_route = failed.filter(pl.col("attempts") > 0)
    assert on_route.height
    assert (on_route["failure_code"] == "TEMPORARY_CHANNEL_FAILURE").all()
    assert (on_route["failure_channel_id"] > 0).all()


def test_money_that_left_one_side_arrived_less_the_fee(run: Path) -> None:
    alone = table(run, "payments").filter(pl.col("outcome") == "SUCCEEDED")
    first = alone["first_before_msat"] - alone["first_after_msat"]
    undisturbed = alone.filter(first == alone["amount_msat"] + alone["fee_msat"])
    assert undisturbed.height > alone.height // 2


def test_all_fifteen_purposes_occur(run: Path) -> None:
    assert set(table(run, "payments")["description"]) == set(DESCRIPTIONS)


@pytest.mark.promise("A1.18a")
def test_payments_travel_over_several_hops_and_pay_for_it(run: Path) -> None:
    far = table(run, "payments").filter((pl.col("outcome") == "SUCCEEDED") & (pl.col("hops") > 1))
    assert far.height > 20
    assert (far["fee_msat"] > 0).all()


def test_attempts_add_up_to_the_payments(run: Path) -> None:
    payments, attempts = table(run, "payments"), table(run, "attempts")
    counted = attempts.group_by("payment_id").len().sort("payment_id")
    tried = payments.filter(pl.col("attempts") > 0)
    assert counted["len"].to_list() == tried["attempts"].to_list()
    good = attempts.filter(pl.col("code") == "NONE")
    succeeded = payments.filter(pl.col("outcome") == "SUCCEEDED")
    assert good["payment_id"].to_list() == succeeded["payment_id"].to_list()
    assert good["fee_msat"].sum() == payments["fee_msat"].sum()
    hops = attempts["route_channel_ids"].list.len().cast(pl.Int64)
    assert (attempts["route_nodes"].list.len().cast(pl.Int64) == hops + 1).all()


@pytest.mark.promise("A0.30")
def test_snapshots_come_at_their_interval(run: Path) -> None:
    states = table(run, "channel_states")
    moments = states["time_ns"].unique().sort()
    assert moments.len() > 3
    assert set(moments.diff().drop_nulls()[:-1]) == {600 * 10**9}
    assert (states["node1_local_msat"] + states["node2_local_msat"] < states["capacity_sat"] * 1000).all()


def test_an_observed_node_leaves_its_events(run: Path) -> None:
    events = table(run, "htlc_events")
    assert events.height
    assert events["node"].unique().to_list() == list(lab_scenario().observed_nodes)
    assert events["timestamp_ns"].is_sorted()
    assert {"SEND", "RECEIVE", "FORWARD"} == set(events["event_type"])


def test_an_interrupted_run_keeps_what_had_ended(tmp_path: Path) -> None:
    scenario = replace(lab_scenario(payments=3_000), snapshot_interval_s=0)
    world = open_world("lab", seed=scenario.seed)
    seen: list[int] = []
    result = run_scenario(
        scenario,
        world.graph,
        tmp_path / "cut",
        opener_side=world.opener_side,
        progress=lambda done, _total: seen.append(done),
        stopped=lambda: seen[-1] > 500,
    )
    assert not result.manifest.complete
    assert 500 < result.summary.payments < 3_000
    assert table(tmp_path / "cut", "payments").height == result.summary.payments
    page = write_report(tmp_path / "cut").read_text()
    assert "The run ended early" in page


def test_a_changed_table_is_noticed(run: Path, tmp_path: Path) -> None:
    for name in ("manifest.json", "payments.parquet"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    with (tmp_path / "payments.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(DataError, match="changed after the run"):
        runs.read_run_table(tmp_path, runs.read_manifest(tmp_path), "payments", PAYMENTS)


def test_a_directory_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("keep me")
    with pytest.raises(DataError, match="holds other things"):
        run_lab(tmp_path, lab_scenario(payments=1))
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_the_report_says_what_the_tables_say(run: Path) -> None:
    findings = read_findings(run, runs.read_manifest(run))
    page = (run / "report.html").read_text()
    assert f"{findings.summary.succeeded:,}" in page
    assert page.count("<svg") >= 5
    assert "<script" not in page


def test_a_name_cannot_break_out_of_the_report(tmp_path: Path) -> None:
    run_lab(tmp_path / "run", replace(lab_scenario(payments=5), name="<script>alert(1)</script>"))
    assert "<script" not in write_report(tmp_path / "run").read_text()


@pytest.mark.promise("A1.14a")
def test_the_documents_csv_has_its_17_columns_filled(run: Path, tmp_path: Path) -> None:
    rows = export_csv(run, tmp_path / "payments.csv")
    frame = pl.read_csv(tmp_path / "payments.csv", infer_schema_length=None)
    assert frame.columns == list(COLUMNS)
    assert len(COLUMNS) == 17
    assert frame.height == rows
    payments = frame.filter(pl.col("type") == "payment")
    assert set(payments["sender"]) == {f"lnd-{name}" for name in ("alice", "bob", "carol", "dave", "eve")}
    assert payments["payment_hash"].n_unique() == payments.height
    good = payments.filter(pl.col("success"))
    assert (good["route_length"] > 0).all()
    assert (good["fee"] >= 0).all()
    assert good["fee"].sum() > 0
    assert (payments["sender_balance_before"] > 0).all()
    before = json.loads(good["channel_before"][0])
    assert before["local_balance"] + before["remote_balance"] == before["capacity"] == 1_000_000
    assert frame.filter(pl.col("type") == "snapshot").height > 3


def test_an_export_that_fails_leaves_no_half_file(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        export_csv(tmp_path / "missing", tmp_path / "payments.csv")
    assert list(tmp_path.iterdir()) == []


def test_equal_runs_have_equal_hashes_on_disk(run: Path) -> None:
    for name, facts in runs.read_manifest(run).files.items():
        assert hashlib.sha256((run / name).read_bytes()).hexdigest() == facts.sha256


def stop_after(payments: int) -> dict[str, object]:
    """Return the arguments that stop a run once so many payments have ended."""
    seen: list[int] = []
    return {"progress": lambda done, _total: seen.append(done), "stopped": lambda: seen[-1] >= payments}


def same_bytes(one: Path, other: Path) -> bool:
    names = [*runs.read_manifest(one).files, runs.MANIFEST]
    assert len(names) == len([*runs.read_manifest(other).files, runs.MANIFEST])
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


def small_parts(patch: pytest.MonkeyPatch) -> None:
    """Let parts be so small that a short run has several of each."""
    for name, rows in (("PART_PAYMENTS", 64), ("PART_EVENTS", 100), ("PART_STATES", 20)):
        patch.setattr(run_output, name, rows)


@pytest.mark.parametrize("parts", ["one part", "small parts"])
def test_a_run_stopped_and_resumed_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: str
) -> None:
    if parts == "small parts":
        small_parts(monkeypatch)
    scenario = lab_scenario(payments=400)
    world = open_world("lab", seed=scenario.seed)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run_scenario(scenario, world.graph, whole, opener_side=world.opener_side)
    run_scenario(scenario, world.graph, cut, opener_side=world.opener_side, **stop_after(60))  # type: ignore[arg-type]
    first = table(cut, "payments").height
    assert (cut / CHECKPOINT).exists()
    resume_run(cut, world.graph, cut, opener_side=world.opener_side, **stop_after(200))  # type: ignore[arg-type]
    assert 60 <= first < table(cut, "payments").height < 400
    assert resume_run(cut, world.graph, cut, opener_side=world.opener_side).manifest.complete
    assert not (cut / CHECKPOINT).exists()
    assert same_bytes(whole, cut)
    assert ("payments-0001.parquet" in runs.read_manifest(whole).files) is (parts == "small parts")


def test_a_run_can_end_at_a_time_and_be_forked(tmp_path: Path) -> None:
    """Same past, same payments; with more liquidity more of them succeed, and the parent is as it was."""
    scenario = lab_scenario(payments=800)
    world = open_world("lab", seed=scenario.seed)
    until_ns = scenario.world.start_unix_s * 10**9 + 3_600 * 10**9
    base, unchanged, richer = (tmp_path / name for name in ("base", "unchanged", "richer"))
    run_scenario(scenario, world.graph, base, opener_side=world.opener_side, until_ns=until_ns)
    past = table(base, "payments")
    assert past["end_ns"].to_numpy().max() <= until_ns
    graph = world.graph
    changes = [
        AddedLiquidity(
            time_ns=UnixNs(until_ns),
            channel_id=graph.channel_id(row),
            node_id=graph.node_ids[end],
            amount_sat=Sat(2_000_000),
        )
        for row in range(graph.channel_count)
        for end in (int(graph.node1[row]), int(graph.node2[row]))
    ]
    resume_run(base, graph, unchanged, opener_side=world.opener_side)
    forked = resume_run(base, graph, richer, opener_side=world.opener_side, changes=changes)
    assert forked.manifest.changes == tuple(changes)
    run_lab(tmp_path / "whole", scenario)
    assert same_bytes(unchanged, tmp_path / "whole")
    ends = ["payment_id", "sender", "receiver", "amount_msat", "start_ns"]
    assert table(unchanged, "payments")[ends].equals(table(richer, "payments")[ends])
    assert table(richer, "payments").filter(pl.col("end_ns") <= until_ns).equals(past)
    good = [int((table(run, "payments")["outcome"] == "SUCCEEDED").sum()) for run in (unchanged, richer)]
    assert good[1] > good[0] + 20


@pytest.mark.parametrize(
    ("amount_sat", "problem"), [(-99_000_000, "cannot be taken"), (1, "is not in this graph"), (2, "not of")]
)
def test_an_impossible_fork_is_refused_and_writes_nothing(tmp_path: Path, amount_sat: int, problem: str) -> None:
    scenario = lab_scenario(payments=300)
    world = open_world("lab", seed=scenario.seed)
    graph = world.graph
    run_scenario(scenario, graph, tmp_path / "cut", opener_side=world.opener_side, **stop_after(50))  # type: ignore[arg-type]
    ends = {int(graph.node1[0]), int(graph.node2[0])}
    stranger = next(row for row in range(graph.node_count) if row not in ends)
    change = AddedLiquidity(
        time_ns=UnixNs(0),
        channel_id=ChannelId(1) if amount_sat == 1 else graph.channel_id(0),
        node_id=graph.node_ids[stranger if amount_sat == 2 else int(graph.node1[0])],
        amount_sat=Sat(amount_sat),
    )
    with pytest.raises(ConfigError, match=problem):
        resume_run(tmp_path / "cut", graph, tmp_path / "fork", opener_side=world.opener_side, changes=[change])
    assert [path.name for path in tmp_path.iterdir()] == ["cut"]


def test_only_an_undamaged_checkpoint_of_this_version_and_graph_goes_on(tmp_path: Path) -> None:
    scenario = lab_scenario(payments=300)
    world = open_world("lab", seed=scenario.seed)
    cut = tmp_path / "cut"
    run_scenario(scenario, world.graph, cut, opener_side=world.opener_side, **stop_after(50))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="another graph"):
        resume_run(cut, open_world("lab-drawn", seed=3).graph, tmp_path / "other")
    version = lightninglens.__version__
    arrays = read_checkpoint(cut / CHECKPOINT, version=version)
    write_checkpoint(cut / "old.zip", arrays, version="9.9")
    with pytest.raises(DataError, match=r"made by lightninglens 9\.9"):
        read_checkpoint(cut / "old.zip", version=version)
    whole = (cut / CHECKPOINT).read_bytes()
    for damaged in (whole[:-100], bytes(byte ^ (row > 5_000) for row, byte in enumerate(whole)), b"", b"PK"):
        (cut / CHECKPOINT).write_bytes(damaged)
        with pytest.raises(DataError, match="damaged"):
            resume_run(cut, world.graph, tmp_path / "other")
    write_checkpoint(
        cut / CHECKPOINT, {**arrays, "world.heap": arrays["world.heap"]["time_ns"]}, version=lightninglens.__version__
    )
    with pytest.raises(DataError, match=r"world\.heap is int64"):
        resume_run(cut, world.graph, tmp_path / "other")
    arrays.pop("world.network.balance_msat")
    write_checkpoint(cut / CHECKPOINT, arrays, version=version)
    with pytest.raises(DataError, match=r"balance_msat is missing"):
        resume_run(cut, world.graph, tmp_path / "other")
    (cut / CHECKPOINT).unlink()
    with pytest.raises(DataError, match="only a run that was stopped"):
        resume_run(cut, world.graph, tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["cut"]
