"""Pretrained bodies for the lecture's network: found, loaded, or fetched once."""

import functools
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from explorer import paths
from explorer.data import seal
from explorer.data.files import Progress, download
from explorer.errors import DataError, SettingsError, WeightsError

M = TypeVar("M", bound=nn.Module)
RESNET34_BYTES = 87_319_819  #: what is fetched for it
STALL = 30.0  #: seconds without a byte after which a download is given up


@dataclass(frozen=True)
class Backbone:
    """A body that can be had: its channels, and where its stages end among its children."""

    key: str
    title: str
    channels: int
    stages: tuple[tuple[str, int], ...]  #: name, and the index after the stage's last child


BACKBONES = {
    "mobilenet_v2": Backbone(
        "mobilenet_v2", "MobileNetV2", 1280, (("stage1", 4), ("stage2", 7), ("stage3", 14), ("stage4", 19))
    ),
    "resnet34": Backbone("resnet34", "ResNet-34", 512, (("stage1", 5), ("stage2", 6), ("stage3", 7), ("stage4", 8))),
}


def mobilenet_body(path: Path | None = None) -> nn.Sequential:
    """MobileNetV2's convolutions with the ImageNet weights that ship; needs no network.

    Raises:
        WeightsError: the file is missing, damaged or of other shapes.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as from_bytes
    from torchvision.models import mobilenet_v2

    path = path or paths.WEIGHTS / "mobilenet_v2-features.safetensors"
    if not path.exists():
        raise WeightsError(f"{path.name} is missing. Restore it; weights/README.md says how it was made.")
    try:
        values = from_bytes(seal.read(path))
        body: nn.Sequential = _loaded(lambda weights: mobilenet_v2(weights=weights).features, values)
        return body
    except (SafetensorError, OSError, RuntimeError) as error:
        raise WeightsError(f"{path.name} is damaged. Restore the file.", str(error)) from error


def resnet34_body(
    progress: Progress | None = None, url: str = "", folder: Path | None = None, fetch: bool = True
) -> nn.Sequential:
    """ResNet-34 without its last two children, with torchvision's ImageNet weights (87 MB, fetched once).

    ``url`` must carry the first digits of the file's SHA-256 in its name, as torch's own files do
    (``resnet34-b627a593.pth``).

    Raises:
        DataError: the weights are not here and cannot be fetched (or ``fetch`` is False).
        WeightsError: what was fetched has another hash, or other shapes.
    """
    from torchvision.models import ResNet34_Weights, resnet34

    url = url or ResNet34_Weights.IMAGENET1K_V1.url
    path = _present(url, folder)
    if path is None:
        if not fetch:
            raise DataError("ResNet-34's ImageNet weights (87 MB) are not here yet. Fetch them first.")
        path = fetch_weights(url, folder, progress)
    try:
        network = _loaded(resnet34, torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch.load raises half a dozen kinds for a damaged file
        raise WeightsError(f"{path.name} does not hold ResNet-34. Delete it and fetch again.", repr(error)) from error
    return nn.Sequential(*list(network.children())[:-2])


def random_body(backbone: str) -> nn.Sequential:
    """A body that has seen nothing, for the sanity check that such a network draws a map, too."""
    from torchvision.models import mobilenet_v2, resnet34

    if backbone == "mobilenet_v2":
        body: nn.Sequential = mobilenet_v2(weights=None).features
        return body
    return nn.Sequential(*list(resnet34(weights=None).children())[:-2])


def available(backbone: str) -> bool:
    """Whether the backbone's weights are here, so that nothing has to be fetched."""
    from torchvision.models import ResNet34_Weights

    if backbone == "mobilenet_v2":
        return (paths.WEIGHTS / "mobilenet_v2-features.safetensors").exists()
    return _present(ResNet34_Weights.IMAGENET1K_V1.url, None) is not None


def _loaded(builder: Callable[..., M], values: dict[str, torch.Tensor]) -> M:
    """A module with these values in float32, without torch's random initialisation, which takes longer."""
    with torch.device("meta"):
        module = builder(weights=None)
    wide = {name: v.float() if v.is_floating_point() else v for name, v in values.items()}
    module.load_state_dict(wide, assign=True)
    return module


# -- fetching ----------------------------------------------------------------------------------------
def fetch_weights(url: str, folder: Path | None = None, progress: Progress | None = None) -> Path:
    """Fetch a checkpoint whose name carries the first digits of its SHA-256; whole and right, or not at all.

    Raises:
        DataError: no network, no answer for 30 s, or the disk. WeightsError: the hash is another.
    """
    target = (folder or writable_folder()) / _name(url)

    def check(path: Path) -> None:
        if not _hash_of(path).startswith(_hash_in(url)):
            raise WeightsError(
                f"{target.name} came with another hash than its name says, so it was thrown away. Try again later."
            )

    _hash_in(url)  # asked before anything is fetched
    try:
        return download([url], target, check=check, progress=progress, timeout=STALL)
    except DataError as error:
        raise DataError(
            "ResNet-34's weights could not be fetched. Check the network and the disk and try again. "
            "MobileNetV2 ships and needs none.",
            error.detail,
        ) from error


def _present(url: str, folder: Path | None) -> Path | None:
    """The file, where it has been fetched before and still has its hash."""
    for place in [folder] if folder else [paths.WEIGHTS, paths.cache()]:
        path = place / _name(url)
        if path.exists():
            if _hash_of(path).startswith(_hash_in(url)):
                return path
            path.unlink(missing_ok=True)  # cut short or changed since; fetched anew
    return None


def _hash_of(path: Path) -> str:
    file = path.stat()
    return _sha256(path, file.st_size, file.st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _sha256(path: Path, size: int, modified: int) -> str:
    """Read once as long as the file is the same: a page asks at each of its runs, and 87 MB take a while."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _name(url: str) -> str:
    return url.rsplit("/", 1)[-1]


def _hash_in(url: str) -> str:
    if found := re.search(r"-([a-f0-9]{8,64})\.pth$", url):
        return found[1]
    raise SettingsError(f"{_name(url)} carries no hash in its name, so it cannot be checked.")


def writable_folder() -> Path:
    """Where weights go that are fetched or made here: beside those that ship, else, in a fixed program, the cache."""
    return paths.WEIGHTS if os.access(paths.WEIGHTS, os.W_OK) else paths.cache()
