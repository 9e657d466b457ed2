"""The lecture's network for photos: a pretrained body, a 3 × 3 convolution to one map a class, and a mean.

    m = nn.Sequential(*children(resnet34)[:-2], nn.Conv2d(512, 2, 3, padding=1),
                      nn.AdaptiveAvgPool2d(1), Flatten(), nn.LogSoftmax())

Here the body and the head are two modules, so that the maps are simply ``head(body(x))``: no hook is needed to look
inside, and two threads may use one network. The log-softmax belongs to the loss, not to the network: explaining a
log-probability instead of a logit gives a blank map as soon as the network is sure.
"""

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from torch import nn

from explorer import paths
from explorer.errors import DataError, SettingsError, WeightsError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SIZE = 224  #: side of the picture the backbones were trained on, in pixels
STALL = 30.0  #: seconds without a byte after which a download is given up
TAIL = 3  #: what follows the head in the lecture's Sequential: pooling, Flatten, LogSoftmax

Progress = Callable[[int, int], None]


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


class CamNet(nn.Module):
    """Body, head and mean: normalised pictures (N, 3, H, W) to logits (N, n_classes), at any H and W ≥ 32.

    ``body`` is the list of a pretrained network's children without its pooling and classifier; ``head`` is
    ``Conv2d(C, n_classes, 3, padding=1)``. Class c's logit is the mean of map c and nothing else.
    """

    size, mean, std = SIZE, IMAGENET_MEAN, IMAGENET_STD
    exact = True  #: the class score is exactly the mean of the class map

    def __init__(
        self, body: nn.Sequential, backbone: str, classes: Sequence[str], head: nn.Conv2d | None = None
    ) -> None:
        super().__init__()
        known = BACKBONES[backbone]
        self.body, self.backbone, self.classes = body, backbone, tuple(classes)
        self.head = head or nn.Conv2d(known.channels, len(classes), 3, padding=1)
        self.frozen = 0
        starts = [0, *(end for _, end in known.stages[:-1])]
        self._stages = tuple((name, body[start:end]) for start, (name, end) in zip(starts, known.stages, strict=True))

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.head.weight.device

    def stages(self) -> tuple[tuple[str, nn.Module], ...]:
        """The body cut where its resolution changes; run in turn they are the body."""
        return self._stages

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """What the body sees: (N, C, h, w), h and w being 1/32 of the picture."""
        return self.body(x)

    def maps(self, features: torch.Tensor) -> torch.Tensor:
        """One signed map a class: (N, n_classes, h, w), in logits."""
        return self.head(features)

    def score(self, maps: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """The logits (N, n_classes): each map's mean."""
        return maps.mean((2, 3))

    def with_head(self, head: nn.Conv2d, classes: Sequence[str]) -> "CamNet":
        """The same body (shared, not copied) under another head; in evaluation mode, on this one's device.

        Others may be looking through the body at this moment: it is not touched, and counts as frozen.
        """
        other = CamNet(self.body, self.backbone, classes, head.to(self.device))
        other.frozen = len(self.body)
        return other.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (N, n_classes) of normalised pictures (N, 3, H, W)."""
        features = self.features(x)
        return self.score(self.maps(features), features)

    # -- freezing ----------------------------------------------------------------------------------
    def freeze_to(self, n: int) -> None:
        """Train only what comes from child ``n`` of the lecture's Sequential on; ``freeze_to(-4)``: the head.

        Children are counted as there: the body's, the head, pooling, Flatten, LogSoftmax. Frozen batch
        normalisations keep their statistics, too.
        """
        total = len(self.body) + 1 + TAIL
        start = total + n if n < 0 else n
        if not 0 <= start <= len(self.body):
            raise SettingsError(f"There is nothing to train from child {n} on; -4 is the head, 0 is everything.")
        self.frozen = start
        if start:
            self.body.eval()
        for i, child in enumerate([*self.body, self.head]):
            child.requires_grad_(i >= start)
        self.train(self.training)

    def unfreeze(self) -> None:
        """Train everything; give the optimiser :meth:`parameter_groups` for the rates."""
        self.freeze_to(0)

    def train(self, mode: bool = True) -> "CamNet":
        """As in torch, but what is frozen stays in evaluation mode, and with it its running statistics.

        It is not even put into it again: a frozen body may be shared.
        """
        self.training = mode
        for part in (*self.body[self.frozen :], self.head) if self.frozen else (self.body, self.head):
            part.train(mode)
        return self

    def parameter_groups(self, lr: float, divide: tuple[float, float] = (100.0, 10.0)) -> list[dict[str, Any]]:
        """What may train, for an optimiser: early half of the body, late half, head, at rates growing to ``lr``.

        The lesson's ``lrs = np.array([1e-4, 1e-3, 1e-2])`` for ``lr=1e-2``: early layers see edges and
        textures, which fit any photo, so they should move least.
        """
        half = len(self.body) // 2
        parts = (self.body[:half], self.body[half:], self.head)
        rates = (lr / divide[0], lr / divide[1], lr)
        groups = []
        for part, rate in zip(parts, rates, strict=True):
            if params := [p for p in part.parameters() if p.requires_grad]:
                groups.append({"params": params, "lr": rate})
        return groups


class SaveFeatures:
    """The lecture's forward hook, as a context manager: what a module gave is in ``features`` afterwards.

    Shown as the lesson's code. The hook goes away even when the forward pass fails, and the copy is the
    hook's own, so that a later in-place ReLU cannot overwrite it. Not for a network that threads share: a hook
    sees everybody's pictures. The page itself computes ``head(body(x))``.
    """

    features: torch.Tensor | None = None

    def __init__(self, module: nn.Module) -> None:
        self.hook = module.register_forward_hook(self.hook_fn)

    def hook_fn(self, module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        """Called by torch after each forward pass of the module."""
        self.features = output.detach().clone()

    def remove(self) -> None:
        """Take the hook off; harmless when already off."""
        self.hook.remove()

    def __enter__(self) -> "SaveFeatures":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.remove()


# -- bodies ------------------------------------------------------------------------------------------
def mobilenet_body(path: Path | None = None) -> nn.Sequential:
    """MobileNetV2's convolutions with the ImageNet weights that ship; needs no network.

    Raises:
        WeightsError: the file is missing, damaged or of other shapes.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from torchvision.models import mobilenet_v2

    path = path or paths.WEIGHTS / "mobilenet_v2-features.safetensors"
    if not path.exists():
        raise WeightsError(f"{path.name} is missing. Restore it; weights/README.md says how it was made.")
    try:
        return _loaded(lambda weights: mobilenet_v2(weights=weights).features, load_file(path))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise WeightsError(f"{path.name} is damaged. Restore the file.", str(error)) from error


def resnet34_body(
    progress: Progress | None = None, url: str = "", folder: Path | None = None, download: bool = True
) -> nn.Sequential:
    """ResNet-34 without its last two children, with torchvision's ImageNet weights (87 MB, fetched once).

    ``url`` must carry the first digits of the file's SHA-256 in its name, as torch's own files do
    (``resnet34-b627a593.pth``).

    Raises:
        DataError: the weights are not here and cannot be fetched (or ``download`` is False).
        WeightsError: what was fetched has another hash, or other shapes.
    """
    from torchvision.models import ResNet34_Weights, resnet34

    url = url or ResNet34_Weights.IMAGENET1K_V1.url
    path = _present(url, folder)
    if path is None:
        if not download:
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
        return mobilenet_v2(weights=None).features
    return nn.Sequential(*list(resnet34(weights=None).children())[:-2])


def build(backbone: str, classes: Sequence[str], progress: Progress | None = None, **where: Any) -> CamNet:
    """The lecture's network on a pretrained backbone, body frozen, in evaluation mode, on the CPU.

    Args:
        backbone: ``mobilenet_v2`` (ships) or ``resnet34`` (fetched; ``where`` goes to :func:`resnet34_body`).
        classes: names, one a map.
        progress: called with bytes done and in all while weights are fetched.

    Raises:
        SettingsError: no such backbone. DataError, WeightsError: its weights.
    """
    if backbone not in BACKBONES:
        raise SettingsError(f"There is no backbone {backbone!r}. There are: {', '.join(BACKBONES)}.")
    body = mobilenet_body(**where) if backbone == "mobilenet_v2" else resnet34_body(progress, **where)
    network = CamNet(body, backbone, classes)
    network.freeze_to(-4)
    return network.eval()


def available(backbone: str) -> bool:
    """Whether the backbone's weights are here, so that nothing has to be fetched."""
    from torchvision.models import ResNet34_Weights

    if backbone == "mobilenet_v2":
        return (paths.WEIGHTS / "mobilenet_v2-features.safetensors").exists()
    return _present(ResNet34_Weights.IMAGENET1K_V1.url, None) is not None


# -- fetching ----------------------------------------------------------------------------------------
def fetch_weights(url: str, folder: Path | None = None, progress: Progress | None = None) -> Path:
    """Fetch a checkpoint with ``torch.hub``, which checks its hash and renames it only when whole.

    torch.hub knows no time limit and draws its progress on the terminal, so it works in a thread of its own
    while this one watches the partial file grow.

    Raises:
        DataError: no network, no answer for 30 s, or the disk. WeightsError: the hash is another.
    """
    from torch.hub import download_url_to_file

    digits = _hash_in(url)
    folder = folder or _writable_folder()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / _name(url)
    outcome: list[BaseException] = []

    def work() -> None:
        try:
            download_url_to_file(url, str(target), hash_prefix=digits, progress=False)
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=work, name="fetch-weights", daemon=True)
    thread.start()
    for done in _watch(thread, target):
        if progress:
            progress(done, 87_319_819)
    if outcome:
        raise _in_words(outcome[0], url) from outcome[0]
    return target


