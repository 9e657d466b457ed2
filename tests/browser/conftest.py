"""A real server and a real Chromium. A missing browser fails; it does not skip."""

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.serving import CHROMIUM_OPTIONS, READY, Server, chromium

# Streamlit itself asks for these relative to the page before it finds its own address, and for its own statistics.
NOT_OURS = ("_stcore/host-config", "_stcore/health", "fivetran", "ERR_NAME_NOT_RESOLVED", "metrics config")
GO = "path => { history.pushState({}, '', path); dispatchEvent(new PopStateEvent('popstate')); }"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, from the system."""
    path = chromium()
    if path is None:
        pytest.fail("No Chromium here. Install it (Debian: apt-get install chromium) to run the browser tests.")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
        yield launched
        launched.close()


class Visitor:
    """A page and what a visitor does on it."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page, self.server = page, server
        self.errors: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_default_timeout(60_000)

    def _heard(self, message) -> None:
        said = f"{message.text} {message.location.get('url', '')}"
        if message.type == "error" and not any(word in said for word in NOT_OURS):
            self.errors.append(said)

    def open(self, path: str) -> "Visitor":
        """Go to a page of the app and wait until it has been drawn."""
        self.page.goto(f"{self.server.url}/{path}")
        self.idle()
        return self

    def go(self, path: str) -> None:
        """To another page as Back and Forward go, where the app is open: a third of what it takes to load it anew."""
        if self.page.url.startswith(self.server.url):
            self.page.evaluate(GO, f"/{path}")
        else:
            self.page.goto(f"{self.server.url}/{path}")

    def idle(self) -> None:
        """Wait until the script has run, and has not begun again a moment later."""
        self.page.wait_for_function(READY, timeout=120_000)
        self.page.wait_for_timeout(400)
        self.page.wait_for_function(READY, timeout=120_000)

    def press(self, name: str) -> None:
        """Click the page's first button whose name has ``name`` as words (not Streamlit's own, in the header)."""
        words = re.compile(rf"\b{re.escape(name)}\b")
        self.page.get_by_test_id("stMain").get_by_role("button", name=words).first.click()

    def points(self, chart: int = 0, trace: int = 0) -> int:
        """How many points a chart's trace holds now."""
        return self.page.evaluate(
            """([chart, trace]) => { const plot = document.querySelectorAll('.explorer-plot')[chart];
                return plot && plot.calcdata && plot.calcdata[trace] ? plot.calcdata[trace].length : 0; }""",
            [chart, trace],
        )

    def until(self, condition, seconds: float = 60) -> None:
        """Wait while the page lives on."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"it did not happen in time on {self.page.url}"
            self.page.wait_for_timeout(200)


@pytest.fixture
def visitor(server: Server, browser: Browser) -> Iterator[Visitor]:
    """Somebody with a browser of 1440 × 900."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield Visitor(context.new_page(), server)
    context.close()
