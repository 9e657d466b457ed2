"""Where jobs run: what a page may ask of it, whichever it is.

``EXPLORER_ENGINE`` chooses. ``threads``, the default, is this process's own (:class:`explorer.jobs.queue.Registry`);
``ray`` starts workers of their own on this machine, and an address (``10.0.0.5:6379``, ``auto``) joins a
cluster that is there already. Of Ray nothing is imported until it is chosen.
"""

import importlib
import importlib.util
import logging
import os
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from explorer.errors import ExplorerError, SettingsError
from explorer.jobs.job import Job
from explorer.jobs.looks import Look, Seen
from explorer.store.words import Kind

log = logging.getLogger(__name__)

R = TypeVar("R")
J = TypeVar("J", bound=Job[Any])

THREADS = "threads"
HERE = "ray"  # workers of its own, on this machine
MISSING = (
    "EXPLORER_ENGINE asks for Ray, which is not installed: pip install -r explorer/deploy/requirements-cluster.txt. "
    "Until then runs train in this server's own process."
)


class QueueFull(ExplorerError):
    """No more jobs are taken just now."""


class Engine(Protocol):
    """Takes jobs, runs them in their turn, and knows them.

    Control is the job's: ``stop``, ``pause``, ``resume`` (also for one step, or to the epoch's end) and ``change`` of a
    live setting reach it wherever it runs.
    """

    places: int  #: how many runs may train at the same time

    def submit(self, job: Job[R], instead_of: Job[Any] | None = None) -> Job[R]:
        """Queue a job; the one to show and to control. Nothing else is stopped for it but ``instead_of``.

        Raises:
            QueueFull: the engine, or the job's owner, has as many jobs as it may; nothing has changed.
        """

    def find(self, job_id: str) -> Job[Any] | None:
        """The job with that id, if it is still known."""

    def latest(self, owner: str, kind: Kind) -> Job[Any] | None:
        """The owner's newest job of a kind."""

    def last_at(self, place: str, owner: str) -> Job[Any] | None:
        """What an owner started last in a place."""

    def all(self) -> list[Job[Any]]:
        """Every known job, oldest first."""

    def ahead_of(self, job: Job[Any]) -> int:
        """How many jobs hold a place or wait for one before this queued one."""

    def look(self, job_id: str, seen: Seen | None = None) -> Look | None:
        """A job at this moment, with what is new of it since ``seen``; None if it is not known."""

    def close(self, timeout: float = 10.0) -> None:
        """End: runs that live in this process are stopped, saved and waited for."""

    @property
    def closed(self) -> bool:
        """Whether nothing begins here any more."""


class Known:
    """What can be told from the list of all jobs."""

    places = 1  #: how many runs may train at the same time

    def all(self) -> list[Job[Any]]:
        """Every known job, oldest first."""
        raise NotImplementedError

    def latest(self, owner: str, kind: Kind) -> Job[Any] | None:
        """The owner's newest job of a kind."""
        mine = [job for job in self.all() if job.owner == owner and job.kind == kind]
        return mine[-1] if mine else None

    def last_at(self, place: str, owner: str) -> Job[Any] | None:
        """What an owner started last in a place."""
        mine = [job for job in self.all() if job.owner == owner and job.place == place]
        return mine[-1] if mine else None

    def ahead_of(self, job: Job[Any]) -> int:
        """How many jobs hold a place or wait for one before this queued one."""
        return len(job.before())


def beyond(ended: Sequence[J], most: int) -> list[J]:
    """Which of these, the oldest first, to forget where ``most`` are kept.

    What never began has nothing to show; then goes what its owner has done anew at its place, which shows the last;
    then the oldest. So one visitor's hundred cells do not take away what another has measured.
    """
    last = {(job.owner, job.kind, job.place): job.id for job in ended}
    turn = sorted(ended, key=lambda job: (job.began, job.id == last[job.owner, job.kind, job.place]))
    return turn[: max(0, len(turn) - most)]


def chosen() -> str:
    """What ``EXPLORER_ENGINE`` says."""
    return os.environ.get("EXPLORER_ENGINE", "").strip() or THREADS


def far() -> bool:
    """Whether runs train on the machines of a cluster, and not on this one."""
    return chosen() not in (THREADS, HERE) and not problem()


def problem() -> str:
    """Why the engine that was chosen is not the one that runs, in a sentence; "" where it is."""
    return _problem


def elsewhere() -> Engine | None:
    """The engine outside this process that was chosen; None, and a :func:`problem`, where it cannot be had."""
    global _problem
    wanted, _problem = chosen(), ""
    if wanted == THREADS:
        return None
    try:
        if importlib.util.find_spec("ray") is None:
            raise SettingsError(MISSING)
        made: Engine = importlib.import_module("explorer.jobs.cluster").start(None if wanted == HERE else wanted)
        return made
    except ValueError:  # None in sys.modules
        _problem = MISSING
    except ExplorerError as error:
        _problem = str(error)
        log.warning("%s (%s)", error, error.detail)
    return None


_problem = ""
