"""A classifier of one's own as a background job: features once, the head, and how far to trust it."""

import copy
import math
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.cam import head
from explorer.cam.network import CamNet
from explorer.runs.jobs import Job

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


def work(job: Job, network: CamNet, classes: Mapping[str, Sequence["Photo"]]) -> None:
    """Train a head for ``classes`` (name → photos) on ``network``'s frozen body.

    Publishes ``curve`` (the steps so far) and, at the end, ``trained``, a :class:`Trained`.

    Raises:
        SettingsError: see :func:`explorer.cam.head.check`. Stopped: the job was asked to stop.
    """

    def looked(done: int, photos: int) -> None:
        job.between_steps(LOOKING * done / photos)

    features = head.extract(network, classes, progress=looked)
    began = time.perf_counter()
    fit, curve = head.Fit(features), []
    for step in fit:
        curve.append(step)
        job.between_steps(LOOKING + (1 - LOOKING) * step.step / fit.steps)
        if step.step % 10 == 0:
            job.publish(curve=tuple(curve))
    seconds = time.perf_counter() - began
    own = network.with_head(fit.head().to(network.device), features.classes)
    tested = head.leave_one_out(features)
    shares = head.background_shares(own, classes)
    job.publish(
        curve=tuple(curve),
        trained=Trained(
            secrets.token_hex(4),
            own,
            features.counts(),
            tested.accuracy,
            tested.per_class(len(features.classes)),
            head.warnings(features, shares, tested),
            seconds,
            learnt_from=_digests(classes),
        ),
    )


def tune(job: Job, before: Trained, classes: Mapping[str, Sequence["Photo"]], epochs: int, lr: float) -> None:
    """Unfreeze a trained classifier's body and train everything, on a copy: the body is everybody's.

    Publishes ``curve`` and, at the end, ``trained``. It is not measured by leaving photos out, which would take one
    training a photo.

    Raises:
        Stopped: the job was asked to stop.
    """
    network = copy.deepcopy(before.network)
    photos = [photo for part in classes.values() for photo in part]
    labels = [index for index, part in enumerate(classes.values()) for _ in part]
    batches = math.ceil(len(photos) / TUNE_BATCH)
    size = math.ceil(len(photos) / batches)  # even ones: batch normalisation makes nonsense of a last batch of three
    began, curve = time.perf_counter(), []
    for step in head.fine_tune(network, photos, labels, epochs=epochs, lr=lr, batch_size=size):
        curve.append(step)
        job.publish(curve=tuple(curve))
        job.between_steps(len(curve) / (epochs * batches + 1))
    seconds = time.perf_counter() - began
    network.freeze_to(-4)
    counts = tuple(len(part) for part in classes.values())
    job.publish(
        trained=Trained(
            secrets.token_hex(4), network.eval(), counts, seconds=seconds, tuned=True, learnt_from=_digests(classes)
        )
    )


def _digests(classes: Mapping[str, Sequence["Photo"]]) -> frozenset[str]:
    return frozenset(photo.digest for photos in classes.values() for photo in photos if photo.digest)
