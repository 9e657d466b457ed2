"""Whatever a page gives to the queue can be sent to another process: a named call with plain arguments."""

import ast
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st

from explorer import paths
from explorer.cam.classifier import shipped
from explorer.data.photos import Photo
from explorer.experiment import Experiment
from explorer.jobs import queue
from explorer.jobs.calls import Call
from explorer.jobs.job import Job
from explorer.lecture.claims import CLAIMS
from explorer.probes.activations import AFTER_ACTIVATION
from explorer.runs import train
from explorer.runs.own_classes import Trained
from explorer.store.store import Store
from explorer.ui import app
from explorer.ui.batchnorm import evaluating, grid, networks, race, through_time
from explorer.ui.cam import learn, two_fits
from explorer.ui.home import claims
from explorer.ui.lr_finder import sweep


class Taker:
    """Takes jobs and never runs them."""

    def __init__(self) -> None:
        self.taken: list[Job] = []

    def submit(self, job: Job, instead_of: Job | None = None) -> Job:
        self.taken.append(job)
        return job

    def find(self, job_id: str) -> None:
        return None

    def last_at(self, place: str, owner: str) -> None:
        return None


def photos() -> dict[str, tuple[Photo, ...]]:
    flat = np.zeros((64, 64, 3), np.uint8)
    return {name: tuple(Photo(flat + shade, 64, 64) for _ in range(3)) for name, shade in (("a", 0), ("b", 200))}


SHARED = networks.Options(2_000, 0, AFTER_ACTIVATION)
STARTS = {
    "reach": lambda: through_time.submit_reach("lstm", "bptt"),
    "explosion": lambda: through_time.submit_explosion("lr", 1.0),
    "map": lambda: grid.submit(20),
    "evaluation": lambda: evaluating.submit(100),
    "race": lambda: race._start(
        "own", {"a": Experiment.of("bn"), "b": Experiment.of("resnet")}, networks.Options(2_000, 0, AFTER_ACTIVATION)
    ),
    "sweep": lambda: sweep._submit(sweep.Asked(["gru", "builder"], 1e-5, 1.0, 50, 0.9, (1, 2)), None),
    "claim": lambda: [claims._submit_measure(claim) for claim in CLAIMS],
    "cats and dogs": lambda: two_fits._submit("mobilenet_v2", 10, 1e-3, None),
    "own classes": lambda: learn._learn(photos(), None),
    "unfrozen": lambda: learn._tune(Trained("x", shipped()), photos(), 1, 1e-3, None),
}


@pytest.fixture
def taken(tmp_path, monkeypatch) -> Iterator[list[Job]]:
    taker, store = Taker(), Store(tmp_path / "runs")
    monkeypatch.setattr(queue, "registry", lambda: taker)
    monkeypatch.setattr(app, "store", lambda: store)
    monkeypatch.setattr(app, "owner", lambda: "ann")
    yield taker.taken
    st.session_state.clear()
    st.query_params.clear()


def travels(call: Call | None) -> None:
    assert isinstance(call, Call), "a closure stays where it was made"
    again = pickle.loads(pickle.dumps(call))
    again.check()
    assert again.name == call.name and again.arguments.keys() == call.arguments.keys()


@pytest.mark.parametrize("start", STARTS)
def test_what_a_page_starts_can_be_sent_to_another_process(start: str, taken: list[Job]) -> None:
    STARTS[start]()
    assert len(taken) == (len(CLAIMS) if start == "claim" else 1)
    for job in taken:
        travels(job.work)
        travels(job.record)
        pickle.dumps((job.experiment, job.result))


def test_a_training_run_and_one_that_goes_on_can_be_sent(taken: list[Job]) -> None:
    store = app.store()
    first = train.submit(Experiment.of("gru"), "ann", store, paused=True)
    travels(first.work)
    travels(first.record)
    first.prepare()
    first.on_queued()
    first.stop()
    store.bookmark(first.id).parent.mkdir(parents=True)
    store.bookmark(first.id).touch()
    again = train.submit_again(store.run(first.id), store, "ann")
    travels(again.work)
    travels(again.record)
    assert (again.id, again.created) == (first.id, first.created)


def test_no_page_gives_a_closure_to_a_job() -> None:
    """The list above is whole: it starts a job wherever the pages' code makes one."""
    made = [path.stem for path in (paths.REPOSITORY / "explorer" / "ui").rglob("*.py") if "Job(" in _code(path)]
    assert sorted(made) == ["claims", "evaluating", "grid", "learn", "race", "sweep", "through_time", "two_fits"]


def _code(path: Path) -> str:
    """The calls in a file, one a line."""
    found = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return "\n".join(f"{ast.unparse(node.func)}(" for node in found)
