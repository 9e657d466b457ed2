"""From a map's values to heat on the photo: scales, colours, enlarging, overlay. NumPy only."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from explorer.cam.view import Geometry, Rgb
from explorer.data.photos import Photo
from explorer.errors import SettingsError

BORDER_HEAVY = 0.65  #: share of the heat at the border above which the background seems to decide
FLAT = 1e-4  #: a map whose range is smaller than this (in logits, and as a share of its size) shows nothing


@dataclass(frozen=True, eq=False)
class Heat:
    """A map brought to [0, 1] for drawing, with the range it came from: min–max hides how strong it was."""

    values: np.ndarray  #: float32 (h, w) in [0, 1]; zeros when flat
    low: float
    high: float
    flat: bool  #: nothing to see: the map is constant, or has no positive evidence


def min_max(values: np.ndarray, floor: float = FLAT) -> Heat:
    """The lecture's ``f2 -= f2.min(); f2 /= f2.max()``, but zeros instead of 0/0 for a constant map.

    ``floor`` is the smallest range worth showing, in the map's units; below it noise would look like evidence.
    """
    values = np.nan_to_num(np.asarray(values, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if high - low <= max(floor, FLAT * max(abs(high), abs(low))):
        return Heat(np.zeros_like(values), low, high, True)
    return Heat((values - low) / (high - low), low, high, False)


def shared_scale(maps: np.ndarray) -> np.ndarray:
    """All classes' positive evidence on one scale, (n_classes, h, w) in [0, 1], so that they can be compared."""
    positive: np.ndarray = np.maximum(np.nan_to_num(maps), 0)
    return positive / max(float(positive.max()), FLAT)


def signed_scale(values: np.ndarray) -> np.ndarray:
    """A signed map in [0, 1] with zero at ½, for a diverging colour map."""
    values = np.nan_to_num(values)
    return 0.5 + values / (2 * max(float(np.abs(values).max()), FLAT))


def background_share(values: np.ndarray) -> float:
    """Share of the positive heat in the outermost ring of cells, in [0, 1]; 0 for a map without any.

    An even map of 7 × 7 cells gives 24/49 = 0.49; above :data:`BORDER_HEAVY` the background seems to decide.
    """
    positive = np.maximum(np.nan_to_num(values), 0)
    rows, columns = (max(1, side // 7) for side in positive.shape)
    total = float(positive.sum())
    if total <= 0 or min(positive.shape) < 3:
        return 0.0
    return 1 - float(positive[rows:-rows, columns:-columns].sum()) / total


# -- overlay -------------------------------------------------------------------------------------------
_STOPS: dict[str, list[tuple[float, str]]] = {
    "hot": [(0, "0a0000"), (0.365, "ff0000"), (0.746, "ffff00"), (1, "ffffff")],
    "viridis": [(0, "440154"), (0.25, "3b528b"), (0.5, "21918c"), (0.75, "5ec962"), (1, "fde725")],
    "inferno": [(0, "000004"), (0.25, "57106e"), (0.5, "bc3754"), (0.75, "f98e09"), (1, "fcffa4")],
    "jet": [(0, "000080"), (0.125, "0000ff"), (0.375, "00ffff"), (0.625, "ffff00"), (0.875, "ff0000"), (1, "800000")],
    "grey": [(0, "000000"), (1, "ffffff")],
    "blue–red": [(0, "2166ac"), (0.25, "92c5de"), (0.5, "f7f7f7"), (0.75, "f4a582"), (1, "b2182b")],
}
COLORMAPS = tuple(_STOPS)  #: the last one diverges: for :func:`signed_scale`


@cache
def colours(colormap: str) -> np.ndarray:
    """A colour map as 256 RGB values, uint8 (256, 3); not to be written to.

    Raises:
        SettingsError: no such colour map.
    """
    if colormap not in _STOPS:
        raise SettingsError(f"There is no colour map {colormap!r}. There are: {', '.join(COLORMAPS)}.")
    places, names = zip(*_STOPS[colormap], strict=True)
    stops = np.array([list(bytes.fromhex(name)) for name in names], np.float64)
    at = np.linspace(0, 1, 256)
    table = np.stack([np.interp(at, places, stops[:, i]) for i in range(3)], 1).round().astype(np.uint8)
    table.flags.writeable = False
    return table


def _weights(count: int, positions: np.ndarray, smooth: bool) -> np.ndarray:
    """(len(positions), count): how much each cell counts at positions given in cells, edges repeated."""
    if not smooth:
        whole: np.ndarray = np.eye(count, dtype=np.float32)[np.clip(positions, 0, count - 1e-6).astype(int)]
        return whole
    at = np.clip(positions - 0.5, 0, count - 1)
    shared: np.ndarray = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(count))).astype(np.float32)
    return shared


def enlarge(values: np.ndarray, height: int, width: int, smooth: bool = True) -> np.ndarray:
    """A map (h, w) at (height, width): bilinear, as torch's ``align_corners=False``, which keeps the mean.

    ``smooth=False`` repeats each cell, which shows the true resolution.
    """
    rows = _weights(values.shape[0], (np.arange(height) + 0.5) * values.shape[0] / height, smooth)
    columns = _weights(values.shape[1], (np.arange(width) + 0.5) * values.shape[1] / width, smooth)
    large: np.ndarray = rows @ np.asarray(values, np.float32) @ columns.T
    return large


def overlay(
    photo: Photo | Rgb,
    heat: np.ndarray,
    seen: Geometry,
    opacity: float = 0.5,
    colormap: str = "hot",
    *,
    smooth: bool = True,
    dim: float = 0.6,
) -> Rgb:
    """The heat on the original photo, uint8 (height, width, 3), lying where the network saw it.

    Cell i of n covers the i-th n-th of the picture. (Networks with random weights see 15 pixels further up and
    left; with the weights that ship, the centre of what a cell answers to is within 3 of 224 pixels of its own.)

    Args:
        photo: the photo that was explained, upright, uncropped.
        heat: (h, w) in [0, 1].
        seen: the explanation's geometry.
        opacity: of the heat, 0 to 1.
        colormap: one of :data:`COLORMAPS`.
        smooth: enlarge bilinearly, or show the cells as they are.
        dim: how much the part that the network did not see is darkened, 0 to 1.
    """
    rgb = photo.rgb if isinstance(photo, Photo) else photo
    left, top, right, bottom = seen.seen
    table = colours(colormap)
    xs = (np.arange(left, right) + 0.5 - seen.left) / (seen.right - seen.left) * heat.shape[1]
    ys = (np.arange(top, bottom) + 0.5 - seen.top) / (seen.bottom - seen.top) * heat.shape[0]
    scaled = np.asarray(heat, np.float32) * 255
    values = _weights(heat.shape[0], ys, smooth) @ scaled @ _weights(heat.shape[1], xs, smooth).T
    layer = Image.fromarray((values + 0.5).astype(np.uint8)).convert("P")
    layer.putpalette(table.tobytes())
    part = np.ascontiguousarray(rgb[top:bottom, left:right])
    blended = np.asarray(Image.blend(Image.fromarray(part), layer.convert("RGB"), opacity))
    if part.shape == rgb.shape:
        return blended
    out = np.empty_like(rgb)
    out[top:bottom, left:right] = blended
    keep = np.uint16(round(256 * (1 - dim)))
    strips = (slice(0, top), slice(None)), (slice(bottom, None), slice(None)), (slice(None), slice(0, left))
    for place in (*strips, (slice(None), slice(right, None))):
        out[place] = np.multiply(rgb[place], keep, dtype=np.uint16) >> 8
    return out
