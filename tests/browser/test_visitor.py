"""What counts as an error on a page that is visited, and as its having been drawn."""

import os
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import Visitor
from tests.serving import READY, Server

pytestmark = pytest.mark.browser

GONE = "http://127.0.0.1:9/media/0123abcd.png"
ASK = "(url) => { document.querySelector('img').src = url; }"


def test_a_picture_that_was_replaced_while_it_was_asked_for_is_none_and_one_that_is_shown_is(browser: Browser) -> None:
    page = browser.new_page()
    visitor = Visitor(page, Server("http://127.0.0.1:9", Path(), 0))
    page.route("**/media/*", lambda route: route.fulfill(status=404))
    page.set_content("<img>")
    with page.expect_console_message():
        page.evaluate(ASK, GONE)
    page.evaluate("() => setTimeout(() => document.querySelector('img').remove(), 500)")
    assert visitor.errors == []
    page.set_content("<img>")
    with page.expect_console_message():
        page.evaluate(ASK, GONE)
    assert visitor.errors == [f"the page shows {GONE}, which is not there"]
    page.close()


def test_a_click_that_the_server_has_not_answered_is_waited_for(visitor: Visitor) -> None:
    page = visitor.visit("cifar10").page
    os.kill(visitor.server.pid, signal.SIGSTOP)  # as a busy machine does, for a moment
    try:
        page.get_by_role("tab", name="The network").click()
        page.wait_for_timeout(1_000)
        assert not page.evaluate(READY)
    finally:
        os.kill(visitor.server.pid, signal.SIGCONT)
    visitor.idle()
    assert page.get_by_text("Multiply-adds a picture").is_visible()
