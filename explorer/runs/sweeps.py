"""A sweep: one experiment, with some of its settings at every combination of some values. Pure.

plan = Plan.of(Experiment.of("gru"), ["lr=1e-4:1e-1:log:8", "bptt=8,16,32"], seeds=3)
for cell in plan.cells: ...                  # 72 experiments, each checked, the first seed's before the second's
group = Group.of(store.cells([id]), store.ends([id]))
group.best                                   # what came out, the seeds of a point taken together
"""

import difflib
import itertools
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from explorer.errors import SettingsError
from explorer.experiment import SETTINGS, Experiment, applies
from explorer.settings import Scale, Setting
from explorer.store.history import EpochRow
from explorer.store.index import Run
from explorer.store.words import ENDED, State

MOST = 1000  #: cells of a sweep
OVER = frozenset({State.DONE, State.DIVERGED})  #: states of a cell in which nothing is left to do
EXAMPLE = "--over lr=1e-4:1e-1:log:8, or --over bptt=8,16,32"


@dataclass(frozen=True)
class Axis:
    """A setting and the values it takes."""

    name: str
    values: tuple[Any, ...]

    @classmethod
    def of(cls, words: str) -> "Axis":
        """What was typed: ``name=a,b,c`` (widths, which have commas: ``a;b;c``), or ``name=low:high:log:count``.

        Raises:
            SettingsError: that is no axis.
        """
        name, equals, rest = (part.strip() for part in words.partition("="))
        name = name.replace("-", "_")
        if not equals or not rest:
            raise SettingsError(f"{words!r} is no axis of a sweep. Say {EXAMPLE}.")
        if name not in SETTINGS:
            close = difflib.get_close_matches(name, SETTINGS, 1)
            meant = f"did you mean {close[0]}?" if close else f"they are {', '.join(SETTINGS)}."
            raise SettingsError(f"{name!r} is not a setting; {meant}")
        setting = SETTINGS[name]
        if ":" in rest:
            values = _span(setting, words, rest.split(":"))
        else:
            values = [setting.check(value.strip()) for value in rest.split(_comma(setting))]
        values = [*dict.fromkeys(values)]
        if len(values) < 2:
            several = "Put ; between its values." if _comma(setting) == ";" else f"Set it with --{name} instead."
            raise SettingsError(f"{words!r} is one value; an axis has two at least. {several}")
        return cls(name, tuple(values))

    def __str__(self) -> str:
        words = [word(value) for value in self.values]
        return f"{self.name} {', '.join(words) if len(words) < 5 else f'{words[0]} … {words[-1]} ({len(words)})'}"


def _comma(setting: Setting) -> str:
    """What stands between its values."""
    return ";" if setting.name == "widths" else ","  # each of its values has commas


def _span(setting: Setting, words: str, parts: Sequence[str]) -> list[Any]:
    """Evenly spread values from low to high, both among them."""
    if setting.kind not in (int, float):
        raise SettingsError(f"{setting.label} is no number: list its values, as in --over {setting.name}=a,b.")
    if len(parts) != 4 or parts[2] not in ("log", "lin"):
        raise SettingsError(f"{words!r} is no axis: from low to high goes {setting.name}=LOW:HIGH:log:COUNT (or lin).")
    low, high = setting.check(parts[0]), setting.check(parts[1])
    if not parts[3].isdecimal() or not 2 <= int(parts[3]) <= MOST:
        raise SettingsError(f"{words!r} asks for {parts[3]!r} values; an axis has 2 to {MOST:,}.")
    if low >= high or (parts[2] == "log" and low <= 0):
        raise SettingsError(f"{words!r} must go from a lower value up to a higher one{', above 0' * (low <= 0)}.")
    spread = np.geomspace if parts[2] == "log" else np.linspace
    inside = spread(low, high, int(parts[3])).tolist()[1:-1]
    rounded = [round(value) if setting.kind is int else float(f"{value:.3g}") for value in inside]
    return [low, *(setting.check(value) for value in rounded), high]


