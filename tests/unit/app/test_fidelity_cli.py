"""`lens lab fidelity` as a person uses it, and misuses it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.graphs import FIXTURES

LENS = (sys.executable, "-m", "lightninglens", "lab", "fidelity")


def lens(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LENS, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=300)


def test_a_study_is_printed_and_written_into_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Before\n<!-- measured: max-flow-full -->\n<!-- end -->\nAfter\n")
    asked = ("--only", "a1", "--graph", "synthetic:600", "--samples", "4", "--out", "found", "--write", "page.md")
    done = lens(*asked, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (tmp_path / "found/fidelity.md").read_text()
    found = json.loads((tmp_path / "found/fidelity.json").read_text())
    assert [table["key"] for table in found["tables"]] == ["max-flow-full", "max-flow-core"]
    assert "| 1,000 sat |" in page.read_text()
    assert page.read_text().startswith("Before\n")
    assert page.read_text().endswith("<!-- end -->\nAfter\n")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("--only", "a9"), "'a9' is not a valid Study; there are cloth, a1, a2, a4"),
        (("--only", "a2"), "a2 need a snapshot of the network: name it with --graph"),
        (("--only", "cloth"), "needs the CSV files of CLoTH"),
        (("--only", "cloth", "--cloth", "nowhere"), "nowhere: no such file or folder"),
        (("--only", "cloth", "--cloth", "data"), "other CSV files than those of the recorded runs"),
        (("--only", "a4", "--write", "none.md"), "--write: none.md cannot be read"),
        (("--only", "a4", "--out", "file"), "file is a file; --out names a directory"),
    ],
)
def test_what_cannot_be_done_is_told_without_a_traceback(asked: tuple[str, ...], told: str, tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "cloth", tmp_path / "data")
    (tmp_path / "file").write_text("")
    done = lens(*asked, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
