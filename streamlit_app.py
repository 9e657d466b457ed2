"""The app: who serves it, page config, navigation; nothing else."""

import copy
import functools
from pathlib import Path

import streamlit as st

from explorer.ladders import Page
from explorer.ui import state
from explorer.ui.desk import entry


@functools.cache
def _made(script: str, title: str, icon: str, default: bool):
    return st.Page(script, title=title, icon=icon, default=default)


def _page(page: Page, icon: str):
    """A copy, as each run ordains its own: making one looks for its file, seven times in every run of every visitor."""
    return copy.copy(_made(page.script, page.label, icon, page == Page.HOME))


def main() -> None:
    """One run of the script, for one visitor."""
    st.set_page_config(
        page_title="Lesson 7, explored",
        page_icon=Path("explorer/ui/icon.png"),  # as text it would be looked up among all emojis first: 0.1 s
        layout="wide",
        initial_sidebar_state="collapsed" if state.teacher() else "auto",
    )
    pages = st.navigation(
        {
            "": [_page(Page.HOME, ":material/home:")],
            "Language": [_page(Page.CHAR_RNN, ":material/text_fields:")],
            "Vision": [_page(Page.CIFAR10, ":material/grid_view:"), _page(Page.CAM, ":material/center_focus_strong:")],
            "Look inside": [
                _page(Page.LR_FINDER, ":material/speed:"),
                _page(Page.BATCHNORM, ":material/layers:"),
                _page(Page.RUNS, ":material/history:"),
            ],
        }
        | (
            {"Teacher": [st.Page("pages/desk.py", title="The class", icon=":material/school:")]}
            if entry.token()
            else {}
        )
    )

    from explorer.ui.app import begin, end  # the menu must not wait for anything

    share = begin(pages.url_path)
    pages.run()
    end(share)


if __name__ == "__main__":
    main()
else:  # imported once, by `streamlit run`, which serves what it finds called app
    from explorer.ui import door, trouble

    app = st.App(__file__, middleware=door.MIDDLEWARE, lifespan=door.lifespan, on_script_error=trouble.tell)
