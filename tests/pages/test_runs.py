"""The Runs page: what was trained is there, can be found, laid over each other, named, gone on with and taken away."""

import json
import time

import numpy as np
import pandas as pd
import pytest

from explorer.experiment import Experiment
from explorer.jobs import queue
from explorer.runs.outcome import Outcome
from explorer.store.history import COLUMNS, EpochRow
from explorer.store.index import Run
from explorer.store.store import Store
from explorer.store.words import State
from explorer.ui import app
from explorer.ui.runs import tables
from tests.pages.conftest import open_page, texts, told, wait

pytestmark = pytest.mark.data
TINY = {"model": "gru", "hidden": "16", "n_fac": "8", "schedule": "constant"}


@pytest.fixture
def store(tmp_path, monkeypatch) -> Store:
    made = Store(tmp_path / "runs")
    monkeypatch.setattr(app, "store", lambda: made)
    return made


@pytest.fixture
def filled(store, monkeypatch) -> Store:
    """Six runs of Ann's: GRUs, each better than the one before, the last a ConvNet; and one of Bob's."""
    monkeypatch.setattr(app, "owner", lambda: "ann")
    rows = np.zeros((5, len(COLUMNS)))
    rows[:, 0], rows[:, 2] = range(1, 6), 2.0
    for number in range(7):
        experiment = Experiment.of("convnet") if number == 5 else Experiment.of("gru", lr=0.001 * (number + 1))
        owner = "bob" if number == 6 else "ann"
        title, now = experiment.rung.title, time.time()
        store.begin(Run(f"r{number}", owner, "train", title, experiment, "done", "", "CPU", "Text", number, now))
        store.append(f"r{number}", rows, [EpochRow(1, 5, 2.0, 1.9 - number / 10, 0.4, 3.0)])
    return store


def table(at) -> pd.DataFrame:
    return at.dataframe[0].value


def test_a_run_is_listed_with_its_numbers(few_pages) -> None:
    at = open_page("char_rnn", **TINY, epochs="1")
    at.button(key="char_rnn.train").click().run()
    job = queue.registry().all()[-1]
    wait(at, lambda: job.ended)
    at.switch_page("pages/runs.py").run()
    assert not at.exception
    row = table(at).iloc[0]
    assert (row["model"], row["state"], row["kind"], row["by"]) == ("GRU", "done", "training", "page")
    assert row["run"] == f"GRU {job.id[:4]}" and row["run"] in texts(at)


def test_tables_are_made_of_rows_once_and_anew_when_a_row_has_changed(filled) -> None:
    at = open_page("runs")
    before = tables._arrow.cache_info().misses
    at.run()
    assert not at.exception and tables._arrow.cache_info().misses == before
    filled.describe("r3", name="the third")
    at.run()
    assert not at.exception and "the third r3" in table(at)["run"].tolist()
    assert tables._arrow.cache_info().misses > before


def test_the_chart_of_many_runs_is_drawn_once_its_fold_is_open(filled) -> None:
    at = open_page("runs")
    assert "parallel" not in at.session_state["runs"].charts
    assert any(fold.label == "5 runs by their settings" for fold in at.expander)
    at.session_state["runs.fold.many"] = True
    at.run()
    assert not at.exception and "parallel" in at.session_state["runs"].charts


def test_a_run_that_is_held_reads_paused_and_what_it_has_not_measured_is_a_dash() -> None:
    at = open_page("char_rnn", **TINY, epochs="1")
    at.button(key="char_rnn.rewind").click().run()
    job = queue.registry().all()[-1]
    wait(at, lambda: job.state == State.PAUSED)
    at.switch_page("pages/runs.py").run()
    assert not at.exception
    row = table(at).iloc[0]
    assert row["state"] == "paused" and pd.isna(row["validation loss"])
    assert at.dataframe[0].proto.placeholder == "–"


