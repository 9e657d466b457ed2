"""A race: networks trained on the same batches, stepped in turn in one thread, so that none gets more CPU.

Each has its history and its activation record on the same axis of steps. One that breaks is marked where it
broke and stands still; the others go on.
"""

import contextlib
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from explorer import devices
from explorer.data import Batch, Source
from explorer.data.pictures import VisionData
from explorer.errors import SettingsError
from explorer.jobs.job import Job
from explorer.probes.activation_record import ActivationRecord
from explorer.probes.activations import AFTER_ACTIVATION, EVERY, ActivationProbe, FeatureMaps, feature_maps
from explorer.runs.drive import Moment, Moments, drive
from explorer.store.history import EpochRow, History, Snapshot
from explorer.training import prepare
from explorer.training.learner import Learner
from explorer.training.schedules import Plan, plan

if TYPE_CHECKING:
    from explorer.experiment import Experiment

EXPLODED, WINDOW = 4.0, 20  # broken: this many times the first loss, for so many steps on end
SHARED = ("data", "batch_size", "images", "augment", "newlines", "every_symbol", "bptt", "jitter", "window")


@dataclass(frozen=True)
class Break:
    """Where a network broke: its step, and the first layer whose activations overflowed or grew the most."""

    step: int
    layer: str
    why: str


@dataclass(frozen=True, eq=False)
class LaneView:
    """One network of a race at a moment."""

    name: str
    experiment: "Experiment"
    parameters: int
    steps: int  #: it takes when nothing stops it
    history: Snapshot
    record: ActivationRecord
    broke: Break | None
    maps: tuple[FeatureMaps, ...]  #: of :attr:`RaceView.picture`, after the last epoch; empty for language

    @property
    def final_loss(self) -> float:
        """Mean training loss of the last :data:`WINDOW` steps, nats; infinite once it broke, NaN before a step."""
        if self.broke:
            return float("inf")
        return float(self.history["loss"][-WINDOW:].mean()) if len(self.history) else float("nan")


@dataclass(frozen=True, eq=False)
class RaceView:
    """A moment of a race. ``picture`` is float32 (3, height, width), normalised, from the validation set."""

    lanes: tuple[LaneView, ...]
    source: Source
    finished: bool
    picture: np.ndarray | None

    @property
    def planned(self) -> int:
        """Steps to the end of the race."""
        return max(lane.steps for lane in self.lanes)

    @property
    def reached(self) -> int:
        """The last step any network has taken; 0 before the first."""
        return max((int(lane.history["step"][-1]) for lane in self.lanes if len(lane.history)), default=0)

    def __getitem__(self, name: str) -> LaneView:
        return next(lane for lane in self.lanes if lane.name == name)


@dataclass(eq=False)
class Racer:
    """One network while it races."""

    name: str
    experiment: "Experiment"
    learner: Learner
    plan: Plan
    probe: ActivationProbe
    history: History = field(default_factory=History)
    broke: Break | None = None
    maps: tuple[FeatureMaps, ...] = ()

    @property
    def racing(self) -> bool:
        """Whether it takes more steps."""
        return self.broke is None and self.learner.epoch < self.plan.epochs

    def step(self, batch: Batch) -> None:
        """One optimiser step at its own rate."""
        done = self.learner.epoch + batch.start
        rate = self.plan.lr(done) * self.learner.lr_factor
        self.history.add(self.learner.train_batch(batch, rate, self.plan.momentum(done)))

    def drain(self) -> None:
        """Bring losses and statistics to the host, and look whether it broke."""
        self.history.drain()
        self.probe.drain()
        if self.broke is None:
            self.broke = find_break(self.history.snapshot(), self.probe.snapshot())
            if self.broke:
                self.history.mark(self.broke.step, f"broke in {self.broke.layer}" if self.broke.layer else "broke")

    def end_epoch(self, seconds: float, picture: Tensor | None) -> None:
        """Validate and record it."""
        learner = self.learner
        learner.epoch += 1
        self.drain()
        if self.broke is None:
            loss, accuracy = learner.evaluate()
            row = EpochRow(learner.epoch, learner.step, self.history.smooth_loss, loss, accuracy, seconds)
            self.history.end_epoch(row)
            self.look(picture)

    def look(self, picture: Tensor | None) -> None:
        """Keep the feature maps of one picture."""
        if picture is not None:
            self.maps = feature_maps(self.learner.model, picture, self.probe.where)

    def view(self) -> LaneView:
        """This moment."""
        count = sum(p.numel() for p in self.learner.model.parameters())
        steps = self.plan.epochs * self.learner.data.steps_per_epoch
        return LaneView(
            self.name,
            self.experiment,
            count,
            steps,
            self.history.snapshot(),
            self.probe.snapshot(),
            self.broke,
            self.maps,
        )


def find_break(history: Snapshot, record: ActivationRecord) -> Break | None:
    """Where the loss stopped being a number, or began to stay above four times its first value; else None."""
    loss, steps = history["loss"], history["step"]
    if not len(loss):
        return None
    bad = np.flatnonzero(~np.isfinite(loss))
    high = np.isfinite(loss) & (loss > EXPLODED * max(loss[0], 1.0))
    whole = np.convolve(high, np.ones(WINDOW), "valid") if len(loss) >= WINDOW else np.empty(0)
    runs = np.flatnonzero(whole == WINDOW)
    if len(runs) and not (len(bad) and bad[0] < runs[0]):
        at, why = int(runs[0]), f"the loss went from {loss[0]:.2f} to {loss[runs[0] :].max():.3g}"
    elif len(bad):
        at, why = int(bad[0]), "the loss is not a number any more"
    else:
        return None
    return Break(int(steps[at]), _layer_that_broke(record, int(steps[at])), why)


