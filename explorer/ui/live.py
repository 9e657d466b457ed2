"""A job on a page: which it is, its buttons, how far it is; redrawn only while there is something new."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import streamlit as st

from explorer.data import text
from explorer.errors import ExplorerError, log_detail
from explorer.experiment import Experiment
from explorer.jobs import queue
from explorer.jobs.job import Job
from explorer.ladders import Ladder, Page
from explorer.lecture.recorded import recording
from explorer.store.history import Snapshot
from explorer.store.index import ID
from explorer.store.words import Kind, State
from explorer.ui import app, internals, links, parts, state

POLL = 0.5  # seconds between looks at a running job
POLL_CROWDED = 1.0  # when many runs are on this server
SHOWN = {
    Page.CHAR_RNN: (Kind.TRAIN, Ladder.LANGUAGE),
    Page.CIFAR10: (Kind.TRAIN, Ladder.VISION),
    state.RACE: (Kind.RACE, None),
}


class Phase(StrEnum):
    """What the buttons of a job depend on."""

    NONE = "none"  #: there is no job
    GOING = "going"  #: waiting, running or stopping
    PAUSED = "paused"
    ENDED = "ended"


AT_WORK = (Phase.GOING, Phase.PAUSED)  # in which there is something to stop


@dataclass(frozen=True)
class Kept:
    """A run as it was written down: by this server, or recorded with the program."""

    id: str
    experiment: Experiment
    history: Snapshot
    state: str  #: how it ended; "recorded" for one that ships
    begun_from: str = ""  #: the weights it began with, in words; "" for fresh ones
    may_go_on: bool = False  #: whether this visitor may continue it


def find(page: str) -> Job[Any] | None:
    """The page's run: this session's, or the one the link names."""
    here = state.place(page)
    job_id = here.job or linked(page)
    job = queue.registry().find(job_id) if job_id else None
    if job is not None:
        here.job = job.id
    return job


def own(page: str) -> Job[Any] | None:
    """The job of a place: this session's; in a new one, as after a reload, what this browser started there last."""
    here = state.place(page)
    if here.job is None:
        last = queue.registry().last_at(page, app.owner())
        here.job = last.id if last else ""
    return queue.registry().find(here.job) if here.job else None


def remember(page: str, job: Job[Any]) -> None:
    """Have a place show a job, in this session and in those that come after it."""
    job.place = page
    state.place(page).job = job.id


def leave(page: str) -> None:
    """Show a page's run no longer, unless it is at work: what its settings stand for is shown instead."""
    here = state.training(page)
    job = queue.registry().find(here.job) if here.job else None
    if job is None or job.ended:
        here.job = None
        st.query_params.pop("run", None)
        here.address = links.of_experiment()


def linked(page: str) -> str | None:
    """The id of the run the link names, where this page can show it to this visitor; else one notice says why not."""
    run_id = st.query_params.get("run")
    if not run_id:
        return None
    try:
        why_not = _hindrance(page, run_id)
    except ExplorerError as error:
        log_detail(error)
        why_not = str(error)
    if why_not:
        links.tell([f"From the link: {why_not} Ignored."])
        return None
    return run_id


def _hindrance(page: str, run_id: str) -> str:
    """Why a page cannot show a run to this visitor; empty if it can. Nothing is looked for before it looks like an id.

    Raises:
        ExplorerError: the record of runs cannot be read.
    """
    found = None
    if ID.fullmatch(run_id):
        found = queue.registry().find(run_id) or app.store().run(run_id)
    if found is None:
        return "There is no such run on this server."
    kind, ladder = SHOWN[page]
    if found.kind != kind or (ladder and (found.experiment is None or found.experiment.rung.ladder != ladder)):
        return "That run is not of a kind that this page shows."
    if found.experiment is not None and not text.may_see(found.experiment.data, app.owner()):
        return "That run learns from another visitor's own text, which only they see."
    return ""


def stored(page: str) -> Kept | None:
    """The run the link names, from disk: what is left of it after the server was restarted."""
    run_id = linked(page)
    if run_id is None or queue.registry().find(run_id):
        return None
    with parts.refusals():
        run = app.store().run(run_id)
        if run and run.experiment:
            mine = run.owner == app.owner() and app.store().bookmark(run_id).exists()
            return Kept(run_id, run.experiment, app.history(run_id, run.updated), run.state, run.begun_from, mine)
    return None


def phase(job: Job[Any] | None) -> Phase:
    """What the buttons of a job depend on."""
    if job is None:
        return Phase.NONE
    return Phase.ENDED if job.ended else Phase.PAUSED if job.state == State.PAUSED else Phase.GOING


