"""A whole run inside a job: recorded as it goes, and steered while it runs."""

import gc
import math
import signal
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch

from explorer import limits
from explorer.errors import DataError
from explorer.jobs import queue
from explorer.jobs.job import Job
from explorer.jobs.questions import Unanswered
from explorer.jobs.queue import Registry
from explorer.limits import Limits
from explorer.runs import record, train
from explorer.store.history import Snapshot
from explorer.store.store import Store, cycle
from explorer.store.words import Kind, State
from explorer.training import checkpoint
from explorer.training.schedules import plan
from tests.jobs.test_job import until
from tests.training.test_lr_finder import vision


def job_for(learner, store=None, owner="", **rest):
    experiment = learner.experiment
    return Job(
        Kind.TRAIN,
        "test",
        lambda job: train.train(job, experiment, store, learner=learner, **rest) and None,
        owner,
        experiment,
    )


def finished(learner, store=None, **rest):
    job = job_for(learner, store, **rest)
    job.run()
    return job


def test_a_run_is_recorded_from_its_first_step_to_its_last(tiny, store):
    learner = tiny("gru", clip=1.0)
    lines = []
    job = finished(learner, store, on_epoch=lines.append)
    assert job.state == State.DONE and job.progress == 1.0 and not job.notice
    live, kept = job.history.snapshot(), store.history(job.id)
    assert live["step"].tolist() == kept["step"].tolist() == list(range(1, learner.step + 1))
    np.testing.assert_array_equal(live["loss"], kept["loss"])
    assert np.isfinite(kept["grad_norm"]).all() and (np.diff(kept["seconds"]) >= 0).all()
    assert kept.epochs == live.epochs == tuple(lines) and [row.epoch for row in lines] == [1, 2]
    assert lines[-1].step == learner.step and len(lines[0].sample) == 168 and lines[0].sample.startswith("for thos")
    assert lines[-1].val_loss == pytest.approx(learner.evaluate()[0])
    assert store.run(job.id).state == "done" and store.run(job.id).source == "Test text"


@pytest.mark.parametrize("make", [lambda tiny: tiny("gru"), lambda tiny: vision("convnet")], ids=["text", "pictures"])
def test_an_ended_run_lets_go_of_its_model(tiny, registry, make):
    learner = make(tiny)
    model = weakref.ref(learner.model)
    job = registry.submit(job_for(learner))
    del learner
    until(lambda: job.ended)
    until(lambda: gc.collect() is not None and model() is None)
    assert job.state == State.DONE and registry.find(job.id) is job


def test_the_final_and_the_best_weights_are_kept(tiny, store):
    learner = tiny("gru", lr=0.02, epochs=3)
    job = finished(learner, store)
    final, story = checkpoint.load(store.weights(job.id), torch.device("cpu"))
    for name, tensor in learner.model.state_dict().items():
        assert torch.equal(final.state_dict()[name], tensor)
    assert story.epochs == 3 and story.experiment == learner.experiment
    best = checkpoint.read_story(store.weights(job.id, "best"))
    assert best.val_loss == store.history(job.id).best_val_loss


def test_the_weights_at_the_end_of_each_cycle_are_kept_as_the_lecture_keeps_them(tiny, store):
    learner = tiny("gru", lr=0.02, epochs=3, schedule="cosine", cycle_mult=2)
    job = finished(learner, store)
    first, last = (checkpoint.read_story(store.weights(job.id, cycle(number))) for number in (0, 1))
    rows = store.history(job.id).epochs
    assert (first.epochs, first.val_loss) == (1, rows[0].val_loss)
    assert (last.epochs, last.val_loss) == (3, rows[2].val_loss)
    assert not store.weights(job.id, cycle(2)).exists()
    store.delete(job.id)
    assert not store.weights(job.id, cycle(0)).parent.exists()
    long = finished(tiny("gru", lr=0.02, epochs=10, schedule="cosine"), store)
    assert [n for n in range(10) if store.weights(long.id, cycle(n)).exists()] == list(range(2, 10))