def _watch(thread: threading.Thread, target: Path) -> Iterator[int]:
    """Bytes in the partial file, five times a second while the thread works; DataError when it stalls."""
    done, still = -1, 0.0
    while thread.is_alive():
        thread.join(0.2)
        sizes = [p.stat().st_size for p in target.parent.glob(f"{target.name}.*.partial") if p.exists()]
        now = max(sizes, default=0)
        still = 0.0 if now != done else still + 0.2
        done = now
        if still > STALL:
            raise DataError(f"The server has sent nothing for {STALL:.0f} seconds. Try again later.", str(target))
        yield done


def _in_words(error: BaseException, url: str) -> Exception:
    if isinstance(error, RuntimeError) and "invalid hash" in str(error):
        return WeightsError(
            f"{_name(url)} came with another hash than its name says, so it was thrown away. Try again later.",
            str(error),
        )
    if isinstance(error, URLError | TimeoutError | ConnectionError):
        return DataError(
            "ResNet-34's weights cannot be fetched: there is no way to the network from here. "
            "MobileNetV2 ships and needs none.",
            str(error),
        )
    return DataError(f"{_name(url)} could not be saved: {error}.", repr(error))


def _present(url: str, folder: Path | None) -> Path | None:
    """The file, where it has been fetched before and still has its hash."""
    for place in [folder] if folder else [paths.WEIGHTS, paths.cache()]:
        path = place / _name(url)
        if path.exists():
            if _sha256(path).startswith(_hash_in(url)):
                return path
            path.unlink(missing_ok=True)  # cut short or changed since; fetched anew
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _name(url: str) -> str:
    return url.rsplit("/", 1)[-1]


def _hash_in(url: str) -> str:
    if found := re.search(r"-([a-f0-9]{8,64})\.pth$", url):
        return found[1]
    raise SettingsError(f"{_name(url)} carries no hash in its name, so it cannot be checked.")


def _writable_folder() -> Path:
    return paths.WEIGHTS if os.access(paths.WEIGHTS, os.W_OK) else paths.cache()


def _loaded(builder: Callable[..., nn.Module], values: dict[str, torch.Tensor]) -> nn.Module:
    """A module with these values in float32, without torch's random initialisation, which takes longer."""
    with torch.device("meta"):
        module = builder(weights=None)
    wide = {name: v.float() if v.is_floating_point() else v for name, v in values.items()}
    module.load_state_dict(wide, assign=True)
    return module
