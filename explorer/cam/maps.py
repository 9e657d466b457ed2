"""Which pixels did the network look at? Class activation maps, their relatives, and whether they tell the truth.

The lecture's recipe: take the maps before the pooling, ReLU, weight them by the predicted probabilities, min–max,
enlarge, lay over the photo. Because the pooling is a mean, a class's score is exactly the mean of its map.

Everything is computed as ``features = body(x); maps = head(features)``, without hooks: many visitors share one
network. Maps are small, so they leave the device at once; what is done to them afterwards is NumPy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from explorer.data.photos import Photo
from explorer.errors import SettingsError, WeightsError

VIEWS = ("crop", "pad", "own shape")
METHODS = ("cam", "gradcam", "gradcam++", "occlusion")
HEAD = "head"
SIZE = 224
LONGEST = 640  #: pixels on the long side, for a network of 224, when it sees a photo at its own shape
BORDER_HEAVY = 0.65  #: share of the heat at the border above which the background seems to decide
FLAT = 1e-4  #: a map whose range is smaller than this (in logits, and as a share of its size) shows nothing

Rgb = np.ndarray  # uint8 (height, width, 3)


class Network(Protocol):
    """What can be explained: :class:`explorer.cam.network.CamNet`, or a :class:`Pair`."""

    classes: tuple[str, ...]
    size: int  #: side of the square picture, in pixels
    mean: tuple[float, ...]
    std: tuple[float, ...]
    exact: bool  #: whether the class score is exactly the mean of the class map

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


@dataclass(frozen=True)
class Pair:
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


def as_maps(linear: torch.nn.Linear) -> Callable[[torch.Tensor], torch.Tensor]:
    """A linear layer over pooled channels as a 1 × 1 convolution over all places: Zhou et al. 2016, equation 1."""
    return lambda features: F.conv2d(features, linear.weight[:, :, None, None], linear.bias)


def pair_of(
    model: torch.nn.Module, classes: Sequence[str], mean: Sequence[float], std: Sequence[float], size: int = 32
) -> Pair:
    """A network of the vision ladder (``features``, maximum over all places, linear ``out``) as a :class:`Pair`.

    Raises:
        SettingsError: a network without features that have a place in the picture.
    """
    if not (hasattr(model, "features") and hasattr(model, "out")):
        raise SettingsError("A fully connected network has no maps. Choose one with convolutions.")
    return Pair(
        (("features", model.features),),
        as_maps(model.out),
        tuple(classes),
        size,
        tuple(mean),
        tuple(std),
        "max",
        model.out.weight.device,
    )


# -- what the network sees -----------------------------------------------------------------------------
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


def geometry(width: int, height: int, size: int, view: str = "crop") -> Geometry:
    """How a photo of that size reaches a network whose square picture has side ``size``.

    ``crop``: the central square. ``pad``: all of it, in the middle of a grey square. ``own shape``: all of it, the
    short side near ``size``, both sides rounded to whole cells.
    """
    if view == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return Geometry(left, top, left + side, top + side, width, height, size, size)
    if view == "pad":
        side = max(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return Geometry(left, top, left + side, top + side, width, height, size, size)
    if view == "own shape":
        cell = max(4, size // 7)
        scale = min(size / min(width, height), LONGEST / SIZE * size / max(width, height))
        sides = [max(cell, round(side * scale / cell) * cell) for side in (width, height)]
        return Geometry(0, 0, width, height, width, height, *sides)
    raise SettingsError(f"There is no view {view!r}. There are: {', '.join(VIEWS)}.")


def prepare(photo: Rgb, network: Network, view: str = "crop") -> tuple[torch.Tensor, Geometry]:
    """The network's picture, normalised, (1, 3, H, W) on its device, and where it lies on the photo."""
    seen = geometry(photo.shape[1], photo.shape[0], network.size, view)
    return normalised(as_seen(photo, seen, network.mean)[None], network), seen


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


