"""Write the generated pages and tables of docs, or with --check tell whether they are fresh."""

import sys
from pathlib import Path

import api_page
import classic
import formats
import measured
import promises
import reference
import scenarios_page

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Write or check; return 0 when done, 1 when something is stale or wrong."""
    check = "--check" in sys.argv[1:]
    try:
        pages = {
            ROOT / "docs/reference/promises.md": promises.render(ROOT),
            **reference.pages(ROOT),
            **formats.pages(ROOT),
            **api_page.pages(ROOT),
            **classic.pages(ROOT),
            **measured.pages(ROOT),
            **scenarios_page.pages(ROOT),
        }
    except promises.PromiseError as problem:
        print(f"error: {problem}")
        return 1
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(pages[path])
        print(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}")
    if check and stale:
        print("error: run `python tools/generate_docs.py` in the environment and commit what it writes")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
