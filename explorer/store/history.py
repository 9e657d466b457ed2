"""What a run did: append-only columns with one writer and many readers.

Losses arrive as scalars on the device and are drained together, so that no step waits for the device.
A snapshot is a set of views on arrays that are never written again below their length: taking one copies
nothing and blocks nobody.
"""

import functools
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.series import SMOOTHING, smooth, spread

if TYPE_CHECKING:
    from explorer.training.learner import Step

COLUMNS = ("step", "epoch", "loss", "lr", "momentum", "grad_norm", "seconds")


@dataclass(frozen=True)
class EpochRow:
    """One line of the lecture's printout, and what the model wrote then."""

    epoch: int
    step: int
    train_loss: float  #: exponentially smoothed and bias-corrected, as the lecture prints it
    val_loss: float
    accuracy: float
    seconds: float
    sample: str = ""


@dataclass(frozen=True)
class Mark:
    """Something done to the run at a step, e.g. a new learning rate."""

    step: int
    text: str


@dataclass(frozen=True)
class Snapshot:
    """A moment of a history. Arrays are float64, one value a step; do not write to them."""

    columns: dict[str, np.ndarray]
    epochs: tuple[EpochRow, ...] = ()
    marks: tuple[Mark, ...] = ()

    def __len__(self) -> int:
        return len(self.columns["step"])

    def __getitem__(self, column: str) -> np.ndarray:
        return self.columns[column]

    def smoothed(self) -> np.ndarray:
        """The training loss at each step kept, smoothed as the lecture prints it.

        A recorded run keeps one step in many; each stands for as many as were left out.
        """
        return self._smoothed(self["loss"])

    @property
    def smooth_loss(self) -> float:
        """What the lecture would print now, the last of :meth:`smoothed`; NaN before the first step."""
        recent = self["loss"][-2000:]  # what came before weighs less than 1e-17
        return float(self._smoothed(recent)[-1]) if len(recent) else float("nan")

    def _smoothed(self, loss: np.ndarray) -> np.ndarray:
        stride = max(1.0, float(self["step"][-1]) / len(self)) if len(self) else 1.0
        return smooth(loss, SMOOTHING**stride)

    @functools.cached_property
    def best_val_loss(self) -> float:
        """The lowest validation loss; NaN before the first epoch, or where none was a number."""
        return min((row.val_loss for row in self.epochs if row.val_loss == row.val_loss), default=float("nan"))

    @functools.cached_property
    def best_accuracy(self) -> float:
        """The highest validation accuracy; NaN before the first epoch, or where none was a number."""
        return max((row.accuracy for row in self.epochs if row.accuracy == row.accuracy), default=float("nan"))

    def to_json(self, points: int = 600) -> dict[str, Any]:
        """A small JSON-ready record: at most ``points`` steps, every epoch and mark."""
        keep = spread(len(self), points)
        columns = {
            name: [float(f"{v:.6g}") if np.isfinite(v) else None for v in values[keep]]
            for name, values in self.columns.items()
        }
        return {
            "steps": columns,
            "epochs": [asdict(row) for row in self.epochs],
            "marks": [asdict(mark) for mark in self.marks],
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Snapshot":
        """The inverse of :meth:`to_json`; missing columns are NaN."""
        steps = record["steps"]
        length = len(steps["step"])
        columns = {name: np.array(steps.get(name, [None] * length), np.float64) for name in COLUMNS}
        return cls(
            columns,
            tuple(EpochRow(**row) for row in record["epochs"]),
            tuple(Mark(**mark) for mark in record.get("marks", [])),
        )


@dataclass
class History:
    """The growing record of one run. Only the thread that trains may call ``add``, ``drain`` and ``end_epoch``."""

    version: int = 0  #: grows with every change a reader could see
    era: str = field(default_factory=lambda: secrets.token_hex(4))  #: tells it from another of the same run
    _table: np.ndarray = field(default_factory=lambda: np.empty((len(COLUMNS), 1024)))
    _length: int = 0
    _pending: list[tuple["Step", float]] = field(default_factory=list)
    _epochs: tuple[EpochRow, ...] = ()
    _marks: tuple[Mark, ...] = ()
    _smooth: float = 0.0
    _clock: Callable[[], float] = time.perf_counter
    _started: float = field(default_factory=time.perf_counter)

    def time_by(self, clock: Callable[[], float]) -> None:
        """Take the seconds of training from this clock from now on; what is recorded goes on where it ended."""
        self._clock, before = clock, self._table[COLUMNS.index("seconds"), : self._length]
        self._started = clock() - (float(before[-1]) if len(before) else 0.0)

    def add(self, step: "Step") -> None:
        """Take a step's scalars without waiting for the device."""
        self._pending.append((step, self._clock() - self._started))

    def drain(self) -> np.ndarray:
        """Bring what is pending to the host in one transfer; the new rows, (rows, columns)."""
        pending, self._pending = self._pending, []
        if not pending:
            return np.empty((0, len(COLUMNS)))
        watched = [step.grad_norm for step, _ in pending if step.grad_norm is not None]
        values = _to_host([step.loss for step, _ in pending] + watched)
        losses, norms = values[: len(pending)], iter(values[len(pending) :])
        rows = np.array(
            [
                (s.number, s.epoch, loss, s.lr, s.momentum, np.nan if s.grad_norm is None else next(norms), at)
                for (s, at), loss in zip(pending, losses, strict=True)
            ]
        )
        self.extend(rows)
        return rows

    def extend(self, rows: np.ndarray) -> None:
        """Add rows that are on the host already, (rows, columns)."""
        end = self._length + len(rows)
        if end > self._table.shape[1]:  # readers keep the old table; it stays as it is
            grown = np.empty((len(COLUMNS), 2 * end))
            grown[:, : self._length] = self._table[:, : self._length]
            self._table = grown
        self._table[:, self._length : end] = rows.T
        for loss in rows[:, COLUMNS.index("loss")]:
            self._smooth = SMOOTHING * self._smooth + (1 - SMOOTHING) * loss
        self._length = end
        self.version += 1

    @property
    def smooth_loss(self) -> float:
        """The lecture's training loss: exponential average, bias-corrected; NaN before the first drain."""
        if not self._length:
            return float("nan")
        return self._smooth / (1 - SMOOTHING**self._length)

    def end_epoch(self, row: EpochRow) -> None:
        """Record a validation."""
        self._epochs = (*self._epochs, row)
        self.version += 1

    def mark(self, step: int, text: str) -> None:
        """Note something done to the run."""
        self._marks = (*self._marks, Mark(step, text))
        self.version += 1

    def snapshot(self) -> Snapshot:
        """What has been drained so far; costs nothing, whatever its length."""
        length = self._length  # before the table: a table holds every row of any earlier length, not of a later one
        table = self._table
        return Snapshot({name: table[i, :length] for i, name in enumerate(COLUMNS)}, self._epochs, self._marks)

    @classmethod
    def of(cls, snapshot: Snapshot) -> "History":
        """A history that goes on from a snapshot."""
        history = cls()
        if len(snapshot):
            history.extend(np.stack([snapshot[name] for name in COLUMNS], axis=1))
            history.time_by(time.perf_counter)
        history._epochs, history._marks = snapshot.epochs, snapshot.marks
        return history


def _to_host(scalars: Iterable[Any]) -> list[float]:
    import torch

    return torch.stack(list(scalars)).float().tolist()
