"""A whole training run, for a page's job and the terminal alike: train, record, save, stop when asked."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from explorer import device, generate
from explorer.errors import ExplorerError, StorageError
from explorer.history import COLUMNS, EpochRow, History
from explorer.jobs import DIVERGED, DONE, FAILED, STOPPED, Diverged, Job, Stopped, explain
from explorer.store import Run, Store
from explorer.training import checkpoint, prepare
from explorer.training.learner import Epoch, Learner
from explorer.training.schedules import plan

if TYPE_CHECKING:
    from explorer.experiment import Experiment

log = logging.getLogger(__name__)

DRAIN_SECONDS = 0.1
WRITE_SECONDS = 0.5
EXPLODED = 4.0  # times the first loss


@dataclass(frozen=True)
class Weights:
    """A model's weights between two steps: copies, which stay as they are while training goes on."""

    step: int  #: optimiser steps done
    tensors: dict[str, Tensor]  #: the model's state dict, on the training device

    @classmethod
    def of(cls, learner: Learner) -> "Weights":
        """Copy them; only between two steps, in the thread that trains."""
        return cls(learner.step, {name: t.detach().clone() for name, t in learner.model.state_dict().items()})


class Recorder:
    """Brings a job's history to the host, watches it for divergence, and writes it to the store."""

    def __init__(self, job: Job, store: Store | None = None, run: Run | None = None) -> None:
        self.job, self.store = job, store
        self.first = math.nan
        self._run = run  # to be entered into the store's index; None once it is there
        self._rows: list[np.ndarray] = []
        self._written = (0, 0)  # epochs and marks already stored
        self._drained = self._stored = time.monotonic()

    def after_step(self) -> None:
        """Drain and write when it is time; cheap otherwise."""
        now = time.monotonic()
        if now - self._drained >= DRAIN_SECONDS:
            self._drained = now
            self.drain()
            if now - self._stored >= WRITE_SECONDS:
                self._stored = now
                self.write()

    def drain(self) -> None:
        """Bring pending values to the host.

        Raises:
            Diverged: the loss is not a number any more, or has exploded.
        """
        rows = self._collect()
        if not len(rows):
            return
        losses = rows[:, COLUMNS.index("loss")]
        if math.isnan(self.first):
            self.first = losses[0]
        smooth = self.job.history.smooth_loss
        if not np.isfinite(losses).all() or smooth > EXPLODED * max(self.first, 1.0):
            self.write()
            step, lr = rows[-1, COLUMNS.index("step")], rows[-1, COLUMNS.index("lr")]
            raise Diverged(
                f"The loss blew up around step {step:,.0f} at a rate of {lr:.2g}. Try a rate ten times smaller, "
                "clip gradients, or let the LR finder suggest one."
            )

    def _collect(self) -> np.ndarray:
        rows = self.job.history.drain()
        if len(rows):
            self._rows.append(rows)
        return rows

    def flush(self) -> None:
        """Drain and write now: the run pauses, and what it did last shall show."""
        self.drain()
        self.write()

    def finish(self) -> None:
        """Drain and write the last steps of a run that has ended, however they look."""
        self._collect()
        self.write()

    def write(self) -> None:
        """Append what is new to the store; a full disk is reported and training goes on."""
        if self.store is None:
            self._rows.clear()
            return
        rows = np.concatenate(self._rows) if self._rows else np.empty((0, len(COLUMNS)))
        snapshot = self.job.history.snapshot()
        epochs, marks = snapshot.epochs[self._written[0] :], snapshot.marks[self._written[1] :]
        if not (self._run or len(rows) or epochs or marks):
            return

        def save() -> None:
            if self._run:
                self.store.begin(self._run)
                self._run = None
            self.store.append(self.job.id, rows, epochs, marks)

        if complain(self.job, save, "metrics"):
            self._rows.clear()
            self._written = (len(snapshot.epochs), len(snapshot.marks))


def complain(job: Job, write: Callable[[], None], what: str) -> bool:
    """Do a write; a storage error becomes a notice on the job instead of ending it. Whether it went well.

    The notice stays until ``what`` could be written after all, whatever else is written meanwhile.
    """
    before = job.results.get("troubles", {})
    troubles = {other: trouble for other, trouble in before.items() if other != what}
    try:
        write()
    except StorageError as error:
        log.warning("%s: %s (%s)", job.id, error, error.detail)
        troubles[what] = str(error)
    if troubles != before:
        job.publish(troubles=troubles, notice=" ".join(troubles.values()))
    return what not in troubles


