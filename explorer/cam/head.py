"""Heads on a frozen body: your own classes from a few photos, and the cats and dogs that ship.

The head is a 3 × 3 convolution followed by a mean, and both are linear. So the score of a whole photo is one dot
product with nine numbers a channel, the mean of the features under each of the kernel's nine taps. These are
computed once a photo and kept; training the head on them is exactly training the convolution, only in milliseconds,
and with every photo left out in turn as well.
"""

import hashlib
import json
import math
import struct
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from explorer import devices, paths
from explorer.cam import maps
from explorer.cam import network as models
from explorer.data import dogscats
from explorer.data.photos import MAX_BYTES, Photo, read_photo
from explorer.errors import ExplorerError, PhotoError, SettingsError, WeightsError
from explorer.training.checkpoint import write_whole

FORMAT = "explorer-head-1"
MIN_CLASSES, MAX_CLASSES, MIN_PHOTOS = 2, 5, 3
FEW = 8  #: photos a class below which a classifier is a guess
MAX_NAME = 40
MAX_FILE = 100_000_000
STEPS = 120
DECAY = 1e-4
MOMENTUM = 0.9
KEYS = {"dogscats": "mobilenet_v2", "dogscats-resnet34": "resnet34"}
_loading = {key: threading.Lock() for key in KEYS}

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


def clean_name(name: str) -> str:
    """A class name without control characters and outer blanks, in Unicode's composed form.

    Raises:
        SettingsError: nothing is left, or more than 40 characters.
    """
    text = " ".join("".join(c if c.isprintable() else " " for c in unicodedata.normalize("NFC", name)).split())
    if not text:
        raise SettingsError("A class needs a name.")
    if len(text) > MAX_NAME:
        raise SettingsError(f"The name {text[:20]}… is too long; {MAX_NAME} characters are enough.")
    return text


