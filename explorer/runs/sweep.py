"""LR sweeps of several models as one background job."""

import contextlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.data import Source
from explorer.jobs.job import Job
from explorer.runs.drive import Moment, Moments, drive
from explorer.training import lr_finder, prepare

if TYPE_CHECKING:
    from explorer.experiment import Experiment

Span = tuple[float, float, int, float]  # lowest rate, highest rate, steps, smoothing


@dataclass(frozen=True, eq=False)
class Sweeps:
    """The curves so far, by the names of what was wanted."""

    curves: Mapping[str, lr_finder.Sweep]
    wanted: Mapping[str, "Experiment"]
    span: tuple[float, float]  #: the lowest rate and the highest


def work(
    job: Job[Sweeps], wanted: Mapping[str, "Experiment"], low: float, high: float, steps: int, beta: float
) -> None:
    """One sweep after another, in a job; see :func:`explorer.training.lr_finder.sweep`."""
    drive(job, _moments(wanted, (low, high, steps, beta)))


def _moments(wanted: Mapping[str, "Experiment"], span: Span) -> Moments[Sweeps]:
    found: dict[str, lr_finder.Sweep] = {}
    yield Moment(0.0)
    for done, (name, experiment) in enumerate(wanted.items()):
        with contextlib.closing(_swept(experiment, span)) as sweeping:
            for found[name], source in sweeping:
                share = (done + len(found[name].lr) / span[2]) / len(wanted)
                yield Moment(share, lambda: Sweeps(dict(found), wanted, span[:2]), source=source)


def _swept(experiment: "Experiment", span: Span) -> Generator[tuple[lr_finder.Sweep, Source], None, None]:
    """One model's sweep so far; its learner is let go of at the end, before the next one needs its memory."""
    learner = prepare.learner_for(experiment)
    with contextlib.closing(lr_finder.sweep(learner, *span)) as sweeping:
        for sweep in sweeping:
            yield sweep, learner.data.source
