"""What every engine does for pages: this process's threads, workers at the end of a wire, and Ray's on this machine."""

import os
import signal
import threading
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from explorer import limits
from explorer.errors import SettingsError
from explorer.experiment import Experiment
from explorer.jobs import remote
from explorer.jobs.calls import Call, call
from explorer.jobs.dispatch import WATCH
from explorer.jobs.engine import QueueFull
from explorer.jobs.job import Job
from explorer.jobs.looks import Seen
from explorer.jobs.questions import Unanswered
from explorer.jobs.queue import Registry
from explorer.limits import Limits
from explorer.runs import enqueued, sweep, train
from explorer.runs.sweeps import Plan
from explorer.store.store import Store
from explorer.store.words import WAITS, Kind, State
from tests.jobs.wiring import wired
from tests.jobs.working import until as wait

LONG = Experiment.of("gru", hidden=16, epochs=50)  # minutes
SMALL = Experiment.of("gru", hidden=16)
KIND = 1  # more than this process lets others go first, beside the rest of a suite
ENVIRONMENT = {"EXPLORER_WORKERS": "2", "EXPLORER_JOBS_EACH": "40"}


@pytest.fixture(scope="module")
def rays(programs):
    """Ray with two workers, for all tests together: it takes seconds to start.

    Begun here, as it takes long: somebody without the token asks for a place.
    """
    from explorer.jobs import cluster

    before = {name: os.environ.get(name) for name in (*ENVIRONMENT, "RAY_AUTH_TOKEN")}
    os.environ.update(ENVIRONMENT)
    limits.forget()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "NICE", KIND)
        made = cluster.start(None)
    stranger = {"EXPLORER_ENGINE": cluster.address(), "RAY_AUTH_TOKEN": "0" * 64}
    made.stranger = programs.begin(
        *("-c", "from explorer.jobs import queue; print(type(queue.registry()).__name__)"),
        env=os.environ | stranger | {"RAY_gcs_server_request_timeout_seconds": "5"},
    )
    yield made
    made.stranger.kill()
    made.stranger.communicate()
    made.close()
    for name, value in before.items():
        os.environ.pop(name, None) if value is None else os.environ.update({name: value})
    limits.forget()


@pytest.fixture(params=["threads", "wire", pytest.param("ray", marks=pytest.mark.cluster)])
def engine(request, monkeypatch):
    if request.param == "ray":
        yield request.getfixturevalue("rays")
        return
    made = Registry() if request.param == "threads" else wired()
    yield made
    made.close()


@pytest.fixture
def start(engine, store, monkeypatch):
    """Starts training runs on the engine, as pages do, and stops them in the end."""
    yield from starting(engine, store, monkeypatch)


def starting(engine, store, monkeypatch):
    from explorer.jobs import queue

    monkeypatch.setattr(queue, "registry", lambda: engine)
    begun = []

    def start(owner="ann", experiment=LONG, **how):
        begun.append(train.submit(experiment, owner, store, **how))
        return begun[-1]

    yield start
    for job in begun:
        job.stop()
    for job in begun:
        until(job, lambda job: job.ended)


def until(job, true, seconds=180.0):
    """Look at a job, as its page does, until something is so."""
    end = time.monotonic() + seconds
    while not true(job):
        assert time.monotonic() < end, f"it did not happen in time: {job.state} {job.message} {job.progress:.0%}"
        job.touch()
        time.sleep(0.02)


def all_up(engine):
    """Wait until each worker answers, which takes a while where one was killed, and the dispatcher knows it."""

    def answers(name):
        try:
            return engine.wire.worker(name, "standing").result(60)
        except Exception:  # it is being started again
            return None

    wait(lambda: all(answers(name) for name in engine.wire.workers()))
    time.sleep(2 * WATCH)


def steps(job):
    return len(job.history.snapshot())


def test_a_run_is_taken_in_trains_and_is_found_again(engine, start, store):
    job = start()
    assert engine.find(job.id) is job and job in engine.all() and engine.latest("ann", Kind.TRAIN) is job
    until(job, lambda job: steps(job) > 5)
    snapshot = job.history.snapshot()
    assert (job.state, job.began, job.owner, job.title) == (State.RUNNING, True, "ann", LONG.rung.title)
    assert job.experiment == LONG and job.source.kind in ("real", "shipped", "standin")
    assert snapshot["step"].tolist() == list(range(1, len(snapshot) + 1)) and np.isfinite(snapshot["loss"]).all()
    assert job.result.vocabulary is not None and 0 < job.progress < 1
    until(job, lambda job: job.pace.rate > 0 and job.eta is not None)
    stamp = job.stamp
    until(job, lambda job: job.stamp != stamp)
    assert store.run(job.id).state == State.RUNNING and engine.find("nowhere") is None
    job.place = "a.page"
    assert engine.last_at("a.page", "ann") is job and engine.last_at("a.page", "bob") is None


