"""Who gets which job, and what becomes of the jobs of a worker that dies: workers that do nothing but stand there."""

import dataclasses

import pytest

from explorer import limits
from explorer.jobs import dispatch
from explorer.jobs.calls import Call
from explorer.jobs.dispatch import Dispatcher
from explorer.jobs.host import Standing
from explorer.jobs.orders import Order
from explorer.store.words import Kind, State


class Worker:
    """Answers as a worker would; jobs do what the test says."""

    def __init__(self):
        self.boot, self.jobs, self.taken, self.buried, self.told, self.down = "1", {}, [], [], [], False

    def __getattribute__(self, name):
        if name in ("submit", "standing", "orders", "withdraw", "tell", "bury") and self.down:
            raise ConnectionError("nobody is there")
        return super().__getattribute__(name)

    def submit(self, order, instead_of):
        self.taken.append(order)
        self.jobs[order.id] = (State.QUEUED, False, "")
        return self.boot, ""

    def bury(self, order, why):
        self.buried.append((order.id, why))

    def withdraw(self, job_id):
        return self.jobs.pop(job_id, None) is not None

    def tell(self, job_id, verb, values):
        self.told.append((job_id, verb, values))

    def standing(self):
        return Standing(self.boot, 1, dict(self.jobs))

    def orders(self):
        return [order for order in self.taken if order.id in self.jobs]

    def does(self, job_id, state, place=""):
        self.jobs[job_id] = (state, True, place)

    def start_again(self):
        self.boot, self.jobs = str(int(self.boot) + 1), {}


def order(owner, number=0):
    call = Call("explorer.jobs.calls:nothing")
    name = f"{owner}{number}"
    return Order(name, Kind.TRAIN, "a run", call, owner, None, None, "", 0.0, None, None, attempt=name)


@pytest.fixture
def pool():
    workers = {"a": Worker(), "b": Worker()}
    made = Dispatcher(workers)
    return made, workers["a"], workers["b"]


def ids(worker):
    return [order.id for order in worker.taken]


def test_owners_are_spread_and_all_jobs_of_one_go_together(pool):
    office, a, b = pool
    for owner, number in (("ann", 0), ("bob", 0), ("ann", 1), ("eve", 0), ("ann", 2), ("bob", 1)):
        assert not office.submit(order(owner, number))[1]
    assert ids(a) == ["ann0", "ann1", "eve0", "ann2"] and ids(b) == ["bob0", "bob1"]


def test_a_worker_with_nothing_to_do_gets_what_waits_behind_others(pool):
    office, a, b = pool
    for owner in ("ann", "bob", "eve"):
        office.submit(order(owner))
    for number in (1, 2):
        office.submit(order("ann", number))
    a.does("ann0", State.RUNNING)
    b.does("bob0", State.DONE)
    office.watch()
    assert ids(b) == ["bob0", "eve0"] and "eve0" not in a.jobs, "and not another of ann's, who has her turn"
    office.watch()
    assert ids(b) == ["bob0", "eve0"]


def test_a_cell_of_a_sweep_takes_what_nobody_else_waits_for(pool):
    office, a, b = pool
    for number in range(3):
        office.submit(dataclasses.replace(order("ann", number), spare=True))
    office.watch()
    assert ids(b) == ["ann0"] and list(a.jobs) == ["ann1", "ann2"], "whichever of them has not begun"
    a.does("ann1", State.RUNNING)
    b.does("ann0", State.DONE)
    office.watch()
    office.submit(order("ann", 3))
    b.does("ann2", State.DONE)
    office.watch()
    assert ids(b) == ["ann0", "ann2"] and "ann3" in a.jobs, "no other run of theirs"
    office.submit(dataclasses.replace(order("ann", 4), spare=True))
    office.submit(order("bob"))
    assert ids(b) == ["ann0", "ann2", "bob0"], "which has nobody's"
    b.does("bob0", State.DONE)
    office.submit(order("eve"))
    assert {"ann4", "eve0"} < a.jobs.keys()
    office.watch()
    assert "ann4" in a.jobs and ids(b)[-1] == "eve0", "a student's goes first, who came later"


def test_a_dead_workers_runs_go_on_elsewhere_and_what_had_not_begun_begins_there(pool):
    office, a, b = pool
    for owner, number in (("ann", 0), ("bob", 0), ("ann", 1)):
        office.submit(order(owner, number))
    a.does("ann0", State.PAUSED, "a page")
    office.watch()
    a.down = True
    office.watch()
    assert len(b.taken) == 1, "it may be back in a moment"
    a.down = False
    a.start_again()
    office.watch()
    moved = {order.id: (order.moved, order.budget) for order in b.taken[1:]}
    assert moved == {"ann0": (1, 0), "ann1": (0, None)}, "held where it was held"
    assert next(order for order in b.taken if order.id == "ann0").place == "a page", "and shown where it was shown"


