"""The "Try this" steps of each page, as data: a step ticks itself off when the page's state meets it.

A page describes itself in a plain dict; what is missing from it counts as not done. The words it may use:

========== ====================================================================================
word       value
========== ====================================================================================
model      the rung's key
changes    the settings that differ from the rung's lecture preset, by name
state      what the page's run is doing ("queued", "running", …), "" without one
epochs     epochs validated by the run
done       words for things done on this page in this session, a set; the page says them with
           ``steps.did``
========== ====================================================================================
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from explorer.experiment import Norm
from explorer.ladders import Page
from explorer.store.words import State

Told = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One thing to try."""

    id: str
    title: str
    text: str
    done: Callable[[Told], bool]


def _did(*words: str) -> Callable[[Told], bool]:
    return lambda state: set(words) <= set(state.get("done", ()))


def _trained(*models: str, epochs: int = 1, **changes: Callable[[Any], bool]) -> Callable[[Told], bool]:
    """A run of one of ``models`` has validated that often, with settings that pass."""

    def met(state: Told) -> bool:
        if state.get("model") not in models or state.get("epochs", 0) < epochs:
            return False
        given = state.get("changes", {})
        return all(name in given and passes(given[name]) for name, passes in changes.items())

    return met


def _broke(state: Told) -> bool:
    return state.get("state") == State.DIVERGED


PAGES: dict[str, tuple[Step, ...]] = {
    Page.CHAR_RNN: (
        Step(
            "watch",
            "Watch it learn",
            "Press **Train** and wait for the first validation point.",
            lambda s: s.get("epochs", 0) >= 1,
        ),
        Step(
            "forget",
            "Make it forget",
            "Choose the stateful RNN, reset the state at every *batch*, train an epoch.",
            _trained("stateful", reset=lambda v: v == "batch"),
        ),
        Step(
            "longer",
            "Look further back",
            "Set bptt to 32 or more and train an epoch. What happens to the pace?",
            _trained("stateful", "gru", "lstm", "rnn-cell", "gru-cell", bptt=lambda v: v >= 32),
        ),
        Step(
            "gates",
            "Give it gates",
            "Train the GRU for an epoch and compare its loss with the RNN's.",
            _trained("gru", "gru-cell"),
        ),
        Step("break", "Break it", "Raise the learning rate until the run diverges. Then clip gradients.", _broke),
        Step("write", "Let it write", "Write the same prompt at four temperatures.", _did("temperatures")),
    ),
    Page.CIFAR10: (
        Step(
            "flat", "Start without convolutions", "Train the fully connected net for an epoch.", _trained("simplenet")
        ),
        Step(
            "conv",
            "Share the weights",
            "Train a convolutional net for an epoch. Fewer weights, better.",
            _trained("convnet", "convnet2"),
        ),
        Step("norm", "Normalise", "Train BatchNorm by hand for two epochs.", _trained("bn", epochs=2)),
        Step(
            "without",
            "Take it away again",
            "The same network with *Normalisation* set to *none*.",
            _trained("bn", "deep-bn", norm=lambda v: v == Norm.NONE),
        ),
        Step("skip", "Let it skip", "Train a ResNet for two epochs.", _trained("resnet", "resnet2", epochs=2)),
        Step(
            "own",
            "Build your own",
            "Change depth or widths of *Your own* and train it.",
            lambda s: _trained("builder")(s) and bool({"depth", "widths", "stem"} & set(s.get("changes", {}))),
        ),
    ),
    Page.LR_FINDER: (
        Step("sweep", "Sweep once", "Press **Sweep**. Where does the curve fall fastest?", _did("swept")),
        Step(
            "two", "Lay two over each other", "Sweep a net with and one without BatchNorm together.", _did("compared")
        ),
        Step("use", "Use a rate", "Take a suggestion over to the training page.", _did("used rate")),
    ),
    Page.BATCHNORM: (
        Step("race", "Start a race", "Run the first preset and watch the spread layer by layer.", _did("raced")),
        Step("breaks", "See one break", "Race until a network breaks, and read where it did.", _did("broke")),
        Step(
            "grid", "Map the rates", "Run the map of learning rate × depth, with and without BatchNorm.", _did("grid")
        ),
        Step(
            "statistics",
            "Change the statistics",
            "Evaluate with the last batch's statistics and with running ones.",
            _did("statistics"),
        ),
    ),
    Page.CAM: (
        Step(
            "photo",
            "Bring a photo",
            "Upload a cat or a dog of your own, or choose one of the lecture's.",
            _did("photo"),
        ),
        Step("other", "Ask for the other class", "Where would it see a dog in the cat?", _did("other class")),
        Step("check", "Check the map", "Grey the hottest parts. Does the answer change?", _did("deletion")),
        Step("own", "Teach it your own classes", "Give it a few photos of each of two things.", _did("own classes")),
    ),
    Page.RUNS: (
        Step("two", "Lay two runs over each other", "Choose two rows of the table.", _did("compared")),
        Step("again", "Open one again", "Everything needed is in its link.", _did("opened")),
    ),
}


def finished(page: str, state: Told) -> set[str]:
    """The ids of the page's steps that its state meets."""
    return {step.id for step in PAGES.get(page, ()) if step.done(state)}
