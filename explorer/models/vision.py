"""The vision ladder: from fully connected to ResNet, in the lecture's shapes and under its names.

Every rung is called ``logits = model(x)`` with ``x`` of normalised pictures, (batch, 3, 32, 32), and
``logits`` (batch, classes). The lecture returns ``log_softmax`` of these; here the loss takes it.
``features(x)`` is what comes before the pooling, (batch, channels, height, width): class activation maps
are drawn from it.
"""

# ruff: noqa: E741 (``l`` is the lecture's name for a layer)

import functools
import inspect
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.errors import SettingsError
from explorer.experiment import Norm
from explorer.models.batchnorm import BnLayer
from explorer.models.pooling import GlobalPool
from explorer.models.randomness import Dropout
from explorer.models.sizes import parse_widths, picture_sides

if TYPE_CHECKING:
    from explorer.experiment import Experiment

SIDE, CLASSES = 32, 10
MOST_PARAMETERS = 20_000_000


class SimpleNet(nn.Module):
    """Fully connected: ``SimpleNet([3072, 40, 10])``."""

    def __init__(self, layers: list[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(layers[i], layers[i + 1]) for i in range(len(layers) - 1)])

    def forward(self, x: Tensor) -> Tensor:
        """Logits. The last layer's ReLU is computed and thrown away, as in the lecture."""
        x = x.flatten(1)  # 3 × 32 × 32 → 3072
        for l in self.layers:
            l_x: Tensor = l(x)
            x = F.relu(l_x)
        return l_x


class ConvNet(nn.Module):
    """Stride-2 convolutions without padding: ``ConvNet([3, 20, 40, 80], 10)``."""

    def __init__(self, layers: list[int], c: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Conv2d(layers[i], layers[i + 1], kernel_size=3, stride=2) for i in range(len(layers) - 1)]
        )
        self.pool = nn.AdaptiveMaxPool2d(1)
        self.out = nn.Linear(layers[-1], c)

    def features(self, x: Tensor) -> Tensor:
        """32 → 15 → 7 → 3 pixels a side."""
        for l in self.layers:
            x = F.relu(l(x))
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = self.pool(self.features(x))
        x = self.out(x.flatten(1))
        return x