def test_a_look_brings_what_is_new(engine, start):
    job = start()
    until(job, lambda job: steps(job) > 3)
    first = engine.look(job.id)
    assert first.face.owner == "ann" and first.state == State.RUNNING and first.curve.start == 0
    seen = Seen(first.curve.era, len(first.curve.rows), len(first.curve.epochs), len(first.curve.marks))
    until(job, lambda job: steps(job) > seen.rows)
    second = engine.look(job.id, seen)
    assert second.curve.start == seen.rows and second.curve.rows[0, 0] == seen.rows + 1
    assert engine.look(job.id, Seen("another era", 3)).curve.start == 0
    assert engine.look("nowhere") is None


def test_it_pauses_takes_one_step_and_goes_on(start):
    job = start(paused=True)
    until(job, lambda job: job.state == State.PAUSED)
    assert steps(job) == 0
    job.resume(steps=1)
    until(job, lambda job: steps(job) == 1 and job.state == State.PAUSED)
    job.resume()
    until(job, lambda job: steps(job) > 20)
    job.pause()
    until(job, lambda job: job.state == State.PAUSED)
    held = steps(job)
    time.sleep(0.3)
    assert steps(job) == held


def test_a_rate_is_changed_in_mid_run(start):
    job = start()
    until(job, lambda job: steps(job) > 3)
    job.change("lr", 0.0123)
    assert job.live == {"lr": 0.0123}
    until(job, lambda job: job.history.snapshot().marks)
    (mark,) = job.history.snapshot().marks
    assert mark.text == "lr 0.0123"
    until(job, lambda job: steps(job) > mark.step + 2)
    rates = job.history.snapshot()["lr"]
    assert rates[mark.step] == pytest.approx(0.0123) and rates[mark.step - 1] == pytest.approx(LONG.lr)
    assert job.live == {"lr": 0.0123}


def test_it_stops_and_keeps_what_it_did(start, store):
    job = start()
    until(job, lambda job: steps(job) > 5)
    job.stop("Enough.")
    until(job, lambda job: job.ended)
    assert (job.state, job.message) == (State.STOPPED, "Enough.")
    until(job, lambda job: store.run(job.id).state == State.STOPPED)
    assert len(store.history(job.id)) >= steps(job) > 5 and store.weights(job.id).exists()
    job.stop("again")
    assert job.message == "Enough."


def test_a_work_hands_out_its_weights_and_none_when_it_has_ended(start):
    job = start()
    until(job, lambda job: steps(job) > 3)
    weights = job.ask("weights").result(30)
    assert weights.step >= 3 and all(torch.isfinite(tensor).all() for tensor in weights.tensors.values())
    with pytest.raises(Unanswered):
        job.ask("nonsense").result(30)
    job.stop()
    until(job, lambda job: job.ended)
    with pytest.raises(Unanswered):
        job.ask("weights").result(30)


def test_an_owners_second_run_waits_for_the_first_and_may_take_its_place(engine, start):
    first, second = start(), start()
    until(second, lambda job: job.before() == [first])
    assert second.state == State.QUEUED and not second.began and engine.ahead_of(second) == 1
    third = start(instead_of=first)
    until(first, lambda job: job.ended)
    assert "started it again" in first.message
    until(second, lambda job: job.state == State.RUNNING)
    assert third.state == State.QUEUED
    second.stop()
    until(third, lambda job: job.state == State.RUNNING)


def test_a_run_that_waits_is_stopped_without_having_begun(start, store):
    first, second = start(), start()
    until(second, lambda job: job.before() == [first])
    second.stop()
    until(second, lambda job: job.ended)
    assert second.state == State.STOPPED and not second.began
    until(second, lambda job: store.run(job.id).state == State.STOPPED)


def test_a_failure_is_told_in_words(engine, start, store):
    job = start(experiment=Experiment.of("gru", data="own-0123456789ab"))
    until(job, lambda job: job.ended)
    assert job.state == State.FAILED and "text" in job.message and "Traceback" not in job.message
    until(job, lambda job: store.run(job.id).message == job.message)
    unknown = engine.submit(Job(Kind.CLAIM, "unknown", Call("explorer.runs.nowhere:work"), "ann"))
    until(unknown, lambda job: job.ended)
    assert unknown.state == State.FAILED and "same version" in unknown.message


def test_who_has_too_many_jobs_is_refused(engine, start, monkeypatch):
    each = 40 if os.environ.get("EXPLORER_JOBS_EACH") == "40" else 6
    for _ in range(each):
        start("eve", paused=True)
    with pytest.raises(QueueFull, match=f"{each} jobs of yours"):
        start("eve")


