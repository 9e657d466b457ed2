"""A classifier of one's own as a background job: features once, the head, and how far to trust it."""

import copy
import functools
import math
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer import devices
from explorer.cam import head
from explorer.cam.classifier import shipped
from explorer.cam.network import CamNet
from explorer.jobs.job import Job
from explorer.runs.drive import Moment, Moments, drive

if TYPE_CHECKING:
    from explorer.data.photos import Photo

LOOKING = 0.8  # share of the work that is running the backbone over the photos
TUNE_BATCH = 16  # at most


@dataclass(frozen=True, eq=False)
class Trained:
    """A classifier and what was measured about it."""

    stamp: str  #: changes with its weights
    network: CamNet
    photos: tuple[int, ...] = ()  #: a class
    accuracy: float = float("nan")  #: leave-one-out, in [0, 1]
    per_class: tuple[float, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0  #: training the head alone, or all of it
    tuned: bool = False  #: the body has learnt, too, and belongs into the file
    learnt_from: frozenset[str] = frozenset()  #: the photos' digests; empty for one from a file


@dataclass(frozen=True, eq=False)
class Learnt:
    """What training a classifier leaves for its page."""

    curve: tuple[head.FitStep, ...]  #: the steps so far
    trained: Trained | None = None  #: once it is


def work(job: Job[Learnt], classes: Mapping[str, Sequence["Photo"]]) -> None:
    """Train a head for ``classes`` (name → photos) on the frozen body of the network that ships, in a job.

    Raises:
        SettingsError: see :func:`explorer.cam.head.check`. WeightsError: no network. Stopped: the job was asked to.
    """
    network = shipped()

    def looked(done: int, photos: int) -> None:
        job.between_steps(LOOKING * done / photos)

    features = head.extract(network, classes, progress=looked)
    drive(job, _fitting(network, classes, features))


def _fitting(network: CamNet, classes: Mapping[str, Sequence["Photo"]], features: head.Features) -> Moments[Learnt]:
    curve: list[head.FitStep] = []
    so_far = functools.partial(_learnt, curve)
    yield Moment(LOOKING)
    began = time.perf_counter()
    fit = head.Fit(features)
    for step in fit:
        curve.append(step)
        yield Moment(LOOKING + (1 - LOOKING) * step.step / fit.steps, so_far if step.step % 10 == 0 else None)
    seconds = time.perf_counter() - began
    own = network.with_head(fit.head().to(network.device), features.classes)
    tested = head.leave_one_out(features)
    trained = Trained(
        secrets.token_hex(4),
        own,
        features.counts(),
        tested.accuracy,
        tested.per_class(len(features.classes)),
        head.warnings(features, head.background_shares(own, classes), tested),
        seconds,
        learnt_from=_digests(classes),
    )
    yield Moment(1.0, functools.partial(_learnt, curve, trained))


def tune(job: Job[Learnt], before: CamNet, classes: Mapping[str, Sequence["Photo"]], epochs: int, lr: float) -> None:
    """Unfreeze a trained classifier's body and train everything, on a copy: the body is everybody's.

    It is not measured by leaving photos out, which would take one training a photo.

    Raises:
        Stopped: the job was asked to stop.
    """
    drive(job, _tuning(before, classes, epochs, lr))


def _tuning(before: CamNet, classes: Mapping[str, Sequence["Photo"]], epochs: int, lr: float) -> Moments[Learnt]:
    network = copy.deepcopy(before).to(devices.choose())
    photos = [photo for part in classes.values() for photo in part]
    labels = [index for index, part in enumerate(classes.values()) for _ in part]
    batches = math.ceil(len(photos) / TUNE_BATCH)
    size = math.ceil(len(photos) / batches)  # even ones: batch normalisation makes nonsense of a last batch of three
    curve: list[head.FitStep] = []
    so_far = functools.partial(_learnt, curve)
    yield Moment(0.0)
    began = time.perf_counter()
    for step in head.fine_tune(network, photos, labels, epochs=epochs, lr=lr, batch_size=size):
        curve.append(step)
        yield Moment(len(curve) / (epochs * batches + 1), so_far)
    seconds = time.perf_counter() - began
    network.freeze_to(-4)
    counts = tuple(len(part) for part in classes.values())
    trained = Trained(
        secrets.token_hex(4), network.eval(), counts, seconds=seconds, tuned=True, learnt_from=_digests(classes)
    )
    yield Moment(1.0, functools.partial(_learnt, curve, trained))


def _learnt(curve: Sequence[head.FitStep], trained: Trained | None = None) -> Learnt:
    return Learnt(tuple(curve), trained)


def _digests(classes: Mapping[str, Sequence["Photo"]]) -> frozenset[str]:
    return frozenset(photo.digest for photos in classes.values() for photo in photos if photo.digest)
