"""Where can a network be trained at all? A map of short runs: learning rate × depth, with and without BatchNorm.

Every cell trains a new network on the very same few batches. Pictures are halved to 16 × 16 and the networks are
narrow, so that the seventy runs take half a minute on a laptop: it is the pattern that counts, not the loss.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from explorer.data import Batch, Source
from explorer.experiment import Experiment, Norm
from explorer.jobs.job import Job
from explorer.runs import sweeps
from explorer.runs.drive import Moment, Moments, drive, given
from explorer.training import prepare
from explorer.training.learner import Learner

DEPTHS = (1, 2, 3, 4, 6)  #: convolutions in each of three stages
RATES = tuple(float(f"{rate:.2g}") for rate in np.geomspace(1e-3, 1.0, 7))
NORMS = (Norm.NONE, Norm.RUNNING)
STEPS, IMAGES, BATCH_SIZE = 80, 2_000, 64
LAST = 10  #: the loss reached is the mean of so many last steps
DIVERGED = 4.0  #: times the loss of guessing: such a cell counts as broken


@dataclass(frozen=True, eq=False)
class GridView:
    """The map so far. ``loss`` is float64 (norms, depths, rates), nats: NaN not run yet, infinite where it broke."""

    rates: tuple[float, ...]
    depths: tuple[int, ...]  #: convolutions in each stage; a net has ``stages`` times as many
    norms: tuple[Norm, ...]
    stages: int
    steps: int
    loss: np.ndarray
    source: Source

    @property
    def done(self) -> int:
        """Cells that have run."""
        return int((~np.isnan(self.loss)).sum())

    def trainable(self, below: float = 2.2) -> np.ndarray:
        """Which cells learnt something; ln 10 = 2.303 is what guessing costs."""
        return self.loss < below


def template(**changes: Any) -> Experiment:
    """The network of a cell, but for its depth, rate and normalisation."""
    settings: dict[str, Any] = dict(
        widths="8,16,32",
        stem=0,
        skip=False,
        images=IMAGES,
        augment=False,
        batch_size=BATCH_SIZE,
        schedule="constant",
        optimiser="sgd",
    )
    return Experiment.of("builder", **{**settings, **changes})


def plan(steps: int = STEPS) -> sweeps.Plan:
    """The sweep that trains the map's networks: whole runs, recorded and validated.

    The pictures have their full size there, and the epochs are whole: at least as many steps a cell.
    """
    return sweeps.Plan.of(_whole(steps), _over())


def _whole(steps: int) -> Experiment:
    return template(epochs=max(1, -(-steps // (IMAGES // BATCH_SIZE))))


def _over() -> list[str]:
    axes = {"lr": RATES, "depth": DEPTHS, "norm": NORMS}
    return [f"{name}={','.join(map(sweeps.word, values))}" for name, values in axes.items()]


def command(steps: int = STEPS) -> str:
    """The same in the terminal."""
    settings = _whole(steps).changes()
    words = [f"--{name.replace('_', '-')} {sweeps.word(value)}" for name, value in settings.items()]
    return " ".join(["python -m explorer sweep builder", *words, *(f"--over {axis}" for axis in _over())])


def cells(
    base: Experiment, depths: Sequence[int] = DEPTHS, rates: Sequence[float] = RATES, steps: int = STEPS
) -> Iterator[tuple[float, GridView | None]]:
    """Run every cell; after each step (share done, None), after each cell the map with it filled in.

    Raises:
        DataError: the pictures cannot be used. SettingsError: a depth or rate is out of range.
    """
    learner = prepare.learner_for(base.replace(depth=max(depths)))  # the largest cell must fit
    batches = _batches(learner, base.batch_size, steps)
    loss = np.full((len(NORMS), len(depths), len(rates)), np.nan)
    view = GridView(
        tuple(rates), tuple(depths), NORMS, base.widths.count(",") + 1, steps, loss.copy(), learner.data.source
    )
    total, done = loss.size, 0
    for row, depth in enumerate(depths):
        for column, rate in enumerate(rates):
            for number, norm in enumerate(NORMS):
                experiment = base.replace(depth=depth, lr=rate, norm=norm)
                model = prepare.model_for(experiment, learner.data)
                cell = Learner(model, learner.data, experiment, learner.device)
                losses = []
                for count, batch in enumerate(batches, 1):
                    losses.append(cell.train_batch(batch, rate).loss)
                    yield (done + count / steps) / total, None
                loss[number, row, column] = reached(torch.stack(losses).double().cpu().numpy())
                done += 1
                view = replace(view, loss=loss.copy())
                yield done / total, view


def reached(losses: np.ndarray) -> float:
    """The mean of the last ten losses; infinite where the run broke on the way or ended far above guessing."""
    end = losses[-LAST:].mean()
    if not np.isfinite(losses).all() or end > DIVERGED * np.log(10):
        return float("inf")
    return float(end)


def _batches(learner: Learner, size: int, steps: int) -> list[Batch]:
    """The batches of every cell, the pictures halved in size; an epoch's are used again and again."""
    batches = [
        Batch(F.avg_pool2d(batch.x, 2).contiguous(memory_format=torch.channels_last), batch.y)
        for batch in learner.data.train_batches(learner.generator)
        if len(batch.y) == size
    ]
    return [batches[step % len(batches)] for step in range(steps)]


def work(job: Job[GridView], /, base: Experiment | None = None, **options: Any) -> None:
    """Fill the map in a job; its result is the map so far. See :func:`cells`."""
    drive(job, _moments(cells(base or template(), **options)))


def _moments(found: Iterator[tuple[float, GridView | None]]) -> Moments[GridView]:
    yield Moment(0.0)
    for done, view in found:
        if view is None:
            yield Moment(min(done, 0.999))
        else:
            yield Moment(min(done, 0.999), given(view), source=view.source)
