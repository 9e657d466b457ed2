"""The Runs page: what was trained is there, and can be opened again."""

import time

import numpy as np
import pytest

from explorer.experiment import Experiment
from explorer.runs import queue
from explorer.runs.history import COLUMNS, EpochRow
from explorer.runs.store import Run, Store
from explorer.runs.words import State
from explorer.ui import app
from tests.pages.conftest import open_page, texts, wait

pytestmark = pytest.mark.data


def test_a_run_is_listed_with_its_numbers() -> None:
    at = open_page("char_rnn", model="gru", hidden="16", n_fac="8", epochs="1", schedule="constant", max_seconds="3")
    at.button(key="char_rnn.train").click().run()
    job = queue.registry().all()[-1]
    wait(at, lambda: job.ended)
    at.switch_page("pages/runs.py").run()
    assert not at.exception
    table = at.dataframe[0].value
    assert table["model"].tolist() == ["gru"]
    assert table["state"].tolist() == ["done"]
    assert job.id in texts(at)


def test_a_run_that_is_held_reads_paused_and_what_it_has_not_measured_is_a_dash() -> None:
    at = open_page("char_rnn", model="gru", hidden="16", n_fac="8", epochs="1", schedule="constant")
    at.button(key="char_rnn.rewind").click().run()
    job = queue.registry().all()[-1]
    wait(at, lambda: job.state == State.PAUSED)
    at.switch_page("pages/runs.py").run()
    assert not at.exception
    row = at.dataframe[0].value.iloc[0]
    assert row["state"] == "paused" and row["best validation loss"] != row["best validation loss"]
    assert at.dataframe[0].proto.placeholder == "–"


def test_the_scoreboard_says_who_measured_what() -> None:
    at = open_page("runs")
    board = at.dataframe[-1].value.set_index("model")
    assert board.loc["CharSeqStatefulGRU", "lecture notes"] == pytest.approx(1.42517)
    assert board.loc["CharSeqStatefulGRU", "ours, recorded"] < 1.425


@pytest.fixture
def store(tmp_path, monkeypatch) -> Store:
    made = Store(tmp_path / "runs")
    monkeypatch.setattr(app, "store", lambda: made)
    return made


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
        said = [box.value for box in (*at.error, *at.toast)]  # of a link, the page says it as of any other
        assert any("training itself goes on" in words for words in said) == (how != "deleted"), page
        if page == "runs":
            assert any("No runs yet" in box.value for box in at.info) == (how == "deleted")
    at = open_page("char_rnn", model="gru", hidden="16", n_fac="8", epochs="50", schedule="constant")
    at.button(key="char_rnn.train").click().run()
    job = queue.registry().all()[-1]
    wait(at, lambda: len(job.history.snapshot()) > 3)
    assert any("training itself goes on" in box.value for box in at.warning) == (how != "deleted")
    assert not job.ended
    job.stop()
    wait(at, lambda: job.ended)
    job.unfinished = None


def test_deleting_a_run_that_trains_ends_it_and_leaves_nothing(store, monkeypatch) -> None:
    at = open_page("char_rnn", model="gru", hidden="16", n_fac="8", epochs="50", schedule="constant")
    at.button(key="char_rnn.train").click().run()
    job = queue.registry().all()[-1]
    wait(at, lambda: len(store.history(job.id)) > 0)
    at.query_params.clear()
    at.switch_page("pages/runs.py").run()
    at.button(key=f"del.{job.id}").click().run()
    wait(at, lambda: job.ended)
    assert job.state == State.STOPPED and store.run(job.id) is None
    assert len(store.history(job.id)) == 0 and not store.weights(job.id).parent.exists()


def test_the_table_of_runs_reads_the_steps_of_the_chosen_one_only(store, monkeypatch) -> None:
    rows = np.zeros((5, len(COLUMNS)))
    rows[:, 0] = range(5)
    for number in range(6):
        run = Run(f"r{number}", "ann", "train", "GRU", Experiment.of("gru"), "done", "", "", "", number, time.time())
        store.begin(run)
        store.append(run.id, rows, [EpochRow(1, 5, 2.0, 1.9 - number / 10, 0.4, 3.0)])
    read, history = [], store.history
    monkeypatch.setattr(store, "history", lambda run: read.append(run) or history(run))
    monkeypatch.setattr(app, "owner", lambda: "ann")
    at = open_page("runs")
    assert at.dataframe[0].value["best validation loss"].tolist() == pytest.approx([1.4, 1.5, 1.6, 1.7, 1.8, 1.9])
    assert set(read) == {"r5"}
