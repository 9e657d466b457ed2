"""LR sweeps of several models as one background job."""

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from explorer.jobs import Job
from explorer.training import lr_finder, prepare

if TYPE_CHECKING:
    from explorer.experiment import Experiment


def work(job: Job, wanted: Mapping[str, "Experiment"], low: float, high: float, steps: int, beta: float) -> None:
    """One sweep after another; the curves so far are ``job.results["sweeps"]``, by the names in ``wanted``."""
    found: dict[str, lr_finder.Sweep] = {}
    for done, (name, experiment) in enumerate(wanted.items()):
        learner = prepare.learner_for(experiment)
        with contextlib.closing(lr_finder.sweep(learner, low, high, steps, beta)) as sweeping:
            for found[name] in sweeping:
                job.publish(sweeps=dict(found), source=learner.data.source)
                job.between_steps((done + len(found[name].lr) / steps) / len(wanted))
