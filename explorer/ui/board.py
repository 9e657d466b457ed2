"""The training board two pages share: the run bar, the curves, the schedule; live, stored or recorded alike."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import streamlit as st

from explorer.experiment import Experiment
from explorer.figures import curves
from explorer.jobs.job import Job
from explorer.lecture import compared, printed
from explorer.store.history import Snapshot
from explorer.store.words import State
from explorer.training import checkpoint, schedules
from explorer.ui import app, behind, controls, live, parts, plot, runbar, state, transport
from explorer.ui.runbar import Number, Tone

Below = Callable[[Snapshot], None]  #: draws what follows a run's curves
Frame = AbstractContextManager[Any]  #: a place on the page, to be drawn into


@dataclass(frozen=True)
class Shown:
    """The run on a page, as it was when the page was last drawn as a whole."""

    job: Job[Any] | None
    phase: live.Phase  #: of the job
    kept: live.Kept | None  #: without a job: what was written down

    @classmethod
    def on(cls, page: str, experiment: Experiment) -> "Shown":
        """What a page shows: its job, else what is kept for it."""
        job = live.find(page)
        return cls(job, live.phase(job), live.kept(page, experiment) if job is None else None)


def training(page: str, experiment: Experiment, shown: Shown, below: Below | None = None) -> None:
    """The curves of the page's run, and ``below(history)`` under them: no setting that is moved draws them anew."""
    if (kept := shown.kept) is not None:
        _draw(page, kept.history, kept.experiment, (kept.id, len(kept.history)), below)
    if (job := shown.job) is None:
        return

    def draw(job: Job[Any]) -> None:
        stamp = (job.id, *job.stamp)
        parts.problem(job)
        _draw(page, job.history.snapshot(), job.experiment or experiment, stamp, below)
        parts.source_note(job.source)

    live.panel(page, job, draw, shown.phase)


@st.fragment
def settings(
    page: str,
    shown: Shown,
    bar: Frame,
    under: Frame,
    draw_behind: Callable[[Experiment], None],
    known: Callable[[Experiment], bool] = lambda _: True,
) -> None:
    """The controls, and all that depends on what they are set to. One that is moved draws this anew and nothing else.

    Args:
        bar: gets those of the controls that stand over the chart, the buttons, and the run's state and numbers.
        under: the place under the curves, for what the run was made with.
        draw_behind: draws what lies behind the curves, in the place where this is called.
        known: whether there is such a network as is set; says why not.
    """
    experiment = controls.show(page, bar)
    with under:
        made = st.container()  # in any case: later a fragment draws elsewhere on the page only where it has drawn
    if not known(experiment):
        return
    job, kept = shown.job, shown.kept
    with bar:
        transport.transport(page, experiment, job, shown.phase, checkpoint.shipped(experiment.model))
        if job is not None:
            with st.container():  # of this fragment, as another one in it needs
                live.panel(page, job, lambda job: _status(job, experiment), shown.phase, part="status")
        elif kept is not None:
            runbar.row(kept.state, "", _numbers(kept.history, kept.experiment))
        _otherwise(page, experiment, shown)
        if job is not None and job.state == State.STOPPED and job.owner == app.owner():
            transport.go_on(page, job.id, job.experiment or experiment)
        elif kept is not None and kept.may_go_on:
            transport.go_on(page, kept.id, kept.experiment)
    controls.write_link(page, experiment, job.id if job else live.linked(page))
    with made:
        if kept is not None:
            _made_with(page, experiment, kept)
        elif job is None:
            _plan(page, experiment)
    draw_behind(experiment)


def _plan(page: str, experiment: Experiment) -> None:
    """Where there is no run: what one would do."""
    plot.chart(
        page,
        "plan",
        ("plan", experiment),
        lambda: curves.schedule_curve(schedules.plan(experiment)),
        "The planned learning rate over epochs.",
        "The learning rate these settings plan.",
    )


def _status(job: Job[Any], experiment: Experiment) -> None:
    source = job.source.kind if job.source else "real"
    runbar.status(job, _numbers(job.history.snapshot(), job.experiment or experiment, source))
    if used := transport.in_use(job, experiment):
        st.caption(f":material/bolt: Changed while it ran, not from here: it now uses {used}.")


