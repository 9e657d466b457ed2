"""A run's record: its curve, its state and its weights, written as it goes, whatever the disk does meanwhile."""

import contextlib
import functools
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer import VERSION, devices
from explorer.data import Source
from explorer.data.files import write_whole
from explorer.errors import StorageError
from explorer.jobs.job import Job
from explorer.store.history import COLUMNS, EpochRow, History, Mark, Snapshot
from explorer.store.index import TERMINAL, By, Run
from explorer.store.store import Store, Which
from explorer.store.words import Diverged, State

if TYPE_CHECKING:
    from explorer.experiment import Experiment

log = logging.getLogger(__name__)

DRAIN_SECONDS = 0.1
WRITE_SECONDS = 0.5
EXPLODED = 4.0  # times the first loss
UNSAVED = 8  # ended runs whose weights wait in memory for room on the disk
BOOKMARK_SECONDS = 4.5  # of work between two bookmarks: what is trained again after the process was killed
BOOKMARK_SHARE = 0.02  # of the time may go into writing them; a large network's come less often


class Recorder:
    """Brings a job's history to the host, watches it for divergence, and writes it to the store.

    What the disk refuses stays here, as a notice on the job, and is tried again with the next write; after the run's
    end as ``job.unfinished``. A run that was deleted is not written any more.
    """

    def __init__(
        self,
        job: Job[Any],
        experiment: "Experiment | None",
        store: Store | None = None,
        begun_from: str = "",
        line: Run | None = None,
        models: Sequence[str] = (),
    ) -> None:
        """As above.

        Args:
            job: what is recorded.
            experiment: what it trains, where it is one.
            store: where; None records nothing, but watches all the same.
            begun_from: the weights it begins with, in words.
            line: its line in the index, where an earlier job has begun it.
            models: the keys of the rungs it is about, where it trains no single experiment.
        """
        self.job, self.store = job, store
        self.first = math.nan
        owner, by, began = job.owner or TERMINAL, By.PAGE if job.owner else By.TERMINAL, job.created
        self._line = line or Run(
            *(job.id, owner, job.kind, job.title, experiment, State.QUEUED, "", "", "", began, began),
            model=",".join(models),
            begun_by=by,
            begun_from=begun_from,
        )
        self.goes_on = False  #: from the bookmark the run has left
        self._entered = line is not None  # in the index
        self._told = self._deleted = False  # as the line says; gone from the index
        self._rows: list[np.ndarray] = []
        self._written = (0, 0)  # epochs and marks already stored
        self._weights: dict[str, bytes] = {}  # as files, that the disk has not taken yet
        self._drained = self._stored = self._marked = time.monotonic()
        self._marking = 0.0  # seconds the last bookmark took

    # -- the run's line ----------------------------------------------------------------------------
    def queue(self) -> None:
        """Record that it waits: a server that is killed meanwhile leaves a trace of it."""
        self._tell(state=State.QUEUED)

    def begin(self, source: Source | None, company: str = "") -> None:
        """Record that it runs, on what, and with how many other processes, in words."""
        import torch

        self._marked = time.monotonic()
        versions = {"torch": str(torch.__version__), "program": VERSION}
        device = " · ".join(filter(None, [devices.describe(), company]))
        self._tell(state=State.RUNNING, device=device, source=source.name if source else "", **versions)

    def go_on(self, history: Snapshot) -> None:
        """Go on with a run whose curve so far is ``history``."""
        version = self.job.history.version
        self.job.history = History.of(history)
        self.job.history.version += version  # a page has drawn some of it already
        self._written = (len(history.epochs), len(history.marks))
        if len(history):
            self.first = float(history["loss"][0])

    def end(self, state: State, message: str, final: bytes | None = None) -> None:
        """Write what is left of a run that has ended, however its last steps look, and its final weights."""
        self._collect()
        self._line, self._told = replace(self._line, state=state, message=message), False
        if final is not None:
            self._weights[Which.FINAL] = final
        if not self.finish():
            self.job.unfinished = self.finish
            _hold_back(self)

    def finish(self) -> bool:
        """Try to write what is left of an ended run; whether nothing is left."""
        written = self.write()
        return self._write_weights() and written

    def _tell(self, **changes: Any) -> None:
        self._line, self._told = replace(self._line, **changes), False
        self.write()

    # -- the curve ---------------------------------------------------------------------------------
    def after_step(self) -> None:
        """Drain and write when it is time; cheap otherwise."""
        now = time.monotonic()
        if now - self._drained >= DRAIN_SECONDS:
            self._drained = now
            self.drain()
            if now - self._stored >= WRITE_SECONDS:
                self._stored = now
                self.write()

    def drain(self) -> None:
        """Bring pending values to the host.

        Raises:
            Diverged: the loss is not a number any more, or has exploded.
        """
        rows = self._collect()
        if not len(rows):
            return
        losses = rows[:, COLUMNS.index("loss")]
        if math.isnan(self.first):
            self.first = losses[0]
        smooth = self.job.history.smooth_loss
        if not np.isfinite(losses).all() or smooth > EXPLODED * max(self.first, 1.0):
            self.write()
            step, lr = rows[-1, COLUMNS.index("step")], rows[-1, COLUMNS.index("lr")]
            raise Diverged(
                f"The loss blew up around step {step:,.0f} at a rate of {lr:.2g}. Try a rate ten times smaller, "
                "clip gradients, or let the LR finder suggest one."
            )

    def _collect(self) -> np.ndarray:
        rows = self.job.history.drain()
        if len(rows):
            self._rows.append(rows)
        return rows

    def flush(self) -> None:
        """Drain and write now: the run pauses, and what it did last shall show."""
        self.drain()
        self.write()

    # -- to the disk -------------------------------------------------------------------------------
    def write(self) -> bool:
        """Write what is new to the store, if there is one; False, and a notice, where the disk does not take it."""
        store = self.store
        if store is None or self._deleted:
            self._rows.clear()
            return True
        rows = np.concatenate(self._rows) if self._rows else np.empty((0, len(COLUMNS)))
        snapshot = self.job.history.snapshot()
        epochs, marks = snapshot.epochs[self._written[0] :], snapshot.marks[self._written[1] :]
        if self._told and not (len(rows) or epochs or marks):
            return True
        if not notify(self.job, lambda: self._save(store, rows, epochs, marks), "metrics"):
            return self._deleted  # then there is nothing to try again
        self._rows.clear()
        self._written = (len(snapshot.epochs), len(snapshot.marks))
        return True

    def _save(self, store: Store, rows: np.ndarray, epochs: tuple[EpochRow, ...], marks: tuple[Mark, ...]) -> None:
        if not self._entered:
            store.begin(self._line)
        elif not self._told:
            self._deleted = not store.update(self._line)
        self._entered = self._told = True
        if not self._deleted and (len(rows) or epochs or marks):
            self._deleted = not store.append(self.job.id, rows, epochs, marks)
        if self._deleted:
            raise StorageError("This run was deleted from the record of runs: what it does now is not written down.")

    def keep(self, which: str, content: bytes) -> None:
        """Save weights beside the metrics, or remember them for when there is room."""
        self._weights[which] = content
        self._write_weights()

    def bookmark(self, make: Callable[[], bytes], now: bool = False) -> None:
        """Write where the run stands when it is time, or at once; cheap otherwise.

        Args:
            make: gives the file's content.
            now: do not wait until it is time.
        """
        began = time.monotonic()
        due = began - self._marked >= max(BOOKMARK_SECONDS, self._marking / BOOKMARK_SHARE)
        if self.store is None or self._deleted or not (now or due):
            return
        self.drain()
        if self.write():  # a curve that ends before its bookmark would have a gap
            path = self.store.bookmark(self.job.id)
            content = make()
            notify(self.job, functools.partial(self._write_bookmark, self.store, path, content), "bookmark")
        self._marked = time.monotonic()
        self._marking = self._marked - began

    def _write_bookmark(self, store: Store, path: Path, content: bytes) -> None:
        store.keep_file(path, lambda path: write_whole(path, content, lasting=False))

    def forget_bookmark(self) -> None:
        """There is nothing left to continue."""
        if self.store is not None:
            with contextlib.suppress(OSError):
                self.store.bookmark(self.job.id).unlink(missing_ok=True)

    def _write_weights(self) -> bool:
        if self.store is None or self._deleted:
            self._weights.clear()
        elif self._entered:  # else the metrics' notice says enough
            for which, content in list(self._weights.items()):
                if notify(self.job, functools.partial(self._write_file, self.store, which, content), which):
                    self._weights.pop(which, None)
        return not self._weights

    def _write_file(self, store: Store, which: str, content: bytes) -> None:
        store.keep(self.job.id, which, lambda path: write_whole(path, content))


_held_back: deque[Recorder] = deque()


def _hold_back(recorder: Recorder) -> None:
    """Keep the weights of the last few runs that ended while the disk was full; memory is not endless."""
    _held_back.append(recorder)
    while len(_held_back) > UNSAVED:
        lost = _held_back.popleft()
        if lost._weights:
            log.error("%s: the disk stayed full, its weights are given up", lost.job.id)
            lost._weights.clear()


def notify(job: Job[Any], write: Callable[[], object], what: str) -> bool:
    """Do a write; a storage error becomes a notice on the job instead of ending it. Whether it went well.

    The notice stays until ``what`` could be written after all, whatever else is written meanwhile.
    """
    before = job.troubles
    troubles = {other: trouble for other, trouble in before.items() if other != what}
    try:
        write()
    except StorageError as error:
        troubles[what] = str(error)
        if troubles[what] != before.get(what):
            # As text: whoever keeps the error keeps the frames it came through, and the model in them.
            log.warning("%s: %s (%s)", job.id, str(error), error.detail)
    if troubles != before:
        job.trouble(troubles)
    return what not in troubles
