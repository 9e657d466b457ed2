"""The summary: the lecture's own figures, and a model that is none the wiser."""

import copy

import pytest
import torch
from torch import nn

from explorer import ladders
from explorer.experiment import Experiment
from explorer.models.cells import GRUCell
from explorer.models.summary import summarise
from explorer.models.vision import ConvNet, Resnet, SimpleNet


def test_the_lectures_summary_of_simplenet():
    rows = summarise(SimpleNet([3072, 40, 10]), (3, 32, 32))
    assert [(r.kind, r.input, r.output, r.parameters) for r in rows] == [
        ("Linear", (3072,), (40,), 122_920),
        ("Linear", (40,), (10,), 410),
    ]


def test_the_lectures_summary_of_convnet():
    rows = summarise(ConvNet([3, 20, 40, 80], 10), (3, 32, 32))
    assert [(r.name, r.kind, r.input, r.output, r.parameters, r.trainable) for r in rows] == [
        ("layers.0", "Conv2d", (3, 32, 32), (20, 15, 15), 560, True),
        ("layers.1", "Conv2d", (20, 15, 15), (40, 7, 7), 7_240, True),
        ("layers.2", "Conv2d", (40, 7, 7), (80, 3, 3), 28_880, True),
        ("pool", "AdaptiveMaxPool2d", (80, 3, 3), (80, 1, 1), 0, False),
        ("out", "Linear", (80,), (10,), 810, True),
    ]
    assert [r.multiply_adds for r in rows] == [15 * 15 * 20 * 27, 7 * 7 * 40 * 180, 9 * 80 * 360, 0, 800]


@pytest.mark.parametrize("norm", ["lecture", "running", "torch", "none"])
def test_bn_layer_is_one_row_with_its_m_and_a(norm):
    rows = summarise(Resnet([10, 20, 40], 10, norm), (3, 32, 32))
    assert [r.kind for r in rows] == ["Conv2d", *["BnLayer", "ResnetLayer", "ResnetLayer"] * 2, "Linear"]
    added = 20 if norm == "none" else 40
    assert rows[1].parameters == 10 * 20 * 9 + added
    normalisation = 0 if norm == "none" else 20 * 16 * 16
    assert rows[1].multiply_adds == 20 * 16 * 16 * 90 + normalisation


@pytest.mark.parametrize("rung", ladders.VISION + ladders.LANGUAGE, ids=lambda r: r.key)
def test_parameters_add_up_for_every_rung(rung):
    experiment = Experiment.of(rung.key)
    if not rung.is_language:
        model, example = rung.build(experiment), (3, 32, 32)
    else:
        model, example = rung.build(experiment, 85), (torch.zeros(experiment.window, 2, dtype=torch.long), None)
    rows = summarise(model, example)
    assert sum(r.parameters for r in rows) == sum(p.numel() for p in model.parameters())
    assert all(r.multiply_adds > 0 for r in rows if r.kind != "Embedding" and r.parameters)


def test_recurrent_layers_count_every_step_and_equal_by_hand():
    x = torch.zeros(7, 3, 5)
    (layer,) = summarise(nn.GRU(5, 4), x)
    assert layer.multiply_adds == 7 * 3 * 3 * (4 * 5 + 4 * 4) and layer.calls == 1

    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = GRUCell(5, 4)

        def forward(self, x):
            h = torch.zeros(3, 4)
            for x_t in x:
                h = self.cell(x_t, h)
            return h

    (row,) = summarise(Loop(), x)
    assert row.calls == 7 and row.multiply_adds == layer.multiply_adds and row.parameters == layer.parameters


def test_the_model_is_left_as_it_was():
    model = Resnet([4, 8], 10, "torch").train()
    model.layers[0].bn.eval()  # a frozen part
    modes = [m.training for m in model.modules()]
    before, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    summarise(model, (3, 32, 32))
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert [m.training for m in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    assert not any(m._forward_hooks for m in model.modules())
    assert all(p.grad is None for p in model.parameters())


def test_hooks_and_modes_are_restored_after_an_error():
    model = ConvNet([3, 4], 10).train()
    with pytest.raises(RuntimeError):
        summarise(model, (5, 32, 32))
    assert model.training and not any(m._forward_hooks for m in model.modules())


def test_a_function_and_frozen_layers():
    model = ConvNet([3, 4], 10)
    model.layers[0].weight.requires_grad_(False)
    rows = summarise(model, lambda m: m(torch.zeros(6, 3, 32, 32)))
    assert rows[0].input == (6, 3, 32, 32) and not rows[0].trainable and rows[-1].trainable
    assert rows[0].multiply_adds == 6 * summarise(model, (3, 32, 32))[0].multiply_adds