def _otherwise(page: str, experiment: Experiment, shown: Shown) -> None:
    """What is set otherwise than in the run that is shown, and what to press to see it."""
    job, kept = shown.job, shown.kept
    press = transport.begins(job, shown.phase)
    if others := transport.apply_live_changes(page, job, experiment):
        st.caption(
            f":material/restart_alt: Set otherwise than in this run: {', '.join(others)}. "
            f"Press **{press}** for a run that uses what is set now."
        )
    elif (rate := state.training(page).trying) is not None and rate == experiment.lr:
        st.caption(f":material/speed: {rate:g} comes from the LR finder. Press **{press}** to try it.")
    elif job is None and kept is None:
        st.caption(f":material/play_arrow: Nothing is recorded for this network. Press **{press}** and watch it learn.")
    elif kept is not None or (job is not None and job.ended):
        made = kept.experiment if kept else job.experiment if job else None
        own = experiment.changes() and made is not None and compared.unlike(experiment, made)
        if own:
            st.caption(f":material/play_arrow: Set to {parts.escape(_few(own))}: press **{press}** to try it.")


def _few(words: list[str], most: int = 3) -> str:
    more = len(words) - most
    return ", ".join(words[:most]) + (f" and {more} more" if more > 0 else "")


def _made_with(page: str, experiment: Experiment, kept: live.Kept) -> None:
    """Where a run that is not at work comes from, its own settings, and a way to have the controls show them."""
    whence = "Recorded on the real data" if kept.state == "recorded" else "Read back from this server's disk"
    whence += f", begun from {kept.begun_from}" if kept.begun_from else ""
    differs = compared.unlike(kept.experiment, experiment)
    with st.container(horizontal=True, vertical_alignment="center"):
        words = f"{whence}, with what is set." if not differs else f"{whence}, with {', '.join(differs)}."
        st.caption(f":material/inventory_2: {parts.escape(words)}")
        if differs and st.button("Use these settings", icon=":material/tune:", key=state.place(page).key("use")):
            state.training(page).put(kept.experiment)
            st.rerun()


def _draw(page: str, history: Snapshot, trained: Experiment, stamp: state.Stamp, below: Below | None) -> None:
    _charts(page, history, trained, stamp)
    if below:
        below(history)


def _numbers(history: Snapshot, trained: Experiment, source: str = "real") -> list[Number]:
    """Epoch, losses and accuracy of a run as far as it is, and the lecture's beside the one the rung is judged by."""
    last = history.epochs[-1] if history.epochs else None
    by_loss = trained.rung.metric == "val_loss"
    unit = "nats a character" if by_loss else "nats a picture"
    steps = int(history["step"][-1]) if len(history) else 0
    loss = f"{_training_loss(history):.4f}" if steps else "–"
    found = [
        Number("Epoch", _words(reached(history)), f"of {trained.total_epochs} · step {steps:,}"),
        Number("Training loss", loss, help=f"Average over about 50 steps, as the lecture prints it; {unit}."),
    ]
    right = "Next character right" if by_loss else "Accuracy"
    if last is None:
        return [*found, Number("Validation loss", "–", "after epoch 1"), Number(right, "–")]
    theirs = compared.of(trained, last, source)
    tones = {None: Tone.PLAIN, True: Tone.BETTER, False: Tone.WORSE}
    return [
        *found,
        *(
            Number(name, value, theirs.text, tones[theirs.better]) if mine and theirs else Number(name, value)
            for name, value, mine in (
                ("Validation loss", f"{last.val_loss:.4f}", by_loss),
                (right, f"{last.accuracy:.1%}", not by_loss),
            )
        ),
    ]


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
    vision = not trained.rung.is_language
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
            "Training and validation loss over epochs. Blue: training, each step and smoothed. Orange: validation."
            + (" Dashed grey: what the lecture printed." if lecture and lecture.curve else ""),
            main=True,
        )
    with narrow:
        if vision:
            plot.chart(
                page,
                "accuracy",
                (*stamp, planned),
                lambda: curves.accuracy_curve(history, lecture=lecture, epochs=planned, key=str(stamp[0]), height=190),
                "Validation accuracy over epochs. Orange: here. Dashed grey: what the lecture printed.",
            )
        plot.chart(
            page,
            "rate",
            stamp,
            lambda: curves.schedule_curve(schedules.plan(trained), history, key=str(stamp[0])),
            "Learning rate over epochs. Dotted: planned. Solid: used so far.",
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
    behind.fold(
        page,
        "details",
        "More curves, and the numbers",
        ":material/table:",
        lambda: _details(page, history, trained, stamp),
    )


def _details(page: str, history: Snapshot, trained: Experiment, stamp: state.Stamp) -> None:
    left, right = st.columns(2)
    with left:
        if trained.optimiser in ("sgd", "nesterov"):
            plot.chart(
                page,
                "momentum",
                (stamp[0], trained),
                lambda: curves.momentum_curve(schedules.plan(trained), key=str(stamp[0])),
                "Momentum over epochs.",
                "Momentum: one-cycle lowers it while the rate is high.",
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
