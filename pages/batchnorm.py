"""Inside the network: what BatchNorm does to every layer, and how far gradients reach back in time."""

import streamlit as st

from explorer.ladders import Page
from explorer.ui import app

app.enter()

from explorer.ui import parts

parts.title(
    "Inside the network",
    "layers",
    "Train networks side by side on the same batches and watch every layer while one of them breaks. "
    "Then look the other way: how far back in time does a gradient reach?",
)
with st.spinner("Loading torch …"):
    app.engine().wait()

from explorer.ui import cards, links, state, steps
from explorer.ui.batchnorm import evaluating, grid, memory, race, through_time

PAGE = Page.BATCHNORM
SECTIONS = {
    "race": ("The race", race.show),
    "evaluating": ("Evaluating", evaluating.show),
    "map": ("Rate × depth", grid.show),
    "time": ("Gradients through time", through_time.show),
    "memory": ("What it remembers", memory.show),
}
asked, notices = links.picked(st.query_params, "show", SECTIONS)
links.tell(notices)
asked = "race" if "race" in st.query_params or not asked else asked[0]
tabs = st.tabs(
    [title for title, _ in SECTIONS.values()],
    default=SECTIONS[asked][0],
    on_change="rerun",
    key=state.place(PAGE).key("tab"),
)
for tab, (_, draw) in zip(tabs, SECTIONS.values(), strict=True):
    if tab.open:
        with tab:
            draw()

steps.try_this(PAGE)
cards.did_you_notice(PAGE)
