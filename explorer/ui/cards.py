"""Cards on several pages: how they look, rows of them, and what the notes' code really does."""

from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import parse_qsl

import streamlit as st

from explorer.lecture import quirks
from explorer.ui import parts, state

Thing = TypeVar("Thing")

STYLE = parts.Ready("""<style>
.x-stations { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); }
.explorer-clickable a.x-station { display: flex; flex-direction: column; gap: .45rem; padding: 1rem; color: inherit;
  text-decoration: none; border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius);
  transition: border-color .15s; }
.explorer-clickable a.x-station:hover, .explorer-clickable a.x-station:focus-visible { border-color: currentColor; }
.x-track { display: flex; align-items: center; gap: .6rem; }
.x-track b, .x-path h2 { font-family: var(--st-heading-font); }
.x-track b { font-size: 1.16rem; font-weight: 600; line-height: 1.2; }
.x-dot { flex: none; width: 1.65rem; height: 1.65rem; border-radius: 50%; border: 2.5px solid var(--x); display: grid;
  place-items: center; font-size: .82rem; font-weight: 650; }
.x-line { flex: 1; height: 0; border-top: 2.5px solid var(--x); opacity: .55; min-width: .6rem; }
.x-idea { margin: 0; line-height: 1.45; min-height: 4.3em; }
.x-mini { min-height: 62px; display: flex; align-items: center; }
.x-mini svg { display: block; }
.x-mini q { font-family: "Source Serif", Georgia, serif; font-style: italic; font-size: .95rem; line-height: 1.45;
  overflow-wrap: anywhere; }
.x-nums { display: flex; gap: 1.6rem; margin: 0; padding: 0; }
.x-nums div { display: flex; flex-direction: column; }
.x-nums dt { font-size: .8rem; opacity: .8; }
.x-nums dd { margin: 0; font-size: 1.2rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.x-nums small { font-size: .78rem; font-weight: 400; opacity: .8; }
.x-path { display: flex; align-items: baseline; gap: .8rem; flex-wrap: wrap; border-left: 4px solid var(--x);
  padding-left: .8rem; margin: 1.2rem 0 .9rem; }
.x-path h2 { padding: 0; margin: 0; }
.x-path p { margin: 0; opacity: .85; }
.x-quote { margin: 0; padding-left: .8rem; border-left: 3px solid currentColor; border-color: rgba(128,128,128,.45);
  font-family: "Source Serif", Georgia, serif; font-style: italic; line-height: 1.5; }
.x-quote cite { font-family: inherit; font-style: normal; font-size: .82rem; opacity: .8; white-space: nowrap; }
.st-key-home-start button { font-size: 1.3rem; padding: .75rem 2.6rem; }
.st-key-home-start button p { font-size: 1.3rem; font-weight: 600; }
@media (max-width: 640px) { .x-idea, .x-mini { min-height: 0; } }
</style>""")


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
                page, _, query = quirk.opens.partition("?")
                state.open(page, None, None, **dict(parse_qsl(query)))
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