def test_short_jobs_run_beside_training(engine, start):
    job = start()
    until(job, lambda job: steps(job) > 3)
    made = call(_reach(), {"GRU": SMALL}, (0, 1), 5, 2)
    short = engine.submit(Job(Kind.REACH, "reach", made, "ann"))
    until(short, lambda job: job.ended)
    assert short.state == State.DONE, short.message
    assert short.result.models[0].curves.keys() == {0, 1} and job.state == State.RUNNING


def _reach():
    from explorer.runs.through_time import watch_reach

    return watch_reach


def test_owners_take_turns_and_a_sweep_keeps_nobody_waiting(engine, start, monkeypatch):
    """Thirty of one owner are there first, then one of each of thirty owners: these are not behind."""
    monkeypatch.setenv("EXPLORER_JOBS_EACH", "40")
    limits.forget()
    many = 30
    places = ("one",) if isinstance(engine, Registry) else ("one", "two")
    if len(places) > 1:
        all_up(engine)  # else both hold places of one worker
    holding = [start(owner) for owner in places]  # all are taken while the others come
    for job in holding:
        until(job, lambda job: job.began)
    cells = [engine.submit(_cell("sweep")) for _ in range(many)]
    class_ = [engine.submit(_cell(f"student {number}")) for number in range(many)]
    for job in holding:
        job.stop()
    first, end = 0, time.monotonic() + 240
    while not all(job.ended for job in class_):
        assert time.monotonic() < end, [job.state for job in class_]
        done = [place(job) for job in cells if job.ended]
        waited = {place(job) for job in class_ if not job.ended}
        first = max(first, sum(at in waited for at in done))  # a worker that is slower holds up its own alone
        for job in class_:
            job.touch()
        time.sleep(0.02)
    assert {job.state for job in class_} == {State.DONE}, {job.message for job in class_}
    assert first <= many // 3, f"{first} of the sweep went first"
    for job in cells:
        job.stop()


def place(job):
    """The worker that has it; nothing where all are in this process."""
    return getattr(job, "worker", "")


def _cell(owner):
    """A cell of a sweep: it waits for a place, as runs do, and takes a moment."""
    return Job(Kind.TRAIN, "a cell", call(sweep.work, {"GRU": SMALL}, 1e-5, 1e-2, 10, 0.9), owner)


# -- what only workers outside can show ----------------------------------------------------------------
@pytest.fixture
def ray_start(rays, store, monkeypatch):
    yield from starting(rays, store, monkeypatch)


OTHER = """
import sys, time
from explorer.jobs import queue
job = queue.registry().find(sys.argv[1])
job.touch()
while not len(job.history.snapshot()):
    time.sleep(0.02)
print(job.state, job.owner, job.experiment.model, len(job.history.snapshot()) > 0)
job.change("lr", 0.0321)
queue.close()
"""


@pytest.mark.cluster
def test_a_second_process_finds_a_run_and_changes_its_rate(rays, ray_start, programs):
    from explorer.jobs import cluster

    job = ray_start()
    until(job, lambda job: steps(job) > 3)
    done = programs.run("-c", OTHER, job.id, env=os.environ | {"EXPLORER_ENGINE": cluster.address()}, timeout=90)
    assert done.stdout.strip() == "running ann gru True", done.stderr[-2000:]
    until(job, lambda job: [mark.text for mark in job.history.snapshot().marks] == ["lr 0.0321"])
    assert job.state == State.RUNNING, "the other server's end has ended nothing"


@pytest.mark.cluster
def test_a_killed_workers_run_goes_on_elsewhere_as_if_nothing_had_been(rays, ray_start, store):
    experiment = Experiment.of("gru", hidden=24, batch_size=40, epochs=1)
    whole = Job(Kind.TRAIN, "whole", owner="", experiment=experiment)
    job = ray_start(experiment=experiment)
    until(job, lambda job: steps(job) > 20)
    time.sleep(2 * WATCH)  # the dispatcher has seen that it has begun; what has not begins anew
    job.pause()  # which leaves a bookmark
    until(job, lambda job: job.state == State.PAUSED and store.bookmark(job.id).exists())
    held = steps(job)
    job.resume()
    until(job, lambda job: steps(job) > held)
    began = steps(job)
    pid = rays.wire.worker(job.worker, "standing").result(60).pid
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    until(job, lambda job: any("another worker" in mark.text for mark in job.history.snapshot().marks))
    print(f"on after {time.monotonic() - killed:.1f} s, {began} steps before")
    train.train(whole, experiment, Store(store.folder.parent / "whole"))
    until(job, lambda job: job.ended)
    assert job.state == State.DONE, job.message
    here, there = (load_file(path) for path in (store.weights(job.id), _weights(store, whole)))
    assert here.keys() == there.keys() and all(torch.equal(here[name], there[name]) for name in here)
    mine, theirs = store.history(job.id), whole.history.snapshot()
    assert mine["step"].tolist() == theirs["step"].tolist() and (mine["loss"] == theirs["loss"]).all()


