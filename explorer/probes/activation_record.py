"""What an activation probe recorded, as arrays: read by figures, races and files. No torch."""

from dataclasses import dataclass, field

import numpy as np

HIST_SCALE, HIST_LIMIT, HIST_BINS = 0.05, 100.0, 40


def hist_edges(bins: int = HIST_BINS) -> np.ndarray:
    """Bin edges, (bins + 1,): even in asinh(a / 0.05), so linear around zero and logarithmic beyond, both signs.

    They are fixed, so that a layer's histograms are comparable over time and with other layers'. Values
    outside ± 100 are counted in the outermost bins; those that are not numbers are left out.
    """
    limit = np.arcsinh(HIST_LIMIT / HIST_SCALE)
    return HIST_SCALE * np.sinh(np.linspace(-limit, limit, bins + 1))


@dataclass(frozen=True)
class Row:
    """Where one layer's numbers lie in a row of the table."""

    layer: slice  #: mean, std, near zero, gradient norm, weight norm, update ratio
    channels: slice  #: channel means, stds and near-zero shares
    norm: slice  #: BatchNorm's scale m and shift a; empty without BatchNorm
    hist: slice


@dataclass(frozen=True, eq=False)
class ActivationRecord:
    """A moment of a probe's record: S sampled steps, L layers in the order they run. Arrays are float32.

    ``mean``, ``std`` (of all values, the divisor is their number) and ``dead`` (share of values nearer to zero
    than 0.05), ``grad_norm`` (of the layer's weights, after clipping), ``weight_norm`` (after the step) and
    ``update_ratio`` (‖step‖ / ‖weights before it‖) are (S, L); NaN where a layer has no weights. ``hist`` is
    (S, L, bins), the share of values in each bin of ``edges``.
    """

    steps: np.ndarray
    layers: tuple[str, ...]
    where: str
    every: int
    edges: np.ndarray
    table: np.ndarray = field(repr=False)
    rows: tuple[Row, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.steps)

    def _column(self, number: int) -> np.ndarray:
        if not self.rows:
            return np.empty((0, 0), np.float32)
        return np.stack([self.table[:, row.layer.start + number] for row in self.rows], axis=1)

    @property
    def mean(self) -> np.ndarray:
        """(S, L)."""
        return self._column(0)

    @property
    def std(self) -> np.ndarray:
        """(S, L)."""
        return self._column(1)

    @property
    def dead(self) -> np.ndarray:
        """(S, L)."""
        return self._column(2)

    @property
    def grad_norm(self) -> np.ndarray:
        """(S, L)."""
        return self._column(3)

    @property
    def weight_norm(self) -> np.ndarray:
        """(S, L)."""
        return self._column(4)

    @property
    def update_ratio(self) -> np.ndarray:
        """(S, L)."""
        return self._column(5)

    @property
    def hist(self) -> np.ndarray:
        """(S, L, bins)."""
        if not self.rows:
            return np.empty((0, 0, len(self.edges) - 1), np.float32)
        return np.stack([self.table[:, row.hist] for row in self.rows], axis=1)

    def channels(self, layer: int) -> dict[str, np.ndarray]:
        """``mean``, ``std`` and ``dead`` of each channel of one layer, each (S, channels)."""
        return dict(zip(("mean", "std", "dead"), self._split(self.rows[layer].channels, 3), strict=True))

    def batchnorm(self, layer: int) -> dict[str, np.ndarray]:
        """BatchNorm's own ``m`` (scale) and ``a`` (shift) after each step, (S, channels); empty without it."""
        part = self.rows[layer].norm
        return dict(zip("ma", self._split(part, 2), strict=True)) if part.stop > part.start else {}

    def _split(self, part: slice, parts: int) -> list[np.ndarray]:
        return np.split(self.table[:, part], parts, axis=1)
