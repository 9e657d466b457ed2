"""A real server and a real Chromium. A missing browser fails; it does not skip.

A load of the app takes two seconds of the processor, three in a new tab, whose process has compiled none of its
scripts; a visit by ``go`` takes half of one. So there is one tab for all, and a file that needs no new person says so.
"""

import re
import time
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Request, TimeoutError, sync_playwright

from tests.serving import CHROMIUM_OPTIONS, READY, Server, chromium

# Streamlit itself asks for these relative to the page before it finds its own address, and for its own statistics.
NOT_OURS = ("_stcore/host-config", "_stcore/health", "fivetran", "ERR_NAME_NOT_RESOLVED", "metrics config")
GO = """path => {
    const app = document.querySelector('[data-testid="stApp"]');
    window.begun = false;
    const watch = new MutationObserver(seen => {
        const states = [...seen.slice(1).map(one => one.oldValue), app.dataset.testScriptState];
        window.begun ||= states.includes('running');
    });
    watch.observe(app, { attributeFilter: ['data-test-script-state'], attributeOldValue: true });
    history.pushState({}, '', path);
    dispatchEvent(new PopStateEvent('popstate'));
}"""
# When the page last asked the server for a run that no timer asks for, and when one last came to its end: between a
# click and the answer's beginning nothing on the page tells that there will be one. Read from the messages
# themselves (protocol buffers; the numbers are those of BackMsg, ClientState and ForwardMsg).
HEARING = """() => {
    const fields = bytes => {
        const found = {};
        let at = 0;
        const number = () => {
            let value = 0, scale = 1, byte;
            do { byte = bytes[at++]; value += (byte & 127) * scale; scale *= 128; } while (byte & 128);
            return value;
        };
        while (at < bytes.length) {
            const tag = number(), kind = tag & 7;
            if (kind === 0) found[tag >> 3] = number();
            else if (kind === 2) { const size = number(); found[tag >> 3] = bytes.subarray(at, at += size); }
            else at += kind === 1 ? 8 : 4;
        }
        return found;
    };
    const RERUN = 11, TIMER = 6, FINISHED = 6, EARLY = 2, send = WebSocket.prototype.send, known = new WeakSet();
    window.asked = window.answered = 0;
    WebSocket.prototype.send = function (message) {
        if (!known.has(this)) this.addEventListener('message', ({ data }) => {
            const finished = data instanceof ArrayBuffer ? fields(new Uint8Array(data))[FINISHED] : undefined;
            if (finished !== undefined && finished !== EARLY) window.answered = performance.now();
        });
        known.add(this);
        const run = message instanceof Uint8Array ? fields(message)[RERUN] : undefined;
        if (run && !fields(run)[TIMER]) window.asked = performance.now();
        return send.call(this, message);
    };
}"""
COLD = "--js-flags=--no-opt --no-maglev"  # no page is open for so long that optimising its scripts pays
PEOPLE = 25  # who may use a tab one after the other: what each leaves in its process adds up
# A picture that a page shows no more is taken away after the next run, while the browser may still ask for it.
# A page that still shows it is at fault, and is asked before it is left.
MISSING = re.compile(r"status of 404 .*?(http\S+/media/\S+\.(?:png|jpe?g|webp|gif|svg))$")
SHOWN_NOWHERE = "picture => ![...document.images].some(image => image.src === picture)"
WELL = pytest.StashKey[bool]()
SIZE = {"width": 1440, "height": 900}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, from the system."""
    path = chromium()
    if path is None:
        pytest.fail("No Chromium here. Install it (Debian: apt-get install chromium) to run the browser tests.")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=[*CHROMIUM_OPTIONS, COLD])
        begin = launched.new_context

        def hearing(**how: Any) -> BrowserContext:
            context = begin(**how)
            context.add_init_script(f"({HEARING})()")
            return context

        with patch.object(launched, "new_context", hearing):
            yield launched
        launched.close()


class Visitor:
    """A page and what a visitor does on it."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page, self.server = page, server
        self._errors: list[str] = []
        self._missing: list[str] = []  #: pictures that did not come
        self._listeners = {"console": self._heard, "pageerror": self._raised, "requestfailed": self._failed}
        for event, listener in self._listeners.items():
            page.on(event, listener)
        page.set_default_timeout(60_000)

    def leave(self) -> None:
        """Hear nothing of the page any more."""
        while self._listeners:
            self.page.remove_listener(*self._listeners.popitem())

    @property
    def errors(self) -> list[str]:
        """What went wrong so far."""
        while self._missing:
            picture = self._missing.pop()
            try:
                self.page.wait_for_function(SHOWN_NOWHERE, arg=picture, timeout=2_000)
            except TimeoutError:
                self._errors.append(f"the page shows {picture}, which is not there")
        return self._errors

    def _heard(self, message) -> None:
        said = f"{message.text} {message.location.get('url', '')}"
        if picture := MISSING.search(said):
            self._missing.append(picture[1])
        elif message.type == "error" and not any(word in said for word in NOT_OURS):
            self._errors.append(said)

    def _raised(self, error) -> None:
        self._errors.append(str(error))

    def _failed(self, request: Request) -> None:
        """A script that did not come is an error that says no more than that: here is why."""
        if request.resource_type == "script" and request.failure != "net::ERR_ABORTED":
            self._errors.append(f"{request.failure} for {request.url}")

    def open(self, path: str) -> "Visitor":
        """Go to a page of the app and wait until it has been drawn."""
        _ = self.errors
        self.page.goto(f"{self.server.url}/{path}")
        self.idle()
        return self

    def go(self, path: str) -> None:
        """To another page as Back and Forward go, where the app is open: a third of what it takes to load it anew.

        Waits for the end of the old page's script and for the beginning of the new one's; where something trains on the
        old page neither may be seen, and three seconds are enough.
        """
        _ = self.errors
        if self.page.url.startswith(self.server.url):
            for so in (f"({READY})()", "window.begun"):
                if so == "window.begun":
                    self.page.evaluate(GO, f"/{path}")
                end = 1000 * time.time() + 3000
                self.page.wait_for_function(f"end => {so} || Date.now() > end", arg=end, polling=50)
        else:
            self.page.goto(f"{self.server.url}/{path}")

    def visit(self, path: str) -> "Visitor":
        """:meth:`go`, and wait until the page has been drawn."""
        self.go(path)
        self.idle()
        return self

    def idle(self) -> None:
        """Wait until the script has run, and has not begun again a moment later."""
        self.page.wait_for_function(READY, timeout=120_000, polling=100)
        self.page.wait_for_timeout(400)
        self.page.wait_for_function(READY, timeout=120_000, polling=100)

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


