"""How the terminal speaks: a problem in one sentence, an epoch in one line, and what to do when nobody reads."""

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

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


@contextlib.contextmanager
def ends_when_interrupted(stop: Callable[[], object]) -> Iterator[None]:
    """The first Ctrl-C, or request to end, calls ``stop``: the work ends after its step; a second ends it at once."""
    if threading.current_thread() is not threading.main_thread():  # Python tells only that one
        yield
        return

    def interrupted(*_: object) -> None:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.write(2, b"\nEnding after this step; Ctrl-C again ends at once.\n")
        stop()

    before = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def heading() -> None:
    """What :func:`line` prints under."""
    print(f"{'epoch':>5} {'train':>8} {'valid':>8} {'accuracy':>8} {'seconds':>8}", flush=True)


def line(row: Mapping[str, Any], as_json: bool = False) -> None:
    """One epoch, as the lecture prints it, or as one JSON object. A full disk costs the line, not the run."""
    names = ("train_loss", "val_loss", "accuracy")
    words = f"{row['epoch']:5} " + " ".join(f"{row[name]:8.5f}" for name in names) + f" {row['seconds']:8.1f}"
    try:
        print(json.dumps(_plain(row)) if as_json else words, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        say(f"Epoch {row['epoch']} cannot be printed: {error.strerror or error}. Training goes on.")


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Without numbers that JSON does not know."""
    return {name: None if value != value else value for name, value in row.items()}
