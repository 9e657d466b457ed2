"""The app's menu: its pages as Streamlit has them, and the icon of the browser's tab."""

import base64
import copy
import functools
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from explorer.ladders import Page
from explorer.ui.desk import entry

if TYPE_CHECKING:
    from streamlit.navigation.page import Page as Entry

_ICONS = {
    Page.HOME: "home",
    Page.CHAR_RNN: "text_fields",
    Page.CIFAR10: "grid_view",
    Page.CAM: "center_focus_strong",
    Page.LR_FINDER: "speed",
    Page.BATCHNORM: "layers",
    Page.RUNS: "history",
}
_SECTIONS = {
    "": (Page.HOME,),
    "Language": (Page.CHAR_RNN,),
    "Vision": (Page.CIFAR10, Page.CAM),
    "Look inside": (Page.LR_FINDER, Page.BATCHNORM, Page.RUNS),
}


def entries() -> dict[str, list["Entry"]]:
    """All pages, by their sections."""
    found = {title: [page(one) for one in pages] for title, pages in _SECTIONS.items()}
    if entry.token():
        found["Teacher"] = [st.Page("pages/desk.py", title="The class", icon=":material/school:")]
    return found


def page(which: Page) -> "Entry":
    """A copy, as each run ordains its own: making one looks for its file, seven times in every run of every visitor."""
    return copy.copy(_made(which))


@functools.cache
def _made(which: Page) -> "Entry":
    icon = f":material/{_ICONS[which]}:"
    return st.Page(which.script, title=which.label, icon=icon, default=which == Page.HOME)


@functools.cache
def icon() -> str:
    """The tab's icon as an address that holds it: as a file it would be opened and decoded in every run."""
    return "data:image/png;base64," + base64.b64encode(Path(__file__).with_name("icon.png").read_bytes()).decode()