def word(value: Any) -> str:
    """A value of a setting, as one would type it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Cell:
    """One run of a sweep."""

    at: Mapping[str, Any]  #: its values on the axes
    experiment: Experiment

    def __str__(self) -> str:
        return in_words(self.at)


def in_words(at: Mapping[str, Any]) -> str:
    """``lr 0.001 · bptt 8``."""
    return " · ".join(f"{name} {word(value)}" for name, value in at.items())


def alike(experiment: Experiment) -> Experiment:
    """One for all that differ in nothing but what needs the same data, network and memory."""
    return experiment.replace(seed=0, lr=1e-3, epochs=1, max_seconds=0)


@dataclass(frozen=True)
class Plan:
    """What a sweep is going to do."""

    base: Experiment
    axes: tuple[Axis, ...]
    cells: tuple[Cell, ...]

    @classmethod
    def of(cls, base: Experiment, over: Sequence[str], seeds: int = 1, typed: Sequence[str] = ()) -> "Plan":
        """Every combination, each checked.

        Args:
            base: all settings that do not vary.
            over: the axes, as typed.
            seeds: how many seeds each is to run with, from the base's on.
            typed: settings that were given a value of their own, which an axis must not vary.

        Raises:
            SettingsError: an axis or a combination of values cannot be.
        """
        axes = [Axis.of(words) for words in over]
        names = [axis.name for axis in axes]
        if seeds < 1:
            raise SettingsError(f"A sweep runs with 1 seed at least, not {seeds}.")
        if seeds > 1:
            if "seed" in names:
                raise SettingsError("Seeds are either an axis or a number of them: leave --seeds or --over seed out.")
            axes = [Axis("seed", tuple(SETTINGS["seed"].check(base.seed + more) for more in range(seeds))), *axes]
        if not axes:
            raise SettingsError(f"A sweep goes over something. Say {EXAMPLE}.")
        for name in names:
            _check(name, names, typed, base)
        if (count := math.prod(len(axis.values) for axis in axes)) > MOST:
            raise SettingsError(f"These axes make {count:,} cells; a sweep has {MOST:,} at most. Take fewer values.")
        cells = tuple(
            _cell(base, dict(zip([axis.name for axis in axes], values, strict=True)))
            for values in itertools.product(*(axis.values for axis in axes))
        )
        _count_for_something(cells, names)
        return cls(base, tuple(axes), cells)

    def __str__(self) -> str:
        axes = sorted(self.axes, key=lambda axis: axis.name == "seed")
        return " × ".join(f"{len(axis.values)} {'seeds' if axis.name == 'seed' else axis.name}" for axis in axes)


def _check(name: str, names: Sequence[str], typed: Sequence[str], base: Experiment) -> None:
    if names.count(name) > 1:
        raise SettingsError(f"{name} is two axes. Give all its values in one.")
    if name in typed:
        raise SettingsError(f"{name} is an axis and has a value of its own, too: leave --{name} or the axis out.")
    if not applies(SETTINGS[name], base.rung):
        raise SettingsError(f"{SETTINGS[name].label} is no setting of {base.rung.class_name} ({base.model}).")


def _cell(base: Experiment, at: dict[str, Any]) -> Cell:
    """A cell. Its seed is said last, though it changes slowest: one whole map first, then the next seed's."""
    if "seed" in at:
        at["seed"] = at.pop("seed")
    return Cell(at, base.replace(**at))


def _count_for_something(cells: Sequence[Cell], names: Sequence[str]) -> None:
    """That each axis makes a difference in some cell: some settings are looked at with others only."""
    for name in names:
        if (when := SETTINGS[name].when) is None:
            continue
        other, wanted = when
        if not any(getattr(cell.experiment, other) in wanted for cell in cells):
            raise SettingsError(f"{name} counts only with --{other.replace('_', '-')} {' or '.join(wanted)}.")


# -- what came out -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figure:
    """One quantity over the seeds of a point."""

    mean: float
    spread: float  #: standard deviation of the sample; NaN of one seed

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure":
        """NaN of no values."""
        if not values:
            return cls(math.nan, math.nan)
        return cls(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else math.nan)

    def text(self, digits: int = 4, percent: bool = False) -> str:
        """``1.4521 ± 0.0032``."""
        if math.isnan(self.mean):
            return "–"
        form = f".{digits - 2}%" if percent else f".{digits}f"
        return f"{self.mean:{form}}" + ("" if math.isnan(self.spread) else f" ± {self.spread:{form}}")