def test_the_smoothed_training_loss_is_the_lectures(tiny, store):
    job = finished(tiny("gru"), store)
    history, average = job.history.snapshot(), 0.0
    for loss in history["loss"]:
        average = 0.98 * average + 0.02 * loss
    expected = average / (1 - 0.98 ** len(history))
    assert history.epochs[-1].train_loss == pytest.approx(expected, rel=1e-6)


def test_without_a_store_nothing_is_written_and_nothing_piles_up(tiny, home):
    learner = tiny("gru")
    job = job_for(learner)
    recorder = train.Recorder(job, learner.experiment)
    for event in learner.steps(plan(learner.experiment.replace(epochs=1))):
        if hasattr(event, "loss"):
            job.history.add(event)
            recorder.drain()
            assert recorder.write()
    assert not recorder._rows and not home.exists()


def slow(learner, seconds=0.002):
    real = learner.train_batch

    def train_batch(batch, lr, momentum=0.9):
        time.sleep(seconds)
        return real(batch, lr, momentum)

    learner.train_batch = train_batch
    return learner


def test_a_live_rate_takes_effect_at_the_next_step_and_leaves_a_mark(tiny, store, registry):
    learner = slow(tiny("gru", lr=1e-3, epochs=50))
    job = registry.submit(job_for(learner, store))
    until(lambda: learner.step > 5)
    job.pause()
    until(lambda: job.state == State.PAUSED)
    at = learner.step
    job.change("lr", 5e-4)
    job.change("clip", 0.25)
    job.resume(steps=4)
    until(lambda: job.state == State.PAUSED and learner.step == at + 4)
    history = job.history.snapshot()
    assert history["lr"][at - 1] == 1e-3 and history["lr"][at + 1 :] == pytest.approx([5e-4] * 3)
    assert np.isnan(history["grad_norm"][at - 1]) and np.isfinite(history["grad_norm"][at + 1 :]).all()
    job.stop()
    until(lambda: job.ended)
    assert [mark.text for mark in store.history(job.id).marks] == ["lr 0.0005", "clip 0.25"]


@pytest.mark.parametrize("schedule", ["constant", "step", "cosine", "one-cycle"])
def test_a_live_rate_scales_the_whole_plan_wherever_it_comes(tiny, schedule):
    """A cosine ends at next to nothing: dividing by that would blow up the next cycle."""
    learner = tiny("gru", lr=1e-3, schedule=schedule, epochs=3, lead_epochs=1, lead_lr=2e-3, jitter=False)
    planned = plan(learner.experiment)
    asked = [36, 37, 75]
    job = job_for(learner)
    real = job.between_steps

    def between(progress, ended=False):
        changes = real(progress, ended)
        return [("lr", 2e-3)] if learner.step in asked and not ended else changes

    job.between_steps = between
    job.run()
    history = job.history.snapshot()
    expected = [
        planned.lr(epoch) * (2.0 if step > 36 else 1.0)
        for step, epoch in zip(history["step"], history["epoch"], strict=True)
    ]
    assert job.state == State.DONE and history["lr"] == pytest.approx(expected)


def test_a_pause_shows_and_stores_the_last_step(tiny, store, registry):
    learner = tiny("gru")
    job = job_for(learner, store)
    job.budget = 0
    registry.submit(job)
    until(lambda: job.state == State.PAUSED)
    assert learner.step == 0 and store.run(job.id).state == "running"
    for expected in (1, 2, 3):
        job.resume(steps=1)
        until(lambda expected=expected: job.state == State.PAUSED and learner.step == expected)
        assert len(job.history.snapshot()) == expected == len(store.history(job.id))
    job.resume(until_epoch=True)
    until(lambda: job.state == State.PAUSED and learner.epoch == 1)
    assert len(job.history.snapshot().epochs) == 1
    job.stop()
    until(lambda: job.ended)


