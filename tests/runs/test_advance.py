"""How far a sweep is: by the work of its cells, and not by their number alone."""

import dataclasses

import pytest

from explorer.experiment import Experiment
from explorer.jobs.job import Job
from explorer.runs.advance import Advance
from explorer.runs.sweeps import Group
from explorer.store.index import Run
from explorer.store.words import Kind, State

EPOCHS = (1, 1, 4, 4)  # of each cell


def a_group(*cells):
    """Of cells' states, seconds and epochs done."""
    runs = []
    for number, (state, seconds, done) in enumerate(cells):
        experiment = Experiment.of("gru", epochs=EPOCHS[number])
        line = ("ann", Kind.TRAIN, "a cell", experiment, state, "", "", "", 0.0, 0.0)
        runs.append(Run(f"r{number}", *line, seconds=seconds, epochs=done, sweep="s", cell=f'{{"lr": {number}}}'))
    return Group.of(runs, {})


def a_job(run, progress, seconds, state=State.RUNNING):
    job = Job(Kind.TRAIN, "a cell", id=run, state=state, progress=progress)
    job.pace.seconds = seconds
    return job


WAITS = (State.QUEUED, 0.0, 0)


def test_before_anything_ran_there_is_no_pace():
    found = Advance.of(a_group(WAITS, WAITS, WAITS, WAITS), {})
    assert (found.share, found.eta, found.training) == (0.0, None, ())


def test_it_is_told_by_what_is_over_and_by_what_trains():
    group = a_group((State.DONE, 10.0, 1), (State.RUNNING, 4.0, 0), WAITS, WAITS)
    found = Advance.of(group, {"r1": a_job("r1", 0.5, 5.0)})
    assert found.share == pytest.approx(1.5 / 10) and found.eta == pytest.approx(10 * 8.5)
    assert [run.id for run in found.training] == ["r1"]


def test_two_that_train_at_once_take_half_as_long():
    group = a_group((State.DONE, 10.0, 1), (State.DONE, 10.0, 1), (State.RUNNING, 0.0, 0), (State.RUNNING, 0.0, 0))
    jobs = {name: a_job(name, 0.25, 10.0) for name in ("r2", "r3")}
    assert Advance.of(group, jobs).eta == pytest.approx(10 * 6 / 2)


def test_a_cell_of_another_server_is_told_by_its_epochs():
    found = Advance.of(a_group((State.DONE, 10.0, 1), WAITS, (State.RUNNING, 20.0, 2), WAITS), {})
    assert found.share == pytest.approx(3 / 10) and found.eta == pytest.approx(10 * 7)


def test_what_broke_is_over_and_tells_no_pace_and_what_was_stopped_is_left_out():
    group = a_group((State.DIVERGED, 1.0, 0), (State.DONE, 10.0, 1), (State.STOPPED, 3.0, 1), WAITS)
    found = Advance.of(group, {})
    assert found.share == pytest.approx(2 / 6) and found.eta == pytest.approx(40)
    done = [dataclasses.replace(run, state=State.DONE) for run in group.runs]
    assert Advance.of(Group.of(done, {}), {}).share == 1.0


def test_one_that_waits_for_its_turn_does_not_train():
    group = a_group((State.RUNNING, 4.0, 0), WAITS, WAITS, WAITS)
    assert Advance.of(group, {"r0": a_job("r0", 0.5, 5.0, State.QUEUED)}).training == ()
