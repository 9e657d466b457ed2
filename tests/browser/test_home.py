"""The map's cards are links: by mouse, by keyboard, and after coming back."""

import re

import pytest

pytestmark = pytest.mark.data


def test_a_card_opens_its_page_by_mouse_and_by_keyboard(visitor) -> None:
    page = visitor.open("").page
    page.locator("a.x-station", has_text="GRU").click()
    page.wait_for_url(re.compile(r"char_rnn\?.*model=gru"))
    page.get_by_role("heading", name="Character RNN").wait_for()
    visitor.idle()
    page.get_by_role("link", name="The lecture").click()
    card = page.locator("a.x-station", has_text="BatchNorm")
    card.focus()
    card.press("Enter")
    page.wait_for_url(re.compile(r"cifar10\?.*model=bn"))
    page.get_by_role("heading", name="CIFAR-10").wait_for()
    assert visitor.errors == []
