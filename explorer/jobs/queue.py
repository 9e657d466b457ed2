"""The queue of this process: which jobs run, which wait, and the threads they run in."""

import atexit
import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from typing import Any, TypeVar

from explorer import limits
from explorer.errors import explain
from explorer.jobs import engine
from explorer.jobs.engine import Engine, Known, QueueFull
from explorer.jobs.job import Job
from explorer.jobs.lane import Lane
from explorer.jobs.looks import Eye, Look, Seen
from explorer.store.words import NOBODY_LOOKING, REPLACED, Kind, State

log = logging.getLogger(__name__)

R = TypeVar("R")

KEPT = 60  # ended jobs the registry remembers; older trainings are read from the store
KEPT_BODIES = 4  # of these with a whole photo network as their result, 85 MB each
LONG = frozenset({Kind.TRAIN, Kind.RACE, Kind.MAP, Kind.UNFREEZE, Kind.CATS_DOGS})  # for minutes; others run beside
RETRY = 5.0  # seconds between two tries to finish what an ended job could not
GIVE_UP = 6 * 3600.0  # seconds after which it is not tried any more
BESIDE = 1  # how many short jobs run beside


class Registry(Known):
    """The queue and the jobs of this process.

    Jobs that train run in one lane, ``workers`` at a time; short ones run beside them in a lane of their own, so
    that a measurement of twenty seconds waits for no training, and ends none. A thread begins when its job's place
    is there. A paused job gives its place to the next in the queue and waits for one again when it is resumed, so
    that nobody's pause holds up a class.
    """

    def __init__(self, workers: int = 1) -> None:
        self.places = workers
        self._training: Lane[Job[Any]] = Lane(workers, _turn)
        self._beside: Lane[Job[Any]] = Lane(BESIDE, _turn)
        self._jobs: dict[str, Job[Any]] = {}
        self._threads: dict[Job[Any], threading.Thread] = {}  # of a run that goes on there may be two, for a moment
        self._starting = threading.Lock()
        self._lock = threading.Lock()
        self._eye = Eye()
        self._unfinished: dict[Job[Any], float] = {}  # ended jobs with something left to do, and until when it is tried
        self._finishing: threading.Thread | None = None
        self._closing = threading.Event()
        # A daemon thread inside torch at exit aborts the process; stop it and wait.
        atexit.register(self.close)

    def submit(self, job: Job[R], instead_of: Job[Any] | None = None) -> Job[R]:
        """Queue a job. Nothing else is stopped for it but ``instead_of``, an earlier job of the same owner.

        Raises:
            QueueFull: the server, or its owner, has as many jobs as it may; nothing has changed.
        """
        if instead_of is not None and instead_of.owner != job.owner:
            instead_of = None
        job.prepare()
        self._stop_the_forgotten()
        with self._lock:
            self._check_room(job, instead_of)
            self._forget_oldest()
            self._jobs[job.id] = job
        if instead_of is not None:
            instead_of.stop(REPLACED)
        job.lane = self._training if job.kind in LONG else self._beside
        if job.on_queued:
            job.on_queued()
            if job.ended and job.on_unbegun:  # it was stopped meanwhile, before there was anything to settle
                job.on_unbegun()
        job.lane.ask(job, lambda: self._begin(job))
        return job

    def keep(self, job: Job[Any]) -> None:
        """Have a job found here that is not to run any more."""
        with self._lock:
            self._jobs[job.id] = job

    def withdraw(self, job_id: str) -> bool:
        """Give up a job that waits for its first turn, as if it had never come; False if it has had one."""
        job = self.find(job_id)
        if job is None or job.began or job.lane is None or not job.lane.leave(job):
            return False
        with self._lock:
            self._jobs.pop(job_id, None)
        return True

    def look(self, job_id: str, seen: Seen | None = None) -> Look | None:
        """What a job shows of itself to another process; see :class:`~explorer.jobs.looks.Eye`."""
        job = self.find(job_id)
        return self._eye.look(job, seen) if job is not None else None

    def find(self, job_id: str) -> Job[Any] | None:
        """The job with that id, if this process still knows it."""
        return self._jobs.get(job_id)

    def all(self) -> list[Job[Any]]:
        """Every known job, oldest first."""
        with self._lock:
            return list(self._jobs.values())

    def close(self, timeout: float = 10.0) -> None:
        """Stop everything and wait for it to end."""
        self._closing.set()
        for job in self.all():
            if not job.ended:
                job.stop()
        with self._starting:  # a thread that is just being started could not be joined yet
            threads = list(self._threads.values())
        for thread in threads:
            thread.join(timeout)
        if self._finishing:
            self._finishing.join(timeout)
        for job in list(self._unfinished):
            self._try_to_finish(job)

    @property
    def closed(self) -> bool:
        """Whether nothing begins here any more."""
        return self._closing.is_set()

    def _finish_later(self, job: Job[Any]) -> None:
        """Try again what the job's end has left to do, in the background."""
        with self._lock:
            self._unfinished[job] = time.monotonic() + GIVE_UP
            if self._finishing is None and not self.closed:
                self._finishing = threading.Thread(target=self._finish, name="finish-jobs", daemon=True)
                try:
                    self._finishing.start()
                except RuntimeError:  # the system has no thread left: at the server's end, then
                    self._finishing = None

    def _finish(self) -> None:
        while not self._closing.wait(RETRY):
            for job in list(self._unfinished):
                self._try_to_finish(job)
            with self._lock:
                if not self._unfinished:
                    self._finishing = None
                    return

    def _try_to_finish(self, job: Job[Any]) -> None:
        try:
            done = job.unfinished is None or job.unfinished()
        except Exception:
            log.exception("%s %s could not be finished", job.kind, job.id)
            done = True
        if done or time.monotonic() > self._unfinished.get(job, 0.0):
            self._unfinished.pop(job, None)

    def _check_room(self, job: Job[Any], instead_of: Job[Any] | None) -> None:
        alive = [j for j in self._jobs.values() if not (j.ended or j.state == State.STOPPING or j is instead_of)]
        if why := limits.full(job.owner, [other.owner for other in alive]):
            raise QueueFull(why)

    def _stop_the_forgotten(self) -> None:
        """Stop what waits to begin and whose page is gone: it has no thread to see that by itself."""
        for job in self.all():
            if job.state == State.QUEUED and job.forgotten:
                job.stop(NOBODY_LOOKING)

    def _forget_oldest(self) -> None:
        """Of the ended jobs keep a few."""
        ended = [job for job in self._jobs.values() if job.ended]
        bodies = [job for job in ended if job.kind == Kind.UNFREEZE]
        for job in {*engine.beyond(ended, KEPT), *engine.beyond(bodies, KEPT_BODIES)}:
            del self._jobs[job.id]

    def _begin(self, job: Job[Any]) -> bool:
        """Start the thread of a job that has just been given a place; False if it does not need it after all."""
        with self._starting:
            if self.closed:
                job.end_unbegun(State.STOPPED)
            if job.ended:
                return False
            thread = threading.Thread(target=self._run, args=(job,), name=f"job-{job.id}", daemon=True)
            self._threads[job] = thread
            job.has_place = True
            try:
                thread.start()
                return True
            except RuntimeError as error:  # the system has no thread left
                log.warning("%s %s: %s", job.kind, job.id, error)
                del self._threads[job]
                job.has_place = False
        job.end_unbegun(State.FAILED, "This server has no room to begin this just now. Start it again in a minute.")
        return False

    def _run(self, job: Job[Any]) -> None:
        try:
            _share_cores(self.places if job.lane is self._training else self.places + BESIDE)
            job.run()
        except Exception as error:  # torch cannot be loaded
            log.exception("%s %s could not begin", job.kind, job.id)
            job.end_unbegun(State.FAILED, explain(error))
        finally:
            job.let_go()  # lets go of what the work held: its model, its data
            if job.unfinished:
                self._finish_later(job)
            self._threads.pop(job, None)
            job.leave_place()


