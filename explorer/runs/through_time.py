"""Gradients through time while networks train: how the reach grows, and when gradients explode."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from explorer.data import Batch
from explorer.data.text import TextData
from explorer.errors import SettingsError
from explorer.jobs.job import Job
from explorer.probes.gradients import ReachCurve, reach
from explorer.runs.drive import drive, moments_of
from explorer.training import prepare
from explorer.training.learner import Learner

if TYPE_CHECKING:
    from explorer.experiment import Experiment

SHOW_EVERY = 25  # steps between two looks at the device


@dataclass(frozen=True, eq=False)
class Explosion:
    """Gradient norms of one short run. Arrays are float64, (steps,)."""

    setting: str  #: what was varied: "bptt" or "lr"
    value: float
    clip: float  #: 0: not clipped
    grad_norm: np.ndarray  #: before clipping
    loss: np.ndarray  #: nats per character


def exploding(
    experiment: "Experiment", setting: str, values: Sequence[float], clip: float = 1.0, steps: int = 100
) -> Iterator[tuple[Explosion, ...]]:
    """Short runs without and with clipping at each value of ``setting``: all that is known, every few steps.

    Batches have a fixed length, so that bptt is the only thing that changes with bptt.

    Raises:
        SettingsError: ``setting`` is neither "bptt" nor "lr", or a value is out of range.
    """
    if setting not in ("bptt", "lr"):
        raise SettingsError(f"Vary bptt or lr, not {setting}.")
    runs = [experiment.replace(**{setting: v, "jitter": False, "clip": c}) for v in values for c in (0.0, clip)]
    done: tuple[Explosion, ...] = ()
    for run in runs:
        rows = np.empty((0, 2))
        for rows in _watched(prepare.learner_for(run), run.lr, steps):
            yield (*done, Explosion(setting, float(getattr(run, setting)), run.clip, rows[:, 0], rows[:, 1]))
        done = (*done, Explosion(setting, float(getattr(run, setting)), run.clip, rows[:, 0], rows[:, 1]))


def _watched(learner: Learner, lr: float, steps: int) -> Iterator[np.ndarray]:
    """Gradient norm and loss of the steps so far, (steps, 2), every :data:`SHOW_EVERY` steps."""
    learner.watch_gradients = True
    learner.model.train()
    rows, pending = np.empty((0, 2)), []
    for number, batch in zip(range(1, steps + 1), endless(learner), strict=False):
        step = learner.train_batch(batch, lr)
        assert step.grad_norm is not None  # it is watched
        pending.append(torch.stack([step.grad_norm, step.loss]))
        if number % SHOW_EVERY == 0 or number == steps:
            rows = np.concatenate([rows, torch.stack(pending).cpu().double().numpy()])
            pending.clear()
            yield rows


def endless(learner: Learner) -> Iterator[Batch]:
    """The learner's batches, epoch after epoch."""
    while True:
        yield from learner.data.train_batches(learner.generator)


@dataclass(frozen=True, eq=False)
class Reaching:
    """One model's reach as it learns: ``curves`` maps steps done to the curve there."""

    name: str
    curves: dict[int, ReachCurve]


def reach_while_training(
    experiments: Mapping[str, "Experiment"], at: Sequence[int] = (0, 100, 300), lags: int = 200, samples: int = 32
) -> Iterator[tuple[Reaching, ...]]:
    """Train each experiment and measure its reach after each number of steps in ``at``: all known, at every step.

    The text measured on is the validation text, so curves of different bptt, sizes and clipping are comparable.

    Raises:
        SettingsError: one of them reads no text; see :func:`reach`.
    """
    done: tuple[Reaching, ...] = ()
    for name, experiment in experiments.items():
        learner = prepare.learner_for(experiment)
        if not isinstance(learner.data, TextData):
            raise SettingsError(f"{experiment.rung.title} reads no text, so that nothing reaches back in it.")
        batches = endless(learner)
        curves: dict[int, ReachCurve] = {}
        for step in range(max(at) + 1):
            if step in at:
                curves = {**curves, step: reach(learner.model, learner.data.valid, lags, samples)}
            yield (*done, Reaching(name, curves))
            if step < max(at):
                learner.model.train()
                learner.train_batch(next(batches), experiment.lr)
        done = (*done, Reaching(name, curves))


@dataclass(frozen=True, eq=False)
class Exploded:
    """The short runs so far."""

    runs: tuple[Explosion, ...]


@dataclass(frozen=True, eq=False)
class Reached:
    """The models so far, with what was measured of each."""

    models: tuple[Reaching, ...]


def explode(
    job: Job[Exploded],
    experiment: "Experiment",
    setting: str,
    values: Sequence[float],
    clip: float = 1.0,
    steps: int = 100,
) -> None:
    """Run :func:`exploding` in a job."""
    total = 2 * len(values) * -(-steps // SHOW_EVERY)
    drive(job, moments_of(map(Exploded, exploding(experiment, setting, values, clip, steps)), total))


def watch_reach(
    job: Job[Reached], experiments: Mapping[str, "Experiment"], at: Sequence[int], lags: int, samples: int
) -> None:
    """Run :func:`reach_while_training` in a job."""
    total = len(experiments) * (max(at) + 1)
    drive(job, moments_of(map(Reached, reach_while_training(experiments, at, lags, samples)), total))
