"""A process that is killed between or during appends loses nothing that it was told is on disk."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lightninglens.storage.journal import SqliteJournal

WRITER = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_journal import record
from lightninglens.storage.journal import SqliteJournal

def write(path):
    with SqliteJournal(path) as journal:
        while True:
            kept = journal.append(record(str(os.getpid())))
            os.write(1, f"{kept.sequence}\\n".encode())

# One import of the libraries for all cycles: each cycle is a fork, killed by its parent.
path = Path(sys.argv[1])
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        write(path)
    os.write(1, f"child {child}\\n".encode())
    os.waitpid(child, 0)
    os.write(1, b"dead\\n")
"""


@pytest.mark.slow
@pytest.mark.parametrize("cycles", [200, pytest.param(1_000, marks=pytest.mark.nightly)])
def test_killed_again_and_again_nothing_acknowledged_is_lost(cycles: int, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    unit_tests = Path(__file__).resolve().parents[1] / "unit/storage"
    acknowledged: list[int] = []
    command = [sys.executable, "-c", WRITER, str(path), str(unit_tests)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        for cycle in range(cycles):
            parent.stdin.write("go\n")
            child, seen = 0, 0
            # The kill comes after a number of appends that differs from cycle to cycle.
            for line in parent.stdout:
                if line.startswith("child"):
                    child = int(line.split()[1])
                elif line == "dead\n":
                    break
                else:
                    acknowledged.append(int(line))
                    seen += 1
                if child and seen > cycle % 7:
                    os.kill(child, signal.SIGKILL)
                    child = 0
                    seen = -(10**9)
        parent.stdin.close()
    with SqliteJournal(path) as journal:
        kept = [each.sequence for each in journal.records()]
    assert len(acknowledged) > cycles
    assert set(acknowledged) <= set(kept)
    assert kept == list(range(1, len(kept) + 1))