def _weights(store, job):
    return Store(store.folder.parent / "whole").weights(job.id)


@pytest.mark.parametrize("engine", ["threads", "wire"], indirect=True)
def test_who_is_not_looked_at_is_stopped_after_a_while(start, monkeypatch):
    """Four seconds here; a look of one server's pages, through its one thread, is what keeps a job."""
    monkeypatch.setattr(limits, "now", lambda: Limits(lease_minutes=4 / 60))
    monkeypatch.setattr(remote, "WATCHED", 0.3)
    watched, forgotten = start("ann", paused=True), start("nobody", paused=True)
    end = time.monotonic() + 60
    while not forgotten.ended:  # it is read, but not touched
        assert time.monotonic() < end
        watched.touch()
        time.sleep(0.02)
    assert forgotten.state == State.STOPPED and "nobody was looking" in forgotten.message
    later = time.monotonic() + 1
    until(watched, lambda job: time.monotonic() > later)
    assert watched.state == State.PAUSED


def test_a_sweep_takes_what_places_are_free_is_stopped_and_goes_on(engine, store, monkeypatch):
    """Its cells are ordinary jobs; on workers outside they are on all that have nothing else to do."""
    monkeypatch.setattr(enqueued, "registry", lambda: engine)
    plan = Plan.of(LONG, ["lr=1e-3,1e-2,1e-1"])
    sweep = enqueued.start(plan, store, "ann")

    def cells():
        for run in (found := store.cells([sweep])):
            if (job := engine.find(run.id)) is not None:
                job.touch()
        return found

    def states():
        return [run.state for run in cells()]

    def say():
        return [(run.state, run.steps, run.message, engine.find(run.id)) for run in cells()]

    try:
        wait(lambda: (at := states()).count(State.RUNNING) == engine.places and State.QUEUED in at, say=say)
        runs = cells()
        assert engine.find(runs[-1].id) is None and engine.find(runs[0].id).experiment == plan.cells[0].experiment
        wait(lambda: cells()[0].steps > 5, say=say)
        enqueued.stop(sweep, store)
        wait(lambda: set(states()) == {State.STOPPED}, say=say)
        done = store.run(runs[0].id).steps
        assert done > 5 and store.bookmark(runs[0].id).exists() and store.run(runs[-1].id).message == WAITS
        wait(lambda: not enqueued.at_work(store, "ann"))
        enqueued.go_on(sweep, store, "ann")
        wait(lambda: cells()[0].steps > done, say=say)
    finally:  # a sweep that is left at work holds the engine's places
        enqueued.stop(sweep, store)
        wait(lambda: set(states()) == {State.STOPPED}, say=say)
    assert [run.at for run in store.cells([sweep])] == [dict(cell.at) for cell in plan.cells]


@pytest.mark.parametrize("make", [lambda: Registry(1), lambda: wired(workers=1)], ids=["threads", "wire"])
def test_a_sweep_ends_with_its_engine(store, monkeypatch, make):
    """Of what runs elsewhere nothing more is heard; a thread that waited for it would look for ever."""
    engine = make()
    monkeypatch.setattr(enqueued, "registry", lambda: engine)
    sweep = enqueued.start(Plan.of(LONG, ["lr=1e-3,1e-2"]), store, "ann")
    (thread,) = [one for one in threading.enumerate() if one.name == f"sweep-{sweep}"]
    runs = store.cells([sweep])
    wait(lambda: store.run(runs[0].id).state == State.RUNNING)
    engine.close()
    thread.join(30)
    assert not thread.is_alive() and store.run(runs[1].id).message == WAITS


@pytest.mark.cluster
@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="there are no priorities on this system")
def test_workers_let_others_go_first_as_we_say_and_no_further(rays):
    """Ray's own processes would be the last of all, and hardly have a turn on a machine that does anything else."""
    here = os.getpriority(os.PRIO_PROCESS, 0)
    for name in rays.wire.workers():
        pid = rays.wire.worker(name, "standing").result(60).pid
        assert os.getpriority(os.PRIO_PROCESS, pid) == min(here + KIND, 19)


@pytest.mark.cluster
def test_nobody_without_the_token_is_served(rays):
    said, words = rays.stranger.communicate(timeout=120)
    assert said.strip() == "Registry" and "does not answer, or not to this server's token" in words


def test_what_is_no_call_is_not_sent(store):
    engine = wired(workers=1)
    try:
        with pytest.raises(SettingsError, match="server's own process"):
            engine.submit(Job(Kind.TRAIN, "a closure", lambda job: None, "ann"))
    finally:
        engine.close()
