"""The dashboard of a watched node: a recorded history of the lab, played to its end by a real `lens run`."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.dashboard_page import PATIENCE_MS, DashboardOpener, DashboardPage
from tests.e2e.scripted_service import ScriptedService
from tests.e2e.test_lens_up import START_LIMIT_S, free_port

pytestmark = pytest.mark.browser

RECORDED_HOURS = 12
LOOKS = [("desktop", "dark"), ("phone", "light")]
NOT_THERE = "Failed to load resource: the server responded with a status of 404"
"""What a browser says of an answer that the page tells in words."""
STANDING = {
    "capacity_sat": 1_000_000,
    "average_local_msat": 500_000_000,
    "active_share": 1.0,
    "forwards_in": 3,
    "forwards_out": 4,
    "forwarded_in_msat": 300_000_000,
    "forwarded_out_msat": 400_000_000,
    "fee_earned_msat": 4_321_000,
    "fee_sourced_msat": 3_000_000,
    "fee_split_msat": 3_660_500,
    "rebalance_fee_msat": 321_000,
    "on_chain_cost_msat": 0,
    "costs_unknown": 0,
    "net_msat": 4_000_000,
    "net_after_liquidity_msat": 4_000_000,
    "utilisation": 0.7,
    "return_on_capacity_per_year": 0.0487,
    "return_on_local_per_year": 0.0974,
}


@pytest.fixture(scope="module")
def replay_url(built_dashboard: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a recording that is over can be asked for everything."""
    folder = tmp_path_factory.mktemp("replay")
    lens = [sys.executable, "-m", "lightninglens"]
    record = [*lens, "lab", "record", "--hours", str(RECORDED_HOURS), "--out", str(folder / "recorded")]
    subprocess.run(record, check=True, capture_output=True, timeout=START_LIMIT_S)
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [*lens, "run", "--node", f"replay:{folder / 'recorded/forwards.db'}", "--speed", "10000"]
    command += ["--port", str(port), "--data-dir", str(folder / "data")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ}) as service:
        try:
            _wait_for_the_end(url, service)
            yield url
        finally:
            service.terminate()
            _output, errors = service.communicate(timeout=20)
    assert service.returncode == 0, errors.decode()


