"""A run on a page: its transport, its numbers and its curves, redrawn only when there is something new."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from explorer.data import text
from explorer.errors import ExplorerError
from explorer.experiment import SETTINGS, Experiment, settings_of
from explorer.lecture.recorded import recording
from explorer.runs import queue
from explorer.runs.history import Snapshot
from explorer.runs.jobs import Job, Kind, State
from explorer.runs.store import ID
from explorer.training import checkpoint
from explorer.ui import app, controls, links, parts

POLL = 0.5  # seconds between looks at a running job
POLL_CROWDED = 1.0  # when many runs are on this server
LEFT = {"best": "this run's best weights", "final": "this run's last weights"}  # on disk, by name
SHOWN = {"char_rnn": (Kind.TRAIN, "language"), "cifar10": (Kind.TRAIN, "vision"), "batchnorm.race": (Kind.RACE, "")}
AT_WORK = ("going", "paused")  # the phases in which there is something to stop


@dataclass(frozen=True)
class Kept:
    """A run as it was written down: by this server, or recorded with the program."""

    id: str
    experiment: Experiment
    history: Snapshot
    state: str  #: how it ended; "recorded" for one that ships


def find(page: str) -> Job | None:
    """The page's run: this session's, or the one the link names."""
    job_id = st.session_state.get(f"{page}.job") or linked(page)
    job = queue.registry().find(job_id) if job_id else None
    if job is not None:
        st.session_state[f"{page}.job"] = job.id
    return job


def linked(page: str) -> str | None:
    """The id of the run the link names, where this page can show it to this visitor; else one notice says why not."""
    run_id = st.query_params.get("run")
    if not run_id:
        return None
    try:
        why_not = _hindrance(page, run_id)
    except ExplorerError as error:
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
    own = app.owner()
    if found.experiment is not None and found.owner != own and not text.may_see(found.experiment.data, own):
        return "That run learns from another visitor's own text, which only they see."
    return ""


def stored(page: str) -> Kept | None:
    """The run the link names, from disk: what is left of it after the server was restarted."""
    run_id = linked(page)
    if run_id is None or queue.registry().find(run_id):
        return None
    with parts.refusals():
        run = app.store().run(run_id)
        return Kept(run_id, run.experiment, app.store().history(run_id), run.state) if run else None
    return None


def weights(page: str, job: Job | None, experiment: Experiment, first: str) -> tuple[Path | None, str]:
    """The weights on disk that a page shows, and whose they are: its run's, be it live or read back, else those that
    ship. Without any, None and why.

    Args:
        first: which of a run's to look for before the others, "best" or "final".
    """
    run = job.id if job is not None else linked(page)
    if run is None:
        path = checkpoint.shipped(experiment.model)
        return (path, "the shipped weights") if path.exists() else (None, "No weights ship for this model; train it.")
    for which in sorted(LEFT, key=lambda which: which != first):
        path = app.store().weights(run, which)
        if path.exists():
            return path, LEFT[which]
    if job is not None and not job.ended:
        return None, "There will be something to see after the run's first epoch."
    return None, "This run left no weights behind."


def submit(
    page: str,
    experiment: Experiment,
    *,
    from_weights: Path | None = None,
    paused: bool = False,
    instead_of: Job | None = None,
) -> Job:
    """Start a run for this browser and remember it; ``instead_of`` an earlier one, which ends.

    Raises:
        ExplorerError: it cannot be started now.
    """
    app.engine().wait()
    from explorer.runs import train

    job = train.submit(experiment, app.owner(), app.store(), from_weights, paused, instead_of)
    st.session_state[f"{page}.job"] = job.id
    st.session_state[f"{page}.looked"] = (job.id, experiment)
    return job


def apply_live_changes(page: str, job: Job | None, experiment: Experiment) -> list[str]:
    """Send the owner's live settings that moved since this page last looked at this very run, each of them once.

    At the first look at a run, be it opened by a link, in a second tab or after a reload, nothing has moved yet.

    Returns:
        The labels of the settings in which the page differs from the run and that only a new run would use.
    """
    if job is None or job.ended or job.experiment is None:
        return []
    key = f"{page}.looked"
    if experiment.model != job.experiment.model:  # the sliders are another rung's
        st.session_state.pop(key, None)
        return ["Model"]
    run, before = st.session_state.get(key, ("", experiment))
    st.session_state[key] = (job.id, experiment)
    settings = list(settings_of(experiment.rung))
    if run == job.id and job.owner == app.owner():
        for name in (setting.name for setting in settings if setting.live):
            if getattr(experiment, name) != getattr(before, name):
                job.change(name, getattr(experiment, name))
    return [
        setting.label
        for setting in settings
        if not setting.live
        and getattr(experiment, setting.name) != getattr(job.experiment, setting.name)
        and (not setting.when or getattr(experiment, setting.when[0]) in setting.when[1])
    ]


def in_use(job: Job, experiment: Experiment) -> str:
    """The live settings that the run uses by now and the page's sliders do not show; "" where they agree."""
    if job.ended or job.experiment is None or job.experiment.model != experiment.model:
        return ""
    used = job.experiment.replace(**job.live)
    return ", ".join(
        f"{setting.label.lower()} {getattr(used, setting.name):g}"
        for setting in settings_of(experiment.rung)
        if setting.live and getattr(used, setting.name) != getattr(experiment, setting.name)
    )


def begins(job: Job | None, phase: str) -> str:
    """What the button reads that begins a run: it may end one's own first."""
    return "Restart" if phase in AT_WORK and job.owner == app.owner() else "Train"