class ConvLayer(nn.Module):
    """A convolution and its ReLU, padded so that the corners count."""

    def __init__(self, ni: int, nf: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(ni, nf, kernel_size=3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Half the picture's side, rounded up."""
        return F.relu(self.conv(x))


class ConvNet2(nn.Module):
    """The same, refactored into layers: ``ConvNet2([3, 20, 40, 80], 10)``."""

    def __init__(self, layers: list[int], c: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([ConvLayer(layers[i], layers[i + 1]) for i in range(len(layers) - 1)])
        self.out = nn.Linear(layers[-1], c)

    def features(self, x: Tensor) -> Tensor:
        """32 → 16 → 8 → 4 pixels a side."""
        for l in self.layers:
            x = l(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = F.adaptive_max_pool2d(self.features(x), 1)
        x = self.out(x.flatten(1))
        return x


class ConvBnNet(nn.Module):
    """BatchNorm in every layer and a rich first convolution: ``ConvBnNet([10, 20, 40, 80, 160], 10)``."""

    def __init__(self, layers: list[int], c: int, norm: Norm = Norm.LECTURE) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, layers[0], kernel_size=5, stride=1, padding=2)
        self.layers = nn.ModuleList([BnLayer(layers[i], layers[i + 1], norm=norm) for i in range(len(layers) - 1)])
        self.out = nn.Linear(layers[-1], c)

    def features(self, x: Tensor) -> Tensor:
        """32 → 32 → 16 → 8 → 4 → 2 pixels a side."""
        x = self.conv1(x)
        for l in self.layers:
            x = l(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = F.adaptive_max_pool2d(self.features(x), 1)
        x = self.out(x.flatten(1))
        return x


class ConvBnNet2(nn.Module):
    """A second layer in each stage, which keeps the size: twice as deep."""

    def __init__(self, layers: list[int], c: int, norm: Norm = Norm.LECTURE) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, layers[0], kernel_size=5, stride=1, padding=2)
        self.layers = nn.ModuleList([BnLayer(layers[i], layers[i + 1], norm=norm) for i in range(len(layers) - 1)])
        self.layers2 = nn.ModuleList(
            [BnLayer(layers[i + 1], layers[i + 1], 1, norm=norm) for i in range(len(layers) - 1)]
        )
        self.out = nn.Linear(layers[-1], c)

    def features(self, x: Tensor) -> Tensor:
        """32 → 32 → 16 → 8 → 4 → 2 pixels a side."""
        x = self.conv1(x)
        for l, l2 in zip(self.layers, self.layers2, strict=True):
            x = l2(l(x))
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = F.adaptive_max_pool2d(self.features(x), 1)
        x = self.out(x.flatten(1))
        return x


class ResnetLayer(BnLayer):
    """``y = x + f(x)``: the layer only has to learn what to add, the residual ``f(x) = y - x``."""

    def forward(self, x: Tensor) -> Tensor:
        """The same shape as ``x``."""
        return x + super().forward(x)


class Resnet(nn.Module):
    """Two residual layers in each stage: ``Resnet([10, 20, 40, 80, 160], 10)``."""

    def __init__(self, layers: list[int], c: int, norm: Norm = Norm.LECTURE) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, layers[0], kernel_size=5, stride=1, padding=2)
        self.layers = nn.ModuleList([BnLayer(layers[i], layers[i + 1], norm=norm) for i in range(len(layers) - 1)])
        self.layers2 = nn.ModuleList(
            [ResnetLayer(layers[i + 1], layers[i + 1], 1, norm=norm) for i in range(len(layers) - 1)]
        )
        self.layers3 = nn.ModuleList(
            [ResnetLayer(layers[i + 1], layers[i + 1], 1, norm=norm) for i in range(len(layers) - 1)]
        )
        self.out = nn.Linear(layers[-1], c)

    def features(self, x: Tensor) -> Tensor:
        """32 → 32 → 16 → 8 → 4 → 2 pixels a side."""
        x = self.conv1(x)
        for l, l2, l3 in zip(self.layers, self.layers2, self.layers3, strict=True):
            x = l3(l2(l(x)))
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = F.adaptive_max_pool2d(self.features(x), 1)
        x = self.out(x.flatten(1))
        return x


class Resnet2(nn.Module):
    """Wider, a 7 × 7 stem with BatchNorm, dropout: ``Resnet2([16, 32, 64, 128, 256], 10, 0.2)``."""

    def __init__(self, layers: list[int], c: int, p: float = 0.5, norm: Norm = Norm.LECTURE) -> None:
        super().__init__()
        self.conv1 = BnLayer(3, layers[0], stride=1, kernel_size=7, norm=norm)
        self.layers = nn.ModuleList([BnLayer(layers[i], layers[i + 1], norm=norm) for i in range(len(layers) - 1)])
        self.layers2 = nn.ModuleList(
            [ResnetLayer(layers[i + 1], layers[i + 1], 1, norm=norm) for i in range(len(layers) - 1)]
        )
        self.layers3 = nn.ModuleList(
            [ResnetLayer(layers[i + 1], layers[i + 1], 1, norm=norm) for i in range(len(layers) - 1)]
        )
        self.out = nn.Linear(layers[-1], c)
        self.drop = Dropout(p)

    def features(self, x: Tensor) -> Tensor:
        """32 → 28 → 14 → 7 → 4 → 2 pixels a side: ``BnLayer`` always pads by 1, too little for a 7 × 7 kernel."""
        x = self.conv1(x)
        for l, l2, l3 in zip(self.layers, self.layers2, self.layers3, strict=True):
            x = l3(l2(l(x)))
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = F.adaptive_max_pool2d(self.features(x), 1)
        x = self.out(self.drop(x.flatten(1)))
        return x


class StageNet(nn.Module):
    """The rungs above as one recipe: a stem, then stages whose first layer halves the picture.

    Args:
        widths: channels of each stage.
        c: classes.
        depth: layers in each stage; all but the first keep the picture's size.
        stem: side of the first convolution's kernel, 0 for none. Like the lecture's, it has half as many
            channels as the first stage, and BatchNorm only when it is 7 wide.
        norm: see :class:`BnLayer`.
        skip: the size-keeping layers add their input, as ``ResnetLayer`` does.
        dropout: share of activations zeroed before the last layer.
        pool: what the last layer sees of each channel: its largest value, its mean, or both.
    """

    def __init__(
        self,
        widths: list[int],
        c: int,
        depth: int = 1,
        stem: int = 5,
        norm: Norm = Norm.LECTURE,
        skip: bool = False,
        dropout: float = 0.0,
        pool: str = "max",
    ) -> None:
        super().__init__()
        ni = max(widths[0] // 2, 1) if stem else 3
        self.stem: nn.Module
        if stem == 7:
            self.stem = BnLayer(3, ni, stride=1, kernel_size=7, norm=norm)
        else:
            self.stem = nn.Conv2d(3, ni, stem, padding=stem // 2) if stem else nn.Identity()
        keep = ResnetLayer if skip else BnLayer
        self.stages = nn.ModuleList()
        for nf in widths:
            layers = [BnLayer(ni, nf, norm=norm)] + [keep(nf, nf, 1, norm=norm) for _ in range(depth - 1)]
            self.stages.append(nn.Sequential(*layers))
            ni = nf
        self.pool = GlobalPool(pool)
        self.drop = Dropout(dropout)
        self.out = nn.Linear(self.pool.width(ni), c)

    def features(self, x: Tensor) -> Tensor:
        """Each stage halves the side, rounding up."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = self.out(self.drop(self.pool(self.features(x))))
        return x


def check(experiment: "Experiment") -> None:
    """Refuse, before anything starts, a network that cannot be built or is far too large.

    Raises:
        SettingsError: bad widths, a picture shrunk to nothing, or more than 20 million parameters.
    """
    picture_sides(experiment)
    if (count := _parameters(experiment)) > MOST_PARAMETERS:
        raise SettingsError(
            f"This network has {count:,} parameters; at most {MOST_PARAMETERS:,} are taken here. "
            "Use smaller widths or fewer layers."
        )


@functools.lru_cache(maxsize=512)
def _parameters(experiment: "Experiment") -> int:
    """How many a network has; counted once, as a page asks at each of its runs."""
    with torch.device("meta"):  # sizes only, no memory
        return sum(p.numel() for p in _make(experiment).parameters())


def build(experiment: "Experiment") -> nn.Module:
    """The untrained network an experiment names, on the CPU; its weights come from torch's random state.

    Raises:
        SettingsError: see :func:`check`.
    """
    check(experiment)
    return _make(experiment)


def _make(experiment: "Experiment") -> nn.Module:
    """The rung's class, told what it asks for by name."""
    e, widths = experiment, parse_widths(experiment.widths)
    if e.rung.is_language:
        raise SettingsError(f"{e.model!r} is not a model for pictures.")
    model_class = e.rung.model_class
    asked = inspect.signature(model_class).parameters
    layers = [max(widths[0] // 2, 1) if e.stem else 3, *widths]
    if "c" not in asked:  # fully connected, from the pixels to the classes
        layers = [3 * SIDE * SIDE, *widths, CLASSES]
    known = {"layers": layers, "widths": widths, "c": CLASSES, "p": e.dropout, "dropout": e.dropout}
    known |= {"norm": e.norm, "depth": e.depth, "stem": e.stem, "skip": e.skip, "pool": e.pool}
    model: nn.Module = model_class(**{name: known[name] for name in asked})
    return model
