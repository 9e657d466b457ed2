"""The steps: each can be reached, none is done on an untouched page, and state decides."""

import ast
import importlib

import pytest

from explorer.experiment import Experiment
from explorer.ladders import Page
from explorer.lecture import steps as lessons
from explorer.paths import REPOSITORY

REACHED = {
    ("char_rnn", "watch"): {"epochs": 1},
    ("char_rnn", "forget"): {"model": "stateful", "epochs": 1, "changes": {"reset": "batch"}},
    ("char_rnn", "longer"): {"model": "gru", "epochs": 1, "changes": {"bptt": 64}},
    ("char_rnn", "gates"): {"model": "gru", "epochs": 1},
    ("char_rnn", "break"): {"state": "diverged"},
    ("char_rnn", "write"): {"done": {"temperatures"}},
    ("cifar10", "flat"): {"model": "simplenet", "epochs": 1},
    ("cifar10", "conv"): {"model": "convnet2", "epochs": 1},
    ("cifar10", "norm"): {"model": "bn", "epochs": 2},
    ("cifar10", "without"): {"model": "bn", "epochs": 1, "changes": {"norm": "none"}},
    ("cifar10", "skip"): {"model": "resnet", "epochs": 2},
    ("cifar10", "own"): {"model": "builder", "epochs": 1, "changes": {"depth": 4}},
    ("lr_finder", "sweep"): {"done": {"swept"}},
    ("lr_finder", "two"): {"done": {"compared"}},
    ("lr_finder", "use"): {"done": {"used rate"}},
    ("batchnorm", "race"): {"done": {"raced"}},
    ("batchnorm", "breaks"): {"done": {"broke"}},
    ("batchnorm", "grid"): {"done": {"grid"}},
    ("batchnorm", "statistics"): {"done": {"statistics"}},
    ("cam", "photo"): {"done": {"photo"}},
    ("cam", "other"): {"done": {"other class"}},
    ("cam", "check"): {"done": {"deletion"}},
    ("cam", "own"): {"done": {"own classes"}},
    ("runs", "two"): {"done": {"compared"}},
    ("runs", "again"): {"done": {"opened"}},
}
STEPS = [(page, step) for page, steps in lessons.PAGES.items() for step in steps]


@pytest.mark.parametrize(("page", "step"), STEPS, ids=lambda v: getattr(v, "id", v))
def test_a_step_is_open_on_an_untouched_page_and_done_when_its_state_is_reached(page, step) -> None:
    untouched = {"model": "gru", "changes": {}, "state": "", "epochs": 0, "done": set()}
    assert not step.done(untouched) and not step.done({})
    assert step.id in lessons.finished(page, untouched | REACHED[page, step.id])


def test_ids_are_unique_and_pages_exist() -> None:
    assert set(lessons.PAGES) <= set(Page)
    for steps in lessons.PAGES.values():
        assert len({step.id for step in steps}) == len(steps)
        assert all(step.text.endswith((".", "?")) and step.title for step in steps)


def test_a_wrong_setting_does_not_tick() -> None:
    state = {"model": "stateful", "epochs": 3, "changes": {"reset": "epoch", "bptt": 16}}
    assert not {"forget", "longer"} & lessons.finished("char_rnn", state)


def test_a_page_without_steps_has_none() -> None:
    assert lessons.finished("nowhere", {"epochs": 9}) == set()


def _page_said(path, argument: ast.expr) -> str:
    """The page a call of ``steps.did`` names: in so many words, as the file's ``PAGE``, or as its caller says."""
    if isinstance(argument, ast.Constant):
        return argument.value
    if isinstance(argument, ast.Attribute):
        return Page[argument.attr]
    inside = path.relative_to(REPOSITORY).with_suffix("").parts
    if argument.id == "PAGE" and inside[0] == "explorer":
        return importlib.import_module(".".join(inside)).PAGE
    return path.stem if argument.id == "PAGE" else {"writing": "char_rnn"}[path.stem]


def _words_said() -> dict[str, set[str]]:
    """What each page's code says was done on it."""
    said: dict[str, set[str]] = {page: set() for page in lessons.PAGES}
    for folder in (REPOSITORY / "pages", REPOSITORY / "explorer" / "ui"):
        for path in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "steps.did":
                    said[_page_said(path, node.args[0])].add(node.args[1].value)
    return said


def test_every_word_a_step_waits_for_is_said_by_its_page_and_no_other() -> None:
    waited: dict[str, set[str]] = {page: set() for page in lessons.PAGES}
    for (page, _), state in REACHED.items():
        waited[page] |= state.get("done", set())
    assert _words_said() == waited


@pytest.mark.parametrize("reached", [s for s in REACHED.values() if "model" in s], ids=lambda s: s["model"])
def test_every_setting_a_step_waits_for_can_be_set(reached) -> None:
    changes = reached.get("changes", {})
    assert Experiment.of(reached["model"], **changes).changes() == changes
