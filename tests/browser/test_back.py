"""A page is one entry of the browser's history: Back leaves it, whatever was moved on it."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import SIZE, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.data]


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """In a tab of its own: a browser counts up to fifty entries."""
    context = browser.new_context(viewport=SIZE)
    yield context.new_page()
    context.close()


@pytest.fixture
def visitor(server, page: Page) -> Iterator[Visitor]:
    visitor = Visitor(page, server)
    yield visitor
    visitor.leave()


def test_back_leaves_a_page_at_once_and_forward_finds_it_as_it_was(visitor) -> None:
    page = visitor.open("").page
    entries = page.evaluate("history.length")
    page.get_by_role("link", name="CIFAR-10").first.click()
    page.wait_for_url("**/cifar10**")
    visitor.idle()
    slider = page.get_by_role("slider", name=re.compile("^Learning rate")).first
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
        slider.focus()
        slider.press(key)
        visitor.idle()
    moved = page.url
    assert "lr=" in moved and page.evaluate("history.length") == entries + 1

    page.get_by_role("link", name="Character RNN").first.click()
    page.wait_for_url("**/char_rnn**")
    visitor.idle()
    assert page.evaluate("history.length") == entries + 2
    page.go_back()
    page.get_by_role("heading", name="CIFAR-10").wait_for()
    visitor.idle()
    assert page.url == moved
    page.go_back()
    page.get_by_role("heading", name="Lesson 7").wait_for()
    page.go_forward()
    page.get_by_role("heading", name="CIFAR-10").wait_for()
    visitor.idle()
    assert page.url == moved and visitor.errors == []


def test_arriving_by_a_link_is_one_entry(visitor) -> None:
    page = visitor.page
    for link in ("char_rnn", "char_rnn?model=lstm&hidden=64", "cifar10?model=bn&lr=ten"):
        page.goto("about:blank")
        before = page.evaluate("history.length")
        visitor.open(link)
        assert page.evaluate("history.length") == before + 1
        assert page.url.endswith(link)
