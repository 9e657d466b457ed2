"""The table of runs: whose, which of them over each other, what one may do with one, and the lecture's numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

import streamlit as st

from explorer import ladders
from explorer.data import text
from explorer.figures import curves
from explorer.ladders import Page, Rung
from explorer.lecture.recorded import recording
from explorer.runs import queue
from explorer.runs.history import Snapshot
from explorer.runs.store import Run
from explorer.runs.words import Kind
from explorer.ui import app, parts, plot, state, steps

if TYPE_CHECKING:
    import plotly.graph_objects as go

PAGE = Page.RUNS
ROWS = 6  # chosen runs that get a row of buttons


@dataclass(frozen=True)
class Shown:
    """The runs in the table, and what each came to."""

    runs: Sequence[Run] = ()
    histories: Mapping[str, Snapshot] = field(default_factory=dict)  #: by the run's id; validations only


def whose() -> str | None:
    """The owner whose runs are asked for; None for everybody's."""
    here = state.place(PAGE)
    mine = st.segmented_control("Whose", ["mine", "everybody's"], default="mine", required=True, key=here.key("whose"))
    return app.owner() if mine == "mine" else None


def load(owner: str | None) -> Shown:
    """The training runs on this server's disk, of one owner or all; a disk that cannot be read is a sentence."""
    with parts.refusals():
        found = [run for run in app.store().runs(owner) if _may_be_seen(run)]
        histories = app.store().validations([run.id for run in found])  # steps are read of the chosen ones only
        if not found:
            st.info(
                "No runs yet. Train something on the Character RNN or the CIFAR-10 page; it will be here.",
                icon=":material/play_arrow:",
            )
        return Shown([_as_it_is_now(run) for run in found], histories)
    return Shown()


def _may_be_seen(run: Run) -> bool:
    """Training runs, but for those that learn from another visitor's own text."""
    own = app.owner()
    return run.kind == Kind.TRAIN and (run.owner == own or text.may_see(run.experiment.data, own))


def _as_it_is_now(run: Run) -> Run:
    """With the state of its job while there is one: the disk does not hear of every pause."""
    job = queue.registry().find(run.id)
    return replace(run, state=job.state, message=job.message) if job else run


def choose(shown: Shown) -> list[Run]:
    """The table; the runs whose rows are chosen in it, else the first."""
    rows = [
        {
            "model": run.experiment.model,
            "state": run.state,
            "epochs": len(shown.histories[run.id].epochs),
            "best validation loss": shown.histories[run.id].best_val_loss,
            "best accuracy": shown.histories[run.id].best_accuracy,
            "what differs from the lecture": ", ".join(f"{k} {v}" for k, v in run.experiment.changes().items()) or "–",
            "started": datetime.fromtimestamp(run.created),
            "on": run.device,
            "data": run.source,
        }
        for run in shown.runs
    ]
    chosen = st.dataframe(
        rows,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=state.place(PAGE).key("table"),
        column_config={"best accuracy": st.column_config.NumberColumn(format="percent")},
        placeholder="–",
    ).selection.rows
    st.caption("Choose rows to lay their curves over each other.")
    picked = [shown.runs[i] for i in chosen if i < len(shown.runs)] or [*shown.runs[:1]]
    if len(picked) > 1:
        steps.did(PAGE, "compared")
    return picked


def compare(picked: Sequence[Run]) -> None:
    """The chosen runs' curves."""
    with st.container(border=True), parts.refusals():
        plot.chart(
            PAGE,
            "loss",
            ("runs", *((run.id, run.updated) for run in picked)),
            lambda: _losses(picked),
            "Losses of the chosen runs.",
            "A colour a run: training loss, smoothed, and dots for validation."
            if len(picked) > 1
            else f"Training and validation of {picked[0].experiment.model} {picked[0].id}.",
        )


def _losses(picked: Sequence[Run]) -> "go.Figure":
    """One run's losses as on its page, or those of several over each other."""
    found = {f"{run.experiment.model} {run.id}": app.store().history(run.id) for run in picked}
    return curves.overlay(found, key="runs") if len(found) > 1 else curves.loss_curves(*found.values(), key="runs")


def row(run: Run, history: Snapshot) -> None:
    """One run: open it again, take its numbers or weights away, delete it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        parts.state_badge(run.state, run.message)
        st.markdown(f"**{run.experiment.model}** `{run.id}`")
        if st.button("Open", icon=":material/open_in_new:", key=state.key("open", run.id)):
            steps.did(PAGE, "opened")
            state.open(run.experiment.rung.page, run.experiment, run.id)
        csv = "epoch,train_loss,val_loss,accuracy,seconds\n" + "".join(
            f"{r.epoch},{r.train_loss},{r.val_loss},{r.accuracy},{r.seconds}\n" for r in history.epochs
        )
        st.download_button("Metrics (CSV)", csv, f"{run.id}.csv", icon=":material/table:", key=state.key("csv", run.id))
        weights = app.store().weights(run.id)
        if weights.exists():
            st.download_button(
                "Weights", weights.read_bytes, weights.name, icon=":material/download:", key=state.key("w", run.id)
            )
        if run.owner == app.owner() and st.button("Delete", icon=":material/delete:", key=state.key("del", run.id)):
            _delete(run)


def _delete(run: Run) -> None:
    if (job := queue.registry().find(run.id)) is not None:
        job.stop("Deleted.")
    with parts.refusals():
        app.store().delete(run.id)
        st.rerun()


def scores(shown: Shown) -> None:
    """Every rung's best number: the lecture's, the recorded run's, and that of the runs shown."""
    rungs = [rung for ladder in ladders.LADDERS.values() for rung in ladder]
    st.dataframe([_score(rung, shown) for rung in rungs], hide_index=True, placeholder="–")
    st.caption(
        "The first two columns were measured by others, on their machines. Short runs of yours are not comparable."
    )


def _score(rung: Rung, shown: Shown) -> dict[str, object]:
    recorded, by_loss = recording(rung.key), rung.metric == "val_loss"

    def best(history: Snapshot) -> float:
        return history.best_val_loss if by_loss else history.best_accuracy

    ours = [best(shown.histories[run.id]) for run in shown.runs if run.experiment.model == rung.key]
    worth = [value for value in ours if value == value]
    return {
        "model": rung.class_name,
        "measured by": "validation loss" if by_loss else "accuracy",
        "lecture notes": next((f.value for f in rung.figures if f.source == "lecture notes"), None),
        "course notebook": next((f.value for f in rung.figures if f.source == "course notebook"), None),
        "ours, recorded": best(recorded.history) if recorded else None,
        "these runs, best": (min if by_loss else max)(worth, default=None),
    }
