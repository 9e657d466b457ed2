"""What a job does is data: any process can be given it, and only this program's own functions are called."""

import os
import pickle

import numpy as np
import pytest

from explorer.errors import SettingsError
from explorer.experiment import Experiment
from explorer.jobs import calls
from explorer.jobs.calls import Call, call
from explorer.jobs.job import Job
from explorer.runs import grid, sweep, train
from explorer.store.words import Kind, State


def test_a_call_names_its_function_and_its_arguments() -> None:
    gru = Experiment.of("gru")
    made = call(sweep.work, {"GRU": gru}, 1e-5, 1.0, steps=40, beta=0.9)
    assert made == Call(
        "explorer.runs.sweep:work", {"wanted": {"GRU": gru}, "low": 1e-5, "high": 1.0, "steps": 40, "beta": 0.9}
    )
    assert call(grid.work, steps=3, depths=(1,)).arguments == {"steps": 3, "depths": (1,)}, "the rest, by name"
    again = pickle.loads(pickle.dumps(made))
    assert again == made and again.function() is sweep.work
    again.check()


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "explorer.runs.sweep:contextlib",
        "explorer.runs.sweep:_moments",
        "explorer.runs.sweep:Sweeps",
        "explorer.runs.train:cycle_ends",
        "explorer.runs.nowhere:work",
        "explorer.runs.sweep:nowhere",
        "explorer.runs.sweep:work.__call__",
        "explorer.runs.sweep.work",
        "explorer:work",
        "explorer.runs.paths:os.system",
        "",
    ],
)
def test_only_functions_of_this_program_are_called(name: str) -> None:
    with pytest.raises(SettingsError):
        Call(name).function()


def test_a_call_of_what_is_not_there_fails_in_words() -> None:
    job = Job(Kind.TRAIN, "test", Call("explorer.runs.nowhere:work"))
    job.run()
    assert job.state == State.FAILED and "same version" in job.message


def test_a_call_that_does_not_fit_its_function_is_found_out() -> None:
    with pytest.raises(TypeError):
        Call("explorer.runs.sweep:work", {"wanted": {}}).check()
    with pytest.raises(TypeError):
        call(train.work, Experiment.of("gru"), nonsense=1)  # type: ignore[call-arg]
    calls.nothing(None)


def test_arrays_and_experiments_travel() -> None:
    made = Call("explorer.jobs.calls:nothing", {"picture": np.arange(6.0).reshape(2, 3), "pid": os.getpid()})
    again = pickle.loads(pickle.dumps(made))
    assert (again.arguments["picture"] == made.arguments["picture"]).all()
