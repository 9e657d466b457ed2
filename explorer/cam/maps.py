"""Class activation maps and their relatives.

The lecture's recipe: take the maps before the pooling, ReLU, weight them by the predicted probabilities, min–max,
enlarge, lay over the photo. Because the pooling is a mean, a class's score is exactly the mean of its map.

Everything is computed as ``features = body(x); maps = head(features)``, without hooks: many visitors share one
network. Maps are small, so they leave the device at once; what is done to them afterwards is NumPy.
"""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
import torch

from explorer.cam.network import Network
from explorer.errors import SettingsError

HEAD = "head"  #: the name of the last place where a gradient method can look


class Method(StrEnum):
    """How a map is made."""

    CAM = "cam"  #: the class's own map
    GRADCAM = "gradcam"
    GRADCAM_PLUS = "gradcam++"
    OCCLUSION = "occlusion"

    @property
    def by_gradient(self) -> bool:
        """Whether it asks for gradients: its map has no unit, and can be had at every layer."""
        return self in (Method.GRADCAM, Method.GRADCAM_PLUS)


def lecture_map(maps: torch.Tensor, probabilities: torch.Tensor) -> torch.Tensor:
    """Σ_c p_c · relu(f_c): the notes' ``np.dot(np.rollaxis(feat, 0, 3), py)``, before its min–max.

    ``maps`` (N, n_classes, h, w), ``probabilities`` (N, n_classes); returns (N, h, w).
    """
    return (maps.relu() * probabilities[:, :, None, None]).sum(1)


def gradient_map(a: torch.Tensor, g: torch.Tensor, method: str = Method.GRADCAM) -> torch.Tensor:
    """relu(Σ_k w_k A_k) of a layer's values ``a`` and the class logit's gradients ``g``, both (N, C, h, w).

    Grad-CAM (Selvaraju et al. 2017, eq. 1–2): w_k is the mean gradient. Grad-CAM++ (Chattopadhyay et al. 2018,
    eq. 19): w_k = Σ α relu(g) with α = g² / (2g² + Σ A g³); the sum runs over relu(A), because the formula
    assumes values after a ReLU and changes sign without one.
    """
    if method == Method.GRADCAM:
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
    network: Network, x: torch.Tensor, class_index: int, method: str = Method.GRADCAM, layers: Sequence[str] = (HEAD,)
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
    difference: np.ndarray = maps[a] - maps[b]
    return difference