def _turn() -> float:
    return limits.now().turn_seconds


def waits_for(job: Job[Any]) -> str:
    """What a queued job waits for, and for how long, in a sentence for its owner."""
    ahead = job.before()
    if ahead and job.owner and all(other.owner == job.owner for other in ahead):
        titles = " and ".join(dict.fromkeys(other.title for other in ahead))
        return f"Waits for a run of your own: {titles}. Pause or stop that one to let this go first."
    wait = job.wait
    soon = "" if wait is None else f", about {_rounded(wait)}"
    if job.began:
        return f"Others have their turn: {len(ahead)} before this goes on{soon}"
    return f"{len(ahead)} ahead of you in the queue{soon} until this begins"


def _rounded(seconds: float) -> str:
    """As exact as an estimate is: 5, 10, 15 … seconds, then minutes."""
    if seconds < 55:
        return f"{5 * max(1, round(seconds / 5))} s"
    minutes = round(seconds / 60)
    return f"{minutes} minute{'' if minutes == 1 else 's'}"


def _share_cores(parts: int) -> None:
    """Give this job its part of the cores: torch's thread count belongs to the calling thread."""
    import torch

    torch.set_num_threads(max(1, cores() // parts))


def cores() -> int:
    """The cores this process may use.

    More threads than cores makes small models many times slower, so ``OMP_NUM_THREADS`` is respected.
    """
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(ValueError):
        found = min(found, int(os.environ.get("OMP_NUM_THREADS", found)))
    return found


_registry: Engine | None = None
_registry_lock = threading.Lock()


def registry() -> Engine:
    """The one engine of this process: ``EXPLORER_ENGINE`` says which, its own threads if nothing does."""
    global _registry
    with _registry_lock:
        if _registry is None or _registry.closed:
            _registry = engine.elsewhere() or Registry(limits.now().workers)
        return _registry


def close() -> None:
    """End the engine of this process, where there is one: its own runs are stopped and saved, a cluster's go on."""
    with _registry_lock:
        made = _registry
    if made is not None:
        made.close()


def running() -> Iterator[Job[Any]]:
    """The jobs at work or waiting now."""
    return (job for job in registry().all() if not job.ended)
