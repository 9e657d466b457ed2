"""The weights that a training page plays: of the run it shows, as it left them or as they were at a cycle's end, else
those that ship."""

from pathlib import Path
from typing import Any

import streamlit as st

from explorer.experiment import Experiment
from explorer.runs.courtesy import COURTESY
from explorer.runs.jobs import Job
from explorer.runs.store import Which, cycle
from explorer.training import checkpoint, schedules
from explorer.ui import app, links, live, state

LEFT = {Which.BEST: "this run's best weights", Which.FINAL: "this run's last weights"}  # on disk
LATEST = "latest"  # the slider's last stop: not a cycle's end, but the weights a page plays without it


def weights(page: str, job: Job[Any] | None, experiment: Experiment, first: Which) -> tuple[Path | None, str]:
    """The weights on disk that a page plays, and whose they are: its run's, be it live or read back, else those that
    ship. Without any, None and why.

    Args:
        first: which of a run's to look for before the others, where no cycle is chosen.
    """
    run = _run(page, job)
    if run is None:
        path = checkpoint.shipped(experiment.model)
        return (path, "the shipped weights") if path.exists() else (None, "No weights ship for this model; train it.")
    if (number := after(page, job)) is not None:
        path = app.store().weights(run, cycle(number))
        if path.exists():
            return path, f"this run's weights after cycle {number}"
    for which in sorted(LEFT, key=lambda which: which != first):
        path = app.store().weights(run, which)
        if path.exists():
            return path, LEFT[which]
    if job is not None and not job.ended:
        return None, "There will be something to see after the run's first epoch."
    return None, "This run left no weights behind."


def after(page: str, job: Job[Any] | None) -> int | None:
    """The cycle of the shown run at whose end its weights are played, as :func:`slider` has it; None for the latest."""
    chosen = state.training(page).played.cycle
    return chosen[1] if chosen is not None and chosen[0] == _run(page, job) else None


def slider(page: str, experiment: Experiment, job: Job[Any] | None, latest: str) -> None:
    """Through the shown run's cycles, where the weights of two or more were kept; what plays weights follows it.

    Args:
        latest: what the weights are that are played after the last stop, once the run has ended.
    """
    here, run = state.training(page), _run(page, job)
    before, here.played.cycle, here.played.moved = here.played.cycle, None, False
    if run is None:
        return
    kept = app.store().snapshots(run)
    ends = schedules.cycle_ends(live.shown(page, experiment, job)[2])
    at_work = job is not None and not job.ended
    if at_work and len(ends) > 1:
        _wait_for_more(page, run, len(kept))
    stops = [*(number for number in kept if number < len(ends)), LATEST]
    if len(stops) < 3:
        return

    def words(stop: int | str) -> str:
        if isinstance(stop, int):
            return f"cyc_{stop} · epoch {ends[stop]}"
        return "now" if at_work else latest

    chosen = st.select_slider(
        "Weights after cycle",
        stops,
        format_func=words,
        key=links.bound("cycle", here.key("after", run, len(kept)), links.one_of(stops), LATEST),
        on_change=COURTESY.expect,
        help="Kept at each end of a cycle, as the lecture's `on_cycle_end` does. Everything below that asks the model "
        "asks the one of that moment.",
    )
    now = (run, chosen if isinstance(chosen, int) else None)
    here.played.cycle, here.played.moved = now, before is not None and before != now and before[0] == run


def _wait_for_more(page: str, run: str, kept: int) -> None:
    """Draw the page anew when a run at work has come to the end of a cycle and there is a stop more to go to."""

    @st.fragment(run_every=live.POLL_CROWDED, key=state.place(page).key("cycles"))
    def look() -> None:
        if len(app.store().snapshots(run)) > max(kept, 1):
            st.rerun()

    look()


def _run(page: str, job: Job[Any] | None) -> str | None:
    return job.id if job is not None else live.linked(page)
