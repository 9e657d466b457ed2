"""What the lecture's ``learn.summary()`` prints, for any rung: shapes, parameters and multiply-adds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from explorer.experiment import Norm
from explorer.models.batchnorm import BnLayer

Shape = tuple[int, ...]


@dataclass(frozen=True)
class LayerRow:
    """One layer. Shapes are without the batch where the example was given as a shape, else as they are."""

    name: str  #: where it is in the model, e.g. "layers.0"
    kind: str  #: its class, e.g. "Conv2d"
    input: Shape
    output: Shape
    parameters: int
    trainable: bool  #: has parameters, and all of them learn
    multiply_adds: int  #: of all calls together, for the example's batch (one picture where a shape was given)
    calls: int = 1  #: how often it ran; a cell in a loop runs once a character


@dataclass
class _Seen:
    """What the hooks collect about one layer during the pass."""

    input: Shape = ()
    output: Shape = ()
    multiply_adds: int = 0
    calls: int = 0
    parameters: list[nn.Parameter] = field(default_factory=list)


def summarise(
    model: nn.Module, example: Shape | tuple[Any, ...] | Tensor | Callable[[nn.Module], Any]
) -> list[LayerRow]:
    """A row for each layer, in the order in which they first run.

    A layer is a module without children, or one with parameters of its own together with its children:
    ``BnLayer`` is one row, with its convolution, ``m`` and ``a``. (The lecture's summary overlooks the
    last two.) What a forward pass does without a module, such as ``F.relu``, has no row.

    The model runs once, evaluating and without gradients: BatchNorm's statistics, training modes, gradients
    and random states stay as they are. Do not call it on a model that another thread is training.

    Args:
        model: any module.
        example: the shape of one input without the batch, such as ``(3, 32, 32)``; or a tensor; or a tuple
            of the forward pass's arguments, such as ``(x, state)``; or a function that runs the model.

    Returns:
        Rows whose ``parameters`` add up to the model's, as far as the pass used them.
    """
    shape: Shape | None = None  # of one input, without the batch
    if isinstance(example, tuple) and example and all(isinstance(n, int) for n in example):
        shape = example
    units = dict(_units(model))
    seen: dict[nn.Module, _Seen] = {}
    with _evaluating(model), torch.no_grad(), _watching(units, seen):
        if shape is not None:
            place = next(model.parameters(), torch.empty(0))
            model(torch.zeros(1, *shape, device=place.device, dtype=place.dtype))
        elif isinstance(example, Tensor):
            model(example)
        elif isinstance(example, tuple):
            model(*example)
        else:
            example(model)
    rows: list[LayerRow] = []
    counted: set[int] = set()
    for unit, facts in seen.items():
        parameters = [p for p in unit.parameters() if id(p) not in counted]  # shared weights count once
        counted.update(map(id, parameters))
        rows.append(
            LayerRow(
                units[unit],
                type(unit).__name__,
                facts.input[1:] if shape else facts.input,
                facts.output[1:] if shape else facts.output,
                sum(p.numel() for p in parameters),
                bool(parameters) and all(p.requires_grad for p in parameters),
                facts.multiply_adds,
                facts.calls,
            )
        )
    return rows


def _units(module: nn.Module, name: str = "") -> Iterator[tuple[nn.Module, str]]:
    children = list(module.named_children())
    own = next(module.parameters(recurse=False), None) is not None
    if not children or own or isinstance(module, BnLayer):
        yield module, name or type(module).__name__
        return
    for child_name, child in children:
        yield from _units(child, f"{name}.{child_name}" if name else child_name)


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Every module evaluates; afterwards each is as it was, also where a part had been frozen."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def _watching(units: dict[nn.Module, str], seen: dict[nn.Module, _Seen]) -> Iterator[None]:
    """Hooks that fill ``seen``; none is left behind."""
    hooks = []
    for unit in units:

        def note(_: nn.Module, args: tuple[Any, ...], result: Any, unit: nn.Module = unit) -> None:
            facts = seen.setdefault(unit, _Seen())
            if not facts.calls:
                facts.input, facts.output = _shape(args), _shape(result)
            facts.calls += 1

        hooks.append(unit.register_forward_hook(note))
        for part in unit.modules():

            def count(part: nn.Module, args: tuple[Any, ...], result: Any, unit: nn.Module = unit) -> None:
                seen.setdefault(unit, _Seen()).multiply_adds += multiply_adds(part, _shape(args), _shape(result))

            hooks.append(part.register_forward_hook(count))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _shape(value: Any) -> Shape:
    """The shape of the first tensor in what a module was given or gave."""
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if isinstance(value, (tuple, list)):
        return next((shape for part in value if (shape := _shape(part))), ())
    return ()


def multiply_adds(module: nn.Module, given: Shape, result: Shape) -> int:
    """Multiplications (each with its addition) of one call, of the module itself without its children.

    Counted are matrix products, convolutions and normalisations; additions, activations and pooling are not.
    """
    values = 1
    for size in result:
        values *= size
    if isinstance(module, nn.Conv2d):
        height, width = module.kernel_size
        return values * (module.in_channels // module.groups) * height * width
    if isinstance(module, nn.Linear):
        return values * module.in_features
    if isinstance(module, (nn.modules.batchnorm._BatchNorm, BnLayer)):
        return 0 if getattr(module, "norm", None) in (Norm.NONE, Norm.TORCH) else values  # x · scale + shift
    if hasattr(module, "weight_hh") or hasattr(module, "weight_hh_l0"):  # recurrent: PyTorch's, or by hand
        matrices = sum(p.numel() for name, p in module.named_parameters() if name.startswith("weight"))
        steps = 1  # rows of input: time × batch, or batch for a cell
        for size in given[:-1]:
            steps *= size
        return matrices * steps
    return 0
