"""LR sweeps of several models as one background job."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from explorer.data import Source
from explorer.runs.jobs import Job
from explorer.training import lr_finder, prepare

if TYPE_CHECKING:
    from explorer.experiment import Experiment


def work(job: Job, wanted: Mapping[str, "Experiment"], low: float, high: float, steps: int, beta: float) -> None:
    """One sweep after another; the curves so far are ``job.results["sweeps"]``, by the names in ``wanted``."""
    found: dict[str, lr_finder.Sweep] = {}
    for done, (name, experiment) in enumerate(wanted.items()):
        with contextlib.closing(_swept(experiment, low, high, steps, beta)) as sweeping:
            for found[name], source in sweeping:
                job.publish(sweeps=dict(found), source=source)
                job.between_steps((done + len(found[name].lr) / steps) / len(wanted))


def _swept(experiment: "Experiment", *span: Any) -> Iterator[tuple[lr_finder.Sweep, Source]]:
    """One model's sweep so far; its learner is let go of at the end, before the next one needs its memory."""
    learner = prepare.learner_for(experiment)
    with contextlib.closing(lr_finder.sweep(learner, *span)) as sweeping:
        for sweep in sweeping:
            yield sweep, learner.data.source
