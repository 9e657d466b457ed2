"""One browser is one owner: over reloads, tabs, pages and a restart of the server; every other one only watches."""

import re
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Route

from explorer.data.photos import to_bytes
from explorer.ui import identity
from tests.browser.conftest import SIZE, Tab, Visitor
from tests.serving import serve

pytestmark = pytest.mark.browser
SMALL = "char_rnn?model=gru&hidden=16&n_fac=8&epochs=100&schedule=constant"
WATCHING = "somebody else's run"
FORGOTTEN = "keeps no cookies"
NO_FILES = "Allow cookies for this address, then reload"


def main(page):
    return page.get_by_test_id("stMain")


def stop(page):
    return main(page).get_by_role("button", name="Stop")


def train(visitor: Visitor) -> str:
    """Start a run that would go on for long; its id."""
    visitor.open(SMALL)
    visitor.press("Train")
    visitor.page.wait_for_url(re.compile(r"run=\w+"))
    visitor.until(stop(visitor.page).is_enabled)
    return re.search(r"run=(\w+)", visitor.page.url).group(1)


def test_a_run_stays_ones_own_and_anothers_is_only_watched(visitor, server, browser) -> None:
    first, theirs = visitor, browser.new_context()
    mine = first.page.context
    run = train(first)
    first.press("Pause")  # what follows is the same, and nothing trains meanwhile
    main(first.page).get_by_role("button", name="Resume").wait_for()
    first.page.reload()
    first.idle()
    first.until(stop(first.page).is_enabled)
    assert WATCHING not in first.page.inner_text("body")

    second = Visitor(mine.new_page(), server).open(f"char_rnn?run={run}")
    second.until(stop(second.page).is_enabled)
    second.page.get_by_role("link", name="Runs").click()
    main(second.page).get_by_text(run[:4]).first.wait_for(state="attached")  # a cell of the table

    other = Visitor(theirs.new_page(), server).open(f"char_rnn?run={run}")
    main(other.page).get_by_text(WATCHING).first.wait_for()
    assert stop(other.page).is_disabled()
    other.go("runs")
    main(other.page).get_by_text("No runs yet").wait_for()

    second.go(f"char_rnn?run={run}")
    second.until(stop(second.page).is_enabled)
    second.press("Stop")
    for page in (second.page, first.page):
        main(page).get_by_text(re.compile(r"\bstopped\b")).first.wait_for()

    (token,) = (cookie["value"] for cookie in mine.cookies() if cookie["name"] == identity.COOKIE)
    shown = "".join(page.content() + page.url for page in (first.page, second.page, other.page))
    log = (server.home / "server.log").read_text()
    assert token not in shown + log
    assert first.page.evaluate("name => !document.cookie.includes(name)", identity.COOKIE)
    assert FORGOTTEN not in shown and not first.errors + second.errors + other.errors
    theirs.close()


def test_a_run_is_still_ones_own_when_the_server_was_restarted(tmp_path, tab: Tab, programs) -> None:
    page = tab.anew()
    with serve(tmp_path, begin=programs.begin) as before:
        run = train(Visitor(page, before))
    with serve(tmp_path, begin=programs.begin) as after:
        again = Visitor(page, after).open("runs")
        main(page).get_by_text(run[:4]).first.wait_for(state="attached")
        main(page).get_by_role("button", name="Delete").wait_for()
        again.go(f"char_rnn?run={run}")
        main(page).get_by_text("Read back from this server's disk").wait_for()


@pytest.fixture
def forgetful(browser) -> Iterator[BrowserContext]:
    """A browser that keeps no cookie: Chromium's headless shell knows no such setting.

    The page's own is gone before the page connects, and of what the page fetches first none comes with one.
    """
    context = browser.new_context(viewport=SIZE)

    def keep_none(route: Route) -> None:
        answer = route.fetch()
        context.clear_cookies()
        headers = {name: value for name, value in answer.headers.items() if name != "set-cookie"}
        route.fulfill(response=answer, headers=headers)

    context.route("**/_stcore/h*", keep_none)
    yield context
    context.close()


def test_a_browser_that_keeps_no_cookies_is_told_once_can_train_all_the_same_and_why_no_file_is_taken(
    server, forgetful
) -> None:
    visitor = Visitor(forgetful.new_page(), server)
    page = visitor.page
    visitor.open(SMALL)
    page.get_by_text(FORGOTTEN).wait_for()
    page.get_by_test_id("stToast").get_by_role("button", name="Close").click()
    page.get_by_test_id("stToast").wait_for(state="detached")
    visitor.press("Train")
    visitor.until(stop(page).is_enabled)
    visitor.until(lambda: visitor.points() > 2)
    assert page.get_by_text(WATCHING).count() == page.get_by_text(FORGOTTEN).count() == 0
    visitor.press("Stop")
    main(page).get_by_text(re.compile(r"\bstopped\b")).first.wait_for()
    page.reload()
    page.get_by_text(FORGOTTEN).wait_for()
    main(page).get_by_text(WATCHING).first.wait_for()

    photo = {"name": "cat.png", "mimeType": "image/png", "buffer": to_bytes(np.zeros((40, 40, 3), np.uint8))}
    visitor.go("cam")
    main(page).get_by_text(NO_FILES).first.wait_for()
    page.locator("input[type=file]").first.set_input_files(photo)
    main(page).get_by_text("403").nth(1).wait_for()  # the first is ours
    assert not forgetful.cookies()