def _layer_that_broke(record: ActivationRecord, step: int) -> str:
    """The first layer whose activations are not numbers; else the one whose spread has grown the most."""
    if not len(record):
        return ""
    broken = ~np.isfinite(record.std)
    if broken.any():
        return record.layers[int(broken[broken.any(1).argmax()].argmax())]
    last = min(int(np.searchsorted(record.steps, step)), len(record) - 1)
    return record.layers[int((record.std[last] / (record.std[0] + 1e-12)).argmax())]


def check(experiments: Mapping[str, "Experiment"]) -> None:
    """That these can be trained on the same batches.

    Raises:
        SettingsError: fewer than one, different ladders, or a setting that decides the batches differs.
    """
    if not experiments:
        raise SettingsError("A race needs at least one network.")
    first, *others = experiments.values()
    for other in others:
        if (other.rung.ladder, other.rung.cut) != (first.rung.ladder, first.rung.cut):
            raise SettingsError(f"{other.rung.title} and {first.rung.title} cannot be trained on the same batches.")
        for name in SHARED:
            if getattr(other, name) != getattr(first, name):
                raise SettingsError(
                    f"To be trained on the same batches, all must have the same {name.replace('_', ' ')}; "
                    f"there are {getattr(first, name)} and {getattr(other, name)}."
                )


class Race:
    """Networks by name, ready to be stepped.

    Args:
        experiments: each with its own model, rates and epochs; they share the batches of the first.
        where, every: see :class:`ActivationProbe`.
        valid_share: validate on one picture in so many of the validation set, evenly chosen; 1 is all.
        picture: which validation picture's feature maps are kept.

    Raises:
        SettingsError: see :func:`check`. DataError: the data cannot be used.
    """

    def __init__(
        self,
        experiments: Mapping[str, "Experiment"],
        where: str = AFTER_ACTIVATION,
        every: int = EVERY,
        valid_share: int = 1,
        picture: int = 0,
    ) -> None:
        check(experiments)
        first = next(iter(experiments.values()))
        data = prepare.data_for(first, devices.choose())
        if isinstance(data, VisionData):
            data = data.thinned(valid_share)
        learners = {name: prepare.learner_for(e, data=data) for name, e in experiments.items()}
        self.data, self.generator = data, torch.Generator().manual_seed(first.seed)
        self.picture = None
        if isinstance(data, VisionData):
            self.picture = next(data.valid_batches()).x[picture]
        self.lanes = [
            Racer(name, experiment, learners[name], plan(experiment), ActivationProbe(learners[name], every, where))
            for name, experiment in experiments.items()
        ]
        self.epochs = max(lane.plan.epochs for lane in self.lanes)

    def run(self) -> Generator[tuple[float, bool], None, None]:
        """Train; after each round of one step each, and each epoch, (share done, whether an epoch ended).

        The probes' hooks come off when the iterator ends or is closed.
        """
        with contextlib.ExitStack() as hooks:
            for lane in self.lanes:
                hooks.enter_context(lane.probe)
            for lane in self.lanes:
                lane.look(self.picture)
            for epoch in range(self.epochs):
                yield from self._epoch(epoch)
                if not any(lane.racing for lane in self.lanes):
                    return

    def _epoch(self, epoch: int) -> Iterator[tuple[float, bool]]:
        started = time.perf_counter()
        running = [lane for lane in self.lanes if lane.racing]
        for lane in running:
            lane.learner.model.train()
            if lane.learner.reset == "epoch":
                lane.learner.state = None
        for batch in self.data.train_batches(self.generator):
            for lane in running:
                if lane.broke is None:
                    lane.step(batch)
            yield (epoch + batch.start) / self.epochs, False
            if all(lane.broke for lane in running):
                return
        for lane in running:
            if lane.broke is None:
                lane.end_epoch(time.perf_counter() - started, self.picture)
        yield (epoch + 1) / self.epochs, True

    def change(self, name: str, value: float) -> None:
        """A live change for every network. A rate is the first one's; the others keep their ratio to it."""
        for lane in self.lanes:
            if name == "lr":
                lane.learner.lr_factor = value / self.lanes[0].experiment.lr
            else:
                lane.learner.set_live(name, value)
            lane.history.mark(lane.learner.step, f"{name} {value:g}")

    def drain(self) -> None:
        """Bring everything to the host; networks that broke stand still from here on."""
        for lane in self.lanes:
            lane.drain()

    def view(self, finished: bool = False) -> RaceView:
        """This moment."""
        picture = None if self.picture is None else self.picture.cpu().numpy()
        return RaceView(tuple(lane.view() for lane in self.lanes), self.data.source, finished, picture)


@dataclass(frozen=True, eq=False)
class Raced:
    """What a race leaves for its page."""

    experiments: Mapping[str, "Experiment"]
    claim: str = ""  #: the key of the preset it tests; "" for one of the visitor's own
    view: RaceView | None = None  #: None before everything is loaded


def work(job: Job[Raced], /, asked: Raced, **options: Any) -> None:
    """Run a race in a job.

    The job's requests are followed between two rounds; a changed ``lr`` moves all networks together.

    Args:
        job: carries requests and the result.
        asked: the networks, and what they shall show.
        options: see :class:`Race`.
    """
    race = Race(asked.experiments, **options)
    drive(job, _moments(race, asked), race.change)


def _moments(race: Race, asked: Raced) -> Moments[Raced]:
    finished = False

    def so_far() -> Raced:
        race.drain()
        return replace(asked, view=race.view(finished))

    yield Moment(0.0, so_far, source=race.data.source)
    with contextlib.closing(race.run()) as rounds:
        for done, epoch_ended in rounds:
            yield Moment(min(done, 0.999), so_far, epoch_ended)
    finished = True
