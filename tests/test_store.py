"""Runs on disk: they survive a killed process, a second process and a full disk."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from explorer import store as store_module
from explorer.errors import StorageError
from explorer.experiment import Experiment
from explorer.history import COLUMNS, EpochRow, Mark
from explorer.store import Run, Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def a_run(run_id="a1", **changes):
    run = Run(
        run_id, "ann", "train", "GRU", Experiment.of("gru", lr=0.02), "running", "", "CPU", "Test", 1.0, time.time()
    )
    return replace(run, **changes)


def rows(start, count):
    table = np.zeros((count, len(COLUMNS)))
    table[:, 0] = np.arange(start, start + count)
    table[:, 2] = 1 / table[:, 0]
    table[:, 5] = np.nan
    return table


def test_what_is_written_comes_back(store):
    store.begin(a_run())
    store.append("a1", rows(1, 100), [EpochRow(1, 100, 2.0, 1.9, 0.4, 3.0, "thus “spoke”")], [Mark(7, "lr 0.1")])
    store.append("a1", rows(101, 50), [EpochRow(2, 150, 1.8, 1.7, 0.5, 3.0)], [Mark(120, "lr 0.01")])
    history = store.history("a1")
    assert history["step"].tolist() == list(range(1, 151)) and np.isnan(history["grad_norm"]).all()
    np.testing.assert_array_equal(history["loss"], 1 / np.arange(1, 151))
    assert [row.val_loss for row in history.epochs] == [1.9, 1.7] and history.epochs[0].sample == "thus “spoke”"
    assert [mark.text for mark in history.marks] == ["lr 0.1", "lr 0.01"]
    run = store.run("a1")
    assert run.experiment == Experiment.of("gru", lr=0.02) and run.updated > 1 and store.run("b2") is None


def test_runs_are_listed_newest_first_and_by_owner(store):
    for number, owner in enumerate(["ann", "bob", "ann"]):
        store.begin(a_run(f"r{number}", owner=owner, created=float(number)))
    assert [run.id for run in store.runs()] == ["r2", "r1", "r0"]
    assert [run.id for run in store.runs("ann")] == ["r2", "r0"] and store.runs("eve") == []
    assert [run.id for run in store.runs(limit=1)] == ["r2"]


def test_settling_and_deleting(store):
    store.begin(a_run())
    store.append("a1", rows(1, 3))
    store.settle("a1", "diverged", "Try less.")
    assert (store.run("a1").state, store.run("a1").message) == ("diverged", "Try less.")
    for which in ("best", "final"):
        store.weights("a1", which).parent.mkdir(parents=True, exist_ok=True)
        store.weights("a1", which).touch()
    store.delete("a1")
    assert store.run("a1") is None and len(store.history("a1")) == 0
    assert not store.weights("a1").exists() and not store.weights("a1", "best").exists()


def test_a_run_nobody_knows_has_an_empty_history(store):
    assert len(store.history("nobody")) == 0 and np.isnan(store.history("nobody").best_val_loss)


def test_writing_the_same_rows_twice_leaves_them_once(store):
    store.begin(a_run())
    for _ in range(2):
        store.append("a1", rows(1, 10), [EpochRow(1, 10, 2.0, 1.9, 0.4, 3.0)])
    assert len(store.history("a1")) == 10 and len(store.history("a1").epochs) == 1


def test_a_failed_append_leaves_nothing_half_written(store):
    store.begin(a_run())
    with pytest.raises(sqlite3.Error):
        store.append("a1", rows(1, 5), marks=[Mark(1, object())])
    assert len(store.history("a1")) == 0


def test_every_thread_may_read_and_write_at_once(store):
    errors = []

    def work(name):
        try:
            store.begin(a_run(name))
            for start in range(1, 201, 20):
                store.append(name, rows(start, 20))
                assert len(store.history(name)) == start + 19
                store.runs()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and all(len(store.history(f"t{n}")) == 200 for n in range(6))


WRITER = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from tests.test_store import a_run, rows
from explorer.store import Store
name = sys.argv[1]
store = Store(Path(sys.argv[2]))
store.begin(a_run(name))
for start in range(1, 401, 10):
    store.append(name, rows(start, 10))
store.settle(name, "done")
"""


