"""Inside the network: what BatchNorm does to every layer, and how far gradients reach back in time."""

import streamlit as st

from explorer.ladders import Page
from explorer.ui import app

app.enter()

from explorer.ui import parts

parts.title("Inside the network", "layers")
if not app.engine().ready.is_set():  # a spinner costs a thread each time
    with st.spinner("Loading torch …"):
        app.engine().wait()

from explorer.ui import cards, claim, links, state, steps
from explorer.ui.batchnorm import evaluating, grid, memory, race, through_time

PAGE = Page.BATCHNORM
claim.strip(PAGE)
SECTIONS = {
    "race": ("The race", race.show),
    "evaluating": ("Evaluating", evaluating.show),
    "map": ("Rate × depth", grid.show),
    "time": ("Gradients through time", through_time.show),
    "memory": ("What it remembers", memory.show),
}
titles = {word: title for word, (title, _) in SECTIONS.items()}
tabs = st.tabs(list(titles.values()), on_change="rerun", key=links.tab("show", state.place(PAGE).key("tab"), titles))
for tab, (_, draw) in zip(tabs, SECTIONS.values(), strict=True):
    if tab.open:
        with tab:
            draw()

steps.try_this(PAGE)
cards.did_you_notice(PAGE)
