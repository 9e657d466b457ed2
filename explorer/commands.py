"""What each command of the terminal does: call, print, and say in a sentence what went wrong.

Every command takes what was typed and returns the exit status. Whatever needs torch is imported where it is used, so
that ``--help`` and a mistyped word are answered at once.
"""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

from explorer import ladders
from explorer.errors import SettingsError
from explorer.experiment import SETTINGS
from explorer.terminal.bar import Bar, size
from explorer.terminal.train import experiment_of


def back_up(options: argparse.Namespace) -> int:
    """Copy the record of runs, while servers write it, with its weights, own texts and the server's secret."""
    from explorer.store import backup
    from explorer.store.store import Store

    found = backup.backup(Store(), options.folder)
    print(f"{options.folder}: {found.files} files, {found.bytes / 1e6:.1f} MB")
    return 0


def _weights(options: argparse.Namespace) -> Path:
    from explorer.training import checkpoint

    if not options.weights:
        ladders.rung(options.key)
    return options.weights or checkpoint.shipped(options.key)


def evaluate(options: argparse.Namespace) -> int:
    """Validate weights; print what came out."""
    if options.key.startswith("dogscats"):
        from explorer.cam import dogscats

        if options.weights:
            raise SettingsError(f"{options.key} is evaluated as it ships. Leave --weights out.")
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

    learner = prepare.learner_for(experiment_of(options))
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
    from explorer.store.index import Query
    from explorer.store.store import Store

    for run in Store().find(Query(), limit=options.limit):
        words = {
            "id": run.id,
            "kind": run.kind,
            "model": run.model,
            "state": run.state,
            "steps": run.steps,
            "epochs": run.epochs,
            "val_loss": run.val_loss,
            "accuracy": run.accuracy,
            "seconds": round(run.seconds, 1),
            "name": run.name,
            "sweep": run.sweep,
        }
        print(json.dumps(words) if options.json else "  ".join("–" if v is None else f"{v}" for v in words.values()))
    return 0


def fetch(options: argparse.Namespace) -> int:
    """Download the lecture's data; print where it lies."""
    from explorer.data import cifar10, dogscats

    rooms, bar = {"cifar10": cifar10, "dogscats": dogscats}, Bar()
    for name in options.what or rooms:

        def progress(done: int, total: int | None, name: str = name) -> None:
            of = f" of {size(total)}" if total else ""
            bar.draw(done / total if total else 0.0, f"{name} · {size(done)}{of}")

        held: list[str] = []
        path = rooms[name].fetch(progress, held.append)
        bar.clear()
        print(path)
        for words in held:
            print(f"{name}: {words}", file=sys.stderr)
    return 0
