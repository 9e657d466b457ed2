"""The terminal: the same experiments, learner and data as the pages.

python -m explorer train gru --preset lecture
python -m explorer evaluate gru --json
python -m explorer sample lstm --prompt "for thos" --length 400
"""

import argparse
import contextlib
import json
import math
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer import ladders
from explorer.errors import ExplorerError, SettingsError, StorageError
from explorer.experiment import SETTINGS, Experiment

if TYPE_CHECKING:
    from explorer.runs.history import EpochRow
    from explorer.runs.jobs import Job
    from explorer.runs.store import Store

INTERRUPTED = 130  #: exit status after Ctrl-C


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status (0 well, 1 a problem said in one sentence, 130 interrupted)."""
    _print_whatever_comes()
    try:
        try:
            options = _parser().parse_args(arguments)
            return options.command(options) or 0
        finally:
            if sys.stdout:  # None where it is closed
                sys.stdout.flush()  # here, where it can still be said that it does not work
    except ExplorerError as error:
        return _say(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read has read enough
        _let_go_of_output()
        return 1
    except OSError as error:
        _let_go_of_output()
        return _say(f"{error.filename or 'Standard output'} cannot be used: {error.strerror or error}.")
    except (MemoryError, RuntimeError) as error:
        from explorer.runs import jobs

        if not jobs.out_of_memory(error):
            raise
        return _say(jobs.explain(error))


def _say(sentence: str) -> int:
    """A problem, in one sentence; the exit status that goes with it."""
    with contextlib.suppress(OSError):
        print(f"explorer: {sentence}", file=sys.stderr)
    return 1


def _print_whatever_comes() -> None:
    """Characters that the terminal's encoding lacks are printed as their numbers."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _let_go_of_output() -> None:
    """What is left unprinted goes nowhere, or Python would try again at its end, and complain again."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _as_typed(argument: str) -> str:
    """What was typed, where the locale is not UTF-8 or some bytes are none; such bytes become \ufffd."""
    return os.fsencode(argument).decode("utf-8", errors="replace")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m explorer", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    keys = [rung.key for ladder in ladders.LADDERS.values() for rung in ladder]

    train = commands.add_parser("train", help="train a model, printing loss and time per epoch")
    train.add_argument("key", metavar="KEY", help=f"{', '.join(keys)}, dogscats, dogscats-resnet34")
    train.add_argument("--preset", help="a named set of settings (default: lecture)")
    train.add_argument("--save", type=Path, metavar="FILE", help="write the weights here, with the history beside them")
    train.add_argument(
        "--ship", action="store_true", help="write the weights into weights/, in half precision where that is safe"
    )
    train.add_argument("--start", type=Path, metavar="FILE", help="go on from these weights")
    train.add_argument("--no-record", action="store_true", help="leave the run out of the runs kept on this machine")
    _add_settings(train)
    train.set_defaults(command=_train)

    evaluate = commands.add_parser("evaluate", help="validate weights: the shipped ones, or a file")
    evaluate.add_argument("key", metavar="KEY")
    evaluate.add_argument("--weights", type=Path, metavar="FILE")
    evaluate.add_argument("--json", action="store_true", help="one JSON object on one line")
    evaluate.set_defaults(command=_evaluate)

    sample = commands.add_parser("sample", help="text from a language model")
    sample.add_argument("key", metavar="KEY")
    sample.add_argument("--weights", type=Path, metavar="FILE")
    sample.add_argument("--prompt", type=_as_typed, default="for thos")
    sample.add_argument("--length", type=int, default=400)
    sample.add_argument("--temperature", type=float, default=0.8)
    sample.add_argument("--top-k", type=int, default=0)
    sample.add_argument("--seed", type=int, default=0)
    sample.set_defaults(command=_sample)

    find = commands.add_parser("lr-find", help="sweep the learning rate and suggest one")
    find.add_argument("key", metavar="KEY")
    find.add_argument("--preset")
    find.add_argument("--from", dest="low", type=float, default=1e-5)
    find.add_argument("--to", dest="high", type=float, default=10.0)
    find.add_argument("--steps", type=int, default=100)
    find.add_argument("--json", action="store_true")
    _add_settings(find)
    find.set_defaults(command=_lr_find)

    cam = commands.add_parser("cam", help="which pixels decide: cat or dog, for any photos")
    cam.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    cam.add_argument("--json", action="store_true")
    cam.set_defaults(command=_cam)

    runs = commands.add_parser("runs", help="the runs recorded on this machine")
    runs.add_argument("--json", action="store_true")
    runs.set_defaults(command=_runs)

    fetch = commands.add_parser("fetch", help="download the lecture's data")
    fetch.add_argument("what", nargs="*", choices=["nietzsche", "cifar10", "dogscats", []], help="default: all")
    fetch.set_defaults(command=_fetch)
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("settings (over the preset's)")
    for setting in SETTINGS.values():
        text = setting.help.replace("%", "%%")
        if setting.options:
            text += f" One of: {', '.join(setting.options)}."
        group.add_argument(f"--{setting.name.replace('_', '-')}", dest=setting.name, metavar="VALUE", help=text)


def _experiment(options: argparse.Namespace) -> Experiment:
    return Experiment.of(options.key, options.preset or "lecture", **_settings(options))


def _settings(options: argparse.Namespace) -> dict[str, str]:
    """The settings that were typed."""
    return {name: value for name in SETTINGS if (value := getattr(options, name)) is not None}


def _train(options: argparse.Namespace) -> int:
    if options.key.startswith("dogscats"):
        return _train_dogscats(options)
    experiment = _experiment(options)
    target = _target(options)
    from explorer.runs import ship, train
    from explorer.runs.jobs import Job, Kind, Stopped
    from explorer.training import prepare

    store = None if options.no_record else _store()
    learner = prepare.learner_for(experiment, options.start)
    job = Job(Kind.TRAIN, experiment.rung.title, lambda job: None, experiment=experiment)
    job.began = True  # by this thread
    _heading()

    def on_epoch(row: "EpochRow") -> None:
        try:
            _line(asdict(row))
        except BrokenPipeError:  # nobody reads any more
            _let_go_of_output()
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
        _say(job.notice)
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
    done = dogscats.train_dogscats(options.key, target=None if options.ship else target, on_epoch=_line)
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
        _say(str(error))
        return None


@contextlib.contextmanager
def _ends_when_interrupted(job: "Job") -> Iterator[None]:
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
        _say(f"Epoch {row['epoch']} cannot be printed: {error.strerror or error}. Training goes on.")


def _weights(options: argparse.Namespace) -> Path:
    from explorer.training import checkpoint

    if not options.weights:
        ladders.rung(options.key)
    return options.weights or checkpoint.shipped(options.key)


def _evaluate(options: argparse.Namespace) -> int:
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


def _sample(options: argparse.Namespace) -> int:
    from explorer import devices
    from explorer.models import generate
    from explorer.training import checkpoint

    seed = SETTINGS["seed"].check(options.seed)
    model, story = checkpoint.load(_weights(options), devices.choose())
    if story.vocabulary is None:
        raise SettingsError(f"{options.key} does not write text. Choose one of the language models.")
    characters = generate.sample(
        model,
        story.vocabulary,
        options.prompt,
        options.length,
        options.temperature,
        options.top_k,
        seed,
        story.experiment.window,
    )
    print(options.prompt, end="")
    for character in characters:
        print(character.text, end="", flush=True)
    print()
    return 0


def _lr_find(options: argparse.Namespace) -> int:
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


def _cam(options: argparse.Namespace) -> int:
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


def _runs(options: argparse.Namespace) -> int:
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


def _fetch(options: argparse.Namespace) -> int:
    from explorer.data import cifar10, dogscats, text

    rooms = {"nietzsche": text, "cifar10": cifar10, "dogscats": dogscats}
    for name in options.what or rooms:

        def progress(done: int, total: int | None, name: str = name) -> None:
            share = f"{done / total:6.1%}" if total else f"{done / 1e6:.1f} MB"
            print(f"\r{name}: {share}", end="", file=sys.stderr, flush=True)

        path = rooms[name].fetch(progress)
        print(f"\n{path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