def test_two_processes_write_at_once_and_lose_nothing(tmp_path):
    program = WRITER.format(tests=os.getcwd())
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, name, str(tmp_path / "runs")], stderr=subprocess.PIPE, text=True
        )
        for name in ("one", "two")
    ]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    store = Store(tmp_path / "runs")
    for name in ("one", "two"):
        assert len(store.history(name)) == 400 and store.run(name).state == "done"


TRAINER = """
import sys, time
from pathlib import Path
from explorer.experiment import Experiment
from explorer.jobs import Job, registry
from explorer.store import Store
from explorer.training import run
experiment = Experiment.of("gru", data="pydoc", hidden=8, n_fac=4, epochs=50)
store = Store(Path(sys.argv[1]))
job = run.submit(experiment, "ann", store)
began = time.monotonic()
while not job.ended:
    time.sleep(0.02)
    snapshot = job.history.snapshot()
    if len(snapshot):
        print(job.id, int(snapshot["step"][-1]), time.monotonic() - began, flush=True)
"""


def test_a_killed_server_loses_at_most_the_last_second_and_the_run_is_settled(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", TRAINER, str(tmp_path / "runs")], stdout=subprocess.PIPE, text=True
    ) as process:
        seen = []
        for line in process.stdout:
            run_id, step, at = line.split()
            seen.append((int(step), float(at)))
            if seen[-1][1] - seen[0][1] > 2.5:
                process.send_signal(signal.SIGKILL)
                break
        process.wait()
    store = Store(tmp_path / "runs")
    run, history = store.run(run_id), store.history(run_id)
    steps = history["step"]
    assert steps.tolist() == list(range(1, len(steps) + 1)), "no gap"
    a_second_before = max(step for step, at in seen if at <= seen[-1][1] - 1.0)
    assert steps[-1] >= a_second_before
    assert run.state == "stopped" and "server ended" in run.message
    assert run.experiment.hidden == 8 and run.owner == "ann"


def test_a_run_of_a_living_process_is_left_alone(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        first = Store(tmp_path / "runs")
        first.begin(a_run("mine"))
        first.begin(a_run("theirs"))
        first._connection().execute("UPDATE runs SET process = ? WHERE id = 'theirs'", [other.pid])
        first._connection().commit()
        second = Store(tmp_path / "runs")
        assert {run.state for run in second.runs()} == {"running"}
        other.communicate(b"\n")
    third = Store(tmp_path / "runs")
    assert {run.id: run.state for run in third.runs()} == {"mine": "running", "theirs": "stopped"}


def test_a_restarted_container_gives_this_process_its_predecessors_number(tmp_path):
    first = Store(tmp_path / "runs")
    first.begin(a_run("before", updated=time.time() - 3600))
    assert Store(tmp_path / "runs").run("before").state == "stopped"


def test_a_full_disk_is_a_sentence_and_what_was_there_stays(store, tmp_path):
    store.begin(a_run())
    store.append("a1", rows(1, 10))
    store._connection().execute("PRAGMA max_page_count = 1")  # SQLite's own way to run out of room
    with pytest.raises(StorageError, match="Free some space"):
        for start in range(11, 200_000, 5000):
            store.append("a1", rows(start, 5000))
    assert Store(tmp_path / "runs").history("a1")["step"].tolist()[:10] == list(range(1, 11))


def test_a_folder_that_cannot_be_made_or_a_file_that_is_no_database_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        Store(tmp_path / "file" / "runs")
    (tmp_path / "runs.sqlite3").write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(StorageError, match="damaged"):
        Store(tmp_path)


def test_the_default_folder_is_below_the_home(home):
    assert Store().folder == home / "runs" and (home / "runs" / "runs.sqlite3").exists()
    assert store_module.paths.home() == home
