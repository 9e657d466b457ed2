"""What is too old or too much makes room, and nothing else; and a copy of it all."""

import functools
import os
import sqlite3
import time

import numpy as np
import pytest

from explorer import limits, paths
from explorer.data import text
from explorer.errors import DataError, StorageError
from explorer.experiment import Experiment
from explorer.limits import Limits
from explorer.store import backup, tidy
from explorer.store.history import COLUMNS
from explorer.store.index import Run
from explorer.store.store import UNDO, Store, Which, cycle
from explorer.store.tidy import DAY, Tidied
from explorer.store.words import Kind, State

ENGLISH = b"The quick brown fox jumps over the lazy dog.\n" * 100


@pytest.fixture
def store(home):
    return Store()


def keep(store, run, owner="ann", days=0.0, megabytes=0.0, state=State.DONE):
    """A run of so many days ago, with weights of so many megabytes."""
    at = time.time() - days * DAY
    store.begin(Run(run, owner, Kind.TRAIN, "GRU", Experiment.of("gru"), state, "", "cpu", "a text", at, at))
    if megabytes:
        store.keep(run, Which.FINAL, lambda path: _write(path, megabytes))


def _write(path, megabytes):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(int(1e6 * megabytes)))


def names(store):
    return {run.id for run in store.runs()}


def allow(monkeypatch, **values):
    monkeypatch.setattr(limits, "now", lambda: Limits(**values))


def test_old_runs_go_with_their_weights_but_not_those_of_the_terminal_or_at_work(store, monkeypatch):
    allow(monkeypatch, run_days=10)
    keep(store, "old", days=11, megabytes=0.1)
    keep(store, "young", days=9)
    keep(store, "terminals", "terminal", days=99)
    keep(store, "atwork", days=11, state=State.RUNNING)
    assert tidy.tidy(store) == Tidied(runs=1)
    assert names(store) == {"young", "terminals", "atwork"}
    assert not store.weights("old").parent.exists()
    assert tidy.tidy(store) == Tidied()


def test_of_one_who_has_too_much_the_oldest_runs_make_room(store, monkeypatch):
    allow(monkeypatch, disk_mb=5)
    for number in range(5):
        keep(store, f"ann{number}", days=number, megabytes=2)
        keep(store, f"bob{number}", "bob", days=number, megabytes=0.5)
    keep(store, "light", days=30)
    tidy.tidy(store)
    assert names(store) == {"ann0", "ann1", "light", *(f"bob{number}" for number in range(5))}


def test_a_run_that_alone_is_too_large_takes_no_smaller_ones_along(store, monkeypatch):
    allow(monkeypatch, disk_mb=5)
    for number, megabytes in enumerate((6, 1, 1, 1, 1)):
        keep(store, f"run{number}", days=number, megabytes=megabytes)
    store.describe("run4", star=True)
    tidy.tidy(store)
    assert names(store) == {"run1", "run2", "run3", "run4"}


def test_the_weights_of_its_cycles_count_for_a_run_and_go_with_it(store, monkeypatch):
    allow(monkeypatch, disk_mb=3)
    for number in range(2):
        keep(store, f"ann{number}", days=number, megabytes=0.5)
        for which in range(2):
            store.keep(f"ann{number}", cycle(which), lambda path: _write(path, 1))
    tidy.tidy(store)
    assert names(store) == {"ann0"} and store.snapshots("ann0") == [0, 1] and store.snapshots("ann1") == []


def test_a_starred_run_is_not_too_old_and_makes_room_last(store, monkeypatch):
    allow(monkeypatch, run_days=10, disk_mb=3)
    for number in range(3):
        keep(store, f"run{number}", days=11 * (number == 2), megabytes=2)
    store.describe("run2", star=True)
    tidy.tidy(store)
    assert names(store) == {"run2"}


def test_what_was_removed_last_is_gone_for_good_though_nobody_removes_anything_more(store, monkeypatch):
    allow(monkeypatch)
    for run in ("earlier", "lately"):
        keep(store, run, megabytes=0.1)
    store.remove(["earlier", "lately"])
    with store._writing() as connection:
        connection.execute("UPDATE runs SET removed = removed - ? WHERE id = 'earlier'", [UNDO + 1])
    tidy.tidy(store)
    assert [run.id for run in store.removed("ann")] == ["lately"] and store.weights("lately").exists()
    assert not store.weights("earlier").parent.exists()
    store.restore(["earlier", "lately"])
    assert names(store) == {"lately"}


def test_a_limit_of_nothing_removes_nothing(store, monkeypatch):
    allow(monkeypatch, disk_mb=0, run_days=0, text_days=0)
    keep(store, "old", days=9999, megabytes=1)
    text.keep_own(ENGLISH, "ann")
    os.utime(next(text.own_files()), (0, 0))
    assert tidy.tidy(store) == Tidied() and names(store) == {"old"}


