"""Judge coverage: complete for the pure heart, and nowhere lower than it was.

    python tools/coverage_gate.py .tools/coverage.json            fail when a package falls below its floor
    python tools/coverage_gate.py .tools/coverage.json --raise    write the present figures as the new floors

Lines and branches count alike. The floors are in tests/coverage_ratchet.json.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

COMPLETE = ("core", "routing", "control")
FLOORS = Path(__file__).resolve().parents[1] / "tests/coverage_ratchet.json"
# Timing decides whether a few branches run (a signal, a race that is lost): half a point of slack.
SLACK = 0.5


def by_package(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the percentage of lines and branches covered, per package."""
    covered: dict[str, int] = defaultdict(int)
    present: dict[str, int] = defaultdict(int)
    for name, file in report["files"].items():
        package, summary = _package(name), file["summary"]
        covered[package] += summary["covered_lines"] + summary["covered_branches"]
        present[package] += summary["num_statements"] + summary["num_branches"]
    return {name: 100.0 * covered[name] / total for name, total in present.items() if total}


def _package(name: str) -> str:
    parts = PurePath(name).parts
    inside = parts[parts.index("lightninglens") + 1 :]
    return inside[0] if len(inside) > 1 else "lightninglens"


def judge(figures: Mapping[str, float], floors: Mapping[str, float]) -> list[str]:
    """Return one line per package that is too low."""
    problems = []
    for name, figure in figures.items():
        if name in COMPLETE:
            if figure < 100.0:
                problems.append(f"{name}: {figure:.2f} %, must be 100 %")
        elif name not in floors:
            problems.append(f"{name}: no floor yet; run tools/coverage_gate.py with --raise and commit the file")
        elif figure < floors[name] - SLACK:
            problems.append(f"{name}: {figure:.2f} %, was {floors[name]:.2f} %")
    return problems


def gaps(report: Mapping[str, Any], packages: Iterable[str]) -> list[str]:
    """Return one line per file of these packages that is not complete."""
    wanted = set(packages)
    return [
        f"  {name}: lines {file['missing_lines']} branches {file['missing_branches']}"
        for name, file in sorted(report["files"].items())
        if _package(name) in wanted and (file["missing_lines"] or file["missing_branches"])
    ]


def main() -> int:
    """Judge or raise; return 0 when all is well, 1 when a package is too low."""
    report = json.loads(Path(sys.argv[1]).read_text())
    figures = by_package(report)
    floors: dict[str, float] = json.loads(FLOORS.read_text()) if FLOORS.exists() else {}
    if "--raise" in sys.argv[2:]:
        floors = {name: round(figure, 2) for name, figure in sorted(figures.items()) if name not in COMPLETE}
        FLOORS.write_text(json.dumps(floors, indent=2) + "\n")
    for name, figure in sorted(figures.items()):
        floor = 100.0 if name in COMPLETE else floors.get(name, 0.0)
        print(f"    {name:<14} {figure:6.2f} %  (floor {floor:.2f} %)")
    problems = judge(figures, floors)
    for problem in problems:
        print(f"error: coverage of {problem}")
    if problems:
        print("\n".join(gaps(report, COMPLETE)))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
