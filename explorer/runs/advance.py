"""How far a sweep is and how long it takes yet, by the record of its cells and by the jobs of those that train now."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from explorer.jobs.job import Job
from explorer.runs import estimate
from explorer.runs.sweeps import Group
from explorer.store.index import Run
from explorer.store.words import ENDED, State


@dataclass(frozen=True)
class Advance:
    """A sweep at a moment."""

    share: float  #: done of all there is to do, in [0, 1]; cells that were stopped on their own left out
    eta: float | None  #: seconds to the end at the pace so far; None before there is a pace
    training: tuple[Run, ...]  #: cells that train now

    @classmethod
    def of(cls, group: Group, jobs: Mapping[str, Job[Any]]) -> "Advance":
        """As above.

        Args:
            jobs: those of its cells, by their ids, as far as they are known here.
        """
        total = done = spent = measured = 0.0
        training = []
        for run in group.runs:
            if run.state == State.STOPPED or run.experiment is None:
                continue
            job = jobs.get(run.id)
            work = estimate.work(run.experiment) * run.experiment.total_epochs
            share = _share(run, job)
            total, done = total + work, done + work * share
            if (job.state if job is not None else run.state) == State.RUNNING:
                training.append(run)
            if run.state == State.DONE or (share > 0 and run.state not in ENDED):
                spent += job.pace.seconds if job is not None and not job.ended else run.seconds
                measured += work * share
        left = spent / measured * (total - done) / max(1, len(training)) if measured and spent > 1 else None
        return cls(done / total if total else 1.0, left, tuple(training))


def _share(run: Run, job: Job[Any] | None) -> float:
    """How much of a cell is done."""
    if run.state in ENDED:
        return 1.0
    if job is not None and not job.ended:
        return job.progress
    return run.epochs / run.experiment.total_epochs if run.experiment else 0.0
