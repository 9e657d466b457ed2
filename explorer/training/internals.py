"""Every touch of torch's private parts, with its reason; tests/training/test_internals.py says when one breaks."""

import inspect

import torch


def spare_the_compiler() -> None:
    """Keep torch from importing its compiler, over a second, for the first optimiser: nothing here is compiled.

    ``torch._disable_dynamo`` wraps methods of ``Optimizer`` (seen in torch 2.10 to 2.15) and imports the compiler only
    to ask to be left alone, unless ``__dynamo_disable`` already notes the answer. Should a version look for it
    elsewhere, the first optimiser takes a second longer; nothing else changes.
    """
    for method in vars(torch.optim.Optimizer).values():
        if (plain := getattr(method, "__wrapped__", None)) is not None:
            setattr(plain, "__dynamo_disable", plain)


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
