"""Put measured tables into the pages of docs/explanation, from the results that are kept beside them.

    python tools/measured.py keep RUN/comparison.json NAME
    python tools/measured.py keep RUN/fidelity.json fidelity-NAME
    python tools/measured.py keep RUN/missed.json missed-NAME
    python tools/measured.py keep RUN/failures.json failures-NAME

keeps a result of `lens lab compare` (without its single worlds), `fidelity`, `missed` or `failures`;
`tools/generate_docs.py` renders what is kept.
"""

import dataclasses
import re
import sys
from pathlib import Path

from lightninglens.lab.compare import Comparison, render
from lightninglens.lab.failures import FailurePrediction
from lightninglens.lab.failures import render as render_failures
from lightninglens.lab.fidelity import Fidelity
from lightninglens.lab.fidelity.report import fill_page
from lightninglens.lab.missed.report import MissedTruth
from lightninglens.lab.missed.report import render as render_missed
from lightninglens.storage.files.codec import read_record, to_json

ROOT = Path(__file__).resolve().parents[1]
PAGE = Path("docs/explanation/rebalancing.md")
FIDELITY_PAGE = Path("docs/explanation/fidelity.md")
MISSED_PAGE = Path("docs/explanation/missed-revenue.md")
KEPT = Path("docs/explanation/measured")

_TABLE = re.compile(r"(<!-- measured: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def pages(root: Path) -> dict[Path, str]:
    """Return the pages with each table as the kept results have it."""

    def fill(found: re.Match[str]) -> str:
        result = read_record(Comparison, root / KEPT / f"{found['name']}.json")
        return f"{found[1]}\n{render(result)}\n{found[3]}"

    def fill_missed(found: re.Match[str]) -> str:
        kept = root / KEPT / f"{found['name']}.json"
        if found["name"].startswith("failures-"):
            text = render_failures(read_record(FailurePrediction, kept))
        else:
            text = render_missed(read_record(MissedTruth, kept))
        return f"{found[1]}\n{text}\n{found[3]}"

    kept = sorted((root / KEPT).glob("fidelity-*.json"))
    found = Fidelity(tables=tuple(table for path in kept for table in read_record(Fidelity, path).tables))
    return {
        root / PAGE: _TABLE.sub(fill, (root / PAGE).read_text()),
        root / MISSED_PAGE: _TABLE.sub(fill_missed, (root / MISSED_PAGE).read_text()),
        root / FIDELITY_PAGE: fill_page((root / FIDELITY_PAGE).read_text(), found),
    }


def keep(source: Path, name: str) -> None:
    """Keep a result for the page."""
    result: Comparison | FailurePrediction | Fidelity | MissedTruth
    if name.startswith("missed-"):
        result = read_record(MissedTruth, source)
    elif name.startswith("failures-"):
        result = read_record(FailurePrediction, source)
    elif name.startswith("fidelity-"):
        result = read_record(Fidelity, source)
    else:
        result = dataclasses.replace(read_record(Comparison, source), worlds=())
    (ROOT / KEPT).mkdir(exist_ok=True)
    (ROOT / KEPT / f"{name}.json").write_bytes(to_json(result))


if __name__ == "__main__":
    _, verb, path, to = sys.argv
    if verb != "keep":
        sys.exit(__doc__)
    keep(Path(path), to)
