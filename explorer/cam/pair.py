"""Cats and dogs to train on: the course's photos where they are here, else the small pictures that ship."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from explorer.cam.network import SIZE
from explorer.data import Source, SourceKind, cifar10, dogscats
from explorer.errors import DataError

SIDE = round(SIZE * dogscats.MAX_ZOOM)  #: of the square that is kept of a photo, in pixels: enough for any zoom
VALID = 100  #: validation pictures a class
CHOICES = (50, 100, 200, 400)  #: training pictures a class
SMALL = {"cats": "cat", "dogs": "dog"}  #: what CIFAR-10 calls them


@dataclass(frozen=True, eq=False)
class Pair:
    """Two classes of pictures, uint8 (side, side, 3) each."""

    train: tuple[np.ndarray, ...]
    train_y: np.ndarray  #: int64
    valid: tuple[np.ndarray, ...]
    valid_y: np.ndarray
    classes: tuple[str, ...]
    source: Source


def read(per_class: int, looked: Callable[[float], object] | None = None) -> Pair:
    """As many of each class as asked for, fewer where there are not as many; ``looked`` is told the share read.

    Raises:
        DataError: there are no cats and dogs of any kind here, or the archive is damaged.
    """
    found = dogscats.find()
    return _photos(found, per_class, looked) if found else _small(per_class)


def photos_here() -> bool:
    """Whether the course's photos are here, so that these are read."""
    return dogscats.find() is not None


def _photos(found: dogscats.DogsCats, per_class: int, looked: Callable[[float], object] | None) -> Pair:
    parts: dict[str, tuple[tuple[np.ndarray, ...], np.ndarray]] = {}
    total, done = 2 * (per_class + VALID), 0
    for split, count in zip(dogscats.SPLITS, (per_class, VALID), strict=True):
        pictures, labels = [], []
        for photo in found.photos(split, count):
            pictures.append(_square(photo.rgb))
            labels.append(dogscats.CLASSES.index(photo.label))
            done += 1
            if looked and done % 8 == 0:
                looked(done / total)
        parts[split] = tuple(pictures), np.array(labels)
    return Pair(*parts["train"], *parts["valid"], dogscats.CLASSES, found.source)


def _square(rgb: np.ndarray) -> np.ndarray:
    """The photo's central square, from which every view of it is cut."""
    height, width = rgb.shape[:2]
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(Image.fromarray(rgb).resize((SIDE, SIDE), Image.Resampling.BILINEAR, box))


def _small(per_class: int) -> Pair:
    pictures = cifar10.load()
    if not set(SMALL.values()) <= set(pictures.classes):
        raise DataError("There are no pictures of cats and dogs here. Run `python -m explorer fetch dogscats`.")
    numbers = [pictures.classes.index(SMALL[name]) for name in dogscats.CLASSES]

    def part(x: np.ndarray, y: np.ndarray, count: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        chosen = [np.flatnonzero(y == number)[:count] for number in numbers]
        taken = np.concatenate(chosen)
        labels = np.repeat(np.arange(len(numbers)), [len(rows) for rows in chosen])
        return tuple(np.ascontiguousarray(x[i].transpose(1, 2, 0)) for i in taken), labels

    notice = (
        "The course's photos are not here, so these are CIFAR-10's cats and dogs, 32 pixels a side and enlarged. The "
        "lecture's photos are clearer, and so are its numbers."
    )
    named = Source(
        f"The cats and dogs of {pictures.source.name}", SourceKind.STANDIN, pictures.source.origin, notice=notice
    )
    return Pair(
        *part(pictures.train_x, pictures.train_y, per_class),
        *part(pictures.valid_x, pictures.valid_y, VALID),
        dogscats.CLASSES,
        named,
    )
