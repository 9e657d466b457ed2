"""The training board two pages share: four numbers, the curves, the schedule; live, stored or recorded alike."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from explorer.experiment import Experiment
from explorer.figures import curves
from explorer.lecture import printed
from explorer.runs.history import Snapshot
from explorer.runs.jobs import Job
from explorer.training import checkpoint, schedules
from explorer.ui import controls, live, parts, plot, state, transport


def training(page: str, experiment: Experiment, below: Callable[[Snapshot], None] | None = None) -> Job[Any] | None:
    """Transport, state, numbers and curves of the page's run; ``below(history)`` is redrawn with them."""
    job = live.find(page)
    phase = live.phase(job)
    transport.transport(page, experiment, job, phase, checkpoint.shipped(experiment.model))
    if others := transport.apply_live_changes(page, job, experiment):
        st.caption(
            f":material/restart_alt: Set otherwise than in this run: {', '.join(others)}. "
            f"Press **{transport.begins(job, phase)}** for a run that uses what is set now."
        )
    controls.write_link(page, experiment, job.id if job else live.linked(page))
    if job is not None:

        def draw(job: Job[Any]) -> None:
            source = job.source
            stamp = (job.id, *job.stamp)
            live.progress(job, parts.source_name(source))
            parts.problem(job)
            if used := transport.in_use(job, experiment):
                st.caption(f":material/bolt: Changed while it ran, not from here: it now uses {used}.")
            _draw(page, job.history.snapshot(), job.experiment or experiment, stamp, below)
            parts.source_notice(source)

        live.panel(page, job, draw, phase)
        return job
    kept = live.kept(page, experiment)
    if kept is None:
        with st.container(border=True):
            st.markdown(":material/play_arrow: Nothing is recorded for this rung. Press **Train** and watch it learn.")
            plot.chart(
                page,
                "plan",
                ("plan", experiment),
                lambda: curves.schedule_curve(schedules.plan(experiment)),
                "The planned learning rate over epochs.",
                "The learning rate these settings plan.",
            )
        return None
    with st.container(horizontal=True, vertical_alignment="center"):
        parts.state_badge(kept.state)
        st.caption(
            "Recorded with the settings of this rung, on the real data. Press **Train** for a run of your own."
            if kept.state == "recorded"
            else "Read back from this server's disk."
        )
    _draw(page, kept.history, kept.experiment, (kept.id, len(kept.history)), below)
    return None


def _draw(
    page: str, history: Snapshot, trained: Experiment, stamp: state.Stamp, below: Callable[[Snapshot], None] | None
) -> None:
    _numbers(history, trained)
    _charts(page, history, trained, stamp)
    if below:
        below(history)


def _numbers(history: Snapshot, trained: Experiment) -> None:
    last = history.epochs[-1] if history.epochs else None
    lecture = trained.rung.reference
    by_loss = trained.rung.metric == "val_loss"
    unit = "nats a character" if by_loss else "nats a picture"
    quiet: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off"}
    columns = st.columns(4)
    steps = int(history["step"][-1]) if len(history) else 0
    done = f"epoch {_words(reached(history))} of {trained.total_epochs}" if steps else "not begun"
    columns[0].metric("Steps", f"{steps:,}", done, **quiet)
    columns[1].metric(
        "Training loss",
        f"{_training_loss(history):.4f}" if steps else "–",
        f"smoothed, {unit}",
        help="Exponential average over about 50 steps, as the lecture prints it.",
        **quiet,
    )
    right = "Next character right" if by_loss else "Accuracy"
    if last is None:
        for column, name in zip(columns[2:], ("Validation loss", right), strict=True):
            column.metric(name, "–", "after epoch 1", **quiet)
        return
    for column, name, value, words, mine in (
        (columns[2], "Validation loss", last.val_loss, f"{last.val_loss:.4f}", by_loss),
        (columns[3], right, last.accuracy, f"{last.accuracy:.1%}", not by_loss),
    ):
        delta = parts.lecture_delta(value, lecture) if mine else None
        look = {"delta_color": "inverse" if by_loss else "normal", "delta_arrow": "auto"} if delta else quiet
        column.metric(name, words, delta or "on the validation set", **look)


