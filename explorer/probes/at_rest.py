"""What every layer of a trained network gives for one batch, without training it."""

import itertools
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from explorer.probes.activation_record import ActivationRecord, Row, hist_edges
from explorer.probes.activations import AFTER_ACTIVATION, Watched, statistics, watched_layers


@torch.no_grad()
def at_rest(model: nn.Module, x: Tensor, where: str = AFTER_ACTIVATION) -> ActivationRecord:
    """The statistics of every layer while the model evaluates ``x``: a record of one row, in which nothing was learnt.

    A layer that runs several times is recorded at its last run. Gradients and updates are NaN.

    Args:
        model: any rung; its mode is left as it was.
        x: a batch, as the model takes it, on its device.
        where: one of ``activations.PLACES``.
    """
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    handles, training = [], model.training
    watched = {layer.name: layer for layer in watched_layers(model, where)}

    def hook(layer: Watched) -> Any:
        return lambda module, args, output: seen.update({layer.name: statistics(layer.read(output))})

    try:
        handles = [layer.module.register_forward_hook(hook(layer)) for layer in watched.values()]
        model.eval()
        model(x)
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    parts: list[np.ndarray] = []
    rows: list[Row] = []
    end = 0
    for name, (channels, hist) in seen.items():
        values, shares = channels.cpu().numpy(), hist.cpu().numpy()
        weight = sum(float(p.detach().square().sum()) for p in watched[name].owner.parameters()) ** 0.5
        mean, std, near = values
        whole = np.sqrt((std**2).mean() + mean.var())  # within the channels and between them
        layer = np.array([mean.mean(), whole, near.mean(), np.nan, weight, np.nan])
        ends = np.cumsum([end, len(layer), values.size, 0, shares.size]).tolist()
        rows.append(Row(*(slice(a, b) for a, b in itertools.pairwise(ends))))
        parts += [layer, values.ravel(), shares]
        end = ends[-1]
    table = np.concatenate(parts).astype(np.float32)[None] if parts else np.empty((0, 0), np.float32)
    return ActivationRecord(np.arange(len(table)), tuple(seen), where, 1, hist_edges(), table, tuple(rows))
