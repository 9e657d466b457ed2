"""Runs: what was trained on this server, beside each other and beside the lecture."""

import streamlit as st

from explorer.ladders import Page
from explorer.ui import app

app.enter()

from explorer.ui import parts, steps
from explorer.ui.runs import table

PAGE = Page.RUNS
parts.title(
    "Runs",
    "history",
    "Every run is written down as it goes. Lay some over each other, open one again, take its numbers away.",
)
shown = table.load(table.whose())
if shown.runs:
    picked = table.choose(shown)
    table.compare(picked)
    for run in picked[: table.ROWS]:
        table.row(run, shown.histories[run.id])
st.header("Against the lecture", anchor=False)
table.scores(shown)
steps.try_this(PAGE)
