"""What a job shows of itself to another process: its state at a moment, and what is new since the last look."""

import io
import logging
import pickle
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.jobs.job import Job
from explorer.store.history import COLUMNS, EpochRow, Mark
from explorer.store.words import State

if TYPE_CHECKING:
    from explorer.data import Source
    from explorer.experiment import Experiment
    from explorer.store.words import Kind


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """How much of a job somebody has."""

    era: str = ""  #: which of its histories: one that goes on from a bookmark has another
    rows: int = 0
    epochs: int = 0
    marks: int = 0
    result: str = ""
    watched: bool = True  #: whether a page shows it: it is told what is new, and the job that somebody looks on


@dataclass(frozen=True)
class Face:
    """What of a job never changes."""

    kind: "Kind"
    title: str
    owner: str
    experiment: "Experiment | None"
    created: float
    attempt: str


@dataclass(frozen=True, eq=False)
class Curve:
    """The part of a history that is new: rows of (rows, columns) from number ``start`` on."""

    era: str
    start: int
    rows: np.ndarray
    epochs: tuple[EpochRow, ...]
    marks: tuple[Mark, ...]
    first: tuple[int, int]  #: how many epochs and marks were there before


@dataclass(frozen=True, eq=False)
class Look:
    """A job at a moment."""

    id: str
    face: Face
    number: tuple[str, int]  #: whose look it is, and which of theirs
    state: State
    message: str
    place: str
    progress: float
    pace: tuple[float, int, float]  #: seconds, steps, steps a second
    budget: int | None
    began: bool
    live: Mapping[str, float]
    troubles: Mapping[str, str]
    source: "Source | None"
    before: tuple[str, ...]  #: the ids of the jobs that run, or will, before it
    wait: float | None
    curve: Curve | None = None
    result: bytes | None = None  #: see :func:`unpacked`
    result_name: str = ""


class Eye:
    """Looks at jobs, and tells one result of a job from the next."""

    def __init__(self) -> None:
        self.name = secrets.token_hex(4)
        self._results: dict[str, tuple[Any, str, bytes]] = {}
        self._number = 0
        self._lock = threading.Lock()

    def look(self, job: Job[Any], seen: Seen | None = None) -> Look:
        """What the job is now, with what is new of it since ``seen`` where it is watched."""
        seen = seen or Seen()
        with self._lock:
            self._number += 1
            number = self._number
        if seen.watched:
            job.touch()
        state, message = job.state, job.message  # first: whoever sees that it has ended finds all there is
        queued = state == State.QUEUED
        curve = _curve(job, seen) if seen.watched else None
        packed, published = self._result(job) if seen.watched else (None, seen.result)
        return Look(
            job.id,
            Face(job.kind, job.title, job.owner, job.experiment, job.created, job.attempt),
            (self.name, number),
            state,
            message,
            job.place,
            job.progress,
            (job.pace.seconds, job.pace.steps, job.pace.rate),
            job.budget,
            job.began,
            dict(job.live),
            dict(job.troubles),
            job.source,
            tuple(other.id for other in job.before()) if queued else (),
            job.wait if queued else None,
            curve,
            packed if published != seen.result else None,
            published,
        )

    def forget(self, kept: set[str]) -> None:
        """Let go of the results of all other jobs."""
        with self._lock:
            self._results = {name: found for name, found in self._results.items() if name in kept}

    def _result(self, job: Job[Any]) -> tuple[bytes | None, str]:
        result = job.result
        with self._lock:
            known, name, content = self._results.get(job.id, (None, "", b""))
        if result is None:
            return None, name
        if result is not known:
            try:
                content, name = packed(result), secrets.token_hex(4)
            except Exception:  # one job's is no reason to show nothing of the others
                log.exception("what %s %s left cannot be sent", job.kind, job.id)
                return None, name
            with self._lock:
                self._results[job.id] = (result, name, content)
        return content, name


def _curve(job: Job[Any], seen: Seen) -> Curve | None:
    history = job.history
    snapshot = history.snapshot()
    rows, epochs, marks = (seen.rows, seen.epochs, seen.marks) if seen.era == history.era else (0, 0, 0)
    rows = min(rows, len(snapshot))
    if seen.era == history.era and (rows, epochs, marks) == (len(snapshot), len(snapshot.epochs), len(snapshot.marks)):
        return None
    new = np.stack([snapshot[name][rows:] for name in COLUMNS], axis=1)
    return Curve(history.era, rows, new, snapshot.epochs[epochs:], snapshot.marks[marks:], (epochs, marks))


def packed(thing: Any) -> bytes:
    """Whatever a job hands out, as bytes; tensors with it, from whichever device."""
    import torch

    out = io.BytesIO()
    torch.save(thing, out, pickle_protocol=pickle.HIGHEST_PROTOCOL)
    return out.getvalue()


def unpacked(content: bytes) -> Any:
    """The inverse, with every tensor on this process's device.

    What is in it is run: it must come from one of our own workers, which nobody reaches without the cluster's token.
    """
    import torch

    from explorer import devices

    return torch.load(io.BytesIO(content), map_location=devices.choose(), weights_only=False)
