"""A sweep whose cells are ordinary jobs of the engine: as many at once as there are places, the others one by one.

A cell is queued when one before it has ended, so that the sweep stands at the back of the line for each of them. It is
the record of runs that says what waits: whoever stops a sweep (:func:`stop`, on any server) settles the cells that have
not begun, and whoever queues them sees that; a server that is killed leaves cells that :func:`go_on` finds.
"""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from explorer import limits
from explorer.errors import ExplorerError, SettingsError, StorageError
from explorer.jobs.engine import Engine, QueueFull
from explorer.jobs.job import Job
from explorer.jobs.queue import registry
from explorer.runs import allowed, cells
from explorer.runs.sweeping import Ended, Sweeping
from explorer.runs.sweeps import Plan
from explorer.store.index import TERMINAL, Query, Run
from explorer.store.store import Store
from explorer.store.words import ENDED, LONGEST, NOBODY_LOOKING, State

log = logging.getLogger(__name__)

LOOK = 0.1  # seconds between two looks at the jobs
READ = 2.0  # seconds between two looks at the record: the sweep may have been stopped there
REFUSED = 2.0  # seconds before a cell that was not taken in is tried again
GIVE_UP = 600.0  # seconds of refusals after which the sweep ends
FAILURES = 3  # cells in a row that failed, after which it does
ALL = 10_000  # runs of an owner's at work

_entering = threading.Lock()  # from the look at what is at work to the entry: two tabs of one owner may ask at once


class Enqueued(Sweeping):
    """The cells that are left of a sweep, through an engine; see :class:`Sweeping`.

    Args:
        runs: the cells, as ``cells.enter`` or ``cells.unfinished`` gives them.
        engine: what runs them.
        at_once: how many it has at the same time, at most; by default as many as may train.
    """

    def __init__(self, runs: Sequence[Run], store: Store, engine: Engine, at_once: int = 0) -> None:
        super().__init__(runs, store)
        self.engine, self.at_once = engine, min(at_once or engine.places, max(1, len(runs)))
        self._seen = self._read = time.monotonic()  # when a page looked last; when the record was read
        self._refused: float | None = None  # since when no cell is taken in
        self._again = 0.0  # when the next one is tried
        self._asked = ""  # the attempt that was handed in last, until there is an answer
        self._failed = 0  # in a row
        self._waiting = deque(enumerate(self.runs))

    def _left(self) -> Sequence[Run]:
        """No other: each is looked up in the record."""
        return [run for _, run in self._waiting]

    def _cells(self) -> Iterator[Ended]:
        waiting, at_work = self._waiting, dict[int, Job[Any]]()
        try:
            while (at_work or (waiting and not self.stopped)) and not self.engine.closed:  # of which nothing is heard
                self._follow(self._left()[bool(self._asked) :], list(at_work.values()))
                while waiting and not self.stopped and len(at_work) < self.at_once:
                    if (job := self._begin(waiting[0][1])) is None:
                        break
                    at_work[waiting.popleft()[0]] = job
                for number, job in list(at_work.items()):
                    self._progress[number] = 1.0 if job.ended and job.state != State.STOPPED else job.progress
                    if job.ended:
                        del at_work[number]
                        self._count(job)
                        yield self.runs[number], job.state, job.message
                if at_work or waiting:
                    time.sleep(LOOK)
        finally:
            for job in at_work.values():
                job.stop()

    def _begin(self, run: Run) -> Job[Any] | None:
        """Queue a cell; None where it shall not begin any more, or is not taken in just now."""
        now = time.monotonic()
        if now < self._again:
            return None
        try:
            if not cells.waits(run, found := self.store.run(run.id)):
                return self._taken(run, found)
            job = cells.job(run, self.store)
            self._asked = job.attempt
            job = self.engine.submit(job)
        except ExplorerError as error:
            self._try_later(now, str(error))
            return None
        return self._has(job)

    def _try_later(self, now: float, why: str = "") -> None:
        """Have the next cell tried again; end where none was taken in for long."""
        self._refused, self._again = self._refused or now, now + REFUSED
        if now - self._refused > GIVE_UP:
            self._end(why)

    def _has(self, job: Job[Any]) -> Job[Any]:
        self._refused, self._asked, job.touched = None, "", self._seen  # nobody has looked at it yet
        return job

    def _taken(self, run: Run, found: Run | None) -> Job[Any] | None:
        """The job of a cell that does not wait any more: ours, where only the word that it was taken in got lost.

        It may be some time, and the cell over, until its worker is heard of; any other cell is somebody else's now.
        """
        job = self.engine.find(run.id)
        if job is not None and job.attempt == self._asked:
            return self._has(job)
        if self._asked and found is not None and found.state != State.STOPPED and (job is None or job.ended):
            self._try_later(time.monotonic())
        else:
            self._end()
        return None

    def _follow(self, waiting: Sequence[Run], at_work: Sequence[Job[Any]]) -> None:
        """End where somebody says so, or nobody looks; then also what is at work."""
        now = time.monotonic()
        if at_work:
            self._refused = None  # there will be room when one of them has ended
        if self.runs[0].owner == TERMINAL:
            for job in at_work:
                job.touch()
        self._seen = max([self._seen, *(job.touched for job in at_work)])
        if self.runs[0].owner != TERMINAL and now - self._seen > 60 * limits.now().lease_minutes:
            self._end(NOBODY_LOOKING)
        elif now - self._read > READ:
            self._read = now
            if self._settled(waiting, at_work):
                self._end()
        if self.stopped:
            for job in at_work:
                if not job.ended and job.state != State.STOPPING:
                    job.stop(self.why)

    def _settled(self, waiting: Sequence[Run], at_work: Sequence[Job[Any]]) -> bool:
        """Whether the record has a cell that waits here as one that waits no more, or one at work as to be stopped."""
        with contextlib.suppress(StorageError):  # it is asked again
            found = {run.id: run for run in self.store.cells([self.runs[0].sweep])}
            return not all(cells.waits(run, found.get(run.id)) for run in waiting) or any(
                job.id in found and found[job.id].state == State.STOPPING for job in at_work
            )
        return False

    def _count(self, job: Job[Any]) -> None:
        """End where one cell after the other fails, or one was stopped for a reason, as by the teacher.

        One that took too long is left for :func:`go_on`, and says nothing of those that wait.
        """
        if job.state == State.STOPPED and job.message and not job.message.endswith(LONGEST) and not self.stopped:
            self._end(job.message)
        self._failed = self._failed + 1 if job.state == State.FAILED else 0
        if self._failed == FAILURES:
            self._end(f"Has not begun: {FAILURES} cells in a row failed. {job.message}")


