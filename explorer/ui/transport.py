"""The buttons of a training run, from Train to Rewind, and what the sliders beside them send to it."""

from pathlib import Path
from typing import Any

import streamlit as st

from explorer.errors import StorageError
from explorer.experiment import SETTINGS, Experiment, settings_of
from explorer.jobs.job import Job
from explorer.training import own_weights
from explorer.ui import app, live, parts, presets, state
from explorer.ui.live import Phase


def submit(
    page: str,
    experiment: Experiment,
    *,
    from_weights: Path | None = None,
    paused: bool = False,
    instead_of: Job[Any] | None = None,
) -> Job[Any]:
    """Start a run for this browser and remember it; ``instead_of`` an earlier one, which ends.

    Raises:
        ExplorerError: it cannot be started now.
    """
    app.engine().wait()
    from explorer.runs import allowed, train
    from explorer.training import memory

    allowed.ask(experiment, app.owner())
    memory.ask(experiment)  # now, and not when its turn has come
    job = train.submit(experiment, app.owner(), app.store(), from_weights, paused, instead_of)
    here = state.training(page)
    here.played.own = ""  # what the new run learns is what there is to see
    here.job, here.looked, here.trying = job.id, (job.id, experiment), None
    return job


def go_on(page: str, run_id: str, experiment: Experiment, word: str = "go-on") -> None:
    """The button that continues a run of one's own where it was left, if it left a bookmark."""
    if app.store().bookmark(run_id).exists() and st.button(
        "Continue",
        icon=":material/resume:",
        key=state.key(page, word, run_id),
        help="Go on where it was left, in mid-epoch: the result is the same as if it had never been interrupted.",
    ):
        with parts.refusals():
            app.engine().wait()
            from explorer.runs import train

            run = app.store().run(run_id)
            if run is None:
                raise StorageError("That run is not there any more.")
            train.submit_again(run, app.store(), app.owner())
            state.open(page, experiment, run_id)


def apply_live_changes(page: str, job: Job[Any] | None, experiment: Experiment) -> list[str]:
    """Send the owner's live settings that moved since this page last looked at this very run, each of them once.

    At the first look at a run, be it opened by a link, in a second tab or after a reload, nothing has moved yet.

    Returns:
        The labels of the settings in which the page differs from the run and that only a new run would use.
    """
    if job is None or job.ended or job.experiment is None:
        return []
    here = state.training(page)
    if experiment.model != job.experiment.model:  # the sliders are another rung's
        here.looked = None
        return ["Model"]
    run, before = here.looked or ("", experiment)
    here.looked = (job.id, experiment)
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


def in_use(job: Job[Any], experiment: Experiment) -> str:
    """The live settings that the run uses by now and the page's sliders do not show; "" where they agree."""
    if job.ended or job.experiment is None or job.experiment.model != experiment.model:
        return ""
    used = job.experiment.replace(**job.live)
    return ", ".join(
        f"{setting.label.lower()} {getattr(used, setting.name):g}"
        for setting in settings_of(experiment.rung)
        if setting.live and getattr(used, setting.name) != getattr(experiment, setting.name)
    )


def begins(job: Job[Any] | None, phase: Phase) -> str:
    """What the button reads that begins a run: it may end one's own first."""
    return "Restart" if live.to_stop(job, phase) else "Train"


def transport(
    page: str, experiment: Experiment, job: Job[Any] | None, phase: Phase, weights: Path | None = None
) -> None:
    """Train or hold, one step, one epoch, stop, and what is rarer in a menu: one row, for the job's :func:`live.phase`.

    The coloured button is the one that is wanted next: Train without a run at work, else Pause or Resume.
    """
    here, going = state.training(page), live.to_stop(job, phase)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=here.key("transport")):
        if going:
            live.hold(here, going, phase)
        else:
            _train(page, experiment, job, phase)
        if st.button("1 step", icon=":material/skip_next:", key=here.key("step"), shortcut="n"):
            _advance(page, experiment, going, steps=1)
        if st.button("1 epoch", icon=":material/fast_forward:", key=here.key("epoch"), shortcut="e"):
            _advance(page, experiment, going, until_epoch=True)
        live.stop(here, going)
        if going:
            _train(page, experiment, job, phase)
        presets.menu(page, experiment)
        with st.popover("More", icon=":material/more_horiz:", key=here.key("more")):
            how = _more(page, experiment, weights)
        if how is not None:
            _begin(page, experiment, job, **how)


def _train(page: str, experiment: Experiment, job: Job[Any] | None, phase: Phase) -> None:
    """The button that begins a run; coloured unless that ends another."""
    word = begins(job, phase)
    if st.button(
        word,
        type="primary" if word == "Train" else "secondary",
        icon=":material/play_arrow:" if word == "Train" else ":material/restart_alt:",
        key=state.training(page).key("train"),
        shortcut="t",
        help="Train from fresh weights with what is set.",
    ):
        _begin(page, experiment, job)


def _more(page: str, experiment: Experiment, weights: Path | None) -> dict[str, Any] | None:
    """What one wants less often: the same start again, another one, or one from the weights that ship.

    Returns:
        How a run is to begin, for :func:`submit`, where one is wanted.
    """
    here = state.training(page)
    rewind = st.button(
        "Rewind",
        icon=":material/replay:",
        key=here.key("rewind"),
        help="Back to the very same initial weights, holding before the first step.",
    )
    if st.button(
        "New seed", icon=":material/casino:", key=here.key("seed"), help="Other initial weights, other batches."
    ):
        here.put(experiment.replace(seed=(experiment.seed + 1) % (int(SETTINGS["seed"].high) + 1)))
        st.rerun()
    shipped = weights is not None and weights.exists()
    if shipped and st.button(
        "Go on from the shipped weights",
        icon=":material/model_training:",
        key=here.key("continue"),
        help="Load the weights that ship and train them further.",
    ):
        return {"from_weights": weights}
    mine = own_weights.find(experiment.model, app.owner())
    if mine is not None and st.button(
        "Go on from your own weights",
        icon=":material/person:",
        key=here.key("continue-own"),
        help="Load the weights that you brought for this network and train them further.",
    ):
        return {"from_weights": mine}
    return {"paused": True} if rewind else None


def _begin(page: str, experiment: Experiment, shown: Job[Any] | None, **how: Any) -> None:
    """Start a run instead of the one shown and draw the page anew, or say why not."""
    with parts.refusals():
        submit(page, experiment, instead_of=shown, **how)
        st.rerun()


def _advance(page: str, experiment: Experiment, job: Job[Any] | None, **how: Any) -> None:
    with parts.refusals():
        job = job or submit(page, experiment, paused=True)
        job.resume(**how)
        st.rerun()