def to_stop(job: Job[Any] | None, drawn_for: Phase) -> Job[Any] | None:
    """The job, if it is the visitor's own and was at work when its phase was asked for."""
    return job if job is not None and drawn_for in AT_WORK and job.owner == app.owner() else None


def start_stop(
    page: str,
    label: str,
    submit: Callable[[Job[Any] | None], Job[Any]],
    *,
    again: str | None = None,
    icon: str = ":material/play_arrow:",
    word: str = "start",
    disabled: bool = False,
    stop_greyed: bool = True,
    holds: bool = False,
    shortcuts: bool = False,
) -> tuple[Job[Any] | None, Phase]:
    """The buttons that start, hold and stop a page's or a section's job, in the row that the caller has opened.

    A press submits or stops and draws the page anew; what is refused is said beside the buttons. The job is found
    again by :func:`own` at the next run of the page, also after a reload, and drawn with :func:`panel`.

    Args:
        page: the place that remembers the job, by its name.
        submit: takes the job there was before, which the new one may replace, and returns the new one, submitted.
        again: what the first button reads while its owner's job is at work; "" leaves it out meanwhile.
        word: names the first button's widget.
        stop_greyed: whether Stop is there, greyed, while there is nothing to stop.
        holds: whether it can be paused meanwhile.
        shortcuts: T, P and S press them.

    Returns:
        The job, if any, and the phase that the buttons were drawn for.
    """
    here, job = state.place(page), own(page)
    drawn_for = phase(job)
    going = to_stop(job, drawn_for)
    reads = again if going and again is not None else label
    if going and holds:
        hold(here, going, drawn_for, shortcut="p" if shortcuts else None)
    if reads and st.button(
        reads,
        type="secondary" if going else "primary",
        icon=icon,
        key=here.key(word),
        disabled=disabled,
        shortcut="t" if shortcuts else None,
    ):
        with parts.refusals():
            remember(page, submit(job))
            st.rerun()
    if going or stop_greyed:
        stop(here, going, shortcut="s" if shortcuts else None)
    return job, drawn_for


def hold(here: state.Place, going: Job[Any], drawn_for: Phase, shortcut: str | None = "p") -> None:
    """The button that holds a place's job or lets it go on: while a job is at work, it is the coloured one."""
    paused = drawn_for == Phase.PAUSED
    if st.button(
        "Resume" if paused else "Pause",
        type="primary",
        icon=":material/play_arrow:" if paused else ":material/pause:",
        key=here.key("resume" if paused else "pause"),
        shortcut=shortcut,
    ):
        if paused:
            going.resume()
        else:
            going.pause()
        st.rerun()


def stop(here: state.Place, going: Job[Any] | None, shortcut: str | None = "s") -> None:
    """The button that stops a place's job; greyed without one to stop."""
    key = here.key("stop")
    if st.button("Stop", icon=":material/stop:", key=key, disabled=going is None, shortcut=shortcut) and going:
        going.stop()
        st.rerun()


def panel(page: str, job: Job[Any], draw: Callable[[Job[Any]], None], drawn_for: Phase, part: str = "live") -> None:
    """``draw(job)`` again and again while the job is at work; the timer stops with the job.

    Args:
        part: tells several panels of a page apart.
        drawn_for: the job's :func:`phase` before its buttons were drawn. They lie outside what is redrawn here, so
            that the whole page runs again when the phase is another one by now, be it a moment later.
    """
    crowded = sum(1 for _ in queue.running()) > 20
    every = None if drawn_for == Phase.ENDED else POLL_CROWDED if crowded else POLL

    @st.fragment(run_every=every, key=state.place(page).key(part))
    def live() -> None:
        job.touch()
        draw(job)
        if phase(job) != drawn_for:
            redraw()

    live()


def redraw() -> None:
    """From a fragment: draw the whole page anew; the next time where that would lose a click."""
    if not internals.unheard():
        st.rerun()


def recorded_id(experiment: Experiment) -> str:
    """What tells the run recorded for a rung from those of visitors; no id of theirs looks like it."""
    return f"recorded-{experiment.model}"


def kept(page: str, experiment: Experiment) -> Kept | None:
    """What a page without a job draws: the run the link names, else the one recorded for its rung, if any."""
    if (found := stored(page)) is not None:
        return found
    recorded = recording(experiment.model)
    return Kept(recorded_id(experiment), recorded.experiment, recorded.history, "recorded") if recorded else None


def shown(page: str, experiment: Experiment, job: Job[Any] | None) -> tuple[str, Snapshot, Experiment]:
    """The run on a page, live, read back or recorded: its id, its history and what it trained; "none" without one."""
    if job is not None:
        return job.id, job.history.snapshot(), job.experiment or experiment
    found = kept(page, experiment)
    return (found.id, found.history, found.experiment) if found else ("none", Snapshot({}, ()), experiment)
