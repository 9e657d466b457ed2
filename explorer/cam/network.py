"""The lecture's network for photos: a pretrained body, a 3 × 3 convolution to one map a class, and a mean.

    m = nn.Sequential(*children(resnet34)[:-2], nn.Conv2d(512, 2, 3, padding=1),
                      nn.AdaptiveAvgPool2d(1), Flatten(), nn.LogSoftmax())

Here the body and the head are two modules, so that the maps are simply ``head(body(x))``: no hook is needed to look
inside, and two threads may use one network. The log-softmax belongs to the loss, not to the network: explaining a
log-probability instead of a logit gives a blank map as soon as the network is sure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn import functional as F

from explorer.cam.backbones import BACKBONES, mobilenet_body, resnet34_body
from explorer.data.files import Progress
from explorer.errors import SettingsError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SIZE = 224  #: side of the picture the backbones were trained on, in pixels
TAIL = 3  #: what follows the head in the lecture's Sequential: pooling, Flatten, LogSoftmax


class Network(Protocol):
    """What can be explained: :class:`explorer.cam.network.CamNet`, or a :class:`HeadedNet`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names, one a map."""
        ...

    @property
    def size(self) -> int:
        """Side of the square picture, in pixels."""
        ...

    @property
    def mean(self) -> tuple[float, ...]:
        """Of the pictures it was trained on, a colour each, in [0, 1]."""
        ...

    @property
    def std(self) -> tuple[float, ...]:
        """Of the pictures it was trained on, a colour each."""
        ...

    @property
    def exact(self) -> bool:
        """Whether the class score is exactly the mean of the class map."""
        ...

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        ...

    def stages(self) -> Sequence[tuple[str, Callable[[torch.Tensor], torch.Tensor]]]:
        """Named parts that, run in turn, lead from the picture to the features before the head."""
        ...

    def maps(self, features: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w) to one signed map a class, (N, n_classes, h, w)."""
        ...

    def score(self, maps: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """The logits (N, n_classes)."""
        ...


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
        features: torch.Tensor = self.body(x)
        return features

    def maps(self, features: torch.Tensor) -> torch.Tensor:
        """One signed map a class: (N, n_classes, h, w), in logits."""
        maps: torch.Tensor = self.head(features)
        return maps

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


@dataclass(frozen=True)
class HeadedNet:
    """Any convolutional network as body and head, e.g. a CIFAR-10 network with pooling and a linear layer.

    A linear layer after a mean is the same as a 1 × 1 convolution before it, which gives the maps; see
    :func:`as_maps`. After a *max* pooling the score is not the mean of the map, and ``exact`` is False.
    """

    body: tuple[tuple[str, Callable[[torch.Tensor], torch.Tensor]], ...]  #: the stages
    head: Callable[[torch.Tensor], torch.Tensor]  #: features to maps
    classes: tuple[str, ...]
    size: int = 32
    mean: tuple[float, ...] = (0.4914, 0.4822, 0.4465)
    std: tuple[float, ...] = (0.2470, 0.2435, 0.2616)
    pooling: str = "mean"  #: or "max"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def exact(self) -> bool:
        """Whether the class score is exactly the mean of the class map."""
        return self.pooling == "mean"

    def stages(self) -> Sequence[tuple[str, Callable[[torch.Tensor], torch.Tensor]]]:
        """The body's parts."""
        return self.body

    def maps(self, features: torch.Tensor) -> torch.Tensor:
        """One signed map a class."""
        return self.head(features)

    def score(self, maps: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """The logits: the maps' mean, or the head at each channel's maximum."""
        if self.exact:
            return maps.mean((2, 3))
        return self.head(features.amax((2, 3), keepdim=True)).flatten(1)


def as_maps(linear: nn.Linear) -> Callable[[torch.Tensor], torch.Tensor]:
    """A linear layer over pooled channels as a 1 × 1 convolution over all places: Zhou et al. 2016, equation 1."""
    return lambda features: F.conv2d(features, linear.weight[:, :, None, None], linear.bias)


def headed(
    model: nn.Module, classes: Sequence[str], mean: Sequence[float], std: Sequence[float], size: int = 32
) -> HeadedNet:
    """A network of the vision ladder (``features``, maximum over all places, linear ``out``) as a :class:`HeadedNet`.

    Raises:
        SettingsError: a network without features that have a place in the picture.
    """
    out, features = getattr(model, "out", None), getattr(model, "features", None)
    if features is None or not isinstance(out, nn.Linear):
        raise SettingsError("A fully connected network has no maps. Choose one with convolutions.")
    pool = getattr(getattr(model, "pool", None), "kind", "max")
    if pool == "both":
        raise SettingsError("This network sees each channel's mean and its maximum: no one map tells its score.")
    return HeadedNet(
        (("features", features),), as_maps(out), tuple(classes), size, tuple(mean), tuple(std), pool, out.weight.device
    )


def head_of(weight: torch.Tensor, bias: torch.Tensor) -> nn.Conv2d:
    """A head with these values, (n_classes, C, 3, 3) and (n_classes,), copied."""
    head = nn.Conv2d(weight.shape[1], len(weight), 3, padding=1)
    head.load_state_dict({"weight": weight, "bias": bias})
    return head


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
