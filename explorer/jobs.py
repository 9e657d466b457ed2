"""Background work for the whole server: one registry, a queue, a few worker threads.

A job's work runs in a worker thread and never touches Streamlit. Pages read its history and send it messages
(stop, pause, a new rate), which it picks up between two steps.
"""

import atexit
import contextlib
import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from explorer.errors import ExplorerError
from explorer.history import History

if TYPE_CHECKING:
    from explorer.experiment import Experiment

log = logging.getLogger(__name__)

QUEUED, RUNNING, PAUSED, STOPPING = "queued", "running", "paused", "stopping"
DONE, STOPPED, FAILED, DIVERGED = "done", "stopped", "failed", "diverged"
ENDED = frozenset({DONE, STOPPED, FAILED, DIVERGED})

LEASE = 900.0  # seconds without a page looking on before a session's run is stopped
NOBODY_LOOKING = "Stopped because nobody was looking any more."
GONE = "This has ended; what it left is on disk."
KEPT = 60  # ended jobs the registry remembers; older ones are read from the store


class Stopped(Exception):
    """Raised between two steps of a job that was asked to stop."""


class Diverged(ExplorerError):
    """Raised when the loss is no longer a number, or has exploded. The message says what to try."""


class Unanswered(ExplorerError):
    """What was asked of a job cannot be answered any more, or this job's work does not know it."""


