"""A whole training run, for a page's job and the terminal alike: train, record, save, stop when asked."""

import contextlib
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from explorer import devices
from explorer.data.vocabulary import Vocabulary
from explorer.errors import ExplorerError, StorageError, WeightsError
from explorer.jobs.calls import call
from explorer.jobs.job import Job
from explorer.models import generate
from explorer.models.sampling import Sampling
from explorer.runs.drive import Moment, Moments, drive
from explorer.runs.record import Recorder
from explorer.store.history import EpochRow, History
from explorer.store.index import Run
from explorer.store.store import Store, Which, cycle
from explorer.store.words import Diverged, Kind, State, Stopped, ending
from explorer.training import bookmark, checkpoint, own_weights, prepare
from explorer.training.learner import Epoch, Learner
from explorer.training.schedules import cycle_ends, plan

if TYPE_CHECKING:
    from explorer.experiment import Experiment


CYCLES = 8  # at most: the weights that are kept at the ends of cycles, the last ones


@dataclass(frozen=True)
class Training:
    """What a training run leaves for its page, besides its history and its weights."""

    vocabulary: Vocabulary | None  #: a language model's characters


@dataclass(frozen=True)
class Weights:
    """A model's weights between two steps: copies, which stay as they are while training goes on."""

    step: int  #: optimiser steps done
    tensors: dict[str, Tensor]  #: the model's state dict, on the training device

    @classmethod
    def of(cls, learner: Learner) -> "Weights":
        """Copy them; only between two steps, in the thread that trains."""
        return cls(learner.step, {name: t.detach().clone() for name, t in learner.model.state_dict().items()})


def train(
    job: Job[Training],
    experiment: "Experiment",
    store: Store | None = None,
    start: Path | None = None,
    on_epoch: Callable[[EpochRow], None] | None = None,
    learner: Learner | None = None,
    recorder: Recorder | None = None,
    go_on: bool = False,
) -> Learner:
    """Run an experiment to its end inside ``job``.

    Args:
        job: carries the history, the requests to stop or pause, and the live changes.
        experiment: what to train.
        store: where the run is recorded; None records nothing.
        start: a weights file to go on from.
        on_epoch: called after each validation.
        learner: an existing learner to drive; by default one is made.
        recorder: one that has recorded the run already, when it was queued.
        go_on: from the bookmark the run left, bit for bit.

    Raises:
        ExplorerError: data or weights cannot be used. Diverged: see :class:`Recorder`.
    """
    recorder = recorder or Recorder(job, experiment, store, own_weights.origin_of(start))
    outcome, message = State.STOPPED, ""  # unless it ends otherwise
    try:
        if go_on and learner is None:
            learner = continued(job, experiment, recorder)
        learner = learner or prepare.learner_for(experiment, start)
        recorder.begin(learner.data.source, learner.company)
        job.answers["weights"] = lambda: Weights.of(learner)
        learner.between = job.breathe
        drive(
            job,
            _moments(job, experiment, learner, recorder, on_epoch),
            functools.partial(_change, job.history, learner, experiment),
            functools.partial(_hold, job, experiment, learner, recorder),
        )
        recorder.drain()
        outcome, message = State.DONE, job.message
    except Stopped:
        message = job.message
        if learner is not None:
            with contextlib.suppress(Diverged):  # in its very last steps
                recorder.bookmark(functools.partial(_bookmark, job, experiment, learner), now=True)
        raise
    except Exception as ended:
        outcome, message = ending(ended)
        raise
    finally:
        final = None
        if recorder.store and learner is not None and learner.step and outcome in (State.DONE, State.STOPPED):
            final = _weights(job, experiment, learner)
        job.answers.pop("weights", None)  # the job may be kept for a while, by whoever holds its record; the model not
        if outcome in (State.DONE, State.DIVERGED):
            recorder.forget_bookmark()
        recorder.end(outcome, message, final)
    return learner


