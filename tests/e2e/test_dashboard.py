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
    dashboard.go("channels")
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
    expect(dashboard.page.get_by_text("No payments yet in this time range.")).to_be_visible()


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


@pytest.mark.promise("A0.47", "A0.51e")
def test_an_accepted_suggestion_moves_balances_and_says_what_came_of_it(
    open_page: DashboardOpener, scripted: ScriptedService, viewport: str
) -> None:
    dashboard = open_page(scripted.url, viewport)
    dashboard.wait_live()
    suggestion = dashboard.page.locator('[data-suggestion="suggestion-1"]')
    suggestion.get_by_role("button", name="see the plan").click()
    plan = suggestion.get_by_test_id("plan")
    expect(plan).to_contain_text("lnd-bob gives more than it gets back")
    expect(plan).to_contain_text("cannot be undone")
    before = scripted.world.channels["103x1x0"]["node1_local_msat"]
    suggestion.get_by_role("button", name="accept").click()
    dashboard.answer_token(scripted.token)
    expect(suggestion.get_by_test_id("suggestion-status")).to_contain_text("done", timeout=PATIENCE_MS)
    after = scripted.world.channels["103x1x0"]["node1_local_msat"]
    assert before - after > 40_000_000
    row = dashboard.page.locator('[data-channel-row="103x1x0"]').locator("xpath=ancestor::*[self::tr or self::li][1]")
    expect(row).to_contain_text(f"{after // 1000:,}".replace(",", "\u202f"))
    expect(suggestion).to_contain_text("moved whole")
    expect(suggestion).to_contain_text("what it brought is known in")
    assert scripted.orders == ["POST /api/v1/suggestions/suggestion-1/accept"]


def test_what_the_service_refuses_is_said_in_place(open_page: DashboardOpener, scripted: ScriptedService) -> None:
    dashboard = open_page(scripted.url)
    dashboard.tolerate("Failed to load resource")
    dashboard.wait_live()
    suggestion = dashboard.page.locator('[data-suggestion="suggestion-1"]')
    suggestion.get_by_role("button", name="see the plan").click()
    scripted.learner.suggestions[0] = {**scripted.learner.suggestions[0], "status": "expired"}
    suggestion.get_by_role("button", name="accept").click()
    dashboard.answer_token(scripted.token)
    expect(suggestion.get_by_role("alert")).to_contain_text("it is no longer open")


def test_a_plan_under_review_does_not_vanish(open_page: DashboardOpener, scripted: ScriptedService) -> None:
    dashboard = open_page(scripted.url)
    dashboard.wait_live()
    suggestion = dashboard.page.locator('[data-suggestion="suggestion-1"]')
    suggestion.get_by_role("button", name="see the plan").click()
    scripted.say(suggestions=[])
    expect(suggestion).to_contain_text("The learner no longer suggests it")
    expect(suggestion.get_by_role("button", name="accept")).to_be_hidden()
    expect(dashboard.page.locator('[data-suggestion="suggestion-2"]')).to_be_hidden()


def test_without_a_token_nothing_is_sent(open_page: DashboardOpener, scripted: ScriptedService) -> None:
    dashboard = open_page(scripted.url)
    dashboard.wait_live()
    dashboard.page.locator('[data-suggestion="suggestion-2"]').get_by_role("button", name="reject").click()
    dialog = dashboard.page.get_by_test_id("token-dialog")
    expect(dialog).to_contain_text("reject the rebalance of 900\u202f000 sat of lnd-dave")
    dialog.get_by_role("button", name="not now").click()
    expect(dialog).to_be_hidden()
    assert scripted.orders == []


