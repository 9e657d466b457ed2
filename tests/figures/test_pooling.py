"""Adaptive pooling drawn: the numbers of the cells are those that PyTorch gives."""

import torch
import torch.nn.functional as F

from explorer.figures.pooling import adaptive
from explorer.models.pooling import bins


def test_each_cells_number_is_pytorchs() -> None:
    values = [[float(3 * a + b) for b in range(5)] for a in range(5)]
    x = torch.tensor(values)[None, None]
    for kind, pool in (("max", F.adaptive_max_pool2d), ("mean", F.adaptive_avg_pool2d)):
        drawn = adaptive(values, bins(5, 2), kind)
        for value in pool(x, 2).flatten().tolist():
            assert f">{value:.2f}</text>" in drawn
    both = adaptive(values, bins(5, 2), "both")
    assert "mean: 2 × 2" in both and "max: 2 × 2" in both
