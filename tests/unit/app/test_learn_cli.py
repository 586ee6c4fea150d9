"""`lens learn` as a person uses it, and misuses it."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

LENS = (sys.executable, "-m", "lightninglens")


def lens(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    data = ("--data-dir", "data") if arguments[1] in {"pipeline", "train", "predict", "evaluate", "collect"} else ()
    return subprocess.run([*LENS, *arguments, *data], cwd=cwd, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, its CSV, and a model trained on it."""
    folder = tmp_path_factory.mktemp("learn")
    simulate = "--graph lab --balances opener --payments 2000 --seed 900600 --snapshot-every 600 --out run --json"
    assert lens("sim", "run", *simulate.split(), cwd=folder).returncode == 0
    assert lens("sim", "export", "run", "--out", "mine.csv", cwd=folder).returncode == 0
    arguments = ("--input", "run", "--out", "out", "--horizon-hours", "0.5", "--json")
    done = lens("learn", "pipeline", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "pipeline.json").write_text(done.stdout)
    return folder


@pytest.mark.promise("A0.13", "A0.13e")
def test_the_pipeline_reports_the_path_of_the_new_model(folder: Path) -> None:
    told = json.loads((folder / "pipeline.json").read_text())
    assert (folder / told["model_path"] / "card.json").is_file()
    assert told["selected"] is True
    assert [stage["stage"] for stage in told["stages"]] == ["collect", "transform", "features", "train", "predict"]
    assert (folder / "out/predictions/predictions.csv").is_file()


@pytest.mark.promise("A0.27")
def test_features_of_ones_own_csv_go_into_a_named_file(folder: Path) -> None:
    arguments = ("--input", "mine.csv", "--output", "my_features.csv", "--json")
    done = lens("learn", "features", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    stages = json.loads(done.stdout)["stages"]
    assert any("reduced set of features" in note for note in stages[-1]["notes"])
    assert stages[0]["paths"] == []
    assert (folder / "my_features.csv").read_text().startswith("world,timestamp,channel_id,node,capacity,")
    assert {path.name for path in folder.glob("my_features*")} == {
        "my_features.csv",
        "my_features.json",
        "my_features.moves.csv",
    }


@pytest.mark.promise("A0.13a", "A0.13b", "A0.13c", "A0.13d", "A0.44")
def test_each_stage_can_be_run_by_itself(folder: Path) -> None:
    steps = (
        ("collect", "--input", "run", "--out", "s1"),
        ("transform", "--input", "s1", "--out", "s2"),
        ("features", "--input", "s2", "--output", "s3.csv", "--horizon-hours", "0.5"),
        ("train", "--input", "s3.csv", "--use"),
        ("predict", "--input", "s2", "--output", "s6.csv"),
        ("evaluate", "--input", "s3.csv", "--out", "s7"),
    )
    for step in steps:
        done = lens("learn", *step, cwd=folder)
        assert done.returncode == 0, (step, done.stderr)
    assert (folder / "s6.csv").read_text().count("\n") == 15
    assert (folder / "s7/evaluation.png").is_file()
    assert json.loads((folder / "s7/evaluation.json").read_text())["format"] == "lightninglens/evaluation/1"


def test_models_are_listed_and_chosen(folder: Path) -> None:
    first = json.loads((folder / "pipeline.json").read_text())["model"]
    listed = lens("learn", "models", "--data-dir", "data", "--json", cwd=folder)
    models = json.loads(listed.stdout)
    assert first in [model["version"] for model in models["models"]]
    assert models["damaged"] == {}
    chosen = lens("learn", "models", "--data-dir", "data", "use", first, "--json", cwd=folder)
    assert json.loads(chosen.stdout) == {"selected": first}
    shown = lens("learn", "models", "--data-dir", "data", cwd=folder).stdout
    assert f"{first}  in use" in shown
    empty = lens("learn", "models", "--data-dir", "other", cwd=folder)
    assert (empty.returncode, "no models in" in empty.stdout) == (0, True)


def test_a_model_learns_in_simulated_labs(folder: Path) -> None:
    arguments = ("--simulate", "6", "--seeds", "900000-900001", "--horizon-hours", "0.5", "--json")
    done = lens("learn", "train", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["trained_on"].startswith("2 simulated labs of 6 h each, seeds 900000-900001")
    assert (folder / told["path"] / "card.json").is_file()
    assert "simulating 6 h of the lab, seed 900001" in done.stderr


def test_a_pickled_model_is_refused_with_the_reason(folder: Path) -> None:
    (folder / "model.pkl").write_bytes(pickle.dumps({"weights": [1.0]}))
    for arguments in (("evaluate",), ("predict", "--input", "run", "--output", "p.csv")):
        done = lens("learn", *arguments, "--model", "model.pkl", cwd=folder)
        assert done.returncode == 1
        assert "runs whatever code its author put there" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("train",), 2, "name either features"),
        (("train", "--input", "x.csv", "--simulate", "4"), 2, "name either features"),
        (("train", "--input", "x.csv"), 1, "no such file"),
        (("train", "--simulate", "4", "--seeds", "1-x"), 2, "'1-x' is no seed"),
        (("train", "--simulate", "4", "--seeds", "9-1"), 2, "is empty"),
        (("train", "--simulate", "4", "--seeds", "1-5000"), 2, "more than 1,000"),
        (("train", "--simulate", "4", "--seeds", "1,1"), 2, "twice"),
        (("evaluate", "--model", "nothing"), 2, "there is no model 'nothing'"),
        (("evaluate", "--model", "../../x"), 2, "no name of a model"),
        (("pipeline", "--input", "nothing"), 2, "no such file or directory"),
        (("pipeline", "--input", "mine.csv", "--column", "amount"), 2, "must be OURS=THEIRS"),
        (("pipeline", "--input", "mine.csv", "--column", "amount=sum"), 2, "no column 'sum'"),
        (("collect", "--out", "c"), 2, "no recording"),
    ],
)
def test_wrong_use_is_answered_in_words(folder: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    (folder / "data").mkdir(exist_ok=True)
    done = lens("learn", *arguments, cwd=folder)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_model_in_use_it_is_said_how_to_get_one(tmp_path: Path) -> None:
    done = lens("learn", "evaluate", cwd=tmp_path)
    assert (done.returncode, "lens learn train --simulate 48" in done.stderr) == (2, True)
