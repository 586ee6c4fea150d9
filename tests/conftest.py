"""What every test gets: an environment of its own, and browser tests that are never skipped silently."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Shared machines are slow at times, which says nothing about the code. CI draws the same examples every time,
# so that a red build is about the change.
settings.register_profile("house", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("house")

SRC = Path(__file__).resolve().parents[1] / "src/lightninglens"
LONG_LINES = 400
CHROMIUM = Path("/usr/bin/chromium")
KEPT = {"LENS_LND_RECORD", "LENS_LND_SOURCE", "LENS_MAINNET_GRAPH", "LENS_REQUIRE_BROWSER"}


@pytest.fixture(autouse=True)
def own_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the machine's settings and user directories from the code under test."""
    for name in list(os.environ):
        if name.startswith("LENS_") and name not in KEPT:
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(home / name.lower()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the modules that are long enough to think of splitting; test_architecture has the hard limit."""
    lengths = {path: len(path.read_text().splitlines()) for path in SRC.rglob("*.py")}
    long = [f"{path.relative_to(SRC)} ({lines})" for path, lines in sorted(lengths.items()) if lines > LONG_LINES]
    if long:
        terminalreporter.write_line(f"modules over {LONG_LINES} lines: {', '.join(long)}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a browser test where there is no browser, unless one is required."""
    if item.get_closest_marker("browser") and not CHROMIUM.exists():
        reason = f"no {CHROMIUM} (Debian: apt install chromium)"
        if os.environ.get("LENS_REQUIRE_BROWSER") == "1":
            pytest.fail(f"a browser is required here, but there is {reason}", pytrace=False)
        pytest.skip(reason)
