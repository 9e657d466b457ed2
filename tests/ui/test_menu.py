"""The menu: each page once, and an icon that no run opens as a file."""

import base64
from unittest.mock import patch

from explorer.ladders import Page
from explorer.ui import menu


def test_the_menu_has_each_page_once() -> None:
    assert sorted(page for pages in menu._SECTIONS.values() for page in pages) == sorted(Page) == sorted(menu._ICONS)


def test_the_icon_holds_its_picture_and_is_read_once() -> None:
    kind, _, data = menu.icon().partition(",")
    assert kind == "data:image/png;base64" and base64.b64decode(data).startswith(b"\x89PNG")
    with patch("pathlib.Path.read_bytes", side_effect=AssertionError):
        assert menu.icon().isascii(), "anything else is looked for among all emojis"
