"""What each residual layer adds to what it is given, and what the network says when that layer is left out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer.models.vision import ResnetLayer


@dataclass(frozen=True)
class Residual:
    """One layer y = x + f(x)."""

    name: str  #: where it is in the model
    share: float  #: size of f(x) as a share of x's: ‖f(x)‖ / ‖x‖ over all pictures
    loss: float  #: nats a picture, without the layer (y = x)
    accuracy: float  #: without the layer


@dataclass(frozen=True)
class Residuals:
    """A network's residual layers, in order, and how it does with all of them."""

    layers: tuple[Residual, ...]
    loss: float
    accuracy: float


@torch.no_grad()
def residuals(model: nn.Module, x: Tensor, y: Tensor) -> Residuals:
    """Measure every residual layer on pictures ``x`` with classes ``y``; the model evaluates and stays as it is."""
    model.eval()
    found = {name: module for name, module in model.named_modules() if isinstance(module, ResnetLayer)}
    shares: dict[str, float] = {}
    with _watching(found, shares):
        whole = _judge(model, x, y)
    layers = []
    for name, module in ((name, found[name]) for name in shares):  # in the order in which they run
        with _without(module):
            layers.append(Residual(name, shares[name], *_judge(model, x, y)))
    return Residuals(tuple(layers), *whole)


def _judge(model: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    logits = model(x).float()
    return float(F.cross_entropy(logits, y)), float((logits.argmax(1) == y).float().mean())


@contextmanager
def _watching(layers: dict[str, ResnetLayer], shares: dict[str, float]) -> Iterator[None]:
    def note(name: str) -> Any:
        def hook(_: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
            shares[name] = float((result - given[0]).norm() / given[0].norm())

        return hook

    hooks = [module.register_forward_hook(note(name)) for name, module in layers.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _without(layer: ResnetLayer) -> Iterator[None]:
    hook = layer.register_forward_hook(lambda _, given, result: given[0])
    try:
        yield
    finally:
        hook.remove()
