"""The queue: who runs, who waits, who is refused, and what is remembered."""

import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from explorer import limits, paths
from explorer.jobs import queue
from explorer.jobs.job import Job
from explorer.jobs.queue import QueueFull, Registry
from explorer.limits import Limits
from explorer.store.words import Kind, State
from tests.jobs.working import Work, start, until


def test_jobs_run_one_after_the_other_in_the_order_they_came(registry):
    order, works = [], []
    for number in range(4):
        work = Work(steps=3, free=False)

        def run(job, work=work, number=number):
            order.append(number)
            work(job)

        works.append(work)
        last = start(registry, run)
    until(works[0].began.is_set)
    assert [job.state for job in registry.all()] == [State.RUNNING, State.QUEUED, State.QUEUED, State.QUEUED]
    assert [registry.ahead_of(job) for job in registry.all()] == [0, 1, 2, 3]
    for work in works:
        work.gate.release(3)
    until(lambda: last.ended)
    assert order == [0, 1, 2, 3] and {job.state for job in registry.all()} == {State.DONE}


def test_two_workers_run_two_at_once():
    registry = Registry(workers=2)
    jobs_ = [start(registry, Work()) for _ in range(3)]
    until(lambda: [job.state for job in jobs_] == [State.RUNNING, State.RUNNING, State.QUEUED])
    registry.close()
    assert {job.state for job in jobs_} == {State.STOPPED}


def test_a_new_job_stops_nothing_but_what_it_is_to_replace():
    registry = Registry(workers=5)
    first, kept = start(registry, owner="ann"), start(registry, owner="ann")
    other, nobodys = start(registry, owner="bob"), start(registry)
    until(lambda: {first.state, kept.state, other.state, nobodys.state} == {State.RUNNING})
    second = registry.submit(Job(Kind.TRAIN, "test", Work(), "ann"), instead_of=first)
    until(lambda: first.state == State.STOPPED and second.state == State.RUNNING)
    assert "started it again" in first.message
    registry.submit(Job(Kind.TRAIN, "test", Work(), "ann"), instead_of=other)  # somebody else's
    assert {kept.state, other.state, nobodys.state} == {State.RUNNING}
    assert registry.latest("bob", Kind.TRAIN) is other and registry.latest("ann", Kind.RACE) is None
    registry.close()


def test_a_measurement_neither_ends_a_training_nor_waits_for_it(registry):
    training = start(registry, owner="ann")
    until(lambda: training.state == State.RUNNING)
    measured = registry.submit(Job(Kind.CLAIM, "a claim", Work(steps=5), "ann"))
    until(lambda: measured.ended)
    assert measured.state == State.DONE and training.state == State.RUNNING


def test_a_second_run_of_ones_own_says_what_it_waits_for(registry):
    first, second = start(registry, owner="ann"), start(registry, owner="ann")
    until(lambda: first.state == State.RUNNING)
    assert queue.waits_for(second) == "Waits for a run of your own: test. Pause or stop that one to let this go first."
    third = start(registry, owner="bob")
    third.pace.seconds, first.pace.seconds, first.progress = 0.0, 10.0, 0.5
    words = queue.waits_for(third)
    assert re.fullmatch(r"1 ahead of you in the queue, about \d+ s until this begins", words), words


def test_a_full_server_refuses_with_a_sentence_and_takes_more_when_something_ended(registry, monkeypatch):
    monkeypatch.setattr(limits, "now", lambda: Limits(jobs=3))
    taken = [start(registry, owner=str(n)) for n in range(3)]
    refused, heard = Work(), []
    with pytest.raises(QueueFull, match=r"as many jobs as it takes \(3\)"):
        start(registry, refused, owner="late", on_queued=lambda: heard.append("queued"))
    with pytest.raises(QueueFull):
        registry.submit(Job(Kind.TRAIN, "test", refused, "late"), instead_of=taken[0])  # somebody else's
    assert registry.all() == taken and not any(job.ended for job in taken)
    again = registry.submit(Job(Kind.TRAIN, "test", Work(), "2"), instead_of=taken[2])
    assert again.state == State.QUEUED, "its owner's earlier one made room for it"
    taken[0].stop()
    until(lambda: taken[0].ended)
    assert start(registry, owner="late").state == State.QUEUED
    assert not refused.began.is_set() and not heard


