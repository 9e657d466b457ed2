"""What a job that is no training came to: its settings, curves and table, and these as CSV."""

import functools

import streamlit as st

from explorer.export import files
from explorer.figures import compare
from explorer.runs.outcome import Outcome
from explorer.store.index import Run
from explorer.ui import app, parts, plot, state
from explorer.ui.runs import save
from explorer.ui.runs.asked import PAGE


def show(run: Run) -> None:
    """Its outcome, as it was kept."""
    found = Outcome.from_json(app.store().outcome(run.id))
    if found.settings:
        st.caption(parts.escape(" · ".join(f"{name}: {value}" for name, value in found.settings.items())))
    if found.curves:
        plot.chart(
            PAGE,
            f"outcome-{run.id}",
            (run.id, run.updated),
            lambda: compare.lines(found.curves, found.x, found.y, log_x=found.log_x, key=run.id),
            f"{found.y} over {found.x}.",
        )
    if found.rows:
        st.dataframe([dict(row) for row in found.rows], hide_index=True, placeholder="–")
    if not found.curves and not found.rows:
        st.caption("It left nothing to show.")
        return
    rows = [
        {"curve": name, found.x: x, found.y: y}
        for name, (xs, ys) in found.curves.items()
        for x, y in zip(xs, ys, strict=True)
    ]
    with st.container(horizontal=True):
        for word, table in (("Curves (CSV)", rows), ("Table (CSV)", list(found.rows))):
            if table:
                key = state.key("outcome-csv", run.id, word)
                save.button(word, functools.partial(files.table_csv, table), f"{run.kind}-{run.id}.csv", key)
