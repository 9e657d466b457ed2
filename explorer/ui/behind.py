"""What lies behind a page's curves: tabs and folds, of which only the open ones are computed and drawn."""

from collections.abc import Callable, Mapping

import streamlit as st

from explorer.ui import links, state

Draw = Callable[[], None]


@st.fragment
def tabs(page: str, titles: Mapping[str, str], views: Mapping[str, Draw]) -> None:
    """A tab for each view. The others wait until they are opened, which draws nothing else anew.

    Args:
        page: whose they are.
        titles: by the short word that stands in the address.
        views: what draws each, by the same words.
    """
    key = links.tab("show", state.place(page).key("behind"), titles)
    opened = st.tabs(list(titles.values()), on_change="rerun", key=key)
    for tab, draw in zip(opened, (views[word] for word in titles), strict=True):
        if tab.open:
            with tab:
                draw()


def how(page: str, draw: Draw) -> None:
    """The fold with a section's own code."""
    fold(page, "how", "How it works", ":material/code:", draw)


def fold(page: str, word: str, title: str, icon: str, draw: Draw, opened: bool = False) -> None:
    """An expander whose inside waits until it is opened; ``word`` names it on its page."""
    key = state.place(page).key("fold", word)
    expander = st.expander(title, icon=icon, on_change="rerun", key=key, expanded=opened)
    if expander.open:
        with expander:
            draw()