def transport(page: str, experiment: Experiment, job: Job | None, phase: str, weights: Path | None = None) -> None:
    """Train, pause, one step, one epoch, stop, rewind and more, in one row; for the job's :func:`phase`."""
    going = phase in AT_WORK and job.owner == app.owner()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if st.button(
            begins(job, phase),
            type="primary",
            icon=":material/play_arrow:",
            key=f"{page}.train",
            shortcut="t",
            help="Train from fresh weights with the settings on the left.",
        ):
            _begin(page, experiment, job)
        if going and phase == "paused":
            if st.button("Resume", icon=":material/play_pause:", key=f"{page}.resume", shortcut="p"):
                job.resume()
                st.rerun()
        elif st.button("Pause", icon=":material/pause:", key=f"{page}.pause", disabled=not going, shortcut="p"):
            job.pause()
            st.rerun()
        if st.button("1 step", icon=":material/skip_next:", key=f"{page}.step", shortcut="n"):
            _advance(page, experiment, job if going else None, steps=1)
        if st.button("1 epoch", icon=":material/fast_forward:", key=f"{page}.epoch", shortcut="e"):
            _advance(page, experiment, job if going else None, until_epoch=True)
        if st.button("Stop", icon=":material/stop:", key=f"{page}.stop", disabled=not going, shortcut="s"):
            job.stop()
            st.rerun()
        if st.button(
            "Rewind",
            icon=":material/replay:",
            key=f"{page}.rewind",
            shortcut="w",
            help="Back to the very same initial weights, holding before the first step.",
        ):
            _begin(page, experiment, job, paused=True)
        with st.popover("More", icon=":material/more_horiz:", key=f"{page}.more"):
            go_on = _more(page, experiment, weights)
        if go_on:
            _begin(page, experiment, job, from_weights=weights)


def _more(page: str, experiment: Experiment, weights: Path | None) -> bool:
    """What one wants less often: another seed, and whether to go on from the weights that ship."""
    if st.button(
        "New seed", icon=":material/casino:", key=f"{page}.seed", help="Other initial weights, other batches."
    ):
        controls.put(page, experiment.replace(seed=(experiment.seed + 1) % (int(SETTINGS["seed"].high) + 1)))
        st.rerun()
    return (
        weights is not None
        and weights.exists()
        and st.button(
            "Go on from the shipped weights",
            icon=":material/model_training:",
            key=f"{page}.continue",
            help="Load the weights that ship and train them further.",
        )
    )


def _begin(page: str, experiment: Experiment, shown: Job | None, **how: Any) -> None:
    """Start a run instead of the one shown and draw the page anew, or say why not."""
    with parts.refusals():
        submit(page, experiment, instead_of=shown, **how)
        st.rerun()


def _advance(page: str, experiment: Experiment, job: Job | None, **how: Any) -> None:
    with parts.refusals():
        job = job or submit(page, experiment, paused=True)
        job.resume(**how)
        st.rerun()


def phase(job: Job | None) -> str:
    """What the buttons of a run depend on: "none", "going", "paused" or "ended"."""
    if job is None:
        return "none"
    return "ended" if job.ended else "paused" if job.state == State.PAUSED else "going"


def panel(page: str, job: Job, draw: Callable[[Job], None], drawn_for: str) -> None:
    """``draw(job)`` again and again while the job is at work; the timer stops with the job.

    Args:
        drawn_for: the job's :func:`phase` before its buttons were drawn. They lie outside what is redrawn here, so
            that the whole page runs again when the phase is another one by now, be it a moment later.
    """
    crowded = sum(1 for _ in queue.running()) > 20
    every = None if drawn_for == "ended" else POLL_CROWDED if crowded else POLL

    @st.fragment(run_every=every, key=f"{page}.live")
    def live() -> None:
        job.touch()
        draw(job)
        if phase(job) != drawn_for:
            st.rerun()

    live()


def progress(job: Job, note: str = "") -> None:
    """State, place in the queue, progress, pace, time left and a ``note`` in one row."""
    with st.container(horizontal=True, vertical_alignment="center"):
        parts.state_badge(job.state, job.message)
        if job.owner != app.owner():
            st.badge("somebody else's run: you are watching", icon=":material/visibility:", color="gray")
        if job.state == State.QUEUED:
            st.caption(parts.escape(job.waits_for()), width="content")
            for other in job.before():
                if other.owner == app.owner():
                    st.button(
                        f"Stop {parts.escape(other.title)}",
                        icon=":material/stop:",
                        on_click=other.stop,
                        key=f"{job.id}.instead.{other.id}",
                    )
        elif not job.ended:
            st.caption(" · ".join(_advancement(job)), width="content")
            st.progress(min(1.0, job.progress))
        if note:
            st.caption(note, width="content")


def _advancement(job: Job) -> list[str]:
    """How far a run is; while it really runs also how fast, and for how long."""
    said = [f"{job.progress:.0%}"]
    if job.state == State.RUNNING:
        said += [pace(job.rate)] if job.rate else []
        said += [f"about {parts.seconds(job.eta)} left"] if job.eta is not None else []
    return said


def pace(rate: float) -> str:
    """Steps a second in words; seconds a step where one takes longer than that."""
    if rate < 0.95:
        return f"{1 / rate:,.0f} s a step"
    steps = f"{rate:,.0f}"
    return f"{steps} step{'' if steps == '1' else 's'}/s"


def kept(page: str, experiment: Experiment) -> Kept | None:
    """What a page without a job draws: the run the link names, else the one recorded for its rung, if any."""
    if (found := stored(page)) is not None:
        return found
    recorded = recording(experiment.model)
    return Kept(f"recorded-{experiment.model}", recorded.experiment, recorded.history, "recorded") if recorded else None
