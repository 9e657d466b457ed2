"""Heads on a frozen body: your own classes from a few photos.

The head is a 3 × 3 convolution followed by a mean, and both are linear. So the score of a whole photo is one dot
product with nine numbers a channel, the mean of the features under each of the kernel's nine taps. These are
computed once a photo and kept; training the head on them is exactly training the convolution, only in milliseconds,
and with every photo left out in turn as well.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from explorer.cam.classifier import MAX_CLASSES, MIN_CLASSES, clean_name
from explorer.cam.explain import explain
from explorer.cam.heat import BORDER_HEAVY, background_share
from explorer.cam.network import CamNet, head_of
from explorer.cam.view import normalised, picture_of
from explorer.data import dogscats
from explorer.data.photos import Photo
from explorer.errors import SettingsError

MIN_PHOTOS = 3
FEW = 8  #: photos a class below which a classifier is a guess
STEPS = 120
DECAY = 1e-4
MOMENTUM = 0.9
Progress = Callable[[int, int], None]


# -- features ----------------------------------------------------------------------------------------
def taps(features: torch.Tensor) -> torch.Tensor:
    """The mean of the features under each tap of a 3 × 3 kernel: (N, C, h, w) to (N, 9·C), in a Conv2d's order.

    ``taps(f) @ w.flatten(1).T + b`` equals ``conv2d(f, w, b, padding=1).mean((2, 3))``.
    """
    height, width = features.shape[2:]
    padded = F.pad(features, (1, 1, 1, 1))
    means = [padded[:, :, r : r + height, c : c + width].mean((2, 3)) for r in range(3) for c in range(3)]
    return torch.stack(means, 2).flatten(1)


@dataclass(frozen=True, eq=False)
class Features:
    """What is kept of a set of photos: enough to train a head, and nothing that could be looked at."""

    taps: torch.Tensor = field(repr=False)  #: float32 (photos, views, 9·C): as it is, and mirrored or augmented
    labels: torch.Tensor = field(repr=False)  #: int64 (photos,)
    classes: tuple[str, ...]

    def counts(self) -> tuple[int, ...]:
        """Photos a class."""
        return tuple(int((self.labels == i).sum()) for i in range(len(self.classes)))


def check(classes: Mapping[str, Sequence[Any]]) -> tuple[str, ...]:
    """The classes' names, cleaned, when they can be trained on.

    Raises:
        SettingsError: not 2 to 5 classes, fewer than 3 photos in one, or names that are empty or alike.
    """
    names = tuple(clean_name(name) for name in classes)
    if not MIN_CLASSES <= len(names) <= MAX_CLASSES:
        raise SettingsError(f"Make {MIN_CLASSES} to {MAX_CLASSES} classes; there are {len(names)}.")
    if len({name.casefold() for name in names}) < len(names):
        raise SettingsError("Two classes have the same name. Rename one.")
    for name, photos in zip(names, classes.values(), strict=True):
        if len(photos) < MIN_PHOTOS:
            raise SettingsError(f"The class {name} has {len(photos)} photos; it needs at least {MIN_PHOTOS}.")
    return names


def extract(
    network: CamNet, classes: Mapping[str, Sequence[Photo]], *, mirrored: bool = True, progress: Progress | None = None
) -> Features:
    """Run the body over each class's photos, once as they are and once mirrored (the lecture's side-on flip).

    ``progress`` is called with photos done and in all, and may raise to stop.

    Raises:
        SettingsError: see :func:`check`.
    """
    names = check(classes)
    photos = [photo for part in classes.values() for photo in part]
    labels = [i for i, part in enumerate(classes.values()) for _ in part]

    def pictures() -> Iterator[np.ndarray]:
        for i, photo in enumerate(photos):
            picture, _ = picture_of(photo.rgb, network)
            yield picture
            if mirrored:
                yield np.ascontiguousarray(picture[:, ::-1])
            if progress:
                progress(i + 1, len(photos))

    found = taps_of(network, pictures())
    return Features(found.view(len(photos), -1, found.shape[1]), torch.tensor(labels), names)


def taps_of(network: CamNet, pictures: Iterable[np.ndarray], batch: int = 8) -> torch.Tensor:
    """Taps of uint8 pictures of the network's size, (N, 9·C) float32 on the host."""
    found: list[torch.Tensor] = []

    def run(part: list[np.ndarray]) -> None:
        with torch.no_grad():  # not inference_mode, whose tensors may never be trained on
            found.append(taps(network.features(normalised(np.stack(part), network))).float().cpu())

    waiting: list[np.ndarray] = []
    for picture in pictures:
        waiting.append(picture)
        if len(waiting) == batch:
            run(waiting)
            waiting = []
    if waiting:
        run(waiting)
    return torch.cat(found)


