"""What every layer's activations do while a network trains: a probe of hooks around a learner.

    with ActivationProbe(learner) as probe:
        for event in learner.steps(plan):
            ...
            probe.drain()           # now and then: one transfer for all steps since the last
            record = probe.snapshot()

Statistics are computed on the device at every ``every``-th step and wait there as tensors. Nothing in a
step waits for the device.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.errors import SettingsError
from explorer.experiment import Norm
from explorer.models.batchnorm import BnLayer
from explorer.models.cells import GRUCell, RNNCell
from explorer.models.vision import ConvLayer, ConvNet, SimpleNet
from explorer.probes.activation_record import HIST_BINS, HIST_LIMIT, HIST_SCALE, ActivationRecord, Row, hist_edges
from explorer.training.learner import Learner

BEFORE_ACTIVATION, AFTER_ACTIVATION, OUTPUT = "before activation", "after activation", "layer output"
PLACES = {
    BEFORE_ACTIVATION: "what the convolution (or matrix product) gives, before the ReLU",
    AFTER_ACTIVATION: "after the ReLU; in the lecture's order this is what goes into the normalisation",
    OUTPUT: "what the layer hands on: after the normalisation, and with a skip connection after the sum",
}
EVERY = 4  #: a step in this many is looked at; tests/benchmarks/activations.py measures what that costs
NEAR_ZERO = 0.05  #: |a| below this counts as near zero (fastai's threshold)
HIST_VALUES = 1 << 15  #: at most this many values of a layer, evenly spread, are counted in its histogram
ROWS = 512  #: sampled steps kept; when there are more, every second is dropped and sampling halves
PENDING = 32  #: sampled steps that wait on the device before they are drained without being asked


@dataclass(frozen=True)
class Watched:
    """One layer to watch: its name, the module whose output is read, what is done to that, and whose weights."""

    name: str
    module: nn.Module
    read: Callable[[Tensor], Tensor]
    owner: nn.Module


def watched_layers(model: nn.Module, where: str = AFTER_ACTIVATION) -> list[Watched]:
    """The layers of a rung, or of any net of convolutions, matrix products and recurrent layers.

    Raises:
        SettingsError: ``where`` is none of :data:`PLACES`.
    """
    if where not in PLACES:
        raise SettingsError(f"Activations can be watched {', '.join(PLACES)}; not {where!r}.")
    return list(_walk(model, "", where, isinstance(model, SimpleNet | ConvNet)))


def _walk(module: nn.Module, name: str, where: str, relu_outside: bool) -> Iterator[Watched]:
    if isinstance(module, BnLayer | ConvLayer):
        inner = module if where == OUTPUT else module.conv
        yield Watched(name, inner, F.relu if where == AFTER_ACTIVATION else _same, module)
    elif isinstance(module, nn.RNNBase):
        yield Watched(name, module, lambda output: output[0], module)
    elif isinstance(module, nn.Conv2d | nn.Linear | RNNCell | GRUCell):
        # The first rungs' layers are plain modules, and their ReLU stands in the model's forward.
        relu = relu_outside and name.startswith("layers.") and where != BEFORE_ACTIVATION
        yield Watched(name, module, F.relu if relu else _same, module)
    else:
        for child, inside in module.named_children():
            yield from _walk(inside, f"{name}.{child}".lstrip("."), where, relu_outside)


def _same(output: Tensor) -> Tensor:
    return output


def statistics(activations: Tensor, bins: int = HIST_BINS) -> tuple[Tensor, Tensor]:
    """Statistics of one layer, on its device.

    Args:
        activations: (batch, channels, height, width), or (…, channels).
        bins: of the histogram.

    Returns:
        (3, channels): each channel's mean, standard deviation (divided by the number of values) and share
        near zero; and the histogram, (bins,): the share of (at most 32,768 evenly spread) values in each bin.
    """
    if activations.dim() == 4:
        activations = activations.permute(0, 2, 3, 1)
    rows = activations.flatten(0, -2).float()  # one channel a column
    mean = rows.mean(0)
    std = (rows - mean).square_().mean(0).sqrt_()
    near = (rows.abs() < NEAR_ZERO).float().mean(0)  # ten times faster on a CPU than counting
    stride = max(1, -(-rows.numel() // HIST_VALUES))
    while math.gcd(stride, rows.shape[1]) > 1:  # or some channels would never be counted
        stride += 1
    limit = math.asinh(HIST_LIMIT / HIST_SCALE)
    values = rows.flatten()[::stride]
    hist = torch.histc((values / HIST_SCALE).asinh_().clamp_(-limit, limit), bins, -limit, limit)
    return torch.stack([mean, std, near]), hist / len(values)


class ActivationProbe:
    """Watches a learner's layers while it trains; see the module's example.

    A module that runs several times in one step is recorded at its last run. Only training is recorded.

    Args:
        learner: its hooks are set on entering and taken off on leaving, however that happens.
        every: the first step and then one in so many is recorded.
        where: see :data:`PLACES`.
        bins: of the histograms.
        rows: see :data:`ROWS`.
    """

    def __init__(
        self,
        learner: Learner,
        every: int = EVERY,
        where: str = AFTER_ACTIVATION,
        bins: int = HIST_BINS,
        rows: int = ROWS,
    ) -> None:
        self.learner, self.every, self.where, self.bins, self.rows = learner, every, where, bins, rows
        self.watched = {layer.name: layer for layer in watched_layers(learner.model, where)}
        self.version = 0  #: grows with every drain that brought something
        self._handles: list[Any] = []
        self._now: dict[str, tuple[Tensor, Tensor]] = {}  # this step's statistics, in the order of the forward pass
        self._before: dict[str, tuple[Tensor, Tensor]] = {}  # and weights and gradients
        self._pending: list[tuple[int, Tensor]] = []
        self._layout: dict[str, Row] = {}
        self._table = np.empty((0, 0), np.float32)
        self._shown = (np.empty(0, np.int64), self._table)  # one assignment: a reader never sees half a change

    def __enter__(self) -> "ActivationProbe":
        for layer in self.watched.values():
            self._handles.append(layer.module.register_forward_hook(self._forward(layer)))
        self._handles.append(self.learner.optimiser.register_step_pre_hook(self._before_step))
        self._handles.append(self.learner.optimiser.register_step_post_hook(self._after_step))
        return self

    def __exit__(self, *failure: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._now.clear()
        self._before.clear()
        self.drain()

    def _forward(self, layer: Watched) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if self.learner.model.training and self.learner.step % self.every == 0:
                with torch.no_grad(), torch.autocast(self.learner.device.type, enabled=False):
                    self._now[layer.name] = statistics(layer.read(output).detach(), self.bins)

        return hook

    @torch.no_grad()
    def _before_step(self, *_: Any) -> None:
        for name in self._now:
            weights = list(self.watched[name].owner.parameters())
            gradients = [p.grad for p in weights if p.grad is not None]
            self._before[name] = _flat(weights), _flat(gradients or [weights[0].new_full((1,), math.nan)])

    @torch.no_grad()
    def _after_step(self, *_: Any) -> None:
        if not self._before:
            return
        parts = []
        for name, (channels, hist) in self._now.items():
            owner = self.watched[name].owner
            before, gradient = self._before[name]
            after = _flat(owner.parameters())
            mean, std, dead = channels
            # Channels have equally many values: the variance of all is that within plus that between them.
            whole = (std.square().mean() + mean.var(correction=0)).sqrt()
            update = (after - before).norm() / before.norm()
            layer = torch.stack([mean.mean(), whole, dead.mean(), gradient.norm(), after.norm(), update])
            parts += [layer, channels.flatten(), *(p.flatten() for p in _scale_shift(owner)), hist]
        self._layout = self._layout or self._lay_out()
        self._pending.append((self.learner.step + 1, torch.cat([part.float() for part in parts])))
        self._now, self._before = {}, {}
        if len(self._pending) >= PENDING:
            self.drain()

    def _lay_out(self) -> dict[str, Row]:
        layout, at = {}, 0
        for name, (channels, hist) in self._now.items():
            norm = sum(p.numel() for p in _scale_shift(self.watched[name].owner))
            ends = list(itertools.accumulate((6, channels.numel(), norm, hist.numel()), initial=at))
            layout[name] = Row(*(slice(a, b) for a, b in itertools.pairwise(ends)))
            at = ends[-1]
        return layout

    def drain(self) -> None:
        """Bring what waits on the device to the host, in one transfer."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        new = torch.stack([row for _, row in pending]).cpu().numpy()
        steps, table = self._shown
        length = len(steps)
        if length + len(new) > len(self._table):
            grown = np.empty((max(64, 2 * (length + len(new))), new.shape[1]), np.float32)
            if length:
                grown[:length] = table
            self._table = grown
        self._table[length : length + len(new)] = new  # below the length nothing is ever written again
        steps = np.concatenate([steps, [number for number, _ in pending]])
        table = self._table[: len(steps)]
        while len(steps) > self.rows:
            self.every *= 2
            kept = (steps - 1) % self.every == 0
            steps, table = steps[kept], table[kept]
            self._table = table
        self._shown = steps, table
        self.version += 1

    def snapshot(self) -> ActivationRecord:
        """What has been drained so far; nothing is copied."""
        steps, table = self._shown
        return ActivationRecord(
            steps,
            tuple(self._layout),
            self.where,
            self.every,
            hist_edges(self.bins),
            table,
            tuple(self._layout.values()),
        )


