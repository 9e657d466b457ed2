"""Is the map telling the truth?"""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from explorer.cam.explain import explain
from explorer.cam.network import HeadedNet
from explorer.cam.truth import _hottest, deletion_curve
from tests.cam.made import hot


def test_hiding_the_hottest_part_matters_more_than_hiding_any_part():
    """A network that answers to brightness, and a photo with one bright corner."""

    def brightness(x):
        return F.avg_pool2d(x.mean(1, keepdim=True), 8).relu() * 20

    network = HeadedNet(
        (("stage1", brightness),),
        lambda f: torch.cat([f, 0 * f + 1], 1),
        ("bright", "other"),
        56,
        (0.5,) * 3,
        (0.5,) * 3,
    )
    photo = np.full((112, 112, 3), 128, np.uint8)
    photo[:32, :32] = 255
    found = explain(network, photo, class_index=0)
    curve = deletion_curve(network, photo, found)
    assert curve.shares == (0.0, 0.1, 0.2, 0.4)
    assert curve.hottest[0] == curve.random[0] == pytest.approx(found.probabilities[0], abs=1e-6)
    assert curve.hottest[2] < curve.random_low[1] and curve.gap > 0.1 and curve.tells
    again = deletion_curve(network, photo, found)
    assert again.random == curve.random  # the same seed, the same areas


def test_exactly_the_share_is_hidden_hottest_first():
    masks = _hottest(hot(2, 4), (56, 56), (0.1, 0.4))
    assert [m.sum() for m in masks] == [round(0.1 * 56 * 56), round(0.4 * 56 * 56)]
    assert masks[0][20, 36] and not (masks[0] & ~masks[1]).any()