def _wait_for_the_end(url: str, service: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until:
        assert service.poll() is None, service.communicate()[1].decode()
        try:
            answer = httpx.get(f"{url}/api/v1/recording", params={"hours": RECORDED_HOURS}, timeout=2)
            # What was seen last is written a moment after the end; the first seconds, in which it starts, are hours.
            if answer.is_success and answer.json()["ended"] and answer.json()["coverage"] > 0.8:
                return
        except httpx.TransportError:
            pass  # not there yet
        time.sleep(0.3)
    pytest.fail(f"the recording was not over within {START_LIMIT_S} s")


@pytest.fixture
def open_replay(open_page: DashboardOpener, replay_url: str) -> "OpenReplay":
    """Opens the replay at a place."""
    return OpenReplay(open_page, replay_url)


def choose(page: Page, name: str, *, exact: bool = False) -> None:
    """Choose one of several; the page says so a moment later."""
    option = page.get_by_role("radio", name=name, exact=exact)
    option.press("Space")  # a click may miss while the page still moves
    expect(option).to_be_checked(timeout=PATIENCE_MS)


class OpenReplay:
    """Opens the dashboard of the replay."""

    def __init__(self, opener: DashboardOpener, url: str) -> None:
        self._opener, self._url = opener, url

    def __call__(self, place: str, viewport: str = "desktop", theme: str = "dark") -> DashboardPage:
        dashboard = self._opener(f"{self._url}/#/{place}", viewport, theme)
        dashboard.tolerate(NOT_THERE)
        dashboard.wait_live()
        return dashboard


@pytest.mark.parametrize(("viewport", "theme"), LOOKS)
def test_the_overview_says_that_a_recording_is_played_and_what_it_holds(
    open_replay: OpenReplay, axe_script: str, viewport: str, theme: str
) -> None:
    dashboard = open_replay("overview", viewport, theme)
    page = dashboard.page
    expect(page.get_by_test_id("mode")).to_contain_text("replay")
    expect(page.get_by_test_id("replay-over")).to_contain_text("The recording is over")
    expect(page.get_by_test_id("pause")).to_be_hidden()
    figures = page.get_by_test_id("figures")
    for label in ("Refused here", "Fees earned", "Missed, last 24 h", "Seen of last 24 h"):
        expect(figures).to_contain_text(label)
    expect(page.get_by_test_id("profit")).to_contain_text(re.compile("Return, per year|of the last 24h are not there"))
    expect(page.get_by_role("heading", name="Forwards")).to_be_visible()
    expect(page.get_by_role("region", name="Recommendations")).to_be_hidden()
    expect(dashboard.payments).to_contain_text("✓ forwarded")
    assert dashboard.overflow_px() <= 0
    assert dashboard.serious_violations(axe_script) == []


@pytest.mark.parametrize(("viewport", "theme"), [("desktop", "light"), ("phone", "dark")])
def test_what_was_missed_is_ranked_and_leads_to_each_attempt(
    open_replay: OpenReplay, axe_script: str, viewport: str, theme: str
) -> None:
    dashboard = open_replay("missed", viewport, theme)
    page = dashboard.page
    choose(page, "everything")
    rows = page.locator("[data-missed-row]")
    expect(rows).not_to_have_count(0, timeout=PATIENCE_MS)
    expect(page.get_by_test_id("coverage")).to_contain_text("No gap is known")
    expect(page.get_by_test_id("missed-totals")).to_contain_text("Documented sum")
    expect(page.get_by_test_id("missed")).to_contain_text("liquidity")
    dashboard.press("j")
    expect(rows.first).to_be_focused()
    dashboard.press("Enter")
    attempts = page.get_by_test_id("attempt-rows")
    expect(attempts).to_contain_text("sat", timeout=PATIENCE_MS)
    assert dashboard.overflow_px() <= 0
    assert dashboard.serious_violations(axe_script) == []
    dashboard.press("Enter")
    expect(attempts).to_be_hidden()


def test_what_was_missed_is_sorted_saved_and_asked_for_another_time(open_replay: OpenReplay, replay_url: str) -> None:
    dashboard = open_replay("missed?range=7d")
    page = dashboard.page
    choose(page, "everything")
    rows = page.locator("[data-missed-row]")
    expect(rows).not_to_have_count(0, timeout=PATIENCE_MS)
    query = {"hours": 168, "min_failures": 1, "min_missed_sats": 0}
    listed = httpx.get(f"{replay_url}/api/v1/missed", params=query).json()["opportunities"]
    table = page.get_by_test_id("missed")
    table.get_by_role("button", name="Failures").click()
    expect(table.get_by_role("columnheader", name="Failures")).to_have_attribute("aria-sort", "descending")
    most = max(listed, key=lambda each: each["total_failures"])
    expect(rows.first).to_have_attribute("data-missed-row", most["channel_id"])
    with page.expect_download() as download:
        page.get_by_role("link", name="Save missed opportunities as CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert len(lines) == 1 + len(listed)
    assert "expected_msat" in lines[0].split(",")
    choose(page, "1 h", exact=True)
    assert page.url.endswith("#/missed?range=1h")
    expect(page.get_by_test_id("coverage")).to_contain_text("of the last 1\u202fh")


def test_rules_say_how_often_they_would_have_fired(open_replay: OpenReplay, axe_script: str) -> None:
    dashboard = open_replay("overview")
    page = dashboard.page
    page.get_by_test_id("bell").click()
    expect(page.get_by_test_id("rules")).to_contain_text("would have fired", timeout=PATIENCE_MS)
    form = page.get_by_role("form", name="Try a rule")
    form.get_by_label("Series").select_option("local_share")
    form.get_by_label("Above or below").select_option("below")
    form.get_by_label("Limit", exact=True).fill("2")
    form.get_by_role("button", name="try").click()
    tried = page.get_by_test_id("tried")
    expect(tried).to_contain_text("would have fired 3 times", timeout=PATIENCE_MS)
    expect(tried.get_by_test_id("tried-spans")).to_contain_text("lnd-bob (")
    assert dashboard.serious_violations(axe_script) == []


def test_what_was_done_stands_with_the_days_before_and_after(open_replay: OpenReplay, axe_script: str) -> None:
    remedy = {"at_ms": 0, "channel_id": "202x1x0", "before": 1_000, "after": 700, "cost_msat": 0}
    days = {f"{what}_{when}_msat_per_day": 5_000 for what in ("missed", "others") for when in ("before", "after")}
    earned = {"days": 3.0, "earned_before_msat_per_day": 1_000, "earned_after_msat_per_day": 8_500}
    change = {"change_msat_per_day": 7_500, "lower_msat_per_day": 2_000, "upper_msat_per_day": 13_000}
    found = {
        "effects": [{**remedy, **days, **earned, **change, "kind": "fee lowered"}],
        "too_young": [{**remedy, "at_ms": 1, "kind": "liquidity added", "after": 2_000_000, "cost_msat": None}],
    }
    dashboard = open_replay("missed")
    page = dashboard.page
    expect(page.get_by_test_id("no-remedies")).to_contain_text("Nothing was seen to be done", timeout=PATIENCE_MS)
    page.route("**/api/v1/remedies?*", lambda route: route.fulfill(json=found))
    page.reload()
    table = page.get_by_test_id("remedy-rows")
    expect(table).to_contain_text("fee lowered from 1\u202f000 to 700 ppm", timeout=PATIENCE_MS)
    expect(table).to_contain_text("7.500")
    expect(table).to_contain_text("2\u202f000 sat of liquidity added")
    expect(table).to_contain_text("too young")
    assert dashboard.overflow_px() <= 0
    assert dashboard.serious_violations(axe_script) == []


def test_channels_and_peers_stand_beside_what_they_earned(
    open_replay: OpenReplay, replay_url: str, axe_script: str
) -> None:
    channels = httpx.get(f"{replay_url}/api/v1/channels").json()
    analysis = {"category": "profitable", "overall_score": 67.0}
    analysis |= dict.fromkeys(("profitability_score", "activity_score", "efficiency_score"), 50.0)
    first = {"channel_id": channels[0]["channel_id"], "peer_id": channels[0]["node2_id"], "peer_alias": ""}

    def answer(route: Route) -> None:
        success = {"rate": 0.9, "lower": 0.8, "upper": 0.95}
        row = {**STANDING, **first, "is_open": True, "analysis": analysis, "success": success}
        row["channel_ids"] = [first["channel_id"]]
        times = {"from_ms": 0, "to_ms": 9**9, "self_payments_known_until_ms": 1, "forwards_known_until_ms": 1}
        route.fulfill(json={**times, "node": STANDING, "rows": [row]})

    dashboard = open_replay("channels")
    page = dashboard.page
    page.route("**/api/v1/profit?*", lambda route: route.fulfill(status=404, json={}))
    page.reload()
    expect(page.get_by_test_id("profit")).to_contain_text("does not add them up")
    expect(dashboard.channel_buttons).to_have_count(len(channels))
    page.route("**/api/v1/profit?*", answer)
    page.reload()
    expect(page.get_by_test_id("profit")).to_contain_text("+4\u202f000")
    expect(page.get_by_test_id("profit-behind")).to_contain_text("what came later is not in these figures")
    table = page.get_by_test_id("channels")
    expect(table).to_contain_text("halved 3\u202f660")
    expect(table).to_contain_text("profitable")
    assert dashboard.serious_violations(axe_script) == []
    choose(page, "by peer")
    expect(table).to_contain_text("4.87\u202f%")
    expect(table).to_contain_text("80.0\u202f% … 95.0\u202f%")
    expect(table).not_to_contain_text("profitable")


def test_a_live_node_has_no_pace_and_none_of_the_lab(open_page: DashboardOpener, scripted: ScriptedService) -> None:
    scripted.world.mode = "live"
    dashboard = open_page(scripted.url)
    dashboard.tolerate(NOT_THERE)
    dashboard.wait_live()
    badge = dashboard.page.get_by_test_id("mode")
    expect(badge).to_contain_text("live")
    expect(badge).to_contain_text("the amounts on this page are real")
    expect(dashboard.page.get_by_test_id("pause")).to_be_hidden()
    expect(dashboard.page.get_by_test_id("world-clock")).not_to_contain_text("×")
    status = {"now_ms": 1, "problem": "the disk is full", "ended": False, "window_hours": 24, "gaps": []}
    counts = dict.fromkeys(("events", "settled", "refused", "failed_downstream", "in_flight", "coverage"), 0)
    dashboard.page.route("**/api/v1/recording?*", lambda route: route.fulfill(json={**status, **counts}))
    dashboard.page.reload()
    expect(dashboard.page.get_by_text("Not recorded: the disk is full.")).to_be_visible()
    dashboard.go("rebalance")
    expect(dashboard.page.get_by_role("switch")).to_have_count(0)
    expect(dashboard.page.get_by_text("moves nothing")).to_be_visible()


def test_a_simulated_network_says_so_and_how_a_node_is_watched(
    open_page: DashboardOpener, scripted: ScriptedService
) -> None:
    dashboard = open_page(scripted.url)
    dashboard.wait_live()
    expect(dashboard.page.get_by_test_id("mode")).to_contain_text("simulated")
    dashboard.go("missed")
    expect(dashboard.page.get_by_test_id("missed-elsewhere")).to_contain_text("`lens run` records a node of your own")


def test_what_the_service_waits_for_is_said(open_page: DashboardOpener, scripted: ScriptedService) -> None:
    error = {"what": "waiting for LND at localhost:10009: no connection", "what_to_do": "", "where": ""}
    dashboard = open_page(scripted.url)
    dashboard.tolerate("Failed to load resource")
    page = dashboard.page
    page.route_web_socket("**/ws", lambda _socket: None)
    page.route("**/api/v1/health", lambda route: route.fulfill(json={"mode": "live"}))
    page.route("**/api/v1/stats", lambda route: route.fulfill(status=503, json={"error": error}))
    page.reload()
    expect(page.get_by_test_id("waiting")).to_contain_text(f"{error['what']}.", timeout=PATIENCE_MS)
    expect(page.get_by_test_id("mode")).to_contain_text("live")
    expect(page.get_by_role("region", name="Recommendations")).to_be_hidden()
