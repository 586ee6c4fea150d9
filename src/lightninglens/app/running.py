"""Which service runs on a data directory, or on a node's folder in it, said in `lens.pid`, and how to end it."""

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
NODES_FOLDER = "nodes"
"""In it a folder for each node that is watched."""
STOP_PATIENCE_S = 10.0
_POLL_S = 0.05
_MAX_PID_FILE_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningService:
    """The process that serves a data directory."""

    pid: int
    started_ns: int
    url: str


@contextlib.contextmanager
def announced(data_dir: Path, service: RunningService) -> Iterator[None]:
    """Say in the data directory that this service runs, for as long as the block does."""
    path = data_dir / PID_FILE
    draft = data_dir / f"{PID_FILE}.new"
    draft.write_text(json.dumps(asdict(service)) + "\n")
    draft.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find_running(data_dir: Path) -> RunningService | None:
    """Return the service that runs on this data directory; None where none does or its file is stale."""
    try:
        with (data_dir / PID_FILE).open() as stream:
            content = json.loads(stream.read(_MAX_PID_FILE_BYTES))
        found = RunningService(pid=int(content["pid"]), started_ns=int(content["started_ns"]), url=str(content["url"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    return found if is_ours(found.pid) else None


def folder_that_runs(data_dir: Path) -> Path:
    """Return where something runs: the data directory itself, or the only node's folder in it with a service."""
    if find_running(data_dir) is not None:
        return data_dir
    running = [path for path in (data_dir / NODES_FOLDER).glob("*") if find_running(path) is not None]
    return running[0] if len(running) == 1 else data_dir


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
    """End the service that runs on this data directory, and return what happened in one line.

    Raises LensError when it does not end in time or may not be signalled.
    """
    path = data_dir / PID_FILE
    found = find_running(data_dir)
    if found is None:
        if not path.exists():
            return f"nothing runs on {data_dir}"
        path.unlink(missing_ok=True)
        return f"nothing runs on {data_dir}; removed a stale {PID_FILE} that a crash had left"
    try:
        os.kill(found.pid, signal.SIGTERM)
    except PermissionError:
        raise LensError(f"the service (process {found.pid}) belongs to another user, who must stop it") from None
    except ProcessLookupError:
        return f"the service (process {found.pid}) had just ended"
    deadline = time.monotonic() + patience_s
    while is_ours(found.pid):
        if time.monotonic() >= deadline:
            raise LensError(
                f"the service (process {found.pid}) did not end within {patience_s:g} s;"
                f" `kill -9 {found.pid}` ends it by force"
            )
        time.sleep(_POLL_S)
    path.unlink(missing_ok=True)
    return f"stopped the service (process {found.pid})"