@dataclass(eq=False)
class Job:
    """One piece of background work and everything a page may ask of it.

    ``work(job)`` does it: it calls :meth:`between_steps` often, fills ``history`` and may leave things for
    the page in ``results``.
    """

    kind: str  #: "train", "lr-find", "race", …
    title: str
    work: Callable[["Job"], None]
    owner: str = ""  #: the browser session's token; empty for the terminal, which needs no lease
    experiment: "Experiment | None" = None
    id: str = field(default_factory=lambda: secrets.token_hex(4))
    state: str = QUEUED
    message: str = ""  #: why it failed, or what to try
    history: History = field(default_factory=History)
    results: dict[str, Any] = field(default_factory=dict)
    progress: float = 0.0  #: share done, in [0, 1]
    rate: float = 0.0  #: steps a second, lately
    created: float = field(default_factory=time.time)
    version: int = 0  #: grows when state, message or results change
    run_seconds: float = 0.0  #: time spent running, pauses left out
    budget: int | None = None  #: steps left before it pauses by itself
    slots: "Slots | None" = None  #: where its place to run comes from; None in the terminal
    has_place: bool = False  #: whether it holds one of the slots now
    before_hold: Callable[[], None] | None = None  #: called by the work's thread before it pauses
    answers: dict[str, Callable[[], Any]] = field(default_factory=dict)  #: set by the work: what one may ask of it

    def __post_init__(self) -> None:
        self._wake = threading.Condition()
        self._changes: list[tuple[str, float]] = []
        self._questions: list[tuple[str, Future[Any]]] = []
        self._stop = self._pause = self._until_epoch = self._began = False
        self._seen = self._tick = time.monotonic()
        self._rate_mark = (time.monotonic(), 0)
        self._steps = 0

    # -- asked by pages ----------------------------------------------------------------------------
    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED

    @property
    def eta(self) -> float | None:
        """Seconds to the end at the pace so far; None before there is a pace."""
        if self.state not in (RUNNING, PAUSED) or self.progress < 0.005 or self.run_seconds < 0.3:
            return None
        return self.run_seconds * (1 - self.progress) / self.progress

    @property
    def stamp(self) -> tuple[int, int]:
        """Changes whenever there is something new to draw. Read it before what is drawn, which may change meanwhile."""
        return self.version, self.history.version

    def touch(self) -> None:
        """Say that somebody is looking; a session's job whose page is gone for long stops by itself."""
        self._seen = time.monotonic()

    def stop(self) -> None:
        """Ask it to end after the current step."""
        with self._wake:
            self._stop = True
            # A job that has not begun has nothing to wind up.
            self._set_state(STOPPED if self.state == QUEUED and not self._began else STOPPING)
            self._wake.notify_all()
        if self.ended:
            self._answer()
        if self.slots:
            self.slots.wake()

    def pause(self) -> None:
        """Ask it to hold after the current step."""
        with self._wake:
            self._pause = True

    def resume(self, steps: int | None = None, until_epoch: bool = False) -> None:
        """Go on; for ``steps`` steps, or until the epoch ends, and then pause again."""
        with self._wake:
            self._pause, self.budget, self._until_epoch = False, steps, until_epoch
            self._wake.notify_all()

    def change(self, name: str, value: float) -> None:
        """Change a live setting (``lr``, ``dropout``, ``clip``, ``weight_decay``) from the next step on."""
        with self._wake:
            self._changes.append((name, value))

    def ask(self, name: str) -> "Future[Any]":
        """Ask the work for something only its own thread may touch, such as the weights it is changing.

        It is answered between two steps, or while the job holds: wait with ``result(timeout)``. The future fails
        with :class:`Unanswered` when the job ends first, or its work has no such answer. A job that has not begun
        answers once it has.
        """
        question: Future[Any] = Future()
        with self._wake:
            if not self.ended:
                self._questions.append((name, question))
                self._wake.notify_all()
                return question
        question.set_exception(Unanswered(GONE))
        return question

    # -- called by the work, in its own thread -------------------------------------------------------
    def between_steps(self, progress: float, epoch_ended: bool = False) -> list[tuple[str, float]]:
        """Follow what was asked; the live changes to make. Call it after every step.

        Raises:
            Stopped: the job was asked to stop.
        """
        now = time.monotonic()
        self.run_seconds += now - self._tick
        self._tick = now
        self.progress = progress
        with self._wake:  # a page may be changing the budget just now
            if not epoch_ended:
                self._count_step(now)
            if self.budget == 0 or (epoch_ended and self._until_epoch):
                self._pause, self.budget, self._until_epoch = True, None, False
        if self._questions:
            self._answer()
        if self._pause and not self._stop and progress < 1:  # at the end there is nothing to hold back
            self._hold()
        if self.owner and now - self._seen > LEASE:
            self.message = NOBODY_LOOKING
            raise Stopped
        if self._stop:
            raise Stopped
        if not self._changes:
            return []
        with self._wake:
            changes, self._changes = self._changes, []
        return changes

    def _count_step(self, now: float) -> None:
        self._steps += 1
        if self.budget is not None:
            self.budget -= 1
        since, steps = self._rate_mark
        if now - since > 1.0:
            self.rate = (self._steps - steps) / (now - since)
            self._rate_mark = (now, self._steps)

    def ready(self) -> None:
        """Call before the first step: holds here a job that was submitted paused."""
        if self.budget == 0:
            self._pause, self.budget = True, None
            self._hold()
        if self._stop:
            raise Stopped

    def _hold(self) -> None:
        """Wait, without a place to run in, until resumed or stopped.

        A job that is stopped does not wait for a place again: what it has left to do is to save.
        """
        if self.before_hold:
            self.before_hold()
        with self._wake:
            self._set_state(STOPPING if self._stop else PAUSED)
        if self.slots and self.has_place:
            self.has_place = False
            self.slots.release()
        while self._pause and not self._stop:
            self._answer()
            with self._wake:
                if self._pause and not (self._stop or self._questions):
                    self._wake.wait(timeout=1.0)
                if self.owner and time.monotonic() - self._seen > LEASE:
                    self._stop, self.message = True, NOBODY_LOOKING
        with self._wake:
            self._set_state(STOPPING if self._stop else QUEUED if self.slots else RUNNING)
        if self.slots and not self._stop:
            self.has_place = self.slots.acquire(lambda: self._stop)
        self._tick = time.monotonic()
        self._rate_mark = (self._tick, self._steps)
        with self._wake:
            self._set_state(STOPPING if self._stop else RUNNING)

    def _answer(self) -> None:
        """Answer what was asked: here nobody else touches what the work holds."""
        with self._wake:
            questions, self._questions = self._questions, []
        for name, question in questions:
            if not question.set_running_or_notify_cancel():
                continue  # whoever asked has given up
            try:
                if self.ended:
                    raise Unanswered(GONE)
                if name not in self.answers:
                    raise Unanswered(f"This {self.kind} has no {name} to hand out.")
                question.set_result(self.answers[name]())
            except Exception as error:
                question.set_exception(error)

    def publish(self, **results: Any) -> None:
        """Leave results for the page."""
        with self._wake:
            self.results = {**self.results, **results}
            self.version += 1

    def _set_state(self, state: str, message: str = "") -> None:
        with self._wake:
            if self.ended:  # a stop that comes too late must not wake the dead
                return
            self.state, self.message = state, message or self.message
            self.version += 1

    def run(self) -> None:
        """Do the work in this thread and settle how it ended; never raises."""
        try:
            self._run()
        finally:
            self.answers = {}  # lets go of what they answered from
            self._answer()

    def _run(self) -> None:
        with self._wake:
            if self._stop:
                self._set_state(STOPPED)
                return
            self._began = True
            self._set_state(RUNNING)
        self._tick = time.monotonic()
        self._rate_mark = (self._tick, 0)
        try:
            self.work(self)
            self.progress = 1.0
            self._set_state(DONE)
        except Stopped:
            self._set_state(STOPPED)
        except Diverged as outcome:
            self._set_state(DIVERGED, str(outcome))
        except ExplorerError as error:
            log.warning("%s %s: %s (%s)", self.kind, self.id, error, error.detail)
            self._set_state(FAILED, str(error))
        except Exception as error:
            log.exception("%s %s failed", self.kind, self.id)
            self._set_state(FAILED, explain(error))