def test_nobody_takes_every_place_in_the_queue(registry, monkeypatch):
    monkeypatch.setattr(limits, "now", lambda: Limits(jobs_each=2))
    for _ in range(2):
        start(registry, owner="ann")
    with pytest.raises(QueueFull, match="2 jobs of yours"):
        start(registry, owner="ann")
    assert start(registry, owner="bob").state == State.QUEUED


def test_a_queue_has_no_threads_and_ends_as_fast_as_it_is_long(registry, monkeypatch):
    monkeypatch.setattr(limits, "now", lambda: Limits(jobs=10_000, turn_seconds=3600))
    began = time.process_time()
    many = [start(registry, owner=str(n)) for n in range(1000)]
    until(lambda: many[0].state == State.RUNNING)  # torch is imported first
    assert sum(thread.name.startswith("job-") for thread in threading.enumerate()) <= 1
    registry.close()
    assert {job.state for job in many} == {State.STOPPED}
    assert time.process_time() - began < 30, "with a thread each it took minutes"


def test_places_are_told_in_the_order_they_are_given(registry):
    """Two that came have begun; so one that goes on after a pause is before a third newcomer."""
    first = start(registry)
    until(lambda: first.state == State.RUNNING)
    first.pause()
    until(lambda: first.state == State.PAUSED)
    second, third = start(registry), start(registry)
    until(lambda: second.state == State.RUNNING)
    first.resume()
    until(lambda: first.state == State.QUEUED and registry.ahead_of(first))
    assert [registry.ahead_of(job) for job in (second, first, third)] == [0, 1, 2]
    second.stop()
    until(lambda: first.state == State.RUNNING)
    assert registry.ahead_of(third) == 1


