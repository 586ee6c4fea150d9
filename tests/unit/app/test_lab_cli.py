"""`lens lab compare` as a person uses it, and misuses it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

LENS = (sys.executable, "-m", "lightninglens")
SHORT = ("lab", "compare", "--hours", "0.5", "--demand", "settlements")


def lens(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LENS, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.promise("A1.16")
def test_a_comparison_is_printed_and_written(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from lightninglens.control.rebalance import baseline\ndecide = baseline.decide\n"
    )
    asked = (*SHORT, "--strategies", "none,baseline,mine:decide", "--seeds", "3", "--out", "compared")
    done = lens(*asked, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (tmp_path / "compared/comparison.md").read_text()
    assert "mine:decide against none, net:" in done.stdout
    found = json.loads((tmp_path / "compared/comparison.json").read_text())
    assert found["seeds"] == [1, 2, 3]
    levels = {row["strategy"]: row["levels"] for row in found["findings"]}
    assert levels["mine:decide"] == levels["baseline"]
    assert str(tmp_path) not in (tmp_path / "compared/comparison.json").read_text()


def test_json_goes_to_standard_output(tmp_path: Path) -> None:
    done = lens(*SHORT, "--strategies", "baseline", "--seeds", "1", "--nodes", "one", "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert [row["strategy"] for row in found["findings"]] == ["none", "baseline"]
    assert {world["node"] for world in found["worlds"]} == {"lnd-bob"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--strategies", "best"), "there is no strategy 'best'"),
        (("--strategies", ","), "strategies must be named"),
        (("--strategies", "none,none"), "strategies must be named once"),
        (("--strategies", "none", "--model", "m"), "--model is for the strategy `learned`"),
        (("--strategies", "learned", "--model", "nosuch", "--data-dir", "."), "there is no model 'nosuch'"),
        (("--strategies", "learned", "--model", "model.pkl", "--data-dir", "."), "pickle"),
        (("--strategies", "none", "--out", "file"), "--out names a directory"),
    ],
)
def test_misuse_is_told_in_words(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    (tmp_path / "file").write_text("")
    done = lens("lab", "compare", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_keeps_the_seeds_that_are_done(tmp_path: Path) -> None:
    command = [*LENS, "lab", "compare", "--strategies", "none,baseline", "--hours", "2", "--seeds", "500"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert "Ctrl-C" in running.stderr.readline()
        running.send_signal(signal.SIGINT)
        out, problems = running.communicate(timeout=120)
    assert "stopping" in problems
    assert "Traceback" not in problems
    if running.returncode == 0:
        assert "The comparison was interrupted" in out
    else:
        assert running.returncode == 1
        assert "nothing to compare" in problems


def test_the_twin_of_a_node_is_shown_and_saved(tmp_path: Path) -> None:
    options = ("--graph", "lab", "--node", "lnd-carol", "--radius", "1", "--payments", "200", "--seed", "7")
    changes = ("--fee-factor", "2", "--add-liquidity", "204x1x0:1000000")
    done = lens("lab", "ego", *options, *changes, "--demand", "roles", "--out", "twin", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert len(facts["full"]) == len(facts["twin"]) == len(facts["runs"]) == 3
    assert facts["scenario"] == "twin/scenario.toml"
    ran = lens("sim", "run", "twin/scenario.toml", "--out", "run", "--json", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["payments"] == facts["payments"]
    shown = lens("lab", "ego", *options, "--out", "twin", cwd=tmp_path)
    assert "unchanged, twin" in shown.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--node", "lnd-carl"), "is 'lnd-carol' meant"),
        (("--node", "lnd-carol", "--radius", "4"), "--radius"),
        (("--node", "lnd-carol", "--demand", "much"), "is none of"),
        (("--node", "lnd-carol", "--add-liquidity", "204x1x0"), "CHANNEL:SAT"),
    ],
)
def test_a_twin_that_cannot_be_is_refused(options: tuple[str, ...], words: str, tmp_path: Path) -> None:
    done = lens("lab", "ego", "--graph", "lab", "--payments", "5", *options, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr


def test_missed_revenue_is_held_against_the_truth(tmp_path: Path) -> None:
    small = ("--seeds", "1", "--first-seed", "105", "--graph", "synthetic:300", "--payments", "20000")
    done = lens("lab", "missed", *small, "--processes", "1", "--out", "found", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "| expected (this) |" in done.stdout
    written = json.loads((tmp_path / "found/missed.json").read_bytes())
    assert written["format"] == "lightninglens/missed-truth/2"


def test_predictions_of_refusals_are_scored(tmp_path: Path) -> None:
    small = ("--seeds", "1", "--first-seed", "105", "--graph", "synthetic:300", "--payments", "20000")
    done = lens("lab", "failures", *small, "--processes", "1", "--out", "found", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "found/failures.json").read_bytes())
    assert json.loads(done.stdout) == written
    assert written["format"] == "lightninglens/failure-prediction/1"


@pytest.mark.parametrize("command", ["missed", "failures"])
@pytest.mark.parametrize(
    ("option", "value", "told"), [("--demand", "nonsense", "nonsense"), ("--out", "file", "is a file")]
)
def test_a_truth_table_that_cannot_be_is_refused(
    command: str, option: str, value: str, told: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    done = lens("lab", command, option, value, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr
