import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.support.graphs import FIXTURES, differences

from lightninglens.app.cli.main import main
from lightninglens.core.errors import ConfigError
from lightninglens.lab.worlds import open_world
from lightninglens.storage.files.graphs import read_graph

SMALL = FIXTURES / "small.lnd.json"


def lens(capsys: pytest.CaptureFixture[str], *arguments: object, exits: int = 0) -> str:
    """Run `lens graph ...` and return what it printed: on stdout, or on stderr where it must fail."""
    with pytest.raises(SystemExit) as caught:
        main(["graph", *map(str, arguments)])
    printed = capsys.readouterr()
    assert caught.value.code == exits, printed.err
    return printed.err if exits else printed.out


def test_import_keeps_a_graph_and_says_what_came_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "g.parquet"
    text = lens(capsys, "import", FIXTURES / "small.listchannels.json", "--out", out)
    assert text.splitlines() == [
        f"{out}: 3 nodes, 2 channels, from listchannels",
        "  left out: 1 private channel directions",
        "  changed: 1 htlc limits above 21 million btc lowered",
    ]
    assert read_graph(out).origin.format == "listchannels"


def test_import_answers_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found: Any = json.loads(lens(capsys, "import", SMALL, "--out", tmp_path / "g.parquet", "--json"))
    assert (found["format"], found["nodes"], found["channels"], found["capacity_sat"]) == ("parquet", 4, 2, 1_250_000)
    assert found["source"]["format"] == "lnd"
    assert len(found["source"]["sha256"]) == 64
    again: Any = json.loads(lens(capsys, "describe", tmp_path / "g.parquet", "--json"))
    assert again["source"]["origin"] == found["source"]["origin"]
    assert again["statistics"]["directions_usable"] == 1


def test_names_come_from_listnodes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    channels, nodes = FIXTURES / "small.listchannels.json", FIXTURES / "small.listnodes.json"
    lens(capsys, "import", channels, "--aliases", nodes, "--out", tmp_path / "g.parquet")
    assert read_graph(tmp_path / "g.parquet").graph.aliases[0] == "SLEEPYGATE"


def test_convert_there_and_back_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lens(capsys, "convert", SMALL, "--out", tmp_path / "g.parquet", "--to", "parquet")
    lens(capsys, "convert", tmp_path / "g.parquet", "--out", tmp_path / "g.json.gz", "--to", "lnd")
    assert differences(read_graph(tmp_path / "g.json.gz").graph, read_graph(SMALL).graph) == []


def test_describe_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    text = lens(capsys, "describe", SMALL)
    assert "4: 1 usable, 1 disabled, 2 without an update (75.0% not usable)" in text
    assert "fee rate, ppm" in text


@pytest.mark.parametrize(
    ("source", "nodes", "channels"),
    [("lab", 5, 7), ("lab-drawn", 5, 6), ("synthetic:40", 40, 117), ("synthetic", 1_000, 2_933)],
)
def test_generated_networks_have_names(
    capsys: pytest.CaptureFixture[str], source: str, nodes: int, channels: int
) -> None:
    found: Any = json.loads(lens(capsys, "describe", source, "--seed", 3, "--json"))
    assert (found["statistics"]["nodes"], found["statistics"]["channels"]) == (nodes, channels)
    assert found["source"]["origin"]["format"] == f"{source} seed 3"


def test_a_file_called_like_a_generator_is_reached_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(SMALL, "lab")
    assert open_world("lab").graph.node_count == 5
    assert open_world("./lab").graph.node_count == 4


def test_a_file_is_not_converted_onto_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(SMALL, tmp_path / "g.json")
    text = lens(capsys, "convert", tmp_path / "g.json", "--out", tmp_path / "g.json", "--to", "lnd", exits=2)
    assert "is the file to be read" in text
    assert (tmp_path / "g.json").read_bytes() == SMALL.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "exits", "problem"),
    [
        (("describe", "none.json"), 2, "none.json: no such file (besides files, there are lab"),
        (("describe", SMALL, "--aliases", "none.json"), 2, "none.json: no such file"),
        (("describe", "lab", "--aliases", SMALL), 2, "aliases are for a graph file"),
        (("describe", "synthetic:1"), 2, "2 to 200000 nodes"),
        (("describe", FIXTURES), 1, "cannot be read: this is a directory"),
        (("describe", FIXTURES / "small.listnodes.json"), 1, "JSON, but not a graph"),
        (("convert", SMALL, "--out", "x", "--to", "csv"), 2, "csv"),
        (("convert", SMALL, "--out", "none/x", "--to", "lnd"), 1, "none/x: cannot be written"),
        (("import", SMALL), 2, "--out"),
    ],
    ids=range(9),
)
def test_what_is_wrong_is_said_without_a_traceback(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[object, ...],
    exits: int,
    problem: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    text = lens(capsys, *arguments, exits=exits)
    assert problem in " ".join(text.split())
    assert "Traceback" not in text
    assert list(tmp_path.iterdir()) == []


def test_sources_are_loaded_without_a_command_too() -> None:
    with pytest.raises(ConfigError, match="no such file"):
        open_world("nothing-here")


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("import", "describe", "convert"):
        assert f"Example: lens graph {command}" in lens(capsys, command, "--help")
