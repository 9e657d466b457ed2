"""Small networks, photos and features, made up."""

import numpy as np
import torch
from torch import nn

from explorer.cam.head import Features
from explorer.cam.network import HeadedNet, as_maps
from explorer.data.photos import Photo

RNG = np.random.default_rng(0)


PHOTO = RNG.integers(0, 255, (150, 200, 3), dtype=np.uint8)


def small(pooling="mean", n_classes=2, seed=0, size=56):
    """A few convolutions: 1/8 of the picture's side, quick enough for every method."""
    torch.manual_seed(seed)
    first = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.ReLU(inplace=True))
    second = nn.Sequential(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU(inplace=True))
    linear = nn.Linear(16, n_classes)
    names = tuple("abcde"[:n_classes])
    return HeadedNet((("stage1", first), ("stage2", second)), as_maps(linear), names, size=size, pooling=pooling)


class Fixed:
    """A network whose maps are given."""

    size, mean, std, exact, device = 56, (0.5,) * 3, (0.5,) * 3, True, torch.device("cpu")

    def __init__(self, maps):
        self.fixed = torch.as_tensor(maps, dtype=torch.float32)
        self.classes = tuple("abcde"[: len(self.fixed)])

    def stages(self):
        return (("stage1", lambda x: x),)

    def maps(self, features):
        return self.fixed.expand(len(features), *self.fixed.shape)

    def score(self, maps, features):
        return maps.mean((2, 3))


def noise(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def hot(row, column, side=7):
    heat = np.zeros((side, side), np.float32)
    heat[row, column] = 1
    return heat


def peak(image):
    """The centre of the brightest place, (x, y)."""
    values = image.astype(float).sum(2)
    ys, xs = np.nonzero(values >= values.max() - 1)
    return xs.mean() + 0.5, ys.mean() + 0.5


def photo(colour, noise=40):
    """A plain colour with noise: easy to tell apart."""
    rgb = np.clip(np.array(colour) + RNG.normal(0, noise, (64, 80, 3)), 0, 255).astype(np.uint8)
    return Photo(rgb, 80, 64)


def made_up(counts=(6, 5, 4), channels=4, views=2, spread=0.3):
    """Features of clusters, without a network."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(len(counts), 9 * channels, generator=generator)
    labels = torch.tensor([i for i, n in enumerate(counts) for _ in range(n)])
    taps = centres[labels][:, None] + spread * torch.randn(len(labels), views, 9 * channels, generator=generator)
    return Features(taps, labels, tuple("abcde"[: len(counts)]))


def finished(fit):
    return list(fit)
