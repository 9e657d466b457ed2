"""Runs: what was trained on this server, beside each other and beside the lecture."""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import streamlit as st

from explorer.ui import app

app.enter()

from explorer import ladders
from explorer.data import text
from explorer.figures import curves
from explorer.lecture.recorded import recording
from explorer.runs import queue
from explorer.runs.jobs import Kind
from explorer.runs.store import Run
from explorer.ui import parts, plot, steps

if TYPE_CHECKING:
    import plotly.graph_objects as go

PAGE = "runs"
parts.title(
    "Runs",
    "history",
    "Every run is written down as it goes. Lay some over each other, open one again, take its numbers away.",
)


def as_it_is_now(run: Run) -> Run:
    """With the state of its job while there is one: the disk does not hear of every pause."""
    job = queue.registry().find(run.id)
    return replace(run, state=job.state, message=job.message) if job else run


def is_shown(run: Run) -> bool:
    """Training runs, but for those that learn from another visitor's own text."""
    own = app.owner()
    return run.kind == Kind.TRAIN and (run.owner == own or text.may_see(run.experiment.data, own))


def losses(picked: list[Run]) -> "go.Figure":
    """One run's losses as on its page, or those of several over each other."""
    found = {f"{run.experiment.model} {run.id}": store.history(run.id) for run in picked}
    return curves.overlay(found, key="runs") if len(found) > 1 else curves.loss_curves(*found.values(), key="runs")


store = app.store()
mine = st.segmented_control("Whose", ["mine", "everybody's"], default="mine", required=True, key=f"{PAGE}.whose")
runs: list[Run] = []
with parts.refusals():  # a folder that cannot be read is a sentence; the rest of the page does without
    found = [run for run in store.runs(app.owner() if mine == "mine" else None) if is_shown(run)]
    histories = store.validations([run.id for run in found])  # their steps are read of the chosen one only
    runs = [as_it_is_now(run) for run in found]
    if not runs:
        st.info(
            "No runs yet. Train something on the Character RNN or the CIFAR-10 page; it will be here.",
            icon=":material/play_arrow:",
        )

if runs:
    table = [
        {
            "model": run.experiment.model,
            "state": run.state,
            "epochs": len(histories[run.id].epochs),
            "best validation loss": histories[run.id].best_val_loss,
            "best accuracy": histories[run.id].best_accuracy,
            "what differs from the lecture": ", ".join(f"{k} {v}" for k, v in run.experiment.changes().items()) or "–",
            "started": datetime.fromtimestamp(run.created),
            "on": run.device,
            "data": run.source,
        }
        for run in runs
    ]
    chosen = st.dataframe(
        table,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"{PAGE}.table",
        column_config={"best accuracy": st.column_config.NumberColumn(format="percent")},
        placeholder="–",
    ).selection.rows
    st.caption("Choose rows to lay their curves over each other.")
    picked = [runs[i] for i in chosen if i < len(runs)] or runs[:1]
    if len(picked) > 1:
        steps.did(PAGE, "compared")
    with st.container(border=True), parts.refusals():
        plot.chart(
            PAGE,
            "loss",
            ("runs", *((run.id, run.updated) for run in picked)),
            lambda: losses(picked),
            "Losses of the chosen runs.",
            "A colour a run: training loss, smoothed, and dots for validation."
            if len(picked) > 1
            else f"Training and validation of {picked[0].experiment.model} {picked[0].id}.",
        )
    for run in picked[:6]:
        with st.container(horizontal=True, vertical_alignment="center"):
            parts.state_badge(run.state, run.message)
            st.markdown(f"**{run.experiment.model}** `{run.id}`")
            page = "pages/char_rnn.py" if run.experiment.rung.ladder == "language" else "pages/cifar10.py"
            if st.button("Open", icon=":material/open_in_new:", key=f"open.{run.id}"):
                steps.did(PAGE, "opened")
                for name in ("char_rnn", "cifar10"):
                    st.session_state.pop(f"{name}.experiment", None)
                    st.session_state.pop(f"{name}.job", None)
                st.switch_page(page, query_params={**run.experiment.to_query(), "run": run.id})
            rows = histories[run.id].epochs
            csv = "epoch,train_loss,val_loss,accuracy,seconds\n" + "".join(
                f"{r.epoch},{r.train_loss},{r.val_loss},{r.accuracy},{r.seconds}\n" for r in rows
            )
            st.download_button("Metrics (CSV)", csv, f"{run.id}.csv", icon=":material/table:", key=f"csv.{run.id}")
            weights = store.weights(run.id)
            if weights.exists():
                st.download_button(
                    "Weights", weights.read_bytes, weights.name, icon=":material/download:", key=f"w.{run.id}"
                )
            if run.owner == app.owner() and st.button("Delete", icon=":material/delete:", key=f"del.{run.id}"):
                if (job := queue.registry().find(run.id)) is not None:
                    job.stop("Deleted.")
                with parts.refusals():
                    store.delete(run.id)
                    st.rerun()

st.header("Against the lecture", anchor=False)
scores = []
for ladder in ladders.LADDERS.values():
    for rung in ladder:
        recorded = recording(rung.key)
        ours = [run for run in runs if run.experiment.model == rung.key]
        best = "best_val_loss" if rung.metric == "val_loss" else "best_accuracy"
        worth = [v for v in (getattr(histories[run.id], best) for run in ours) if v == v]
        scores.append(
            {
                "model": rung.class_name,
                "measured by": "validation loss" if rung.metric == "val_loss" else "accuracy",
                "lecture notes": next((f.value for f in rung.figures if f.source == "lecture notes"), None),
                "course notebook": next((f.value for f in rung.figures if f.source == "course notebook"), None),
                "ours, recorded": getattr(recorded.history, best) if recorded else None,
                "these runs, best": (min if rung.metric == "val_loss" else max)(worth, default=None),
            }
        )
st.dataframe(scores, hide_index=True, placeholder="–")
st.caption("The first two columns were measured by others, on their machines. Short runs of yours are not comparable.")

steps.try_this(PAGE)
