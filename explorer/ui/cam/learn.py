"""Training on classes of one's own on the CAM page: the button, the curve, what was measured, and unfreezing."""

import math
from collections.abc import Mapping, Sequence

import streamlit as st

from explorer.cam.classifier import clean_name, shipped
from explorer.cam.head import check
from explorer.data.photos import Photo
from explorer.errors import ExplorerError
from explorer.figures.cam import head_training
from explorer.jobs import queue
from explorer.jobs.calls import call
from explorer.jobs.job import Job
from explorer.ladders import Page
from explorer.runs import outcome
from explorer.runs.own_classes import Learnt, Trained, tune, work
from explorer.store.words import Kind
from explorer.ui import app, internals, live, parts, plot, runbar, state, steps
from explorer.ui.cam.networks import OWN
from explorer.ui.kept import OwnClass
from explorer.ui.runbar import Number

RATES = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2]
Photos = Mapping[str, tuple[Photo, ...]]  # a class's name to its photos


def show() -> None:
    """The button, the job, and what came out."""
    here = state.cam_classes()
    wanted = {own.name: tuple(own.photos) for own in here.classes}
    problem = _problem(here.classes)
    with st.container(horizontal=True, vertical_alignment="center"):
        job, phase = live.start_stop(
            here.name,
            "Train",
            lambda before: _learn(wanted, before),
            word="train",
            disabled=bool(problem),
            stop_greyed=False,
        )
        if problem:
            st.caption(parts.escape(problem))
    if job is not None:
        live.panel(here.name, job, _draw, phase)
        _adopt(job)
    trained = here.trained
    if trained is not None and not problem and trained.network.classes == tuple(map(clean_name, wanted)):
        _unfreeze(trained, wanted, going=phase in live.AT_WORK)


def _problem(classes: Sequence[OwnClass]) -> str:
    """Why these classes cannot be trained on; empty if they can."""
    wanted = {own.name: own.photos for own in classes}
    if len(wanted) < len(classes):
        return "Two classes have the same name. Rename one."
    try:
        check(wanted)
    except ExplorerError as error:
        return str(error)
    return ""


def _unfreeze(trained: Trained, wanted: Photos, going: bool) -> None:
    """The lesson's next step, for who wants it."""
    here = state.cam_classes()
    with st.expander("Unfreeze the body, too", icon=":material/lock_open:"):
        st.caption(
            "The lesson's next step: everything learns, early layers at a hundredth and late ones at a tenth of the "
            "head's rate, on photos flipped and zoomed at random. With a few photos it is as likely to harm as to help."
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            epochs = st.number_input("Epochs", 1, 20, 2, key=here.key("epochs"), width=120)
            rate = st.select_slider("The head's learning rate", RATES, 1e-3, key=here.key("rate"), width=260)
            if st.button("Unfreeze and train", icon=":material/lock_open:", key=here.key("tune"), disabled=going):
                with parts.refusals():
                    live.remember(here.name, _tune(trained, wanted, int(epochs), rate, live.own(here.name)))
                    st.rerun()


def begin() -> None:
    """Train on the classes that are there, in place of what was at work."""
    here = state.cam_classes()
    wanted = {own.name: tuple(own.photos) for own in here.classes}
    live.remember(here.name, _learn(wanted, live.own(here.name)))


def _learn(wanted: Photos, before: Job[Learnt] | None) -> Job[Learnt]:
    shipped()  # a missing one is said beside the button
    job: Job[Learnt] = Job(Kind.OWN_CLASSES, "Your own classes", call(work, wanted), app.owner())
    return queue.registry().submit(outcome.recorded(job, app.store(), outcome.of_classes), before)


def _tune(trained: Trained, wanted: Photos, epochs: int, rate: float, before: Job[Learnt] | None) -> Job[Learnt]:
    unfreeze = call(tune, trained.network, wanted, epochs, rate)
    job: Job[Learnt] = Job(Kind.UNFREEZE, "Your own classes, unfrozen", unfreeze, app.owner())
    asked = {"epochs": epochs, "rate": rate}
    return queue.registry().submit(outcome.recorded(job, app.store(), outcome.of_classes, settings=asked), before)


def _draw(job: Job[Learnt]) -> None:
    learnt = job.result
    trained = learnt.trained if learnt else None
    runbar.status(job, _measured(trained) if trained else ())
    parts.problem(job)
    if trained is not None:
        for sentence in trained.warnings:
            st.warning(parts.escape(sentence), icon=":material/visibility:")
    if learnt is not None and (curve := learnt.curve):
        plot.show(
            head_training(curve, height=220), state.cam_classes().key("curve", job.id), "Loss while the head learns."
        )
        st.caption("Solid: loss on your photos. Dotted: the share of them told right, soon known by heart.")


def _measured(trained: Trained) -> tuple[Number, ...]:
    left_out = "not measured" if math.isnan(trained.accuracy) else f"{trained.accuracy:.0%}"
    took = f"{trained.seconds:.0f} s" if trained.tuned else f"{1000 * trained.seconds:.0f} ms"
    return (
        Number(
            "Leave-one-out accuracy",
            left_out,
            help="Each photo is asked about by a head that never saw it. With few photos this says more than the "
            "curve.",
        ),
        Number("Photos", " + ".join(map(str, trained.photos))),
        Number("Training everything" if trained.tuned else "Training the head", took),
    )


def _adopt(job: Job[Learnt]) -> None:
    """Once, when it has been trained: the page's answer comes from the visitor's own classifier."""
    here, trained = state.cam_classes(), job.result.trained if job.result else None
    if trained is None or here.adopted == trained.stamp or internals.unheard():
        return
    here.adopted = trained.stamp  # of the job: whatever else is used afterwards, it is not taken for new again
    use(trained)
    steps.did(Page.CAM, "own classes")
    st.rerun()


def use(trained: Trained) -> None:
    """Answer with the visitor's own classifier from when the page is next drawn."""
    state.cam_classes().trained = trained
    state.cam().switch = OWN