def continued(
    job: Job[Training], experiment: "Experiment", recorder: Recorder, learner: Learner | None = None
) -> Learner:
    """A learner that stands where the run was left, ``learner`` if one is given; the job's history as it was then."""
    assert recorder.store is not None
    saved = bookmark.read(recorder.store.bookmark(job.id))
    learner = learner or prepare.learner_for(experiment)
    saved.put_back(learner)
    recorder.go_on(recorder.store.rewind(job.id, saved.step, saved.epoch, saved.marks))
    if job.moved:
        job.history.mark(saved.step, "on another worker")
    job.pace.seconds = job.pace.before = saved.run_seconds
    job.live = {**saved.live}
    made = {mark.text.partition(" ")[0]: mark.text for mark in job.history.snapshot().marks}
    for name, value in saved.live.items():
        if made.get(name) != _told(name, value):  # asked for, and it was left before the next step
            _change(job.history, learner, experiment, name, value)
    return learner


def _bookmark(job: Job[Training], experiment: "Experiment", learner: Learner) -> bytes:
    marks = len(job.history.snapshot().marks)
    return bookmark.Bookmark.of(learner, experiment, marks, job.pace.seconds, job.live).to_bytes()


def _hold(job: Job[Training], experiment: "Experiment", learner: Learner, recorder: Recorder) -> None:
    """Before a pause: what it did last shall show, and be there should the server end meanwhile."""
    recorder.flush()
    recorder.bookmark(lambda: _bookmark(job, experiment, learner), now=True)


def _moments(
    job: Job[Training],
    experiment: "Experiment",
    learner: Learner,
    recorder: Recorder,
    on_epoch: Callable[[EpochRow], None] | None,
) -> Moments[Training]:
    schedule, ends = plan(experiment), cycle_ends(experiment)
    history = job.history
    best = min((_score(learner, row) for row in history.snapshot().epochs), default=math.inf)
    write_bookmark = functools.partial(_bookmark, job, experiment, learner)
    begun = Training(learner.data.vocabulary)
    yield Moment(0.0, lambda: begun, source=learner.data.source)
    # Neither a pause nor others' turns are training.
    pace = job.pace
    learner.clock = lambda: pace.now
    history.time_by(learner.clock)
    for event in learner.steps(schedule):
        if isinstance(event, Epoch):
            recorder.drain()
            row = EpochRow(
                event.number,
                event.step,
                history.smooth_loss,
                event.val_loss,
                event.accuracy,
                event.seconds,
                _sample(learner, experiment),
            )
            history.end_epoch(row)
            recorder.write()
            if on_epoch:
                on_epoch(row)
            if recorder.store and (score := _score(learner, row)) < best:
                best = score
                recorder.keep(Which.BEST, _weights(job, experiment, learner))
            if recorder.store and event.number in ends[-CYCLES:]:  # the lecture's on_cycle_end
                recorder.keep(cycle(ends.index(event.number)), _weights(job, experiment, learner))
            yield Moment(event.number / schedule.epochs, epoch_ended=True)
        else:
            history.add(event)
            recorder.after_step()
            recorder.bookmark(write_bookmark)
            yield Moment(event.epoch / schedule.epochs)
        if experiment.max_seconds and job.pace.seconds > experiment.max_seconds:
            job.message = f"Ended after {experiment.max_seconds} seconds, as asked."
            return


def _score(learner: Learner, row: EpochRow) -> float:
    """What the best weights have least of."""
    return row.val_loss if learner.recurrent else -row.accuracy


def _change(history: History, learner: Learner, experiment: "Experiment", name: str, value: float) -> None:
    """A live change, and its mark. A new rate scales the whole plan, so that a schedule keeps its shape."""
    if name == "lr":
        learner.lr_factor = value / experiment.lr
    else:
        learner.set_live(name, value)
    history.mark(learner.step, _told(name, value))


def _told(name: str, value: float) -> str:
    return f"{name} {value:g}"


def _sample(learner: Learner, experiment: "Experiment") -> str:
    """What a language model writes now, from the same prompt and seed every time."""
    vocabulary = learner.data.vocabulary
    if vocabulary is None:
        return ""
    learner.model.eval()
    with devices.one_thread():
        asked = Sampling(length=160, seed=experiment.seed)
        drawn = generate.side_by_side(learner.model, vocabulary, asked, [asked.temperature], experiment.window)
    return asked.prompt + "".join(character.text for character in drawn[0])


