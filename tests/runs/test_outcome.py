"""What a job that is no training came to: entered into the record as it runs, and kept as plain data."""

import json

import numpy as np
import pytest

from explorer.data import Source
from explorer.errors import DataError
from explorer.experiment import Experiment
from explorer.jobs.job import Job
from explorer.probes.bn_statistics import Evaluation
from explorer.probes.gradients import ReachCurve
from explorer.runs import outcome
from explorer.runs.evaluation import Evaluated
from explorer.runs.grid import GridView
from explorer.runs.outcome import Outcome, recorded
from explorer.runs.sweep import Sweeps
from explorer.runs.through_time import Exploded, Explosion, Reached, Reaching
from explorer.store.store import Store
from explorer.store.words import Kind, State
from explorer.training.lr_finder import Sweep
from tests.jobs.working import until

SOURCE = Source("Ten drawn shapes (stand-in)", "standin", "")


def sweeps():
    rates = np.geomspace(1e-5, 1, 1000)
    return Sweeps({"GRU": Sweep(rates, 3 - rates, 3 - rates)}, {}, (1e-5, 1.0))


def test_a_job_is_entered_when_it_is_queued_and_keeps_what_it_came_to(store, registry):
    def work(job):
        job.works_on(SOURCE)
        job.publish(sweeps())

    job = recorded(Job(Kind.LR_FIND, "GRU", work, "ann"), store, outcome.of_sweeps, ["gru"], {"from": 1e-5})
    registry.submit(job)
    until(lambda: job.ended)
    run = store.run(job.id)
    assert (run.kind, run.state, run.model, run.owner, run.begun_by) == ("lr-find", "done", "gru", "ann", "page")
    assert run.source == SOURCE.name and run.torch and run.program and run.device and run.experiment is None
    found = Outcome.from_json(store.outcome(job.id))
    x, y = found.curves["GRU"]
    assert len(x) == len(y) <= outcome.POINTS and x[0] == pytest.approx(1e-5) and found.log_x
    assert found.settings == {"from": 1e-5}
    assert [found.id for found in Store(store.folder).runs()] == [job.id], "another process sees it"


@pytest.mark.parametrize("how", ["fails", "stops", "never begins"])
def test_a_job_that_ends_badly_is_recorded_with_its_reason(store, registry, how):
    def work(job):
        job.ready()
        job.publish(sweeps())
        if how == "fails":
            raise DataError("The pictures are gone.")
        while True:
            job.between_steps(0.5)

    job = recorded(Job(Kind.LR_FIND, "GRU", work, "ann"), store, outcome.of_sweeps)
    if how == "never begins":
        job.prepare()
        job.on_queued()
        job.stop()
    else:
        registry.submit(job)
        if how == "stops":
            until(lambda: job.result is not None)
            job.stop()
    until(lambda: job.ended)
    run = store.run(job.id)
    assert run.state == job.state == (State.FAILED if how == "fails" else State.STOPPED)
    assert ("pictures are gone" in run.message) == (how == "fails")
    assert bool(Outcome.from_json(store.outcome(job.id)).curves) == (how != "never begins"), "what there was is kept"


def test_a_store_that_cannot_be_used_does_not_keep_a_job_from_its_work(tmp_path, registry):
    (tmp_path / "runs").touch()
    job = recorded(Job(Kind.LR_FIND, "GRU", lambda job: job.publish(sweeps()), "ann"), Store(tmp_path / "runs"))
    registry.submit(job)
    until(lambda: job.ended)
    assert job.state == State.DONE and job.result and "training itself goes on" in job.notice
    job.unfinished = None


def test_each_kind_of_result_is_plain_data():
    loss = np.full((2, 1, 2), np.nan)
    loss[0, 0, 1], loss[1, 0, 0] = 2.25, np.inf
    lags = np.arange(3.0)
    reach = ReachCurve(lags, lags + 1, lags, lags, None, 8)
    told = {
        "map": outcome.of_map(GridView((0.1, 1.0), (2,), ("none", "running"), 3, 80, loss, SOURCE)),
        "evaluation": outcome.of_evaluation(Evaluated((Evaluation("last batch's", 1.5, 0.5, 100),), "shipped", 256)),
        "reach": outcome.of_reach(Reached((Reaching("LSTM", {100: reach}),))),
        "explosions": outcome.of_explosions(Exploded((Explosion("lr", 0.1, 1.0, lags, lags),))),
    }
    plain = {name: json.loads(found.to_json()) for name, found in told.items()}
    assert plain["map"]["rows"] == [
        {"norm": "none", "convolutions": 6, "learning rate": 1.0, "loss": 2.25},
        {"norm": "running", "convolutions": 6, "learning rate": 0.1, "loss": None},
    ]
    assert plain["evaluation"]["rows"][0]["accuracy"] == 0.5
    assert plain["reach"]["curves"] == {"LSTM, step 100": [[0, 1, 2], [1, 2, 3]]}
    assert list(plain["explosions"]["curves"]) == ["lr 0.1, clipped at 1"]
    assert Outcome.from_json("") == Outcome() and outcome.of_anything(None) == Outcome()
    assert outcome.settings_of(Experiment.of("gru", lr=0.5)) == "gru, lr 0.5"
