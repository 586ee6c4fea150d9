"""The dashboard in a real browser, before a service that plays its part by script."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.e2e.dashboard_checks import DashboardChecks
from tests.e2e.dashboard_page import PATIENCE_MS, DashboardOpener
from tests.e2e.scripted_service import ScriptedService

pytestmark = pytest.mark.browser


class TestScriptedService(DashboardChecks):
    """All that holds for any service."""


def test_a_failure_is_told_in_words_and_found(
    open_page: DashboardOpener, scripted: ScriptedService, viewport: str
) -> None:
    dashboard = open_page(scripted.url, viewport)
    dashboard.wait_live()
    scripted.pay("lnd-alice", "lnd-bob", 950_000_000, "Too large a lunch")
    newest = dashboard.payment_buttons.first
    expect(dashboard.payments).to_contain_text("too little balance: lnd-alice → lnd-bob")
    dashboard.search.fill("too large")
    expect(dashboard.payment_buttons).to_have_count(1)
    newest.click()
    expect(newest).to_have_attribute("aria-expanded", "true")
    expect(dashboard.payments).to_contain_text("TEMPORARY_CHANNEL_FAILURE · INSUFFICIENT_BALANCE")


def test_missed_updates_are_asked_for_and_applied_once(open_page: DashboardOpener, scripted: ScriptedService) -> None:
    dashboard = open_page(scripted.url)
    dashboard.wait_live()
    scripted.step()
    before = scripted.world.payments[-1]["payment_id"]
    expect(dashboard.payment_buttons.first).to_have_attribute("data-payment-row", str(before))
    dashboard.cut_connection()
    scripted.step(3)
    dashboard.restore_connection()
    newest = scripted.world.payments[-1]["payment_id"]
    expect(dashboard.payment_buttons.first).to_have_attribute("data-payment-row", str(newest), timeout=PATIENCE_MS)
    assert scripted.paths[-1] == "/ws?session=session-1&since=1"
    expect(dashboard.payment_buttons).to_have_count(len(scripted.world.payments))


def test_a_restarted_service_is_taken_over_from_its_snapshot(
    open_page: DashboardOpener, scripted: ScriptedService
) -> None:
    dashboard = open_page(scripted.url)
    dashboard.wait_live()
    dashboard.channel_buttons.first.click()
    scripted.step(2)
    scripted.forget()
    scripted.drop_connections()
    expect(dashboard.panel).to_be_hidden(timeout=PATIENCE_MS)
    dashboard.wait_live()
    expect(dashboard.payment_buttons).to_have_count(len(scripted.world.payments))


def test_a_gap_that_cannot_be_filled_leads_to_a_snapshot(open_page: DashboardOpener, scripted: ScriptedService) -> None:
    dashboard = open_page(scripted.url)
    dashboard.wait_live()
    scripted.skip_numbers(5)
    scripted.step()
    newest = scripted.world.payments[-1]["payment_id"]
    expect(dashboard.payment_buttons.first).to_have_attribute("data-payment-row", str(newest), timeout=PATIENCE_MS)
    dashboard.wait_live()


def test_a_message_that_cannot_be_read_does_no_harm(open_page: DashboardOpener, scripted: ScriptedService) -> None:
    dashboard = open_page(scripted.url)
    dashboard.wait_live()
    rows = dashboard.channel_buttons.count()
    scripted.send_text("not of this contract")
    expect(dashboard.notice).to_contain_text("cannot read")
    expect(dashboard.notice).to_be_empty(timeout=PATIENCE_MS)
    expect(dashboard.channel_buttons).to_have_count(rows)


def test_hostile_text_stays_text(open_page: DashboardOpener, scripted: ScriptedService, viewport: str) -> None:
    scripted.world.name = "<img src=x onerror=alert(1)>"
    dashboard = open_page(scripted.url, viewport)
    dashboard.wait_live()
    hostile = "<script>document.title='owned'</script>\u202eevil\u0007" + "W" * 3000
    scripted.pay("lnd-alice", "lnd-eve", 1_000_000, hostile)
    expect(dashboard.payments).to_contain_text("<script>document.title='owned'</script>evil")
    expect(dashboard.page.locator("header").first).to_contain_text("<img src=x onerror=alert(1)>")
    expect(dashboard.page).to_have_title("LightningLens")
    assert dashboard.overflow_px() <= 0


def test_the_viewpoint_turns_channels_round(open_page: DashboardOpener, scripted: ScriptedService) -> None:
    dashboard = open_page(scripted.url)
    dashboard.wait_live()
    dashboard.page.get_by_label("seen from").select_option("lnd-bob")
    expect(dashboard.channel_buttons).to_have_count(3)
    for button in dashboard.channel_buttons.all():
        assert button.inner_text().startswith("lnd-bob")
    expect(dashboard.page.get_by_text("local: lnd-bob's side")).to_be_visible()


def test_columns_sort_both_ways(open_page: DashboardOpener, scripted: ScriptedService) -> None:
    dashboard = open_page(scripted.url)
    dashboard.wait_live()
    fee = dashboard.page.get_by_role("button", name="ppm")
    first = dashboard.channel_buttons.first
    fee.click()
    expect(first).to_have_attribute("data-channel-row", "103x1x0")
    fee.click()
    expect(first).to_have_attribute("data-channel-row", "109x1x0")
    expect(dashboard.page.get_by_role("columnheader", name="ppm")).to_have_attribute("aria-sort", "descending")


@pytest.mark.promise("A0.45")
def test_a_click_on_the_graph_selects_the_channel(open_page: DashboardOpener, scripted: ScriptedService) -> None:
    dashboard = open_page(scripted.url)
    dashboard.wait_live()
    dashboard.page.wait_for_timeout(500)
    graph = dashboard.page.get_by_test_id("graph")
    box = graph.bounding_box()
    assert box is not None
    # The channel from Dave to Eve lies lowest, in the middle of the drawing.
    for height in range(int(box["height"]) - 20, int(box["height"]) // 2, -3):
        dashboard.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + height)
        dashboard.page.wait_for_timeout(30)
        if graph.evaluate("(element) => element.style.cursor") == "pointer":
            break
    expect(dashboard.page.get_by_test_id("graph-tooltip")).to_contain_text("106x1x0")
    dashboard.page.mouse.down()
    dashboard.page.mouse.up()
    expect(dashboard.panel).to_contain_text("lnd-dave – lnd-eve")


def test_an_empty_world_says_what_comes(open_page: DashboardOpener, scripted: ScriptedService) -> None:
    scripted.world.payments.clear()
    dashboard = open_page(scripted.url)
    dashboard.wait_live()
    expect(dashboard.page.get_by_text("No payments yet.")).to_be_visible()


def test_a_service_that_refuses_is_told_with_the_remedy(open_page: DashboardOpener, scripted: ScriptedService) -> None:
    scripted.accepting = False
    dashboard = open_page(scripted.url)
    dashboard.tolerate("WebSocket connection to")
    expect(dashboard.notice).to_contain_text("`lens up` starts it", timeout=PATIENCE_MS)
    scripted.accepting = True
    dashboard.wait_live()


def test_messages_follow_the_contract(scripted: ScriptedService) -> None:
    snapshot = json.loads(json.dumps(scripted.world.snapshot()))
    for channel in snapshot["network"]["channels"]:
        held = channel["node1_local_msat"] + channel["node2_local_msat"]
        overhead_sat = channel["commit_fee_sat"] + 660
        assert held + channel["unsettled_msat"] + overhead_sat * 1000 == (channel["capacity_sat"] * 1000)