def _flat(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([t.flatten() for t in tensors])


def _scale_shift(layer: nn.Module) -> tuple[Tensor, ...]:
    """BatchNorm's m and a, whoever wrote it; nothing where there is none."""
    if isinstance(layer, BnLayer) and layer.norm != Norm.NONE:
        return (layer.bn.weight, layer.bn.bias) if layer.norm == Norm.TORCH else (layer.m, layer.a)
    return ()


@dataclass(frozen=True, eq=False)
class FeatureMaps:
    """One layer's activations for one picture: ``maps`` is float32 (channels, height, width)."""

    name: str
    maps: np.ndarray


@torch.no_grad()
def feature_maps(model: nn.Module, picture: Tensor, where: str = AFTER_ACTIVATION) -> tuple[FeatureMaps, ...]:
    """One normalised picture, (3, height, width), through every layer that keeps it a picture, in evaluation mode."""
    seen: dict[str, Tensor] = {}
    handles, training = [], model.training
    for layer in watched_layers(model, where):
        handles.append(layer.module.register_forward_hook(lambda m, a, o, at=layer: seen.update({at.name: at.read(o)})))
    try:
        model.eval()
        model(picture[None])
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return tuple(FeatureMaps(name, a[0].float().cpu().numpy()) for name, a in seen.items() if a.dim() == 4)
