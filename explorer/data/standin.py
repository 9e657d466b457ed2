"""Ten classes of drawn shapes for where CIFAR-10 cannot be had: no network, no archive.

Each 32 × 32 picture has one of ten shapes, turned, stretched, moved and coloured at random, on a background
of its own gradient and texture, with clutter behind it, something lying over it, and noise: so position
and colour say next to nothing, and form decides.

The lecture's story holds on it. Accuracy on the 2,000 validation pictures after as many epochs as the lecture
gives each rung, with its widths and its BatchNorm (measured once, seed 0; SGD with momentum 0.9, one-cycle up to
the rate given, batches of 64, augmented):

====================== ====== ====== ========
rung                   epochs rate   accuracy
====================== ====== ====== ========
simplenet              4      0.01   0.234
convnet                6      0.05   0.614
bn (ConvBnNet)         6      0.05   0.711
deep-bn (ConvBnNet2)   4      0.02   0.679
resnet                 9      0.01   0.811
====================== ====== ====== ========

With the lecture's batches of 256 these 12,000 pictures give only 47 steps an epoch, too few for ResNet to get
ahead: 0.22, 0.48, 0.63, 0.68 and 0.50 after 6 epochs each.
"""

import contextlib
import functools
import zipfile
from pathlib import Path

import numpy as np

from explorer import paths
from explorer.data import SIDE, Pictures, Source, SourceKind
from explorer.data.files import replacing
from explorer.errors import DataError

CLASSES = ("disc", "ring", "square", "frame", "triangle", "cross", "star", "crescent", "bars", "hourglass")
SIZES = {"train": 12_000, "valid": 2_000, "test": 2_000}
VERSION = 1  # of the drawing; a change makes cached ones unread
NOTICE = (
    "CIFAR-10 is not here, so these are generated pictures of ten shapes (the stand-in). "
    "Accuracies are not the lecture's. Fetch CIFAR-10 to train on the real pictures."
)


def load(asked_for: bool = False) -> Pictures:
    """The stand-in's pictures; drawn once (a few seconds), then cached.

    Args:
        asked_for: it was chosen, not fallen back to, so that no notice is needed.
    """
    notice = "" if asked_for else NOTICE
    source = Source("Ten drawn shapes (stand-in)", SourceKind.STANDIN, "explorer.data.standin", notice=notice)
    return Pictures(**_arrays(), classes=CLASSES, source=source)


@functools.lru_cache(maxsize=1)
def _arrays() -> dict[str, np.ndarray]:
    cached = paths.cache() / f"standin-{VERSION}.npz"
    try:
        with np.load(cached) as file:
            arrays = {name: file[name] for name in file.files}
        if len(arrays) == 6 and len(arrays["train_x"]) == SIZES["train"]:
            return arrays
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):  # not there, or damaged
        pass
    arrays = {}
    for seed, (part, size) in enumerate(SIZES.items()):
        arrays[f"{part}_x"], arrays[f"{part}_y"] = draw(size, seed)
    _store(cached, arrays)
    return arrays


def _store(cached: Path, arrays: dict[str, np.ndarray]) -> None:
    """Keep the pictures; where that is not possible they are drawn again next time."""
    with contextlib.suppress(OSError), replacing(cached) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # the stub takes any name for its own flag