# -- for pages -----------------------------------------------------------------------------------------
def start(plan: Plan, store: Store, owner: str) -> str:
    """Enter a sweep into the record and begin it in the background; its id.

    Raises:
        ExplorerError: it is more than one visitor may take, the owner has one at work already, or the record cannot be
            written.
    """
    allowed.check(plan, store, owner)
    with _entering:
        _check_alone(store, owner)
        runs = cells.enter(plan, store, owner)
    return _begin(runs, store)


def go_on(sweep: str, store: Store, owner: str) -> str:
    """Begin what is left of a sweep of the owner's in the background; its id.

    Raises:
        ExplorerError: it is somebody else's, it is over or at work, or another one of the owner's is.
    """
    if any(run.owner != owner for run in store.cells([sweep])):
        raise StorageError("This sweep is somebody else's; only they go on with it.")
    with _entering:
        _check_alone(store, owner)
        runs = cells.unfinished(store, sweep)
    return _begin(runs, store)


def stop(sweep: str, store: Store) -> None:
    """End a sweep, whichever server runs it: what has not begun waits for :func:`go_on`, what trains is saved."""
    runs, find = store.cells([sweep]), registry().find
    cells.leave(store, [run for run in runs if run.state == State.QUEUED and find(run.id) is None])
    for run in runs:
        if (job := find(run.id)) is not None:
            job.stop()
        else:  # the server that has it reads it there
            store.settle(run.id, State.STOPPING, only=(State.RUNNING, State.PAUSED))


def at_work(store: Store, owner: str) -> str:
    """The sweep of an owner's that is at work, by its id; "" if none is."""
    asked = Query(owner, states=tuple(sorted(set(State) - ENDED)))
    return next((run.sweep for run in store.find(asked, limit=ALL) if run.sweep), "")


def _check_alone(store: Store, owner: str) -> None:
    if other := at_work(store, owner):
        raise SettingsError(f"Your sweep {other[:4]} is at work already. Stop it, or let it end, and start this then.")


def _begin(runs: Sequence[Run], store: Store) -> str:
    if not runs:
        raise StorageError("All cells of this sweep are over: there is nothing to go on with.")
    engine = registry()
    at_once = max(1, min(engine.places, limits.now().jobs_each - 1))  # its owner may begin something beside it
    work, sweep = Enqueued(runs, store, engine, at_once), runs[0].sweep
    try:
        threading.Thread(target=_drive, args=(work, sweep), name=f"sweep-{sweep}", daemon=True).start()
    except RuntimeError as error:  # the system has no thread left
        cells.leave(store, runs)
        raise QueueFull("This server has no room to begin this just now. Start it again in a minute.") from error
    return sweep


def _drive(work: Enqueued, sweep: str) -> None:
    try:
        for _ in work:
            pass
    except ExplorerError as error:  # of the record, in the end
        log.warning("sweep %s: %s (%s)", sweep, error, error.detail)
    except Exception:
        log.exception("sweep %s ended early", sweep)
