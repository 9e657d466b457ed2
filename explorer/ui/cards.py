"""Cards on several pages (``cards.css``): rows of them, and what the notes' code really does."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st

from explorer.lecture import quirks
from explorer.ui import links, parts, state

Thing = TypeVar("Thing")


def quirk_card(quirk: quirks.Quirk) -> None:
    """What the notes' code really does, and the measurement."""
    with st.container(border=True, height="stretch", key=state.key("quirk", quirk.id)):
        st.markdown(f"**{quirk.title}**")
        st.markdown(quirk.text)
        st.markdown(f":material/straighten: {parts.escape(quirk.measured())}")
        with st.container(horizontal=True, vertical_alignment="center"):
            if quirk.opens and st.button(
                quirk.see, icon=":material/arrow_forward:", type="tertiary", key=state.key("quirk", quirk.id, "see")
            ):
                links.go(quirk.opens)
            if quirk.line:
                st.caption(f"notes, line {quirk.line}", width="content")


def did_you_notice(page: str) -> None:
    """The quirks that belong to a page, folded away."""
    found = quirks.for_page(page)
    if found:
        fold = st.expander(
            "Did you notice?", icon=":material/lightbulb:", on_change="rerun", key=state.place(page).key("noticed")
        )
        if fold.open:
            with fold:
                in_rows(found, quirk_card)


def in_rows(things: Sequence[Thing], draw: Callable[[Thing], None], across: int = 2) -> None:
    """Cards in rows, read from left to right; one below the other on a phone."""
    for at in range(0, len(things), across):
        for column, thing in zip(st.columns(across), things[at : at + across], strict=False):
            with column:
                draw(thing)
