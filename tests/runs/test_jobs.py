"""Jobs: states, the queue, and everything a page may ask of one while it runs."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from explorer.errors import DataError, ExplorerError
from explorer.runs import jobs
from explorer.runs.jobs import (
    DIVERGED,
    DONE,
    FAILED,
    PAUSED,
    QUEUED,
    RUNNING,
    STOPPED,
    STOPPING,
    Diverged,
    Job,
    QueueFull,
    Registry,
    Unanswered,
)


def until(true, seconds=10.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


class Work:
    """Steps that a test lets happen one by one, or all at once."""

    def __init__(self, steps=10**9, epoch=10, free=True):
        self.steps, self.epoch, self.free = steps, epoch, free
        self.done, self.changes, self.began = 0, [], threading.Event()
        self.gate = threading.Semaphore(0)

    def __call__(self, job):
        job.ready()
        self.began.set()
        while self.done < self.steps:
            if not self.free:
                self.gate.acquire()
            self.done += 1
            self.changes += [(self.done, *c) for c in job.between_steps(self.done / self.steps)]
            if self.done % self.epoch == 0:
                job.between_steps(self.done / self.steps, epoch_ended=True)
            time.sleep(0.0005)


@pytest.fixture
def registry():
    made = Registry()
    yield made
    made.close()


def start(registry, work=None, owner="", **fields):
    return registry.submit(Job("train", "test", work or Work(), owner, **fields))


def test_a_job_runs_to_its_end_and_says_so(registry):
    job = start(registry, Work(steps=20))
    until(lambda: job.ended)
    assert (job.state, job.progress, job.message) == (DONE, 1.0, "")
    assert registry.find(job.id) is job and registry.all() == [job]


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
    assert [job.state for job in registry.all()] == [RUNNING, QUEUED, QUEUED, QUEUED]
    assert [registry.ahead_of(job) for job in registry.all()] == [0, 1, 2, 3]
    for work in works:
        work.gate.release(3)
    until(lambda: last.ended)
    assert order == [0, 1, 2, 3] and {job.state for job in registry.all()} == {DONE}


def test_two_workers_run_two_at_once():
    registry = Registry(workers=2)
    jobs_ = [start(registry, Work()) for _ in range(3)]
    until(lambda: [job.state for job in jobs_] == [RUNNING, RUNNING, QUEUED])
    registry.close()
    assert {job.state for job in jobs_} == {STOPPED}


def test_a_queued_job_stops_at_once_and_never_begins(registry):
    running = start(registry)
    work = Work()
    queued = start(registry, work)
    queued.stop()
    assert queued.state == STOPPED
    running.stop()
    until(lambda: running.ended)
    time.sleep(0.05)
    assert not work.began.is_set()


def test_a_running_job_stops_after_its_step(registry):
    work = Work()
    job = start(registry, work)
    until(lambda: work.done > 3)
    job.stop()
    assert job.state in (STOPPING, STOPPED)
    until(lambda: job.ended)
    done = work.done
    time.sleep(0.02)
    assert job.state == STOPPED and work.done == done


def test_a_paused_job_stops_at_once_though_another_runs(registry):
    job = start(registry)
    until(lambda: job.state == RUNNING)
    job.pause()
    until(lambda: job.state == PAUSED)
    other = start(registry)
    until(lambda: other.state == RUNNING)
    job.stop()
    until(lambda: job.state == STOPPED, 2)
    assert other.state == RUNNING
    third = start(registry)
    time.sleep(0.05)
    assert third.state == QUEUED, "the stopped job gave back a place it did not have"


def test_a_job_waiting_to_go_on_stops_at_once_too(registry):
    job = start(registry)
    until(lambda: job.state == RUNNING)
    job.pause()
    until(lambda: job.state == PAUSED)
    other = start(registry)
    until(lambda: other.state == RUNNING)
    job.resume()
    until(lambda: job.state == QUEUED)
    job.stop()
    until(lambda: job.state == STOPPED, 2)


def test_pausing_holds_the_steps_and_lets_the_next_job_in(registry):
    work = Work()
    job = start(registry, work)
    until(lambda: work.done > 3)
    job.pause()
    until(lambda: job.state == PAUSED)
    done, spent = work.done, job.run_seconds
    other = start(registry, Work(steps=5))
    until(lambda: other.ended)
    assert work.done == done
    job.resume()
    until(lambda: work.done > done)
    assert job.run_seconds < spent + 5


def test_what_is_pending_is_shown_before_a_pause(registry):
    work, shown = Work(), []
    job = start(registry, work, before_hold=lambda: shown.append(work.done))
    until(lambda: work.done > 3)
    job.pause()
    until(lambda: job.state == PAUSED)
    assert shown == [work.done]


def test_what_is_asked_is_answered_between_two_steps_and_while_it_holds(registry):
    work = Work()
    job = start(registry, work)
    until(work.began.is_set)
    job.answers["steps"] = lambda: (work.done, threading.current_thread().name)
    assert job.ask("steps").result(10)[1] == f"job-{job.id}"
    with pytest.raises(Unanswered, match="no colour"):
        job.ask("colour").result(10)
    job.pause()
    until(lambda: job.state == PAUSED)
    assert job.ask("steps").result(10)[0] == work.done and job.state == PAUSED
    job.resume()
    until(lambda: job.state == RUNNING)


def test_an_ended_job_leaves_no_question_open(registry):
    work = Work(free=False)
    job, queued = start(registry, work), start(registry)
    until(work.began.is_set)
    asked = [queued.ask("steps")]
    queued.stop()
    job.stop()
    asked.append(job.ask("steps"))
    work.gate.release(1)
    for question in (*asked, job.ask("steps")):
        assert isinstance(question.exception(10), Unanswered)


def test_one_step_and_some_steps_and_one_epoch(registry):
    work = Work(epoch=10)
    job = Job("train", "test", work)
    job.budget = 0  # submitted paused: holds before the first step
    registry.submit(job)
    until(lambda: job.state == PAUSED)
    assert work.done == 0
    for how, expected in (
        ({"steps": 1}, 1),
        ({"steps": 1}, 2),
        ({"steps": 3}, 5),
        ({"until_epoch": True}, 10),
        ({"until_epoch": True}, 20),
    ):
        job.resume(**how)
        until(lambda expected=expected: work.done == expected and job.state == PAUSED)
    time.sleep(0.02)
    assert work.done == 20


def test_one_epoch_that_is_the_last_ends_the_run(registry):
    work = Work(steps=10, epoch=10)
    job = Job("train", "test", work)
    job.budget = 0
    registry.submit(job)
    job.resume(until_epoch=True)
    until(lambda: job.ended)
    assert job.state == DONE


def test_live_changes_arrive_in_order_at_the_next_step(registry):
    work = Work(free=False)
    job = start(registry, work)
    until(work.began.is_set)
    job.change("lr", 0.5)
    job.change("clip", 1.0)
    work.gate.release(3)
    until(lambda: work.done == 3)
    work.gate.release(1)
    until(lambda: work.done == 4)
    assert work.changes == [(1, "lr", 0.5), (1, "clip", 1.0)]
    job.stop()
    work.gate.release(1)


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        (DataError("There is no text here. Upload one.", "detail"), FAILED, "There is no text here. Upload one."),
        (ValueError("shapes"), FAILED, "ValueError: shapes"),
        (RuntimeError("CUDA out of memory. Tried to"), FAILED, "smaller batch"),
        (Diverged("The loss blew up. Try less."), DIVERGED, "The loss blew up. Try less."),
    ],
)
def test_a_failure_shows_its_reason_and_the_next_job_runs(registry, error, state, words):
    def fail(job):
        raise error

    job = start(registry, fail)
    following = start(registry, Work(steps=1))
    until(lambda: following.ended)
    assert job.state == state and words in job.message and following.state == DONE


def test_the_terminal_can_show_divergence_as_a_sentence():
    assert issubclass(Diverged, ExplorerError)


def test_a_new_job_stops_nothing_but_what_it_is_to_replace():
    registry = Registry(workers=5)
    first, kept = start(registry, owner="ann"), start(registry, owner="ann")
    other, nobodys = start(registry, owner="bob"), start(registry)
    until(lambda: {first.state, kept.state, other.state, nobodys.state} == {RUNNING})
    second = registry.submit(Job("train", "test", Work(), "ann"), instead_of=first)
    until(lambda: first.state == STOPPED and second.state == RUNNING)
    assert "started it again" in first.message
    registry.submit(Job("train", "test", Work(), "ann"), instead_of=other)  # somebody else's
    assert {kept.state, other.state, nobodys.state} == {RUNNING}
    assert registry.latest("bob", "train") is other and registry.latest("ann", "race") is None
    registry.close()


def test_a_measurement_neither_ends_a_training_nor_waits_for_it(registry):
    training = start(registry, owner="ann")
    until(lambda: training.state == RUNNING)
    measured = registry.submit(Job("claim", "a claim", Work(steps=5), "ann"))
    until(lambda: measured.ended)
    assert measured.state == DONE and training.state == RUNNING


def test_a_second_run_of_ones_own_says_what_it_waits_for(registry):
    first, second = start(registry, owner="ann"), start(registry, owner="ann")
    third = start(registry, owner="bob")
    until(lambda: first.state == RUNNING)
    assert second.waits_for() == "Waits for a run of your own: test. Pause or stop that one to let this go first."
    assert third.waits_for() == "2 ahead of you in the queue"


def test_a_full_server_refuses_with_a_sentence_and_takes_more_when_something_ended(registry, monkeypatch):
    monkeypatch.setattr(jobs, "MOST", 3)
    taken = [start(registry, owner=str(n)) for n in range(3)]
    refused, heard = Work(), []
    with pytest.raises(QueueFull, match=r"as many jobs as it takes \(3\)"):
        start(registry, refused, owner="late", on_queued=lambda: heard.append("queued"))
    with pytest.raises(QueueFull):
        registry.submit(Job("train", "test", refused, "late"), instead_of=taken[0])  # somebody else's
    assert registry.all() == taken and not any(job.ended for job in taken)
    again = registry.submit(Job("train", "test", Work(), "2"), instead_of=taken[2])
    assert again.state == QUEUED, "its owner's earlier one made room for it"
    taken[0].stop()
    until(lambda: taken[0].ended)
    assert start(registry, owner="late").state == QUEUED
    assert not refused.began.is_set() and not heard


def test_nobody_takes_every_place_in_the_queue(registry, monkeypatch):
    monkeypatch.setattr(jobs, "EACH", 2)
    for _ in range(2):
        start(registry, owner="ann")
    with pytest.raises(QueueFull, match="2 jobs of yours"):
        start(registry, owner="ann")
    assert start(registry, owner="bob").state == QUEUED


def test_a_queue_has_no_threads_and_ends_as_fast_as_it_is_long(registry, monkeypatch):
    monkeypatch.setattr(jobs, "MOST", 10_000)
    before = threading.active_count()
    began = time.monotonic()
    many = [start(registry, owner=str(n)) for n in range(2000)]
    until(lambda: many[0].state == RUNNING)
    assert threading.active_count() <= before + 1
    registry.close()
    assert {job.state for job in many} == {STOPPED}
    assert time.monotonic() - began < 30, "with a thread each it took minutes"


def test_places_are_told_in_the_order_they_are_given(registry):
    """One that goes on after a pause stands behind those that came meanwhile."""
    first = start(registry)
    until(lambda: first.state == RUNNING)
    first.pause()
    until(lambda: first.state == PAUSED)
    second, third = start(registry), start(registry)
    until(lambda: second.state == RUNNING)
    first.resume()
    until(lambda: first.state == QUEUED and registry.ahead_of(first))
    assert [registry.ahead_of(job) for job in (second, third, first)] == [0, 1, 2]
    second.stop()
    until(lambda: third.state == RUNNING)
    assert registry.ahead_of(first) == 1


def test_a_job_that_waits_to_go_on_answers_too(registry):
    first = start(registry)
    until(lambda: first.state == RUNNING)
    first.answers["name"] = lambda: "first"
    first.pause()
    until(lambda: first.state == PAUSED)
    second = start(registry)
    until(lambda: second.state == RUNNING)
    first.resume()
    until(lambda: first.state == QUEUED)
    assert first.ask("name").result(10) == "first" and first.state == QUEUED


def test_a_server_without_threads_to_spare_says_so_and_serves_the_next(registry, monkeypatch):
    real = threading.Thread.start

    def none_left(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    left = []
    job = start(registry, on_unbegun=lambda: left.append(True))
    assert job.state == FAILED and "no room" in job.message and left
    monkeypatch.setattr(threading.Thread, "start", real)
    following = start(registry, Work(steps=1))
    until(lambda: following.ended)
    assert following.state == DONE


def test_what_waits_to_begin_is_told_from_what_never_did(registry):
    heard = []
    start(registry)
    waiting = start(registry, on_queued=lambda: heard.append("queued"), on_unbegun=lambda: heard.append("unbegun"))
    assert heard == ["queued"]
    waiting.stop()
    assert heard == ["queued", "unbegun"] and waiting.state == STOPPED


class Pressed(Job):
    """Held before its first step; *1 step* is pressed just as it looks whether to hold."""

    pressed = False

    @property
    def budget(self):
        found = self._budget
        if found == 0 and not self.pressed and threading.current_thread().name == f"job-{self.id}":
            self.pressed = True
            page = threading.Thread(target=self.resume, kwargs={"steps": 1})
            page.start()
            page.join(0.2)
        return found

    @budget.setter
    def budget(self, value):
        self._budget = value


def test_a_step_asked_for_just_as_the_work_gets_ready_is_done(registry):
    work = Work()
    job = Pressed("train", "test", work)
    job.budget = 0
    registry.submit(job)
    until(lambda: work.done == 1 and job.state == PAUSED)


def test_a_job_nobody_looks_at_ends(registry, monkeypatch):
    monkeypatch.setattr(jobs, "LEASE", 0.1)
    watched, left = Registry(workers=2), Work()
    job = start(watched, left, owner="ann")
    seen = start(watched, owner="bob")
    headless = start(registry)  # the terminal's: no owner, no lease
    until(lambda: seen.touch() or job.ended)
    assert job.state == STOPPED and "nobody" in job.message
    assert not seen.ended and not headless.ended
    watched.close()


def test_a_queued_job_nobody_looks_at_makes_room(registry, monkeypatch):
    monkeypatch.setattr(jobs, "MOST", 2)
    start(registry)
    waiting = start(registry, owner="ann")
    monkeypatch.setattr(jobs, "LEASE", 0.0)
    time.sleep(0.01)
    assert start(registry).state == QUEUED and waiting.state == STOPPED and "nobody" in waiting.message


def test_a_paused_job_nobody_looks_at_ends_and_says_why(registry, monkeypatch):
    job = start(registry, owner="ann")
    until(lambda: job.state == RUNNING)
    job.pause()
    until(lambda: job.state == PAUSED)
    monkeypatch.setattr(jobs, "LEASE", 0.1)
    until(lambda: job.ended)
    assert job.state == STOPPED and "nobody" in job.message


def test_a_stop_that_comes_too_late_changes_nothing(registry):
    """The page decides to stop just as the work ends: the job must not be 'stopping' for ever."""
    job = start(registry, Work(steps=1))
    until(lambda: job.ended)
    version = job.version
    job.stop()
    job._set_state(RUNNING)
    assert job.state == DONE and job.version == version


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
    assert {job.state for job in made} <= {DONE, STOPPED}, [job.message for job in made]
    assert registry._training.free == 3
    registry.close()


def test_eta_rate_and_stamp_move(registry):
    work = Work(steps=4000)
    job = start(registry, work)
    assert job.eta is None
    until(lambda: job.eta is not None and job.rate > 0)
    assert 0 < job.eta < 600
    version, stamp = job.version, job.stamp
    job.publish(source="here")
    assert job.results["source"] == "here" and job.version == version + 1
    assert job.stamp != stamp


def test_an_ended_job_lets_go_of_its_work(registry):
    work = Work(steps=1)
    job = start(registry, work)
    until(lambda: job.work is not work)


def test_old_ended_jobs_are_forgotten(registry, monkeypatch):
    monkeypatch.setattr(jobs, "KEPT", 3)
    for _ in range(6):
        job = start(registry, Work(steps=1))
        until(lambda job=job: job.ended)
    assert len(registry.all()) <= 4 and registry.find(job.id) is job


def test_few_ended_jobs_that_hold_a_network_are_kept(registry, monkeypatch):
    monkeypatch.setattr(jobs, "KEPT_BODIES", 2)
    for kind in ("unfreeze", "claim", "unfreeze", "unfreeze", "claim", "unfreeze"):
        job = registry.submit(Job(kind, "test", Work(steps=1)))
        until(lambda job=job: job.ended)
    registry.submit(Job("claim", "test", Work(steps=1)))
    assert [job.kind for job in registry.all()] == ["claim", "unfreeze", "claim", "unfreeze", "claim"]


@pytest.mark.parametrize(("words", "workers"), [(None, 1), ("3", 3), ("0", 1), ("-2", 1), ("many", 1)])
def test_the_environment_sets_the_workers(monkeypatch, words, workers):
    monkeypatch.setattr(jobs, "_registry", None)
    monkeypatch.delenv("EXPLORER_WORKERS", raising=False)
    if words is not None:
        monkeypatch.setenv("EXPLORER_WORKERS", words)
    assert jobs.registry().workers == workers
    assert jobs.registry() is jobs.registry()


SERVER = """
import signal, sys, threading, time
import torch
from explorer.experiment import Experiment
from explorer.runs.jobs import Job, registry
from explorer.runs import train
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # as Streamlit's server does
experiment = Experiment.of("gru", data="pydoc", hidden=8, epochs=50)
job = registry().submit(Job("train", "test", lambda job: train.train(job, experiment) and None, "ann", experiment))
waiting = registry().submit(Job("train", "test", lambda job: None, "bob"))
while len(job.history.snapshot()) < 3: time.sleep(0.01)
try:
    print("training", flush=True)
    while True: time.sleep(1)
except KeyboardInterrupt:
    pass
"""


def test_the_server_ends_well_in_the_middle_of_a_step():
    """A daemon thread inside torch at exit would abort the process."""
    servers = {
        name: subprocess.Popen(
            [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for name in ("SIGTERM", "SIGINT")
    }
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
