"""What holds for the dashboard whatever serves it; a test class inherits and gives `dashboard_url`.

The service behind `dashboard_url` must have channels, past payments, and make new ones.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.dashboard_page import PATIENCE_MS, DashboardOpener


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

    def test_balances_are_listed_for_every_channel(
        self, open_page: DashboardOpener, dashboard_url: str, viewport: str
    ) -> None:
        dashboard = open_page(dashboard_url, viewport)
        dashboard.wait_live()
        expect(dashboard.channel_buttons).not_to_have_count(0)
        expect(dashboard.page.get_by_test_id("channels")).to_contain_text("lnd-alice")

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

    def test_the_log_is_searched_and_filtered(
        self, open_page: DashboardOpener, dashboard_url: str, viewport: str
    ) -> None:
        dashboard = open_page(dashboard_url, viewport)
        dashboard.wait_live()
        expect(dashboard.payment_buttons).not_to_have_count(0, timeout=PATIENCE_MS)
        dashboard.search.fill("no such transaction anywhere")
        expect(dashboard.page.get_by_text("No transaction on this page matches.")).to_be_visible()
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
