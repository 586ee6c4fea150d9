"""`lens sim` as a person uses it, and misuses it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lightninglens.storage.files.runs import read_manifest

LENS = (sys.executable, "-m", "lightninglens")
ROOT = Path(__file__).parents[3]
MAINNET = Path(os.environ.get("LENS_MAINNET_GRAPH", ROOT.parent / "shared/data/graph/mainnet-2026-02-03.json.gz"))


def lens(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LENS, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(name="run", scope="module")
def _run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sim")
    done = lens("sim", "run", "--graph", "lab", "--payments", "60", "--seed", "7", "--out", "run", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "summary.json").write_text(done.stdout)
    return folder / "run"


def test_the_json_summary_has_what_scripts_need(run: Path) -> None:
    summary = json.loads((run.parent / "summary.json").read_text())
    assert summary["payments"] == 60
    assert summary["conservation_drift_msat"] == 0
    assert 0 <= summary["success_rate"] <= 1
    assert 0 < summary["netted_share"] < 1
    for key in (
        "succeeded",
        "attempts_mean",
        "fees_msat_total",
        "wall_s",
        "cpu_s",
        "peak_rss_mb",
        "complete",
        "events",
    ):
        assert key in summary, key


def test_a_run_can_be_repeated_from_its_manifest(run: Path, tmp_path: Path) -> None:
    done = lens("sim", "run", "--scenario", str(run / "manifest.json"), "--out", "again", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again/payments.parquet").read_bytes() == (run / "payments.parquet").read_bytes()


def test_report_and_export_work_on_a_run(run: Path, tmp_path: Path) -> None:
    report = lens("sim", "report", str(run), "--json", cwd=tmp_path)
    assert json.loads(report.stdout)["payments"] == 60
    export = lens("sim", "export", str(run), "--out", "run.csv", "--json", cwd=tmp_path)
    assert json.loads(export.stdout)["rows"] >= 62


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run"], 2, "--out"),
        (["run", "--out", "x", "--payments", "0"], 2, "--payments"),
        (["run", "--out", "x", "--payments", "many"], 2, "--payments"),
        (["run", "--out", "x", "--seed", "-1"], 2, "--seed"),
        (["run", "--out", "x", "--graph", "nowhere.json"], 2, "nowhere.json"),
        (["run", "--out", "x", "--graph", "synthetic:many"], 2, "synthetic:many"),
        (["run", "--out", "x", "--graph", "lab", "--observe", "lnd-alicia"], 2, "is 'lnd-alice' meant"),
        (["run", "--out", "x", "--graph", "lab", "--observe", "02" + "00" * 32], 2, "not a node of this graph"),
        (["run", "--out", "x", "--scenario", "missing.json"], 1, "missing.json"),
        (["run", "--out", "file.txt", "--graph", "lab"], 1, "file.txt"),
        (["run", "lab-dya", "--out", "x"], 2, "is 'lab-day' meant"),
        (["run", "mainnet-coffee", "--out", "x"], 2, "--graph"),
        (["run", "scenario.json", "--out", "x"], 2, "--scenario"),
        (["run", "missing.toml", "--out", "x"], 2, "missing.toml"),
        (["run", "lab-day", "--out", "x", "--demand", "uniform", "--payment-list", "file.txt"], 2, "--demand"),
        (["run", "lab-day", "--out", "x", "--scenario", "manifest.json"], 2, "SCENARIO"),
        (["run", "--out", "x", "--graph", "lab", "--payment-list", "file.txt"], 1, "file.txt line 1"),
        (["run", "--out", "x", "--graph", "lab", "--balances-file", "none.csv"], 1, "none.csv"),
        (["scenarios", "lab"], 2, "lab-day"),
        (["report", "nowhere"], 1, "nowhere"),
        (["export", "nowhere", "--out", "x.csv"], 1, "nowhere"),
    ],
)
def test_a_mistake_is_one_clear_line_and_nothing_is_left(
    tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    (tmp_path / "file.txt").write_text("mine")
    done = lens("sim", *arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_a_scenario_and_options_that_contradict_it_are_refused(run: Path, tmp_path: Path) -> None:
    done = lens("sim", "run", "--scenario", str(run / "manifest.json"), "--seed", "1", "--out", "x", cwd=tmp_path)
    assert done.returncode == 2
    assert "--seed" in done.stderr


def test_options_take_the_place_of_a_files_keys_and_say_so(tmp_path: Path) -> None:
    shown = lens("sim", "scenarios", "payment-list", cwd=tmp_path)
    (tmp_path / "mine.toml").write_text(shown.stdout)
    (tmp_path / "payment-list.csv").write_text("time_s,sender,receiver,amount_sat,purpose\n0,lnd-bob,lnd-eve,7,Gum\n")
    done = lens("sim", "run", "mine.toml", "--seed", "3", "--out", "run", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "seed 3 in place of the file's 1" in done.stderr
    summary = json.loads(done.stdout)
    assert (summary["payments"], summary["seed"]) == (1, 3)
    manifest = str(tmp_path / "run/manifest.json")
    again = lens("sim", "run", "--scenario", manifest, "--out", "again", cwd=tmp_path)
    assert again.returncode == 2
    assert "--payment-list" in again.stderr
    named = ("--payment-list", "payment-list.csv")
    again = lens("sim", "run", "--scenario", manifest, *named, "--out", "again", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again/payments.parquet").read_bytes() == (tmp_path / "run/payments.parquet").read_bytes()


def test_the_ready_scenarios_are_listed(tmp_path: Path) -> None:
    found = json.loads(lens("sim", "scenarios", "--json", cwd=tmp_path).stdout)
    names = [entry["name"] for entry in found]
    assert len(names) == len(set(names)) == 5
    assert "drain-to-exchange" in lens("sim", "scenarios", cwd=tmp_path).stdout


def test_ctrl_c_keeps_what_was_computed(tmp_path: Path) -> None:
    command = [*LENS, "sim", "run", "--graph", "synthetic:400", "--payments", "500000", "--out", "run"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert "Ctrl-C" in running.stderr.readline()
        running.send_signal(signal.SIGINT)
        output, errors = running.communicate(timeout=240)
    assert running.returncode == 0, errors
    assert "the run is not complete; go on with: lens sim resume" in output
    assert not read_manifest(tmp_path / "run").complete


@pytest.mark.skipif(not MAINNET.exists(), reason=f"no mainnet graph at {MAINNET}")
def test_mainnet_is_simulated_without_losing_a_millisatoshi(tmp_path: Path) -> None:
    arguments = ["--graph", str(MAINNET), "--payments", "500", "--seed", "7", "--out", "run", "--json"]
    done = lens("sim", "run", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["conservation_drift_msat"] == 0
    assert summary["payments"] == 500


@pytest.fixture(name="cut", scope="module")
def _cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cut")
    arguments = ("--graph", "lab", "--payments", "200", "--seed", "7", "--until", "1200", "--out", "cut", "--json")
    done = lens("sim", "run", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["complete"] is False
    return folder / "cut"


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(cut: Path, tmp_path: Path) -> None:
    arguments = ("--graph", "lab", "--payments", "200", "--seed", "7", "--out", "whole")
    assert lens("sim", "run", *arguments, cwd=tmp_path).returncode == 0
    steps = (("resume", str(cut), "--out", "part", "--until", "2400"), ("resume", "part"))
    for step in steps:
        done = lens("sim", *step, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    for name in ("manifest.json", "payments.parquet", "attempts.parquet", "channel_states.parquet"):
        assert (tmp_path / "part" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_a_fork_is_shown_beside_its_base(cut: Path, tmp_path: Path) -> None:
    options = ("--add-liquidity", "205x1x0:lnd-eve:2000000", "--node", "lnd-bob")
    done = lens("sim", "fork", str(cut), "--out", "both", *options, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert [node["alias"] for node in facts["fork"]["nodes"]] == ["lnd-eve", "lnd-bob"]
    assert facts["base"]["payments"] == facts["fork"]["payments"] == 200
    assert facts["fork"]["succeeded"] > facts["base"]["succeeded"]
    assert (tmp_path / "both/fork/report.html").exists()
    shown = lens("sim", "fork", str(cut), "--out", "both", *options, "--until", "2400", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "lnd-eve: fees, sat" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["resume", "nowhere"], 1, "nowhere"),
        (["fork", "CUT", "--out", "x"], 2, "--add-liquidity"),
        (["fork", "CUT", "--out", "x", "--add-liquidity", "205x1x0:lnd-eev:1"], 2, "is 'lnd-eve' meant"),
        (["fork", "CUT", "--out", "x", "--add-liquidity", "205x1x0:lnd-eve:-9000000"], 2, "cannot be taken"),
        (["resume", "CUT", "--graph", "graph.json"], 2, "not on a file"),
        (["run", "--graph", "lab", "--out", "x", "--until", "0"], 2, "--until"),
    ],
)
def test_what_cannot_go_on_is_told(cut: Path, tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    done = lens("sim", *[str(cut) if word == "CUT" else word for word in arguments], cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()


def test_a_complete_run_cannot_go_on(run: Path, tmp_path: Path) -> None:
    done = lens("sim", "resume", str(run), cwd=tmp_path)
    assert done.returncode == 2
    assert "is complete" in done.stderr
