"""The dashboard as a reader meets it: what can be seen and done, for any service behind it."""

from __future__ import annotations

import base64
import json
import re
from typing import Any, Literal

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    WebSocketRoute,
    expect,
)

PREFERENCES_KEY = "lightninglens.preferences"
PATIENCE_MS = 15_000
VIEWPORTS = {"desktop": (1440, 900), "phone": (390, 844)}
Place = Literal["overview", "channels", "missed", "fees", "rebalance", "simulator", "network"]
PLACES: dict[Place, str] = {
    "overview": "Overview",
    "channels": "Channels",
    "missed": "Missed",
    "fees": "Fees & plans",
    "rebalance": "Rebalance",
    "simulator": "Simulator",
    "network": "Network",
}
Filter = Literal["all", "succeeded", "failed", "rebalances"]

_COLLECT_VIOLATIONS = """
window.policyViolations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.policyViolations.push(`${event.violatedDirective}: ${event.blockedURI}`);
});
"""

_COUNT_PIXELS = """
async ([picture, names]) => {
  const image = new Image();
  image.src = `data:image/png;base64,${picture}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.width;
  canvas.height = image.height;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const style = getComputedStyle(document.documentElement);
  return names.map((name) => {
    const hex = style.getPropertyValue(`--color-${name}`).trim();
    const wanted = [1, 3, 5].map((start) => Number.parseInt(hex.slice(start, start + 2), 16));
    let count = 0;
    for (let index = 0; index < data.length; index += 4) {
      if (wanted.every((value, part) => Math.abs(data[index + part] - value) < 12)) {
        count += 1;
      }
    }
    return count;
  });
}
"""


