"""The chosen runs beside each other: their curves, the settings in which they differ; and many by their settings."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer.experiment import SETTINGS, Experiment, applies
from explorer.export import files
from explorer.figures import compare
from explorer.settings import Scale
from explorer.store.index import Run
from explorer.store.words import Kind
from explorer.ui import app, behind, parts, plot, state
from explorer.ui.runs import asked, listing, save
from explorer.ui.runs.asked import PAGE

if TYPE_CHECKING:
    import plotly.graph_objects as go

FEWEST = 3  # runs that parallel coordinates are worth drawing for


@st.fragment
def curves(runs: Sequence[Run]) -> None:
    """Any curve of the chosen runs over each other. Another one draws nothing else anew."""
    trained = [run for run in runs if run.kind == Kind.TRAIN]
    if not trained:
        return
    with st.container(border=True), parts.refusals():
        y, x, log = asked.axes()
        names = ", ".join(run.label for run in trained)
        stamp = ("runs", y, x, log, *((run.id, run.label, run.updated) for run in trained))
        plot.chart(
            PAGE,
            "overlay",
            stamp,
            lambda: _overlay(trained, y, x, log),
            f"{y} over {x} of {names}.",
            f"{compare.TITLES[y].capitalize()} over {x}, a colour a run.",
        )
        if y == compare.Y.GRADIENT:
            st.caption("Measured where a run clips its gradients; the others have none.")
        _take_away(trained, y, x, log)
    asked.write_link()


def _overlay(runs: Sequence[Run], y: compare.Y, x: compare.X, log: bool) -> "go.Figure":
    found = {run.label: app.history(run.id, run.updated) for run in runs}
    return compare.overlay(found, y, x, log_y=log, key="runs")


def _take_away(runs: Sequence[Run], y: compare.Y, x: compare.X, log: bool) -> None:
    here = state.runs()

    def numbers() -> str:
        rows = []
        for run in runs:
            at, values = compare.curve(app.history(run.id, run.updated), y, x, points=10**9)
            rows += [
                {"run": run.label, str(x): a, str(y): v} for a, v in zip(at.tolist(), values.tolist(), strict=True)
            ]
        return files.table_csv(rows)

    def chart() -> str:
        return files.chart_html(_overlay(runs, y, x, log), "Runs")

    with st.container(horizontal=True):
        save.button("These curves (CSV)", numbers, "curves.csv", here.key("csv"))
        save.button("This chart (HTML)", chart, "chart.html", here.key("html"), "show_chart")


def settings(runs: Sequence[Run]) -> None:
    """The settings in which the chosen runs differ, a column a run."""
    rows = differing(runs)
    if not rows:
        return
    st.markdown(f"**Where these {len(runs)} differ**")
    st.dataframe(rows, hide_index=True, placeholder="–")


def differing(runs: Sequence[Run]) -> list[dict[str, str]]:
    """A row a setting that is not the same in all runs; also what they ran on, and what they came to."""
    trained = [(run, run.experiment) for run in runs if run.experiment is not None and run.kind == Kind.TRAIN]
    if len(trained) < 2:
        return []
    rows = [{"setting": "model", **{run.label: listing.model_of(run) for run, _ in trained}}]
    for name, setting in SETTINGS.items():
        words = {run.label: _word(experiment, name) for run, experiment in trained}
        rows.append({"setting": setting.label, **words})
    for name in ("source", "device", "torch", "begun_from"):
        label = {"source": "data", "begun_from": "began from"}.get(name, name)
        rows.append({"setting": label, **{run.label: getattr(run, name) or "–" for run, _ in trained}})
    different = [row for row in rows if len({value for key, value in row.items() if key != "setting"}) > 1]
    best = {run.label: _figure(run) for run, _ in trained}
    return [*different, {"setting": "best", **best}]


def _word(experiment: Experiment, name: str) -> str:
    value = getattr(experiment, name)
    if not applies(SETTINGS[name], experiment.rung):
        return "–"
    return (
        ("on" if value else "off")
        if isinstance(value, bool)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _figure(run: Run) -> str:
    by_loss = run.experiment is not None and run.experiment.rung.metric == "val_loss"
    value = run.val_loss if by_loss else run.accuracy
    return "–" if value is None else f"{value:.4f}" if by_loss else f"{value:.2%}"


def many(runs: Sequence[Run]) -> None:
    """Parallel coordinates over the settings that vary among the runs of the table."""
    drawn = _of_one_ladder(runs)
    axes = varying(drawn)
    if len(drawn) < FEWEST or not axes:
        return
    by_loss = drawn[0].experiment is not None and drawn[0].experiment.rung.metric == "val_loss"
    metric = compare.Axis(
        "validation loss" if by_loss else "accuracy", [run.val_loss if by_loss else run.accuracy for run in drawn]
    )

    def chart() -> None:
        plot.chart(
            PAGE,
            "parallel",
            ("parallel", *((run.id, run.val_loss, run.accuracy) for run in drawn)),
            lambda: compare.parallel(axes, metric, by_loss, key="parallel"),
            "A line a run through its settings to its best figure.",
            "A line a run; blue did better. Drag along an axis to choose some.",
        )

    behind.fold(PAGE, "many", f"{len(drawn)} runs by their settings", ":material/timeline:", chart)


def _of_one_ladder(runs: Sequence[Run]) -> list[Run]:
    """Trainings with a figure, of the ladder most of them are of: the others have other settings."""
    known = [run for run in runs if run.experiment and run.kind == Kind.TRAIN and run.val_loss is not None]
    ladders = Counter(run.experiment.rung.ladder for run in known if run.experiment)
    most = max(ladders, key=lambda ladder: ladders[ladder], default="")
    return [run for run in known if run.experiment and run.experiment.rung.ladder == most]


def varying(runs: Sequence[Run], most: int = 7) -> list[compare.Axis]:
    """The settings that are not the same in all runs, the ones with most different values first."""
    experiments = [run.experiment for run in runs if run.experiment is not None]
    found: list[tuple[int, compare.Axis]] = []
    values: list[Any] = [listing.model_of(run) for run in runs]
    if len(set(values)) > 1:
        found.append((10**6, compare.Axis("model", values)))
    for name, setting in SETTINGS.items():
        values = [getattr(experiment, name) for experiment in experiments]
        if (count := len(set(values))) > 1:
            found.append((count, compare.Axis(setting.label, values, setting.scale == Scale.LOG)))
    return [axis for _, axis in sorted(found, key=lambda pair: -pair[0])[:most]]
