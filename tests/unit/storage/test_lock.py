import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lightninglens.core.errors import LensError
from lightninglens.storage.lock import LOCK_FILE, DataDirectoryLock
from lightninglens.storage.private import private_directory, private_file

HOLDER = """
import sys, time
from pathlib import Path
from lightninglens.storage.lock import DataDirectoryLock
with DataDirectoryLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_owner_is_told_of_the_first(tmp_path: Path) -> None:
    data = tmp_path / "data"
    said = f"in use by process {os.getpid()}; end it with `lens stop"
    with DataDirectoryLock(data), pytest.raises(LensError, match=said):
        DataDirectoryLock(data).__enter__()
    with DataDirectoryLock(data):
        assert stat.S_IMODE((data / LOCK_FILE).stat().st_mode) == 0o600


def test_a_killed_owner_frees_the_directory(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LensError, match=f"process {holder.pid}"):
            DataDirectoryLock(tmp_path).__enter__()
        holder.kill()
        holder.wait()
        with DataDirectoryLock(tmp_path):
            pass


def test_what_is_made_is_private(tmp_path: Path) -> None:
    folder = private_directory(tmp_path / "a" / "b")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    file = private_file(folder / "c")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("kept")
    assert private_file(file).read_text() == "kept"


def test_what_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LensError, match="cannot be made a data directory"):
        private_directory(tmp_path / "file" / "x")
    with pytest.raises(LensError, match="cannot be created"):
        private_file(tmp_path / "absent" / "x")
