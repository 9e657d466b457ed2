"""The optimisers an experiment may name."""

from typing import TYPE_CHECKING

import torch
from torch import nn

from explorer.training.internals import spare_the_compiler
from explorer.training.schedules import MOMENTUM

if TYPE_CHECKING:
    from explorer.experiment import Experiment

spare_the_compiler()


def make_optimiser(model: nn.Module, experiment: "Experiment", device: torch.device) -> torch.optim.Optimizer:
    """Adam (coupled weight decay, as in the lecture), AdamW, or SGD with momentum 0.9, plain or Nesterov's."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    lr, decay, fused = experiment.lr, experiment.weight_decay, device.type == "cuda"
    match experiment.optimiser:
        case "adam":
            return torch.optim.Adam(parameters, lr, weight_decay=decay, fused=fused)
        case "adamw":
            return torch.optim.AdamW(parameters, lr, weight_decay=decay, fused=fused)
        case _:
            nesterov = experiment.optimiser == "nesterov"
            return torch.optim.SGD(parameters, lr, MOMENTUM, weight_decay=decay, nesterov=nesterov, fused=fused)
