"""Random numbers that a run owns: its initial weights and its dropout masks.

PyTorch draws both from one generator of the whole process. On a server where others build and train networks at the
same time, what a seed gives would depend on them. Here they come from generators that nobody else draws from:

    with drawing_from(torch.Generator().manual_seed(seed)):
        model = build(...)                       # the same weights as torch.manual_seed(seed) would give
    own_masks(model, Masks(device, seed))        # and the same masks, on the CPU

A layer without masks of its own draws as PyTorch's does.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.backends.cudnn.rnn import get_cudnn_mode
from torch.overrides import TorchFunctionMode

_DRAWS = {Tensor.uniform_, Tensor.normal_}


class drawing_from(TorchFunctionMode):
    """Whatever this thread initialises inside draws from ``generator``, other threads as they did.

    Covered is what initialises weights: ``torch.nn.init`` and a tensor's own ``uniform_`` and ``normal_``.
    """

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.generator = generator

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Called by torch for each of its functions: those that draw are given the generator."""
        kwargs = kwargs or {}
        if "generator" in kwargs or func in _DRAWS:
            kwargs = {**kwargs, "generator": kwargs.get("generator") or self.generator}
        return func(*args, **kwargs)


class Masks:
    """Where a run's dropout masks come from, on its device.

    Beside a generator there is cuDNN's own state, for the masks between recurrent layers that cuDNN runs as one.
    """

    def __init__(self, device: torch.device, seed: int) -> None:
        self.generator = torch.Generator(device).manual_seed(seed)
        self._cudnn: Tensor | None = None

    def cudnn(self, p: float) -> Tensor:
        """cuDNN's state: made from the seed at its first use, moved on by each call of cuDNN."""
        if self._cudnn is None:
            seed = self.generator.initial_seed()
            self._cudnn = torch._cudnn_init_dropout_state(
                p, True, seed, dtype=torch.uint8, device=self.generator.device
            )
        return self._cudnn

    def get_state(self) -> tuple[Tensor, Tensor | None]:
        """A copy of what decides the next masks."""
        return self.generator.get_state().clone(), None if self._cudnn is None else self._cudnn.clone()

    def set_state(self, state: tuple[Tensor, Tensor | None]) -> None:
        """Go back to what :meth:`get_state` copied."""
        generator, cudnn = state
        self.generator.set_state(generator)
        self._cudnn = None if cudnn is None else cudnn.to(self.generator.device, copy=True)


def own_masks(model: nn.Module, masks: Masks | None) -> None:
    """Let every layer of ``model`` that drops activations draw from ``masks``; None: as PyTorch does."""
    for module in model.modules():
        if isinstance(module, Dropout | _Layers):
            module.masks = masks


def drop(x: Tensor, p: float, generator: torch.Generator | None) -> Tensor:
    """A share ``p`` < 1 of ``x`` zeroed and the rest scaled up, as ``F.dropout`` does on the CPU, bit for bit."""
    return x * torch.empty_like(x).bernoulli_(1 - p, generator=generator).div_(1 - p) if p else x


class Dropout(nn.Dropout):
    """``nn.Dropout`` with masks of its own."""

    masks: Masks | None = None

    def forward(self, x: Tensor) -> Tensor:
        """The same shape as ``x``."""
        return drop(x, self.p, self.masks.generator) if self.training and self.masks else super().forward(x)


class _Layers(nn.RNNBase):
    """PyTorch's recurrent layers, but for training with dropout between them: then the masks are its own.

    The weights, their names and every other result are PyTorch's. Unidirectional, with biases, time first.
    """

    masks: Masks | None = None

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """``input``: (time, batch, features) → (time, batch, hidden) and the state after the last step."""
        x, state = input, hx
        if not (self.training and self.masks and self.dropout and self.num_layers > 1):
            as_it_is: tuple[Tensor, Any] = super().forward(x, state)
            return as_it_is
        pair = self.mode == "LSTM"
        if state is None:
            zeros = x.new_zeros(self.num_layers, x.size(1), self.hidden_size)
            state = (zeros, zeros) if pair else zeros
        cudnn = torch.backends.cudnn.is_acceptable(x)  # type: ignore[no-untyped-call]  # torch's stub has no types
        run = self._in_one if cudnn and not torch.version.hip else self._in_turn
        x, *ends = run(x, state if pair else (state,), self.masks)
        return x, tuple(ends) if pair else ends[0]

    def _in_turn(self, x: Tensor, parts: tuple[Tensor, ...], masks: Masks) -> list[Tensor]:
        """One layer after the other, which is what PyTorch does on the CPU. ``parts``: h, and an LSTM's c."""
        layer = getattr(torch, self.mode.lower())
        ends = []
        for number, weights in enumerate(self.all_weights):
            if number:
                x = drop(x, self.dropout, masks.generator)
            start = tuple(part[number : number + 1] for part in parts)
            x, *end = layer(x, start if len(start) > 1 else start[0], weights, True, 1, 0.0, True, False, False)
            ends.append(end)
        return [x, *(torch.cat(part) for part in zip(*ends, strict=True))]

    def _in_one(self, x: Tensor, parts: tuple[Tensor, ...], masks: Masks) -> list[Tensor]:
        """cuDNN runs all layers at once, their steps side by side; its masks come from a state given to it."""
        flat = [weights for weights in self._flat_weights if weights is not None]
        h, *cells = (part.contiguous() for part in parts)
        found = torch._cudnn_rnn(
            x,
            flat,
            4,
            _buffer(flat),
            h,
            cells[0] if cells else None,
            get_cudnn_mode(self.mode),  # type: ignore[no-untyped-call]  # torch's stub has no types
            self.hidden_size,
            0,
            self.num_layers,
            False,
            self.dropout,
            True,
            False,
            [],
            masks.cudnn(self.dropout),
        )
        return list(found[: 1 + len(parts)])


def _buffer(weights: list[Tensor]) -> Tensor | None:
    """The one stretch of memory that ``flatten_parameters`` has put all weights into; None where they lie apart."""
    storage = weights[0].untyped_storage()
    if any(w.untyped_storage().data_ptr() != storage.data_ptr() for w in weights):
        return None
    return weights[0].new_empty(0).set_(storage, 0, (storage.nbytes() // weights[0].element_size(),), (1,))


class RNN(_Layers, nn.RNN):
    """``nn.RNN`` with masks of its own."""


class GRU(_Layers, nn.GRU):
    """``nn.GRU`` with masks of its own."""


class LSTM(_Layers, nn.LSTM):
    """``nn.LSTM`` with masks of its own."""
