"""One photo's answer: what the network says, where it looked, and the lecture's recipe step by step."""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import torch

from explorer.cam.heat import FLAT, Heat, enlarge, min_max, overlay
from explorer.cam.maps import HEAD, Method, forward, gradient_maps, layer_names, lecture_map, occlusion
from explorer.cam.network import Network
from explorer.cam.view import Geometry, Rgb, View, prepare
from explorer.data.photos import Photo
from explorer.errors import SettingsError, WeightsError


class Weighting(StrEnum):
    """Which map is drawn where no class is asked for."""

    LECTURE = "lecture"  #: every class's, weighted by its probability
    CLASS = "class"  #: the winner's


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
    method: Method
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
    view: str = View.CROP,
    method: str = Method.CAM,
    class_index: int | None = None,
    layer: str | None = None,
    weighting: str = Weighting.LECTURE,
) -> Explanation:
    """Answer and map for one photo.

    Args:
        network: in evaluation mode; it is not changed.
        photo: uint8 RGB, upright, any shape.
        view: what the network sees, a :class:`~explorer.cam.view.View`.
        method: a :class:`~explorer.cam.maps.Method`.
        class_index: the class to explain; None for the winner, or, with ``cam`` and the lecture's weighting, for
            all classes weighted by their probabilities.
        layer: for the gradient methods, a name from :func:`layer_names`; default the head (Grad-CAM) or the last
            stage (Grad-CAM++, which needs values after a ReLU).
        weighting: for ``cam`` without a class, a :class:`Weighting`.

    Raises:
        SettingsError: unknown view, method, layer or class. WeightsError: the network's answer is not a number.
    """
    _check(network, method, class_index, weighting)
    rgb = photo.rgb if isinstance(photo, Photo) else photo
    x, seen = prepare(rgb, network, view)
    _, maps, logits = forward(network, x)
    probabilities = logits.softmax(1)
    chosen = class_index
    if chosen is None and not (method == Method.CAM and weighting == Weighting.LECTURE):
        chosen = int(logits.argmax())
    layer = layer or (layer_names(network)[-2] if method == Method.GRADCAM_PLUS else HEAD)
    raw = _raw_map(network, x, maps, probabilities, method, chosen, layer)
    host = [tensor[0].float().cpu().numpy() for tensor in (maps, logits, probabilities, raw)]
    if not np.isfinite(host[1]).all():
        raise WeightsError("The network's answer is not a number: its weights are damaged. Load or train others.")
    heat = min_max(host[3], 0.0 if Method(method).by_gradient else FLAT)
    return Explanation(
        network.classes, host[2], host[1], host[0], host[3], heat, seen, Method(method), layer, chosen, network.exact
    )


def _check(network: Network, method: str, class_index: int | None, weighting: str) -> None:
    if method not in tuple(Method):
        raise SettingsError(f"There is no method {method!r}. There are: {', '.join(Method)}.")
    if weighting not in tuple(Weighting):
        raise SettingsError(f"There is no weighting {weighting!r}. There are: {', '.join(Weighting)}.")
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
    if method == Method.CAM:
        return maps[:, class_index].relu()
    if method == Method.OCCLUSION:
        return occlusion(network, x, *maps.shape[2:])[None, class_index].relu()
    return gradient_maps(network, x, class_index, method, (layer,))[layer]


def layer_maps(
    network: Network, photo: Photo | Rgb, class_index: int, *, view: str = View.CROP, method: str = Method.GRADCAM
) -> dict[str, Heat]:
    """The maps of all stages in a row, early (fine, edges) to late (coarse, meaning), for one class.

    Only the head's adds up to the score; below it a map is a first-order guess.
    """
    x, _ = prepare(photo.rgb if isinstance(photo, Photo) else photo, network, view)
    found = gradient_maps(network, x, class_index, method, layer_names(network))
    return {name: min_max(values[0].float().cpu().numpy(), 0.0) for name, values in found.items()}


def weighted(explanation: Explanation) -> np.ndarray:
    """The lecture's map of this photo before its min–max, (h, w), whatever method the explanation used."""
    maps, probabilities = torch.from_numpy(explanation.maps), torch.from_numpy(explanation.probabilities)
    return lecture_map(maps[None], probabilities[None])[0].numpy()


@dataclass(frozen=True, eq=False)
class RecipeStep:
    """One line of the lecture's recipe, and what it gave."""

    title: str
    code: str
    value: np.ndarray = field(repr=False)


def recipe(
    explanation: Explanation, photo: Photo | Rgb, opacity: float = 0.5, colormap: str = "hot"
) -> tuple[RecipeStep, ...]:
    """The lecture's recipe with its own names: features, relu, times py, min–max, enlarged, overlay.

    Always the lecture's map, whatever method the explanation used. Values: (n_classes, h, w) twice, (h, w) twice,
    (H, W) of the network's picture, and the photo's uint8 (height, width, 3).
    """
    features, f2 = explanation.maps, weighted(explanation)
    heat = min_max(f2)
    seen = explanation.geometry
    enlarged = enlarge(heat.values, seen.input_height, seen.input_width)
    return (
        RecipeStep(
            "What the hook saved: one map a class", "sf = SaveFeatures(m[-4]); py = m(x); sf.remove()", features
        ),
        RecipeStep("Only what speaks for a class", "feat = np.maximum(0, sf.features[0])", np.maximum(0, features)),
        RecipeStep("Weighted by the predicted probabilities", "f2 = np.dot(np.rollaxis(feat, 0, 3), py)", f2),
        RecipeStep("From 0 to 1", "f2 -= f2.min(); f2 /= f2.max()", heat.values),
        RecipeStep("Enlarged to the picture", "imresize(f2, dx.shape)", enlarged),
        RecipeStep(
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
