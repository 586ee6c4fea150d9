"""What holds for the dashboard whatever serves it; a test class inherits and gives `dashboard_url`.

The service behind `dashboard_url` must have channels, past payments, and make new ones.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.dashboard_page import PATIENCE_MS, PLACES, DashboardOpener


class DashboardChecks:
    """Checks of the first page against any service."""

    @pytest.mark.promise("A0.45")
    def test_the_graph_is_drawn(self, open_page: DashboardOpener, dashboard_url: str, viewport: str) -> None:
        dashboard = open_page(dashboard_url, viewport)
        dashboard.wait_live()
        dashboard.page.wait_for_timeout(500)
        nodes, local, remote = dashboard.graph_pixels("node", "local", "remote")
        assert nodes > 300
        assert local > 300
        assert remote > 300

    @pytest.mark.promise("A0.46")
    def test_balances_are_listed_for_every_channel(
        self, open_page: DashboardOpener, dashboard_url: str, viewport: str
    ) -> None:
        dashboard = open_page(dashboard_url, viewport)
        dashboard.wait_live()
        expect(dashboard.channel_buttons).not_to_have_count(0)
        expect(dashboard.page.get_by_test_id("channels")).to_contain_text("lnd-alice")

    @pytest.mark.promise("A0.49", "A0.51c")
    def test_new_transactions_appear_by_themselves(
        self, open_page: DashboardOpener, dashboard_url: str, viewport: str
    ) -> None:
        dashboard = open_page(dashboard_url, viewport)
        dashboard.wait_live()
        expect(dashboard.payment_buttons).not_to_have_count(0, timeout=PATIENCE_MS)
        before = dashboard.newest_payment()
        expect(dashboard.payment_buttons.first).not_to_have_attribute(
            "data-payment-row", str(before), timeout=PATIENCE_MS
        )
        assert dashboard.newest_payment() > before

    @pytest.mark.promise("A0.46", "A0.51b")
    def test_a_selected_channel_shows_details_that_add_up(
        self, open_page: DashboardOpener, dashboard_url: str, viewport: str
    ) -> None:
        dashboard = open_page(dashboard_url, viewport)
        dashboard.wait_live()
        dashboard.channel_buttons.first.click()
        expect(dashboard.panel).to_be_visible()
        # Both ends are read at one moment, as they move.
        rows: list[str] = dashboard.panel.locator("dl").first.locator("dd").all_inner_texts()
        amounts = [float(row.replace("\u202f", "").removesuffix("sat")) for row in rows]
        assert sum(amounts[:-1]) == pytest.approx(amounts[-1], abs=0.01)
        expect(dashboard.panel).to_contain_text("commitment fee")
        expect(dashboard.panel).to_contain_text("time lock")

    @pytest.mark.promise("A0.49")
    def test_the_log_is_searched_and_filtered(
        self, open_page: DashboardOpener, dashboard_url: str, viewport: str
    ) -> None:
        dashboard = open_page(dashboard_url, viewport)
        dashboard.wait_live()
        expect(dashboard.payment_buttons).not_to_have_count(0, timeout=PATIENCE_MS)
        dashboard.search.fill("no such transaction anywhere")
        expect(dashboard.page.get_by_text("No transaction of this time range matches.")).to_be_visible()
        dashboard.page.get_by_role("button", name="show all").click()
        expect(dashboard.payment_buttons).not_to_have_count(0)
        dashboard.choose_filter("succeeded")
        expect(dashboard.payments).not_to_contain_text("✕")

    def test_a_keyboard_reaches_everything(self, open_page: DashboardOpener, dashboard_url: str) -> None:
        dashboard = open_page(dashboard_url)
        dashboard.wait_live()
        dashboard.press("j", "j", "k")
        expect(dashboard.channel_buttons.first).to_be_focused()
        dashboard.press("Enter")
        expect(dashboard.panel).to_be_visible()
        expect(dashboard.page.locator("#channel-panel-title")).to_be_focused()
        dashboard.press("Escape")
        expect(dashboard.panel).to_be_hidden()
        expect(dashboard.channel_buttons.first).to_be_focused()
        dashboard.press("/")
        expect(dashboard.search).to_be_focused()
        dashboard.press("j", "Escape", "?")
        expect(dashboard.page.get_by_role("dialog", name="Keys")).to_be_visible()
        dashboard.press("Escape")
        expect(dashboard.page.get_by_role("dialog", name="Keys")).to_be_hidden()

    def test_a_lost_connection_is_said_and_heals(
        self, open_page: DashboardOpener, dashboard_url: str, viewport: str
    ) -> None:
        dashboard = open_page(dashboard_url, viewport)
        dashboard.wait_live()
        dashboard.cut_connection()
        expect(dashboard.notice).to_contain_text("Connection lost", timeout=PATIENCE_MS)
        expect(dashboard.page.get_by_text("old", exact=False).first).to_be_visible()
        dashboard.restore_connection()
        expect(dashboard.notice).to_be_empty(timeout=PATIENCE_MS)
        dashboard.wait_live()

    def test_units_and_theme_are_kept(self, open_page: DashboardOpener, dashboard_url: str) -> None:
        dashboard = open_page(dashboard_url)
        dashboard.wait_live()
        dashboard.press("u", "u", "t")
        expect(dashboard.payments).to_contain_text("•••")
        dashboard.page.reload()
        dashboard.wait_live()
        expect(dashboard.payments).to_contain_text("•••")
        expect(dashboard.page.locator("html")).to_have_attribute("data-theme", "light")

    def test_nothing_is_wider_than_the_window(
        self, open_page: DashboardOpener, dashboard_url: str, viewport: str
    ) -> None:
        dashboard = open_page(dashboard_url, viewport)
        dashboard.wait_live()
        expect(dashboard.payment_buttons).not_to_have_count(0, timeout=PATIENCE_MS)
        assert dashboard.overflow_px() <= 0
        dashboard.channel_buttons.first.click()
        expect(dashboard.panel).to_be_visible()
        assert dashboard.overflow_px() <= 0

    @pytest.mark.promise("A0.49")
    def test_a_search_finds_a_payment_with_its_attempts(
        self, open_page: DashboardOpener, dashboard_url: str, viewport: str
    ) -> None:
        dashboard = open_page(dashboard_url, viewport)
        dashboard.wait_live()
        dashboard.choose_filter("succeeded")
        expect(dashboard.payment_buttons).not_to_have_count(0, timeout=PATIENCE_MS)
        wanted = dashboard.newest_payment()
        dashboard.search.fill(str(wanted))
        found = dashboard.page.locator(f'[data-payment-row="{wanted}"]')
        expect(found).to_be_visible(timeout=PATIENCE_MS)
        found.click()
        expect(dashboard.page.get_by_test_id("attempts")).to_contain_text("settled")

    @pytest.mark.promise("A0.45", "A0.46a", "A0.47", "A0.48", "A0.50", "A0.51", "A0.51a", "A0.51d", "A0.51e")
    def test_every_panel_is_filled_or_says_what_it_waits_for(
        self, open_page: DashboardOpener, dashboard_url: str
    ) -> None:
        dashboard = open_page(dashboard_url)
        dashboard.wait_live()
        page = dashboard.page
        expect(page.get_by_test_id("graph")).to_be_visible()
        expect(page.get_by_test_id("figures")).to_contain_text("Delivered")
        expect(page.get_by_test_id("success-chart")).to_be_visible(timeout=PATIENCE_MS)
        expect(page.get_by_role("region", name="Recommendations")).to_contain_text(
            re.compile("see the plan|still needs|is being trained|worth its cost|Learning is off")
        )
        page.get_by_role("radio", name="model error").check(force=True)
        expect(page.get_by_role("region", name="Metrics")).to_contain_text(
            re.compile("always half|is judged when|Learning is off")
        )
        page.get_by_test_id("bell").click()
        expect(page.get_by_test_id("alerts")).to_contain_text(re.compile("acknowledge|Nothing has been raised|in all"))
        dashboard.press("Escape")
        dashboard.channel_buttons.first.click()
        expect(dashboard.panel).to_contain_text("Best share")
        expect(dashboard.panel).to_contain_text(re.compile("would fail least volume|No prediction yet|Learning is off"))
        expect(dashboard.panel.get_by_test_id("flows")).to_contain_text("could not send", timeout=PATIENCE_MS)

    @pytest.mark.promise("A0.51b")
    def test_another_selection_changes_the_panel(self, open_page: DashboardOpener, dashboard_url: str) -> None:
        dashboard = open_page(dashboard_url)
        dashboard.wait_live()
        dashboard.channel_buttons.nth(0).click()
        first = dashboard.panel.locator("h2").inner_text()
        dashboard.channel_buttons.nth(1).click()
        expect(dashboard.panel.locator("h2")).not_to_have_text(first)

    def test_places_are_reached_by_link_by_key_and_by_the_palette(
        self, open_page: DashboardOpener, dashboard_url: str
    ) -> None:
        dashboard = open_page(dashboard_url)
        dashboard.wait_live()
        heading = dashboard.page.get_by_role("heading", level=1)
        for place in PLACES:
            dashboard.go(place)
        dashboard.press("g", "c")
        expect(heading).to_have_text("Channels")
        dashboard.press("Control+k")
        dashboard.page.get_by_test_id("palette").get_by_role("combobox").press_sequentially("rebal")
        dashboard.press("Enter")
        expect(heading).to_have_text("Rebalance")
        dashboard.page.go_back()
        expect(heading).to_have_text("Channels")

    def test_the_time_range_stays_in_the_address(self, open_page: DashboardOpener, dashboard_url: str) -> None:
        dashboard = open_page(dashboard_url)
        dashboard.wait_live()
        dashboard.page.get_by_label("Time range").select_option("6h")
        dashboard.go("rebalance")
        assert dashboard.page.url.endswith("#/rebalance?range=6h")
        dashboard.page.reload()
        dashboard.wait_live()
        expect(dashboard.page.get_by_label("Time range")).to_have_value("6h")

    def test_tables_are_saved_as_csv(self, open_page: DashboardOpener, dashboard_url: str) -> None:
        dashboard = open_page(dashboard_url)
        dashboard.wait_live()
        expect(dashboard.payment_buttons).not_to_have_count(0, timeout=PATIENCE_MS)
        for name, column in (("channels", "node1_local_msat"), ("transactions", "amount_msat")):
            with dashboard.page.expect_download() as download:
                dashboard.page.get_by_role("button", name=f"Save {name} as CSV").click()
            rows = download.value.path().read_text("utf-8-sig").splitlines()
            assert column in rows[0].split(",")
            assert len(rows) > 1

    def test_a_pause_stops_the_world(self, open_page: DashboardOpener, dashboard_url: str, token: str) -> None:
        dashboard = open_page(dashboard_url)
        dashboard.tolerate("Failed to load resource: the server responded with a status of 401")
        dashboard.wait_live()
        button = dashboard.page.get_by_test_id("pause")
        button.click()
        dashboard.answer_token("not the token")
        expect(dashboard.page.get_by_test_id("token-dialog")).to_contain_text("not this service's token")
        dashboard.answer_token(token)
        expect(button).to_have_text("resume")
        try:
            dashboard.page.wait_for_timeout(500)
            before = dashboard.clock
            dashboard.page.wait_for_timeout(2_000)
            assert dashboard.clock == before
            assert "paused" in before
        finally:
            button.click()
        expect(button).to_have_text("pause")
        expect(dashboard.page.get_by_test_id("world-clock")).not_to_have_text(before, timeout=PATIENCE_MS)

    def test_a_rebalance_by_hand_is_planned_first_and_reported(
        self, open_page: DashboardOpener, dashboard_url: str, token: str
    ) -> None:
        dashboard = open_page(dashboard_url)
        dashboard.wait_live()
        dashboard.go("rebalance")
        form = dashboard.page.get_by_role("form", name="A rebalance of your own")
        form.get_by_label("Node", exact=True).select_option("lnd-alice")
        form.get_by_label("out over its channel with").select_option(index=1)
        form.get_by_label("amount").fill("1200")
        form.get_by_role("button", name="plan…").click()
        expect(form.get_by_test_id("own-plan")).to_contain_text("cannot be undone")
        form.get_by_role("button", name="do it").click()
        dashboard.answer_token(token)
        said = form.get_by_text(re.compile("moved|not moved|✕"))
        expect(said.first).to_be_visible(timeout=4 * PATIENCE_MS)
        dashboard.tolerate("Failed to load resource: the server responded with a status of 409")

    def test_a_saved_run_is_replayed(self, open_page: DashboardOpener, dashboard_url: str, viewport: str) -> None:
        dashboard = open_page(dashboard_url, viewport)
        dashboard.wait_live()
        dashboard.go("simulator")
        dashboard.page.get_by_role("button", name=re.compile("^Replay ")).first.click(timeout=PATIENCE_MS)
        replay = dashboard.page.get_by_test_id("replay")
        expect(replay.get_by_test_id("channels")).to_contain_text("lnd-alice", timeout=PATIENCE_MS)
        clock, stats = dashboard.page.get_by_test_id("replay-clock"), dashboard.page.get_by_test_id("replay-stats")
        start, nothing = clock.inner_text(), stats.inner_text()
        dashboard.scrub(0.9)
        expect(clock).not_to_have_text(start)
        expect(stats).not_to_have_text(nothing, timeout=PATIENCE_MS)
        expect(replay.locator("[data-payment-row]")).not_to_have_count(0)
        dashboard.scrub(0)
        expect(stats).to_have_text(nothing, timeout=PATIENCE_MS)
        dashboard.page.get_by_test_id("replay-play").click()
        expect(clock).not_to_have_text(start, timeout=PATIENCE_MS)
        assert dashboard.overflow_px() <= 0

    @pytest.mark.parametrize("theme", ["dark", "light"])
    def test_every_place_is_accessible_and_fits(
        self, open_page: DashboardOpener, dashboard_url: str, viewport: str, theme: str, axe_script: str
    ) -> None:
        dashboard = open_page(dashboard_url, viewport, theme)
        dashboard.wait_live()
        for place in PLACES:
            dashboard.go(place)
            dashboard.page.wait_for_timeout(300)
            assert dashboard.serious_violations(axe_script) == [], place
            assert dashboard.overflow_px() <= 0, place

    @pytest.mark.parametrize("theme", ["dark", "light"])
    def test_accessibility(
        self,
        open_page: DashboardOpener,
        dashboard_url: str,
        viewport: str,
        theme: str,
        axe_script: str,
    ) -> None:
        dashboard = open_page(dashboard_url, viewport, theme)
        dashboard.wait_live()
        expect(dashboard.payment_buttons).not_to_have_count(0, timeout=PATIENCE_MS)
        assert dashboard.serious_violations(axe_script) == []
        dashboard.channel_buttons.first.click()
        expect(dashboard.panel).to_be_visible()
        assert dashboard.serious_violations(axe_script) == []
