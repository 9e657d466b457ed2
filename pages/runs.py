"""Runs: what was trained on this server, beside each other and beside the lecture."""

import streamlit as st

from explorer.ladders import Page
from explorer.ui import app

app.enter()

from explorer.ui import parts, steps
from explorer.ui.runs import asked, compare, listing, rows, scores

PAGE = Page.RUNS
asked.follow_link()
parts.title(
    "Runs",
    "history",
    "Whatever is trained is written down as it goes. Lay some over each other, go on with one, take it away.",
)
shown, _ = listing.load(asked.controls())
rows.undo()
if shown:
    ids = listing.choose(shown)
    picked = listing.picked(ids, shown)
    compare.curves(picked)
    compare.settings(picked)
    rows.show(picked)
    compare.many(shown)
st.header("Against the lecture", anchor=False)
scores.show(shown)
asked.write_link()
steps.try_this(PAGE)