def test_neither_a_pause_nor_the_queue_counts_as_training(tiny, store, registry):
    job = job_for(tiny("gru", epochs=1), store)
    job.budget = 5
    time.sleep(0.5)  # as if it waited for its turn
    registry.submit(job)
    until(lambda: job.state == State.PAUSED)
    time.sleep(1.5)
    job.resume()
    until(lambda: job.ended)
    history = store.history(job.id)
    (epoch,) = history.epochs
    assert 0 <= history["seconds"][0] <= history["seconds"][-1] <= job.pace.seconds
    assert 0 < epoch.seconds <= job.pace.seconds


def test_a_stopped_run_keeps_its_curve_and_its_weights(tiny, store, registry):
    learner = slow(tiny("gru", epochs=50))
    job = registry.submit(job_for(learner, store, "ann"))
    until(lambda: learner.step > 10)
    job.stop()
    until(lambda: job.ended)
    assert job.state == State.STOPPED and store.run(job.id).state == "stopped"
    assert len(store.history(job.id)) == learner.step == len(job.history.snapshot())
    story = checkpoint.read_story(store.weights(job.id))
    assert math.isnan(story.val_loss) and story.epochs == 0


def test_the_weights_one_asks_for_are_those_between_two_steps_and_stay_as_they_are(tiny, registry):
    """What a page writes with: a copy taken while the optimiser is at work would mix two steps."""
    learner = slow(tiny("gru", epochs=50))
    job = registry.submit(job_for(learner))
    until(lambda: learner.step > 3)
    first = job.ask("weights").result(10)
    kept = {name: tensor.clone() for name, tensor in first.tensors.items()}
    until(lambda: learner.step > first.step + 5)
    assert all(torch.equal(tensor, first.tensors[name]) for name, tensor in kept.items())
    job.pause()
    until(lambda: job.state == State.PAUSED)
    held = job.ask("weights").result(10)
    assert held.step == learner.step > first.step
    assert held.tensors.keys() == learner.model.state_dict().keys()
    assert all(torch.equal(tensor, held.tensors[name]) for name, tensor in learner.model.state_dict().items())
    job.stop()
    until(lambda: job.ended)
    assert isinstance(job.ask("weights").exception(10), Unanswered) and not job.answers


def test_two_sessions_and_ones_new_run_lose_nothing(tiny, store):
    registry = Registry(workers=2)
    learners = [slow(tiny("gru", epochs=50, seed=n), 0.001) for n in range(3)]
    ann = registry.submit(job_for(learners[0], store, "ann"))
    bob = registry.submit(job_for(learners[1], store, "bob"))
    until(lambda: min(learners[0].step, learners[1].step) > 5)
    again = registry.submit(job_for(learners[2], store, "ann"), instead_of=ann)
    until(lambda: learners[2].step > 5)
    assert ann.state == State.STOPPED and bob.state == State.RUNNING
    registry.close()
    for job, learner in zip((ann, bob, again), learners, strict=True):
        assert store.run(job.id).state == "stopped" and len(store.history(job.id)) == learner.step
        assert store.weights(job.id).exists()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e4])
def test_a_loss_that_blows_up_ends_the_run_and_keeps_the_curve(tiny, store, bad):
    learner = tiny("gru", epochs=20)
    real = learner.train_batch

    def train_batch(batch, lr, momentum=0.9):
        step = real(batch, lr, momentum)
        return step if learner.step < 20 else type(step)(**{**vars(step), "loss": torch.tensor(bad)})

    learner.train_batch = train_batch
    job = finished(learner, store)
    assert job.state == State.DIVERGED and "blew up" in job.message and "LR finder" in job.message
    kept = store.history(job.id)
    assert len(kept) >= 20 and np.isfinite(kept["loss"][:19]).all()
    assert store.run(job.id).state == "diverged" and store.run(job.id).message == job.message


def test_a_rate_far_too_high_diverges_by_itself(tiny, store):
    assert finished(tiny("stateful", lr=50.0, optimiser="sgd", epochs=5), store).state == State.DIVERGED


