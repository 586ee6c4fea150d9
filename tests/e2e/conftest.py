"""Fixtures for tests that look at the dashboard in a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.dashboard_page import VIEWPORTS, DashboardOpener
from tests.e2e.scripted_rest import TOKEN
from tests.e2e.scripted_service import ScriptedService

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "src" / "lightninglens" / "app" / "static"
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: needs Chromium and the built dashboard")


def _need(path: Path, what: str) -> None:
    """Skip without `path`; fail instead where LENS_REQUIRE_BROWSER=1 promises it."""
    if path.exists():
        return
    reason = f"{what} is missing ({path})"
    if os.environ.get("LENS_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium of the system.

    For one module only: while Playwright is open an event loop runs in this
    process, and no test of asynchronous code could start its own.
    """
    _need(CHROMIUM, "Chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(CHROMIUM_FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def axe_script() -> str:
    """The source of axe-core, which checks accessibility."""
    _need(AXE, "axe-core")
    return AXE.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def built_dashboard() -> Path:
    """The folder of the built dashboard."""
    _need(STATIC / "index.html", "the built dashboard")
    return STATIC


@pytest.fixture(scope="class")
def dashboard_url(built_dashboard: Path) -> Iterator[str]:
    """Where a dashboard with traffic is served; override it to test another service."""
    service = ScriptedService(built_dashboard, interval_s=0.4, warm_up=60)
    service.start()
    yield service.url
    service.stop()


@pytest.fixture(scope="class")
def token() -> str:
    """The token of the service behind `dashboard_url`."""
    return TOKEN


@pytest.fixture
def scripted(built_dashboard: Path) -> Iterator[ScriptedService]:
    """A scripted service that does only what the test says."""
    service = ScriptedService(built_dashboard, warm_up=24)
    service.start()
    yield service
    service.stop()


SAME_CHECKS = ("test_every_place_is_accessible_and_fits", "test_accessibility")
"""They see the same pages over a script and over a real lab: the lab is seen in half of the combinations each day."""
EACH_DAY = {("desktop", "dark"), ("phone", "light")}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the other combinations of the real lab to the nightly run."""
    for item in items:
        called = getattr(item, "callspec", None)
        if called is None or "TestLensUp" not in item.nodeid or getattr(item, "originalname", "") not in SAME_CHECKS:
            continue
        if (called.params.get("viewport"), called.params.get("theme")) not in EACH_DAY:
            item.add_marker(pytest.mark.nightly)


@pytest.fixture(params=sorted(VIEWPORTS))
def viewport(request: pytest.FixtureRequest) -> str:
    """Each size of screen in turn."""
    return str(request.param)


@pytest.fixture
def open_page(browser: Browser) -> Iterator[DashboardOpener]:
    """Opens dashboards; afterwards, none of them may have complained."""
    opener = DashboardOpener(browser)
    yield opener
    opener.close()
