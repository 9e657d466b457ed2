"""The lecture's networks for photos, layer by layer: what they make of a picture, without any weights."""

import functools
from dataclasses import dataclass

import torch
from torch import nn

from explorer.cam.backbones import BACKBONES, random_body
from explorer.cam.network import SIZE, CamNet
from explorer.data.dogscats import CLASSES
from explorer.models.summary import LayerRow, summarise

NAMES = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")  #: ResNet-34's children, as printed


@dataclass(frozen=True)
class Layers:
    """A network's layers under the lecture's head."""

    rows: tuple[tuple[str, LayerRow], ...]  #: the stage, and the layer
    whole: int  #: parameters of the original, with its 1,000 classes
    printed: str  #: what PyTorch prints for the original


@functools.cache
def layers(backbone: str) -> Layers:
    """Every layer of a backbone with the lecture's two classes on top; shapes for a picture of 224 pixels a side.

    Nothing is computed and no memory taken: the tensors have shapes only.
    """
    from torchvision.models import mobilenet_v2, resnet34

    with torch.device("meta"):
        original: nn.Module = (resnet34 if backbone == "resnet34" else mobilenet_v2)(weights=None)
        network = CamNet(random_body(backbone), backbone, CLASSES)
    network.freeze_to(-4)
    rows = tuple((_stage(backbone, row.name), _renamed(backbone, row)) for row in summarise(network, (3, SIZE, SIZE)))
    return Layers(rows, sum(p.numel() for p in original.parameters()), str(original))


def sides(backbone: str) -> tuple[list[int], list[int]]:
    """The picture's side and channels at the input and after each stage."""
    found = layers(backbone).rows
    last = {stage: row.output for stage, row in found if len(row.output) == 3 and stage != "head"}
    shapes = [(3, SIZE, SIZE), *last.values()]
    return [shape[-1] for shape in shapes], [shape[0] for shape in shapes]


def _stage(backbone: str, name: str) -> str:
    part, _, rest = name.partition(".")
    if part != "body":
        return part
    child = int(rest.split(".")[0])
    return next(stage for stage, end in BACKBONES[backbone].stages if child < end)


def _renamed(backbone: str, row: LayerRow) -> LayerRow:
    """ResNet-34's children under the names that the notes print."""
    part, _, rest = row.name.partition(".")
    if part == "body" and backbone == "resnet34":
        child, _, inner = rest.partition(".")
        rest = ".".join(filter(None, (NAMES[int(child)], inner)))
    return LayerRow(**{**vars(row), "name": rest or part})
