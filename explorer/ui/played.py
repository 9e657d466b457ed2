"""The weights that a training page plays: the visitor's own, or those of the run it shows, as it left them or as they
were at a cycle's end, else those that ship."""

from pathlib import Path
from typing import Any

import streamlit as st

from explorer.errors import ExplorerError, log_detail
from explorer.experiment import Experiment
from explorer.jobs.courtesy import COURTESY
from explorer.jobs.job import Job
from explorer.store.store import Which, cycle
from explorer.training import checkpoint, own_weights, schedules
from explorer.ui import app, internals, links, live, parts, state

LEFT = {Which.BEST: "this run's best weights", Which.FINAL: "this run's last weights"}  # on disk
LATEST = "latest"  # the slider's last stop: not a cycle's end, but the weights a page plays without it


def weights(page: str, job: Job[Any] | None, experiment: Experiment, first: Which) -> tuple[Path | None, str]:
    """The weights on disk that a page plays, and whose they are: the visitor's own, its run's, be it live or read back,
    else those that ship. Without any, None and why.

    Args:
        first: which of a run's to look for before the others, where no cycle is chosen.
    """
    if (brought := own(page, experiment)) is not None:
        return brought, own_weights.WORDS
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


def own(page: str, experiment: Experiment) -> Path | None:
    """The visitor's own weights, where they are what is played."""
    mine = state.training(page).played.own == experiment.model
    return own_weights.find(experiment.model, app.owner()) if mine else None


def chosen(page: str, experiment: Experiment, job: Job[Any] | None) -> bool:
    """Whether the visitor chose what is played: a cycle, or weights of their own."""
    return after(page, job) is not None or own(page, experiment) is not None


def at_work(page: str, experiment: Experiment, job: Job[Any] | None) -> Job[Any] | None:
    """The run at work, where it is that which is asked, as it is between two steps; None where a file is played."""
    return job if job is not None and not job.ended and not chosen(page, experiment, job) else None


def after(page: str, job: Job[Any] | None) -> int | None:
    """The cycle of the shown run at whose end its weights are played, as :func:`slider` has it; None for the latest."""
    at = state.training(page).played.cycle
    return at[1] if at is not None and at[0] == _run(page, job) else None


def choice(page: str, experiment: Experiment, job: Job[Any] | None, latest: str) -> None:
    """Which weights everything below plays: the slider through the run's cycles, or a file of the visitor's own.

    Args:
        latest: what the weights are that are played after the slider's last stop, once the run has ended.
    """
    here = state.training(page).played
    mine = own(page, experiment) is not None
    with st.container(horizontal=True, vertical_alignment="center" if mine else "bottom"):
        if not mine:
            slider(page, experiment, job, latest)
        else:
            here.cycle = None
            st.badge("Playing your own weights", icon=":material/person:", color="blue")
            key = state.key(page, "own-away")
            st.button("Put away", icon=":material/close:", key=key, on_click=_turn, args=(page, ""))
        _popover(page, experiment)


def _turn(page: str, own: str) -> None:
    here = state.training(page).played
    here.own, here.moved = own, True


def _popover(page: str, experiment: Experiment) -> None:
    """A file to be loaded, and what was loaded before."""
    here, model = state.training(page), experiment.model
    fold = st.popover("Load weights", icon=":material/upload_file:", key=here.key("own"), on_change="rerun")
    if not fold.open:
        here.played.refused = ""
        return
    with fold:
        if here.played.refused:
            st.error(parts.escape(here.played.refused), icon=":material/error:")
        parts.cookies_for_files()
        widget = here.key("own-file", here.played.loads)
        st.file_uploader(
            f"Weights for {experiment.rung.title}, as it is set: a .safetensors file",
            type=["safetensors"],
            key=widget,
            on_change=_load,
            args=(page, widget),
            max_upload_size=parts.upload_limit(own_weights.LARGEST),
        )
        st.caption("Everything below then plays them, and *More* trains them further. Only you see them.")
        if own_weights.find(model, app.owner()) is not None:
            with st.container(horizontal=True):
                if here.played.own != model and st.button(
                    "Play mine", icon=":material/play_circle:", key=here.key("own-play")
                ):
                    _turn(page, model)
                    st.rerun()
                if st.button("Remove them", icon=":material/delete:", key=here.key("own-remove")):
                    own_weights.remove(model, app.owner())
                    _turn(page, "")
                    st.rerun()


def _load(page: str, widget: str) -> None:
    """Callback: keep the file and play it; a bad one is named and changes nothing."""
    here, file = state.training(page).played, state.widget(widget, None)
    experiment = state.training(page).experiment  # as it is set by now
    if file is None or experiment is None:
        return
    here.loads += 1  # the next uploader is empty
    here.refused = ""
    try:
        app.engine().wait()
        own_weights.keep(file.getvalue(), file.name, experiment, app.owner())
    except ExplorerError as error:
        log_detail(error)
        here.refused = str(error)
    else:
        _turn(page, experiment.model)
        state.place(page).set("own", False)  # closed, as what is below is to be seen
    internals.forget_uploads([file])


def slider(page: str, experiment: Experiment, job: Job[Any] | None, latest: str) -> None:
    """Through the shown run's cycles, where the weights of two or more were kept; see :func:`choice`."""
    here, run = state.training(page), _run(page, job)
    before, here.played.cycle = here.played.cycle, None
    if run is None:
        return
    kept = app.store().snapshots(run)
    ends = schedules.cycle_ends(live.shown(page, experiment, job)[2])
    going = job is not None and not job.ended
    if going and len(ends) > 1:
        _wait_for_more(page, run, len(kept))
    stops = [*(number for number in kept if number < len(ends)), LATEST]
    if len(stops) < 3:
        return

    def words(stop: int | str) -> str:
        if isinstance(stop, int):
            return f"cyc_{stop} · epoch {ends[stop]}"
        return "now" if going else latest

    stop = st.select_slider(
        "Weights after cycle",
        stops,
        format_func=words,
        key=links.bound("cycle", here.key("after", run, len(kept)), links.one_of(stops), LATEST),
        on_change=COURTESY.expect,
        help="Kept at each end of a cycle, as the lecture's `on_cycle_end` does. Everything below that asks the model "
        "asks the one of that moment.",
    )
    here.played.cycle = now = (run, stop if isinstance(stop, int) else None)
    if before is not None and before != now and before[0] == run:
        here.played.moved = True


def _wait_for_more(page: str, run: str, kept: int) -> None:
    """Draw the page anew when a run at work has come to the end of a cycle and there is a stop more to go to."""

    @st.fragment(run_every=live.POLL_CROWDED, key=state.place(page).key("cycles"))
    def look() -> None:
        if len(app.store().snapshots(run)) > max(kept, 1):
            live.redraw()

    look()


def _run(page: str, job: Job[Any] | None) -> str | None:
    return job.id if job is not None else live.linked(page)
