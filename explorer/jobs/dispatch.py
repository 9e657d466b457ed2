"""Which worker a job goes to, and what becomes of the jobs of a worker that dies.

All jobs of an owner at a time go to one worker, whose queue lets one of them run at once and gives owners their turns:
so a sweep of three hundred keeps nobody waiting for more than the run before theirs, on one worker or on fifty. A
worker that has nothing to do is given what waits for its first turn elsewhere: another owner's run, else a cell of a
sweep. A killed worker's runs go on, on another one, from the bookmarks they left; but not for ever, as it may be they
that kill it.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from explorer import limits
from explorer.jobs.host import Standing
from explorer.jobs.orders import Order
from explorer.store.words import ENDED, REPLACED, State

log = logging.getLogger(__name__)

WATCH = 0.5  # seconds between two looks at the workers
SILENT = 30.0  # seconds without an answer after which a worker counts as dead
STARTING = 30.0  # seconds a first job waits for a first worker
MEANS = {"stop": State.STOPPING, "pause": State.PAUSED, "resume": State.RUNNING}  # what a word leaves a job in
MOVES = 2  # times a job goes on on another worker
GAVE_UP = (
    "The worker that ran this ended {times} times while it did: it may need more memory than a worker has. "
    "Make it smaller, or go on from what it left."
)
NO_WORKER = "No worker answers just now. Start this again in a minute."


class Worker(Protocol):
    """The way to one worker's :class:`~explorer.jobs.host.Host`; every method may fail while it is started again."""

    def submit(self, order: Order, instead_of: str) -> tuple[str, str]:
        """See there."""

    def bury(self, order: Order, why: str) -> None:
        """See there."""

    def withdraw(self, job_id: str) -> bool:
        """See there."""

    def tell(self, job_id: str, verb: str, values: tuple[object, ...]) -> object:
        """See there."""

    def standing(self) -> Standing:
        """See there."""

    def orders(self) -> list[Order]:
        """See there."""


@dataclass(eq=False)
class Given:
    """A job, and who has it."""

    order: Order
    worker: str
    boot: str = ""  #: of the worker's process that took it; "" until one has
    state: State = State.QUEUED
    began: bool = False
    place: str = ""  #: where it is shown
    said: float = 0.0  #: when it was last told to hold, go on or end
    since: float = field(default_factory=time.monotonic)


