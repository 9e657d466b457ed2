"""A sweep at work: its cells one after the other in this process, or several at once in processes of their own."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from multiprocessing.synchronize import Event
from typing import Any

from explorer.errors import ExplorerError
from explorer.jobs.job import Job
from explorer.runs import cells, estimate
from explorer.store.index import Run
from explorer.store.store import Store
from explorer.store.words import ENDED, WAITS, State

LOOK = 0.2  # seconds between two looks at a cell's progress, and at whether it shall stop

Flag = threading.Event | Event  #: of this process's threads, or of several processes
Ended = tuple[Run, State, str]  #: a cell, how it ended, and what to say about it


class Sweeping:
    """The cells that are left of a sweep. Iterating runs them; :meth:`stop`, from any thread, ends that after a step.

    Args:
        runs: the cells, as ``cells.enter`` or ``cells.unfinished`` gives them.
        store: where they are recorded.
        at_once: how many run at the same time; each of them in a process of its own where that is more than one.
    """

    def __init__(self, runs: Sequence[Run], store: Store, at_once: int = 1) -> None:
        self.runs, self.store, self.at_once = runs, store, min(at_once, max(1, len(runs)))
        self.interrupted = self.stopped = False
        self.why = ""  #: what there is to say to the cells that have not begun
        self._context = _context()
        alone = self.at_once == 1
        self._stop: Flag = threading.Event() if alone else self._context.Event()
        self._progress: Any = [0.0] * len(runs) if alone else self._context.Array("d", len(runs))
        self._work = [estimate.work(e) * e.total_epochs for run in runs if (e := run.experiment)]
        self._began = time.monotonic()

    def stop(self) -> None:
        """End after the steps that are at work; what was trained is kept."""
        self.interrupted = True
        self._end()

    def _end(self, why: str = "") -> None:
        self.stopped, self.why = True, self.why or why
        self._stop.set()

    @property
    def shares(self) -> list[float]:
        """How much of each cell is done, in [0, 1]."""
        return list(self._progress)

    @property
    def share(self) -> float:
        """How much is done of what was left when it began, in [0, 1]."""
        done = sum(work * share for work, share in zip(self._work, self.shares, strict=True))
        return done / sum(self._work) if self._work else 1.0

    @property
    def eta(self) -> float | None:
        """Seconds to the end at the pace so far; None before there is a pace."""
        share, spent = self.share, time.monotonic() - self._began
        return spent * (1 - share) / share if share > 0.002 and spent > 1 else None

    def __iter__(self) -> Iterator[Ended]:
        try:
            yield from self._cells()
        finally:
            self._end()
            cells.leave(self.store, self._left(), self.why or WAITS)

    def _left(self) -> Sequence[Run]:
        """The cells whose turn has not come, and perhaps others: of these, those that the record has as waiting."""
        return self.runs

    def _cells(self) -> Iterator[Ended]:
        yield from self._beside() if self.at_once > 1 else self._in_turn()

    def _in_turn(self) -> Iterator[Ended]:
        for number, run in enumerate(self.runs):
            if self.stopped:
                return
            yield run, *_work(number, run, self.store, self._stop, self._progress)

    def _beside(self) -> Iterator[Ended]:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // self.at_once)))
        given = (self.store.address, self._stop, self._progress, dict(os.environ))
        pool = ProcessPoolExecutor(self.at_once, self._context, _begin, given)
        try:
            waiting = {pool.submit(_in_process, number, run): run for number, run in enumerate(self.runs)}
            while waiting:
                wait(waiting, LOOK, FIRST_COMPLETED)
                for future in list(waiting):
                    if self.stopped:
                        future.cancel()
                    if future.done():
                        run = waiting.pop(future)
                        if not future.cancelled() and (found := future.result()) is not None:
                            yield run, *found
        except BrokenProcessPool as error:
            raise ExplorerError(
                "A process that trained a cell was ended from outside, perhaps for want of memory. Take fewer --jobs.",
                repr(error),
            ) from error
        finally:
            self._end()
            pool.shutdown(cancel_futures=True)


def _work(number: int, run: Run, store: Store, stop: Flag, progress: Any) -> tuple[State, str]:
    """Run a cell; meanwhile say how far it is, and look whether it shall stop."""
    over, jobs = threading.Event(), list[Job[Any]]()

    def look() -> None:
        while not over.wait(LOOK):
            if jobs:
                progress[number] = jobs[0].progress
                if stop.is_set() or _orphaned():
                    jobs[0].stop()

    looking = threading.Thread(target=look, name="cell", daemon=True)
    looking.start()
    try:
        found = cells.work(run, store, jobs.append)
        if found[0] in ENDED - {State.STOPPED}:
            progress[number] = 1.0
        return found
    finally:
        over.set()
        looking.join()


# -- in a process of its own ---------------------------------------------------------------------------

_given: tuple[Store, Flag, Any] | None = None  # to this process, when it began


def _context() -> BaseContext:
    """How such processes begin. Torch's threads do not outlive a fork of this one, so each would import torch anew.

    On Linux they are forked from one that has done nothing but import it: the first is there no later, and the others
    at once. On a Mac, libraries of the system do not outlive a fork either.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["explorer.runs.cells"])
    return context


def _begin(store: str, stop: Flag, progress: Any, environment: dict[str, str]) -> None:
    global _given
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever began this process tells it
    os.environ.clear()
    os.environ.update(environment)
    _given = Store.at(store), stop, progress


def _in_process(number: int, run: Run) -> tuple[State, str] | None:
    """None where it was handed to this process, but shall not begin any more."""
    assert _given is not None
    found = None if _given[1].is_set() or _orphaned() else _work(number, run, *_given)
    if _orphaned():
        os._exit(1)  # else it would wait for its next cell for ever
    return found


def _orphaned() -> bool:
    """Whether the process that began this one is gone."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()
