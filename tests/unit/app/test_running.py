import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightninglens.app.running import (
    PID_FILE,
    RunningService,
    announced,
    find_running,
    folder_that_runs,
    stop_running,
)
from lightninglens.core.errors import LensError

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
POLITE = "import time; print('up', flush=True); time.sleep(60)"


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def start(code: str, processes: list[subprocess.Popen[str]], script: Path) -> int:
    script.write_text(code)
    process = subprocess.Popen([sys.executable, str(script), "up"], stdout=subprocess.PIPE, text=True)
    processes.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process.pid


def write(folder: Path, pid: int) -> None:
    (folder / PID_FILE).write_text(json.dumps({"pid": pid, "started_ns": 5, "url": "http://127.0.0.1:3000"}))


def test_nothing_runs_where_there_is_no_file(tmp_path: Path) -> None:
    assert find_running(tmp_path) is None
    assert "nothing runs" in stop_running(tmp_path)


@pytest.mark.promise("A0.11a")
def test_a_running_lab_is_found_and_ended(tmp_path: Path, processes: list[subprocess.Popen[str]]) -> None:
    pid = start(POLITE, processes, tmp_path / "lens")
    write(tmp_path, pid)
    assert find_running(tmp_path) == RunningService(pid=pid, started_ns=5, url="http://127.0.0.1:3000")
    assert stop_running(tmp_path) == f"stopped the service (process {pid})"
    assert not (tmp_path / PID_FILE).exists()


def test_a_lab_that_will_not_end_is_reported(tmp_path: Path, processes: list[subprocess.Popen[str]]) -> None:
    pid = start(STUBBORN, processes, tmp_path / "lens")
    write(tmp_path, pid)
    with pytest.raises(LensError, match=f"did not end within 0.2 s; `kill -9 {pid}`"):
        stop_running(tmp_path, patience_s=0.2)


def test_a_reused_process_id_is_never_signalled(tmp_path: Path, processes: list[subprocess.Popen[str]]) -> None:
    pid = start(POLITE, processes, tmp_path / "lightninglens")
    write(tmp_path, pid)
    assert "removed a stale lens.pid" in stop_running(tmp_path)
    assert processes[0].poll() is None


@pytest.mark.parametrize(
    ("problem", "said"), [(PermissionError(), "belongs to another user"), (ProcessLookupError(), "had just ended")]
)
def test_a_process_that_cannot_be_signalled_is_explained(
    problem: OSError, said: str, tmp_path: Path, processes: list[subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, start(POLITE, processes, tmp_path / "lens"))

    def refuse(*_arguments: int) -> None:
        raise problem

    with monkeypatch.context() as patched:
        patched.setattr("os.kill", refuse)
        try:
            outcome = stop_running(tmp_path)
        except LensError as refused:
            outcome = str(refused)
    assert said in outcome


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", "null", '{"pid": "x"}', '{"pid": 1e400, "started_ns": 1, "url": ""}']
)
def test_a_file_that_says_nothing_is_stale(content: str, tmp_path: Path) -> None:
    (tmp_path / PID_FILE).write_text(content)
    assert find_running(tmp_path) is None
    assert "stale" in stop_running(tmp_path)


def test_a_lab_is_announced_while_it_runs(tmp_path: Path) -> None:
    lab = RunningService(pid=os.getpid(), started_ns=7, url="http://127.0.0.1:3000")
    with announced(tmp_path, lab):
        assert json.loads((tmp_path / PID_FILE).read_text()) == {"pid": lab.pid, "started_ns": 7, "url": lab.url}
    assert not (tmp_path / PID_FILE).exists()


def test_the_only_node_that_is_watched_is_found_in_its_folder(
    tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    assert folder_that_runs(tmp_path) == tmp_path
    node, other = tmp_path / "nodes" / "02aa", tmp_path / "nodes" / "03bb"
    for folder in (node, other):
        folder.mkdir(parents=True)
    pid = start(POLITE, processes, tmp_path / "lens")
    write(node, pid)
    assert folder_that_runs(tmp_path) == node
    write(other, pid)
    assert folder_that_runs(tmp_path) == tmp_path
    write(tmp_path, pid)
    assert folder_that_runs(tmp_path) == tmp_path