def test_a_word_that_a_worker_took_to_its_grave_holds(pool):
    """The last look at the worker was before it."""
    office, a, b = pool
    for number, state in enumerate((State.PAUSED, State.RUNNING, State.RUNNING)):
        office.submit(order("ann", number))
        a.does(f"ann{number}", state)
    office.watch()
    for number, verb in enumerate(("resume", "pause", "stop")):
        office.said(f"ann{number}", verb)
    office.said("ann0", "change")
    office.said("nobody's", "stop")
    a.start_again()
    office.watch()
    assert {order.id: order.budget for order in b.taken} == {"ann0": None, "ann1": 0}
    assert [job for job, _ in a.buried + b.buried] == ["ann2"]


def test_a_look_that_was_on_its_way_when_a_word_was_said_does_not_undo_it(pool):
    office, a, b = pool
    office.submit(order("ann"))
    a.does("ann0", State.PAUSED)
    office.watch()
    standing = a.standing
    a.standing = lambda: (standing(), office.said("ann0", "resume"))[0]
    office.watch()
    a.standing = standing
    a.start_again()
    office.watch()
    assert b.taken[0].budget is None
    b.does("ann0", State.PAUSED)
    office.watch()
    b.start_again()
    office.watch()
    assert a.taken[-1].budget == 0, "and what is seen afterwards counts"


def test_a_worker_that_stays_silent_counts_as_dead(pool, monkeypatch):
    office, a, b = pool
    office.submit(order("ann"))
    a.does("ann0", State.RUNNING)
    office.watch()
    a.down = True
    monkeypatch.setattr(dispatch, "SILENT", 0.0)
    office.watch()
    assert ids(b) == ["ann0"] and b.taken[0].moved == 1


def test_a_run_that_ends_its_workers_is_given_up_in_words(pool):
    office, a, b = pool
    office.submit(order("ann"))
    for worker in (a, b, a):
        worker.does("ann0", State.RUNNING)
        office.watch()
        worker.start_again()
        office.watch()
    assert [len(a.taken), len(b.taken)] == [2, 1]
    (buried,) = a.buried + b.buried
    assert buried[0] == "ann0" and "ended 3 times" in buried[1] and "memory" in buried[1]
    office.watch()
    assert len(a.taken) + len(b.taken) == 3


def test_one_that_was_being_stopped_is_not_begun_again(pool):
    office, a, b = pool
    office.submit(order("ann"))
    a.does("ann0", State.STOPPING)
    office.watch()
    a.start_again()
    office.watch()
    assert not b.taken and [job for job, _ in a.buried + b.buried] == ["ann0"]


def test_a_job_that_no_worker_takes_is_tried_again_until_one_does(pool):
    office, a, b = pool
    office.submit(order("ann"))
    a.does("ann0", State.RUNNING)
    office.watch()
    b.down = True
    office.watch()
    a.start_again()
    a.down = True
    office.watch()
    assert len(a.taken) == 1
    a.down = False
    office.watch()
    assert len(a.taken) == 2 and a.taken[1].moved == 1, "once is counted once"


def test_the_limits_hold_for_all_workers_together(pool, monkeypatch):
    office, a, _ = pool
    monkeypatch.setenv("EXPLORER_JOBS_EACH", "2")
    monkeypatch.setenv("EXPLORER_JOBS", "3")
    limits.forget()
    try:
        assert not office.submit(order("ann", 0))[1] and not office.submit(order("ann", 1))[1]
        assert "2 jobs of yours" in office.submit(order("ann", 2))[1]
        assert not office.submit(order("ann", 3), instead_of="ann0")[1]
        a.does("ann0", State.STOPPED)
        office.watch()
        assert not office.submit(order("bob"))[1]
        assert "as many jobs as it takes (3)" in office.submit(order("eve"))[1]
    finally:
        monkeypatch.undo()
        limits.forget()


def test_a_dispatcher_that_is_started_again_learns_what_is_at_work(pool):
    office, a, b = pool
    for owner in ("ann", "bob"):
        office.submit(order(owner))
    a.does("ann0", State.RUNNING)
    again = Dispatcher({"a": a, "b": b})
    again.watch()
    assert not again.submit(order("ann", 1))[1] and ids(a) == ["ann0", "ann1"]
    a.start_again()
    again.watch()
    assert "ann0" in ids(b), "and moves what it finds gone"


def test_without_a_worker_a_job_is_refused_in_words(monkeypatch):
    monkeypatch.setattr(dispatch, "STARTING", 0.01)
    worker = Worker()
    worker.down = True
    assert Dispatcher({"a": worker}).submit(order("ann")) == ("", dispatch.NO_WORKER)
