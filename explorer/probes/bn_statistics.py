"""What BatchNorm divides by while it evaluates, and what that costs: the same weights, other statistics."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.errors import SettingsError
from explorer.experiment import Norm
from explorer.models.batchnorm import BnLayer
from explorer.training.learner import Learner, cross_entropy

AVERAGED = 40  # training batches in the running averages: 0.9⁴⁰ of the first is left
PICTURES = 1024
Kept = tuple[Tensor, Tensor]  # means and variances, (channels,) each


@dataclass(frozen=True)
class Evaluation:
    """The validation result with one kind of statistics."""

    statistics: str  #: in words, e.g. "each batch's own, 8 pictures"
    val_loss: float  #: nats a picture
    accuracy: float
    pictures: int


def evaluation_statistics(
    learner: Learner, batch_sizes: tuple[int, ...] = (1, 8, 256), pictures: int = PICTURES, seed: int = 0
) -> Iterator[tuple[Evaluation, ...]]:
    """Validate a BatchNorm net with other statistics; yields all that is known after each.

    The first is what the lecture's ``BnLayer`` keeps, the last training batch's; the second, running averages
    (0.9 old + 0.1 new) over 40 batches; then each validation batch's own, as in training, for each size.
    Weights, kept statistics and modes are left as they were.

    Args:
        learner: its model has at least one ``BnLayer`` that normalises.
        batch_sizes: of the last kind.
        pictures: at most so many validation pictures, the same number of each class, shuffled by ``seed`` so
            that a batch is a mixture.

    Raises:
        SettingsError: nothing in the model normalises.
    """
    layers = [m for m in learner.model.modules() if isinstance(m, BnLayer) and m.norm != Norm.NONE]
    if not layers:
        raise SettingsError("This network has no BatchNorm. Choose one that has.")
    x, y = _validation(learner, pictures, seed)
    size = learner.data.batch_size
    found: tuple[Evaluation, ...] = ()
    with _untouched(learner.model, layers):
        last, average = _training_statistics(learner, layers)
        for words, statistics in ((f"the last batch's, {size} pictures", last), ("running averages", average)):
            for layer, (mean, variance) in zip(layers, statistics, strict=True):
                for kept, value in zip(_kept(layer), (mean, variance), strict=True):
                    kept.copy_(value)
            found = (*found, _evaluate(learner, x, y, 256, words))
            yield found
        _use_own(layers, True)
        for batch_size in batch_sizes:
            plural = "s" if batch_size > 1 else ""
            words = f"each batch's own, {batch_size} picture{plural}"
            found = (*found, _evaluate(learner, x, y, batch_size, words))
            yield found


@contextlib.contextmanager
def _untouched(model: nn.Module, layers: list[BnLayer]) -> Iterator[None]:
    """Evaluation mode inside; the kept statistics and each module's mode are put back after."""
    modes = {module: module.training for module in model.modules()}
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    model.eval()
    try:
        yield
    finally:
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(buffers[name])
        for module, mode in modes.items():
            module.training = mode


def _use_own(layers: list[BnLayer], own: bool) -> None:
    for layer in layers:
        layer.train(own)


def _kept(layer: BnLayer) -> Kept:
    """What it evaluates with: means and variances, (channels,) each."""
    names = ("bn.running_mean", "bn.running_var") if layer.norm == Norm.TORCH else ("means", "variances")
    means, variances = (layer.get_buffer(name) for name in names)
    return means, variances


@torch.no_grad()
def _training_statistics(learner: Learner, layers: list[BnLayer]) -> tuple[list[Kept], list[Kept]]:
    """Mean and variance (divisor n - 1) of what each layer normalises: of the last batch, and averaged."""
    now: dict[BnLayer, tuple[Tensor, Tensor]] = {}

    def keep(conv: nn.Module, args: tuple[Any, ...], output: Tensor, layer: BnLayer) -> None:
        rows = F.relu(output).permute(1, 0, 2, 3).flatten(1).float()
        now[layer] = rows.mean(1), rows.var(1)

    averages: list[Kept] = []
    handles = [
        layer.conv.register_forward_hook(lambda m, a, out, layer=layer: keep(m, a, out, layer)) for layer in layers
    ]
    _use_own(layers, True)
    try:
        for batch, _ in zip(_whole_batches(learner), range(AVERAGED), strict=False):
            learner.forward(batch)
            last = [now[layer] for layer in layers]
            averages = averages or last
            averages = [
                (old[0].lerp(new[0], 0.1), old[1].lerp(new[1], 0.1)) for old, new in zip(averages, last, strict=True)
            ]
    finally:
        for handle in handles:
            handle.remove()
        _use_own(layers, False)
    return last, averages


def _whole_batches(learner: Learner) -> Iterator[Tensor]:
    """Training pictures, epoch after epoch; from a generator of its own, so that training goes on as it would."""
    generator = torch.Generator().manual_seed(0)
    while True:
        for batch in learner.data.train_batches(generator):
            if len(batch.x) == learner.data.batch_size or learner.data.steps_per_epoch == 1:
                yield batch.x


def _validation(learner: Learner, pictures: int, seed: int) -> tuple[Tensor, Tensor]:
    batches = list(learner.data.valid_batches())
    x, y = torch.cat([b.x for b in batches]), torch.cat([b.y for b in batches])
    chosen = torch.arange(0, len(y), max(1, len(y) // pictures))[:pictures]  # they lie class by class
    shuffled = torch.randperm(len(chosen), generator=torch.Generator().manual_seed(seed))
    chosen = chosen[shuffled].to(x.device)
    return x[chosen], y[chosen]


@torch.no_grad()
def _evaluate(learner: Learner, x: Tensor, y: Tensor, size: int, words: str) -> Evaluation:
    try:
        logits = torch.cat([learner.forward(part) for part in torch.split(x, size)])
    except ValueError:  # nn.BatchNorm2d refuses one value a channel: a single picture shrunk to one pixel
        return Evaluation(words, math.nan, math.nan, len(y))
    accuracy = float((logits.argmax(-1) == y).float().mean())
    return Evaluation(words, float(cross_entropy(logits, y)), accuracy, len(y))
