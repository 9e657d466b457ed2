"""Is the map telling the truth? Hide what it calls hot, and ask the network again."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from explorer.cam.explain import Explanation
from explorer.cam.heat import enlarge
from explorer.cam.maps import Method, forward
from explorer.cam.network import Network
from explorer.cam.view import Geometry, Rgb, View, geometry, prepare
from explorer.data.photos import Photo

MEANT = 0.02  # of a probability; a smaller gap is none


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

    @property
    def tells(self) -> bool:
        """Whether the hottest parts matter more than random ones, so that the map is a guide."""
        return self.gap > MEANT


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
    values = explanation.maps[index] if explanation.method == Method.CAM else explanation.raw
    orders = [values, *(generator.permutation(values.ravel()).reshape(values.shape) for _ in range(tries))]
    masks = np.stack([m for order in orders for m in _hottest(order, (x.shape[2], x.shape[3]), shares)])
    hidden = x * torch.from_numpy(~masks).to(x.device)[:, None]
    logits = torch.cat([forward(network, part)[2] for part in (x, *torch.split(hidden, 8))])
    p = logits.softmax(1)[:, index].float().cpu().numpy()
    at_random = p[1 + len(shares) :].reshape(tries, -1)

    def line(values: np.ndarray) -> tuple[float, ...]:
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


def _view_of(seen: Geometry, network: Network) -> View:
    """Which view has this geometry."""
    return next(v for v in View if geometry(seen.width, seen.height, network.size, v) == seen)
