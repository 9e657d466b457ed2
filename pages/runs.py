"""Runs: what was trained on this server, beside each other and beside the lecture."""

import streamlit as st

from explorer.ladders import Page
from explorer.ui import app

app.enter()

from explorer.ui import parts, steps
from explorer.ui.runs import asked, compare, groups, listing, new_sweep, rows, scores

PAGE = Page.RUNS
asked.follow_link()
parts.title(
    "Runs",
    "history",
    "Whatever is trained is written down as it goes. Lay some over each other, go on with one, take it away.",
)
new_sweep.show()
groups.back()
listed = listing.load(asked.controls())
rows.undo()
if listed.runs:
    runs, sweeps = listing.picked(listing.choose(listed), listed)
    groups.show(sweeps)
    compare.curves(runs)
    compare.settings(runs)
    rows.show(runs)
    compare.many(listed.runs)
st.header("Against the lecture", anchor=False)
scores.show(listed.runs)
asked.write_link()
steps.try_this(PAGE)