@pytest.mark.parametrize("stop", [False, True])
def test_a_loss_that_blows_up_in_the_very_last_steps_still_settles_the_run(tiny, store, monkeypatch, stop):
    monkeypatch.setattr(record, "DRAIN_SECONDS", 600.0)  # nobody looks at the loss before the end
    learner = tiny("gru", epochs=100, max_seconds=1 if not stop else 0)
    job = job_for(learner, store)
    real = learner.train_batch
    job.pace.seconds = 0.0

    def train_batch(batch, lr, momentum=0.9):
        step = real(batch, lr, momentum)
        if learner.step == 3:
            if stop:
                job.stop()
            job.pace.seconds = 5.0
            return type(step)(**{**vars(step), "loss": torch.tensor(float("nan"))})
        return step

    learner.train_batch = train_batch
    job.run()
    assert job.state == (State.STOPPED if stop else State.DIVERGED)
    assert store.run(job.id).state == job.state and len(store.history(job.id)) == 3


def test_a_failure_is_stored_with_the_sentence_the_page_shows(tiny, store):
    for error, words in ((DataError("The text is gone. Upload it."), "The text is gone"), (KeyError("x"), "Something")):
        learner = tiny("gru")

        def fail(*args, error=error):
            raise error

        learner.train_batch = fail
        job = finished(learner, store)
        assert job.state == State.FAILED and words in job.message
        assert (store.run(job.id).state, store.run(job.id).message) == ("failed", job.message)


def test_a_time_budget_ends_the_run_and_says_so(tiny, store):
    learner = slow(tiny("gru", epochs=200, max_seconds=1), 0.001)
    job = finished(learner, store)
    assert job.state == State.DONE and "1 seconds" in job.message and 0.9 < job.pace.seconds < 3
    assert store.run(job.id).message == job.message and store.weights(job.id).exists()


