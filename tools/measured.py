"""Put the tables of `lens lab compare` into docs/explanation/rebalancing.md, from the results that are kept beside it.

    python tools/measured.py keep RUN/comparison.json NAME

keeps a result without its single worlds; `tools/generate_docs.py` renders what is kept.
"""

import dataclasses
import re
import sys
from pathlib import Path

from lightninglens.lab.compare import Comparison, render
from lightninglens.storage.files.codec import read_record, to_json

ROOT = Path(__file__).resolve().parents[1]
PAGE = Path("docs/explanation/rebalancing.md")
KEPT = Path("docs/explanation/measured")

_TABLE = re.compile(r"(<!-- measured: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def pages(root: Path) -> dict[Path, str]:
    """Return the page with each table as the kept results have it."""

    def fill(found: re.Match[str]) -> str:
        result = read_record(Comparison, root / KEPT / f"{found['name']}.json")
        return f"{found[1]}\n{render(result)}\n{found[3]}"

    return {root / PAGE: _TABLE.sub(fill, (root / PAGE).read_text())}


def keep(source: Path, name: str) -> None:
    """Keep a result for the page."""
    result = dataclasses.replace(read_record(Comparison, source), worlds=())
    (ROOT / KEPT).mkdir(exist_ok=True)
    (ROOT / KEPT / f"{name}.json").write_bytes(to_json(result))


if __name__ == "__main__":
    _, verb, path, to = sys.argv
    if verb != "keep":
        sys.exit(__doc__)
    keep(Path(path), to)