# -- the maps --------------------------------------------------------------------------------------------
def lecture_map(maps: torch.Tensor, probabilities: torch.Tensor) -> torch.Tensor:
    """Σ_c p_c · relu(f_c): the notes' ``np.dot(np.rollaxis(feat, 0, 3), py)``, before its min–max.

    ``maps`` (N, n_classes, h, w), ``probabilities`` (N, n_classes); returns (N, h, w).
    """
    return (maps.relu() * probabilities[:, :, None, None]).sum(1)


def gradient_map(a: torch.Tensor, g: torch.Tensor, method: str = "gradcam") -> torch.Tensor:
    """relu(Σ_k w_k A_k) of a layer's values ``a`` and the class logit's gradients ``g``, both (N, C, h, w).

    Grad-CAM (Selvaraju et al. 2017, eq. 1–2): w_k is the mean gradient. Grad-CAM++ (Chattopadhyay et al. 2018,
    eq. 19): w_k = Σ α relu(g) with α = g² / (2g² + Σ A g³); the sum runs over relu(A), because the formula
    assumes values after a ReLU and changes sign without one.
    """
    if method == "gradcam":
        weights = g.mean((2, 3), keepdim=True)
    else:
        squares = g * g
        alpha = squares / (2 * squares + a.relu().sum((2, 3), keepdim=True) * squares * g + 1e-6)
        alpha = torch.where(g != 0, alpha, 0.0)
        weights = (g.relu() * alpha).sum((2, 3), keepdim=True)
    return (weights * a).sum(1).relu()


