"""Where can a network be trained at all? A map of learning rates and depths, with and without BatchNorm."""

from typing import Any

import numpy as np
import streamlit as st

from explorer.experiment import Norm
from explorer.figures.batchnorm import rate_depth_map
from explorer.jobs import queue
from explorer.jobs.calls import call
from explorer.jobs.job import Job
from explorer.ladders import UNTRAINED, Page
from explorer.lecture import inside
from explorer.runs import grid, outcome
from explorer.runs.grid import GridView
from explorer.store.words import Kind, State
from explorer.ui import app, behind, links, live, parts, plot, runbar, state, steps, sweeping

PAGE = "batchnorm.map"
STEPS = (20, 40, 80, 160)


@st.fragment
def show() -> None:
    """The whole section. Its controls draw nothing else anew."""
    cells = len(grid.NORMS) * len(grid.DEPTHS) * len(grid.RATES)
    st.markdown(
        f"{cells} short runs from fresh weights on the same batches. Green: it learnt something. Grey: it still "
        "guesses, or broke. Does BatchNorm, on the right, take deeper networks and higher rates?"
    )
    here = state.place(PAGE)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        job, phase = live.start_stop(
            PAGE,
            "Fill the map",
            lambda before: submit(here.value("steps", grid.STEPS), before),
            icon=":material/grid_on:",
        )
        st.select_slider(
            "Steps a cell",
            STEPS,
            key=links.bound("steps", here.key("steps"), links.one_of(STEPS), grid.STEPS),
            persist_state="session",
            width=260,
            help="More steps tell more and take longer; 80 take about a minute on two CPU cores.",
        )
    if job is not None:
        live.panel(PAGE, job, _draw, phase)
    elif (kept := inside.recorded()) is not None:
        parts.recorded(kept.device, "Fill the map")
        _chart("recorded", (), kept.grid)
        st.info(f"**Recorded.** {parts.escape(verdict(kept.grid))}", icon=":material/balance:")
        parts.source_note(kept.source)
    behind.fold(PAGE, "sweep", "As whole runs, recorded", ":material/grid_on:", _as_sweep)
    behind.how(PAGE, _how)


def _as_sweep() -> None:
    st.caption("The same networks as whole runs on pictures of full size, validated and recorded: a sweep.")
    count = state.place(PAGE).value("steps", grid.STEPS)
    plan = grid.plan(count)
    if (group := sweeping.latest(plan)) is None or group.state != State.RUNNING:
        sweeping.announce(plan)
        with parts.refusals():
            if st.button(
                "Train them all" if group is None else "Train them all again",
                type="primary" if group is None else "secondary",
                icon=":material/play_arrow:",
                key=state.key(PAGE, "begin-sweep"),
            ):
                sweeping.begin(plan)
                st.rerun()
    if group is not None:
        sweeping.show(PAGE, group)
        sweeping.go_on(PAGE, group)
        if st.button("On the Runs page", icon=":material/open_in_new:", key=state.key(PAGE, "open-sweep")):
            state.open(Page.RUNS, runs=group.id)
    st.caption("Or in the terminal:")
    st.code(grid.command(count), language="bash", wrap_lines=True)


def _how() -> None:
    parts.code(grid.template, "The network of a cell; depth, rate and normalisation are the cell's own.")
    parts.code(grid.cells)


def submit(steps: int = grid.STEPS, instead_of: Job[Any] | None = None, **options: Any) -> Job[GridView]:
    """One background job for the whole map."""
    work = call(grid.work, steps=steps, **options)
    job: Job[GridView] = Job(Kind.MAP, "Rate × depth", work, app.owner())
    made = outcome.recorded(job, app.store(), outcome.of_map, ["builder"], {"steps": steps})
    return queue.registry().submit(made, instead_of)


def _draw(job: Job[GridView]) -> None:
    stamp = job.stamp
    runbar.status(job)
    parts.problem(job)
    view = job.result
    if view is None:
        st.caption("The first cells take a moment: the pictures are being read.")
        return
    _chart(job.id, stamp, view)
    if view.done:
        steps.did(Page.BATCHNORM, "grid")
        text = verdict(view)
        if job.ended:
            st.info(f"**Measured here.** {parts.escape(text)}", icon=":material/balance:")
        else:
            st.caption(text)
    parts.source_note(view.source)


def _chart(run: str, stamp: state.Stamp, view: GridView) -> None:
    with st.container(border=True):
        plot.chart(
            PAGE,
            "map",
            (run, *stamp),
            lambda: rate_depth_map(view, key=run),
            "Loss reached for each learning rate and depth, without BatchNorm on the left and with it on the right.",
            f"Training loss after {view.steps} steps, in nats; guessing costs 2.30. Small pictures, narrow networks.",
        )


def verdict(view: GridView) -> str:
    """How many cells learnt something, on either side, and how deep and fast."""
    ran = ~np.isnan(view.loss)
    learnt = view.trainable(UNTRAINED) & ran
    said = []
    for number, norm in enumerate(view.norms):
        name = "Without BatchNorm" if norm == Norm.NONE else "With BatchNorm"
        words = f"{name} {learnt[number].sum()} of {ran[number].sum()} cells got below {UNTRAINED}"
        if learnt[number].any():
            rows, columns = np.nonzero(learnt[number])
            words += (
                f", down to {view.stages * view.depths[rows.max()]} layers and up to a rate of "
                f"{view.rates[columns.max()]:g}"
            )
        said.append(words + ".")
    return " ".join(said)
