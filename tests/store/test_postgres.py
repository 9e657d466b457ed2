"""The record of runs in PostgreSQL: the same tests as on a file, on a throw-away cluster of Debian's own package."""

import glob
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from explorer.errors import StorageError
from explorer.store import backup, database
from explorer.store.history import EpochRow, Mark
from explorer.store.index import Query, Sort
from explorer.store.store import Store
from tests.store import test_presence, test_store
from tests.store.test_store import a_run, rows

PROGRAMS = next(iter(sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)), "")


def as_nobody(*command, **how):
    """PostgreSQL does not run as root."""
    user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
    return subprocess.run([*user, *command], check=True, capture_output=True, text=True, timeout=60, **how)


@pytest.fixture(scope="module")
def cluster():
    if not PROGRAMS:
        pytest.skip("there is no PostgreSQL here")
    # Not in pytest's own folder: every pytest that begins beside this one shuts that to other users.
    with tempfile.TemporaryDirectory(prefix="explorer-tests-postgres-") as folder:
        os.chmod(folder, 0o755)
        data = Path(folder) / "data"
        data.mkdir()
        if os.geteuid() == 0:
            shutil.chown(data, "nobody", "nogroup")
        as_nobody(f"{PROGRAMS}/initdb", "-D", str(data), "-A", "trust", "-U", "explorer", "--no-sync", "-E", "UTF8")
        options = f"-c listen_addresses='' -k {data} -c fsync=off -c max_connections=40"
        as_nobody(f"{PROGRAMS}/pg_ctl", "-D", str(data), "-o", options, "-l", str(data / "log"), "-w", "start")
        yield f"postgresql://explorer@/{{}}?host={data}"
        as_nobody(f"{PROGRAMS}/pg_ctl", "-D", str(data), "-m", "immediate", "stop")


@pytest.fixture
def url(cluster, monkeypatch):
    import psycopg

    name = f"test_{time.monotonic_ns()}"
    with psycopg.connect(cluster.format("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    monkeypatch.setenv("EXPLORER_STORE", cluster.format(name))
    return cluster.format(name)


@pytest.fixture
def store(tmp_path, url):
    made = Store(tmp_path / "runs")
    yield made
    for connection, _ in made._idle:
        connection.close()


SAME = [
    test_store.test_what_is_written_comes_back,
    test_store.test_runs_are_listed_newest_first_and_by_owner,
    test_store.test_settling_and_deleting,
    test_store.test_a_run_nobody_knows_has_an_empty_history,
    test_store.test_writing_the_same_rows_twice_leaves_them_once,
    test_store.test_every_thread_may_read_and_write_at_once,
    test_store.test_a_deleted_run_takes_nothing_more,
    test_store.test_the_index_says_what_a_run_came_to_without_its_history,
    test_store.test_runs_are_found_by_model_state_owner_star_and_words_and_sorted,
    test_store.test_a_run_that_begins_anew_keeps_the_words_of_its_owner,
    test_store.test_a_run_is_claimed_once_and_forgets_what_comes_after_its_bookmark,
    test_store.test_snapshots_are_listed_in_their_order,
    test_store.test_a_line_without_an_experiment_is_kept_with_its_outcome,
    test_store.test_a_sweep_is_one_line_where_that_is_asked_for,
    test_presence.test_a_run_that_another_server_goes_on_with_meanwhile_is_left_to_it,
]


@pytest.mark.parametrize("same", SAME, ids=lambda test: test.__name__.removeprefix("test_"))
def test_as_on_a_file(same, store):
    same(store)
    assert not store.path.exists()


OTHER = """
import sys
import tempfile
from pathlib import Path
from explorer.store.store import Store
from tests.store.test_store import rows
store = Store(Path(sys.argv[1]))
for start in range(1, 401, 10):
    assert store.append(sys.argv[2], rows(start, 10))
"""


def test_two_processes_write_at_once_and_lose_nothing(store, programs):
    for run in ("one", "two"):
        store.begin(a_run(run))
    writing = [programs.begin("-c", OTHER, str(store.folder), run) for run in ("one", "two")]
    assert [process.wait(60) for process in writing] == [0, 0]
    assert [len(store.history(run)) for run in ("one", "two")] == [400, 400]
    assert {run.steps for run in store.runs()} == {400}


def test_what_fails_half_way_is_undone(store):
    store.begin(a_run())
    with pytest.raises(ZeroDivisionError), store._writing() as connection:
        connection.execute("UPDATE runs SET title = ?", ["half"])
        raise ZeroDivisionError
    assert store.run("a1").title == "GRU"


def test_a_connection_that_breaks_is_a_sentence_and_the_next_one_works(store, url):
    import psycopg

    store.begin(a_run())
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    with pytest.raises(StorageError, match="could not be recorded"):
        store.append("a1", rows(1, 3))
    assert store.append("a1", rows(1, 3), [EpochRow(1, 3, 1.0, 1.0, 0.5, 1.0)], [Mark(2, "lr 1")])
    assert len(store.history("a1")) == 3
    assert [run.id for run in store.find(Query(text="gRu", sort=Sort.NAME))] == ["a1"]


def test_a_copy_of_the_folder_alone_is_refused(store, tmp_path):
    with pytest.raises(StorageError, match="pg_dump"):
        backup.backup(store, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    ("url", "said"),
    [("mysql://somewhere", "such as postgresql://"), ("postgresql://nobody@127.0.0.1:1/none", "cannot be read")],
)
def test_an_address_that_cannot_be_used_is_a_sentence(tmp_path, monkeypatch, url, said):
    monkeypatch.setenv("EXPLORER_STORE", url)
    with pytest.raises(StorageError, match=said):
        Store(tmp_path / "runs").epochs("a1")


def test_without_the_driver_the_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPLORER_STORE", "postgresql://somewhere/name")
    monkeypatch.setitem(sys.modules, "explorer.store.postgres", None)
    monkeypatch.delattr("explorer.store.postgres", raising=False)
    with pytest.raises(StorageError, match="requirements-cluster"):
        database._postgres("postgresql://somewhere/name")