def forward(network: Network, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One pass without gradients: features (N, C, h, w), maps (N, n_classes, h, w), logits (N, n_classes)."""
    with torch.no_grad():
        features = x
        for _, stage in network.stages():
            features = stage(features)
        maps = network.maps(features)
        return features, maps, network.score(maps, features)


def gradient_maps(
    network: Network, x: torch.Tensor, class_index: int, method: str = "gradcam", layers: Sequence[str] = (HEAD,)
) -> dict[str, torch.Tensor]:
    """Grad-CAM or Grad-CAM++ of one class at each of ``layers``, {name: (N, h, w)}, from one backward pass.

    Gradients are asked of the values themselves, not of weights: it works on a frozen body and fills no ``.grad``.
    """
    names = layer_names(network)
    if unknown := set(layers) - set(names):
        raise SettingsError(f"There is no layer {unknown.pop()!r}. There are: {', '.join(names)}.")
    values: dict[str, torch.Tensor] = {}

    def kept(name: str, value: torch.Tensor) -> torch.Tensor:
        if name not in layers:
            return value
        if not values:
            value = value.detach().requires_grad_()
        values[name] = value
        return value.clone()  # the next layer may work in place

    with torch.enable_grad():
        features = x
        for name, stage in network.stages():
            with torch.set_grad_enabled(bool(values)):
                features = stage(features)
            features = kept(name, features)
        with torch.set_grad_enabled(bool(values)):
            maps = network.maps(features)
        maps = kept(HEAD, maps)
        logits = network.score(maps, features)
        gradients = torch.autograd.grad(logits[:, class_index].sum(), list(values.values()), allow_unused=True)
    pairs = zip(values.items(), gradients, strict=True)
    return {name: gradient_map(a.detach(), torch.zeros_like(a) if g is None else g, method) for (name, a), g in pairs}


def occlusion(network: Network, x: torch.Tensor, rows: int, columns: int, batch: int = 8) -> torch.Tensor:
    """How far each class's logit falls when one tile after the other is greyed: (n_classes, rows, columns).

    Zeiler & Fergus 2014. ``x`` is one normalised picture (1, 3, H, W), where grey (the mean) is zero.
    """
    height, width = x.shape[2:]
    tiles = [(r, c) for r in range(rows) for c in range(columns)]
    before = forward(network, x)[2]
    drops = []
    for start in range(0, len(tiles), batch):
        part = tiles[start : start + batch]
        hidden = x.repeat(len(part), 1, 1, 1)
        for i, (r, c) in enumerate(part):
            top, bottom = r * height // rows, (r + 1) * height // rows
            left, right = c * width // columns, (c + 1) * width // columns
            hidden[i, :, top:bottom, left:right] = 0
        drops.append(before - forward(network, hidden)[2])
    return torch.cat(drops).T.reshape(-1, rows, columns)


def layer_names(network: Network) -> tuple[str, ...]:
    """Where a gradient method can look: the body's stages, and the head."""
    return (*(name for name, _ in network.stages()), HEAD)


def contrast(maps: np.ndarray, a: int, b: int) -> np.ndarray:
    """f_a − f_b: what speaks for class a against b; unlike a single map it does not move with the biases."""
    return maps[a] - maps[b]


# -- from values to heat -----------------------------------------------------------------------------
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
    positive = np.maximum(np.nan_to_num(maps), 0)
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


# -- one photo's answer ------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Explanation:
    """What the network says about a photo, and where it looked. Arrays are float32 on the host."""

    classes: tuple[str, ...]
    probabilities: np.ndarray  #: (n_classes,)
    logits: np.ndarray  #: (n_classes,)
    maps: np.ndarray = field(repr=False)  #: (n_classes, h, w): signed evidence, in logits
    raw: np.ndarray = field(repr=False)  #: (h, w): the chosen method's map before the min–max
    heat: Heat = field(repr=False)
    geometry: Geometry
    method: str
    layer: str
    class_index: int | None  #: the class explained; None for the lecture's weighting of all
    exact: bool  #: the logits are the means of ``maps``

    @property
    def winner(self) -> int:
        """The most probable class."""
        return int(self.probabilities.argmax())

    @property
    def flat(self) -> bool:
        """Whether there is nothing to see in the map."""
        return self.heat.flat


def explain(
    network: Network,
    photo: Photo | Rgb,
    *,
    view: str = "crop",
    method: str = "cam",
    class_index: int | None = None,
    layer: str | None = None,
    weighting: str = "lecture",
) -> Explanation:
    """Answer and map for one photo.

    Args:
        network: a :class:`~explorer.cam.network.CamNet` or :class:`Pair` in evaluation mode; it is not changed.
        photo: uint8 RGB, upright, any shape.
        view: what the network sees: ``crop``, ``pad`` or ``own shape``.
        method: ``cam``, ``gradcam``, ``gradcam++`` or ``occlusion``.
        class_index: the class to explain; None for the winner, or, with ``cam`` and the lecture's weighting, for
            all classes weighted by their probabilities.
        layer: for the gradient methods, a name from :func:`layer_names`; default the head (Grad-CAM) or the last
            stage (Grad-CAM++, which needs values after a ReLU).
        weighting: for ``cam`` without a class: ``lecture`` or ``class``.

    Raises:
        SettingsError: unknown view, method, layer or class. WeightsError: the network's answer is not a number.
    """
    _check(network, method, class_index, weighting)
    rgb = photo.rgb if isinstance(photo, Photo) else photo
    x, seen = prepare(rgb, network, view)
    _, maps, logits = forward(network, x)
    probabilities = logits.softmax(1)
    chosen = class_index
    if chosen is None and not (method == "cam" and weighting == "lecture"):
        chosen = int(logits.argmax())
    layer = layer or (layer_names(network)[-2] if method == "gradcam++" else HEAD)
    raw = _raw_map(network, x, maps, probabilities, method, chosen, layer)
    host = [tensor[0].float().cpu().numpy() for tensor in (maps, logits, probabilities, raw)]
    if not np.isfinite(host[1]).all():
        raise WeightsError("The network's answer is not a number: its weights are damaged. Load or train others.")
    heat = min_max(host[3], 0.0 if method.startswith("grad") else FLAT)
    return Explanation(
        network.classes, host[2], host[1], host[0], host[3], heat, seen, method, layer, chosen, network.exact
    )


def _check(network: Network, method: str, class_index: int | None, weighting: str) -> None:
    if method not in METHODS:
        raise SettingsError(f"There is no method {method!r}. There are: {', '.join(METHODS)}.")
    if weighting not in ("lecture", "class"):
        raise SettingsError(f"There is no weighting {weighting!r}. There are: lecture, class.")
    if class_index is not None and not 0 <= class_index < len(network.classes):
        raise SettingsError(f"There is no class number {class_index}; there are {len(network.classes)} classes.")


def _raw_map(
    network: Network,
    x: torch.Tensor,
    maps: torch.Tensor,
    probabilities: torch.Tensor,
    method: str,
    class_index: int | None,
    layer: str,
) -> torch.Tensor:
    """The method's map before the min–max, (1, h, w)."""
    if class_index is None:
        return lecture_map(maps, probabilities)
    if method == "cam":
        return maps[:, class_index].relu()
    if method == "occlusion":
        return occlusion(network, x, *maps.shape[2:])[None, class_index].relu()
    return gradient_maps(network, x, class_index, method, (layer,))[layer]


def layer_maps(
    network: Network, photo: Photo | Rgb, class_index: int, *, view: str = "crop", method: str = "gradcam"
) -> dict[str, Heat]:
    """The maps of all stages in a row, early (fine, edges) to late (coarse, meaning), for one class.

    Only the head's adds up to the score; below it a map is a first-order guess.
    """
    x, _ = prepare(photo.rgb if isinstance(photo, Photo) else photo, network, view)
    found = gradient_maps(network, x, class_index, method, layer_names(network))
    return {name: min_max(values[0].float().cpu().numpy(), 0.0) for name, values in found.items()}


# -- step by step --------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Step:
    """One line of the lecture's recipe, and what it gave."""

    title: str
    code: str
    value: np.ndarray = field(repr=False)


def steps(
    explanation: Explanation, photo: Photo | Rgb, opacity: float = 0.5, colormap: str = "hot"
) -> tuple[Step, ...]:
    """The lecture's recipe with its own names: features, relu, times py, min–max, enlarged, overlay.

    Always the lecture's map, whatever method the explanation used. Values: (n_classes, h, w) twice, (h, w) twice,
    (H, W) of the network's picture, and the photo's uint8 (height, width, 3).
    """
    py, features = explanation.probabilities, explanation.maps
    feat = np.maximum(0, features)
    f2 = np.dot(np.rollaxis(feat, 0, 3), py)
    heat = min_max(f2)
    seen = explanation.geometry
    enlarged = enlarge(heat.values, seen.input_height, seen.input_width)
    return (
        Step("What the hook saved: one map a class", "sf = SaveFeatures(m[-4]); py = m(x); sf.remove()", features),
        Step("Only what speaks for a class", "feat = np.maximum(0, sf.features[0])", feat),
        Step("Weighted by the predicted probabilities", "f2 = np.dot(np.rollaxis(feat, 0, 3), py)", f2),
        Step("From 0 to 1", "f2 -= f2.min(); f2 /= f2.max()", heat.values),
        Step("Enlarged to the picture", "imresize(f2, dx.shape)", enlarged),
        Step(
            "Laid over the photo",
            "plt.imshow(dx); plt.imshow(..., alpha=0.5, cmap='hot')",
            overlay(photo, heat.values, seen, opacity, colormap),
        ),
    )


def sums(explanation: Explanation) -> tuple[tuple[str, float, float], ...]:
    """For each class: its name, the mean of its map's cells, and the network's logit; equal where ``exact``."""
    means = explanation.maps.mean((1, 2), dtype=np.float64)
    return tuple(
        (name, float(mean), float(logit))
        for name, mean, logit in zip(explanation.classes, means, explanation.logits, strict=True)
    )


@dataclass(frozen=True)
class Evidence:
    """What one cell says about each class."""

    row: int
    column: int
    values: tuple[float, ...]  #: a class each, in logits; the mean over all cells is the class's score
    ranks: tuple[int, ...]  #: 1 for the class's strongest cell


def evidence_at(explanation: Explanation, x: float, y: float) -> Evidence | None:
    """The evidence at a point of the photo (in its pixels); None where the network saw nothing."""
    count, rows, columns = explanation.maps.shape
    found = explanation.geometry.cell(x, y, rows, columns)
    if found is None:
        return None
    values = explanation.maps[:, found[0], found[1]]
    ranks = (explanation.maps.reshape(count, -1) > values[:, None]).sum(1) + 1
    return Evidence(*found, tuple(map(float, values)), tuple(map(int, ranks)))


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
        return np.eye(count, dtype=np.float32)[np.clip(positions, 0, count - 1e-6).astype(int)]
    at = np.clip(positions - 0.5, 0, count - 1)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(count))).astype(np.float32)