def explain(error: Exception) -> str:
    """A sentence for a page about an error nobody foresaw."""
    if type(error).__name__ == "OutOfMemoryError" or "out of memory" in str(error):
        return "The device ran out of memory. Use a smaller batch, a smaller model, or a shorter bptt."
    return f"Something went wrong ({type(error).__name__}: {error}). The server's log has the details."


class Slots:
    """A fixed number of places to run in, given out strictly in the order they were asked for."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    def acquire(self, gives_up: Callable[[], bool]) -> bool:
        """Wait for a place; False, without one, when ``gives_up()`` turns true first."""
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            while not (self._free and self._waiting[0] is ticket):
                if gives_up():
                    self._waiting.remove(ticket)
                    self._changed.notify_all()
                    return False
                self._changed.wait(timeout=0.5)
            self._waiting.popleft()
            self._free -= 1
            self._changed.notify_all()
            return True

    def release(self) -> None:
        """Give the place back."""
        with self._changed:
            self._free += 1
            self._changed.notify_all()

    def wake(self) -> None:
        """Let everyone waiting ask again whether to give up."""
        with self._changed:
            self._changed.notify_all()


class Registry:
    """The queue and the jobs of this process: a thread a job, of which ``workers`` run at a time.

    A paused job gives its place to the next in the queue and waits for one again when it is resumed, so that
    nobody's pause holds up a class.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self._slots = Slots(workers)
        self._jobs: dict[str, Job] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()
        self.closed = False
        # A daemon thread inside torch at exit aborts the process; stop it and wait.
        atexit.register(self.close)

    def submit(self, job: Job) -> Job:
        """Queue a job; the same owner's earlier jobs are stopped first."""
        job.slots = self._slots
        thread = threading.Thread(target=self._run, args=(job,), name=f"job-{job.id}", daemon=True)
        with self._lock:
            for other in self._jobs.values():
                if job.owner and other.owner == job.owner and not other.ended:
                    other.stop()
            self._forget_oldest()
            self._jobs[job.id] = job
            self._threads[job.id] = thread
            thread.start()
        return job

    def find(self, job_id: str) -> Job | None:
        """The job with that id, if this process still knows it."""
        return self._jobs.get(job_id)

    def latest(self, owner: str, kind: str) -> Job | None:
        """The owner's newest job of a kind."""
        mine = [job for job in self.all() if job.owner == owner and job.kind == kind]
        return mine[-1] if mine else None

    def all(self) -> list[Job]:
        """Every known job, oldest first."""
        with self._lock:
            return list(self._jobs.values())

    def ahead_of(self, job: Job) -> int:
        """How many jobs will run before this queued one."""
        if job.state != QUEUED:
            return 0
        jobs = self.all()
        waiting = sum(other.state == QUEUED for other in jobs[: jobs.index(job)])
        return waiting + sum(other.state in (RUNNING, STOPPING) for other in jobs)

    def close(self, timeout: float = 10.0) -> None:
        """Stop everything and wait for it to end."""
        self.closed = True
        for job in self.all():
            if not job.ended:
                job.stop()
        for thread in list(self._threads.values()):
            thread.join(timeout)

    def _forget_oldest(self) -> None:
        ended = [job.id for job in self._jobs.values() if job.ended]
        for job_id in ended[: max(0, len(ended) - KEPT)]:
            del self._jobs[job_id]

    def _run(self, job: Job) -> None:
        job.has_place = self._slots.acquire(lambda: job.ended)
        if job.has_place:
            try:
                _share_cores(self.workers)
                job.run()
            finally:
                if job.has_place:  # a job that was stopped while it paused gave its place back already
                    job.has_place = False
                    self._slots.release()
        job.work = _nothing  # lets go of what the work held: its model, its data
        self._threads.pop(job.id, None)


def _nothing(job: Job) -> None:
    """What an ended job has left to do."""


def _share_cores(workers: int) -> None:
    """Give this job its share of the cores: torch's thread count belongs to the calling thread.

    More threads than cores makes small models many times slower, so ``OMP_NUM_THREADS`` is respected.
    """
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(ValueError):
        cores = min(cores, int(os.environ.get("OMP_NUM_THREADS", cores)))
    torch.set_num_threads(max(1, cores // workers))


_registry: Registry | None = None
_registry_lock = threading.Lock()


def registry() -> Registry:
    """The one registry of this process; ``EXPLORER_WORKERS`` (1 by default) sets its workers."""
    global _registry
    with _registry_lock:
        if _registry is None or _registry.closed:
            workers = 1
            with contextlib.suppress(ValueError):
                workers = max(1, int(os.environ.get("EXPLORER_WORKERS", "1")))
            _registry = Registry(workers)
        return _registry


def running() -> Iterator[Job]:
    """The jobs at work or waiting now."""
    return (job for job in registry().all() if not job.ended)
