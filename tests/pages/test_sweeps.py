"""A sweep on the Runs page: one line, which opens to its map, its best cell and its cells."""

import time

import pandas as pd
import pytest

from explorer.experiment import Experiment
from explorer.runs import cells, grid
from explorer.runs.sweeps import Plan
from explorer.store.history import EpochRow
from explorer.store.index import Run
from explorer.store.store import Store
from explorer.store.words import WAITS, State
from explorer.ui import app
from tests.pages.conftest import open_page, store_of, texts
from tests.store.test_store import rows


@pytest.fixture
def store(tmp_path, monkeypatch) -> Store:
    return store_of("terminal", tmp_path, monkeypatch)


def swept(store: Store, *over: str, seeds: int = 1, done: int = 99, owner: str = "terminal") -> list[Run]:
    """A sweep of which the first ``done`` cells are over: the higher the rate the better."""
    runs = cells.enter(Plan.of(Experiment.of("gru"), over, seeds), store, owner)
    for run in runs[:done]:
        loss = 2 - run.experiment.lr
        store.append(run.id, rows(1, 5), [EpochRow(1, 5, 2.0, loss, 0.4, 3.0)])
        store.settle(run.id, State.DONE)
    for run in runs[done:]:
        store.settle(run.id, State.STOPPED, WAITS)
    return runs


def table(at) -> pd.DataFrame:
    return at.dataframe[0].value


def test_a_sweep_is_one_line_that_opens_to_its_map_and_its_best(store) -> None:
    experiment, now = Experiment.of("gru", lr=0.02), time.time()
    store.begin(Run("r0", "terminal", "train", "GRU", experiment, "done", "", "CPU", "Text", 1.0, now))
    runs = swept(store, "lr=1e-3,1e-2,1e-1", "bptt=8,16", seeds=2)
    sweep = runs[0].sweep
    at = open_page("runs")
    assert table(at)["run"].tolist() == [f"GRU · sweep {sweep[:4]}", "GRU r0"]
    line = table(at).iloc[0]
    assert (line["kind"], line["state"], line["validation loss"]) == ("sweep of 12", "done", pytest.approx(1.9))
    assert line["what differs from the lecture"] == "lr 0.001, 0.01, 0.1 × bptt 8, 16 × 2 seeds"
    said = texts(at)
    assert "12 of 12 cells are over" in said and "Best: **lr 0\\.1 · bptt 8** · validation loss 1.9000" in said
    assert "Mean of the seeds after the last epoch: validation loss (nats). Greener is better, ★ best." in said
    assert not at.code  # there is nothing to go on with
    at.button(key=f"take-best.{sweep}").click().run()
    assert not at.exception
    assert at.query_params["model"] == "gru" and at.query_params["lr"] == "0.1" and "run" not in at.query_params


def test_its_cells_are_listed_and_the_way_back_leads_to_the_sweep(store) -> None:
    runs = swept(store, "lr=1e-3,1e-2,1e-1")
    sweep = runs[0].sweep
    at = open_page("runs")
    at.button(key=f"cells.{sweep}").click().run()
    assert len(table(at)) == 3 and set(table(at)["run"]) == {run.label for run in runs}
    assert at.query_params["sweep"] == sweep and "lr 0.01" in " ".join(table(at)["run"])
    at.button(key="runs.all").click().run()
    assert len(table(at)) == 1 and at.query_params["runs"] == sweep and "sweep" not in at.query_params
    at = open_page("runs", sweep=sweep)  # a link to them
    assert len(table(at)) == 3
    at = open_page("runs", runs=f"{sweep},{runs[0].id}")  # the sweep, and one of its cells beside it
    assert "cells are over" in texts(at) and f"open.{runs[0].id}" in {button.key for button in at.button}


def test_a_stopped_sweep_says_how_it_goes_on(store) -> None:
    runs = swept(store, "lr=1e-3,1e-2,1e-1", done=1)
    at = open_page("runs")
    assert table(at)["state"].tolist() == ["stopped, 1 over"]
    assert at.code[0].value == f"python -m explorer sweep --resume {runs[0].sweep}"
    assert "1 of 3 cells are over" in texts(at)


def test_a_sweep_is_deleted_and_brought_back_whole(store) -> None:
    runs = swept(store, "lr=1e-3,1e-2,1e-1")
    at = open_page("runs")
    at.button(key=f"del.{runs[0].sweep}").click().run()
    assert store.cells([runs[0].sweep]) == [] and not at.exception
    at.button(key="runs.undo").click().run()
    assert len(store.cells([runs[0].sweep])) == 3 and len(table(at)) == 1


def test_a_sweep_over_seeds_alone_has_no_map(store) -> None:
    swept(store, seeds=3)
    at = open_page("runs")
    assert "no axis but the seed" in texts(at) and "the only point" in texts(at)


def test_another_visitors_sweep_is_seen_but_not_deleted(store, monkeypatch) -> None:
    runs = swept(store, "lr=1e-3,1e-2,1e-1")
    monkeypatch.setattr(app, "owner", lambda: "ann")
    at = open_page("runs")
    assert any("No runs yet" in box.value for box in at.info)
    at = open_page("runs", whose="all")
    assert len(table(at)) == 1 and f"del.{runs[0].sweep}" not in {button.key for button in at.button}


def test_the_map_inside_the_network_says_its_own_sweep() -> None:
    at = open_page("batchnorm", show="map", steps="20")
    assert not at.code
    at.session_state["batchnorm.map.fold.sweep"] = True
    at.run()
    assert [code.value for code in at.code] == [grid.command(20)]
