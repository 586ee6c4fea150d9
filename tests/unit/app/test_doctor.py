import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from lightninglens.app import doctor
from lightninglens.app.cli import main as cli
from lightninglens.app.config import LoadedSettings, load_settings
from lightninglens.app.running import RunningService
from lightninglens.core.clock import SystemClock, VirtualClock


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedSettings:
    monkeypatch.chdir(tmp_path)
    return load_settings(overrides={"data.dir": tmp_path / "data"})


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_sound_machine_has_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LENS_SERVICE_PORT", "45871")
    monkeypatch.setenv("LENS_FEED_PORT", "45872")
    findings = list(doctor.examine(None, SystemClock()))
    assert [finding for finding in findings if finding.status == "fail"] == []
    assert {"python", "packages", "compile cache", "settings", "disk", "clock"} <= {each.check for each in findings}


def test_wrong_settings_end_the_examination(tmp_path: Path) -> None:
    path = tmp_path / "lens.toml"
    path.write_text("[lab]\nspeeed = 1\n")
    last = list(doctor.examine(path, SystemClock()))[-1]
    assert (last.check, last.status) == ("settings", "fail")
    assert "did you mean 'speed'" in last.detail


def test_an_old_interpreter_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PYTHON_MIN", (3, 99))
    assert doctor.check_python().status == "fail"


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.requires", lambda _name: ["numpy>=2", "no-such-thing[x]>=1"])
    finding = doctor.check_packages()
    assert (finding.status, finding.detail) == ("fail", "missing: no-such-thing")


def test_a_compile_cache_that_cannot_be_written_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/nowhere")
    monkeypatch.setattr("os.access", lambda *_arguments: False)
    assert doctor.check_numba_cache().status == "warn"


def test_the_data_directory_is_judged(loaded: LoadedSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    path = loaded.settings.data.dir
    assert doctor.check_data_directory(loaded).detail == f"{path} will be made"
    path.mkdir(mode=0o755)
    path.chmod(0o755)
    assert doctor.check_data_directory(loaded).status == "warn"
    path.chmod(0o700)
    assert doctor.check_data_directory(loaded).status == "ok"
    monkeypatch.setattr("os.access", lambda *_arguments: False)
    assert doctor.check_data_directory(loaded).status == "fail"
    path.rmdir()
    assert doctor.check_data_directory(loaded).status == "fail"


def test_a_token_is_judged_and_not_shown(tmp_path: Path, loaded: LoadedSettings) -> None:
    assert doctor.check_token(loaded).status == "ok"
    path = tmp_path / "token"
    path.write_text("c0ffee" * 8)
    named = load_settings(overrides={"service.token_file": path})
    path.chmod(0o644)
    finding = doctor.check_token(named)
    assert finding.status == "fail"
    assert "c0ffee" not in finding.detail
    path.chmod(0o600)
    assert doctor.check_token(named).status == "ok"


def test_a_port_in_use_is_found(loaded: LoadedSettings, taken_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = doctor.check_port(loaded, "feed", "127.0.0.1", taken_port)
    assert (finding.status, finding.check) == ("fail", f"port {taken_port} (feed)")
    assert "feed.port" in finding.advice
    monkeypatch.setattr(doctor, "find_running", lambda _dir: RunningService(pid=7, started_ns=1, url=""))
    assert doctor.check_port(loaded, "feed", "127.0.0.1", taken_port).detail == "held by the running lab (process 7)"


class Usage(NamedTuple):
    free: int


@pytest.mark.parametrize(("free", "status"), [(10 * doctor.MIB, "fail"), (doctor.GIB, "warn"), (9 * doctor.GIB, "ok")])
def test_a_full_disk_is_found(free: int, status: str, loaded: LoadedSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: Usage(free))
    assert doctor.check_disk(loaded).status == status


@pytest.mark.parametrize(
    ("text", "status"), [("MemAvailable:  5 kB", "warn"), ("MemAvailable: 9000000 kB", "ok"), ("", "ok")]
)
def test_memory_is_judged(text: str, status: str, tmp_path: Path) -> None:
    path = tmp_path / "meminfo"
    path.write_text(text)
    assert doctor.check_memory(path).status == status
    assert doctor.check_memory(tmp_path / "absent").status == "ok"


def test_a_clock_in_the_past_is_found() -> None:
    assert doctor.check_clock(VirtualClock(0)).status == "fail"
    assert doctor.check_clock(SystemClock()).status == "ok"


def test_chromium_is_optional(tmp_path: Path) -> None:
    assert doctor.check_chromium(tmp_path).status == "ok"
    assert "absent" in doctor.check_chromium(tmp_path / "none").detail


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warn", 0), ("fail", 1)])
def test_the_command_shows_each_finding_and_ends_by_the_worst(
    status: doctor.Status, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finding = doctor.Finding(check="thing", status=status, detail="so it is", advice="do this")
    monkeypatch.setattr(doctor, "examine", lambda *_arguments: iter([finding]))
    for arguments in (["doctor"], ["doctor", "--json"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        assert ended.value.code == code
        out = capsys.readouterr().out
        if "--json" in arguments:
            assert json.loads(out) == [{"check": "thing", "status": status, "detail": "so it is", "advice": "do this"}]
        else:
            assert out.split() == [status, "thing", "so", "it", "is", "->", "do", "this"]
