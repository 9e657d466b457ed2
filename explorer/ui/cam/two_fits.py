"""Cats and dogs trained on the page, as the lecture trains them: ``freeze_to(-4)`` and two fits, with a live curve."""

from typing import Any

import streamlit as st

from explorer.cam import backbones, pair
from explorer.cam.network import CamNet
from explorer.figures import curves
from explorer.jobs import queue
from explorer.jobs.calls import call
from explorer.jobs.job import Job
from explorer.runs import outcome
from explorer.runs.two_fits import BATCH, FITS, LR, Fitted, two_fits, work
from explorer.store.words import Kind
from explorer.ui import app, behind, live, parts, plot, runbar, state
from explorer.ui.cam import learn

RATES = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2]
SMALL_RATE = 1e-3  # at the lecture's rate the head breaks on small, enlarged pictures
BODIES = {"mobilenet_v2": "MobileNetV2", "resnet34": "ResNet-34"}


def show() -> None:
    """Closed until it is asked for, or something of it runs."""
    title = "Train cats and dogs, as the lecture does"
    behind.fold(state.FITS, "fits", title, ":material/pets:", _show, opened=live.own(state.FITS) is not None)


def _show() -> None:
    """What is trained and on what, the button, the curve, and what came out."""
    here = state.place(state.FITS)
    real = pair.photos_here()
    st.caption(
        "The lecture's body is frozen with `learn.freeze_to(-4)`: only the last convolution learns, first an epoch at "
        f"{LR:g}, then one along a cosine. Every photo is flipped and zoomed at random, {BATCH} a batch."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        body = "mobilenet_v2"
        if backbones.available("resnet34"):
            body = st.segmented_control(
                "Body", list(BODIES), default=body, required=True, format_func=BODIES.__getitem__, key=here.key("body")
            )
        count = st.segmented_control(
            "Photos of each" if real else "Pictures of each",
            list(pair.CHOICES),
            default=100,
            required=True,
            key=here.key("count"),
        )
        rate = st.select_slider("Learning rate", RATES, LR if real else SMALL_RATE, key=here.key("rate"), width=220)
        job, phase = live.start_stop(
            state.FITS,
            "Train",
            lambda before: _submit(str(body), int(count or 100), float(rate), before),
            word="train",
            stop_greyed=False,
        )
    if job is None:
        st.caption(
            f"It takes about a minute or two on a processor, with {pair.VALID} more of each to validate on."
            + ("" if real else " The course's photos are not here: CIFAR-10's cats and dogs stand in, enlarged.")
        )
    else:
        live.panel(state.FITS, job, _draw, phase)
        _offer(job)
    with st.popover("Code", icon=":material/code:", width="content"):
        parts.code(CamNet.freeze_to)
        parts.code(two_fits)


def _submit(body: str, count: int, rate: float, before: Job[Any] | None) -> Job[Fitted]:
    job: Job[Any] = Job(Kind.CATS_DOGS, "Cats and dogs", call(work, body, count, rate), app.owner())
    return queue.registry().submit(outcome.recorded(job, app.store()), before)


def _draw(job: Job[Fitted]) -> None:
    runbar.status(job)
    parts.problem(job)
    found, history = job.result, job.history.snapshot()
    if found is None:
        return
    learn_, whole = found.parameters
    st.caption(
        f"{found.photos[0]} to learn from, {found.photos[1]} to validate on; {learn_:,} of {whole:,} parameters learn."
    )
    stamp = (job.id, *job.stamp)
    left, right = st.columns([3, 2])
    with left:
        plot.chart(
            state.FITS,
            "loss",
            stamp,
            lambda: curves.loss_curves(history, epochs=len(FITS), key=job.id, height=280),
            "Training and validation loss over the two fits.",
            "Blue: each batch, and smoothed. Orange: validation after each fit.",
        )
    if history.epochs:
        with right:
            plot.chart(
                state.FITS,
                "accuracy",
                stamp,
                lambda: curves.accuracy_curve(history, epochs=len(FITS), key=job.id, height=280),
                "Validation accuracy after each fit.",
                "Share of cats and dogs told right.",
            )
    if history.epochs:
        numbers = {name: st.column_config.NumberColumn(format="%.4f") for name in ("training loss", "validation loss")}
        st.dataframe(
            [
                {
                    "the notes' call": fit.call,
                    "training loss": row.train_loss,
                    "validation loss": row.val_loss,
                    "accuracy": row.accuracy,
                    "seconds": row.seconds,
                }
                for fit, row in zip(FITS, history.epochs, strict=False)
            ],
            hide_index=True,
            column_config=numbers | {"accuracy": st.column_config.NumberColumn(format="percent")},
        )
    parts.source_note(job.source)


def _offer(job: Job[Fitted]) -> None:
    """What was trained may answer for the photo above."""
    trained = job.result.trained if job.result else None
    if trained is not None and st.button(
        "Explain the photo with it",
        icon=":material/center_focus_strong:",
        key=state.place(state.FITS).key("use", job.id),
    ):
        learn.use(trained)
        st.rerun()
