"""A sweep through an engine: its cells are jobs of its owner, a few at a time, and the record says what waits."""

import threading
import time
from concurrent.futures import Future

import numpy as np
import pytest

from explorer import limits
from explorer.errors import ExplorerError, SettingsError, StorageError
from explorer.experiment import Experiment
from explorer.jobs import queue
from explorer.jobs.queue import Registry
from explorer.limits import Limits
from explorer.runs import allowed, cells, enqueued
from explorer.runs.enqueued import Enqueued
from explorer.runs.sweeps import Group, Plan
from explorer.store.history import COLUMNS
from explorer.store.store import Store
from explorer.store.words import ENDED, LONGEST, NOBODY_LOOKING, WAITS, State
from tests.jobs.wiring import wired
from tests.jobs.working import Work, start
from tests.jobs.working import until as wait
from tests.runs.test_sweeping import TINY, a_plan, states

SLOW = dict(epochs=200)  # minutes


pytestmark = pytest.mark.usefixtures("short")


def until(true):
    wait(true, 60)


@pytest.fixture
def registry(monkeypatch):
    made, before = Registry(), set(threading.enumerate())
    monkeypatch.setattr(queue, "registry", lambda: made)
    monkeypatch.setattr(enqueued, "registry", lambda: made)
    yield made
    made.close()
    until(lambda: not any(thread.name.startswith("sweep-") for thread in set(threading.enumerate()) - before))


def of(store, sweep):
    return [run.state for run in store.cells([sweep])]


def test_each_cell_is_a_job_of_its_owner_one_at_a_time_and_comes_to_what_the_terminal_comes_to(registry, store):
    plan = a_plan()
    alone = cells.enter(plan, store)[-1]
    cells.work(alone, store)
    sweep, most = enqueued.start(plan, store, "ann"), 0
    while set(of(store, sweep)) - ENDED:
        alive = [job for job in registry.all() if not job.ended]
        most = max(most, len(alive))
        assert all(job.owner == "ann" and job.experiment is not None for job in alive)
        time.sleep(0.01)
    assert most == 1 and of(store, sweep) == [State.DONE] * 2
    runs = store.cells([sweep])
    assert {(run.owner, run.begun_by, run.epochs) for run in runs} == {("ann", "page", 1)}
    assert [run.at for run in runs] == [{"lr": 0.001}, {"lr": 0.01}] and runs[0].title == "GRU lr 0.001"
    assert {job.id for job in registry.all()} == {run.id for run in runs}
    ends = store.ends([sweep, alone.sweep])
    assert ends[runs[1].id].val_loss == ends[alone.id].val_loss and Group.of(runs, ends).best is not None
    with pytest.raises(ExplorerError, match="All cells of this sweep are over"):
        enqueued.go_on(sweep, store, "ann")


def test_whoever_comes_waits_for_one_cell_and_not_for_the_sweep(registry, store):
    sweep = enqueued.start(a_plan(["lr=1e-4:1e-1:log:9"]), store, "ann")
    until(lambda: State.RUNNING in of(store, sweep))
    begun = sum(state != State.QUEUED for state in of(store, sweep))
    job = start(registry, Work(3), "bob")
    until(lambda: job.ended)
    ran = sum(state != State.QUEUED for state in of(store, sweep))
    assert ran <= begun + 2, "the run before, and at most the one that came after"
    enqueued.stop(sweep, store)
    until(lambda: set(of(store, sweep)) <= ENDED)


def test_as_many_are_at_work_as_there_are_places_but_one_job_is_left_to_its_owner(store, monkeypatch):
    registry = Registry(3)
    monkeypatch.setattr(enqueued, "registry", lambda: registry)
    for each, at_once in ((6, 3), (3, 2), (1, 1)):
        monkeypatch.setattr(limits, "now", lambda each=each: Limits(jobs_each=each))
        sweep = enqueued.start(a_plan(["lr=1e-4:1e-1:log:5"], **SLOW), store, "ann")
        until(lambda sweep=sweep, at_once=at_once: of(store, sweep).count(State.RUNNING) == at_once)
        time.sleep(0.3)
        assert sum(not job.ended for job in registry.all()) == at_once
        enqueued.stop(sweep, store)
        until(lambda sweep=sweep: set(of(store, sweep)) <= ENDED and not enqueued.at_work(store, "ann"))
    registry.close()