def enlarge(values: np.ndarray, height: int, width: int, smooth: bool = True) -> np.ndarray:
    """A map (h, w) at (height, width): bilinear, as torch's ``align_corners=False``, which keeps the mean.

    ``smooth=False`` repeats each cell, which shows the true resolution.
    """
    rows = _weights(values.shape[0], (np.arange(height) + 0.5) * values.shape[0] / height, smooth)
    columns = _weights(values.shape[1], (np.arange(width) + 0.5) * values.shape[1] / width, smooth)
    return rows @ np.asarray(values, np.float32) @ columns.T


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


# -- is it telling the truth? -------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Deletion:
    """The class's probability when parts of the photo are greyed: the hottest, and as much at random."""

    shares: tuple[float, ...]  #: of the photo's area; the first is 0
    hottest: tuple[float, ...]
    random: tuple[float, ...]  #: mean over the tries
    random_low: tuple[float, ...]
    random_high: tuple[float, ...]

    @property
    def gap(self) -> float:
        """How much more the hottest parts matter than random ones, mean over the shares; near 0: it does not tell."""
        return float(np.mean(np.subtract(self.random[1:], self.hottest[1:])))


def deletion_curve(
    network: Network,
    photo: Photo | Rgb,
    explanation: Explanation,
    shares: Sequence[float] = (0.1, 0.2, 0.4),
    *,
    tries: int = 4,
    seed: int = 0,
) -> Deletion:
    """Grey the hottest 10/20/40 % of what the network saw and ask again; compare with the same area at random.

    The random areas come from the same map with its cells shuffled, so that they are equally large and equally
    patchy. Probabilities are of the class explained (the winner for the lecture's map).
    """
    rgb = photo.rgb if isinstance(photo, Photo) else photo
    x, _ = prepare(rgb, network, _view_of(explanation.geometry, network))
    index = explanation.winner if explanation.class_index is None else explanation.class_index
    generator = np.random.default_rng(seed)
    # Ranked by the signed evidence where there is one: a ReLU ties all cold cells at zero.
    values = explanation.maps[index] if explanation.method == "cam" else explanation.raw
    orders = [values, *(generator.permutation(values.ravel()).reshape(values.shape) for _ in range(tries))]
    masks = np.stack([m for order in orders for m in _hottest(order, tuple(x.shape[2:]), shares)])
    hidden = x * torch.from_numpy(~masks).to(x.device)[:, None]
    logits = torch.cat([forward(network, part)[2] for part in (x, *hidden.split(8))])
    p = logits.softmax(1)[:, index].float().cpu().numpy()
    at_random = p[1 + len(shares) :].reshape(tries, -1)

    def line(values: Any) -> tuple[float, ...]:
        return (float(p[0]), *map(float, values))

    return Deletion(
        (0.0, *shares),
        line(p[1 : 1 + len(shares)]),
        line(at_random.mean(0)),
        line(at_random.min(0)),
        line(at_random.max(0)),
    )


def _hottest(values: np.ndarray, size: tuple[int, int], shares: Sequence[float]) -> list[np.ndarray]:
    """For each share, a mask (H, W) of exactly that share of the pixels: those where the enlarged map is highest."""
    order = np.argsort(-enlarge(values, *size).ravel(), kind="stable")
    masks = []
    for share in shares:
        mask = np.zeros(order.size, bool)
        mask[order[: round(share * order.size)]] = True
        masks.append(mask.reshape(size))
    return masks


def _view_of(seen: Geometry, network: Network) -> str:
    """Which view has this geometry."""
    return next(v for v in VIEWS if geometry(seen.width, seen.height, network.size, v) == seen)
