"""The course's cats and dogs: a head trained on them, and validated from the files."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from explorer import devices, paths
from explorer.cam.backbones import writable_folder
from explorer.cam.classifier import backbone_of, save, shipped
from explorer.cam.head import Features, Fit, FitStep, taps_of
from explorer.cam.maps import forward
from explorer.cam.network import CamNet, build
from explorer.cam.view import picture_of, prepare
from explorer.data import dogscats
from explorer.data.files import replacing, write_whole


@dataclass(frozen=True)
class Validated:
    """The head on the validation photos; the fields of an epoch in a run's history."""

    epoch: int
    step: int
    train_loss: float  #: nats
    val_loss: float
    accuracy: float
    seconds: float  #: since the training began


@dataclass(frozen=True)
class Recorded:
    """The run beside the weights, in the shape of :meth:`explorer.store.history.Snapshot.to_json`."""

    device: str
    steps: Mapping[str, Sequence[float]]
    epochs: tuple[Validated, ...]

    def to_json(self) -> bytes:
        """As a file's content."""
        return json.dumps({**asdict(self), "marks": []}, separators=(",", ":")).encode()


def train_dogscats(
    key: str = "dogscats",
    *,
    per_class: int = 400,
    views: int = 2,
    steps: int = 100,
    target: Path | None = None,
    on_epoch: Callable[[Validated], None] | None = None,
) -> dict[str, Any]:
    """Train the cats-and-dogs head on frozen features and write ``weights/<key>.safetensors`` and ``.json``.

    Both are written into the cache where ``weights/`` cannot be written.

    A step sees all photos, so it is an epoch; every tenth is validated and handed to ``on_epoch``.

    Returns:
        ``val_loss``, ``accuracy``, ``epochs``, ``seconds`` (training alone), ``path``.

    Raises:
        DataError: no photos, or no weights for the backbone. SettingsError: no such key. StorageError: they cannot be
            written there either.
    """
    data = dogscats.here()
    network = build(backbone_of(key), dogscats.CLASSES).to(devices.choose())
    train, labels = _kept_taps(network, data, "train", per_class, views)
    valid, answers = _kept_taps(network, data, "valid", None, 1)
    started = time.perf_counter()
    fit = Fit(Features(train, labels, dogscats.CLASSES), steps=steps)
    rows: list[Validated] = []
    done: list[FitStep] = []
    for step in fit:
        done.append(step)
        if (step.step + 1) % 10 == 0:
            val_loss, accuracy = _validate(fit.head(), valid[:, 0], answers)
            seconds = round(time.perf_counter() - started, 3)
            rows.append(Validated(step.step + 1, step.step, step.loss, val_loss, accuracy, seconds))
            if on_epoch:
                on_epoch(rows[-1])
    seconds = time.perf_counter() - started
    network = network.with_head(fit.head(), dogscats.CLASSES)
    val_loss, accuracy = _validate(fit.head(), valid[:, 0], answers)
    path = target or writable_folder() / f"{key}.safetensors"
    words = {"epochs": steps, "val_loss": val_loss, "accuracy": accuracy, "photos": len(labels), "views": views}
    write_whole(path, save(network, False, **words, source=data.source.name, checksum=data.checksum))
    write_whole(path.with_suffix(".json"), _recorded(done, rows).to_json())
    return {"val_loss": val_loss, "accuracy": accuracy, "epochs": steps, "seconds": seconds, "path": str(path)}


def _recorded(done: Sequence[FitStep], rows: Sequence[Validated]) -> Recorded:
    columns = {name: [float(f"{getattr(s, name):.6g}") for s in done] for name in ("step", "loss", "lr")}
    columns["epoch"] = [s.step + 1.0 for s in done]
    return Recorded(devices.describe(), columns, tuple(rows))


def _validate(head: nn.Conv2d, x: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """Mean cross-entropy in nats and accuracy of a head on taps (N, 9·C)."""
    with torch.no_grad():
        logits = F.linear(x, head.weight.flatten(1), head.bias)
    return float(F.cross_entropy(logits, labels)), float((logits.argmax(1) == labels).float().mean())


def _kept_taps(
    network: CamNet, data: dogscats.DogsCats, split: str, per_class: int | None, views: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Taps (photos, views, 9·C) and labels of a split, from the cache, or computed and cached.

    The first view is the plain one, the others are augmented with a fixed seed.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from safetensors.torch import save as as_bytes

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
            yield picture_of(photo.rgb, network)[0]
            for _ in range(views - 1):
                yield dogscats.augmented(photo.rgb, network.size, generator)

    found = taps_of(network, pictures())
    found, answers = found.view(len(labels), views, -1), torch.tensor(labels)
    with replacing(path) as file:
        file.write(as_bytes({"taps": found.half(), "labels": answers}))
    return found.half().float(), answers


def fingerprint(network: CamNet) -> str:
    """A short hash of the body's values."""
    digest = hashlib.sha256()
    for tensor in network.body.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


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
        x, _ = prepare(photo.rgb, network)
        logits = forward(network, x)[2]
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