def test_of_two_sweeps_that_an_owner_begins_in_one_moment_one_begins(registry, store, monkeypatch):
    real, answers = enqueued.at_work, []

    def slow(store, owner):
        found = real(store, owner)
        time.sleep(0.1)
        return found

    def begin():
        try:
            answers.append(enqueued.start(a_plan(**SLOW), store, "ann"))
        except SettingsError as error:
            answers.append(error)

    monkeypatch.setattr(enqueued, "at_work", slow)
    tabs = [threading.Thread(target=begin) for _ in range(2)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    refused, sweep = sorted(answers, key=lambda answer: isinstance(answer, str))
    assert "is at work already" in str(refused) and len(store.cells([sweep])) == len(store.runs())
    enqueued.stop(sweep, store)
    until(lambda: set(of(store, sweep)) <= ENDED)


@pytest.mark.parametrize("late", [False, True], ids=["at work", "over"])
def test_a_cell_is_the_sweeps_where_the_word_that_it_was_taken_in_got_lost(store, monkeypatch, late):
    """As where its worker was so busy that nobody waited any longer, and then began it; ``late`` has it end first."""
    engine = wired(workers=1)
    find = engine.find
    monkeypatch.setattr(engine, "find", lambda job: find(job) if not late or store.run(job).state in ENDED else None)
    monkeypatch.setattr(enqueued, "registry", lambda: engine)
    monkeypatch.setattr(enqueued, "REFUSED", 0.05)
    dispatcher, lost = engine.wire.dispatcher, []

    def loses(what, *arguments):
        answer = dispatcher(what, *arguments)
        if what == "submit" and not lost:
            lost.append(answer.result(60))
            answer = Future()
            answer.set_exception(TimeoutError())
        return answer

    monkeypatch.setattr(engine.wire, "dispatcher", loses)
    sweep = enqueued.start(a_plan(), store, "ann")
    until(lambda: set(of(store, sweep)) <= ENDED)
    assert lost == [("worker-0", "")] and of(store, sweep) == [State.DONE] * 2
    first, second = store.cells([sweep])
    assert first.steps == second.steps == len(store.history(first.id)), "it has run once"
    engine.close()


def test_a_cell_that_lost_its_worker_before_its_first_bookmark_is_still_one(store):
    run = cells.enter(a_plan(), store, "ann")[0]
    store.append(run.id, np.ones((3, len(COLUMNS))) * [[1], [2], [3]])
    job = cells.job(run, store)
    job.moved = 1
    job.prepare()
    job.on_queued()
    found = store.run(run.id)
    assert (found.sweep, found.at, found.steps, found.state) == (run.sweep, run.at, 0, State.QUEUED)
    assert not len(store.history(run.id)) and not job.work.keywords["recorder"].goes_on


def test_it_stops_saves_what_ran_and_goes_on_from_there(registry, store):
    sweep = enqueued.start(a_plan(**SLOW), store, "ann")
    first = store.cells([sweep])[0].id
    until(lambda: store.run(first).epochs >= 1)
    enqueued.stop(sweep, store)
    until(lambda: set(of(store, sweep)) <= ENDED)
    runs = store.cells([sweep])
    assert of(store, sweep) == [State.STOPPED] * 2 and runs[1].message == WAITS and runs[1].steps == 0
    done = runs[0].steps
    assert store.bookmark(first).exists() and done > 0
    with pytest.raises(StorageError, match="somebody else's"):
        enqueued.go_on(sweep, store, "bob")
    assert enqueued.go_on(sweep, store, "ann") == sweep
    until(lambda: of(store, sweep)[0] == State.RUNNING and store.run(first).steps > done)
    steps = store.history(first)["step"].tolist()
    assert steps == list(range(1, len(steps) + 1)) and store.run(first).at == {"lr": 0.001}
    enqueued.stop(sweep, store)
    until(lambda: set(of(store, sweep)) <= ENDED)


def test_whoever_goes_on_at_once_has_it_alone(registry, store, monkeypatch):
    monkeypatch.setattr(enqueued, "LOOK", 1.0)  # of the thread that is to see that it was stopped
    sweep = enqueued.start(a_plan(["lr=1e-3,1e-2,1e-1"], **SLOW), store, "ann")
    until(lambda: State.RUNNING in of(store, sweep))
    before = next(thread for thread in threading.enumerate() if thread.name == f"sweep-{sweep}")
    enqueued.stop(sweep, store)
    until(lambda: of(store, sweep) == [State.STOPPED] * 3)
    enqueued.go_on(sweep, store, "ann")
    assert before.is_alive(), "or this proves nothing"
    before.join(60)
    until(lambda: of(store, sweep)[0] == State.RUNNING)
    assert of(store, sweep)[1:] == [State.QUEUED] * 2
    assert sum(not job.ended for job in registry.all()) == 1
    enqueued.stop(sweep, store)
    until(lambda: set(of(store, sweep)) <= ENDED)


def test_a_server_that_ends_leaves_a_sweep_to_be_gone_on_with(store, monkeypatch):
    first = Registry()
    monkeypatch.setattr(enqueued, "registry", lambda: first)
    sweep = enqueued.start(a_plan(["lr=1e-3,1e-2,1e-1"], **SLOW), store, "ann")
    until(lambda: State.RUNNING in of(store, sweep))
    first.close()
    until(lambda: of(store, sweep) == [State.STOPPED] * 3)
    left = cells.unfinished(store, sweep)
    assert len(left) == 3
    cells.leave(store, left)


def test_what_another_process_stops_in_the_record_ends_it(registry, store):
    sweep = enqueued.start(a_plan(["lr=1e-3,1e-2,1e-1"], **SLOW), store, "ann")
    until(lambda: State.RUNNING in of(store, sweep))
    last = store.cells([sweep])[-1]
    Store(store.folder).settle(last.id, State.STOPPED)
    until(lambda: of(store, sweep) == [State.STOPPED] * 3)


def test_it_is_stopped_from_another_server_though_no_cell_waits(store, monkeypatch):
    servers = Registry(2), Registry()
    monkeypatch.setattr(enqueued, "registry", lambda: servers[0])
    sweep = enqueued.start(a_plan(**SLOW), store, "ann")
    until(lambda: of(store, sweep) == [State.RUNNING] * 2)
    monkeypatch.setattr(enqueued, "registry", lambda: servers[1])
    enqueued.stop(sweep, Store(store.folder))
    until(lambda: of(store, sweep) == [State.STOPPED] * 2)
    enqueued.stop(sweep, store)
    assert of(store, sweep) == [State.STOPPED] * 2, "what is over stays as it was"
    servers[0].close()


def test_a_cell_that_is_stopped_makes_room_for_the_next_and_one_stopped_for_a_reason_ends_the_sweep(registry, store):
    sweep = enqueued.start(a_plan(["lr=1e-3,1e-2,1e-1"], **SLOW), store, "ann")
    first, second, third = (run.id for run in store.cells([sweep]))
    until(lambda: registry.find(first) is not None)
    registry.find(first).stop()
    until(lambda: registry.find(second) is not None)
    registry.find(second).stop("Stopped by the teacher.")
    until(lambda: of(store, sweep) == [State.STOPPED] * 3)
    assert store.run(third).message == "Stopped by the teacher." and registry.find(third) is None


def test_a_cell_that_takes_too_long_makes_room_for_the_next_and_goes_on_for_as_long_again(registry, store, monkeypatch):
    monkeypatch.setattr(limits, "now", lambda: Limits(run_minutes=0.6 / 60))
    monkeypatch.setattr(allowed, "check", lambda *_: None)
    sweep = enqueued.start(a_plan(**SLOW), store, "ann")
    until(lambda: set(of(store, sweep)) <= ENDED)
    runs = store.cells([sweep])
    assert all(run.state == State.STOPPED and run.message.endswith(LONGEST) and run.steps for run in runs)
    enqueued.go_on(sweep, store, "ann")
    until(lambda: set(of(store, sweep)) <= ENDED)
    assert all(now.steps > before.steps + 1 for now, before in zip(store.cells([sweep]), runs, strict=True))


def test_one_that_is_deleted_ends(registry, store):
    sweep = enqueued.start(a_plan(["lr=1e-3,1e-2,1e-1"], **SLOW), store, "ann")
    until(lambda: State.RUNNING in of(store, sweep))
    store.remove([run.id for run in store.cells([sweep])])
    until(lambda: all(job.ended for job in registry.all()))
    until(lambda: not any(thread.name.startswith("sweep-") for thread in threading.enumerate()))
    assert len(registry.all()) == 1


def test_nobody_looks_and_it_ends_however_short_its_cells(registry, store, monkeypatch):
    monkeypatch.setattr(limits, "now", lambda: Limits(lease_minutes=0.02))
    sweep = enqueued.start(a_plan(["lr=1e-5:1e-1:log:40"]), store, "ann")
    until(lambda: set(of(store, sweep)) <= ENDED)
    runs = store.cells([sweep])
    assert runs[-1].state == State.STOPPED and runs[-1].message == NOBODY_LOOKING


def test_a_look_at_a_cell_is_one_at_the_sweep(registry, store, monkeypatch):
    work = Enqueued(cells.enter(a_plan(), store, "ann"), store, registry)
    job = start(registry, owner="ann")
    work._seen = job.touched = time.monotonic() - 100
    job.touch()
    work._follow(work.runs, [job])
    assert work._seen == job.touched and not work.stopped
    cells.leave(store, work.runs)


def test_who_has_one_at_work_begins_no_other(registry, store):
    sweep = enqueued.start(a_plan(**SLOW), store, "ann")
    assert enqueued.at_work(store, "ann") == sweep and enqueued.at_work(store, "bob") == ""
    with pytest.raises(SettingsError, match=f"Your sweep {sweep[:4]} is at work"):
        enqueued.start(a_plan(), store, "ann")
    with pytest.raises(SettingsError, match="at work"):
        enqueued.go_on(sweep, store, "ann")
    enqueued.stop(sweep, store)
    until(lambda: set(of(store, sweep)) <= ENDED)


def test_it_waits_where_no_job_is_taken_in_and_gives_up_with_the_reason(registry, store, monkeypatch):
    monkeypatch.setattr(limits, "now", lambda: Limits(jobs_each=1))
    monkeypatch.setattr(enqueued, "REFUSED", 0.05)
    mine = start(registry, owner="ann")
    runs = cells.enter(a_plan(**SLOW), store, "ann")
    work = Enqueued(runs, store, registry)
    ended = []
    thread = threading.Thread(target=lambda: ended.extend(work))
    thread.start()
    time.sleep(0.3)
    assert thread.is_alive() and states(store, runs) == [State.QUEUED] * 2
    mine.stop()
    until(lambda: State.RUNNING in states(store, runs))
    work.stop()
    thread.join(60)
    assert [state for _, state, _ in ended] == [State.STOPPED] and work.share < 1
    monkeypatch.setattr(enqueued, "GIVE_UP", 0.1)
    start(registry, owner="ann")
    runs = cells.enter(a_plan(), store, "ann")
    assert list(Enqueued(runs, store, registry)) == []
    assert {run.message for run in store.cells([runs[0].sweep])} == {
        "1 jobs of yours run, pause or wait already. Stop one, or let it end, and start this again."
    }


def test_it_ends_where_one_cell_after_the_other_fails(registry, store):
    plan = Plan.of(Experiment.of("gru", **TINY | {"data": "own-0123456789ab"}), ["lr=1e-4:1e-1:log:9"])
    runs = cells.enter(plan, store, "ann")
    ended = list(Enqueued(runs, store, registry))
    assert [state for _, state, _ in ended] == [State.FAILED] * enqueued.FAILURES
    found = store.cells([runs[0].sweep])
    assert [run.state for run in found[3:]] == [State.STOPPED] * 6
    assert found[3].message.startswith("Has not begun: 3 cells in a row failed.") and "text" in found[3].message


def test_whoever_stops_iterating_leaves_no_job_behind(registry, store):
    work = Enqueued(cells.enter(a_plan(["lr=1e-3,1e-2,1e-1"]), store), store, registry)
    of_it = iter(work)
    next(of_it)
    of_it.close()
    until(lambda: all(job.ended for job in registry.all()))
    assert states(store, work.runs) == [State.DONE, State.STOPPED, State.STOPPED]
