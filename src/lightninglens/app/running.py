"""Which lab runs on a data directory, said in `lens.pid`, and how to end it."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from lightninglens.core.errors import LensError

PID_FILE = "lens.pid"
STOP_PATIENCE_S = 10.0
_POLL_S = 0.05
_MAX_PID_FILE_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningLab:
    """The process that serves a data directory."""

    pid: int
    started_ns: int
    url: str


@contextlib.contextmanager
def announced(data_dir: Path, lab: RunningLab) -> Iterator[None]:
    """Say in the data directory that this lab runs, for as long as the block does."""
    path = data_dir / PID_FILE
    draft = data_dir / f"{PID_FILE}.new"
    draft.write_text(json.dumps(asdict(lab)) + "\n")
    draft.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find_running(data_dir: Path) -> RunningLab | None:
    """Return the lab that runs on this data directory; None where none does or its file is stale."""
    try:
        with (data_dir / PID_FILE).open() as stream:
            content = json.loads(stream.read(_MAX_PID_FILE_BYTES))
        lab = RunningLab(pid=int(content["pid"]), started_ns=int(content["started_ns"]), url=str(content["url"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    return lab if is_ours(lab.pid) else None


def is_ours(pid: int) -> bool:
    """Tell whether a living process with this id is LightningLens: a reused id must never be signalled."""
    process = Path("/proc") / str(pid)
    try:
        arguments = (process / "cmdline").read_bytes().split(b"\0")
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    as_module = (b"-m", b"lightninglens") in pairwise(arguments)
    as_script = any(Path(os.fsdecode(argument)).name == "lens" for argument in arguments[:2])
    return state != "Z" and (as_module or as_script)


def stop_running(data_dir: Path, *, patience_s: float = STOP_PATIENCE_S) -> str:
    """End the lab that runs on this data directory, and return what happened in one line.

    Raises LensError when it does not end in time or may not be signalled.
    """
    path = data_dir / PID_FILE
    lab = find_running(data_dir)
    if lab is None:
        if not path.exists():
            return f"no lab runs on {data_dir}"
        path.unlink(missing_ok=True)
        return f"no lab runs on {data_dir}; removed a stale {PID_FILE} that a crash had left"
    try:
        os.kill(lab.pid, signal.SIGTERM)
    except PermissionError:
        raise LensError(f"the lab (process {lab.pid}) belongs to another user, who must stop it") from None
    except ProcessLookupError:
        return f"the lab (process {lab.pid}) had just ended"
    deadline = time.monotonic() + patience_s
    while is_ours(lab.pid):
        if time.monotonic() >= deadline:
            raise LensError(
                f"the lab (process {lab.pid}) did not end within {patience_s:g} s; `kill -9 {lab.pid}` ends it by force"
            )
        time.sleep(_POLL_S)
    path.unlink(missing_ok=True)
    return f"stopped the lab (process {lab.pid})"
