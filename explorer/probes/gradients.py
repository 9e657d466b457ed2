"""Gradients through time: how far back they reach, what a prediction looked at, when they explode.

Every function takes a rung of the language ladder, called step by step as ``model(x, state)``, so that a
gradient to each hidden state exists. They work on a :func:`twin`, so that others may use the model meanwhile.
"""

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.errors import SettingsError
from explorer.models.char_rnn import State

if TYPE_CHECKING:
    pass

WARM_UP = 64  # characters read first, so that the hidden state is one the model really meets


@dataclass(frozen=True, eq=False)
class ReachCurve:
    """How much the loss at step t depends on the state k steps earlier. Arrays are float64, (lags + 1,).

    ``hidden[k]`` is the mean over samples of ‖∂ loss_t / ∂ h_{t−k}‖₂ (nats per unit of h); ``low`` and
    ``high`` are its 10 % and 90 % quantiles. ``cell`` is the same for an LSTM's c with h held still (so 0 at
    k = 0, where the loss reads h alone), None for the others.
    """

    lags: np.ndarray
    hidden: np.ndarray
    low: np.ndarray
    high: np.ndarray
    cell: np.ndarray | None
    samples: int

    def horizon(self, share: float = 0.01) -> int:
        """The last k at which the gradient (of c, where there is one) is at least ``share`` of its largest."""
        curve = self.hidden if self.cell is None else self.cell
        return int(np.flatnonzero(curve >= share * curve.max())[-1]) if curve.max() > 0 else 0


def reach(model: nn.Module, tokens: Tensor, lags: int = 200, samples: int = 64, seed: int = 0) -> ReachCurve:
    """Back-propagate one loss through ``lags`` earlier states, for ``samples`` places of the text at once.

    Args:
        model: a stateful rung.
        tokens: a text as token numbers, (length,), on the model's device.
        lags: how far back to look, at most the text allows.
        samples: places, drawn with ``seed``; each is one column of a batch, so its gradient is its own.

    Raises:
        SettingsError: the model keeps no state, or the text is too short.
    """
    if not getattr(model, "stateful", False):
        raise SettingsError("This rung keeps no hidden state from character to character. Choose a stateful one.")
    columns = _columns(tokens, WARM_UP + lags + 2, samples, seed)
    model = _differentiable(model)
    with torch.enable_grad():
        with torch.no_grad():
            _, state = model(columns[:WARM_UP], None)
        states = []
        for x in columns[WARM_UP:-1]:
            state = _tracked(model(x[None], state)[1])
            states.append(state)
        loss = F.cross_entropy(model.get_submodule("l_out")(_top(state)), columns[-1], reduction="sum")
        reached = [part for state in states for part in parts(state)]
        on_device = torch.stack([_norms(g) for g in torch.autograd.grad(loss, reached, materialize_grads=True)])
    norms = on_device.reshape(len(states), -1, samples).flip(0).cpu().double().numpy()  # (lags + 1, h or c, samples)
    hidden = norms[:, 0]
    low, high = np.quantile(hidden, [0.1, 0.9], axis=1)
    cell = norms[:, 1].mean(1) if norms.shape[1] > 1 else None
    return ReachCurve(np.arange(lags + 1), hidden.mean(1), low, high, cell, samples)


def _columns(tokens: Tensor, length: int, samples: int, seed: int) -> Tensor:
    """(length, samples) stretches of the text from random places."""
    if len(tokens) < length:
        raise SettingsError(f"The text has {len(tokens)} characters, and {length} are needed to look that far back.")
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randint(len(tokens) - length + 1, (samples,), generator=generator).to(tokens.device)
    return tokens[starts + torch.arange(length, device=tokens.device)[:, None]]


def twin(model: nn.Module) -> nn.Module:
    """A module of one's own over the same weights: to be hooked and switched as one likes, and thrown away."""
    return copy.deepcopy(model, {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())})


def _differentiable(model: nn.Module) -> nn.Module:
    """A twin that computes as in evaluation, without dropout, but in training mode: cuDNN goes back in no other."""
    ours = twin(model).train()
    for module in ours.modules():
        if isinstance(module, nn.RNNBase):
            module.dropout = 0.0
    return ours


def parts(state: State) -> tuple[Tensor, ...]:
    """The hidden state, and an LSTM's cell state after it; none before the first character."""
    if isinstance(state, tuple):
        return state
    return () if state is None else (state,)


def _top(state: State) -> Tensor:
    """The hidden state of the last layer, (batch, hidden): what the output layer reads."""
    hidden = parts(state)[0]
    return hidden[-1] if hidden.dim() == 3 else hidden


def _tracked(state: State) -> State:
    """The state with a gradient even where frozen weights gave it none."""
    hidden, *cell = (p if p.requires_grad else p.requires_grad_() for p in parts(state))
    return (hidden, cell[0]) if cell else hidden


def _norms(gradient: Tensor) -> Tensor:
    """One norm a sample, over layers and units. ``gradient``: ([layers,] samples, hidden) → (samples,)."""
    return gradient.square().sum(-1).reshape(-1, gradient.shape[-2]).sum(0).sqrt()


@dataclass(frozen=True, eq=False)
class Influence:
    """What one predicted character was made from: ``score[i]`` is gradient × input of the i-th character read.

    A positive score spoke for the character that came, a negative one against it. float64, (position,), nats.
    """

    score: np.ndarray
    position: int
    probability: float  #: what the model gave the character that came


def influence(model: nn.Module, tokens: Tensor, position: int) -> Influence:
    """Gradient × input (Shrikumar et al. 2016) of ``tokens[:position]`` on log p(``tokens[position]``).

    Args:
        model: any language rung; one with a fixed window is given that many characters.
        tokens: (length,) token numbers on the model's device.
        position: the predicted character, 1 ≤ position < length.

    Raises:
        SettingsError: ``position`` is outside the text.
    """
    if not 1 <= position < len(tokens):
        raise SettingsError(f"Choose a character from 1 to {len(tokens) - 1}.")
    model, embedded = _differentiable(model), []

    def keep(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        embedded.append(output.detach().requires_grad_())
        return embedded[-1]

    model.get_submodule("e").register_forward_hook(keep)
    with torch.enable_grad():
        logits, _ = model(tokens[:position, None], None)
        last = logits[-1, 0] if logits.dim() == 3 else logits[0]
        target = last.log_softmax(-1)[tokens[position]]
        gradients = torch.autograd.grad(target, embedded)
    # A rung embeds all its characters in one call, or one by one.
    scores = [(g * e).sum(-1).reshape(-1) for g, e in zip(gradients, embedded, strict=True)]
    return Influence(torch.cat(scores).detach().cpu().double().numpy(), position, float(target.detach().exp()))
