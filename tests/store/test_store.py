"""Runs on disk: they survive a killed process, a second process and a full disk."""

import math
import os
import signal
import sqlite3
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from explorer import paths
from explorer.errors import StorageError
from explorer.experiment import Experiment
from explorer.store import database, index
from explorer.store import store as store_module
from explorer.store.history import COLUMNS, EpochRow, Mark
from explorer.store.index import Query, Run, Sort
from explorer.store.store import Store


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
from tests.store.test_store import a_run, rows
from explorer.store.store import Store
name = sys.argv[1]
store = Store(Path(sys.argv[2]))
store.begin(a_run(name))
for start in range(1, 401, 10):
    store.append(name, rows(start, 10))
store.settle(name, "done")
"""


def test_two_processes_write_at_once_and_lose_nothing(tmp_path, programs):
    processes = [programs.begin("-c", WRITER, name, str(tmp_path / "runs")) for name in ("one", "two")]
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
from explorer.jobs.job import Job
from explorer.jobs.queue import registry
from explorer.store.store import Store
from explorer.runs import train
experiment = Experiment.of("gru", data="pydoc", hidden=8, n_fac=4, epochs=50)
store = Store(Path(sys.argv[1]))
job = train.submit(experiment, "ann", store)
began = time.monotonic()
while not job.ended:
    time.sleep(0.02)
    snapshot = job.history.snapshot()
    if len(snapshot):
        print(job.id, int(snapshot["step"][-1]), time.monotonic() - began, flush=True)
"""


def test_a_killed_server_loses_at_most_the_last_second_and_the_run_is_settled(tmp_path, programs):
    with programs.begin("-c", TRAINER, str(tmp_path / "runs")) as process:
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


HOLDER = """
import sys
from pathlib import Path
from explorer.store.store import Store
from tests.store.test_store import a_run
store = Store(Path(sys.argv[1]))
store.begin(a_run("theirs"))
print("begun", flush=True)
input()
"""


def test_a_run_of_a_living_process_is_left_alone_and_one_of_a_dead_is_settled(tmp_path, programs):
    store = Store(tmp_path / "runs")
    store.begin(a_run("mine"))
    with programs.begin("-c", HOLDER, str(tmp_path / "runs")) as other:
        assert other.stdout.readline() == "begun\n"
        assert {run.state for run in Store(tmp_path / "runs").runs()} == {"running"}
        other.kill()
        other.wait()
    assert {run.id: run.state for run in store.runs()} == {"mine": "running", "theirs": "stopped"}
    assert "server ended while" in store.run("theirs").message
    assert len(list((tmp_path / "runs" / "servers").iterdir())) == 1, "what the dead left is tidied up"


@pytest.mark.parametrize("process", [os.getpid(), 1], ids=["this one's", "another program's"])
def test_a_process_number_that_somebody_else_has_by_now_keeps_no_run_running(tmp_path, process):
    """A restarted container, a reused number; and a clock that was set back."""
    first = Store(tmp_path / "runs")
    first.begin(a_run("before", updated=time.time() + 3600))
    with first._writing() as connection:
        connection.execute("UPDATE runs SET process = ?, server = 'gone'", [process])
    assert Store(tmp_path / "runs").run("before").state == "stopped"


def test_a_run_that_had_not_begun_says_so(tmp_path):
    first = Store(tmp_path / "runs")
    first.begin(a_run("waiting", state="queued"))
    with first._writing() as connection:
        connection.execute("UPDATE runs SET server = 'gone'")
    assert first.runs()[0].message == "The server ended before this began."


def test_a_store_of_an_earlier_version_is_opened(tmp_path):
    first = Store(tmp_path / "runs")
    for run_id, state in (("done", "done"), ("cut off", "running")):
        first.begin(a_run(run_id, state=state))
    with first._writing() as connection:
        connection.execute("ALTER TABLE runs DROP COLUMN server")
        connection.execute("PRAGMA user_version = 0")
    second = Store(tmp_path / "runs")
    assert {run.id: run.state for run in second.runs()} == {"done": "done", "cut off": "stopped"}
    second.begin(a_run("new"))
    assert second.run("new").state == "running"


def test_a_full_disk_is_a_sentence_and_what_was_there_stays(store, tmp_path):
    store.begin(a_run())
    store.append("a1", rows(1, 10))
    with store._connection() as connection:
        connection.execute("PRAGMA max_page_count = 1")  # SQLite's own way to run out of room
    with pytest.raises(StorageError, match="Free some space"):
        for start in range(11, 200_000, 5000):
            store.append("a1", rows(start, 5000))
    assert Store(tmp_path / "runs").history("a1")["step"].tolist()[:10] == list(range(1, 11))