def test_the_scoreboard_says_who_measured_what_and_whether_ours_can_be_compared(filled) -> None:
    at = open_page("runs")
    board = at.dataframe[-1].value.set_index("model")
    assert board.loc["GRU", "lecture notes"] == pytest.approx(1.42517)
    assert board.loc["GRU", "ours, recorded"] < 1.425
    assert board.loc["GRU", "best run shown"] == pytest.approx(1.5) and board.loc["GRU", "which"] == "GRU r4"
    assert "lecture notes" in board.loc["GRU", "beside the lecture's"]
    assert set(board["the lecture's run"]) == {"Train"}


def spoil(store: Store, how: str) -> None:
    if how == "deleted":
        store.runs()
        for path in store.folder.glob("runs.sqlite3*"):
            path.unlink()
        return
    if how == "no folder":
        store.folder.touch()
    else:
        store.folder.mkdir()
        store.path.write_bytes(b"not a database at all" * 100)


@pytest.mark.parametrize("how", ["no folder", "no database", "deleted"])
def test_a_store_that_cannot_be_used_is_a_sentence_on_every_page_and_training_goes_on(store, how) -> None:
    spoil(store, how)
    for page, query in (("runs", {}), ("char_rnn", {"run": "cafe0123"}), ("cifar10", {"run": "cafe0123"})):
        at = open_page(page, **query)
        said = [*(box.value for box in at.error), *told(at)]  # of a link, the page says it as of any other
        assert any("training itself goes on" in words for words in said) == (how != "deleted"), page
        if page == "runs":
            assert any("No runs yet" in box.value for box in at.info) == (how == "deleted")
    at = open_page("char_rnn", **TINY, epochs="50")
    at.button(key="char_rnn.train").click().run()
    job = queue.registry().all()[-1]
    wait(at, lambda: len(job.history.snapshot()) > 3)
    assert any("training itself goes on" in box.value for box in at.warning) == (how != "deleted")
    assert not job.ended
    job.stop()
    wait(at, lambda: job.ended)
    job.unfinished = None


def test_deleting_a_run_that_trains_ends_it_and_undo_brings_it_back(store) -> None:
    at = open_page("char_rnn", **TINY, epochs="50")
    at.button(key="char_rnn.train").click().run()
    job = queue.registry().all()[-1]
    wait(at, lambda: len(store.history(job.id)) > 0)
    at.query_params.clear()
    at.switch_page("pages/runs.py").run()
    at.button(key=f"del.{job.id}").click().run()
    wait(at, lambda: job.ended)
    assert job.state == State.STOPPED and store.run(job.id) is None and f"Deleted: GRU {job.id[:4]}" in texts(at)
    at.button(key="runs.undo").click().run()
    assert store.run(job.id).state == "stopped" and len(store.history(job.id)) > 0
    assert table(at)["run"].tolist() == [f"GRU {job.id[:4]}"] and "Deleted:" not in texts(at)


def test_only_the_steps_of_the_chosen_runs_are_read(filled, monkeypatch) -> None:
    read, history = [], filled.history
    monkeypatch.setattr(filled, "history", lambda run: read.append(run) or history(run))
    at = open_page("runs")
    assert table(at)["validation loss"].tolist() == pytest.approx([1.4, 1.5, 1.6, 1.7, 1.8, 1.9])
    assert set(read) <= {"r5"}
    read.clear()
    open_page("runs", runs="r1,r3")
    assert set(read) == {"r1", "r3"}


