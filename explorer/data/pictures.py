"""A picture set as batches on the device: normalised, cropped and flipped there; test-time augmentation."""

import copy
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from explorer.data import SIDE, Batch, Pictures

if TYPE_CHECKING:
    from explorer.experiment import Experiment

MEAN, STD = (0.4914, 0.48216, 0.44653), (0.24703, 0.24349, 0.26159)  #: the lecture's, of pictures in [0, 1]
PAD = SIDE // 8


def normalise(x: Tensor) -> Tensor:
    """uint8 (…, 3, height, width) → float32 with the lecture's statistics: 0 is the mean, 1 one deviation."""
    scale, shift = _scale_shift(x.device)
    return x.float().mul_(scale).add_(shift)


def denormalise(x: Tensor) -> Tensor:
    """The inverse of :func:`normalise`: uint8, rounded and clipped."""
    scale, shift = _scale_shift(x.device)
    return ((x.float() - shift) / scale).round().clamp(0, 255).to(torch.uint8)


def _scale_shift(device: torch.device) -> tuple[Tensor, Tensor]:
    """(x / 255 - mean) / std as x · scale + shift; each (3, 1, 1)."""
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (MEAN, STD))
    return _moved(1 / (255 * std), device), _moved(-mean / std, device)


def _moved(array: np.ndarray, device: torch.device) -> Tensor:
    return torch.tensor(array).to(device)  # a copy: the cache's file stays as it is


def _pixels(x: np.ndarray, device: torch.device) -> Tensor:
    """(pictures, 3, 32, 32) → on the device as (pictures, 32, 32, 3): a pixel's channels side by side."""
    return _moved(np.ascontiguousarray(x.transpose(0, 2, 3, 1)), device)


def symmetric_pad(x: Tensor, pad: int, dims: tuple[int, int]) -> Tensor:
    """``pad`` more pixels on every side that mirror the picture, edge pixel included: b a | a b c | c b."""
    for dim in dims:
        inside = range(x.shape[dim])
        mirror = [*reversed(inside[:pad]), *inside, *reversed(inside[-pad:])]
        x = x.index_select(dim, torch.tensor(mirror, device=x.device))
    return x


