"""Schedules: pure functions of position in [0, 1], composed; so a schedule can be drawn before anything trains."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from explorer.experiment import Experiment

Schedule = Callable[[float], float]
"""From position in [0, 1] to a factor on the learning rate (or to a momentum)."""

MOMENTUM = 0.9


def constant(value: float = 1.0) -> Schedule:
    """The same everywhere."""
    return lambda position: value


def cosine(start: float = 1.0, end: float = 0.0) -> Schedule:
    """Half a cosine from ``start`` to ``end``: SGDR's annealing (Loshchilov & Hutter 2017, eq. 5)."""
    return lambda position: end + (start - end) * (1 + math.cos(math.pi * position)) / 2


def combine(lengths: Sequence[float], schedules: Sequence[Schedule]) -> Schedule:
    """The schedules one after the other, each stretched over its share of ``lengths``."""
    total = sum(lengths)
    ends = [sum(lengths[: i + 1]) / total for i in range(len(lengths))]

    def combined(position: float) -> float:
        index = next((i for i, end in enumerate(ends) if position < end), len(ends) - 1)
        start = ends[index] - lengths[index] / total
        return schedules[index](min(1.0, (position - start) * total / lengths[index]))

    return combined


def cycles(epochs: int, cycle_len: int, cycle_mult: int) -> list[int]:
    """Lengths in epochs of the cycles that fit: (15, 1, 2) → [1, 2, 4, 8]. The last is cut to fit."""
    lengths: list[int] = []
    length = cycle_len
    while sum(lengths) < epochs:
        lengths.append(min(length, epochs - sum(lengths)))
        length *= cycle_mult
    return lengths


def cycle_ends(experiment: "Experiment") -> tuple[int, ...]:
    """Epochs done at the end of each cycle, the lead-in counted: (2 + 15, 1, 2) → (3, 5, 9, 17). () without cycles."""
    if experiment.schedule != "cosine":
        return ()
    lengths = cycles(experiment.epochs, experiment.cycle_len, experiment.cycle_mult)
    return tuple(experiment.lead_epochs + sum(lengths[: i + 1]) for i in range(len(lengths)))


def restarts(epochs: int, cycle_len: int = 1, cycle_mult: int = 1) -> Schedule:
    """Cosine annealing to zero, begun again at the end of each cycle (SGDR)."""
    lengths = cycles(epochs, cycle_len, cycle_mult)
    return combine(lengths, [cosine()] * len(lengths))


def step(epochs: int, drop_epochs: int) -> Schedule:
    """1, then a tenth for the last ``drop_epochs``: what the lecture does by hand with ``set_lrs``.

    The first epoch is always a full one: a run cut to one epoch should learn something.
    """
    drop = min(drop_epochs, epochs - 1)
    if drop == 0:
        return constant()
    return combine([epochs - drop, drop], [constant(), constant(0.1)])


def one_cycle(rise: float = 0.25) -> Schedule:
    """Up from 1/25 for a quarter of the run, then down to almost nothing (Smith 2018, as fastai sets it)."""
    return combine([rise, 1 - rise], [cosine(1 / 25, 1.0), cosine(1.0, 1e-5)])


@dataclass(frozen=True)
class Plan:
    """The whole run's rates, as functions of epochs done (a float)."""

    epochs: int
    lr: Callable[[float], float]
    momentum: Callable[[float], float]


def plan(experiment: "Experiment") -> Plan:
    """Lead-in at a constant rate, then the main schedule."""
    makers: dict[str, Callable[[], Schedule]] = {
        "constant": constant,
        "step": lambda: step(experiment.epochs, experiment.drop_epochs),
        "cosine": lambda: restarts(experiment.epochs, experiment.cycle_len, experiment.cycle_mult),
        "one-cycle": one_cycle,
    }
    main = makers[experiment.schedule]()
    one = experiment.schedule == "one-cycle"
    momentum = combine([0.25, 0.75], [cosine(0.95, 0.85), cosine(0.85, 0.95)]) if one else constant(MOMENTUM)
    lead, epochs = experiment.lead_epochs, experiment.epochs

    def lr(done: float) -> float:
        if done < lead:
            return experiment.lead_lr
        return experiment.lr * main(min(1.0, (done - lead) / epochs))

    return Plan(lead + epochs, lr, lambda done: MOMENTUM if done < lead else momentum((done - lead) / epochs))