# -- training a head -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class FitStep:
    """One step of training, over all photos."""

    step: int
    loss: float  #: mean cross-entropy before the step, nats
    lr: float
    accuracy: float  #: on the training photos


class Fit:
    """Training a head on kept features, step by step: ``for step in fit: ...``, then :meth:`head`.

    Softmax regression with weight decay by gradient descent with Nesterov momentum from zero, all photos in every
    step. It is run on the coefficients of the photos (``w = Σ_i a_i x_i``), which a descent from zero never
    leaves, so that a step costs N² and not N·9C, and leaving photos out is only a mask. The rate is one over the
    loss's steepest curvature unless it is given.
    """

    def __init__(
        self,
        features: Features,
        *,
        steps: int = STEPS,
        lr: float | None = None,
        weight_decay: float = DECAY,
        left_out: torch.Tensor | None = None,
    ) -> None:
        count, views, width = features.taps.shape
        flat = features.taps.reshape(-1, width)
        self.features, self.steps, self.weight_decay = features, steps, weight_decay
        self.centre = flat.mean(0)
        x = flat - self.centre
        self.scale = float(x.square().sum(1).mean().sqrt()) or 1.0
        self.x = x / self.scale
        self.gram = self.x @ self.x.T + 1  # the 1 is a bias
        labels = features.labels.repeat_interleave(views)
        self.targets = F.one_hot(labels, len(features.classes)).float()
        used = torch.ones(1, count, dtype=torch.bool) if left_out is None else ~left_out
        self.used = used.repeat_interleave(views, 1).float()[:, :, None]  # (folds, N·views, 1)
        self.lr = lr or 1 / (0.5 * _largest_eigenvalue(self.gram) / len(flat) + weight_decay)
        self.coefficients = torch.zeros(len(used), len(flat), len(features.classes))

    def __iter__(self) -> Iterator[FitStep]:
        velocity = torch.zeros_like(self.coefficients)
        share = self.used / self.used.sum(1, keepdim=True)
        for step in range(self.steps):
            logits = self.gram @ self.coefficients
            log_p = logits.log_softmax(2)
            right = (logits.argmax(2) == self.targets.argmax(1)).float()
            loss = -(log_p * self.targets * share).sum((1, 2)).mean()
            gradient = (log_p.exp() - self.targets) * share + self.weight_decay * self.coefficients
            velocity.mul_(MOMENTUM).add_(gradient)
            self.coefficients -= self.lr * (gradient + MOMENTUM * velocity)
            yield FitStep(step, float(loss), self.lr, min(1.0, float((right * share[:, :, 0]).sum(1).mean())))

    def head(self) -> nn.Conv2d:
        """The head as trained so far, ready to be a network's."""
        weight = self.coefficients[0].T @ self.x / self.scale
        bias = self.coefficients[0].sum(0) - weight @ self.centre
        return head_of(weight.view(len(weight), -1, 3, 3), bias)


def _largest_eigenvalue(gram: torch.Tensor, rounds: int = 30) -> float:
    """By power iteration, within a few per cent, which is enough for a rate."""
    v = torch.ones(len(gram))
    for _ in range(rounds):
        v = F.normalize(gram @ v, dim=0)
    return 1.05 * float(v @ (gram @ v))


@dataclass(frozen=True, eq=False)
class LeaveOneOut:
    """What a head says about each photo when it has learnt from all the others."""

    probabilities: np.ndarray  #: (photos, n_classes)
    labels: np.ndarray  #: (photos,)

    @property
    def accuracy(self) -> float:
        """Share of the photos recognised, in [0, 1]."""
        return float((self.probabilities.argmax(1) == self.labels).mean())

    def per_class(self, n_classes: int) -> tuple[float, ...]:
        """Share recognised of each class."""
        right = self.probabilities.argmax(1) == self.labels
        return tuple(float(right[self.labels == i].mean()) for i in range(n_classes))


