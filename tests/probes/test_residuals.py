"""Residual layers: how much each adds, and what the network says without it."""

import pytest
import torch

from explorer.models.vision import Resnet
from explorer.probes.residuals import residuals


def test_a_layer_that_adds_nothing_costs_nothing_and_a_large_one_does() -> None:
    torch.manual_seed(0)
    model = Resnet([4, 6, 8], 3, norm="torch").eval()
    x = torch.randn(40, 3, 32, 32)
    with torch.no_grad():
        y = model(x).argmax(1)  # so that it is right everywhere
        quiet, loud = model.layers2[0], model.layers3[1]
        quiet.bn.weight.zero_(), quiet.bn.bias.zero_()
        loud.bn.weight.mul_(4.0)
        y = model(x).argmax(1)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = residuals(model, x, y)
    layers = {layer.name: layer for layer in found.layers}
    assert list(layers) == ["layers2.0", "layers3.0", "layers2.1", "layers3.1"] and found.accuracy == 1.0
    assert layers["layers2.0"].share == 0.0 and layers["layers2.0"].loss == pytest.approx(found.loss)
    assert layers["layers3.1"].share > 1 > layers["layers3.1"].accuracy
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(model(x).argmax(1), y), "no hook is left behind"
