import json
from pathlib import Path
from typing import Any

import coverage_gate
import pytest


def file(covered: int, total: int) -> dict[str, Any]:
    summary = {"covered_lines": covered, "num_statements": total, "covered_branches": 0, "num_branches": 0}
    return {"summary": summary, "missing_lines": [1] * (total - covered), "missing_branches": []}


REPORT = {
    "files": {
        "src/lightninglens/__init__.py": file(1, 1),
        "src/lightninglens/core/a.py": file(3, 4),
        "src/lightninglens/core/b.py": file(4, 4),
        "src/lightninglens/app/cli/x.py": file(1, 2),
        "src/lightninglens/lab/__init__.py": file(0, 0),
    }
}


def test_figures_are_per_package() -> None:
    assert coverage_gate.by_package(REPORT) == {"lightninglens": 100.0, "core": 87.5, "app": 50.0}


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"core": 99.9}, "core: 99.90 %, must be 100 %"),
        ({"core": 100.0, "app": 79.0}, "app: 79.00 %, was 80.00 %"),
        ({"app": 79.6}, None),
        ({"new": 100.0}, "new: no floor yet"),
    ],
)
def test_a_package_below_its_floor_is_named(figures: dict[str, float], said: str | None) -> None:
    problems = coverage_gate.judge(figures, {"app": 80.0})
    assert [problem for problem in problems if said and problem.startswith(said)] == problems
    assert bool(problems) == bool(said)


def test_floors_are_raised_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    floors, report = tmp_path / "floors.json", tmp_path / "report.json"
    report.write_text(json.dumps(REPORT))
    monkeypatch.setattr(coverage_gate, "FLOORS", floors)
    monkeypatch.setattr("sys.argv", ["gate", str(report), "--raise"])
    assert coverage_gate.main() == 1  # core is never below 100
    assert json.loads(floors.read_text()) == {"app": 50.0, "lightninglens": 100.0}
    out = capsys.readouterr().out
    assert "error: coverage of core: 87.50 %" in out
    assert "src/lightninglens/core/a.py: lines [1]" in out
    report.write_text(json.dumps({"files": {"src/lightninglens/app/x.py": file(1, 2)}}))
    monkeypatch.setattr("sys.argv", ["gate", str(report)])
    assert coverage_gate.main() == 0