def train(
    job: Job,
    experiment: "Experiment",
    store: Store | None = None,
    start: Path | None = None,
    on_epoch: Callable[[EpochRow], None] | None = None,
    learner: Learner | None = None,
) -> Learner:
    """Run an experiment to its end inside ``job``.

    Args:
        job: carries the history, the requests to stop or pause, and the live changes.
        experiment: what to train.
        store: where the run is recorded; None records nothing.
        start: a weights file to go on from.
        on_epoch: called after each validation.
        learner: an existing learner to drive; by default one is made.

    Raises:
        ExplorerError: data or weights cannot be used. Diverged: see :class:`Recorder`.
    """
    learner = learner or prepare.learner_for(experiment, start)
    # What its page writes with; a vision model would only stay in memory.
    writer = {"model": learner.model, "vocabulary": learner.data.vocabulary} if learner.recurrent else {}
    job.publish(source=learner.data.source, **writer)
    run = Run(
        job.id, job.owner, job.kind, job.title, experiment, "running", "", device.describe(),
        learner.data.source.name, job.created, time.time(),
    )  # fmt: skip
    recorder = Recorder(job, store, run)
    recorder.write()
    job.before_hold = recorder.flush
    job.answers["weights"] = lambda: Weights.of(learner)
    outcome, message = STOPPED, ""  # unless it ends otherwise
    try:
        _drive(job, experiment, learner, recorder, store, on_epoch)
        recorder.drain()
        outcome, message = DONE, job.message
    except Stopped:
        message = job.message
        raise
    except Exception as ended:
        outcome = DIVERGED if isinstance(ended, Diverged) else FAILED
        message = str(ended) if isinstance(ended, ExplorerError) else explain(ended)
        raise
    finally:
        job.before_hold = None
        recorder.finish()
        if store:
            if outcome in (DONE, STOPPED) and learner.step:
                _save(job, store, experiment, learner, "final")
            complain(job, lambda: store.settle(job.id, outcome, message), "state")
    return learner


def _drive(
    job: Job,
    experiment: "Experiment",
    learner: Learner,
    recorder: Recorder,
    store: Store | None,
    on_epoch: Callable[[EpochRow], None] | None,
) -> None:
    schedule = plan(experiment)
    history = job.history
    best = math.inf
    job.ready()
    for event in learner.steps(schedule):
        if isinstance(event, Epoch):
            recorder.drain()
            row = EpochRow(
                event.number, event.step, history.smooth_loss, event.val_loss, event.accuracy, event.seconds,
                _sample(learner, experiment),
            )  # fmt: skip
            history.end_epoch(row)
            recorder.write()
            if on_epoch:
                on_epoch(row)
            score = event.val_loss if learner.recurrent else -event.accuracy
            if store and score < best:
                best = score
                _save(job, store, experiment, learner, "best")
            done = event.number
        else:
            history.add(event)
            recorder.after_step()
            done = event.epoch
        for name, value in job.between_steps(done / schedule.epochs, isinstance(event, Epoch)):
            _change(history, learner, experiment, name, value)
        if experiment.max_seconds and job.run_seconds > experiment.max_seconds:
            job.message = f"Ended after {experiment.max_seconds} seconds, as asked."
            return


def _change(history: History, learner: Learner, experiment: "Experiment", name: str, value: float) -> None:
    """A live change, and its mark. A new rate scales the whole plan, so that a schedule keeps its shape."""
    if name == "lr":
        learner.lr_factor = value / experiment.lr
    else:
        learner.set_live(name, value)
    history.mark(learner.step, f"{name} {value:g}")


def _sample(learner: Learner, experiment: "Experiment", length: int = 160) -> str:
    """What a language model writes now, from the same prompt and seed every time."""
    vocabulary = getattr(learner.data, "vocabulary", None)
    if vocabulary is None:
        return ""
    learner.model.eval()
    drawn = generate.side_by_side(
        learner.model, vocabulary, "for thos", length, [0.8], seed=experiment.seed, window=experiment.window
    )
    return "for thos" + "".join(character.text for character in drawn[0])


def _save(job: Job, store: Store, experiment: "Experiment", learner: Learner, which: str) -> None:
    snapshot = job.history.snapshot()
    last = snapshot.epochs[-1] if snapshot.epochs else None
    story = prepare.story_of(
        learner, experiment, last.val_loss if last else math.nan, last.accuracy if last else math.nan
    )
    complain(job, lambda: checkpoint.save(store.weights(job.id, which), learner.model, story), which)


def submit(
    experiment: "Experiment",
    owner: str,
    store: Store,
    start: Path | None = None,
    paused: bool = False,
    instead_of: Job | None = None,
) -> Job:
    """Queue a training run on the process's registry.

    Args:
        experiment, store, start: see :func:`train`.
        owner: the browser session's token.
        paused: hold it before its first step.
        instead_of: an earlier run of the same owner, which ends.

    Raises:
        QueueFull: no more jobs are taken just now.
    """
    from explorer.jobs import registry

    job = Job(
        "train",
        experiment.rung.title,
        lambda job: train(job, experiment, store, start) and None,
        owner,
        experiment,
    )
    if paused:
        job.budget = 0
    return registry().submit(job, instead_of)