class Dispatcher:
    """The one of a cluster.

    Args:
        workers: the way to each, by name. What they have at work is learnt from them: it may have been started again.
    """

    def __init__(self, workers: Mapping[str, Worker]) -> None:
        self.workers = dict(workers)
        self._given: dict[str, Given] = {}
        self._answered = dict.fromkeys(self.workers, time.monotonic())
        self._up: dict[str, str] = {}  # the workers that answer, and which process each is
        self._lock, self._ready = threading.RLock(), threading.Event()
        self._learn()

    def names(self) -> Sequence[str]:
        """The workers' names."""
        return tuple(self.workers)

    def submit(self, order: Order, instead_of: str = "") -> tuple[str, str]:
        """Give a job to a worker: which one, and why not, where none takes it."""
        self._ready.wait(STARTING)
        with self._lock:
            if why := self._full(order, instead_of):
                return "", why
            before = self._given.get(instead_of)
            worker = self._choose(order)
            if worker is None:
                return "", NO_WORKER
            given = self._given[order.id] = Given(order, worker)
        if before is not None and before.worker != worker:
            with contextlib.suppress(Exception):  # gone with its worker
                self.workers[before.worker].tell(instead_of, "stop", (REPLACED,))
        why = self._give(given, instead_of)
        if why:
            with self._lock:
                self._given.pop(order.id, None)
        return worker, why

    def said(self, job_id: str, verb: str) -> None:
        """Note what a job was told: its worker may die before it is looked at again."""
        with self._lock:
            given = self._given.get(job_id)
            if given is not None and verb in MEANS:
                given.state, given.said = MEANS[verb], time.monotonic()

    def watch(self) -> None:
        """One look at every worker: who lives, what has ended; what was lost goes on, what waits may move."""
        for name, worker in self.workers.items():
            asked = time.monotonic()
            try:
                standing = worker.standing()
            except Exception as error:
                if self._up.pop(name, None):
                    log.warning("%s does not answer: %r", name, error)
                standing = None
            with self._lock:
                lost = self._note(name, standing, asked)
            for given in lost:
                self._move(given)
        self._level()

    # -- giving ------------------------------------------------------------------------------------
    def _full(self, order: Order, instead_of: str) -> str:
        """Why no job is taken in, as the limits say."""
        alive = [g.order for g in self._given.values() if g.state != State.STOPPING and g.order.id != instead_of]
        return limits.full(order.owner, [other.owner for other in alive])

    def _choose(self, order: Order, but: str = "") -> str | None:
        """The worker that has the owner's other jobs, else the one with the fewest owners; None if none answers."""
        up = [name for name in self.workers if name in self._up and name != but] or list(self._up)
        if not up:
            return None
        mine = [g.worker for g in self._given.values() if g.order.owner == order.owner and order.owner]
        if there := [name for name in mine if name in up]:
            return there[0]
        return min(up, key=lambda name: len({_whose(g.order) for g in self._given.values() if g.worker == name}))

    def _give(self, given: Given, instead_of: str = "") -> str:
        """Hand a job to its worker; why not, where that refuses it or does not answer."""
        try:
            given.boot, why = self.workers[given.worker].submit(given.order, instead_of)
        except Exception as error:
            log.warning("%s did not take %s: %r", given.worker, given.order.id, error)
            return NO_WORKER
        return why

    # -- watching ----------------------------------------------------------------------------------
    def _learn(self) -> None:
        """What the workers have at work already."""
        for name, worker in self.workers.items():
            with contextlib.suppress(Exception):  # it is being started
                orders, standing = worker.orders(), worker.standing()
                self._stands(name, standing)
                for order in orders:
                    self._given[order.id] = Given(order, name, standing.boot)

    def _stands(self, name: str, standing: Standing) -> None:
        self._answered[name], self._up[name] = time.monotonic(), standing.boot
        self._ready.set()

    def _note(self, name: str, standing: Standing | None, asked: float) -> list[Given]:
        """Write down how a worker stood when it was asked; the jobs that it had and has not any more."""
        now, mine = time.monotonic(), [given for given in self._given.values() if given.worker == name]
        if standing is None:
            if now - self._answered[name] < SILENT:
                return []
            return [given for given in mine if given.boot]
        self._stands(name, standing)
        lost = []
        for given in mine:
            found = standing.jobs.get(given.order.attempt)
            if found is not None:
                state, given.began, given.place = found
                if given.said < asked or state in ENDED:  # else it may not have heard yet
                    given.state = state
                if state in ENDED:
                    del self._given[given.order.id]
            elif given.boot and given.boot != standing.boot:
                lost.append(given)
            elif given.boot and now - given.since > SILENT:  # it has ended, and was forgotten
                del self._given[given.order.id]
        return lost

    def _move(self, given: Given) -> None:
        """Have a job go on elsewhere, after the worker that ran it has died."""
        order, old = given.order, given.worker
        given.boot = ""
        if given.state == State.STOPPING or given.order.moved >= MOVES:
            why = "" if given.state == State.STOPPING else GAVE_UP.format(times=given.order.moved + 1)
            self._bury(given, why)
            return
        with self._lock:
            worker = self._choose(order, but=old) if given.began else self._choose(order)
        if worker is None:
            given.boot = "lost"  # with the next look
            return
        renewed = Given(order.again(given.state == State.PAUSED, given.place) if given.began else order, worker)
        if self._give(renewed):
            given.boot = "lost"
            return
        with self._lock:
            self._given[order.id] = renewed
        log.warning("%s goes on on %s: %s is gone", order.id, worker, old)

    def _bury(self, given: Given, why: str) -> None:
        for name in self._up:
            with contextlib.suppress(Exception):
                self.workers[name].bury(given.order, why or "Stopped; its worker ended first.")
                break
        with self._lock:
            self._given.pop(given.order.id, None)

    def _level(self) -> None:
        """Give a worker without a job what waits elsewhere for its first turn: behind another owner's, else a cell."""
        with self._lock:
            at_work = {given.worker for given in self._given.values()}
            idle = [name for name in self._up if name not in at_work]
            begun = {_whose(given.order) for given in self._given.values() if given.began}
            waiting = [
                given for given in self._given.values() if not given.began and given.boot == self._up.get(given.worker)
            ]
        for name in idle:
            behind = (one for one in waiting if _whose(one.order) not in begun and self._crowded(one))
            given = next(behind, None) or next((one for one in waiting if one.order.spare), None)
            if given is None:
                return
            waiting.remove(given)
            with contextlib.suppress(Exception):
                if self.workers[given.worker].withdraw(given.order.id):
                    given.worker, given.boot, given.since = name, "", time.monotonic()
                    if self._give(given):
                        given.boot = "lost"

    def _crowded(self, given: Given) -> bool:
        """Whether another owner has a job where this one waits."""
        with self._lock:
            there = {_whose(other.order) for other in self._given.values() if other.worker == given.worker}
        return len(there) > 1


def _whose(order: Order) -> str:
    return order.owner or order.id
