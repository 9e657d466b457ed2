"""The maps: against their formulas, against autograd, against the grad-cam package."""

import copy
import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from explorer.cam.backbones import random_body
from explorer.cam.explain import _raw_map, explain
from explorer.cam.maps import Method, forward
from explorer.cam.network import CamNet
from explorer.cam.view import prepare
from tests.cam.made import PHOTO, RNG, small


def grad_cam_by_hand(network, x, index, at_head=True):
    """Grad-CAM from the paper's two equations, on its own."""
    body = nn.Sequential(*[stage for _, stage in network.stages()])
    a = network.maps(body(x)) if at_head else body(x)
    a = a.detach().requires_grad_()
    logit = (a if at_head else network.maps(a)).mean((2, 3))[0, index]
    (g,) = torch.autograd.grad(logit, a)
    return F.relu((g.mean((2, 3), keepdim=True) * a).sum(1))[0].detach().numpy()


@pytest.mark.parametrize("index", [0, 1])
def test_the_class_map_is_grad_cam_times_the_number_of_cells(network, index):
    x, _ = prepare(PHOTO, network)
    by_hand = grad_cam_by_hand(network, x, index)
    found = explain(network, PHOTO, class_index=index)
    scale = max(found.raw.max(), 1e-6)
    assert np.abs(found.raw - 49 * by_hand).max() / scale < 1e-5
    ours = explain(network, PHOTO, method="gradcam", class_index=index)
    assert np.abs(ours.raw - by_hand).max() < 1e-6
    deeper = explain(network, PHOTO, method="gradcam", class_index=index, layer="stage4")
    by_hand = grad_cam_by_hand(network, x, index, at_head=False)
    assert np.abs(deeper.raw - by_hand).max() <= 1e-5 * max(by_hand.max(), 1e-3)


class Whole(nn.Module):
    """The network as the package wants it: one module."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x)


def packaged(method, network, x, layer, index):
    """The package's map before it is scaled and enlarged."""
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # all of scipy, for one test

    kept = {}
    with method(model=Whole(network), target_layers=[layer]) as tool:
        real = tool.get_cam_image
        tool.get_cam_image = lambda *a: kept.setdefault("raw", real(*a))
        tool(input_tensor=x.clone().requires_grad_(), targets=[ClassifierOutputTarget(index)])
    return np.maximum(kept["raw"][0], 0)


@pytest.mark.parametrize("index", [0, 1])
def test_agrees_with_the_grad_cam_package(network, index):
    from pytorch_grad_cam import GradCAM, GradCAMPlusPlus

    network = copy.deepcopy(network)  # the package fills every .grad it can reach
    x, _ = prepare(PHOTO, network)
    found = explain(network, PHOTO, class_index=index)
    theirs = packaged(GradCAM, network, x, network.head, index)
    assert np.abs(found.raw - 49 * theirs).max() < 1e-5 * max(found.raw.max(), 1e-3)
    for method, name in ((GradCAM, "gradcam"), (GradCAMPlusPlus, "gradcam++")):
        ours = explain(network, PHOTO, method=name, class_index=index, layer="stage4")
        theirs = packaged(method, network, x, network.body[-1], index)
        assert np.abs(ours.raw - theirs).max() <= 1e-5 * max(theirs.max(), 1e-3), name


def test_occlusion_is_the_fall_of_the_logit():
    pair = small()
    found = explain(pair, PHOTO, method="occlusion", class_index=0)
    x, _ = prepare(PHOTO, pair)
    before = forward(pair, x)[2][0, 0]
    x[:, :, 16:24, 40:48] = 0  # row 2, column 5
    fall = float(before - forward(pair, x)[2][0, 0])
    assert found.raw.shape == (7, 7) and found.raw[2, 5] == pytest.approx(max(fall, 0), abs=1e-6)


def test_nothing_of_the_network_is_changed(network):
    modes = [m.training for m in network.modules()]
    wants = [p.requires_grad for p in network.parameters()]
    for method in tuple(Method)[:3]:
        explain(network, PHOTO, method=method, class_index=0)
    assert [m.training for m in network.modules()] == modes
    assert [p.requires_grad for p in network.parameters()] == wants
    assert all(p.grad is None for p in network.parameters())
    assert not any(m._forward_hooks or m._backward_hooks for m in network.modules())


def test_threads_on_one_network_never_mix():
    pair = small()
    pictures = [RNG.integers(0, 255, (60, 60, 3), dtype=np.uint8) for _ in range(4)]
    expected = [explain(pair, p, method="gradcam", class_index=0, layer="stage1").raw for p in pictures]
    wrong = []

    def look(i):
        for _ in range(60):
            raw = explain(pair, pictures[i], method="gradcam", class_index=0, layer="stage1").raw
            if np.abs(raw - expected[i]).max() > 1e-6:
                wrong.append(i)

    threads = [threading.Thread(target=look, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def raw_on(device, method):
    with torch.device(device):
        net = CamNet(random_body("mobilenet_v2"), "mobilenet_v2", ("a", "b")).eval()
        x = torch.randn(1, 3, 64, 64)
    _, maps, logits = forward(net, x)
    return _raw_map(net, x, maps, logits.softmax(1), method, 0, "stage4")


@pytest.mark.parametrize("method", ["cam", "occlusion"])
def test_no_tensor_is_left_on_the_wrong_device(method):
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        raw = raw_on("cuda", method)
    assert raw.device.type == "cuda" and raw.shape[1:] == (2, 2)


@pytest.mark.parametrize("method", ["gradcam", "gradcam++"])
def test_no_gradient_needs_another_device(method):
    """On "meta" (backward has no fake CUDA): a tensor made on the CPU inside would not mix with it."""
    raw = raw_on("meta", method)
    assert raw.device.type == "meta" and raw.shape[1:] == (2, 2)
