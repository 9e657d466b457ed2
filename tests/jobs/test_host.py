"""A worker's process: its settings, its memory, and what it says of jobs it does not have."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from explorer.jobs.calls import Call
from explorer.jobs.dispatch import Dispatcher
from explorer.jobs.host import Host
from explorer.jobs.job import Job
from explorer.jobs.orders import Order
from explorer.paths import REPOSITORY
from explorer.store.words import Kind, State
from tests.jobs.working import until

LIMITED = """
import sys
from explorer.jobs.host import Host
from explorer.jobs.job import Job
import numpy as np
host = Host({"EXPLORER_DISK_MB": "7", "EXPLORER_WORKERS": "9"}, nice=1, megabytes=600, threads=3)
import os
print(*map(os.environ.get, ("EXPLORER_DISK_MB", "EXPLORER_WORKERS", "OMP_NUM_THREADS")), os.nice(0) > 0)
job = Job("train", "large", lambda job: np.ones(10**9, np.uint8))
job.run()
print(job.state.value, "|", job.message)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's memory so")
def test_a_run_that_needs_more_memory_than_a_worker_has_fails_in_words() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=120,
        env={name: word for name, word in os.environ.items() if name != "EXPLORER_DISK_MB"} | {"EXPLORER_WORKERS": "3"},
    )
    settings, ended = done.stdout.strip().splitlines()
    assert settings == "7 3 3 True", "what the machine itself says goes before, but for the threads"
    assert ended.startswith("failed |") and "memory" in ended, done.stderr


def test_a_job_that_is_not_here_is_told_nothing_and_answers_in_words() -> None:
    host = Host()
    try:
        assert host.tell("nowhere", "stop", ()) is None and not host.withdraw("nowhere")
        assert host.ask("nowhere", "weights") == (b"", "This run is not on this worker any more.")
        assert host.look({}).looks == () and host.orders() == []
    finally:
        host.close()


def test_what_is_buried_is_found_as_failed_with_the_reason() -> None:
    host = Host()
    call = Call("explorer.jobs.calls:nothing")
    order = Order("dead", Kind.TRAIN, "a run", call, "ann", None, None, "", 0.0, None, None, moved=2)
    try:
        host.bury(order, "It ended three workers.")
        (look,) = host.look({}).looks
        assert (look.state, look.message, look.face.owner) == (State.FAILED, "It ended three workers.", "ann")
        assert host.submit(replace(order, id="fine", attempt="first"))[1] == ""
        until(lambda: host.standing().jobs["first"][0] == State.DONE)
        assert host.orders() == [], "what has ended is not kept"
    finally:
        host.close()


def test_a_look_while_a_run_is_taken_up_again_does_not_take_it_for_the_one_that_ended(monkeypatch) -> None:
    host = Host()
    call = Call("explorer.jobs.calls:nothing")
    order = Order("run", Kind.TRAIN, "a run", call, "ann", None, None, "", 0.0, None, None, attempt="first")
    try:
        office = Dispatcher({"a": host})
        assert not office.submit(order)[1]
        until(lambda: host.standing().jobs["first"][0] == State.DONE)
        office.watch()
        assert not office._given
        prepare = Job.prepare
        monkeypatch.setattr(Job, "prepare", lambda job: (office.watch(), prepare(job)))  # as its history is read
        monkeypatch.setattr(Job, "run", lambda job: None)  # nor does it end
        assert not office.submit(replace(order, attempt="second"))[1]
        office.watch()
        assert [one.attempt for one in host.orders()] == ["second"] and list(office._given) == ["run"]
    finally:
        host.close()
