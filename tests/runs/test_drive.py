"""The one loop: what is published when, what is followed, and how it ends."""

import pytest

from explorer.data import Source
from explorer.jobs.job import Job
from explorer.runs import drive as driving
from explorer.runs.drive import Moment, drive, given, moments_of
from explorer.store.words import Kind, State


class Published(Job):
    """A job that remembers all it was given."""

    def __post_init__(self):
        super().__post_init__()
        self.given = []

    def publish(self, result):
        self.given.append(result)
        super().publish(result)


def job_of(moments, **how):
    return Published(Kind.MAP, "test", lambda job: drive(job, moments(job), **how))


def counted(steps, made=None):
    """``steps`` moments, each with its number as the result; ``made`` hears which were asked for."""
    made = [] if made is None else made

    def moments(job):
        yield Moment(0.0)
        for number in range(1, steps + 1):
            yield Moment(number / steps, lambda number=number: made.append(number) or number)

    return moments


def test_results_come_a_few_times_a_second_and_the_last_one_always(monkeypatch):
    made = []
    job = job_of(counted(500, made))
    job.run()
    assert (job.state, job.result, job.progress) == (State.DONE, 500, 1.0)
    assert job.given == made and len(made) < 100, "results that nobody sees are not even made"
    monkeypatch.setattr(driving, "PUBLISH_SECONDS", 0.0)
    every = job_of(counted(5))
    every.run()
    assert every.given == [1, 2, 3, 4, 5, 5]


def test_an_epochs_end_is_shown_at_once():
    def moments(job):
        yield Moment(0.0, given("begun"), source=Source("a text", "real", "here"))
        yield Moment(0.3, given("a step"))
        yield Moment(0.5, given("an epoch"), epoch_ended=True)
        yield Moment(0.8, given("another step"))

    job = job_of(moments)
    job.run()
    assert job.given[:2] == ["begun", "an epoch"] and job.result == "another step"
    assert job.source.name == "a text"


def test_a_stopped_work_is_closed_and_leaves_what_it_had():
    closed = []

    def moments(job):
        try:
            yield Moment(0.0)
            yield Moment(0.1, given(1))
            yield Moment(0.2, given(2))
            job.stop()
            yield Moment(0.3, given(3))
            yield Moment(0.4, given(4))
        finally:
            closed.append(True)

    job = job_of(moments)
    job.run()
    assert (job.state, job.result, closed, job.before_hold) == (State.STOPPED, 3, [True], None)


def test_a_work_that_fails_leaves_what_it_had():
    def moments(job):
        yield Moment(0.0)
        yield Moment(0.1, given(1))
        yield Moment(0.2, given(2))
        raise ValueError("shapes")

    job = job_of(moments)
    job.run()
    assert (job.state, job.result) == (State.FAILED, 2) and "ValueError" in job.message


def test_live_changes_arrive_between_two_steps_and_others_are_ignored():
    changes = []

    def moments(job):
        yield Moment(0.0)
        job.change("lr", 0.5)
        yield Moment(0.5)
        changes.append("a step")
        yield Moment(1.0)

    job_of(moments, change=lambda *change: changes.append(change)).run()
    assert changes == [("lr", 0.5), "a step"]
    job = job_of(moments)
    job.run()
    assert job.state == State.DONE


def test_a_job_submitted_paused_holds_before_its_first_step_and_shows_what_there_is():
    held = []

    def moments(job):
        yield Moment(0.0, given("ready"))
        held.append("a step")
        yield Moment(1.0, given("done"))

    def hold():
        held.append(job.result)
        job.resume()

    job = job_of(moments, before_hold=hold)
    job.budget = 0
    job.run()
    assert held == ["ready", "a step"] and job.result == "done"


@pytest.mark.parametrize(("found", "progress"), [(4, 1.0), (9, 1.0), (2, 0.5)])
def test_the_share_of_an_iterators_results_is_never_more_than_one(found, progress):
    *_, last = moments_of(iter(range(found)), 4)
    assert (last.progress, last.result()) == (progress, found - 1)
