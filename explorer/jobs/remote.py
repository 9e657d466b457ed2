"""Jobs that run elsewhere, as this server's pages see them: mirrors, which one thread keeps up to date for everybody.

No page waits for the network: it reads a mirror, an ordinary :class:`~explorer.jobs.job.Job` with its history, and a
word for the job goes straight to its worker.
"""

import atexit
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from explorer.jobs import looks
from explorer.jobs.dispatch import MEANS
from explorer.jobs.engine import Known, QueueFull, beyond
from explorer.jobs.job import Job
from explorer.jobs.looks import Look, Seen
from explorer.jobs.orders import Order
from explorer.jobs.questions import Unanswered
from explorer.store.history import History
from explorer.store.words import ENDED, State

log = logging.getLogger(__name__)

R = TypeVar("R")

POLL = 0.5  # seconds between two looks at the workers, always: who comes from a server that died finds his run known
EAGER = 5  # looks in the time of one, after something was said
WATCHED = 10.0  # seconds from the last look of a page, in which a job counts as watched
SOON = 1.0  # seconds a page waits for a word to arrive; later it is said again from the background
ANSWER = 40.0  # seconds for an answer of a work
TAKEN = 100.0  # seconds for a job to be taken in, at most: a first worker may have to start for it
FIRST = 30.0  # seconds the first look waits for workers that are being started
LATE = 2.0  # seconds a look waits for workers that do not answer
LOST = 45.0  # seconds after which a job that no worker knows is given up here
WENT = "Its worker is gone, and no other has taken it up. Go on with it from what it left."
KEPT = 60  # ended jobs whose mirrors are kept


class Wire(Protocol):
    """The way to the workers and to the dispatcher."""

    def workers(self) -> Sequence[str]:
        """The workers' names."""

    def worker(self, name: str, what: str, *arguments: Any) -> "Future[Any]":
        """Call a method of a worker's :class:`~explorer.jobs.host.Host`."""

    def dispatcher(self, what: str, *arguments: Any) -> "Future[Any]":
        """Call a method of the :class:`~explorer.jobs.dispatch.Dispatcher`."""

    def close(self, timeout: float) -> None:
        """Let go of it; what this process has started ends with it."""


class RemoteJob(Job[R]):
    """A job that runs on a worker, mirrored here."""

    def __init__(self, engine: "Remote", order: Job[R], worker: str) -> None:
        self._engine: Remote | None = None  # while it is made
        super().__init__(
            order.kind, order.title, owner=order.owner, experiment=order.experiment, id=order.id, created=order.created
        )
        self._place, self.result, self.budget, self.attempt = order.place, order.result, order.budget, order.attempt
        self._engine, self.worker = engine, worker
        self._look, self._result = ("", 0), ""  # the last look, and the last result
        self.missed: float | None = None  # since when no worker knows it
        self._ahead: tuple[str, ...] = ()
        self._wait_left: float | None = None

    # -- what is known -----------------------------------------------------------------------------
    @property
    def place(self) -> str:
        """The page, or the section of one, that shows it; said to the worker, too, for other servers."""
        return self._place

    @place.setter
    def place(self, place: str) -> None:
        if self._engine is not None and place != self._place:
            self._engine.tell(self, "place", place)
        self._place = place

    @property
    def wait(self) -> float | None:
        """About how many seconds until it has its turn; None where that cannot be told."""
        return self._wait_left

    def before(self) -> list[Job[Any]]:
        """The jobs that run, or will, before this one."""
        found = [self._engine.find(other) for other in self._ahead] if self._engine else []
        return [job for job in found if job is not None]

    @property
    def watched(self) -> bool:
        """Whether a page looked at it lately."""
        return time.monotonic() - self.touched < WATCHED

    def touch(self) -> None:
        """Say that somebody is looking."""
        fresh = self.watched and self._look[1] > 0
        super().touch()
        if not fresh and self._engine is not None:
            self._engine.hurry()

    # -- what is said to it ------------------------------------------------------------------------
    def stop(self, why: str = "") -> None:
        """Ask it to end after the current step."""
        self._tell("stop", why)

    def pause(self) -> None:
        """Ask it to hold after the current step."""
        self._tell("pause")

    def resume(self, steps: int | None = None, until_epoch: bool = False) -> None:
        """Go on; for ``steps`` steps, or until the epoch ends, and then pause again."""
        self._tell("resume", steps, until_epoch)

    def change(self, name: str, value: float) -> None:
        """Change a live setting from the next step on."""
        self.live = {**self.live, name: value}
        self._tell("change", name, value)

    def ask(self, name: str) -> "Future[Any]":
        """Ask its work for something; see :meth:`Job.ask`. What comes is a copy, on this process's device."""
        assert self._engine is not None
        return self._engine.ask(self, name)

    def _tell(self, verb: str, *values: Any) -> None:
        if self._engine is not None and not self.ended:
            self._engine.tell(self, verb, *values)

    # -- what is seen of it ------------------------------------------------------------------------
    def seen(self) -> Seen:
        """How much of it is here."""
        snapshot = self.history.snapshot()
        sizes = len(snapshot), len(snapshot.epochs), len(snapshot.marks)
        return Seen(self.history.era, *sizes, self._result, self.watched)

    def take(self, look: Look, worker: str) -> None:
        """Become what a worker saw; an older look is passed over, and one at an ended job that had this id before."""
        if look.face.attempt != self.attempt and (not self.ended or look.state in ENDED):
            return
        if look.number[0] == self._look[0] and look.number <= self._look:
            return
        self.worker, self._look, self.missed, self.attempt = worker, look.number, None, look.face.attempt
        self._take_curve(look)
        self.progress, self.budget, self.began = look.progress, look.budget, look.began
        self.pace.seconds, self.pace.steps, self.pace.rate = look.pace
        self._place, self._ahead, self._wait_left = look.place, look.before, look.wait
        self.live = dict(look.live)
        before = (self.state, self.message, self.troubles, self.source)
        self.message, self.troubles, self.source = look.message, dict(look.troubles), look.source
        if look.result is not None:
            self.result, self._result = looks.unpacked(look.result), look.result_name
            self.version += 1
        self.state = look.state  # last: whoever sees that it has ended finds all there is
        if before != (self.state, self.message, self.troubles, self.source):
            self.version += 1

    def _take_curve(self, look: Look) -> None:
        if (curve := look.curve) is None:
            return
        history = self.history
        if history.era != curve.era:  # the first, or one that went on from a bookmark
            history = History(history.version + 1, curve.era)
        known = history.snapshot()
        if curve.start > len(known) or curve.first[0] > len(known.epochs) or curve.first[1] > len(known.marks):
            return  # the next look brings it all
        if len(new := curve.rows[len(known) - curve.start :]):
            history.extend(new)
        for row in curve.epochs[len(known.epochs) - curve.first[0] :]:
            history.end_epoch(row)
        for mark in curve.marks[len(known.marks) - curve.first[1] :]:
            history.mark(mark.step, mark.text)
        self.history = history


