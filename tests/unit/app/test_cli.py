import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lightninglens import __version__
from lightninglens.app.cli import main as cli
from lightninglens.app.cli.framework import CommandEntry, Invocation, LazyCommands, LazyGroup, invocation
from lightninglens.core.errors import ConfigError, DataError, LensError

HEAVY = {"numpy", "numba", "polars", "sqlalchemy", "alembic", "fastapi", "pydantic", "rich", "structlog", "matplotlib"}
HEAVY |= {"asyncio", "coincurve", "cryptography", "grpc", "google.protobuf", "httpx", "orjson", "scipy", "uvicorn"}


def lens(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    shown = capsys.readouterr()
    code = ended.value.code
    assert isinstance(code, int)
    return code, shown.out, shown.err


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_help_lists_every_command_without_importing_any(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = lens(capsys, "--help")
    assert code == 0
    for name, entry in cli.COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(entry.help[:20])}", out, re.MULTILINE)


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; sys.argv = ['lens', '--help']\ntry:\n    from lightninglens.app.cli.main import main; main()\n"
    code += "except SystemExit: print('IMPORTED', *sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    imported = set(shown.rpartition("IMPORTED")[2].split())
    assert "typer" in imported
    assert not imported & HEAVY


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert lens(capsys, "--version") == (0, f"lens {__version__}\n", "")


def test_the_program_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "lightninglens", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"lens {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["stpo"], ["--nonsense"], ["stop", "--nonsense"], ["--log-level", "loud", "stop"]]
)
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = lens(capsys, *arguments)
    assert code == 2
    assert "Error" in err


def test_a_misspelt_command_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Did you mean 'stop'" in lens(capsys, "stpo")[2]


def failing(monkeypatch: pytest.MonkeyPatch, problem: BaseException) -> None:
    def start(_self: Invocation, _overrides: Any = None) -> None:
        raise problem

    monkeypatch.setattr(Invocation, "start", start)


@pytest.mark.parametrize(
    ("problem", "code", "said"),
    [
        (ConfigError("wrong key"), 2, "error: wrong key\n"),
        (DataError("cut short", where="a.json"), 1, "error: a.json: cut short\n"),
        (LensError("two\n  lines"), 1, "error: two lines\n"),
        (PermissionError(13, "Permission denied", "/x"), 1, "error: /x: Permission denied\n"),
        (OSError("no name"), 1, "error: no name\n"),
        (ZeroDivisionError("oops"), 1, "error: unexpected ZeroDivisionError: oops. This is a bug"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(
    problem: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, problem)
    got, out, err = lens(capsys, "stop")
    assert (got, out) == (code, "")
    assert err.startswith(said)
    assert "Traceback" not in err


def test_the_traceback_is_there_for_who_debugs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, ZeroDivisionError("oops"))
    code, _, err = lens(capsys, "--log-level", "debug", "stop")
    assert code == 1
    assert "Traceback" in err


def test_config_show_tells_values_and_origins(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LENS_LAB_SEED", "9")
    code, out, _ = lens(capsys, "--log-level", "warning", "config", "show")
    assert code == 0
    assert re.search(r"lab\.seed += 9  \(environment\)", out)
    assert re.search(r'log\.level += "warning"  \(command line\)', out)
    code, out, _ = lens(capsys, "config", "show", "--json")
    shown = json.loads(out)
    assert shown["file"] is None
    assert shown["settings"]["lab.seed"] == {"value": 9, "origin": "environment"}


def test_a_wrong_settings_file_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.toml").write_text("[lab]\nspeeed = 1\n")
    code, _, err = lens(capsys, "--config", "mine.toml", "config", "show")
    assert code == 2
    assert err == "error: mine.toml, line 2: unknown key 'speeed' in [lab]; did you mean 'speed'?\n"


def test_stop_says_that_nothing_runs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert lens(capsys, "stop", "--data-dir", str(tmp_path)) == (0, f"nothing runs on {tmp_path}\n", "")
    assert json.loads(lens(capsys, "stop", "--json")[1])["outcome"].startswith("nothing runs")


@pytest.mark.promise("A0.54")
def test_a_command_that_is_not_installed_is_explained() -> None:
    commands = LazyCommands({"ghost": CommandEntry(module="lightninglens.app.cli.ghost", help="")})
    with pytest.raises(LensError, match=r"`lens ghost` needs the Python module lightninglens\.app\.cli\.ghost"):
        commands["ghost"]
    assert list(commands) == ["ghost"]
    assert len(commands) == 1
    with pytest.raises(TypeError):
        commands["new"] = None
    with pytest.raises(TypeError):
        del commands["ghost"]


def test_a_command_run_alone_has_an_invocation_of_its_own() -> None:
    import typer
    from typer.core import TyperGroup

    assert issubclass(LazyGroup, TyperGroup)
    command = typer.main.get_command(cli.app)
    assert invocation(typer.Context(command)) == Invocation()


INSTALLED = [name for name, entry in cli.COMMANDS.items() if importlib.util.find_spec(entry.module)]


@pytest.mark.parametrize("name", INSTALLED)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = lens(capsys, name, "--help")
    assert code == 0
    assert out.startswith(f"Usage: lens {name}")
