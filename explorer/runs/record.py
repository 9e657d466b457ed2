"""A run's record: its curve, its state and its weights, written as it goes, whatever the disk does meanwhile."""

import functools
import logging
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer import devices
from explorer.data import Source
from explorer.data.files import write_whole
from explorer.errors import StorageError
from explorer.runs.history import COLUMNS, EpochRow, Mark
from explorer.runs.jobs import Job
from explorer.runs.store import Run, Store, Which, cycle
from explorer.runs.words import Diverged, State

if TYPE_CHECKING:
    from explorer.experiment import Experiment

log = logging.getLogger(__name__)

DRAIN_SECONDS = 0.1
WRITE_SECONDS = 0.5
EXPLODED = 4.0  # times the first loss
UNSAVED = 8  # ended runs whose weights wait in memory for room on the disk
TERMINAL = "terminal"  # the owner of runs that no browser started


class Recorder:
    """Brings a job's history to the host, watches it for divergence, and writes it to the store.

    What the disk refuses stays here, as a notice on the job, and is tried again with the next write; after the run's
    end as ``job.unfinished``. A run that was deleted is not written any more.
    """

    def __init__(self, job: Job[Any], experiment: "Experiment", store: Store | None = None) -> None:
        self.job, self.store = job, store
        self.first = math.nan
        owner, began = job.owner or TERMINAL, job.created
        self._line = Run(  # the run's line in the store's index
            job.id, owner, job.kind, job.title, experiment, State.QUEUED, "", "", "", began, began
        )
        self._entered = self._told = self._deleted = False  # in the index; as the line says; gone from it
        self._rows: list[np.ndarray] = []
        self._written = (0, 0)  # epochs and marks already stored
        self._weights: dict[str, bytes] = {}  # as files, that the disk has not taken yet
        self._drained = self._stored = time.monotonic()

    # -- the run's line ----------------------------------------------------------------------------
    def queue(self) -> None:
        """Record that it waits: a server that is killed meanwhile leaves a trace of it."""
        self._tell(state=State.QUEUED)

    def begin(self, source: Source) -> None:
        """Record that it runs, and on what."""
        self._tell(state=State.RUNNING, device=devices.describe(), source=source.name)

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

    def keep_best(self, content: bytes) -> None:
        """Save the best weights so far beside the metrics, or remember them for when there is room."""
        self._weights[Which.BEST] = content
        self._write_weights()

    def keep_cycle(self, number: int, content: bytes) -> None:
        """Save the weights at the end of a cycle, counted from 0, beside the others: the lecture's ``cyc_0`` …"""
        self._weights[cycle(number)] = content
        self._write_weights()

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
