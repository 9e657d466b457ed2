"""Every model's best number: the lecture's, the recorded run's, that of the runs shown; and the run that repeats it."""

from collections.abc import Mapping, Sequence

import streamlit as st

from explorer import ladders
from explorer.data import sampler
from explorer.experiment import Experiment
from explorer.export import files
from explorer.ladders import Rung
from explorer.lecture import compared
from explorer.lecture.recorded import recording
from explorer.store.history import EpochRow
from explorer.store.index import Run
from explorer.ui import parts, state, transport
from explorer.ui.runs import save, tables

START = "Train"


def show(runs: Sequence[Run]) -> None:
    """The scoreboard."""
    here = state.runs()
    rungs = [rung for ladder in ladders.LADDERS.values() for rung in ladder]
    rows = [score(rung, runs) for rung in rungs]
    key = here.key("start")
    st.dataframe(
        tables.arrow(rows),
        hide_index=True,
        placeholder="–",
        key=here.key("scores"),
        column_config={
            "time": st.column_config.NumberColumn("time, s", format="%.0f"),
            "the lecture's run": st.column_config.ButtonColumn(
                key=key, help="Starts exactly the lecture's run: its settings, from fresh weights."
            ),
        },
        alt="Each model's figures: the lecture's, the recorded run's, and the best of the runs in the table.",
    )
    click = state.widget(key, None)
    if click:
        _start(rungs[click["row"]])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("The lecture's figures were measured by others, on their machines.", width="content")
        save.button("CSV", lambda: files.table_csv(_plain(rows)), "scoreboard.csv", here.key("scores-csv"))


def _plain(rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """The board without its buttons."""
    return [{name: value for name, value in row.items() if name != "the lecture's run"} for row in rows]


def _start(rung: Rung) -> None:
    with parts.refusals():
        experiment, page = Experiment.of(rung.key), rung.page
        state.open(page, experiment, transport.submit(page, experiment).id)


def score(rung: Rung, runs: Sequence[Run]) -> dict[str, object]:
    """A line of the board."""
    by_loss = rung.metric == "val_loss"
    recorded = recording(rung.key)

    def figure(run: Run) -> float | None:
        return run.val_loss if by_loss else run.accuracy

    ours = [run for run in runs if run.model == rung.key and figure(run) is not None and run.experiment]
    best = (min if by_loss else max)(ours, key=lambda run: figure(run) or 0.0, default=None)
    return {
        "model": rung.title,
        "measured by": "validation loss" if by_loss else "accuracy",
        "lecture notes": _theirs(rung, "lecture notes"),
        "course notebook": _theirs(rung, "course notebook"),
        "ours, recorded": (recorded.history.best_val_loss if by_loss else recorded.history.best_accuracy)
        if recorded
        else None,
        "best run shown": figure(best) if best else None,
        "which": best.label if best else None,
        "epochs": best.epochs if best else None,
        "time": best.seconds if best else None,
        "on": best.device if best else None,
        "beside the lecture's": beside(best) if best else None,
        "the lecture's run": START,
    }


def _theirs(rung: Rung, source: str) -> float | None:
    return next((f.value for f in rung.figures if f.source == source and f.metric == rung.metric), None)


def beside(run: Run) -> str | None:
    """How a run's best stands to the lecture's figure, or why it cannot be compared."""
    if run.experiment is None or run.val_loss is None or run.accuracy is None:
        return None
    kind = "sample" if run.source == sampler.NAME else "standin" if "stand-in" in run.source else "real"
    if run.begun_from:
        return f"not comparable: begun from {run.begun_from}"
    row = EpochRow(run.epochs, run.steps, float("nan"), run.val_loss, run.accuracy, run.seconds)
    found = compared.of(run.experiment, row, kind)
    return found.text if found else None