def test_a_link_brings_back_filters_order_and_what_is_laid_over_each_other(filled) -> None:
    at = open_page("runs", whose="all", model="gru", sort="loss", y="rate", x="steps", runs="r1,r3", log="1")
    assert table(at)["run"].tolist() == ["GRU r6", "GRU r4", "GRU r3", "GRU r2", "GRU r1", "GRU r0"]
    assert at.button_group(key="runs.y").value == "rate" and at.button_group(key="runs.x").value == "steps"
    assert at.button_group(key="runs.whose").value == "everybody's" and at.toggle(key="runs.log").value is True
    differing = at.dataframe[1].value.set_index("setting")
    assert list(differing.columns) == ["GRU r1", "GRU r3"] and differing.loc["Learning rate"].tolist() == [
        "0.002",
        "0.004",
    ]
    assert set(differing.index) == {"Learning rate", "best"}
    expected = {"whose": "all", "model": "gru", "sort": "loss", "y": "rate", "x": "steps", "runs": "r1,r3", "log": "1"}
    assert dict(at.query_params) == expected


def test_what_a_link_asks_in_vain_is_one_notice_and_the_page_as_without_it(filled) -> None:
    at = open_page("runs", model="gpt", y="beauty", runs="../etc,nobody,r0", sort="best")
    assert len(table(at)) == 6 and at.button_group(key="runs.y").value == "loss"
    said = " ".join(box.value for box in at.toast if "From the link" in box.value)
    assert "gpt" in said and "beauty" in said and "best" in said
    assert at.query_params["runs"] in ("nobody,r0", "r0")


def test_runs_are_searched_named_starred_and_noted(filled) -> None:
    at = open_page("runs", runs="r2")
    at.text_input(key="name.r2").set_value("Monday's best").run()
    at.text_area(key="note.r2").set_value("for the class").run()
    at.button(key="keep.r2").click().run()
    at.button(key="star.r2").click().run()
    run = filled.run("r2")
    assert (run.name, run.note, run.star) == ("Monday's best", "for the class", True)
    at.text_input(key="runs.words").set_value("monday").run()
    assert table(at)["run"].tolist() == ["Monday's best r2"] and table(at)["★"].tolist() == ["★"]
    at.text_input(key="runs.words").set_value("nothing like it").run()
    assert any("No run is like that" in box.value for box in at.info)


def test_another_visitors_runs_are_seen_but_not_changed(filled) -> None:
    at = open_page("runs", whose="all", runs="r6")
    keys = {button.key for button in at.button}
    assert "open.r6" in keys and "again.r6" in keys
    assert not keys & {"del.r6", "star.r6", "char_rnn.go-on.r6"}


def test_a_stopped_run_is_continued_from_the_page(store, few_pages) -> None:
    at = open_page("char_rnn", **TINY, epochs="2", bptt="64")
    at.button(key="char_rnn.step").click().run()
    job = queue.registry().all()[-1]
    wait(at, lambda: job.state == State.PAUSED and len(job.history.snapshot()) == 1)
    job.stop()
    wait(at, lambda: job.ended)
    at.button(key=f"char_rnn.go-on.{job.id}").click().run()
    again = queue.registry().find(job.id)
    assert again is not job
    wait(at, lambda: again.ended)
    assert again.state == State.DONE and store.run(job.id).epochs == 2
    assert store.history(job.id)["step"].tolist() == list(range(1, store.run(job.id).steps + 1))


def test_a_race_or_a_sweep_is_listed_with_what_it_came_to(filled) -> None:
    now = time.time()
    filled.begin(Run("race1", "ann", "race", "Two networks", None, "done", "", "CPU", "", 9.0, now, model="bn,convnet"))
    outcome = Outcome({"epochs": 1}, {"with": ([1, 2], [2.3, 2.1])}, rows=[{"network": "with", "final loss": 2.1}])
    filled.conclude("race1", outcome.to_json(), "CIFAR-10", 12.0)
    at = open_page("runs")
    row = table(at).iloc[0]
    assert (row["kind"], row["model"], row["time"]) == ("race", "BatchNorm by hand, Convolutions", 12.0)
    assert at.dataframe[1].value["final loss"].tolist() == [2.1]
    assert json.loads(filled.outcome("race1"))["curves"]["with"] == [[1, 2], [2.3, 2.1]]
