"""Every touch of torch's private parts, with its reason; tests/training/test_internals.py says when one breaks."""

import contextlib
import inspect
import io
import sys
import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch

if TYPE_CHECKING:
    from torch.nn.parallel import DistributedDataParallel


def spare_the_compiler() -> None:
    """Keep torch from importing its compiler, over a second, for the first optimiser: nothing here is compiled.

    ``torch._disable_dynamo`` wraps methods of ``Optimizer`` (seen in torch 2.10 to 2.15) and imports the compiler only
    to ask to be left alone, unless ``__dynamo_disable`` already notes the answer. Should a version look for it
    elsewhere, the first optimiser takes a second longer; nothing else changes.
    """
    for method in vars(torch.optim.Optimizer).values():
        if (plain := getattr(method, "__wrapped__", None)) is not None:
            setattr(plain, "__dynamo_disable", plain)


def in_parallel(model: torch.nn.Module, places: list[torch.device] | None) -> "DistributedDataParallel":
    """The model for one process of several, without torch's compiler, which would take each of them two seconds.

    The first one's running statistics are those that are kept; the others' are never used, and so not sent.

    A ``DistributedDataParallel`` is made with a look at ``torch._dynamo.utils.get_optimize_ddp_mode()``, which says how
    compiled networks are reduced, and its forward pass is wrapped as an optimiser's methods are (seen in torch 2.10 to
    2.15). A version that asks for more gets the compiler.
    """
    from torch.nn.parallel import DistributedDataParallel

    inside: Any = inspect.unwrap(DistributedDataParallel._inside_ddp_forward)
    inside.__dynamo_disable = inside
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # a new name for the last argument, that torch 2.10 lacks
        if "torch._dynamo" not in sys.modules:
            named: Any = torch
            named._dynamo = SimpleNamespace(utils=SimpleNamespace(get_optimize_ddp_mode=lambda: "ddp_optimizer"))
            try:
                with contextlib.suppress(AttributeError):
                    return DistributedDataParallel(model, places, broadcast_buffers=False)
            finally:
                del named._dynamo
        return DistributedDataParallel(model, places, broadcast_buffers=False)


@torch.no_grad()
def take_step(optimiser: torch.optim.Optimizer) -> None:
    """``optimiser.step()`` with its hooks, but without its wrappers, of which one imports the compiler.

    The hooks stand in ``_optimizer_step_{pre,post}_hooks``, and ``functools.wraps`` lets the plain method be found
    (seen in torch 2.10 to 2.15). Without them a step raises at once.
    """
    for hook in optimiser._optimizer_step_pre_hooks.values():
        hook(optimiser, (), {})
    inspect.unwrap(type(optimiser).step)(optimiser)
    for hook in optimiser._optimizer_step_post_hooks.values():
        hook(optimiser, (), {})


def to_onnx(
    model: torch.nn.Module,
    given: tuple[Any, ...],
    names: list[str],
    results: list[str],
    axes: dict[str, dict[int, str]],
) -> bytes:
    """A traced model as an ONNX file's content, without the package ``onnx``.

    torch writes the file by itself; it asks for ``onnx`` only to add functions of onnxscript, of which there are none
    (``onnx_proto_utils._add_onnxscript_fn``, seen in torch 2.10 to 2.15).
    """
    from torch.onnx._internal.torchscript_exporter import onnx_proto_utils

    out: Any = io.BytesIO()
    with (
        mock.patch.object(onnx_proto_utils, "_add_onnxscript_fn", lambda content, _: content),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # that there is a newer exporter, which needs two packages more
        torch.onnx.export(model, given, out, dynamo=False, input_names=names, output_names=results, dynamic_axes=axes)
    return bytes(out.getvalue())
