"""A claim goes along: its quote and what to look at stand over the page, and when it is over, what came out."""

import re

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.data]


def test_make_it_happen_says_what_to_look_at_and_then_what_came_out(visitor) -> None:
    page = visitor.open("?show=claims&about=depth").page
    card = page.locator(".st-key-claim-rate")
    card.get_by_role("button", name="Make it happen").click()
    page.wait_for_url(re.compile(r"batchnorm.*claim=rate"))
    strip = page.locator(".st-key-claim-strip")
    strip.get_by_text("This increases resiliency").wait_for()
    quote = strip.locator(".x-quote").evaluate("quote => getComputedStyle(quote).borderLeftWidth")
    assert quote == "3px", "it looks like a quote on every page"
    strip.get_by_text("which one still learns at ten times the rate").wait_for()
    page.get_by_test_id("stMain").get_by_role("button", name="Pause").wait_for()
    visitor.press("Stop")
    strip.get_by_text("nothing is decided").wait_for()
    strip.get_by_role("button", name="Put away").click()
    strip.wait_for(state="detached")
    visitor.until(lambda: "claim" not in page.url)
    assert not visitor.errors
