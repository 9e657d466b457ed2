"""Which pixels the network saw: from a photo of any shape to its picture, and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from PIL import Image

from explorer.cam.network import SIZE, Network
from explorer.errors import SettingsError

LONGEST = 640  #: pixels on the long side, for a network of 224, when it sees a photo at its own shape
Rgb = np.ndarray  # uint8 (height, width, 3)


class View(StrEnum):
    """How much of a photo the network sees."""

    CROP = "crop"  #: the central square, as in the lecture
    PAD = "pad"  #: all of it, in the middle of a grey square
    OWN_SHAPE = "own shape"  #: all of it, the short side near the square's


@dataclass(frozen=True)
class Geometry:
    """Which rectangle of the photo the network's picture covers, in the photo's pixels.

    With padding the rectangle reaches beyond the photo: ``left`` may be negative, ``right`` above ``width``.
    """

    left: float
    top: float
    right: float
    bottom: float
    width: int  #: the photo's
    height: int
    input_width: int  #: the network's picture
    input_height: int

    @property
    def seen(self) -> tuple[int, int, int, int]:
        """The part of the photo that was seen: left, top, right, bottom in whole pixels."""
        left, top = max(0, round(self.left)), max(0, round(self.top))
        return left, top, min(self.width, round(self.right)), min(self.height, round(self.bottom))

    @property
    def share_seen(self) -> float:
        """Share of the photo's area that was seen, in [0, 1]."""
        left, top, right, bottom = self.seen
        return (right - left) * (bottom - top) / (self.width * self.height)

    def cell(self, x: float, y: float, rows: int, columns: int) -> tuple[int, int] | None:
        """Row and column of the map's cell at a point of the photo; None where the network saw nothing."""
        inside = self.left <= x < self.right and self.top <= y < self.bottom
        if not (inside and 0 <= x < self.width and 0 <= y < self.height):
            return None
        u = (x - self.left) / (self.right - self.left)
        v = (y - self.top) / (self.bottom - self.top)
        return min(rows - 1, int(v * rows)), min(columns - 1, int(u * columns))

    def centre(self, row: int, column: int, rows: int, columns: int) -> tuple[float, float]:
        """The point (x, y) of the photo at the middle of a cell."""
        x = self.left + (column + 0.5) / columns * (self.right - self.left)
        y = self.top + (row + 0.5) / rows * (self.bottom - self.top)
        return x, y


def geometry(width: int, height: int, size: int, view: str = View.CROP) -> Geometry:
    """How a photo of that size reaches a network whose square picture has side ``size``.

    ``crop``: the central square. ``pad``: all of it, in the middle of a grey square. ``own shape``: all of it, the
    short side near ``size``, both sides rounded to whole cells.
    """
    if view in (View.CROP, View.PAD):
        side = min(width, height) if view == View.CROP else max(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return Geometry(left, top, left + side, top + side, width, height, size, size)
    if view == View.OWN_SHAPE:
        cell = max(4, size // 7)
        scale = min(size / min(width, height), LONGEST / SIZE * size / max(width, height))
        sides = [max(cell, round(side * scale / cell) * cell) for side in (width, height)]
        return Geometry(0, 0, width, height, width, height, *sides)
    raise SettingsError(f"There is no view {view!r}. There are: {', '.join(View)}.")


def prepare(photo: Rgb, network: Network, view: str = View.CROP) -> tuple[torch.Tensor, Geometry]:
    """The network's picture, normalised, (1, 3, H, W) on its device, and where it lies on the photo."""
    picture, seen = picture_of(photo, network, view)
    return normalised(picture[None], network), seen


def picture_of(photo: Rgb, network: Network, view: str = View.CROP) -> tuple[Rgb, Geometry]:
    """The network's picture before it is normalised, uint8 (H, W, 3), and where it lies on the photo."""
    seen = geometry(photo.shape[1], photo.shape[0], network.size, view)
    return as_seen(photo, seen, network.mean), seen


def normalised(pictures: np.ndarray, network: Network) -> torch.Tensor:
    """Pictures as a network takes them: uint8 (N, H, W, 3) to float32 (N, 3, H, W) on its device.

    The same for training, predicting and explaining, so that a class learnt is a class recognised.
    """
    x = torch.from_numpy(pictures).to(network.device).permute(0, 3, 1, 2).float().div_(255)
    mean, std = (torch.tensor(v, device=x.device).view(1, 3, 1, 1) for v in (network.mean, network.std))
    return x.sub_(mean).div_(std)


def as_seen(photo: Rgb, seen: Geometry, mean: Sequence[float] = (0.5, 0.5, 0.5)) -> Rgb:
    """The network's picture before it is normalised: uint8 (H, W, 3); padding has the colour ``mean``."""
    left, top, right, bottom = seen.seen
    scale_x = seen.input_width / (seen.right - seen.left)
    scale_y = seen.input_height / (seen.bottom - seen.top)
    inner = (max(1, round((right - left) * scale_x)), max(1, round((bottom - top) * scale_y)))
    resized = Image.fromarray(photo).resize(inner, Image.Resampling.BILINEAR, (left, top, right, bottom))
    if inner == (seen.input_width, seen.input_height):
        return np.array(resized)
    canvas = Image.new("RGB", (seen.input_width, seen.input_height), tuple(round(255 * m) for m in mean))
    canvas.paste(resized, ((seen.input_width - inner[0]) // 2, (seen.input_height - inner[1]) // 2))
    return np.array(canvas)
