"""A process that is killed between or during appends loses nothing that it was told is on disk."""

from pathlib import Path

import pytest
from tests.support.killing import killed_again_and_again

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

def work():
    write(Path(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("cycles", [200, pytest.param(1_000, marks=pytest.mark.nightly)])
def test_killed_again_and_again_nothing_acknowledged_is_lost(cycles: int, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    unit_tests = Path(__file__).resolve().parents[1] / "unit/storage"
    acknowledged = killed_again_and_again(WRITER, [str(path), str(unit_tests)], cycles=cycles, most=7)
    with SqliteJournal(path) as journal:
        kept = [each.sequence for each in journal.records()]
    assert len(acknowledged) > cycles
    assert set(acknowledged) <= set(kept)
    assert kept == list(range(1, len(kept) + 1))
