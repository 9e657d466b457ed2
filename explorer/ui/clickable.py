"""Text whose characters can be clicked."""

from collections.abc import Callable
from functools import cache

import streamlit as st

_JS = """
export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".written");
  root.innerHTML = data.html;
  root.onclick = ({ target }) => {
    const at = target.closest("[data-at]")?.dataset.at;
    if (at) setTriggerValue("at", Number(at));
  };
}
"""
_CSS = """
.written [data-at] { cursor: pointer; }
.written [data-at]:hover { text-decoration: underline; }
"""


@cache
def _component():
    return st.components.v2.component(
        "explorer_clickable", html='<div class="written"></div>', css=_CSS, js=_JS, isolate_styles=False
    )


def show(html: str, key: str, picked: Callable[[int], None]) -> None:
    """Show ``html``; a click on an element with ``data-at`` calls ``picked`` with that number.

    The page must offer the same choice in a way that the keyboard reaches.
    """

    def changed() -> None:
        if (at := st.session_state[key].at) is not None:
            picked(int(at))

    _component()(key=key, data={"html": html}, on_at_change=changed, height="content")