class DashboardPage:
    """One open dashboard; `complaints` lists console errors, crashes and policy violations."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self._errors: list[str] = []
        self._tolerated: tuple[str, ...] = ()
        self._sockets: list[WebSocketRoute] = []
        self._blocked = False
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self._errors.append(str(error)))
        page.add_init_script(_COLLECT_VIOLATIONS)
        page.route_web_socket(re.compile(r"/ws(\?|$)"), self._on_socket)

    # Opening ------------------------------------------------------------------------------------

    def open(self, theme: str = "dark") -> None:
        """Load the page in a theme."""
        preferences = json.dumps({"unit": "sat", "theme": theme})
        self.page.add_init_script(
            f"localStorage.getItem('{PREFERENCES_KEY}') ?? "
            f"localStorage.setItem('{PREFERENCES_KEY}', {json.dumps(preferences)});"
        )
        self.page.goto(self.url)

    def wait_live(self) -> None:
        """Wait until data flows."""
        expect(self.page.get_by_text("● connected")).to_be_visible(timeout=PATIENCE_MS)

    @property
    def complaints(self) -> list[str]:
        """Everything that a developer would see in red."""
        errors = [text for text in self._errors if not text.startswith(self._tolerated)]
        return [*errors, *self.page.evaluate("window.policyViolations ?? []")]

    def tolerate(self, *beginnings: str) -> None:
        """Expect console errors that begin so: the browser's own, which no page can prevent."""
        self._tolerated += beginnings

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._errors.append(message.text)

    # The connection -----------------------------------------------------------------------------

    def _on_socket(self, socket: WebSocketRoute) -> None:
        if self._blocked:
            socket.close(code=1012, reason="the test keeps it closed")
            return
        socket.connect_to_server()
        self._sockets.append(socket)

    def cut_connection(self) -> None:
        """Lose the connection, and let no new one through."""
        self._blocked = True
        for socket in self._sockets:
            socket.close(code=1012, reason="the test cuts it")
        self._sockets.clear()

    def restore_connection(self) -> None:
        """Let connections through again; the page has to find out by itself."""
        self._blocked = False

    # Parts --------------------------------------------------------------------------------------

    @property
    def channel_buttons(self) -> Locator:
        """One button for each channel listed."""
        return self.page.locator("[data-channel-row]")

    @property
    def payment_buttons(self) -> Locator:
        """One button for each transaction listed, the newest first."""
        return self.page.locator("[data-payment-row]")

    @property
    def payments(self) -> Locator:
        """The list of transactions."""
        return self.page.get_by_test_id("payments")

    @property
    def panel(self) -> Locator:
        """The details of the selected channel."""
        return self.page.get_by_test_id("channel-panel")

    @property
    def search(self) -> Locator:
        """The search over the transactions."""
        return self.page.get_by_role("searchbox", name="Search transactions")

    @property
    def notice(self) -> Locator:
        """What the page says about a lost connection."""
        return self.page.get_by_role("status")

    @property
    def clock(self) -> str:
        """The world's time, as the top bar shows it."""
        return self.page.get_by_test_id("world-clock").inner_text()

    def graph_pixels(self, *colours: str) -> list[int]:
        """Count the pixels of the graph that have each of these colours of the theme."""
        picture = base64.b64encode(self.page.get_by_test_id("graph").screenshot()).decode()
        counts: list[int] = self.page.evaluate(_COUNT_PIXELS, [picture, list(colours)])
        return counts

    def newest_payment(self) -> int:
        """Return the number of the newest transaction listed."""
        value = self.payment_buttons.first.get_attribute("data-payment-row")
        return int(value or -1)

    # Acting -------------------------------------------------------------------------------------

    def choose_filter(self, which: Filter) -> None:
        """Show only some transactions."""
        self.page.get_by_role("radio", name=which, exact=True).check(force=True)

    def go(self, place: Place) -> None:
        """Go to one of the seven places by its link."""
        self.page.get_by_role("navigation", name="Places").locator(f'a[href^="#/{place}"]').click()
        expect(self.page.get_by_role("heading", level=1)).to_have_text(PLACES[place])

    def answer_token(self, token: str) -> None:
        """Give the token that the page asks for."""
        dialog = self.page.get_by_test_id("token-dialog")
        dialog.get_by_label("Token", exact=True).fill(token)
        dialog.get_by_role("button", name="use it").click()

    def scrub(self, share: float) -> None:
        """Move the replay to a part of its length."""
        self.page.get_by_role("slider", name="Moment of the recording").evaluate(
            """(slider, share) => {
              const [low, high] = [Number(slider.min), Number(slider.max)];
              const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set;
              set.call(slider, low + share * (high - low));
              slider.dispatchEvent(new Event("input", { bubbles: true }));
            }""",
            share,
        )

    def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    # Measures -----------------------------------------------------------------------------------

    def overflow_px(self) -> int:
        """How much wider than the window the page is."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))

    def serious_violations(self, axe_script: str) -> list[str]:
        """Let axe-core look for serious and critical accessibility violations."""
        self.page.evaluate(axe_script)
        result: dict[str, Any] = self.page.evaluate("axe.run(document)")
        return [
            f"{violation['id']}: {node['target']} {node.get('failureSummary', '')}"
            for violation in result["violations"]
            if violation["impact"] in {"serious", "critical"}
            for node in violation["nodes"]
        ]


class DashboardOpener:
    """Opens a dashboard in a fresh browser profile, of a given size and theme."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._pages: list[DashboardPage] = []

    def __call__(self, url: str, viewport: str = "desktop", theme: str = "dark") -> DashboardPage:
        width, height = VIEWPORTS[viewport]
        context = self._browser.new_context(viewport={"width": width, "height": height})
        dashboard = DashboardPage(context.new_page(), url)
        self._pages.append(dashboard)
        dashboard.open(theme)
        return dashboard

    def close(self) -> None:
        """Close every page, and fail if one wrote errors or broke the content policy."""
        complaints = [complaint for page in self._pages for complaint in page.complaints]
        for page in self._pages:
            page.page.context.close()
        assert not complaints, complaints