def test_a_run_that_is_deleted_while_it_trains_leaves_nothing_behind(tiny, store, registry, monkeypatch):
    """From another tab or another process: whoever deletes it does not wait until it has stopped."""
    monkeypatch.setattr(record, "WRITE_SECONDS", 0.0)
    learner = slow(tiny("gru", epochs=3))
    job = registry.submit(job_for(learner, store, "ann"))
    until(lambda: learner.epoch == 1 and len(store.history(job.id)) > 0)
    store.delete(job.id)
    until(lambda: job.ended, 60)
    assert job.state == State.DONE and store.run(job.id) is None
    assert "not written down" in job.notice and job.unfinished is None
    with store._reading() as connection:
        for table in ("runs", "steps", "epochs", "marks"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    assert not store.weights(job.id).parent.exists()


QUEUE = """
import sys, time
from pathlib import Path
from explorer.experiment import Experiment
from explorer.store.store import Store, cycle
from explorer.runs import train
experiment = Experiment.of("gru", data="pydoc", hidden=8, n_fac=4, epochs=50)
store = Store(Path(sys.argv[1]))
jobs = [train.submit(experiment, owner, store) for owner in ("ann", "bob", "eve")]
jobs[2].stop("Not now.")
while len(jobs[0].history.snapshot()) < 3:
    time.sleep(0.01)
print(*(job.id for job in jobs), flush=True)
time.sleep(60)
"""


def test_a_queued_run_leaves_a_trace_when_the_server_is_killed(tmp_path, programs):
    with programs.begin("-c", QUEUE, str(tmp_path / "runs")) as process:
        running, queued, stopped = process.stdout.readline().split()
        process.send_signal(signal.SIGKILL)
        process.wait()
    store = Store(tmp_path / "runs")
    found = {run_id: (store.run(run_id).state, store.run(run_id).message) for run_id in (running, queued, stopped)}
    assert found[running][0] == "stopped" and "what it had recorded is here" in found[running][1]
    assert found[queued] == ("stopped", "The server ended before this began.")
    assert found[stopped] == ("stopped", "Not now.")
    assert store.run(queued).owner == "bob" and store.run(queued).experiment.hidden == 8


@pytest.mark.parametrize("epochs", [0, 1])
def test_weights_saved_in_the_middle_of_an_epoch_carry_no_validation_of_others(tiny, store, registry, epochs):
    learner = slow(tiny("gru", epochs=50))
    job = registry.submit(job_for(learner, store))
    until(lambda: learner.epoch >= epochs and len(job.history.snapshot().epochs) >= epochs)
    job.pause()
    until(lambda: job.state == State.PAUSED)
    at = learner.step
    job.resume(steps=2)
    until(lambda: job.state == State.PAUSED and learner.step == at + 2)
    job.stop()
    until(lambda: job.ended)
    story = checkpoint.read_story(store.weights(job.id))
    assert story.epochs == learner.epoch and math.isnan(story.val_loss) and math.isnan(story.accuracy)


def test_weights_saved_at_an_epochs_end_carry_its_validation(tiny, store, registry):
    learner = tiny("gru", epochs=50)
    job = job_for(learner, store)
    job.budget = 0
    registry.submit(job)
    job.resume(until_epoch=True)
    until(lambda: job.state == State.PAUSED and learner.epoch == 1)
    job.stop()
    until(lambda: job.ended)
    story = checkpoint.read_story(store.weights(job.id))
    assert (story.val_loss, story.accuracy) == pytest.approx(learner.evaluate())


def test_a_run_of_the_terminal_is_recorded_as_the_terminals(tiny, store):
    job = finished(tiny("gru", epochs=1), store)
    assert [run.id for run in store.runs("terminal")] == [job.id]


def test_a_run_that_cannot_begin_is_recorded_with_its_reason(home, store, monkeypatch):
    from explorer.experiment import Experiment

    monkeypatch.setattr(queue, "_registry", None)
    job = train.submit(Experiment.of("gru", data="own-0123456789ab"), "ann", store)
    until(lambda: job.ended)
    assert (store.run(job.id).state, store.run(job.id).message) == (State.FAILED, job.message)
    monkeypatch.setattr(limits, "now", lambda: Limits(jobs=0))
    with pytest.raises(queue.QueueFull):
        train.submit(Experiment.of("gru"), "ann", store)
    assert len(store.runs()) == 1
    queue.registry().close()


def test_going_on_from_weights_begins_where_they_were(tiny, store, tmp_path):
    first = tiny("gru", lr=0.02, epochs=3)
    job = finished(first, store)
    from explorer.training import prepare

    onward = prepare.learner_for(first.experiment.replace(epochs=1), store.weights(job.id), first.data)
    assert onward.evaluate()[0] == pytest.approx(first.evaluate()[0], rel=1e-5)


def test_submitting_queues_a_run_for_its_owner_and_may_hold_it(home, store, monkeypatch):
    from explorer.experiment import Experiment

    monkeypatch.setattr(queue, "_registry", None)
    experiment = Experiment.of("gru", data="pydoc", hidden=8, n_fac=4)
    job = train.submit(experiment, "ann", store, paused=True)
    until(lambda: job.state == State.PAUSED, 20)
    assert job.owner == "ann" and job.experiment == experiment and len(job.history.snapshot()) == 0
    assert job.source.kind == "standin" and job.result.vocabulary
    job.resume(steps=2)
    until(lambda: job.state == State.PAUSED and len(job.history.snapshot()) == 2)
    queue.registry().close()
    assert job.state == State.STOPPED


def test_a_text_that_is_not_here_fails_with_its_sentence(home, store, monkeypatch):
    from explorer.experiment import Experiment

    monkeypatch.setattr(queue, "_registry", None)
    job = train.submit(Experiment.of("gru", data="own-0123456789ab"), "ann", store)
    until(lambda: job.ended)
    assert job.state == State.FAILED and "not on this server" in job.message
    queue.registry().close()


def test_a_stored_run_can_be_read_while_it_goes_on(tiny, store, registry):
    learner = slow(tiny("gru", epochs=20), 0.001)
    job = registry.submit(job_for(learner, store))
    until(lambda: len(store.history(job.id)) > 0)
    first = store.history(job.id)
    until(lambda: len(store.history(job.id)) > len(first))
    assert isinstance(first, Snapshot) and first["step"].tolist() == list(range(1, len(first) + 1))
    assert isinstance(store.folder, Path)
