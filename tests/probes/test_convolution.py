"""A first convolution laid open: its numbers make its feature map."""

import numpy as np
import pytest
import torch

from explorer.errors import SettingsError
from explorer.models.vision import ConvNet, Resnet2, SimpleNet, StageNet
from explorer.probes.convolution import first_convolution


@pytest.mark.parametrize("model", [ConvNet([3, 20, 40], 10), StageNet([8, 16], 10, stem=5), Resnet2([4, 8], 10)])
def test_a_pixel_is_its_window_times_the_kernel(model) -> None:
    picture = torch.randn(3, 32, 32)
    found = first_convolution(model.eval(), picture)
    k, p = found.kernels.shape[-1], found.padding
    padded = np.pad(found.picture, ((0, 0), (p, p), (p, p)))
    for filter_, row, column in ((0, 0, 0), (3, 7, 4), (1, found.maps.shape[1] - 1, 2)):
        top, left = row * found.stride, column * found.stride
        window = padded[:, top : top + k, left : left + k]
        total = (window * found.kernels[filter_]).sum() + found.bias[filter_]
        assert total == pytest.approx(found.maps[filter_, row, column], abs=1e-4)


def test_a_fully_connected_network_has_none() -> None:
    with pytest.raises(SettingsError, match="no convolution"):
        first_convolution(SimpleNet([3072, 4, 10]), torch.zeros(3, 32, 32))