def _weights(job: Job[Training], experiment: "Experiment", learner: Learner) -> bytes:
    """The learner's weights as a file, with the validation of these very weights; NaN in the middle of an epoch."""
    rows = job.history.snapshot().epochs
    judged = rows[-1] if rows and rows[-1].step == learner.step else None
    story = prepare.story_of(
        learner, experiment, judged.val_loss if judged else math.nan, judged.accuracy if judged else math.nan
    )
    return checkpoint.as_bytes(learner.model, story)


def submit(
    experiment: "Experiment",
    owner: str,
    store: Store,
    start: Path | None = None,
    paused: bool = False,
    instead_of: Job[Any] | None = None,
) -> Job[Training]:
    """Queue a training run on the process's registry.

    Args:
        experiment, store, start: see :func:`train`.
        owner: the browser session's token.
        paused: hold it before its first step.
        instead_of: an earlier run of the same owner, which ends.

    Raises:
        QueueFull: no more jobs are taken just now.
    """
    from explorer.jobs.queue import registry

    made = call(work, experiment, start=start)
    job: Job[Training] = Job(Kind.TRAIN, experiment.rung.title, made, owner, experiment)
    job.record = call(record, store.address, start)
    if paused:
        job.budget = 0
    return registry().submit(job, instead_of)


def work(
    job: Job[Training], experiment: "Experiment", start: Path | None = None, recorder: Recorder | None = None
) -> None:
    """Run :func:`train` in a job, from the run's bookmark where its recorder goes on with one."""
    train(job, experiment, start=start, recorder=recorder, go_on=recorder is not None and recorder.goes_on)


def record(job: Job[Training], store: str, start: Path | None = None, go_on: bool = False) -> None:
    """Have a training job written down.

    Args:
        store: its :attr:`~Store.address`.
        start: the weights it begins with.
        go_on: it is in the record already, and goes on from its bookmark, where it left one.
    """
    _record(job, Store.at(store), start, go_on)


def _record(job: Job[Training], store: Store, start: Path | None, go_on: bool) -> Recorder:
    line = None
    if go_on or job.moved:
        go_on = _taken_over(job, store)
        line = store.run(job.id)  # its name, its star, its sweep stay
    recorder = Recorder(job, job.experiment, store, own_weights.origin_of(start), line)
    recorder.goes_on = go_on
    if go_on:
        job.history = History.of(store.history(job.id))
    bare: Callable[..., object] = job.work
    job.work = functools.partial(bare, recorder=recorder)
    job.on_queued = recorder.queue
    job.on_unbegun = lambda: recorder.end(job.state, job.message)
    return recorder


def _taken_over(job: Job[Training], store: Store) -> bool:
    """Whether a run that is this process's from now on left a bookmark; without one it begins anew, and its curve."""
    store.take_over(job.id)  # whichever process has claimed it
    if store.bookmark(job.id).exists():
        return True
    store.rewind(job.id, 0, 0, 0)
    return False


def submit_again(run: Run, store: Store, owner: str, instead_of: Job[Any] | None = None) -> Job[Training]:
    """Queue an ended run, to go on where it was left; under the same id, in the same record.

    Raises:
        ExplorerError: it cannot be continued, or no more jobs are taken just now.
    """
    from explorer.jobs.queue import registry

    job = _again(run, store, owner)
    job.record = call(record, store.address, go_on=True)
    try:
        return registry().submit(job, instead_of)
    except ExplorerError:
        store.settle(run.id, run.state, run.message)
        raise


def take_up(run: Run, store: Store) -> tuple[Job[Training], Recorder]:
    """A job that goes on with an ended run, and its recorder; the run is this process's from now on.

    Raises:
        ExplorerError: it left no bookmark, or is at work already.
    """
    job = _again(run, store, "")
    return job, _record(job, store, None, go_on=True)


def _again(run: Run, store: Store, owner: str) -> Job[Training]:
    experiment = run.experiment
    if experiment is None or not store.bookmark(run.id).exists():
        raise WeightsError(
            "This run left nothing to continue from: it had ended by itself, or an older program ran it. "
            "Start one from its weights instead."
        )
    if not store.claim(run.id):
        raise StorageError("This run is at work already, here or in another process.")
    made = call(work, experiment)
    return Job(Kind.TRAIN, run.title, made, owner, experiment, id=run.id, created=run.created)