class Remote(Known):
    """The engine whose jobs run at the end of a wire."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.places = max(1, len(wire.workers()))
        self._mirrors: dict[str, RemoteJob[Any]] = {}
        self._lock = threading.RLock()
        self._unsaid: deque[tuple[RemoteJob[Any], str, tuple[Any, ...]]] = deque()
        self._asking = ThreadPoolExecutor(4, "ask")
        self._eager = 0  # looks that follow each other more quickly
        self._soon, self._closing = threading.Event(), threading.Event()
        self._poller = threading.Thread(target=self._poll, name="look-at-workers", daemon=True)
        self._round()
        self._poller.start()
        atexit.register(self.close)

    def submit(self, job: Job[R], instead_of: Job[Any] | None = None) -> Job[R]:
        """Have a job taken in by a worker; its mirror.

        Raises:
            QueueFull: no more jobs are taken just now. SettingsError: its work is no named call.
        """
        order = Order.of(job)
        ends = instead_of.id if instead_of and instead_of.owner == job.owner and not instead_of.ended else ""
        try:
            worker, why = self.wire.dispatcher("submit", order, ends).result(TAKEN)
        except Exception as error:
            log.warning("%s %s was not taken in: %r", job.kind, job.id, error)
            raise QueueFull("The workers do not answer. Start this again in a minute.") from error
        if why:
            raise QueueFull(why)
        mirror: RemoteJob[R] = RemoteJob(self, job, worker)
        with self._lock:
            if (known := self._mirrors.get(job.id)) is not None and known.attempt == mirror.attempt:
                mirror = known
            mirror.worker, self._mirrors[job.id] = worker, mirror
        self.hurry()
        return mirror

    def find(self, job_id: str) -> Job[Any] | None:
        """The mirror of the job with that id, if any worker knows it."""
        return self._mirrors.get(job_id)

    def all(self) -> list[Job[Any]]:
        """Every known job, oldest first."""
        with self._lock:
            return sorted(self._mirrors.values(), key=lambda job: job.created)

    def look(self, job_id: str, seen: Seen | None = None) -> Look | None:
        """A job at this moment, asked of its worker."""
        if (mirror := self._mirrors.get(job_id)) is None:
            return None
        report = self.wire.worker(mirror.worker, "look", {job_id: seen or Seen()}).result(FIRST)
        return next((look for look in report.looks if look.id == job_id), None)

    def close(self, timeout: float = 10.0) -> None:
        """Look no more. What runs on a cluster runs on; workers that this process started end with it."""
        if self.closed:
            return
        atexit.unregister(self.close)
        self._closing.set()
        self._soon.set()
        if threading.current_thread() is not self._poller:
            self._poller.join(timeout)
        self._asking.shutdown(wait=False, cancel_futures=True)
        self.wire.close(timeout)

    @property
    def closed(self) -> bool:
        """Whether nothing begins here any more."""
        return self._closing.is_set()

    # -- for mirrors -------------------------------------------------------------------------------
    def hurry(self) -> None:
        """Look at the workers now, and soon again: what was said shows after the step that is being done."""
        self._eager = EAGER
        self._soon.set()

    def tell(self, job: RemoteJob[Any], verb: str, *values: Any) -> None:
        """Say a word to a job; where its worker does not take it now, again with every look, until it does."""
        if verb in MEANS:  # its worker may die with it
            self.wire.dispatcher("said", job.id, verb)
        if self._unsaid or not self._say(job, verb, values):
            self._unsaid.append((job, verb, values))
        self.hurry()

    def _say(self, job: RemoteJob[Any], verb: str, values: tuple[Any, ...]) -> bool:
        worker = job.worker
        try:
            look = self.wire.worker(worker, "tell", job.id, verb, values).result(SOON)
        except Exception as error:
            log.info("%s could not be told to %s: %r", job.id, verb, error)
            return False
        if look is not None:  # else it is on its way to another worker
            with self._lock:
                job.take(look, worker)
        return look is not None

    def ask(self, job: RemoteJob[Any], name: str) -> "Future[Any]":
        """Ask a job's work for something, in the background."""

        def answer() -> Any:
            content, why = self.wire.worker(job.worker, "ask", job.id, name).result(ANSWER)
            if why:
                raise Unanswered(why)
            return looks.unpacked(content)

        return self._asking.submit(answer)

    # -- the thread that looks ---------------------------------------------------------------------
    def _poll(self) -> None:
        while not self._closing.is_set():
            self._soon.wait(POLL / EAGER if self._eager else POLL)
            self._eager = EAGER if self._soon.is_set() else max(0, self._eager - 1)
            self._soon.clear()
            try:
                self._round()
            except Exception:
                if not self._closing.is_set():
                    log.exception("the workers could not be looked at")
                    self._closing.wait(POLL)

    def _round(self) -> None:
        """One look at every worker, all at the same time; a worker that does not answer is as it was."""
        seen = {job.id: job.seen() for job in list(self._mirrors.values()) if job.watched or not job.ended}
        asked = {name: self.wire.worker(name, "look", seen) for name in self.wire.workers()}
        found: set[str] = set()
        end = time.monotonic() + (LATE if self._poller.is_alive() else FIRST)  # for all of them, however many are gone
        for name, future in asked.items():
            with contextlib.suppress(Exception):  # it is being started again
                found |= self._take(name, future.result(max(0.0, end - time.monotonic())).looks)
        self._miss(found)
        for _ in range(len(self._unsaid)):
            job, verb, values = self._unsaid[0]
            if not job.ended and not self._say(job, verb, values):
                break
            self._unsaid.popleft()

    def _take(self, name: str, seen: Sequence[Look]) -> set[str]:
        with self._lock:
            for look in seen:
                mirror = self._mirrors.get(look.id)
                if mirror is None:
                    mirror = self._mirrors[look.id] = _mirror(self, look, name)
                mirror.take(look, name)
        return {look.id for look in seen}

    def _miss(self, found: set[str]) -> None:
        """What no worker knows has ended long ago, or is lost; of ended ones the last few are kept."""
        now = time.monotonic()
        with self._lock:
            gone = [job for job in self._mirrors.values() if job.id not in found]
            for job in gone:
                job.missed = job.missed or now
                if not job.ended and now - job.missed > LOST:
                    job.state, job.message, job.version = State.STOPPED, WENT, job.version + 1
            ended = sorted((job for job in gone if job.ended), key=lambda job: job.created)
            for job in beyond(ended, KEPT):
                del self._mirrors[job.id]


def _mirror(engine: Remote, look: Look, worker: str) -> RemoteJob[Any]:
    face = look.face
    job: Job[Any] = Job(face.kind, face.title, owner=face.owner, experiment=face.experiment, place=look.place)
    job.id, job.created, job.attempt = look.id, face.created, face.attempt
    mirror = RemoteJob(engine, job, worker)
    mirror.touched -= WATCHED  # nobody here has looked at it yet
    return mirror
