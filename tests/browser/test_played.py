"""Which weights a page plays, in a browser: a run's cycles through a slider and a link, and a file of one's own."""

import re

import pytest

from explorer import paths
from tests.browser.conftest import Tab, Visitor
from tests.browser.looks import settle

pytestmark = [pytest.mark.browser, pytest.mark.data]

CYCLES = "schedule=cosine&cycle_len=1&cycle_mult=1&epochs=2&lead_epochs=0"


def test_a_cycle_is_played_with_the_arrow_keys_and_its_link_plays_it_elsewhere(visitor: Visitor, tab: Tab) -> None:
    page = visitor.open(f"char_rnn?model=gru&hidden=16&n_fac=8&bptt=64&lr=0.01&{CYCLES}").page
    visitor.press("Train")
    slider = page.get_by_role("slider", name="Weights after cycle")
    slider.wait_for(timeout=180_000)
    page.get_by_text("the last", exact=True).first.wait_for(timeout=180_000)
    visitor.idle()
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.get_by_text("this run's weights after cycle 1").first.wait_for()
    visitor.until(lambda: "cycle=1" in page.url)
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.get_by_text("this run's weights after cycle 0").first.wait_for()
    visitor.until(lambda: "cycle=0" in page.url)
    visitor.idle()
    text = page.locator(".written", has=page.locator(".prompt", has_text="for thos")).first.inner_text()
    link = page.url
    assert not visitor.errors
    visitor.leave()
    other = Visitor(tab.anew(), visitor.server)
    other.page.goto(link)
    other.page.get_by_text("this run's weights after cycle 0").first.wait_for()
    other.idle()
    shown = other.page.locator(".written", has=other.page.locator(".prompt", has_text="for thos")).first
    assert shown.inner_text() == text and "cycle=0" in other.page.url
    assert not other.errors
    other.leave()


def test_a_file_of_ones_own_is_played_and_a_wrong_one_is_a_sentence(visitor: Visitor) -> None:
    page = visitor.open("char_rnn?model=gru").page
    page.get_by_role("button", name=re.compile("Load weights")).click()
    box = page.get_by_test_id("stPopoverBody")
    for name, words in (("lstm", "holds weights of LSTM"), ("gru", "Playing your own weights")):
        box.locator("input[type=file]").first.wait_for(state="attached")
        visitor.idle()
        box.locator("input[type=file]").first.set_input_files(paths.WEIGHTS / f"{name}.safetensors")
        page.get_by_text(words).first.wait_for()
    box.wait_for(state="hidden")
    page.get_by_text("your own weights").nth(1).wait_for()  # the first says that they are played
    settle(page)  # a button that is being drawn anew just then is not clicked
    page.get_by_role("button", name="Put away").click()
    page.get_by_text("the shipped weights").first.wait_for()
    assert not visitor.errors
