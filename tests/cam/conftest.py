"""The lecture's network, and a classifier of two colours."""

import pytest
import torch

from explorer.cam.head import Fit, extract
from explorer.cam.network import build
from tests.cam.made import finished, photo


@pytest.fixture(scope="module")
def network():
    """MobileNetV2 with a random head of two classes, frozen as in the lecture."""
    torch.manual_seed(3)
    return build("mobilenet_v2", ("cats", "dogs"))


@pytest.fixture(scope="module")
def trained(network):
    classes = {name: [photo(c) for _ in range(4)] for name, c in (("red", (200, 30, 30)), ("blue", (30, 30, 200)))}
    seen = []
    features = extract(network, classes, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (8, 8)
    fit = Fit(features)
    finished(fit)
    return network.with_head(fit.head(), features.classes), features, classes