@pytest.mark.promise("A0.46a", "A0.48")
def test_predictions_and_errors_are_shown_with_what_they_are_compared_with(
    open_page: DashboardOpener, scripted: ScriptedService, viewport: str
) -> None:
    dashboard = open_page(scripted.url, viewport)
    dashboard.wait_live()
    dashboard.page.locator('[data-channel-row="108x1x0"]').click()
    best = dashboard.panel.get_by_test_id("best-share")
    expect(best).to_contain_text("40.0\u202f%")
    expect(best).to_contain_text("26.0\u202f% … 57.0\u202f%")
    dashboard.press("Escape")
    dashboard.go("rebalance")
    errors = dashboard.page.get_by_role("region", name="Error of predicted shares")
    for line in ("model", "online model", "always half", "as it is now", "baseline's targets"):
        expect(errors.get_by_role("listitem").filter(has_text=line).first).to_be_visible()
    expect(dashboard.page.get_by_test_id("error-chart")).to_be_visible()
    expect(dashboard.page.get_by_test_id("reliability-chart")).to_be_visible()
    expect(dashboard.page.get_by_test_id("model-card")).to_contain_text("13.12")
    expect(dashboard.page.get_by_test_id("effect-totals")).to_contain_text("For 1 the outcome is known")


def test_a_learner_that_is_not_ready_says_what_it_waits_for(
    open_page: DashboardOpener, scripted: ScriptedService
) -> None:
    scripted.learner.phase = "warming up"
    scripted.learner.suggestions.clear()
    dashboard = open_page(scripted.url)
    dashboard.wait_live()
    expect(dashboard.page.get_by_test_id("no-suggestions")).to_contain_text("60 payments of 200")


@pytest.mark.promise("A0.50", "A0.50a")
def test_an_alert_rings_is_read_and_acknowledged(
    open_page: DashboardOpener, scripted: ScriptedService, viewport: str
) -> None:
    dashboard = open_page(scripted.url, viewport)
    dashboard.wait_live()
    bell = dashboard.page.get_by_test_id("bell")
    expect(bell).to_have_accessible_name("Alerts, 1 unseen")
    bell.click()
    alert = dashboard.page.locator('[data-alert="alert-1"]')
    expect(alert).to_contain_text("lnd-alice holds 7 % of 108x1x0")
    alert.get_by_role("button", name="acknowledge").click()
    dashboard.answer_token(scripted.token)
    expect(alert).to_contain_text("lasts, seen")
    dashboard.press("Escape")
    expect(bell).to_have_accessible_name("Alerts, none unseen")
    again = {**scripted.learner.alerts[0], "alert_id": "alert-2", "acknowledged": False}
    scripted.say(alerts=[again])
    expect(bell).to_have_accessible_name("Alerts, 1 unseen")
    scripted.say(alerts=[{**again, "state": "cleared"}])
    expect(bell).to_have_accessible_name("Alerts, none unseen")


def test_automatic_rebalancing_is_switched(open_page: DashboardOpener, scripted: ScriptedService) -> None:
    dashboard = open_page(scripted.url)
    dashboard.wait_live()
    dashboard.go("rebalance")
    switch = dashboard.page.get_by_role("switch", name="Automatic rebalancing")
    expect(switch).not_to_be_checked()
    switch.click()
    dashboard.answer_token(scripted.token)
    expect(switch).to_be_checked()
    assert scripted.learner.settings["automatic"] is True
    budget = dashboard.page.get_by_label("Budget per day")
    budget.fill("250")
    budget.press("Enter")
    expect(budget).to_have_value("250")
    assert scripted.learner.settings["budget_sat_per_day"] == 250


def test_older_transactions_are_read_from_the_service(open_page: DashboardOpener, scripted: ScriptedService) -> None:
    for _ in range(240):
        scripted.world.payments.append(scripted.world.step()[1])
    dashboard = open_page(scripted.url)
    dashboard.wait_live()
    expect(dashboard.payment_buttons).to_have_count(200)
    dashboard.page.get_by_role("button", name="older").click()
    expect(dashboard.payment_buttons).to_have_count(len(scripted.world.payments))
    expect(dashboard.page.get_by_role("button", name="older")).to_be_hidden()
