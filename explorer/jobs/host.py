"""A worker of a cluster: a process that hosts the very queue a single server has, and answers for its jobs."""

import contextlib
import logging
import os
import secrets
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass
from typing import Any

from explorer.errors import ExplorerError
from explorer.jobs import looks
from explorer.jobs.looks import Look, Seen
from explorer.jobs.orders import Order
from explorer.jobs.queue import Registry
from explorer.store.words import State

log = logging.getLogger(__name__)

VERBS = ("stop", "pause", "resume", "change")  # what a job may be told
ASKED = 30.0  # seconds within which a job answers


@dataclass(frozen=True)
class Standing:
    """How a worker stands: which process it is, and what its jobs do."""

    boot: str  #: of this process; another one after it was started again
    pid: int
    jobs: Mapping[str, tuple[State, bool, str]]  #: attempt → state, whether it has begun, where it is shown


@dataclass(frozen=True)
class Report:
    """What a worker says about its jobs to an app server."""

    boot: str
    looks: tuple[Look, ...]


class Host:
    """One worker: one job that trains at a time, and short ones beside it.

    Args:
        settings: environment variables that hold here where the worker's own machine does not say otherwise.
        nice: how far others on this machine go first; pages, where they are served from here, too.
        megabytes: memory that it may take; a run that needs more fails with a sentence. 0: as much as there is.
        threads: of the processor that it may use; 0: as its environment says.
    """

    def __init__(
        self, settings: Mapping[str, str] | None = None, nice: int = 0, megabytes: int = 0, threads: int = 0
    ) -> None:
        _limit_memory(megabytes)
        if threads:
            os.environ["OMP_NUM_THREADS"] = str(threads)  # before torch is imported
        for name, value in (settings or {}).items():
            os.environ.setdefault(name, value)
        if nice and hasattr(os, "nice"):
            with contextlib.suppress(OSError):
                os.nice(nice)
        self.boot = secrets.token_hex(4)
        self.registry = Registry(1)
        self._orders: dict[str, Order] = {}
        self._eye = looks.Eye()
        self._lock = threading.Lock()
        threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()

    def submit(self, order: Order, instead_of: str = "") -> tuple[str, str]:
        """Take a job in; which process has it now, and why not, where it is refused."""
        with self._lock:
            self._orders[order.id] = order
        try:
            self.registry.submit(order.job(), self.registry.find(instead_of))
        except ExplorerError as error:
            with self._lock:
                self._orders.pop(order.id, None)
            return self.boot, str(error)
        return self.boot, ""

    def bury(self, order: Order, why: str) -> None:
        """Take in a job that is not to begin any more, as one that failed."""
        job = order.job()
        job.prepare()
        self.registry.keep(job)
        if job.on_queued:
            job.on_queued()
        job.end_unbegun(State.FAILED, why)

    def withdraw(self, job_id: str) -> bool:
        """Give a job back that still waits for its first turn, for another worker; False if it has begun."""
        if not self.registry.withdraw(job_id):
            return False
        with self._lock:
            self._orders.pop(job_id, None)
        return True

    def standing(self) -> Standing:
        """How this worker stands."""
        jobs = self.registry.all()
        over = {job.attempt for job in jobs if job.ended}  # a run that goes on has the id of the one that ended
        with self._lock:
            self._orders = {name: order for name, order in self._orders.items() if order.attempt not in over}
        return Standing(self.boot, os.getpid(), {job.attempt: (job.state, job.began, job.place) for job in jobs})

    def orders(self) -> list[Order]:
        """What the jobs that have not ended were made of, for a dispatcher that has forgotten."""
        with self._lock:
            return list(self._orders.values())

    def look(self, seen: Mapping[str, Seen]) -> Report:
        """All jobs; of those that are watched also what is new."""
        jobs = self.registry.all()
        self._eye.forget({job.id for job in jobs})
        return Report(self.boot, tuple(self._eye.look(job, seen.get(job.id, _UNSEEN)) for job in jobs))

    def tell(self, job_id: str, verb: str, values: tuple[Any, ...]) -> Look | None:
        """Tell a job to stop, pause, resume or change a setting; how it is then, or None if it is not here."""
        job = self.registry.find(job_id)
        if job is None:
            return None
        if verb in VERBS:
            getattr(job, verb)(*values)
        elif verb == "place":
            (job.place,) = values
        return self._eye.look(job, _UNSEEN)

    def ask(self, job_id: str, name: str) -> tuple[bytes, str]:
        """What a job's work answers to a question, packed; and why not, where it does not."""
        job = self.registry.find(job_id)
        if job is None:
            return b"", "This run is not on this worker any more."
        try:
            return looks.packed(job.ask(name).result(ASKED)), ""
        except ExplorerError as error:
            return b"", str(error)
        except Late:
            return b"", LATE

    def close(self) -> None:
        """Stop everything, save it, and take nothing more."""
        self.registry.close()


_UNSEEN = Seen(watched=False)
LATE = "The run has not got round to it: it waits for its turn. Ask again in a moment."


def _limit_memory(megabytes: int) -> None:
    if megabytes and sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (megabytes * 1_000_000, resource.RLIM_INFINITY))


def _warm_up() -> None:
    """Load torch before the first run needs it."""
    with contextlib.suppress(Exception):  # the run says it
        import explorer.training.prepare  # noqa: F401