class Tab:
    """The browser's one tab, whoever sits before it."""

    def __init__(self, browser: Browser) -> None:
        self._browser, self._people = browser, 0
        self._page: Page | None = None
        self.of: object = None  #: the file whose visitor has it

    def anew(self) -> Page:
        """For somebody who was never here: no cookie, nothing kept, light, 1440 × 900, the pointer in a corner."""
        if self._page is None or self._people == PEOPLE:
            self.drop()
            self._page = self._browser.new_context(viewport=SIZE).new_page()
        self._people += 1
        page, context = self._page, self._page.context
        for other in context.pages:
            if other is not page:
                other.close()
        if page.url != "about:blank":
            page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
            page.goto("about:blank")
        context.clear_cookies()
        page.emulate_media(color_scheme="light", reduced_motion="null")
        page.set_viewport_size(SIZE)
        page.mouse.move(0, 0)
        self.of = None
        return page

    @property
    def page(self) -> Page:
        """As it is."""
        return self._page or self.anew()

    def drop(self) -> None:
        """Have another next time: this one is worn, or something went wrong in it."""
        if self._page is not None:
            self._page.context.close()
        self._page, self._people, self.of = None, 0, None


@pytest.fixture(scope="session")
def the_tab(browser: Browser) -> Iterator[Tab]:
    tab = Tab(browser)
    yield tab
    tab.drop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.stash[WELL] = item.stash.get(WELL, True) and not report.failed
    if report.failed and isinstance(browser := item.funcargs.get("browser"), Browser):
        pages = [page for context in browser.contexts for page in context.pages]
        report.sections.append(("What the browser shows", "\n\n".join(map(in_words, pages))))
    return report


def in_words(page: Page) -> str:
    """A page's address, how Streamlit stands there, and the beginning of its text."""
    try:
        app = page.get_by_test_id("stApp").first
        states = [app.get_attribute(f"data-test-{name}-state", timeout=1_000) for name in ("script", "connection")]
        return f"{page.url} {states}\n{page.get_by_test_id('stMain').first.inner_text(timeout=1_000)[:1500]}"
    except Error as error:
        return f"{page.url}: {error.message}"


@pytest.fixture
def tab(the_tab: Tab, request: pytest.FixtureRequest) -> Iterator[Tab]:
    """The tab, which a test that fails leaves to nobody."""
    yield the_tab
    if not request.node.stash.get(WELL, True):
        the_tab.drop()


@pytest.fixture
def visitor(server: Server, tab: Tab) -> Iterator[Visitor]:
    """Somebody new with a browser of 1440 × 900."""
    visitor = Visitor(tab.anew(), server)
    yield visitor
    visitor.leave()


@pytest.fixture
def regular(server: Server, tab: Tab, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    """The file's own visitor, who goes on from where the test before ended."""
    page = tab.page if tab.of is request.module else tab.anew()
    tab.of = request.module
    visitor = Visitor(page, server)
    yield visitor
    visitor.leave()


@pytest.fixture(scope="module")
def seen() -> dict[str, str]:
    """Which place a title with its tab is: each its own, so that nobody looks at one for another."""
    return {}