@dataclass(frozen=True)
class Point:
    """One combination of the axes' values but the seed, and its runs."""

    at: Mapping[str, Any]
    runs: tuple[Run, ...]
    val_loss: Figure  #: after the last epoch
    accuracy: Figure

    @property
    def broke(self) -> bool:
        """Whether one of its runs diverged."""
        return any(run.state == State.DIVERGED for run in self.runs)

    @property
    def done(self) -> bool:
        """Whether all of its runs have ended well."""
        return all(run.state == State.DONE for run in self.runs)


@dataclass(frozen=True)
class Group:
    """A sweep, as the record of runs has it."""

    id: str
    runs: tuple[Run, ...]
    points: tuple[Point, ...]
    ends: Mapping[str, EpochRow]  #: each run's last validation

    @classmethod
    def of(cls, runs: Sequence[Run], ends: Mapping[str, EpochRow]) -> "Group":
        """The group of a sweep's cells, one at least, as the store's ``cells`` and ``ends`` give them."""
        together: dict[str, list[Run]] = {}
        for run in runs:
            together.setdefault(json.dumps({k: v for k, v in run.at.items() if k != "seed"}), []).append(run)
        points = tuple(_point(json.loads(at), tuple(same), ends) for at, same in together.items())
        return cls(runs[0].sweep, tuple(runs), points, ends)

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Its axes but the seed, with the values there are."""
        names = self.points[0].at
        return tuple(Axis(name, tuple(dict.fromkeys(point.at[name] for point in self.points))) for name in names)

    @property
    def seeds(self) -> int:
        """How many seeds each point has."""
        return max(len(point.runs) for point in self.points)

    @property
    def by_loss(self) -> bool:
        """Whether it is judged by the validation loss, and not by accuracy."""
        experiment = self.runs[0].experiment
        return experiment is not None and experiment.rung.metric == "val_loss"

    def score(self, point: Point) -> float:
        """What it is judged by; less is better. NaN before there is anything to judge."""
        return point.val_loss.mean if self.by_loss else -point.accuracy.mean

    @property
    def best(self) -> Point | None:
        """The point that did best of those that did not break; None before there is one."""
        judged = [point for point in self.points if not point.broke and not math.isnan(self.score(point))]
        return min(judged, key=self.score, default=None)

    @property
    def best_run(self) -> Run:
        """Of the best point the run that did best; the first where there is none."""
        found = self.best
        ended = [run for run in found.runs if run.id in self.ends] if found else []
        return min(ended, key=self._score_of, default=self.runs[0])

    def _score_of(self, run: Run) -> float:
        end = self.ends[run.id]
        return end.val_loss if self.by_loss else -end.accuracy

    @property
    def done(self) -> int:
        """Cells that are over."""
        return sum(run.state in OVER for run in self.runs)

    @property
    def state(self) -> State:
        """What it is doing, or how it ended."""
        if any(run.state not in ENDED for run in self.runs):
            return State.RUNNING
        failed = any(run.state == State.FAILED for run in self.runs)
        return State.DONE if self.done == len(self.runs) else State.FAILED if failed else State.STOPPED

    def __str__(self) -> str:
        seeds = f" × {self.seeds} seeds" if self.seeds > 1 else ""
        return " × ".join(map(str, self.axes)) + seeds


def _point(at: Mapping[str, Any], runs: tuple[Run, ...], ends: Mapping[str, EpochRow]) -> Point:
    there = [ends[run.id] for run in runs if run.id in ends]
    return Point(at, runs, Figure.of([row.val_loss for row in there]), Figure.of([row.accuracy for row in there]))


def numeric(axis: Axis) -> bool:
    """Whether an axis is one of numbers."""
    return SETTINGS[axis.name].kind in (int, float)


def logarithmic(axis: Axis) -> bool:
    """Whether an axis is better drawn on a logarithmic scale."""
    setting = SETTINGS[axis.name]
    return setting.scale == Scale.LOG and numeric(axis) and min(axis.values) > 0