def draw(pictures: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """``pictures`` drawings, the same for the same seed.

    Returns:
        uint8 (pictures, 3, 32, 32) and class numbers, int64 (pictures,), equally many of each (± 1).
    """
    if pictures < 1:
        raise DataError("At least one picture must be drawn.")
    random = np.random.default_rng(seed)
    y = random.permutation(np.arange(pictures) % len(CLASSES))
    x = np.concatenate([_draw(y[at : at + 500], random) for at in range(0, pictures, 500)])
    return x, y.astype(np.int64)


def _draw(labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A few hundred at a time, so that the arrays of pixels stay in the processor's cache."""
    n = len(labels)
    canvas = _background(n, random)
    for _ in range(3):  # clutter behind: small shapes of any class
        _paint(canvas, random.integers(len(CLASSES), size=n), random, size=(2, 4), reach=14, light=0.2)
    _paint(canvas, labels, random, size=(7.5, 11.5), reach=4.5, light=0.25)
    for _ in range(2):  # overlap: something small lies on it
        _paint(canvas, random.integers(len(CLASSES), size=n), random, size=(2, 4), reach=11, light=0.0)
    canvas *= random.uniform(0.7, 1.1, (n, 1, 1, 1)).astype(np.float32)
    noise = random.uniform(0.02, 0.14, (n, 1, 1, 1)).astype(np.float32)
    canvas += random.standard_normal(canvas.shape, np.float32) * noise
    pictures: np.ndarray = (np.clip(canvas, 0, 1) * 255).astype(np.uint8)
    return pictures


def _background(n: int, random: np.random.Generator) -> np.ndarray:
    """(n, 3, 32, 32): two colours that run into each other, with waves."""
    u, v = _grid(n, random, np.full(n, SIDE / 2), 0)
    first, second = random.uniform(0.1, 0.7, (2, n, 3, 1, 1)).astype(np.float32)
    waves = np.sin(u * random.uniform(2, 14, (n, 1, 1)).astype(np.float32) + v)[:, None] * 0.12
    share = np.clip(v[:, None] / 2 + 0.5, 0, 1)
    canvas: np.ndarray = first + (second - first) * share + waves
    return canvas


def _paint(
    canvas: np.ndarray,
    labels: np.ndarray,
    random: np.random.Generator,
    size: tuple[float, float],
    reach: float,
    light: float,
) -> None:
    """One shape on each picture, in place.

    Args:
        canvas: float32 (n, 3, 32, 32).
        labels: which shape on which picture.
        random: the source of place, turn, size and colour.
        size: least and greatest radius in pixels.
        reach: how far the centre may lie from the picture's, in pixels.
        light: how much lighter than the background the shape is on average, in [0, 1].
    """
    n = len(labels)
    radius = random.uniform(*size, n)
    u, v = _grid(n, random, radius, reach)
    distance = np.empty((n, SIDE, SIDE), np.float32)
    for label in np.unique(labels):
        chosen = labels == label
        distance[chosen] = _outline(CLASSES[label], u[chosen], v[chosen])
    cover = np.clip(0.5 - distance * radius[:, None, None].astype(np.float32), 0, 1)[:, None]
    jitter = random.normal(light, 0.2, (n, 3, 1, 1)).astype(np.float32)
    colour = np.clip(canvas.mean((2, 3), keepdims=True) + jitter, 0, 1)
    canvas += (colour - canvas) * cover


def _grid(n: int, random: np.random.Generator, radius: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of every pixel in each shape's own frame, turned and stretched: 1 is its radius."""
    centre = random.uniform(-reach, reach, (2, n, 1, 1)) if reach else np.zeros((2, n, 1, 1))
    turn = random.uniform(-0.9, 0.9, (n, 1, 1))
    stretch = np.exp(random.uniform(-0.2, 0.2, (n, 1, 1)))
    radius = radius[:, None, None]
    place = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
    x, y = place[None, None, :] - centre[0], place[None, :, None] - centre[1]
    c, s = np.cos(turn) / radius, np.sin(turn) / radius
    u = (c * x + s * y) * stretch
    v = (c * y - s * x) / stretch
    return u.astype(np.float32), v.astype(np.float32)


def _outline(shape: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """About the distance to the shape's outline in its own frame: negative inside."""
    r, a, b = np.hypot(u, v), np.abs(u), np.abs(v)
    found: np.ndarray
    match shape:
        case "disc":
            found = r - 0.85
        case "ring":
            found = np.abs(r - 0.72) - 0.22
        case "square":
            found = np.maximum(a, b) - 0.76
        case "frame":
            found = np.abs(np.maximum(a, b) - 0.66) - 0.2
        case "triangle":
            found = np.maximum(-v - 0.5, a * 0.866 + v * 0.5 - 0.5)
        case "cross":
            found = np.minimum(np.maximum(a - 0.28, b - 0.95), np.maximum(b - 0.28, a - 0.95))
        case "star":
            found = r - 0.62 - 0.3 * np.cos(5 * np.arctan2(u, v))
        case "crescent":
            found = np.maximum(r - 0.92, 0.72 - np.hypot(u - 0.45, v))
        case "bars":
            found = np.maximum(np.abs(a - 0.5) - 0.24, b - 0.9)
        case _:  # hourglass
            found = np.maximum(b - 0.85, a - b * 0.8 - 0.08)
    return found
