"""A network's first convolution, laid open: one picture, the kernels, and what each gives at every place."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from explorer.errors import SettingsError


@dataclass(frozen=True, eq=False)
class Convolution:
    """Everything that a pixel of a feature map is made of, float32."""

    picture: np.ndarray  #: (colours, height, width), normalised, as the network sees it
    kernels: np.ndarray  #: (filters, colours, k, k)
    bias: np.ndarray  #: (filters,), zeros where the layer has none
    stride: int
    padding: int
    maps: np.ndarray  #: (filters, height, width), before any activation


@torch.no_grad()
def first_convolution(model: nn.Module, picture: Tensor) -> Convolution:
    """Look at the first convolution of ``model`` on one normalised picture (colours, height, width).

    Raises:
        SettingsError: a network without convolutions.
    """
    layer = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    if layer is None:
        raise SettingsError("A fully connected network has no convolution. Choose another rung.")
    found = layer(picture[None].to(layer.weight.device))[0]
    filters = len(layer.weight)
    bias = layer.bias.cpu().numpy() if layer.bias is not None else np.zeros(filters, np.float32)
    padding = layer.padding if isinstance(layer.padding, tuple) else (0, 0)
    return Convolution(
        picture.cpu().numpy(), layer.weight.cpu().numpy(), bias, layer.stride[0], padding[0], found.cpu().numpy()
    )
