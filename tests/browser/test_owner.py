"""One browser is one owner: over reloads, tabs, pages and a restart of the server; every other one only watches."""

import json
import re
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import BrowserContext

from explorer.data.photos import to_bytes
from explorer.ui import identity
from tests.browser.conftest import Visitor
from tests.serving import CHROMIUM_OPTIONS, chromium, serve

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


def test_a_run_stays_ones_own_and_anothers_is_only_watched(server, browser) -> None:
    mine, theirs = browser.new_context(), browser.new_context()
    first = Visitor(mine.new_page(), server)
    run = train(first)
    for _ in range(2):
        first.page.reload()
        first.idle()
        first.until(stop(first.page).is_enabled)
        assert WATCHING not in first.page.inner_text("body")

    tab = Visitor(mine.new_page(), server).open(f"char_rnn?run={run}")
    tab.until(stop(tab.page).is_enabled)
    tab.page.get_by_role("link", name="Runs").click()
    main(tab.page).get_by_text(run[:4]).first.wait_for(state="attached")  # a cell of the table

    other = Visitor(theirs.new_page(), server).open(f"char_rnn?run={run}")
    main(other.page).get_by_text(WATCHING).first.wait_for()
    assert stop(other.page).is_disabled()
    other.open("runs")
    main(other.page).get_by_text("No runs yet").wait_for()

    tab.open(f"char_rnn?run={run}")
    tab.until(stop(tab.page).is_enabled)
    tab.press("Stop")
    for visitor in (tab, first):
        main(visitor.page).get_by_text(re.compile(r"\bstopped\b")).first.wait_for()

    (token,) = (cookie["value"] for cookie in mine.cookies() if cookie["name"] == identity.COOKIE)
    shown = "".join(page.content() + page.url for page in (first.page, tab.page, other.page))
    log = (server.home / "server.log").read_text()
    assert token not in shown + log
    assert first.page.evaluate("name => !document.cookie.includes(name)", identity.COOKIE)
    assert FORGOTTEN not in shown and not first.errors + tab.errors + other.errors
    mine.close()
    theirs.close()


def test_a_run_is_still_ones_own_when_the_server_was_restarted(tmp_path, browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    with serve(tmp_path) as before:
        run = train(Visitor(page, before))
    with serve(tmp_path) as after:
        again = Visitor(page, after).open("runs")
        main(page).get_by_text(run[:4]).first.wait_for(state="attached")
        main(page).get_by_role("button", name="Delete").wait_for()
        again.open(f"char_rnn?run={run}")
        main(page).get_by_text("Read back from this server's disk").wait_for()
    context.close()


@pytest.fixture
def forgetful(tmp_path, browser) -> Iterator[BrowserContext]:
    """A Chromium set to refuse all cookies."""
    (tmp_path / "Default").mkdir()
    settings = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (tmp_path / "Default" / "Preferences").write_text(json.dumps(settings))
    context = browser.browser_type.launch_persistent_context(
        tmp_path, executable_path=chromium(), args=CHROMIUM_OPTIONS, viewport={"width": 1440, "height": 900}
    )
    yield context
    context.close()


def test_a_browser_that_keeps_no_cookies_is_told_once_and_can_train_all_the_same(server, forgetful) -> None:
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
    assert not forgetful.cookies()


def test_a_browser_that_refuses_cookies_is_told_why_no_file_is_taken(server, forgetful, browser) -> None:
    photo = {"name": "cat.png", "mimeType": "image/png", "buffer": to_bytes(np.zeros((40, 40, 3), np.uint8))}
    refused = Visitor(forgetful.new_page(), server).open("cam")
    main(refused.page).get_by_text(NO_FILES).first.wait_for()
    refused.page.locator("input[type=file]").first.set_input_files(photo)
    main(refused.page).get_by_text("403").nth(1).wait_for()  # the first is ours
    context = browser.new_context()
    other = Visitor(context.new_page(), server).open("cam")
    other.page.locator("input[type=file]").first.set_input_files(photo)
    main(other.page).get_by_text("cat.png").first.wait_for()
    assert main(other.page).get_by_text(NO_FILES).count() == 0
    context.close()
