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
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from explorer.errors import ExplorerError
from explorer.runs.history import History
from explorer.runs.lane import Lane

if TYPE_CHECKING:
    from explorer.experiment import Experiment

log = logging.getLogger(__name__)

QUEUED, RUNNING, PAUSED, STOPPING = "queued", "running", "paused", "stopping"
DONE, STOPPED, FAILED, DIVERGED = "done", "stopped", "failed", "diverged"
ENDED = frozenset({DONE, STOPPED, FAILED, DIVERGED})

LEASE = 900.0  # seconds without a page looking on before a session's run is stopped
NOBODY_LOOKING = "Stopped because nobody was looking any more."
GONE = "This has ended; what it left is on disk."
REPLACED = "Stopped because you started it again."
KEPT = 60  # ended jobs the registry remembers; older ones are read from the store
KEPT_BODIES = 4  # of these with a whole photo network as their result, 85 MB each
MOST = 200  # jobs that may run, pause or wait at once: each may hold a model and a thread
EACH = 6  # and of one owner
LONG = frozenset({"train", "race", "map", "unfreeze"})  # kinds that train for minutes; all others run beside
RETRY = 5.0  # seconds between two tries to finish what an ended job could not
GIVE_UP = 6 * 3600.0  # seconds after which it is not tried any more
BESIDE = 1  # how many short jobs run beside


class Stopped(Exception):
    """Raised between two steps of a job that was asked to stop."""


class Diverged(ExplorerError):
    """Raised when the loss is no longer a number, or has exploded. The message says what to try."""


class QueueFull(ExplorerError):
    """No more jobs are taken just now."""


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
    live: dict[str, float] = field(default_factory=dict)  #: live settings changed since it began, as last asked for
    progress: float = 0.0  #: share done, in [0, 1]
    rate: float = 0.0  #: steps a second, lately
    created: float = field(default_factory=time.time)
    version: int = 0  #: grows when state, message or results change
    run_seconds: float = 0.0  #: time spent running, pauses left out
    budget: int | None = None  #: steps left before it pauses by itself
    lane: "Lane[Job] | None" = None  #: where its place to run comes from; None in the terminal
    has_place: bool = False  #: whether it holds a place of the lane now
    on_queued: Callable[[], None] | None = None  #: called once it has been taken into the queue
    on_unbegun: Callable[[], None] | None = None  #: called when it ends without having begun
    unfinished: Callable[[], bool] | None = None  #: what its end left to do (a full disk); tried until it says True
    before_hold: Callable[[], None] | None = None  #: called by the work's thread before it pauses
    answers: dict[str, Callable[[], Any]] = field(default_factory=dict)  #: set by the work: what one may ask of it

    def __post_init__(self) -> None:
        self._wake = threading.Condition()
        self._changes: list[tuple[str, float]] = []
        self._questions: list[tuple[str, Future[Any]]] = []
        self.began = False  # whether its work has, in a thread of its own
        self._stop = self._pause = self._until_epoch = False
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

    @property
    def forgotten(self) -> bool:
        """Whether the page of a session's job has been gone for long."""
        return bool(self.owner) and time.monotonic() - self._seen > LEASE

    def before(self) -> "list[Job]":
        """The jobs that run, or will, before this one; none if it does not wait for a place."""
        return self.lane.before(self) if self.lane else []

    def waits_for(self) -> str:
        """What a queued job waits for, in a sentence for its owner."""
        ahead = self.before()
        if ahead and self.owner and all(other.owner == self.owner for other in ahead):
            titles = " and ".join(dict.fromkeys(other.title for other in ahead))
            return f"Waits for a run of your own: {titles}. Pause or stop that one to let this go first."
        return f"{len(ahead)} ahead of you in the queue"

    def stop(self, why: str = "") -> None:
        """Ask it to end after the current step; one that has not begun ends at once, having nothing to wind up."""
        with self._wake:
            if self.ended:
                return
            self._stop = True
            if self.began:
                self._set_state(STOPPING, why)
                self._wake.notify_all()
                return
        self.end_unbegun(STOPPED, why)

    def end_unbegun(self, state: str, why: str = "") -> None:
        """End a job whose work has not begun and will not."""
        with self._wake:
            if self.ended or self.began:
                return
            self._stop = True
            self._set_state(state, why)
        if self.lane:
            self.lane.leave(self)
        self.work = _nothing
        self._answer()
        if self.on_unbegun:
            self.on_unbegun()

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
            self.live = {**self.live, name: value}

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
        if self.forgotten:
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
        with self._wake:  # a page may be resuming it just now
            if self.budget == 0:
                self._pause, self.budget = True, None
        if self._pause:
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
        self.leave_place()
        self._wait(lambda: self._stop or not self._pause)
        with self._wake:
            self._set_state(STOPPING if self._stop else QUEUED if self.lane else RUNNING)
        if not self._stop:
            self._wait_for_place()
        self._tick = time.monotonic()
        self._rate_mark = (self._tick, self._steps)
        with self._wake:
            self._set_state(STOPPING if self._stop else RUNNING)

    def leave_place(self) -> None:
        """Give the place to run in back, if it has one."""
        if self.lane and self.has_place:
            self.has_place = False
            self.lane.release(self)

    def _wait_for_place(self) -> None:
        """Until there is one, or it is stopped."""
        if self.lane is None:
            return
        self.lane.ask(self, self._take_place)
        self._wait(lambda: self._stop or self.has_place)
        if not self.has_place and not self.lane.leave(self):  # stopped, but a place is on its way
            self._wait(lambda: self.has_place)

    def _take_place(self) -> bool:
        with self._wake:
            self.has_place = True
            self._wake.notify_all()
        return True

    def _wait(self, until: Callable[[], bool]) -> None:
        """Sleep until something is so, answering meanwhile; one nobody looks at is stopped."""
        while True:
            self._answer()
            with self._wake:
                if until():
                    return
                if not self._questions:
                    self._wake.wait(timeout=1.0)
                if self.forgotten and not self._stop:
                    self._stop, self.message = True, NOBODY_LOOKING

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
            if self.ended:  # stopped just as its thread began
                return
            self.began = True
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


