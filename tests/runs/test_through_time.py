"""Training that is watched through time: clipping, growing reach, and both as jobs."""

import pytest

from explorer.errors import SettingsError
from explorer.experiment import Experiment
from explorer.jobs.job import Job
from explorer.runs import through_time
from explorer.runs.drive import drive, moments_of
from explorer.store.words import Kind


def test_clipping_tames_a_rate_that_is_too_high():
    experiment = Experiment.of("stateful", hidden=32, n_fac=16, batch_size=16, optimiser="sgd", data="pydoc")
    *_, runs = through_time.exploding(experiment, "lr", [0.1, 30.0], clip=0.25, steps=15)
    assert [(run.value, run.clip) for run in runs] == [(0.1, 0), (0.1, 0.25), (30.0, 0), (30.0, 0.25)]
    assert all(len(run.grad_norm) == len(run.loss) == 15 for run in runs)
    with pytest.raises(SettingsError):
        next(through_time.exploding(experiment, "hidden", [8]))


def test_reach_is_measured_while_a_model_learns():
    small = Experiment.of("gru", hidden=16, n_fac=8, batch_size=16, data="pydoc")
    found = list(
        through_time.reach_while_training({"a": small, "b": small.replace(bptt=16)}, (0, 3), lags=10, samples=2)
    )
    assert len(found) == 8 and [r.name for r in found[-1]] == ["a", "b"]
    assert [list(r.curves) for r in found[-1]] == [[0, 3], [0, 3]] and len(found[-1][0].curves[3].hidden) == 11
    with pytest.raises(SettingsError, match="reads no text"):
        next(through_time.reach_while_training({"a": Experiment.of("convnet", data="standin")}))
    job = Job(Kind.REACH, "", lambda job: drive(job, moments_of(iter(found), len(found))))
    job.run()
    assert job.state == "done" and job.result == found[-1]


def test_both_measurements_leave_their_results_in_a_job():
    small = Experiment.of("stateful", hidden=16, n_fac=8, batch_size=16, data="pydoc")
    reached = Job(Kind.REACH, "", lambda job: through_time.watch_reach(job, {"a": small}, (0, 2), 10, 2))
    exploded = Job(Kind.EXPLODE, "", lambda job: through_time.explode(job, small, "lr", [0.1], steps=5))
    for job in (reached, exploded):
        job.run()
        assert job.state == "done" and job.progress == 1.0, job.message
    assert [list(model.curves) for model in reached.result.models] == [[0, 2]]
    assert [len(run.loss) for run in exploded.result.runs] == [5, 5]