EVERYTHING = {
    "begin": lambda store: store.begin(a_run()),
    "update": lambda store: store.update(a_run()),
    "append": lambda store: store.append("a1", rows(1, 3)),
    "settle": lambda store: store.settle("a1", "done"),
    "keep": lambda store: store.keep("a1", "final", lambda path: None),
    "delete": lambda store: store.delete("a1"),
    "runs": lambda store: store.runs(),
    "run": lambda store: store.run("a1"),
    "history": lambda store: store.history("a1"),
    "find": lambda store: store.find(Query(text="gru")),
    "count": lambda store: store.count(Query()),
    "describe": lambda store: store.describe("a1", name="mine", star=True),
    "remove": lambda store: store.remove(["a1"]),
    "purge": lambda store: store.purge(),
    "restore": lambda store: store.restore(["a1"]),
    "removed": lambda store: store.removed("ann"),
    "conclude": lambda store: store.conclude("a1", "{}"),
    "outcome": lambda store: store.outcome("a1"),
    "epochs": lambda store: store.epochs("a1"),
    "claim": lambda store: store.claim("a1"),
    "rewind": lambda store: store.rewind("a1", 1, 0, 0),
}


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_folder_that_cannot_be_used_is_a_sentence_whatever_is_asked(tmp_path, name):
    (tmp_path / "file").touch()
    store = Store(tmp_path / "file" / "runs")
    with pytest.raises(StorageError, match=r"training itself goes on\.$"):
        EVERYTHING[name](store)
    (tmp_path / "file").unlink()
    EVERYTHING[name](store)  # and works as soon as it can


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_file_that_is_no_database_is_a_sentence_until_it_is_moved_away(tmp_path, name):
    (tmp_path / "runs.sqlite3").write_bytes(b"this is not a database at all" * 100)
    store = Store(tmp_path)
    with pytest.raises(StorageError, match="damaged"):
        EVERYTHING[name](store)
    (tmp_path / "runs.sqlite3").rename(tmp_path / "away")
    EVERYTHING[name](store)


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_store_that_is_damaged_while_it_is_used_is_a_sentence(tmp_path, name):
    store = Store(tmp_path)
    store.begin(a_run())
    for at in range(1, 2000, 500):
        store.append("a1", rows(at, 500), [EpochRow(at, at, 2.0, 1.9, 0.4, 3.0)])
    while store._idle:  # another process's look: nothing in memory any more
        store._idle.pop()[0].close()
    content = (tmp_path / "runs.sqlite3").read_bytes()
    (tmp_path / "runs.sqlite3").write_bytes(content[:100] + os.urandom(len(content) - 100))
    with pytest.raises(StorageError):
        EVERYTHING[name](store)


def test_a_store_that_is_deleted_while_it_is_used_begins_anew(store):
    store.begin(a_run("before"))
    for path in store.folder.glob("runs.sqlite3*"):
        path.unlink()
    assert store.runs() == [] and store.append("before", rows(1, 3)) is False
    store.begin(a_run("after"))
    assert store.append("after", rows(1, 3)) and len(store.history("after")) == 3
    assert [run.id for run in Store(store.folder).runs()] == ["after"]


