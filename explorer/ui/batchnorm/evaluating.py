"""What BatchNorm divides by when a network answers, and what each choice costs: measured on the same weights."""

import math
from typing import Any

import streamlit as st

from explorer.data import cifar10
from explorer.figures.batchnorm import evaluation_bars
from explorer.jobs import queue
from explorer.jobs.calls import call
from explorer.jobs.job import Job
from explorer.ladders import Page
from explorer.lecture import inside
from explorer.probes import bn_statistics
from explorer.runs import evaluation, outcome
from explorer.runs.evaluation import KEY, Evaluated
from explorer.store.words import Kind, State
from explorer.training import checkpoint
from explorer.ui import app, behind, live, parts, plot, runbar, steps

PAGE = "batchnorm.evaluation"
KINDS = (
    ("the last batch's", "The lecture's `BnLayer`: whatever batch came last."),
    ("running averages", "PyTorch, TensorFlow, fastai: 0.9 old + 0.1 new."),
    ("each batch's own", "As in training: an answer depends on the pictures beside it."),
)


def show() -> None:
    """The whole section."""
    st.markdown(
        "In training BatchNorm divides by the spread of the batch at hand. A picture that comes **alone** needs "
        "numbers kept from training. Which ones?"
    )
    for column, (name, words) in zip(st.columns(3), KINDS, strict=True):
        with column, st.container(border=True, height="stretch"):
            st.markdown(f"**{name[0].upper()}{name[1:]}**")
            st.caption(words)
    with st.container(horizontal=True, vertical_alignment="center"):
        job, phase = live.start_stop(
            PAGE, "Measure all three", lambda before: submit(instead_of=before), icon=":material/straighten:"
        )
        if words := _on_what():
            st.caption(words)
    if job is not None:
        live.panel(PAGE, job, _draw, phase)
    elif (kept := inside.recorded()) is not None:
        parts.recorded(kept.device, "Measure all three")
        _bars(kept.evaluated, "recorded")
        st.info(
            f"**Recorded.** {parts.escape(verdict(kept.evaluated.found, kept.evaluated.batch))}",
            icon=":material/balance:",
        )
        parts.source_note(kept.source)
    behind.how(PAGE, _how)


def _how() -> None:
    from explorer.models.batchnorm import LectureBnLayer

    parts.code(LectureBnLayer, "One `if` decides: the batch's statistics in training, the kept ones after.")
    parts.code(bn_statistics.evaluation_statistics)


def _on_what() -> str:
    """What comes first, where the shipped weights will not do."""
    trained = "a small ConvBnNet is trained on the pictures here first: about half a minute."
    if not checkpoint.shipped(KEY).exists():
        return f"No trained ConvBnNet ships here yet, so {trained}"
    if not cifar10.here():
        return f"The shipped weights know CIFAR-10's classes, and CIFAR-10 is not here. So {trained}"
    return ""


def submit(pictures: int = bn_statistics.PICTURES, instead_of: Job[Any] | None = None) -> Job[Evaluated]:
    """Measure in the background."""
    work = call(evaluation.work, pictures)
    job: Job[Evaluated] = Job(Kind.EVALUATE, "Evaluation statistics", work, app.owner())
    made = outcome.recorded(job, app.store(), outcome.of_evaluation, [KEY], {"pictures": pictures})
    return queue.registry().submit(made, instead_of)


def _draw(job: Job[Evaluated]) -> None:
    stamp = job.stamp
    runbar.status(job)
    parts.problem(job)
    result = job.result
    if result is None:
        return
    found = result.found
    _bars(result, job.id, *stamp)
    if job.state == State.DONE:
        steps.did(Page.BATCHNORM, "statistics")
        st.info(f"**Measured here.** {parts.escape(verdict(found, result.batch))}", icon=":material/balance:")
    parts.source_note(job.source)


def _bars(result: Evaluated, key: str, *stamp: int) -> None:
    found = result.found
    with st.container(border=True):
        plot.chart(
            PAGE,
            "bars",
            (key, *stamp),
            lambda: evaluation_bars(found, key=key),
            "Validation loss with each kind of statistics, a bar each.",
            f"{result.weights[0].upper()}{result.weights[1:]}, {found[0].pictures:,} validation pictures: only the "
            "statistics differ.",
        )


def verdict(found: "tuple[bn_statistics.Evaluation, ...]", batch: int) -> str:
    """What came out, in words."""
    last, running, *own = found
    gap = last.val_loss - running.val_loss
    first = (
        f"The last batch's statistics cost {gap:+.3f} nats against running averages"
        if math.isfinite(gap)
        else "One of the two kept statistics gave no number"
    )
    small = (
        f"One of {batch} pictures is a good sample, which is why the lecture got away with it."
        if abs(gap) < 0.05
        else f"A batch of {batch} pictures is a poor sample here."
    )
    alone = next((row for row in own if ", 1 picture" in row.statistics), None)
    if alone is None:
        return f"{first}. {small}"
    ending = (
        "gives no number at all: a single pixel a channel has no spread"
        if alone.val_loss != alone.val_loss
        else f"drops to {alone.accuracy:.1%} right, from {running.accuracy:.1%}"
    )
    return f"{first}. {small} Normalised by itself alone, a picture {ending}."
