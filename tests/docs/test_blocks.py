"""Runs what the documents tell a reader to type.

A block after the line `<!-- test -->` is run; all such blocks of a page run
in order in one empty folder, as a reader would. `<!-- test: background -->`
starts a block that goes on (a running lab) and is ended after the page.
`<!-- expect: text -->` after a block says what its output must contain.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 300
_BLOCK = re.compile(
    r"^<!-- test(?P<background>: background)? -->\n+```(?:bash|console|sh)\n(?P<code>.*?)^```\n"
    r"(?:\n*<!-- expect: (?P<expected>.*?) -->)?",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    code: str
    background: bool
    expected: str


def blocks(text: str) -> list[Block]:
    return [Block(found["code"], bool(found["background"]), found["expected"] or "") for found in _BLOCK.finditer(text)]


def environment(folder: Path) -> dict[str, str]:
    ours = {"LENS_DATA_DIR": str(folder / "data"), "HOME": str(folder), "LENS_REPOSITORY": str(ROOT)}
    # Kernels compiled by other tests are used again, as a reader's are from one block to the next.
    ours["XDG_CACHE_HOME"] = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, **ours, "PATH": path}


def run_page(text: str, folder: Path) -> None:
    """Run a page's blocks; raises AssertionError with the output when one fails."""
    running: list[subprocess.Popen[bytes]] = []
    command = ["bash", "-euo", "pipefail", "-c"]
    try:
        for block in blocks(text):
            if block.background:
                running.append(
                    subprocess.Popen(
                        [*command, block.code], cwd=folder, env=environment(folder), start_new_session=True
                    )
                )
                continue
            done = subprocess.run(
                [*command, block.code],
                cwd=folder,
                env=environment(folder),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
            assert done.returncode == 0, f"{block.code}\n{done.stdout}"
            assert block.expected in done.stdout, f"{block.code}\n{done.stdout}"
    finally:
        for process in running:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a block as a reader does with Ctrl-C; one that does not end by that is killed and reported."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if blocks(page.read_text())]


@pytest.mark.promise("A1.11")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    run_page(page.read_text(), tmp_path)


def test_blocks_run_in_order_in_one_folder(tmp_path: Path) -> None:
    text = "<!-- test -->\n```bash\necho hi > x\n```\n\n```bash\nexit 1\n```\n<!-- test -->\n\n```bash\ncat x\n```\n\n"
    run_page(text + "<!-- expect: hi -->\n", tmp_path)
    assert (tmp_path / "x").read_text() == "hi\n"


@pytest.mark.parametrize("code", ["false", "false | true", "echo hello"])
def test_a_block_that_fails_or_says_something_else_is_reported(code: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=re.escape(code)):
        run_page(f"<!-- test -->\n```bash\n{code}\n```\n<!-- expect: hi there -->\n", tmp_path)


def test_what_runs_in_the_background_is_ended(tmp_path: Path) -> None:
    script = "import os, pathlib, time; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(60)"
    code = f'exec python -c "{script}"'
    wait = "until test -s pid; do sleep 0.05; done"
    run_page(f"<!-- test: background -->\n```bash\n{code}\n```\n<!-- test -->\n```bash\n{wait}\n```\n", tmp_path)
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()
