"""What each command of the terminal does: call, print, and say in a sentence what went wrong.

Every command takes what was typed and returns the exit status. Whatever needs torch is imported where it is used, so
that ``--help`` and a mistyped word are answered at once.
"""

import argparse
import contextlib
import json
import math
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer import ladders
from explorer.errors import SettingsError, StorageError
from explorer.experiment import SETTINGS, Experiment

if TYPE_CHECKING:
    from explorer.runs.history import EpochRow
    from explorer.runs.jobs import Job
    from explorer.runs.store import Store

INTERRUPTED = 130  #: exit status after Ctrl-C


def say(sentence: str) -> int:
    """A problem, in one sentence; the exit status that goes with it."""
    with contextlib.suppress(OSError):
        print(f"explorer: {sentence}", file=sys.stderr)
    return 1


def let_go_of_output() -> None:
    """What is left unprinted goes nowhere, or Python would try again at its end, and complain again."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _experiment(options: argparse.Namespace) -> Experiment:
    return Experiment.of(options.key, options.preset or "lecture", **_settings(options))


def _settings(options: argparse.Namespace) -> dict[str, str]:
    """The settings that were typed."""
    return {name: value for name in SETTINGS if (value := getattr(options, name)) is not None}


def train(options: argparse.Namespace) -> int:
    """Train a model; print loss and time an epoch, record the run, write the weights where asked."""
    if options.key.startswith("dogscats"):
        return _train_dogscats(options)
    experiment = _experiment(options)
    target = _target(options)
    from explorer.runs import ship, train
    from explorer.runs.jobs import Job
    from explorer.runs.words import Kind, Stopped
    from explorer.training import prepare

    store = None if options.no_record else _store()
    learner = prepare.learner_for(experiment, options.start)
    job: Job[train.Training] = Job(Kind.TRAIN, experiment.rung.title, lambda job: None, experiment=experiment)
    job.began = True  # by this thread
    _heading()

    def on_epoch(row: "EpochRow") -> None:
        try:
            _line(asdict(row))
        except BrokenPipeError:  # nobody reads any more
            let_go_of_output()
            job.stop()

    stopped = False
    try:
        with _ends_when_interrupted(job):
            train.train(job, experiment, store, on_epoch=on_epoch, learner=learner)
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
    return INTERRUPTED if stopped else 0


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
    target = _target(options)
    _heading()
    done = dogscats.train_dogscats(
        options.key, target=None if options.ship else target, on_epoch=lambda row: _line(asdict(row))
    )
    print(f"wrote {done['path']}", file=sys.stderr)
    return 0


def _target(options: argparse.Namespace) -> Path | None:
    """Where weights shall be written, if anywhere; that it can be is found out before hours of training.

    Raises:
        StorageError, SettingsError: it cannot.
    """
    from explorer.data.files import check_writable
    from explorer.training import checkpoint

    target = checkpoint.shipped(options.key) if options.ship else options.save
    if target is not None:
        if target.suffix == ".json":
            raise SettingsError(f"{target.name} cannot hold weights: their run is recorded beside them as .json.")
        check_writable(target)
    return target


def _store() -> "Store | None":
    """Where runs are recorded; where that cannot be, a sentence, and the run is not."""
    from explorer.runs.store import Store

    try:
        return Store()
    except StorageError as error:
        say(str(error))
        return None


@contextlib.contextmanager
def _ends_when_interrupted(job: "Job[Any]") -> Iterator[None]:
    """The first Ctrl-C ends the run after its step, so that nothing is lost; a second one at once."""
    if threading.current_thread() is not threading.main_thread():  # Python tells only that one
        yield
        return

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        os.write(2, b"\nEnding after this step; Ctrl-C again ends at once.\n")
        job.stop()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _heading() -> None:
    print(f"{'epoch':>5} {'train':>8} {'valid':>8} {'accuracy':>8} {'seconds':>8}", flush=True)


def _line(row: Mapping[str, Any]) -> None:
    """One epoch, as the lecture prints it. A full disk costs the line, not the run."""
    columns = ("train_loss", "val_loss", "accuracy")
    try:
        print(f"{row['epoch']:5}", *(f"{row[name]:8.5f}" for name in columns), f"{row['seconds']:8.1f}", flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        say(f"Epoch {row['epoch']} cannot be printed: {error.strerror or error}. Training goes on.")


def _weights(options: argparse.Namespace) -> Path:
    from explorer.training import checkpoint

    if not options.weights:
        ladders.rung(options.key)
    return options.weights or checkpoint.shipped(options.key)


def evaluate(options: argparse.Namespace) -> int:
    """Validate weights; print what came out."""
    if options.key.startswith("dogscats"):
        from explorer.cam import dogscats

        result = dogscats.evaluate_dogscats(options.key)
    else:
        from explorer.runs import ship

        result = ship.evaluate(_weights(options))
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name}: {value}")
    return 0


def sample(options: argparse.Namespace) -> int:
    """Print text that a language model writes."""
    from explorer import devices
    from explorer.models import generate
    from explorer.models.sampling import Sampling
    from explorer.training import checkpoint

    seed = SETTINGS["seed"].check(options.seed)
    model, story = checkpoint.load(_weights(options), devices.choose())
    if story.vocabulary is None:
        raise SettingsError(f"{options.key} does not write text. Choose one of the language models.")
    asked = Sampling(options.prompt, options.length, options.temperature, options.top_k, seed)
    print(asked.prompt, end="")
    for character in generate.sample(model, story.vocabulary, asked, story.experiment.window):
        print(character.text, end="", flush=True)
    print()
    return 0


def lr_find(options: argparse.Namespace) -> int:
    """Sweep the learning rate; print the curve and what it suggests."""
    from explorer.training import lr_finder, prepare

    learner = prepare.learner_for(_experiment(options))
    sweep = lr_finder.find(learner, options.low, options.high, options.steps)
    suggestions = lr_finder.suggest(sweep)
    if options.json:
        print(json.dumps({name: rate for name, rate in suggestions.items() if not math.isnan(rate)}))
    else:
        for rate, loss in zip(sweep.lr, sweep.smooth, strict=True):
            print(f"{rate:10.3g} {loss:8.4f}")
        for name, rate in suggestions.items():
            print(f"{name}: {rate:.3g}")
    return 0


def cam(options: argparse.Namespace) -> int:
    """Print what the shipped classifier sees in each photo."""
    from explorer.cam import classifier

    failed = 0
    for path in options.photos:
        answer = classifier.answer(path)
        failed += "error" in answer
        print(json.dumps(answer) if options.json else _in_words(answer), flush=True)
    return 1 if failed == len(options.photos) else 0


def _in_words(answer: dict[str, Any]) -> str:
    if "error" in answer:
        return f"{answer['file']}: {answer['error']}"
    shares = ", ".join(f"{name} {share:.1%}" for name, share in answer["probabilities"].items())
    return f"{answer['file']}: {answer['class']} ({shares})"


def runs(options: argparse.Namespace) -> int:
    """Print the runs recorded on this machine, the newest first."""
    from explorer.runs.store import Store

    store = Store()
    for run in store.runs():
        best = store.history(run.id)
        words = {
            "id": run.id,
            "kind": run.kind,
            "model": run.experiment.model,
            "state": run.state,
            "steps": len(best),
            "val_loss": best.best_val_loss,
            "accuracy": best.best_accuracy,
        }
        print(json.dumps(words) if options.json else "  ".join(f"{v}" for v in words.values()))
    return 0


def fetch(options: argparse.Namespace) -> int:
    """Download the lecture's data; print where it lies."""
    from explorer.data import cifar10, dogscats

    rooms = {"cifar10": cifar10, "dogscats": dogscats}
    for name in options.what or rooms:

        def progress(done: int, total: int | None, name: str = name) -> None:
            share = f"{done / total:6.1%}" if total else f"{done / 1e6:.1f} MB"
            print(f"\r{name}: {share}", end="", file=sys.stderr, flush=True)

        path = rooms[name].fetch(progress)
        print(f"\n{path}")
    return 0
