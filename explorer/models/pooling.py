"""Pooling over all places: the largest value of each channel, its mean, or both side by side."""

from math import ceil, floor

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHOICES = ("max", "mean", "both")


class GlobalPool(nn.Module):
    """(batch, channels, height, width) → (batch, channels), or twice as many with ``both``.

    ``both`` is what the lecture would "ideally" use: adaptive average and adaptive max pooling, concatenated.
    """

    def __init__(self, kind: str = "max") -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        """The pooled channels; with ``both`` the means come first."""
        if self.kind == "max":
            return F.adaptive_max_pool2d(x, 1).flatten(1)
        mean = F.adaptive_avg_pool2d(x, 1).flatten(1)
        return mean if self.kind == "mean" else torch.cat([mean, F.adaptive_max_pool2d(x, 1).flatten(1)], 1)

    def width(self, channels: int) -> int:
        """How many numbers it gives."""
        return channels * (2 if self.kind == "both" else 1)


def bins(size: int, cells: int) -> list[tuple[int, int]]:
    """Where each cell of ``AdaptiveMaxPool2d(cells)`` looks along ``size`` pixels: (first, one past the last).

    They cover everything, are as even as can be, and overlap by a pixel where the side does not divide.
    """
    return [(floor(i * size / cells), ceil((i + 1) * size / cells)) for i in range(cells)]
