"""Who is alive: on this machine the locks say it, whichever container asks; of other machines the signs of life do."""

import os
import shutil
import subprocess
import sys
import time

import pytest

from explorer.paths import REPOSITORY
from explorer.store import presence
from explorer.store.presence import Presence
from explorer.store.store import Store
from tests.store.test_store import a_run

ELSEWHERE = """
import sys
from pathlib import Path
from explorer.store.store import Store
print([run.state.value for run in Store(Path(sys.argv[1])).runs()])
"""


@pytest.fixture
def apart():
    """How to run a program that sees other process numbers, as in a container of its own."""
    command = ["unshare", "--pid", "--fork"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("this machine does not let one make a space of process numbers")
    return command


def test_a_container_on_the_same_folder_leaves_live_runs_alone(tmp_path, apart) -> None:
    store = Store(tmp_path / "runs")
    store.begin(a_run("mine"))
    done = subprocess.run(
        [*apart, sys.executable, "-c", ELSEWHERE, str(tmp_path / "runs")],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=60,
    )
    assert done.stdout.strip() == "['running']", done.stderr
    assert store.run("mine").state == "running"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def test_a_run_that_another_server_goes_on_with_meanwhile_is_left_to_it(store) -> None:
    store.begin(a_run("theirs"))
    store.begin(a_run("nobodys"))
    store._presence._held[1].close()  # it was killed
    here, there = Store(store.folder), Store(store.folder)
    alive = here._presence.alive

    def slowly(name):
        here._presence.alive = alive
        found = alive(name)
        assert there.claim("theirs")
        there.settle("theirs", "running")
        return found

    here._presence.alive = slowly
    assert {run.id: run.state for run in here.runs()} == {"theirs": "running", "nobodys": "stopped"}
    assert not here.claim("theirs")


def left(folder, machine, age=0.0):
    """What another server's lock looks like where nothing is seen of its lock but the file."""
    folder.mkdir(exist_ok=True)
    path = folder / "other.lock"
    path.write_text(machine)
    os.utime(path, (time.time() - age,) * 2)
    return "other"


@pytest.mark.parametrize(
    ("machine", "age", "alive"),
    [
        ("another", 0.0, True),
        ("another", presence.SILENT + 1, False),
        (presence.machine(), 0.0, False),
        ("", 0.0, False),
    ],
    ids=["shows itself", "silent for long", "of this machine, without its lock", "an older program's"],
)
def test_another_machines_server_lives_as_long_as_it_shows_itself(tmp_path, machine, age, alive) -> None:
    name = left(tmp_path, machine, age)
    assert Presence(tmp_path).alive(name) is alive
    assert (tmp_path / "other.lock").exists() is alive, "what the dead left is removed, and nothing else"


def test_a_server_shows_itself_again_and_again(tmp_path, monkeypatch) -> None:
    mine = Presence(tmp_path)
    path = tmp_path / f"{mine.announce()}.lock"
    assert path.read_text() == presence.machine() and mine in presence._beating
    os.utime(path, (0, 0))
    mine.beat()
    assert time.time() - path.stat().st_mtime < presence.SILENT
    assert [thread.name for thread in presence.threading.enumerate()].count("beat") == 1


def test_the_disks_clock_counts_where_there_is_one(tmp_path, monkeypatch) -> None:
    mine = Presence(tmp_path)
    mine.announce()
    name = left(tmp_path, "another")
    monkeypatch.setattr(presence.time, "time", lambda: 0.0)
    assert mine.alive(name)
    monkeypatch.setattr(presence.time, "time", lambda: 1e12)
    assert mine.alive(name)
