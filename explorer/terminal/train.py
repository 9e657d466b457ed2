"""``train`` and ``resume``: the very run a page would start, in the same record, with a bar and one line an epoch."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.errors import ExplorerError, SettingsError, StorageError
from explorer.experiment import SETTINGS, Experiment
from explorer.terminal.bar import Bar, following
from explorer.terminal.words import INTERRUPTED, ends_when_interrupted, heading, let_go_of_output, line, say

if TYPE_CHECKING:
    from explorer.jobs.job import Job
    from explorer.runs.record import Recorder
    from explorer.runs.train import Training
    from explorer.store.history import EpochRow
    from explorer.store.store import Store
    from explorer.training.learner import Learner


def experiment_of(options: argparse.Namespace) -> Experiment:
    """What was typed."""
    return Experiment.of(options.key, options.preset or "lecture", **_settings(options))


def _settings(options: argparse.Namespace) -> dict[str, str]:
    """The settings that were typed."""
    return {name: value for name in SETTINGS if (value := getattr(options, name)) is not None}


def train(options: argparse.Namespace) -> int:
    """Train a model; print loss and time an epoch, record the run, write the weights where asked."""
    if options.key.startswith("dogscats"):
        return _train_dogscats(options)
    experiment, target = experiment_of(options), target_of(options)
    from explorer.jobs.job import Job
    from explorer.runs.record import Recorder
    from explorer.store.words import Kind
    from explorer.training import own_weights, prepare

    store = None if options.no_record else store_or_none()
    learner = prepare.learner_for(experiment, options.start)
    job: Job[Training] = Job(Kind.TRAIN, experiment.rung.title, experiment=experiment)
    recorder = Recorder(job, experiment, store, own_weights.origin_of(options.start))
    return to_its_end(job, learner, recorder, options, target)


def resume(options: argparse.Namespace) -> int:
    """Go on with a run that was stopped, killed or cut off, bit for bit from where its bookmark lies."""
    from explorer.runs import train
    from explorer.store.store import Store

    store = Store()
    run = store.run(options.run)
    if run is None:
        raise StorageError(f"There is no run {options.run!r} on this machine. python -m explorer runs lists them.")
    target = target_of(options)
    job, recorder = train.take_up(run, store)
    assert run.experiment is not None
    try:
        learner = train.continued(job, run.experiment, recorder)
    except ExplorerError:
        store.settle(run.id, run.state, run.message)
        raise
    return to_its_end(job, learner, recorder, options, target)


def to_its_end(
    job: "Job[Training]", learner: "Learner", recorder: "Recorder", options: argparse.Namespace, target: Path | None
) -> int:
    """Drive a training job in this thread, and say how it ended."""
    from explorer.runs import ship, train
    from explorer.store.words import Stopped

    experiment, store = job.experiment, recorder.store
    assert experiment is not None
    job.began = True  # by this thread
    job.pace.go()
    bar, stopped = Bar(), False
    if not options.json:
        heading()

    def on_epoch(row: "EpochRow") -> None:
        bar.clear()
        try:
            line(asdict(row), options.json)
        except BrokenPipeError:  # nobody reads any more
            let_go_of_output()
            job.stop()

    try:
        with ends_when_interrupted(job.stop), following(bar, job, lambda: _said(job)):
            train.train(job, experiment, on_epoch=on_epoch, learner=learner, recorder=recorder)
    except Stopped:
        stopped = True
    recorded = f"; recorded as {job.id}" if store and not job.notice else ""
    print(f"{learner.data.source.name}; {learner.step:,} steps{recorded}", file=sys.stderr)
    if job.notice:
        say(job.notice)
    if target and learner.step and not (stopped and options.ship):
        path = ship.write(learner, experiment, job.history.snapshot(), None if options.ship else target)
        print(f"wrote {path}", file=sys.stderr)
    elif stopped:
        kept = store.weights(job.id) if store else None
        print(f"The weights so far are in {kept}" if kept and kept.exists() else "Nothing was kept.", file=sys.stderr)
    if stopped and store and store.bookmark(job.id).exists():
        print(f"Go on with it: python -m explorer resume {job.id}", file=sys.stderr)
    return INTERRUPTED if stopped else 0


def _said(job: "Job[Training]") -> str:
    """What the bar says beside the pace."""
    history, epochs = job.history, job.experiment.total_epochs if job.experiment else 0
    loss = history.smooth_loss
    now = min(len(history.snapshot().epochs) + 1, epochs)
    return f"epoch {now}/{epochs}" + (f" · loss {loss:.3f}" if loss == loss else "")


def _train_dogscats(options: argparse.Namespace) -> int:
    """The head on frozen features. It is made in one way only."""
    from explorer.cam import classifier, dogscats

    classifier.backbone_of(options.key)
    typed = [*_settings(options), *(name for name in ("preset", "start") if getattr(options, name) is not None)]
    if typed:
        raise SettingsError(
            f"{options.key} has no --{typed[0].replace('_', '-')}: only its head is trained, and in one way. "
            "It takes --save FILE, or writes into weights/."
        )
    target = target_of(options)
    if not options.json:
        heading()
    done = dogscats.train_dogscats(
        options.key, target=None if options.ship else target, on_epoch=lambda row: line(asdict(row), options.json)
    )
    print(f"wrote {done['path']}", file=sys.stderr)
    return 0


def target_of(options: argparse.Namespace) -> Path | None:
    """Where weights shall be written, if anywhere; that it can be is found out before hours of training.

    Raises:
        StorageError, SettingsError: it cannot.
    """
    from explorer.data.files import check_writable
    from explorer.training import checkpoint

    target: Path | None = checkpoint.shipped(options.key) if options.ship else options.save
    if target is not None:
        if target.suffix == ".json":
            raise SettingsError(f"{target.name} cannot hold weights: their run is recorded beside them as .json.")
        check_writable(target)
    return target


def store_or_none() -> "Store | None":
    """Where runs are recorded; where that cannot be, a sentence, and the run is not."""
    from explorer.store.store import Store

    try:
        return Store()
    except StorageError as error:
        say(str(error))
        return None
