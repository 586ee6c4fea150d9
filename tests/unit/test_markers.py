"""Browser tests are skipped with a reason, or fail where a browser is required."""

from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"

pytest_plugins = ["pytester"]


@pytest.mark.parametrize(
    ("required", "outcome"), [("", {"skipped": 1, "passed": 1}), ("1", {"errors": 1, "passed": 1})]
)
def test_a_browser_test_without_a_browser(
    required: str, outcome: dict[str, int], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = CONFTEST.read_text().replace("/usr/bin/chromium", "/nowhere/chromium")
    pytester.makeconftest(text.replace("Path(__file__).resolve().parents[1]", "Path('/nowhere')"))
    pytester.makeini("[pytest]\nmarkers = browser: needs Chromium\n")
    pytester.makepyfile("import pytest\n@pytest.mark.browser\ndef test_page(): pass\ndef test_other(): pass\n")
    monkeypatch.setenv("LENS_REQUIRE_BROWSER", required)
    monkeypatch.delenv("COVERAGE_PROCESS_START", raising=False)
    result = pytester.runpytest_subprocess("-ra", "-p", "no:cacheprovider")
    result.assert_outcomes(**outcome)
    result.stdout.fnmatch_lines(["*no /nowhere/chromium*"])
