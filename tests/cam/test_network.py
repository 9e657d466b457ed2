"""The lecture's network: its score, its freezing, its hook; and others as body and head."""

import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from explorer.cam.backbones import random_body
from explorer.cam.explain import explain
from explorer.cam.maps import Method
from explorer.cam.network import CamNet, SaveFeatures, build, headed
from explorer.errors import SettingsError
from tests.cam.made import RNG


@pytest.fixture(scope="module")
def mobilenet():
    return build("mobilenet_v2", ("cats", "dogs"))


def test_the_score_is_the_mean_of_the_map_and_nothing_else(mobilenet):
    x = torch.randn(2, 3, 224, 160)
    with torch.no_grad():
        features = mobilenet.features(x)
        maps = mobilenet.maps(features)
        assert features.shape == (2, 1280, 7, 5) and maps.shape == (2, 2, 7, 5)
        torch.testing.assert_close(mobilenet(x), maps.mean((2, 3)), rtol=0, atol=1e-6)


def test_the_stages_in_turn_are_the_body(mobilenet):
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        y, sides = x, []
        for _, stage in mobilenet.stages():
            y = stage(y)
            sides.append(y.shape[-1])
        assert torch.equal(y, mobilenet.features(x))
    assert sides == [16, 8, 4, 2]


def test_a_network_of_the_vision_ladder_as_a_pair():
    class Rung(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 6, 3, stride=4)
            self.out = nn.Linear(6, 4)

        def features(self, x):
            return F.relu(self.conv(x))

        def forward(self, x):
            return self.out(F.adaptive_max_pool2d(self.features(x), 1).flatten(1))

    rung = Rung().eval()
    pair = headed(rung, ("a", "b", "c", "d"), (0.5,) * 3, (0.25,) * 3)
    picture = RNG.integers(0, 255, (32, 32, 3), dtype=np.uint8)
    found = explain(pair, picture)
    with torch.no_grad():
        expected = rung(torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255 * 4 - 2)[0]
    np.testing.assert_allclose(found.logits, expected.numpy(), atol=1e-5)
    for method in Method:
        assert explain(pair, picture, method=method, class_index=1).raw.shape == (8, 8)
    with pytest.raises(SettingsError, match="fully connected"):
        headed(nn.Linear(2, 2), (), (), ())


# -- freezing ----------------------------------------------------------------------------------------
def test_freeze_to_minus_4_trains_the_head_alone():
    network = CamNet(random_body("resnet34"), "resnet34", ("a", "b"))
    network.freeze_to(-4)
    assert {n for n, p in network.named_parameters() if p.requires_grad} == {"head.weight", "head.bias"}
    network.train()
    before = network.body[1].running_mean.clone()
    network(torch.randn(2, 3, 32, 32)).sum().backward()
    assert torch.equal(network.body[1].running_mean, before) and network.body[0].weight.grad is None
    network.unfreeze()
    network.train()
    network(torch.randn(2, 3, 32, 32)).sum().backward()
    assert not torch.equal(network.body[1].running_mean, before) and network.body[0].weight.grad is not None


def test_freeze_to_a_child_in_the_middle():
    network = CamNet(random_body("resnet34"), "resnet34", ("a", "b"))
    network.freeze_to(7)  # layer4 and the head
    frozen = [all(not p.requires_grad for p in child.parameters()) for child in network.body]
    assert frozen == [True] * 7 + [False]
    for n in (-3, 9, -13):
        with pytest.raises(SettingsError):
            network.freeze_to(n)


def test_earlier_layers_get_smaller_rates_and_every_weight_one():
    network = CamNet(random_body("resnet34"), "resnet34", ("a", "b"))
    network.unfreeze()
    groups = network.parameter_groups(1e-2)
    assert [g["lr"] for g in groups] == pytest.approx([1e-4, 1e-3, 1e-2])
    assert sum(p.numel() for g in groups for p in g["params"]) == sum(p.numel() for p in network.parameters())
    network.freeze_to(-4)
    assert [g["lr"] for g in network.parameter_groups(1e-2)] == [1e-2]


def test_a_new_head_shares_the_body(mobilenet):
    other = mobilenet.with_head(nn.Conv2d(1280, 3, 3, padding=1), ("a", "b", "c"))
    assert other.body is mobilenet.body and other.classes == ("a", "b", "c") and not other.training
    assert mobilenet.classes == ("cats", "dogs") and mobilenet.head.out_channels == 2


class Watched(nn.BatchNorm2d):
    """Notes whatever is set on it."""

    def __setattr__(self, name, value):
        written.append((name, value))
        super().__setattr__(name, value)


written = []


def test_a_new_head_touches_nothing_of_the_body_that_others_look_through(mobilenet, monkeypatch):
    layer, frozen = mobilenet.body[3].conv[0][1], []
    real = nn.Module.requires_grad_
    monkeypatch.setattr(nn.Module, "requires_grad_", lambda self, on=True: frozen.append(self) or real(self, on))
    monkeypatch.setattr(layer, "__class__", Watched)
    written.clear()
    other = mobilenet.with_head(nn.Conv2d(1280, 2, 3, padding=1), ("a", "b"))
    other.train()
    assert other.head.training and not other.eval().head.training
    assert written == [] and not layer.training
    assert not any(module in set(mobilenet.body.modules()) for module in frozen)


def test_photos_are_answered_alike_while_heads_are_changed(mobilenet):
    """A body in training mode for a moment would use, and keep, the statistics of whoever's photo passes."""
    x, stop = torch.randn(1, 3, 64, 64), threading.Event()
    kept = {name: value.clone() for name, value in mobilenet.state_dict().items()}
    head = nn.Conv2d(1280, 2, 3, padding=1)

    def change():
        while not stop.is_set():
            mobilenet.with_head(head, ("a", "b"))

    with torch.no_grad():
        alone = mobilenet(x)
        thread = threading.Thread(target=change)
        thread.start()
        beside = [mobilenet(x) for _ in range(20)]
        stop.set()
        thread.join()
    assert all(torch.equal(found, alone) for found in beside)
    assert all(torch.equal(value, kept[name]) for name, value in mobilenet.state_dict().items())


# -- the lesson's hook -------------------------------------------------------------------------------
def hooks(module):
    return sum(len(m._forward_hooks) for m in module.modules())


def test_save_features_saves_what_the_split_computes_and_leaves_no_hook(mobilenet):
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad(), SaveFeatures(mobilenet.head) as sf:
        mobilenet(x)
    assert torch.equal(sf.features, mobilenet.maps(mobilenet.features(x)).detach()) and hooks(mobilenet) == 0


def test_the_hook_goes_away_when_the_forward_pass_fails(mobilenet):
    with pytest.raises(RuntimeError), SaveFeatures(mobilenet.head):
        mobilenet(torch.randn(1, 5, 64, 64))
    assert hooks(mobilenet) == 0


def test_saved_features_survive_an_in_place_layer():
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(inplace=True))
    with torch.no_grad():
        model[0].weight.fill_(-1.0)
        model[0].bias.zero_()
        with SaveFeatures(model[0]) as sf:
            model(torch.ones(1, 1, 2, 2))
    assert sf.features.max() == -1  # without the copy the ReLU's zeros would be here