def leave_one_out(features: Features, steps: int = STEPS, weight_decay: float = DECAY) -> LeaveOneOut:
    """Train once without each photo (and its mirror image) and ask about it; all at the same time.

    The scale of the features comes from all photos, which says nothing about their classes.
    """
    count, views, _ = features.taps.shape
    rows: list[torch.Tensor] = []
    for fold in torch.split(torch.eye(count, dtype=torch.bool), 25):
        fit = Fit(features, steps=steps, weight_decay=weight_decay, left_out=fold)
        for _ in fit:
            pass
        logits = fit.gram @ fit.coefficients
        rows += [logits[i, int(which) * views] for i, which in enumerate(fold.float().argmax(1))]
    return LeaveOneOut(torch.stack(rows).softmax(1).numpy(), features.labels.numpy())


def fine_tune(
    network: CamNet,
    photos: Sequence[Photo],
    labels: Sequence[int],
    *,
    epochs: int = 1,
    lr: float = 1e-3,
    batch_size: int = 16,
    seed: int = 0,
) -> Iterator[FitStep]:
    """Unfreeze the whole network and train it, earlier layers at smaller rates; yields after every step.

    The network must be the caller's own (``copy.deepcopy`` it first): its body changes. Augmented as in the
    lecture. SGD with momentum 0.9; the rate falls along a cosine. When the iteration ends the network is in
    evaluation mode.
    """
    network.unfreeze()
    optimiser = torch.optim.SGD(network.parameter_groups(lr), lr=lr, momentum=MOMENTUM)
    total = epochs * math.ceil(len(photos) / batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, total)
    generator = torch.Generator().manual_seed(seed)
    network.train()
    step = 0
    try:
        for _ in range(epochs):
            for chosen in torch.split(torch.randperm(len(photos), generator=generator), batch_size):
                pictures = [dogscats.augmented(photos[int(i)].rgb, network.size, generator) for i in chosen]
                y = torch.tensor([labels[int(i)] for i in chosen], device=network.device)
                logits = network(normalised(np.stack(pictures), network))
                loss = F.cross_entropy(logits, y)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # torch's stub has no types
                optimiser.step()
                rate = float(schedule.get_last_lr()[-1])
                schedule.step()
                yield FitStep(step, float(loss.detach()), rate, float((logits.argmax(1) == y).float().mean()))
                step += 1
    finally:
        network.eval()


# -- what to be wary of ----------------------------------------------------------------------------------
def background_shares(network: CamNet, classes: Mapping[str, Sequence[Photo]], limit: int = 8) -> tuple[float, ...]:
    """For each class, the mean share of its own map's heat at the border, over its first ``limit`` photos."""
    shares = []
    for index, photos in enumerate(classes.values()):
        found = [explain(network, photo, class_index=index) for photo in photos[:limit]]
        # Of the part that speaks for this class: min–max, because a bias may lift the whole map.
        shares.append(float(np.mean([background_share(e.heat.values) for e in found])))
    return tuple(shares)


def warnings(features: Features, shares: Sequence[float] = (), tested: LeaveOneOut | None = None) -> tuple[str, ...]:
    """Sentences about classes that are too small, out of balance, not told apart, or decided by the background."""
    counts = features.counts()
    found = [
        f"{name} has only {count} photos; take {FEW} or more, with different backgrounds."
        for name, count in zip(features.classes, counts, strict=True)
        if count < FEW
    ]
    if max(counts) > 3 * min(counts):
        small, large = (features.classes[counts.index(f(counts))] for f in (min, max))
        found.append(f"{large} has more than three times as many photos as {small}, and will be guessed too often.")
    if tested is not None:
        found += [
            f"{name} is recognised in only {share:.0%} of its own photos when they are left out."
            for name, share in zip(features.classes, tested.per_class(len(counts)), strict=True)
            if share < 0.6
        ]
    found += [
        f"For {name} most of the heat ({share:.0%}) lies at the border: the background may be what decides."
        for name, share in zip(features.classes, shares, strict=False)
        if share > BORDER_HEAVY
    ]
    return tuple(found)