def reached(history: Snapshot) -> float:
    """Epochs behind the run: a step knows where it began, a validation that its epoch is over."""
    return max([float(history["epoch"][-1]) if len(history) else 0.0, *(row.epoch for row in history.epochs[-1:])])


def _words(epochs: float) -> str:
    return f"{epochs:.2f}" if epochs % 1 else f"{epochs:.0f}"


def _training_loss(history: Snapshot) -> float:
    """As of the last step: what was printed there, else what would be. A recorded run kept one step in many."""
    last = history.epochs[-1] if history.epochs else None
    return last.train_loss if last and last.step == history["step"][-1] else history.smooth_loss


def _charts(page: str, history: Snapshot, trained: Experiment, stamp: state.Stamp) -> None:
    here, lecture = state.place(page), trained.rung.reference
    vision = trained.rung.ladder == "vision"
    planned = max(trained.total_epochs, reached(history))
    longer = lecture.epochs if lecture and lecture.curve and lecture.epochs > planned else None
    if longer and here.value("whole", False):
        planned = longer
    wide, narrow = st.columns([5, 3])
    with wide:
        log = here.value("log", False)
        plot.chart(
            page,
            "loss",
            (*stamp, log, planned),
            lambda: curves.loss_curves(
                history,
                lecture=printed.losses(trained.rung) or (None if vision else lecture),
                epochs=planned,
                log_y=log,
                key=str(stamp[0]),
                height=330,
            ),
            "Training and validation loss over epochs.",
            "Blue: training loss, each step (pale) and smoothed. Orange: validation after each epoch."
            + (" Dashed grey: what the lecture printed." if lecture and lecture.curve else ""),
        )
    with narrow:
        if vision:
            plot.chart(
                page,
                "accuracy",
                (*stamp, planned),
                lambda: curves.accuracy_curve(history, lecture=lecture, epochs=planned, key=str(stamp[0]), height=190),
                "Validation accuracy over epochs.",
                "Orange: here. Dashed grey: what the lecture printed.",
            )
        plot.chart(
            page,
            "rate",
            stamp,
            lambda: curves.schedule_curve(schedules.plan(trained), history, key=str(stamp[0])),
            "Learning rate over epochs.",
            "Dotted: planned. Solid: used so far.",
        )
        with st.container(horizontal=True):
            st.toggle("Freeze plots", key=here.key("freeze"), help="Hold the plots still to zoom and hover.")
            st.toggle("Log scale", key=here.key("log"))
            if longer:
                st.toggle(
                    "All the lecture's epochs",
                    key=here.key("whole"),
                    help=f"The axis ends with this run's plan. The lecture trained {longer} epochs.",
                )
    with st.expander("More curves, and the numbers", icon=":material/table:"):
        _details(page, history, trained, stamp)


def _details(page: str, history: Snapshot, trained: Experiment, stamp: state.Stamp) -> None:
    left, right = st.columns(2)
    with left:
        plot.chart(
            page,
            "momentum",
            (stamp[0], trained),
            lambda: curves.momentum_curve(schedules.plan(trained), key=str(stamp[0])),
            "Momentum over epochs.",
            "Momentum (SGD and its kin): one-cycle lowers it while the rate is high.",
        )
        if len(history) and (history["grad_norm"] == history["grad_norm"]).any():
            plot.chart(
                page,
                "gradients",
                stamp,
                lambda: curves.gradient_norms(history, key=str(stamp[0])),
                "Gradient norm at each step.",
                "Before clipping.",
            )
    with right:
        st.dataframe(
            [
                {"epoch": r.epoch, "train": r.train_loss, "valid": r.val_loss, "accuracy": r.accuracy, "s": r.seconds}
                for r in history.epochs
            ],
            hide_index=True,
            height=240,
        )


def training_loop() -> None:
    """The loop that every run goes through, as it runs."""
    from explorer.training.learner import Learner, cross_entropy
    from explorer.training.optimisers import make_optimiser

    parts.code(Learner.steps, "A run is this iterator. Whoever drives it may pause or stop it, or move a slider.")
    parts.code(Learner.train_batch, "One batch: forward, backward, and a step of the optimiser.")
    parts.code(cross_entropy)
    parts.code(make_optimiser)