def test_own_texts_go_when_nobody_used_them_and_stay_when_somebody_did(store, monkeypatch):
    allow(monkeypatch, text_days=30)
    unused, used = (text.keep_own(ENGLISH + word, "ann") for word in (b"one", b"two"))
    for path in text.own_files():
        os.utime(path, (time.time() - 31 * DAY,) * 2)
    text.load(used)
    assert tidy.tidy(store) == Tidied(texts=1)
    os.utime(text._path(used), (time.time() - 31 * DAY,) * 2)
    assert text.load(used).source.name == "Your text", "out of the cache"
    assert tidy.tidy(store) == Tidied() and text._path(used).exists()
    with pytest.raises(DataError):
        text._own(unused)


def test_own_texts_have_an_end_too(home, monkeypatch):
    allow(monkeypatch, disk_mb=1)
    for number in range(3):
        text.keep_own(ENGLISH * 70 + str(number).encode(), "ann")
    with pytest.raises(DataError, match="all of the 1 MB"):
        text.keep_own(ENGLISH * 70 + b"more", "ann")
    assert text.keep_own(ENGLISH * 70, "bob")
    with pytest.raises(DataError, match="texts and weights take all of the 1 MB"):
        text.keep_own(ENGLISH * 70, "eve", beside=700_000)


def test_a_record_that_cannot_be_used_is_told_to_the_log_only(store, caplog):
    store.folder.mkdir(parents=True)
    store.path.write_bytes(b"no database" * 999)
    tidy.keep_tidy(store)
    assert "could not tidy up" in caplog.text


def test_a_file_that_another_server_removes_meanwhile_ends_no_tidying(store, monkeypatch, caplog):
    allow(monkeypatch, disk_mb=1)
    keep(store, "mine", megabytes=0.1)
    text.keep_own(ENGLISH, "ann")
    own = next(text.own_files())
    own.unlink()
    own.symlink_to("nowhere")
    assert tidy.tidy(store) == Tidied()

    def unforeseen(store):
        raise PermissionError("nobody thought of this")

    monkeypatch.setattr(tidy, "tidy", unforeseen)
    tidy.keep_tidy(store)
    assert "nobody thought of this" in caplog.text


def test_a_backup_is_a_home_like_any_other(store, tmp_path):
    keep(store, "mine", megabytes=0.2)
    store.append("mine", np.ones((5, len(COLUMNS))) * np.arange(1, 6)[:, None])
    own = text.keep_own(ENGLISH, "ann")
    (paths.home() / "secret").write_text("0" * 64)
    limits.change(jobs_each=3)
    limits.forget()
    copied = backup.backup(store, tmp_path / "copy")
    assert copied.files == 5 and copied.bytes > 200_000
    again = Store(tmp_path / "copy" / "runs")
    assert names(again) == {"mine"} and len(again.history("mine")) == 5
    assert again.weights("mine").read_bytes() == store.weights("mine").read_bytes()
    assert (tmp_path / "copy" / "secret").read_text() == "0" * 64
    assert (tmp_path / "copy").stat().st_mode & 0o077 == 0 and own
    with pytest.raises(StorageError, match="there already"):
        backup.backup(store, tmp_path / "copy")


def test_a_backup_does_not_begin_anew_whenever_a_run_writes(store, tmp_path, monkeypatch):
    """A run that trains writes twice a second, and the index of a class takes longer than that to copy."""
    keep(store, "mine")
    store.conclude("mine", "x" * 8_000_000)  # twice what was copied in one step
    steps = []

    class Watched(sqlite3.Connection):
        def backup(self, target, **how):
            def write(*_):
                steps.append(store.append("mine", np.ones((1, len(COLUMNS))) * len(steps)))
                if len(steps) > 20:
                    pytest.fail("it began anew each time")

            super().backup(target, progress=write, **how)

    monkeypatch.setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=Watched))
    backup.backup(store, tmp_path / "copy")
    assert steps == [True]
    assert len(Store(tmp_path / "copy" / "runs").outcome("mine")) == 8_000_000


def test_a_backup_of_no_home_and_one_that_cannot_be_written(store, tmp_path):
    with pytest.raises(StorageError, match=f"nothing to copy in {paths.home()}"):
        backup.backup(store, tmp_path / "empty")
    assert not (tmp_path / "empty").exists()
    paths.home().mkdir()
    (paths.home() / "secret").touch()
    assert backup.backup(store, tmp_path / "young").files == 1, "a server that nobody has trained on yet"
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        backup.backup(store, tmp_path / "file" / "copy")
