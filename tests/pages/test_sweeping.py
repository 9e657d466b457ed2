"""A sweep begun on a page: what it takes is said before, it trains in the queue, is stopped, and goes on."""

import pytest

from explorer import limits
from explorer.jobs import queue
from explorer.limits import Limits
from explorer.runs import grid
from explorer.store.store import Store
from explorer.store.words import ENDED, State
from tests.jobs.working import start, until
from tests.pages.conftest import numbers, open_page, store_of, texts, wait
from tests.pages.test_sweeps import swept, table

FOLD = "runs.fold.sweep"


@pytest.fixture
def store(tmp_path, monkeypatch) -> Store:
    return store_of("ann", tmp_path, monkeypatch)


def opened():
    return again(open_page("runs"))


def again(at, fold=FOLD):
    """Run it with the fold open: that is state of the browser's, which AppTest does not send."""
    at.session_state[fold] = True
    return at.run()


def said(at) -> str:
    return (texts(at) + " ".join(error.value for error in at.error)).replace("\\", "")


def test_a_closed_fold_draws_nothing_of_the_form(store) -> None:
    at = open_page("runs")
    assert not at.multiselect(key="runs.models").value and "runs.of" not in {box.key for box in at.selectbox}


def test_a_sweep_is_begun_watched_stopped_and_gone_on_with(store) -> None:
    at = opened()
    assert at.button(key="runs.begin").disabled
    at.selectbox(key="runs.of").set_value("char3")
    over = again(at).multiselect(key="runs.over.char3.lecture")
    assert over.options[0].startswith("lr=") and not any(word.startswith("bptt") for word in over.options)
    over.set_value(["lr=1e-3,1e-2", "hidden=8,16"])
    assert "**4 cells** (2 lr × 2 hidden): how long is seen after the first" in said(again(at))
    at.number_input(key="runs.epochs.char3.lecture").set_value(100)
    again(at).button(key="runs.begin").click()
    again(at)
    assert not at.exception and not at.error
    (sweep,) = {run.sweep for run in store.runs()}
    assert at.query_params["runs"] == sweep and table(at)["kind"].tolist() == ["sweep of 4"]
    runs = store.cells([sweep])
    assert {(run.owner, run.experiment.epochs, run.experiment.model) for run in runs} == {("ann", 100, "char3")}
    wait(at, lambda: store.run(runs[0].id).steps > 0)
    assert numbers(at)["cells over"] == "0 of 4" and numbers(at)["now"] == "lr 0.001 · hidden 8"
    at.button(key=f"runs.sweep-stop.{sweep}").click().run()
    wait(at, lambda: {run.state for run in store.cells([sweep])} == {State.STOPPED})
    assert "0 of 4 cells are over" in said(at) and "4 cells left." in said(at)
    done = store.run(runs[0].id).steps
    at.button(key=f"runs.sweep-go-on.{sweep}").click().run()
    assert not at.exception and not at.error
    wait(at, lambda: store.run(runs[0].id).steps > done)
    at.button(key=f"del.{sweep}").click().run()
    wait(at, lambda: all(job.ended for job in queue.registry().all()))
    assert not store.cells([sweep])


@pytest.mark.parametrize(
    ("over", "how", "words"),
    [
        (["lr=1"], {}, "an axis has two at least"),
        (["nonsense"], {}, "is no axis of a sweep"),
        (["bptt=8,16"], {}, "is no setting of"),
        (["lr=1e-4:1e-1:log:9", "hidden=8,16,32"], {"sweep_cells": 20}, "make 27 cells; on this server"),
        (["lr=1e-3,1e-2"], {"disk_mb": 1}, "one visitor keeps 1 MB here"),
    ],
)
def test_what_cannot_be_is_said_and_begins_nothing(store, monkeypatch, over, how, words) -> None:
    monkeypatch.setattr(limits, "now", lambda: Limits(**how))
    at = opened()
    at.selectbox(key="runs.of").set_value("char3")
    again(at).multiselect(key="runs.over.char3.lecture").set_value(over)
    again(at)
    if how:
        at.button(key="runs.begin").click()
        again(at)
    assert words in said(at) and not at.exception
    assert not store.runs()


def test_the_map_inside_the_network_trains_its_networks_as_a_sweep(store, monkeypatch) -> None:
    monkeypatch.setattr(grid, "DEPTHS", (1, 2))
    fold = "batchnorm.map.fold.sweep"
    at = open_page("batchnorm", show="map", steps="20")
    assert "batchnorm.map.begin-sweep" not in {button.key for button in at.button}
    assert "**28 cells** (7 lr × 2 depth × 2 norm)" in said(again(at, fold))
    start(queue.registry(), owner="bob")  # has the place
    at.button(key="batchnorm.map.begin-sweep").click()
    again(at, fold)
    assert not at.exception and not at.error
    runs = store.cells([store.runs()[0].sweep])
    assert [cell.experiment for cell in grid.plan(20).cells] == [run.experiment for run in runs]
    until(lambda: queue.registry().find(runs[0].id) is not None)
    at = again(open_page("batchnorm", show="map", steps="20"), fold)  # another session finds it
    assert "1 ahead of you in the queue" in said(at) and numbers(at)["cells over"] == "0 of 28"
    at.button(key=f"batchnorm.map.sweep-stop.{runs[0].sweep}").click()
    again(at, fold)
    until(lambda: {run.state for run in store.cells([runs[0].sweep])} <= ENDED, 60)
    assert "Train them all again" in {button.label for button in again(at, fold).button}
    at.button(key="batchnorm.map.open-sweep").click()
    again(at, fold)
    assert at.query_params["runs"] == runs[0].sweep and not at.exception


def test_somebody_elses_sweep_is_neither_stopped_nor_gone_on_with(store, monkeypatch) -> None:
    runs = swept(store, "lr=1e-3,1e-2,1e-1", done=1, owner="bob")
    at = open_page("runs", whose="all", runs=runs[0].sweep)
    assert "1 of 3 cells are over" in texts(at) and not at.code
    assert not any(button.key and "sweep-go-on" in button.key for button in at.button)
    store.settle(runs[1].id, State.QUEUED)
    at.run()
    assert not any(button.key and "sweep-stop" in button.key for button in at.button) and not at.exception