def test_a_server_without_threads_to_spare_says_so_and_serves_the_next(registry, monkeypatch):
    real = threading.Thread.start

    def none_left(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    left = []
    job = start(registry, on_unbegun=lambda: left.append(True))
    assert job.state == State.FAILED and "no room" in job.message and left
    monkeypatch.setattr(threading.Thread, "start", real)
    following = start(registry, Work(steps=1))
    until(lambda: following.ended)
    assert following.state == State.DONE


def test_a_queued_job_nobody_looks_at_makes_room(registry, monkeypatch):
    monkeypatch.setattr(limits, "now", lambda: Limits(jobs=2))
    start(registry)
    waiting = start(registry, owner="ann")
    monkeypatch.setattr(limits, "now", lambda: Limits(lease_minutes=0))
    time.sleep(0.01)
    assert start(registry).state == State.QUEUED and waiting.state == State.STOPPED and "nobody" in waiting.message


def test_many_stops_and_pauses_from_many_threads_leave_no_job_behind():
    registry = Registry(workers=3)
    made = [start(registry, Work(steps=60, epoch=7)) for _ in range(24)]

    def bother(offset):
        for round_ in range(40):
            job = made[(round_ * 7 + offset) % len(made)]
            (job.pause, job.resume, lambda j=job: j.resume(steps=2), lambda j=job: j.change("lr", 1.0))[round_ % 4]()

    threads = [threading.Thread(target=bother, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for job in made[::3]:
        job.stop()
    until(lambda: all(job.ended or job.resume() for job in made), 20)
    assert {job.state for job in made} <= {State.DONE, State.STOPPED}, [job.message for job in made]
    assert registry._training.free == 3
    registry.close()


def test_an_ended_job_lets_go_of_its_work(registry):
    work = Work(steps=1)
    job = start(registry, work)
    until(lambda: job.work is not work)


def test_old_ended_jobs_are_forgotten(registry, monkeypatch):
    monkeypatch.setattr(queue, "KEPT", 3)
    for _ in range(6):
        job = start(registry, Work(steps=1))
        until(lambda job=job: job.ended)
    assert len(registry.all()) <= 4 and registry.find(job.id) is job


def test_a_sweep_of_one_visitors_takes_away_nothing_that_another_has_measured(registry, monkeypatch):
    monkeypatch.setattr(queue, "KEPT", 4)
    measured = []
    for place in ("claim.1", "claim.2", "claim.2"):
        measured.append(registry.submit(Job(Kind.CLAIM, "test", Work(steps=1), "ann", place=place)))
    for _ in range(6):
        cell = start(registry, Work(steps=1), "bob")
        until(lambda cell=cell: cell.ended)
    start(registry, owner="bob")
    assert [job for job in registry.all() if job.owner == "ann"] == [measured[0], measured[2]]
    assert registry.find(cell.id) is cell


def test_few_ended_jobs_that_hold_a_network_are_kept(registry, monkeypatch):
    monkeypatch.setattr(queue, "KEPT_BODIES", 2)
    for kind in map(Kind, ("unfreeze", "claim", "unfreeze", "unfreeze", "claim", "unfreeze")):
        job = registry.submit(Job(kind, "test", Work(steps=1)))
        until(lambda job=job: job.ended)
    registry.submit(Job(Kind.CLAIM, "test", Work(steps=1)))
    assert [job.kind for job in registry.all()] == ["claim", "unfreeze", "claim", "unfreeze", "claim"]


@pytest.mark.parametrize(("words", "workers"), [(None, 1), ("3", 3), ("0", 1), ("-2", 1), ("many", 1)])
def test_the_environment_sets_the_workers(monkeypatch, words, workers):
    monkeypatch.setattr(queue, "_registry", None)
    monkeypatch.setattr(limits, "_known", None)
    monkeypatch.delenv("EXPLORER_WORKERS", raising=False)
    if words is not None:
        monkeypatch.setenv("EXPLORER_WORKERS", words)
    assert queue.registry().places == workers
    assert queue.registry() is queue.registry()


SERVER = """
import signal, sys, threading, time
import torch
from explorer.experiment import Experiment
from explorer.jobs.job import Job
from explorer.store.words import Kind
from explorer.jobs.queue import registry
from explorer.runs import train
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # as Streamlit's server does
experiment = Experiment.of("gru", data="pydoc", hidden=8, epochs=50)
job = registry().submit(Job(Kind.TRAIN, "test", lambda job: train.train(job, experiment) and None, "ann", experiment))
waiting = registry().submit(Job(Kind.TRAIN, "test", lambda job: None, "bob"))
while len(job.history.snapshot()) < 3: time.sleep(0.01)
try:
    print("training", flush=True)
    while True: time.sleep(1)
except KeyboardInterrupt:
    pass
"""


def test_the_server_ends_well_in_the_middle_of_a_step(programs):
    """A daemon thread inside torch at exit would abort the process."""
    servers = {name: programs.begin("-c", SERVER, whole=True) for name in ("SIGTERM", "SIGINT")}
    try:
        for name, process in servers.items():
            assert process.stdout.readline() == "training\n", process.stderr.read()
            process.send_signal(getattr(signal, name))
        for name, process in servers.items():
            _, errors = process.communicate(timeout=90)
            assert (process.returncode, errors) == (0, ""), name
    finally:
        for process in servers.values():
            process.kill()
            process.wait()


def test_what_a_suite_in_the_background_starts_hears_ctrl_c():
    """A shell has its background jobs ignore it, and what they start inherits that: the test above waited for ever."""
    inside = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    program = f"import subprocess, sys, tests.conftest; subprocess.run([sys.executable, '-c', '{inside}'])"
    command = ["bash", "-c", 'trap "" INT; exec "$0" -c "$1"', sys.executable, program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=paths.REPOSITORY, check=True)
    assert done.stdout == "True\n"


def test_a_server_that_ends_waits_for_a_run_that_has_just_gone_on():
    """Its thread before may come to its end after the new one has begun."""
    registry, over, ended = Registry(workers=2), threading.Event(), []
    first = Job(Kind.TRAIN, "test", lambda job: None)
    let_go = first.let_go
    first.let_go = lambda: (over.wait(60), let_go())

    def work(job):
        try:
            Work()(job)
        finally:
            time.sleep(0.2)
            ended.append(job)

    registry.submit(first)
    until(lambda: first.ended)
    again = registry.submit(Job(Kind.TRAIN, "test", work, id=first.id))
    until(lambda: again.began)
    over.set()
    until(lambda: first.lane.free == 1)
    registry.close()
    assert ended == [again]


def test_a_server_that_ends_while_a_job_begins_waits_for_it(monkeypatch):
    """A thread that is known but not yet started cannot be joined: closing at that moment used to fail."""
    start, entered = threading.Thread.start, threading.Event()

    def slow_start(thread):
        if thread.name.startswith("job-"):
            entered.set()
            time.sleep(0.3)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", slow_start)
    registry = Registry()
    job = Job("train", "test", lambda job: None, "ann")
    beginning = threading.Thread(target=registry.submit, args=(job,))
    beginning.start()
    assert entered.wait(10)
    registry.close()
    beginning.join(10)
    assert job.ended