def test_a_deleted_run_takes_nothing_more(store):
    """It may still be training, here or in another process."""
    store.begin(a_run())
    store.append("a1", rows(1, 3))
    store.delete("a1")
    assert not store.append("a1", rows(4, 3), [EpochRow(1, 6, 2.0, 1.9, 0.4, 3.0)], [Mark(5, "lr 1")])
    assert not store.update(a_run(state="done"))
    written = []

    def write(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        written.append(path)

    assert not store.keep("a1", "final", write)
    assert written and not written[0].parent.exists()
    with store._reading() as connection:
        for table in ("runs", "steps", "epochs", "marks"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_a_line_of_another_program_does_not_hide_the_rest(store):
    store.begin(a_run("ours"))
    store.begin(a_run("theirs"))
    with store._writing() as connection:
        connection.execute("""UPDATE runs SET experiment = '{"model": "transformer"}' WHERE id = 'theirs'""")
    assert [run.id for run in store.runs()] == ["ours"]


def test_reading_in_many_threads_leaves_few_files_open(store):
    """Streamlit has a thread a page: a connection each stayed open as long as its thread."""
    store.begin(a_run())
    gate = threading.Barrier(12)

    def look():
        gate.wait()
        store.runs()

    threads = [threading.Thread(target=look) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < len(store._idle) <= database.IDLE


def test_the_index_says_what_a_run_came_to_without_its_history(store):
    for name in ("a1", "b2", "none"):
        store.begin(a_run(name))
    store.append("a1", rows(1, 3), [EpochRow(1, 3, 2.0, 1.9, 0.4, 3.0)])
    store.append("a1", rows(4, 3), [EpochRow(2, 6, 1.8, 1.7, 0.5, 3.0), EpochRow(3, 6, 1.8, 1.75, 0.45, 3.0)])
    store.append("b2", rows(1, 3), [EpochRow(1, 3, 2.2, math.nan, 0.3, 3.0)])
    assert store.run("b2").val_loss is None
    store.append("b2", rows(4, 1), [EpochRow(i, 4, 2.0, loss, 0.3, 3.0) for i, loss in ((2, 1.9), (3, math.nan))])
    assert (store.history("b2").best_val_loss, store.history("b2").best_accuracy) == (1.9, 0.3)
    found = {run.id: (run.steps, run.epochs, run.val_loss, run.accuracy) for run in store.runs()}
    assert found == {"a1": (6, 3, 1.7, 0.5), "b2": (4, 3, 1.9, 0.3), "none": (0, 0, None, None)}


def test_runs_are_found_by_model_state_owner_star_and_words_and_sorted(store):
    gru, convnet = Experiment.of("gru"), Experiment.of("convnet")
    store.begin(a_run("a1", created=1.0))
    store.begin(a_run("b2", created=2.0, experiment=convnet, title="Convolutions", state="done", owner="bob"))
    store.begin(a_run("c3", created=3.0, experiment=gru.replace(data="own-0123456789abcdef-0123456789ab"), owner="eve"))
    store.append("b2", rows(1, 3), [EpochRow(1, 3, 2.0, 1.9, 0.4, 3.0)])
    store.append("c3", rows(1, 3), [EpochRow(1, 3, 2.0, 1.2, 0.3, 3.0)])
    store.describe("a1", name="My 100% best", star=True, note="for_Monday")

    def found(**asked):
        query = Query(**asked)
        runs = [run.id for run in store.find(query)]
        assert store.count(query) == len(runs)
        return runs

    assert found() == ["c3", "b2", "a1"] and found(sort=Sort.OLDEST) == ["a1", "b2", "c3"]
    assert found(models=("gru",)) == ["c3", "a1"] and found(models=("gru", "convnet"), states=("done",)) == ["b2"]
    assert found(owner="bob") == ["b2"] and found(starred=True) == ["a1"]
    assert found(text="100% best") == ["a1"] and found(text="for_m") == ["a1"] and found(text="forxm") == []
    assert found(text="CONVOLUTIONS") == ["b2"] and found(kinds=("race",)) == []
    assert found(sort=Sort.VAL_LOSS) == ["c3", "b2", "a1"] and found(sort=Sort.ACCURACY) == ["b2", "c3", "a1"]
    assert found(sort=Sort.NAME)[0] == "a1"
    assert found(not_data="own-", but_of="eve") == ["c3", "b2", "a1"]
    assert found(not_data="own-", but_of="ann") == ["b2", "a1"]
    assert [run.id for run in store.find(Query(), limit=1, skip=1)] == ["b2"]


def test_a_run_that_begins_anew_keeps_the_words_of_its_owner(store):
    store.begin(a_run())
    store.describe("a1", name="mine", star=True, note="n")
    store.begin(a_run(state="queued"))
    run = store.run("a1")
    assert (run.name, run.star, run.note, run.state) == ("mine", True, "n", "queued")
    with pytest.raises(StorageError):
        store.describe("a1", state="done")


def test_what_was_removed_can_be_brought_back_and_is_gone_after_an_hour(store):
    for name in ("a1", "b2"):
        store.begin(a_run(name))
        store.append(name, rows(1, 3))
        store.keep(name, "final", lambda path: (path.parent.mkdir(parents=True, exist_ok=True), path.touch()))
    store.remove(["a1", "b2"])
    assert store.runs() == [] and store.run("a1") is None
    assert store.append("a1", rows(4, 3)), "it may still train until it is stopped"
    assert {run.id for run in store.removed("ann")} == {"a1", "b2"} and store.removed("bob") == []
    store.restore(["a1"])
    assert [run.id for run in store.runs()] == ["a1"] and len(store.history("a1")) == 6
    with store._writing() as connection:
        connection.execute("UPDATE runs SET removed = removed - ? WHERE id = 'b2'", [store_module.UNDO + 1])
    assert store.removed("ann") == []
    store.remove([])
    assert len(store.history("b2")) == 0 and not store.weights("b2").parent.exists()
    assert store.weights("a1").exists()


def test_a_run_is_claimed_once_and_forgets_what_comes_after_its_bookmark(store):
    store.begin(a_run(state="stopped"))
    store.append("a1", rows(1, 6), [EpochRow(1, 3, 2, 1.9, 0.4, 3), EpochRow(2, 6, 2, 1.5, 0.5, 3)], [Mark(2, "a")])
    store.append("a1", rows(7, 2), marks=[Mark(8, "b")])
    other = Store(store.folder)
    assert store.claim("a1") and not other.claim("a1") and not store.claim("nobody")
    assert store.run("a1").state == "queued"
    history = store.rewind("a1", 4, 1, 1)
    assert history["step"].tolist() == [1, 2, 3, 4] and len(history.epochs) == 1
    assert [mark.text for mark in history.marks] == ["a"]
    run = store.run("a1")
    assert (run.steps, run.epochs, run.val_loss, run.accuracy) == (4, 1, 1.9, 0.4)


def test_a_run_that_goes_on_elsewhere_is_not_said_to_be_cut_off(store):
    store.begin(a_run())
    store.settle("a1", "stopped", "The server ended while this ran; what it had recorded is here.")
    store.take_over("a1")
    assert store.run("a1").message == ""


def test_snapshots_are_listed_in_their_order(store):
    assert store.snapshots("a1") == []
    for name in ("cyc10", "cyc2", "best", "final", "cyc0"):
        path = store.weights("a1", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert store.snapshots("a1") == [0, 2, 10]


def test_a_line_without_an_experiment_is_kept_with_its_outcome(store):
    store.begin(a_run(experiment=None, kind="own-classes", model="mobilenet"))
    store.conclude("a1", '{"words": "fine"}')
    assert store.run("a1").experiment is None and store.run("a1").model == "mobilenet"
    assert store.outcome("a1") == '{"words": "fine"}' and store.outcome("b2") == ""
    assert index.as_json(store.run("a1"))["experiment"] is None


@pytest.mark.parametrize("name", ["../elsewhere", "/etc", "", ".", "a" * 300, "a/b", "a\\b"])
def test_no_name_of_a_run_leads_out_of_the_store(store, name):
    with pytest.raises(StorageError):
        store.weights(name)


def test_the_default_folder_is_below_the_home(home):
    assert Store().runs() == []
    assert Store().folder == home / "runs" and (home / "runs" / "runs.sqlite3").exists()
    assert paths.home() == home


def test_a_sweep_is_one_line_where_that_is_asked_for(store):
    losses = {"a": 1.5, "b": 1.9, "c": 1.2, "d": 2.5}
    for number, (name, loss) in enumerate(losses.items()):
        sweep = "s" if name in "bc" else ""
        store.begin(a_run(name, created=float(number), sweep=sweep, cell='{"lr": 0.1}' if sweep else ""))
        store.append(name, rows(1, 5), [EpochRow(1, 5, 2.0, loss, 0.5, 1.0), EpochRow(2, 5, 2.0, loss + 1, 0.4, 1.0)])
    folded = Query(folded=True)
    assert [run.id for run in store.find(folded)] == ["d", "b", "a"] and store.count(folded) == 3
    best = replace(folded, sort=Sort.VAL_LOSS)  # by its best cell's, whichever stands for it
    assert [run.id for run in store.find(best)] == ["b", "a", "d"]
    assert [run.id for run in store.find(Query(sort=Sort.VAL_LOSS))] == ["c", "a", "b", "d"]
    assert [run.id for run in store.find(Query(sweep="s"))] == ["c", "b"] and store.cells(["s"])[0].at == {"lr": 0.1}
    store.settle("c", "failed")
    assert [run.id for run in store.find(Query(states=("failed",), folded=True))] == ["c"]  # a cell that is like that
    assert {run: row.val_loss for run, row in store.ends(["s"]).items()} == {"b": 2.9, "c": 2.2}
    store.remove(["b"])
    assert [run.id for run in store.find(folded)] == ["d", "c", "a"] and len(store.cells(["s"])) == 1
    assert store.cells([]) == [] and store.ends([]) == {}
