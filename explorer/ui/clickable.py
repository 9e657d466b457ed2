"""HTML of our own whose parts can be clicked: one element for the browser where Streamlit's own would be dozens."""

from collections.abc import Callable
from functools import cache

import streamlit as st

from explorer.ui import state

_JS = """
export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".explorer-clickable"), html = new TextDecoder().decode(data);
  if (root.shown !== html) {
    const at = root.contains(document.activeElement) ? document.activeElement.dataset.at : undefined;
    root.innerHTML = root.shown = html;
    if (at !== undefined) root.querySelector(`[data-at="${CSS.escape(at)}"]`)?.focus();  // whoever has only keys
  }
  root.onclick = (event) => {
    const at = event.target.closest("[data-at]")?.dataset.at;
    if (at === undefined || event.ctrlKey || event.metaKey || event.shiftKey) return;  // a link in a tab of its own
    event.preventDefault();
    setTriggerValue("at", at);
  };
}
"""
_CSS = """
.explorer-clickable [data-at] { cursor: pointer; }
.explorer-clickable span[data-at]:hover { text-decoration: underline; }
"""


@cache
def _component() -> Callable[..., object]:
    return st.components.v2.component(
        "explorer_clickable", html='<div class="explorer-clickable"></div>', css=_CSS, js=_JS, isolate_styles=False
    )


def show(html: str, key: str, picked: Callable[[str], None]) -> None:
    """Show ``html`` as it is, so nothing in it may come from a visitor unescaped.

    A click on an element with ``data-at`` calls ``picked`` with its value, before the page is run again. What is no
    link must be offered in a second way that the keyboard reaches.
    """

    def changed() -> None:
        if (at := state.trigger(key, "at")) is not None:
            picked(str(at))

    # Bytes go as they are: of anything else Streamlit makes JSON, twice at each run of a page.
    _component()(key=key, data=html.encode(), on_at_change=changed, height="content")
