"""The record of a run beside it: a disk that is full, or a store that cannot be used, never ends the run."""

import errno
import gc
import sqlite3
import threading
import time
import weakref

import pytest

from explorer.data import files
from explorer.errors import StorageError
from explorer.jobs import queue
from explorer.jobs.job import Job
from explorer.jobs.queue import Registry
from explorer.runs import record, train
from explorer.store.store import Store
from explorer.store.words import Kind, State
from explorer.training import checkpoint
from tests.jobs.test_job import until
from tests.runs.test_train import finished, job_for


def no_space(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def full(*args, **kwargs):
    raise sqlite3.OperationalError("database or disk is full")


class Connection:
    """A connection whose writes fail while the disk is ``full``."""

    def __init__(self, real, disk):
        self.real, self.disk = real, disk

    def __getattr__(self, name):
        if name.startswith("execute") and self.disk.is_set():
            return full
        return getattr(self.real, name)

    def __enter__(self):
        self.real.__enter__()
        return self

    def __exit__(self, *error):
        return self.real.__exit__(*error)


@pytest.fixture
def disk(store, monkeypatch):
    """An event: while it is set the disk takes nothing more."""
    is_full, real, write = threading.Event(), store._open, record.write_whole

    def opened():
        connection, file = real()
        return Connection(connection, is_full), file

    def write_whole(path, content):
        if is_full.is_set():
            raise StorageError("The weights could not be saved. Free some space; the run goes on.")
        write(path, content)

    monkeypatch.setattr(store, "_open", opened)
    monkeypatch.setattr(record, "write_whole", write_whole)
    return is_full


def test_a_full_disk_for_the_metrics_is_a_notice_and_nothing_is_lost_once_there_is_room(tiny, store, disk, monkeypatch):
    learner = tiny("gru", epochs=3)
    monkeypatch.setattr(record, "WRITE_SECONDS", 0.0)
    monkeypatch.setattr(record, "DRAIN_SECONDS", 0.0)
    disk.set()
    notices, lines = [], []
    job = job_for(learner, store, on_epoch=lambda row: (lines.append(row), notices.append(job.notice)))
    real = learner.evaluate

    def evaluate():
        if learner.epoch == 2:
            disk.clear()
        return real()

    learner.evaluate = evaluate
    job.run()
    assert job.state == State.DONE and "Free some space" in notices[0] and job.notice == ""
    kept = store.history(job.id)
    assert len(kept) == learner.step and kept.epochs == tuple(lines) and store.run(job.id).state == "done"
    assert job.unfinished is None


@pytest.mark.parametrize("entered", [True, False], ids=["during the run", "from the start"])
def test_a_run_that_ends_while_the_disk_is_full_is_written_when_there_is_room(
    tiny, store, disk, registry, monkeypatch, entered
):
    monkeypatch.setattr(queue, "RETRY", 0.02)
    learner = tiny("gru")
    if entered:
        real = learner.evaluate
        learner.evaluate = lambda: (disk.set(), real())[1]
    else:
        disk.set()
    job = registry.submit(job_for(learner, store, "ann"))
    until(lambda: job.ended and job.unfinished)
    assert job.state == State.DONE and "Free some space" in job.notice
    assert len(job.history.snapshot()) == learner.step and len(job.history.snapshot().epochs) == 2
    time.sleep(0.2)  # tried in vain
    disk.clear()
    until(lambda: not registry._unfinished)
    kept = store.history(job.id)
    assert len(kept) == learner.step and len(kept.epochs) == 2 and store.run(job.id).state == "done"
    assert checkpoint.read_story(store.weights(job.id)).epochs == 2 and job.notice == ""


def test_a_record_that_waits_for_the_disk_keeps_no_model_alive(tiny, store, disk):
    """In the terminal no job's thread lets go of it: what a test before had left there counted as promised memory."""
    learner = tiny("gru")
    model, job = weakref.ref(learner.model), job_for(learner)
    job.work = lambda job: None  # as the terminal has it: this thread drives
    disk.set()
    train.train(job, learner.experiment, store, learner=learner)
    assert job.unfinished is not None
    del learner
    gc.collect()
    assert model() is None


def test_what_is_left_to_write_is_written_at_the_servers_end(tiny, store, disk):
    registry, learner = Registry(), tiny("gru")
    disk.set()
    job = registry.submit(job_for(learner, store, "ann"))
    until(lambda: registry._unfinished)
    disk.clear()
    registry.close()
    assert store.run(job.id).state == "done" and len(store.history(job.id)) == learner.step
    assert store.weights(job.id).exists() and not registry._unfinished


def test_a_disk_that_stays_full_costs_little_memory_and_time(tiny, store, disk, registry, monkeypatch):
    monkeypatch.setattr(record, "UNSAVED", 2)
    monkeypatch.setattr(queue, "RETRY", 0.02)
    monkeypatch.setattr(queue, "GIVE_UP", 0.5)
    disk.set()
    recorders = []
    for _ in range(4):
        learner = tiny("gru", epochs=1)
        job = Job(Kind.TRAIN, "test", lambda job: None, "ann", learner.experiment)
        recorders.append(train.Recorder(job, learner.experiment, store))
        job.work = lambda job, learner=learner: train.train(
            job, learner.experiment, learner=learner, recorder=recorders[-1]
        )
        registry.submit(job)
        until(lambda job=job: job.ended and job.unfinished)
    assert [bool(recorder._weights) for recorder in recorders] == [False, False, True, True]
    until(lambda: not registry._unfinished)
    assert registry._finishing is None or not registry._finishing.is_alive() or registry._finishing.join(5) is None


@pytest.mark.parametrize("spoil", ["no folder", "no database"])
def test_a_store_that_cannot_be_used_lets_the_run_end_with_a_notice(tiny, tmp_path, spoil):
    if spoil == "no folder":
        (tmp_path / "runs").touch()
    else:
        (tmp_path / "runs").mkdir()
        (tmp_path / "runs" / "runs.sqlite3").write_bytes(b"not a database at all" * 100)
    job = finished(tiny("gru"), Store(tmp_path / "runs"))
    assert job.state == State.DONE and "training itself goes on" in job.notice


def test_a_full_disk_for_the_weights_is_a_notice_that_stays_and_the_old_file_too(tiny, store, monkeypatch):
    learner = tiny("gru")
    job = job_for(learner, store)
    for which in ("best", "final"):
        store.weights(job.id, which).parent.mkdir(parents=True, exist_ok=True)
        store.weights(job.id, which).write_bytes(b"old")
    monkeypatch.setattr(files.os, "fsync", no_space)
    job.run()
    assert job.state == State.DONE and "safetensors could not be saved: No space left" in job.notice
    assert store.weights(job.id).read_bytes() == b"old" == store.weights(job.id, "best").read_bytes()
    assert {path.name for path in store.weights(job.id).parent.iterdir()} == {"best.safetensors", "final.safetensors"}
    assert len(store.history(job.id)) == learner.step and store.run(job.id).state == "done"
