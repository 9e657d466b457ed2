"""A classifier as one file: a head, its classes' names and its backbone's; and the two that ship."""

import json
import struct
import threading
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from explorer import devices, paths
from explorer.cam.backbones import BACKBONES, random_body
from explorer.cam.explain import explain
from explorer.cam.network import CamNet, build, head_of
from explorer.data import seal
from explorer.data.photos import MAX_BYTES, read_photo
from explorer.errors import ExplorerError, PhotoError, SettingsError, WeightsError

FORMAT = "explorer-head-1"
MIN_CLASSES, MAX_CLASSES = 2, 5
MAX_NAME = 40
MAX_FILE = 100_000_000
KEYS = {"dogscats": "mobilenet_v2", "dogscats-resnet34": "resnet34"}
_loading = {key: threading.Lock() for key in KEYS}


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


@dataclass(frozen=True)
class Saved:
    """What a classifier's file says about itself."""

    classes: tuple[str, ...]
    backbone: str
    metadata: Mapping[str, str] = field(default_factory=dict)


def save(network: CamNet, with_body: bool = False, **words: str | int | float) -> bytes:
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
    return seal.sealed(to_bytes(tensors, metadata))


def load(data: bytes, name: str = "The file", network: CamNet | None = None) -> tuple[CamNet, Saved]:
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
        seal.check(data, name)
        tensors = from_bytes(data)
        head = _head_of(tensors, saved)
    except (SafetensorError, ExplorerError, ValueError, KeyError, TypeError, RuntimeError, struct.error) as error:
        raise WeightsError(f"{name} is not a classifier saved here, or it is damaged.", repr(error)) from error
    body = {key.removeprefix("body."): t for key, t in tensors.items() if key.startswith("body.")}
    if body:
        network = CamNet(random_body(saved.backbone), saved.backbone, saved.classes)
        try:
            network.body.load_state_dict(body)
        except RuntimeError as error:
            raise WeightsError(f"{name} holds another network than it says.", str(error)) from error
        if not _finite(network.body):
            raise WeightsError(f"{name} is damaged: some of its weights are no numbers.")
        network.freeze_to(-4)
        network.to(devices.choose())
    elif network is None or network.backbone != saved.backbone:
        network = build(saved.backbone, saved.classes).to(devices.choose())
    return network.with_head(head, saved.classes), saved


def _read_words(data: bytes) -> Saved:
    """The metadata, checked; raises ValueError, KeyError, TypeError or SettingsError."""
    if len(data) > MAX_FILE:
        raise ValueError("too large")
    (length,) = struct.unpack("<Q", data[:8])
    if length > 1_000_000:
        raise ValueError("header too long")
    words = json.loads(data[8 : 8 + length])["__metadata__"]
    if words["format"] != FORMAT or words["backbone"] not in BACKBONES:
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
    shape = (len(saved.classes), BACKBONES[saved.backbone].channels, 3, 3)
    if tuple(weight.shape) != shape or tuple(bias.shape) != shape[:1]:
        raise ValueError(f"shape {tuple(weight.shape)}")
    if not (weight.is_floating_point() and bias.is_floating_point()):
        raise ValueError("not floats")
    head = head_of(weight, bias)
    if not _finite(head):
        raise ValueError("not finite")
    return head


def _finite(module: nn.Module) -> bool:
    """Whether weights and statistics are numbers, all of them."""
    return all(bool(torch.isfinite(t).all()) for t in module.state_dict().values())


# -- the two that ship -----------------------------------------------------------------------------------
def backbone_of(key: str) -> str:
    """The backbone of ``dogscats`` or ``dogscats-resnet34``; raises SettingsError for another key."""
    if key not in KEYS:
        raise SettingsError(f"There is no photo model {key!r}. There are: {', '.join(KEYS)}.")
    return KEYS[key]


def weights_of(key: str) -> Path:
    """Where its weights lie: those that ship, else those that were trained here; they may be absent."""
    places = [place / f"{key}.safetensors" for place in (paths.WEIGHTS, paths.cache())]
    return next((path for path in places if path.exists()), places[0])


def shipped(key: str = "dogscats") -> CamNet:
    """The trained cats-and-dogs network, on the device, loaded once for everybody: do not change it.

    New weights in its place are noticed.

    Raises:
        WeightsError: the weights are missing or damaged. DataError: ResNet-34 has not been fetched.
    """
    backbone_of(key)
    path = weights_of(key)
    if not path.exists():
        raise WeightsError(f"There are no weights {path.name} here. Run `python -m explorer train {key}`.")
    with _loading[key]:  # who comes second gets the first one's, not a second copy
        return _kept(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _kept(path: Path, stamp: int) -> CamNet:
    return load(seal.read(path), path.name)[0]


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
        found = explain(network, read_photo(data, path.name))
    except PhotoError as error:
        return {"file": str(path), "error": str(error)}
    except OSError as error:
        return {"file": str(path), "error": f"The file cannot be read: {error.strerror or error}."}
    shares = {name: round(float(p), 6) for name, p in zip(found.classes, found.probabilities, strict=True)}
    return {"file": str(path), "class": found.classes[found.winner], "probabilities": shares}
