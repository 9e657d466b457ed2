"""What the layers of a network at rest give, against the same taken by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from explorer.experiment import Experiment
from explorer.models import vision
from explorer.probes.activations import OUTPUT
from explorer.probes.at_rest import at_rest


def test_a_convnets_layers_are_those_that_one_takes_by_hand():
    torch.manual_seed(0)
    model = vision.build(Experiment.of("convnet"))
    x = torch.randn(20, 3, 32, 32)
    record = at_rest(model.train(), x)
    assert model.training and record.layers == ("layers.0", "layers.1", "layers.2", "out") and len(record) == 1
    with torch.no_grad():
        first = F.relu(model.layers[0](x))
    assert record.mean[0, 0] == pytest.approx(first.mean().item(), rel=1e-4)
    assert record.std[0, 0] == pytest.approx(first.std(correction=0).item(), rel=1e-4)
    assert record.dead[0, 0] == pytest.approx((first.abs() < 0.05).float().mean().item(), rel=1e-4)
    assert record.channels(0)["mean"][0] == pytest.approx(first.mean((0, 2, 3)).numpy(), rel=1e-3)
    assert record.hist.shape == (1, 4, 40) and record.hist[0].sum(1) == pytest.approx(np.ones(4), rel=1e-3)
    weights = torch.cat([p.flatten() for p in model.layers[0].parameters()])
    assert record.weight_norm[0, 0] == pytest.approx(weights.norm().item(), rel=1e-5)
    assert np.isnan(record.grad_norm).all() and np.isnan(record.update_ratio).all()
    assert not any(module._forward_hooks for module in model.modules()), "nothing of it stays"


def test_batchnorm_at_rest_uses_what_it_kept_and_keeps_it():
    model = vision.build(Experiment.of("resnet"))
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    one, both = torch.randn(1, 3, 32, 32), torch.randn(2, 3, 32, 32)
    at_rest(model, both, OUTPUT)
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())
    assert len(at_rest(model, one, OUTPUT)) == 1, "one picture is enough"


@pytest.mark.parametrize(("key", "layers"), [("char3", 3), ("stateful", 2), ("gru-cell", 2), ("lstm", 2)])
def test_every_language_rung_has_layers(key, layers):
    experiment = Experiment.of(key, hidden=16, n_fac=8)
    model = experiment.rung.build(experiment, 30)
    record = at_rest(model, torch.randint(30, (3, 5)))
    assert len(record.layers) == layers and np.isfinite(record.std).all()
