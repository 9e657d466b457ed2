"""A sweep on the Runs page: one line of the table, which opens to a map of its cells, and to the best of them."""

from collections.abc import Sequence

import streamlit as st

from explorer.export import files
from explorer.runs.sweeps import Group
from explorer.store.index import By
from explorer.store.words import State
from explorer.ui import app, parts, state, sweeping
from explorer.ui.runs import listing, save
from explorer.ui.runs.asked import PAGE

MOST = 3  # chosen sweeps that are opened


def show(groups: Sequence[Group]) -> None:
    """A panel a chosen sweep."""
    for group in groups[:MOST]:
        with st.container(border=True), parts.refusals():
            _panel(group)


def back() -> None:
    """Above a table of one sweep's cells: which, and the way back to all runs."""
    here = state.runs()
    if not here.sweep:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(f"cells of sweep {here.sweep[:4]}", icon=":material/grid_on:")
        if st.button("All runs", icon=":material/arrow_back:", key=here.key("all")):
            here.chosen, here.sweep = (here.sweep,), ""
            st.rerun()


def _panel(group: Group) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        parts.state_badge(group.state)
        st.markdown(f"**{parts.escape(listing.called(group))}** · {parts.escape(str(group))}", width="content")
        words = [f"{group.done} of {len(group.runs)} cells are over"] if group.state != State.RUNNING else []
        words += ["begun by the terminal"] if group.runs[0].begun_by == By.TERMINAL else []
        st.caption(parts.escape(" · ".join(words)), width="content")
    sweeping.show(PAGE, group)
    sweeping.go_on(PAGE, group)
    _buttons(group)


def _buttons(group: Group) -> None:
    here, run = state.runs(), group.best_run
    with st.container(horizontal=True, vertical_alignment="center"):
        if group.best is not None and run.experiment is not None:
            page = run.experiment.rung.page
            if st.button("Take the best's settings", icon=":material/tune:", key=state.key("take-best", group.id)):
                state.open(page, run.experiment)
            if st.button("Open the best run", icon=":material/open_in_new:", key=state.key("open-best", group.id)):
                state.open(page, run.experiment, run.id)
        if st.button(f"Its {len(group.runs)} cells", icon=":material/table_rows:", key=state.key("cells", group.id)):
            here.sweep, here.chosen = group.id, ()
            st.rerun()
        save.button(
            "Table (CSV)", lambda: files.table_csv(_table(group)), f"sweep-{group.id}.csv", state.key("csv", group.id)
        )
        if run.owner == app.owner() and st.button(
            "Delete", icon=":material/delete:", key=state.key("del", group.id), help="The whole sweep, all its cells."
        ):
            sweeping.end(group)
            app.store().remove([cell.id for cell in group.runs])
            st.rerun()


def _table(group: Group) -> list[dict[str, object]]:
    """A row a cell."""
    found = [(run, group.ends.get(run.id)) for run in group.runs]
    return [
        {
            "run": run.id,
            **run.at,
            "state": str(run.state),
            "epochs": run.epochs,
            "validation loss": end.val_loss if end else None,
            "accuracy": end.accuracy if end else None,
            "seconds": run.seconds,
        }
        for run, end in found
    ]