@functools.lru_cache(maxsize=1)  # runs on the same pictures share one copy of 192 MB
def _training_set(pictures: Pictures, images: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Padded training pictures, uint8 (n, 40, 40, 3), and classes, int64 (n,); the same number of each class."""
    chosen = balanced(pictures.train_y, images)
    x, y = pictures.train_x, pictures.train_y
    if len(chosen) < len(y):
        x, y = x[chosen], y[chosen]
    return symmetric_pad(_pixels(x, device), PAD, (1, 2)), _moved(y, device)


def balanced(y: np.ndarray, images: int) -> np.ndarray:
    """The places of at most ``images`` pictures, the first of each class, equally many of each (± 1)."""
    labels = np.unique(y)
    quota, more = divmod(images, len(labels))
    places = [np.flatnonzero(y == label)[: quota + (number < more)] for number, label in enumerate(labels)]
    return np.sort(np.concatenate(places))


class VisionData:
    """Pictures as batches on the device. ``x``: float32 (batch, 3, size, size), normalised; ``y``: int64 (batch,).

    The whole set lies on the device as uint8, padded once by 4 pixels that mirror its edge (the edge pixel
    repeats: NumPy's ``symmetric``, OpenCV's ``BORDER_REFLECT``). A training batch picks, for each of its
    pictures, one of the 9 × 9 crops and perhaps its mirror image, all at once. The lecture's loader never
    drew the ninth row and column of crops (it rounded down); this one does.

    Args:
        pictures: the set.
        experiment: ``images`` limits the training pictures, the same number from each class;
            ``augment`` switches crops and flips; ``size`` enlarges; ``batch_size``.
        device: where everything lies.
    """

    def __init__(self, pictures: Pictures, experiment: "Experiment", device: torch.device) -> None:
        self.pictures, self.source, self.classes = pictures, pictures.source, pictures.classes
        self.vocabulary = None
        self.device, self.augment, self.batch_size = device, experiment.augment, experiment.batch_size
        self.images = experiment.images
        self.size = experiment.size
        # Convolutions are faster with a pixel's channels side by side; a matrix product is not.
        self.channels_last = experiment.model != "simplenet"
        self.valid_x, self.valid_y = _pixels(pictures.valid_x, device), _moved(pictures.valid_y, device)
        self._scale, self._shift = (stat.flatten().repeat(SIDE * SIDE) for stat in _scale_shift(device))

    @functools.cached_property
    def train_x(self) -> Tensor:
        """uint8 (n, 40, 40, 3); made when first asked for, as who only validates never does."""
        return _training_set(self.pictures, self.images, self.device)[0]

    @functools.cached_property
    def train_y(self) -> Tensor:
        """int64 (n,)."""
        return _training_set(self.pictures, self.images, self.device)[1]

    @property
    def steps_per_epoch(self) -> int:
        """The last one's batch may be smaller."""
        return -(-len(self.train_y) // self.batch_size)

    def train_batches(self, generator: torch.Generator) -> Iterator[Batch]:
        """One epoch in a new order; the last batch may be smaller. All draws are made and moved at its start."""
        n = len(self.train_y)
        order = torch.randperm(n, generator=generator)
        if self.augment:
            down, right, mirrored = augmentation(n, generator)
        else:
            down = right = torch.full((n,), PAD)
            mirrored = torch.zeros(n, dtype=torch.long)
        drawn = torch.stack([order, down, right, mirrored]).to(self.device)
        for at in range(0, n, self.batch_size):
            chosen, down, right, mirrored = drawn[:, at : at + self.batch_size]
            x = crop(self.train_x, chosen, down, right, mirrored)
            yield Batch(self._normalised(x), self.train_y[chosen], at / n)

    def valid_batches(self) -> Iterator[Batch]:
        """The validation pictures, class by class."""
        return self._plain(self.valid_x, self.valid_y)

    def test_batches(self) -> Iterator[Batch]:
        """The test pictures, class by class; they are moved to the device when asked for."""
        return self._plain(_pixels(self.pictures.test_x, self.device), _moved(self.pictures.test_y, self.device))

    def thinned(self, every: int, first: int = 0) -> Self:
        """The same data, validated on one picture in ``every``: even shares of each class, which lie class by class."""
        thinned, step = copy.copy(self), max(1, every)
        thinned.valid_x, thinned.valid_y = self.valid_x[first::step], self.valid_y[first::step]
        return thinned

    def _plain(self, x: Tensor, y: Tensor) -> Iterator[Batch]:
        size = 2000 if self.device.type == "cuda" else 500  # a CPU's caches like small ones
        for at in range(0, len(y), size):
            yield Batch(self._normalised(x[at : at + size]), y[at : at + size], at / len(y))

    def _normalised(self, pixels: Tensor) -> Tensor:
        """uint8 (batch, 32, 32, 3) → float32 (batch, 3, size, size)."""
        rows = pixels.flatten(1).float()  # on long rows the two products below are ten times as fast on a CPU
        x = rows.mul_(self._scale).add_(self._shift).view(pixels.shape).permute(0, 3, 1, 2)
        x = enlarged(x, self.size)
        return x if self.channels_last else x.contiguous()


def enlarged(x: Tensor, size: int) -> Tensor:
    """float32 (batch, 3, 32, 32) → (batch, 3, size, size), as a rung sees them; itself where that is 32."""
    return x if size == SIDE else F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)


def augmentation(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """What training draws for ``n`` pictures: :func:`crop`'s ``down``, ``right`` and ``mirrored``."""
    down, right = torch.randint(2 * PAD + 1, (2, n), generator=generator)
    return down, right, torch.randint(2, (n,), generator=generator)


def crop(padded: Tensor, chosen: Tensor, down: Tensor, right: Tensor, mirrored: Tensor) -> Tensor:
    """One 32 × 32 window of each chosen picture, mirrored or not.

    Args:
        padded: uint8 (pictures, 40, 40, 3).
        chosen: which pictures, int64 (batch,).
        down, right: the window's upper left corner, int64 (batch,), 0 to 8.
        mirrored: 1 to swap left and right, 0 not to, int64 (batch,).

    Returns:
        uint8 (batch, 32, 32, 3).
    """
    height, width = padded.shape[1:3]
    steps = torch.arange(SIDE, device=padded.device)
    rows = (chosen * height + down)[:, None] + steps
    columns = right[:, None] + torch.where(mirrored.bool()[:, None], SIDE - 1 - steps, steps)
    places = rows[:, :, None] * width + columns[:, None, :]  # (batch, 32, 32), numbers of pixels
    return padded.view(-1, 3).index_select(0, places.flatten()).view(len(chosen), SIDE, SIDE, 3)


def tta_views(x: Tensor, shift: int = 2) -> Iterator[Tensor]:
    """Six views of a normalised batch for test-time augmentation: plain, mirrored, and four moved diagonally.

    The moved ones are alternately mirrored too; pixels that come into view mirror the edge, as in training.
    """
    yield x
    yield x.flip(3)
    padded = symmetric_pad(x, shift, (2, 3))
    height, width = x.shape[2:]
    for number, (top, left) in enumerate([(0, 0), (0, 2 * shift), (2 * shift, 2 * shift), (2 * shift, 0)]):
        moved = padded[:, :, top : top + height, left : left + width]
        yield moved.flip(3) if number % 2 else moved


def predict_with_tta(model: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Class probabilities (batch, classes), the mean over :func:`tta_views`; the model should be evaluating."""
    with torch.no_grad():
        return torch.stack([model(view).float().softmax(1) for view in tta_views(x)]).mean(0)