def out_of_memory(error: Exception) -> bool:
    """Whether it says so, in the words of CUDA, of the CPU's allocator (two versions) or of cuBLAS."""
    words = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)


def explain(error: Exception) -> str:
    """A sentence for a page about an error nobody foresaw."""
    if out_of_memory(error):
        return "The device ran out of memory. Use a smaller batch, a smaller model, or a shorter bptt."
    return f"Something went wrong ({type(error).__name__}: {error}). The server's log has the details."


class Registry:
    """The queue and the jobs of this process.

    Jobs that train run in one lane, ``workers`` at a time; short ones run beside them in a lane of their own, so
    that a measurement of twenty seconds waits for no training, and ends none. A thread begins when its job's place
    is there. A paused job gives its place to the next in the queue and waits for one again when it is resumed, so
    that nobody's pause holds up a class.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self._training: Lane[Job] = Lane(workers)
        self._beside: Lane[Job] = Lane(BESIDE)
        self._jobs: dict[str, Job] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()
        self._unfinished: dict[Job, float] = {}  # ended jobs with something left to do, and until when it is tried
        self._finishing: threading.Thread | None = None
        self._closing = threading.Event()
        # A daemon thread inside torch at exit aborts the process; stop it and wait.
        atexit.register(self.close)

    def submit(self, job: Job, instead_of: Job | None = None) -> Job:
        """Queue a job. Nothing else is stopped for it but ``instead_of``, an earlier job of the same owner.

        Raises:
            QueueFull: the server, or its owner, has as many jobs as it may; nothing has changed.
        """
        if instead_of is not None and instead_of.owner != job.owner:
            instead_of = None
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
        """How many jobs hold a place or wait for one before this queued one."""
        return len(job.before())

    def close(self, timeout: float = 10.0) -> None:
        """Stop everything and wait for it to end."""
        self._closing.set()
        for job in self.all():
            if not job.ended:
                job.stop()
        for thread in list(self._threads.values()):
            thread.join(timeout)
        if self._finishing:
            self._finishing.join(timeout)
        for job in list(self._unfinished):
            self._try_to_finish(job)

    @property
    def closed(self) -> bool:
        """Whether nothing begins here any more."""
        return self._closing.is_set()

    def _finish_later(self, job: Job) -> None:
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

    def _try_to_finish(self, job: Job) -> None:
        try:
            done = job.unfinished is None or job.unfinished()
        except Exception:
            log.exception("%s %s could not be finished", job.kind, job.id)
            done = True
        if done or time.monotonic() > self._unfinished.get(job, 0.0):
            self._unfinished.pop(job, None)

    def _check_room(self, job: Job, instead_of: Job | None) -> None:
        alive = [j for j in self._jobs.values() if not (j.ended or j.state == STOPPING or j is instead_of)]
        if job.owner and sum(other.owner == job.owner for other in alive) >= EACH:
            raise QueueFull(
                f"{EACH} jobs of yours run, pause or wait already. Stop one, or let it end, and start this again."
            )
        if len(alive) >= MOST:
            raise QueueFull(f"This server has as many jobs as it takes ({MOST}). Start this again in a few minutes.")

    def _stop_the_forgotten(self) -> None:
        """Stop what waits to begin and whose page is gone: it has no thread to see that by itself."""
        for job in self.all():
            if job.state == QUEUED and job.forgotten:
                job.stop(NOBODY_LOOKING)

    def _forget_oldest(self) -> None:
        """Of the ended jobs keep the last few; one that never began has nothing to show and goes first."""
        ended = sorted((job for job in self._jobs.values() if job.ended), key=lambda job: job.began)
        bodies = [job for job in ended if job.kind == "unfreeze"]
        for job in {*ended[: max(0, len(ended) - KEPT)], *bodies[: max(0, len(bodies) - KEPT_BODIES)]}:
            del self._jobs[job.id]

    def _begin(self, job: Job) -> bool:
        """Start the thread of a job that has just been given a place; False if it does not need it after all."""
        if self.closed:
            job.end_unbegun(STOPPED)
        if job.ended:
            return False
        thread = threading.Thread(target=self._run, args=(job,), name=f"job-{job.id}", daemon=True)
        self._threads[job.id] = thread
        job.has_place = True
        try:
            thread.start()
        except RuntimeError as error:  # the system has no thread left
            log.warning("%s %s: %s", job.kind, job.id, error)
            del self._threads[job.id]
            job.has_place = False
            job.end_unbegun(FAILED, "This server has no room to begin this just now. Start it again in a minute.")
            return False
        return True

    def _run(self, job: Job) -> None:
        try:
            _share_cores(self.workers if job.lane is self._training else self.workers + BESIDE)
            job.run()
        except Exception as error:  # torch cannot be loaded
            log.exception("%s %s could not begin", job.kind, job.id)
            job.end_unbegun(FAILED, explain(error))
        finally:
            job.work = _nothing  # lets go of what the work held: its model, its data
            if job.unfinished:
                self._finish_later(job)
            self._threads.pop(job.id, None)
            job.leave_place()


def _nothing(job: Job) -> None:
    """What an ended job has left to do."""


def _share_cores(parts: int) -> None:
    """Give this job its part of the cores: torch's thread count belongs to the calling thread.

    More threads than cores makes small models many times slower, so ``OMP_NUM_THREADS`` is respected.
    """
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(ValueError):
        cores = min(cores, int(os.environ.get("OMP_NUM_THREADS", cores)))
    torch.set_num_threads(max(1, cores // parts))


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
