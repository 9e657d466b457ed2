"""The one loop of every job: iterate, publish, follow what was asked between two steps.

Each kind of work is an iterator of moments. It knows nothing of pages, pauses or threads.
"""

import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Generic, TypeVar

from explorer.data import Source
from explorer.jobs.job import Job

PUBLISH_SECONDS = 0.3  # at least so long between two results a page is given

R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class Moment(Generic[R]):
    """A moment between two steps. The first of a work is the one before its first step."""

    progress: float  #: share done, in [0, 1]
    result: Callable[[], R] | None = None  #: makes what there is to see, where that is new; called only if it is shown
    epoch_ended: bool = False
    source: Source | None = None  #: the data, where they are known by now


Moments = Generator[Moment[R], None, None]


def drive(
    job: Job[R],
    moments: Moments[R],
    change: Callable[[str, float], None] | None = None,
    before_hold: Callable[[], None] | None = None,
) -> None:
    """Go through ``moments`` in a job: publish what is new, a few times a second and at the end, however it ends.

    Args:
        moments: the work; closed at the end.
        change: makes a live change, between two steps: a setting's name and its new value.
        before_hold: called before the job pauses.

    Raises:
        Stopped: the job was asked to stop. Whatever the work raises.
    """
    shown, latest = -math.inf, None

    def publish() -> None:
        nonlocal shown
        shown = time.monotonic()
        if latest is not None:
            job.publish(latest())

    def hold() -> None:
        publish()
        if before_hold:
            before_hold()

    job.before_hold = hold
    try:
        with closing(moments):
            for number, moment in enumerate(moments):
                if moment.source is not None:
                    job.works_on(moment.source)
                if moment.result is not None:
                    latest = moment.result
                    if moment.epoch_ended or time.monotonic() - shown >= PUBLISH_SECONDS:
                        publish()
                if number == 0:
                    job.ready()
                    continue
                for name, value in job.between_steps(moment.progress, moment.epoch_ended):
                    if change:
                        change(name, value)
    finally:
        job.before_hold = None
        publish()


def given(result: R) -> Callable[[], R]:
    """What makes a result that is there already."""
    return lambda: result


def moments_of(found: Iterator[R], total: int) -> Moments[R]:
    """The moments of an iterator of results that yields about ``total`` times, a step each."""
    yield Moment(0.0)
    for number, value in enumerate(found, 1):
        yield Moment(min(1.0, number / total), given(value))
