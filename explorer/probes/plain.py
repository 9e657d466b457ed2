"""Activation statistics the plain way, to read: a hook a layer, at every step. The numbers are those of the probe."""

import math
from collections import defaultdict
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from explorer.probes.activation_record import HIST_BINS, HIST_LIMIT, HIST_SCALE
from explorer.probes.activations import NEAR_ZERO, Watched, watched_layers


class PlainProbe:
    """Each layer's mean, standard deviation, share near zero and histogram, a number or a row for every step.

    with PlainProbe(model) as probe:
        ...                         # train
    probe.stds["stages.0.1"]        # one number a step
    """

    def __init__(self, model: nn.Module) -> None:
        self.layers = watched_layers(model)
        self.means: dict[str, list[float]] = defaultdict(list)
        self.stds: dict[str, list[float]] = defaultdict(list)
        self.near_zero: dict[str, list[float]] = defaultdict(list)
        self.hists: dict[str, list[Tensor]] = defaultdict(list)

    def __enter__(self) -> "PlainProbe":
        self.hooks = [layer.module.register_forward_hook(partial(self.look, layer)) for layer in self.layers]
        return self

    def __exit__(self, *failure: object) -> None:
        for hook in self.hooks:
            hook.remove()

    def look(self, layer: Watched, module: nn.Module, args: Any, output: Any) -> None:
        """What a layer's hook does with what the layer gave, in training."""
        if not module.training:
            return
        activations = layer.read(output).detach().float()
        self.means[layer.name].append(activations.mean().item())
        self.stds[layer.name].append(activations.std(correction=0).item())
        self.near_zero[layer.name].append((activations.abs() < NEAR_ZERO).float().mean().item())
        self.hists[layer.name].append(self.histogram(activations))

    @staticmethod
    def histogram(activations: Tensor) -> Tensor:
        """The share of values in each bin, (bins,): even around zero, wider and wider beyond, ± 100 at the ends."""
        limit = math.asinh(HIST_LIMIT / HIST_SCALE)
        squeezed = torch.asinh(activations / HIST_SCALE).clamp(-limit, limit)
        return torch.histc(squeezed, HIST_BINS, -limit, limit).cpu() / squeezed.numel()