def extract(
    network: models.CamNet,
    classes: Mapping[str, Sequence[Photo]],
    *,
    mirrored: bool = True,
    progress: Progress | None = None,
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
            picture = maps.as_seen(photo.rgb, maps.geometry(*photo.rgb.shape[1::-1], network.size))
            yield picture
            if mirrored:
                yield np.ascontiguousarray(picture[:, ::-1])
            if progress:
                progress(i + 1, len(photos))

    found = taps_of(network, pictures())
    return Features(found.view(len(photos), -1, found.shape[1]), torch.tensor(labels), names)


def taps_of(network: models.CamNet, pictures: Iterable[np.ndarray], batch: int = 8) -> torch.Tensor:
    """Taps of uint8 pictures of the network's size, (N, 9·C) float32 on the host."""
    found: list[torch.Tensor] = []

    def run(part: list[np.ndarray]) -> None:
        with torch.no_grad():  # not inference_mode, whose tensors may never be trained on
            found.append(taps(network.features(maps.normalised(np.stack(part), network))).float().cpu())

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
        head = nn.Conv2d(weight.shape[1] // 9, len(weight), 3, padding=1)
        with torch.no_grad():
            head.weight.copy_(weight.view_as(head.weight))
            head.bias.copy_(bias)
        return head


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
    for fold in torch.eye(count, dtype=torch.bool).split(25):
        fit = Fit(features, steps=steps, weight_decay=weight_decay, left_out=fold)
        for _ in fit:
            pass
        logits = fit.gram @ fit.coefficients
        rows += [logits[i, int(which) * views] for i, which in enumerate(fold.float().argmax(1))]
    return LeaveOneOut(torch.stack(rows).softmax(1).numpy(), features.labels.numpy())


def fine_tune(
    network: models.CamNet,
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
            for chosen in torch.randperm(len(photos), generator=generator).split(batch_size):
                pictures = [dogscats.augmented(photos[int(i)].rgb, network.size, generator) for i in chosen]
                y = torch.tensor([labels[int(i)] for i in chosen], device=network.device)
                logits = network(maps.normalised(np.stack(pictures), network))
                loss = F.cross_entropy(logits, y)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                rate = schedule.get_last_lr()[-1]
                schedule.step()
                yield FitStep(step, float(loss.detach()), rate, float((logits.argmax(1) == y).float().mean()))
                step += 1
    finally:
        network.eval()


# -- what to be wary of ----------------------------------------------------------------------------------
def background_shares(
    network: models.CamNet, classes: Mapping[str, Sequence[Photo]], limit: int = 8
) -> tuple[float, ...]:
    """For each class, the mean share of its own map's heat at the border, over its first ``limit`` photos."""
    shares = []
    for index, photos in enumerate(classes.values()):
        found = [maps.explain(network, photo, class_index=index) for photo in photos[:limit]]
        # Of the part that speaks for this class: min–max, because a bias may lift the whole map.
        shares.append(float(np.mean([maps.background_share(e.heat.values) for e in found])))
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
        if share > maps.BORDER_HEAVY
    ]
    return tuple(found)


# -- on disk ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Saved:
    """What a classifier's file says about itself."""

    classes: tuple[str, ...]
    backbone: str
    metadata: Mapping[str, str] = field(default_factory=dict)


def save(network: models.CamNet, with_body: bool = False, **words: str | int | float) -> bytes:
    """A classifier as one safetensors file: the head, its classes and the backbone's name, no photo.

    ``with_body`` adds the body in half precision, for one that was fine-tuned. ``words`` go to the metadata.
    """
    from safetensors.torch import save as to_bytes

    tensors = {f"head.{name}": t.detach().cpu().contiguous() for name, t in network.head.state_dict().items()}
    if with_body:
        for name, t in network.body.state_dict().items():
            small = t.detach().cpu()
            tensors[f"body.{name}"] = (small.half() if small.ndim == 4 else small).contiguous()
    metadata = {
        "format": FORMAT,
        "backbone": network.backbone,
        "classes": json.dumps(network.classes),
        **{name: str(value) for name, value in words.items()},
    }
    return to_bytes(tensors, metadata)


def load(data: bytes, name: str = "The file", network: models.CamNet | None = None) -> tuple[models.CamNet, Saved]:
    """The classifier in a file's bytes, in evaluation mode and on the device.

    ``network``, on the device, lends its body when it has the right backbone, so that it is not loaded twice.

    Raises:
        WeightsError: not such a file, damaged, or names, shapes or values that cannot be.
        DataError: its backbone has not been fetched.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as from_bytes

    try:
        saved = _read_words(data)
        tensors = from_bytes(data)
        head = _head_of(tensors, saved)
    except (SafetensorError, ExplorerError, ValueError, KeyError, TypeError, RecursionError, struct.error) as error:
        raise WeightsError(f"{name} is not a classifier saved here, or it is damaged.", repr(error)) from error
    body = {key.removeprefix("body."): t for key, t in tensors.items() if key.startswith("body.")}
    if body:
        network = models.CamNet(models.random_body(saved.backbone), saved.backbone, saved.classes)
        try:
            network.body.load_state_dict(body)
        except RuntimeError as error:
            raise WeightsError(f"{name} holds another network than it says.", str(error)) from error
        if not _finite(network.body):
            raise WeightsError(f"{name} is damaged: some of its weights are no numbers.")
        network.freeze_to(-4)
        network.to(devices.choose())
    elif network is None or network.backbone != saved.backbone:
        network = models.build(saved.backbone, saved.classes).to(devices.choose())
    return network.with_head(head, saved.classes), saved


def _read_words(data: bytes) -> Saved:
    """The metadata, checked; raises ValueError, KeyError, TypeError or SettingsError."""
    if len(data) > MAX_FILE:
        raise ValueError("too large")
    (length,) = struct.unpack("<Q", data[:8])
    if length > 1_000_000:
        raise ValueError("header too long")
    words = json.loads(data[8 : 8 + length])["__metadata__"]
    if words["format"] != FORMAT or words["backbone"] not in models.BACKBONES:
        raise ValueError(f"{words['format']} {words['backbone']}")
    classes = json.loads(words["classes"])
    names = tuple(clean_name(name) for name in classes)
    if list(names) != classes or not MIN_CLASSES <= len(names) <= MAX_CLASSES:
        raise ValueError("class names")
    if len({name.casefold() for name in names}) < len(names):
        raise ValueError("class names")
    return Saved(names, words["backbone"], words)


def _head_of(tensors: Mapping[str, torch.Tensor], saved: Saved) -> nn.Conv2d:
    """The head among a file's tensors; raises ValueError or KeyError."""
    weight, bias = tensors["head.weight"], tensors["head.bias"]
    shape = (len(saved.classes), models.BACKBONES[saved.backbone].channels, 3, 3)
    if tuple(weight.shape) != shape or tuple(bias.shape) != shape[:1]:
        raise ValueError(f"shape {tuple(weight.shape)}")
    if not (weight.is_floating_point() and bias.is_floating_point()):
        raise ValueError("not floats")
    head = nn.Conv2d(shape[1], shape[0], 3, padding=1)
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(bias)
    if not _finite(head):
        raise ValueError("not finite")
    return head


def _finite(module: nn.Module) -> bool:
    """Whether weights and statistics are numbers, all of them."""
    return all(bool(torch.isfinite(t).all()) for t in module.state_dict().values())


# -- cats and dogs ----------------------------------------------------------------------------------------
def _kept_taps(
    network: models.CamNet, data: dogscats.DogsCats, split: str, per_class: int | None, views: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Taps (photos, views, 9·C) and labels of a split, from the cache, or computed and cached.

    The first view is the plain one, the others are augmented with a fixed seed.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save_file

    key = f"{network.backbone}-{fingerprint(network)}-{data.checksum[:12]}-{split}-{per_class or 'all'}-{views}"
    path = paths.cache() / "features" / f"{key}.safetensors"
    if path.exists():
        try:
            kept = load_file(path)
            return kept["taps"].float(), kept["labels"]
        except (SafetensorError, OSError, KeyError):
            path.unlink(missing_ok=True)
    labels: list[int] = []
    generator = torch.Generator().manual_seed(0)

    def pictures() -> Iterator[np.ndarray]:
        for photo in data.photos(split, per_class):
            labels.append(dogscats.CLASSES.index(photo.label))
            yield maps.as_seen(photo.rgb, maps.geometry(*photo.rgb.shape[1::-1], network.size))
            for _ in range(views - 1):
                yield dogscats.augmented(photo.rgb, network.size, generator)

    found = taps_of(network, pictures())
    found, answers = found.view(len(labels), views, -1), torch.tensor(labels)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{time.monotonic_ns()}.partial")
    save_file({"taps": found.half(), "labels": answers}, partial)
    partial.replace(path)
    return found.half().float(), answers


def fingerprint(network: models.CamNet) -> str:
    """A short hash of the body's values."""
    digest = hashlib.sha256()
    for tensor in network.body.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def train_dogscats(
    key: str = "dogscats",
    *,
    per_class: int = 400,
    views: int = 2,
    steps: int = 100,
    target: Path | None = None,
    on_epoch: Callable[[Mapping[str, float]], None] | None = None,
) -> dict[str, Any]:
    """Train the cats-and-dogs head on frozen features and write ``weights/<key>.safetensors`` and ``.json``.

    A step sees all photos, so it is an epoch; every tenth is validated and handed to ``on_epoch``.

    Returns:
        ``val_loss``, ``accuracy``, ``epochs``, ``seconds`` (training alone), ``path``.

    Raises:
        DataError: no photos, or no weights for the backbone. SettingsError: no such key.
    """
    data = dogscats.here()
    network = models.build(backbone_of(key), dogscats.CLASSES).to(devices.choose())
    train, labels = _kept_taps(network, data, "train", per_class, views)
    valid, answers = _kept_taps(network, data, "valid", None, 1)
    started = time.perf_counter()
    fit = Fit(Features(train, labels, dogscats.CLASSES), steps=steps)
    rows: list[dict[str, float]] = []
    done: list[FitStep] = []
    for step in fit:
        done.append(step)
        if (step.step + 1) % 10 == 0:
            val_loss, accuracy = _validate(fit.head(), valid[:, 0], answers)
            rows.append(
                {
                    "epoch": step.step + 1,
                    "step": step.step,
                    "train_loss": step.loss,
                    "val_loss": val_loss,
                    "accuracy": accuracy,
                    "seconds": round(time.perf_counter() - started, 3),
                }
            )
            if on_epoch:
                on_epoch(rows[-1])
    seconds = time.perf_counter() - started
    network = network.with_head(fit.head(), dogscats.CLASSES)
    val_loss, accuracy = _validate(fit.head(), valid[:, 0], answers)
    path = target or paths.WEIGHTS / f"{key}.safetensors"
    words = {"epochs": steps, "val_loss": val_loss, "accuracy": accuracy, "photos": len(labels), "views": views}
    write_whole(path, save(network, **words, source=data.source.name, checksum=data.checksum))
    write_whole(path.with_suffix(".json"), _record(done, rows))
    return {"val_loss": val_loss, "accuracy": accuracy, "epochs": steps, "seconds": seconds, "path": str(path)}


def _record(done: Sequence[FitStep], rows: Sequence[Mapping[str, float]]) -> bytes:
    """The recorded run, in the shape of :meth:`explorer.runs.history.Snapshot.to_json`."""
    columns = {name: [float(f"{getattr(s, name):.6g}") for s in done] for name in ("step", "loss", "lr")}
    columns["epoch"] = [s.step + 1.0 for s in done]
    record = {"experiment": None, "device": devices.describe(), "steps": columns, "epochs": list(rows), "marks": []}
    return json.dumps(record, separators=(",", ":")).encode()


def _validate(head: nn.Conv2d, x: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """Mean cross-entropy in nats and accuracy of a head on taps (N, 9·C)."""
    with torch.no_grad():
        logits = x @ head.weight.flatten(1).T + head.bias
    return float(F.cross_entropy(logits, labels)), float((logits.argmax(1) == labels).float().mean())


def backbone_of(key: str) -> str:
    """The backbone of ``dogscats`` or ``dogscats-resnet34``; raises SettingsError for another key."""
    if key not in KEYS:
        raise SettingsError(f"There is no photo model {key!r}. There are: {', '.join(KEYS)}.")
    return KEYS[key]


def shipped(key: str = "dogscats") -> models.CamNet:
    """The trained cats-and-dogs network, on the device, loaded once for everybody: do not change it.

    New weights in its place are noticed.

    Raises:
        WeightsError: the weights are missing or damaged. DataError: ResNet-34 has not been fetched.
    """
    backbone_of(key)
    path = paths.WEIGHTS / f"{key}.safetensors"
    if not path.exists():
        raise WeightsError(f"There are no weights {path.name} here. Run `python -m explorer train {key}`.")
    with _loading[key]:  # who comes second gets the first one's, not a second copy
        return _kept(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _kept(path: Path, stamp: int) -> models.CamNet:
    return load(path.read_bytes(), path.name)[0]


def evaluate_dogscats(key: str = "dogscats") -> dict[str, Any]:
    """Validate the trained network on all ``valid`` photos, from the files, without any cache.

    Returns:
        ``model``, ``val_loss`` (nats), ``accuracy``, ``photos``, ``source``, ``device``.

    Raises:
        DataError: the photos are not here. WeightsError: the weights cannot be used.
    """
    network, data = shipped(key), dogscats.here()
    losses, right = [], []
    for photo in data.photos("valid"):
        x, _ = maps.prepare(photo.rgb, network)
        logits = maps.forward(network, x)[2]
        label = torch.tensor([dogscats.CLASSES.index(photo.label)], device=logits.device)
        losses.append(float(F.cross_entropy(logits, label)))
        right.append(bool(logits.argmax() == label[0]))
    return {
        "model": key,
        "val_loss": round(float(np.mean(losses)), 5),
        "accuracy": round(float(np.mean(right)), 5),
        "photos": len(right),
        "source": data.source.name,
        "device": network.device.type,
    }


def answer(path: str | Path, key: str = "dogscats") -> dict[str, Any]:
    """Cat or dog: ``file``, ``class``, ``probabilities``; or ``file`` and ``error``, a sentence.

    Raises:
        WeightsError: the weights cannot be used; that is no photo's fault.
    """
    network, path = shipped(key), Path(path)
    try:
        if path.exists() and not path.is_file():  # a pipe or a device may never end
            raise PhotoError("This is no file. Give the path of a photo.")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)  # as much as is taken, and what shows that there is more
        found = maps.explain(network, read_photo(data, path.name))
    except PhotoError as error:
        return {"file": str(path), "error": str(error)}
    except OSError as error:
        return {"file": str(path), "error": f"The file cannot be read: {error.strerror or error}."}
    shares = {name: round(float(p), 6) for name, p in zip(found.classes, found.probabilities, strict=True)}
    return {"file": str(path), "class": found.classes[found.winner], "probabilities": shares}
