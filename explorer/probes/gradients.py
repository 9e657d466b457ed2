"""Gradients through time: how far back they reach, what a prediction looked at, when they explode.

Every function takes a rung of the language ladder, called step by step as ``model(x, state)``, so that a
gradient to each hidden state exists. They work on a :func:`twin`, so that others may use the model meanwhile.
"""

import copy
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.data import Batch
from explorer.errors import SettingsError
from explorer.models.char_rnn import State
from explorer.training import prepare
from explorer.training.learner import Learner

if TYPE_CHECKING:
    from explorer.experiment import Experiment
    from explorer.runs.jobs import Job

WARM_UP = 64  # characters read first, so that the hidden state is one the model really meets
SHOW_EVERY = 25  # steps between two looks at the device
PUBLISH_SECONDS = 0.3


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
        loss = F.cross_entropy(model.l_out(_top(state)), columns[-1], reduction="sum")
        reached = [part for state in states for part in parts(state)]
        norms = torch.stack([_norms(g) for g in torch.autograd.grad(loss, reached, materialize_grads=True)])
    norms = norms.unflatten(0, (len(states), -1)).flip(0).cpu().double().numpy()  # (lags + 1, h or c, samples)
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
    """The hidden state, and an LSTM's cell state after it."""
    return state if isinstance(state, tuple) else (state,)


def _top(state: State) -> Tensor:
    """The hidden state of the last layer, (batch, hidden): what the output layer reads."""
    hidden = parts(state)[0]
    return hidden[-1] if hidden.dim() == 3 else hidden


def _tracked(state: State) -> State:
    """The state with a gradient even where frozen weights gave it none."""
    tracked = tuple(p if p.requires_grad else p.requires_grad_() for p in parts(state))
    return tracked if isinstance(state, tuple) else tracked[0]


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

    def keep(module: nn.Module, args: tuple, output: Tensor) -> Tensor:
        embedded.append(output.detach().requires_grad_())
        return embedded[-1]

    model.e.register_forward_hook(keep)
    with torch.enable_grad():
        logits, _ = model(tokens[:position, None], None)
        last = logits[-1, 0] if logits.dim() == 3 else logits[0]
        target = last.log_softmax(-1)[tokens[position]]
        gradients = torch.autograd.grad(target, embedded)
    # A rung embeds all its characters in one call, or one by one.
    scores = [(g * e).sum(-1).reshape(-1) for g, e in zip(gradients, embedded, strict=True)]
    return Influence(torch.cat(scores).detach().cpu().double().numpy(), position, float(target.detach().exp()))


@dataclass(frozen=True, eq=False)
class Explosion:
    """Gradient norms of one short run. Arrays are float64, (steps,)."""

    setting: str  #: what was varied: "bptt" or "lr"
    value: float
    clip: float  #: 0: not clipped
    grad_norm: np.ndarray  #: before clipping
    loss: np.ndarray  #: nats per character


def exploding(
    experiment: "Experiment", setting: str, values: Sequence[float], clip: float = 1.0, steps: int = 100
) -> Iterator[tuple[Explosion, ...]]:
    """Short runs without and with clipping at each value of ``setting``: all that is known, every few steps.

    Batches have a fixed length, so that bptt is the only thing that changes with bptt.

    Raises:
        SettingsError: ``setting`` is neither "bptt" nor "lr", or a value is out of range.
    """
    if setting not in ("bptt", "lr"):
        raise SettingsError(f"Vary bptt or lr, not {setting}.")
    runs = [experiment.replace(**{setting: v, "jitter": False, "clip": c}) for v in values for c in (0.0, clip)]
    done: tuple[Explosion, ...] = ()
    for run in runs:
        rows = np.empty((0, 2))
        for rows in _watched(prepare.learner_for(run), run.lr, steps):
            yield (*done, Explosion(setting, float(getattr(run, setting)), run.clip, rows[:, 0], rows[:, 1]))
        done = (*done, Explosion(setting, float(getattr(run, setting)), run.clip, rows[:, 0], rows[:, 1]))


def _watched(learner: Learner, lr: float, steps: int) -> Iterator[np.ndarray]:
    """Gradient norm and loss of the steps so far, (steps, 2), every :data:`SHOW_EVERY` steps."""
    learner.watch_gradients = True
    learner.model.train()
    rows, pending = np.empty((0, 2)), []
    for number, batch in zip(range(1, steps + 1), endless(learner), strict=False):
        step = learner.train_batch(batch, lr)
        pending.append(torch.stack([step.grad_norm, step.loss]))
        if number % SHOW_EVERY == 0 or number == steps:
            rows = np.concatenate([rows, torch.stack(pending).cpu().double().numpy()])
            pending.clear()
            yield rows


def endless(learner: Learner) -> Iterator[Batch]:
    """The learner's batches, epoch after epoch."""
    while True:
        yield from learner.data.train_batches(learner.generator)


@dataclass(frozen=True, eq=False)
class Reaching:
    """One model's reach as it learns: ``curves`` maps steps done to the curve there."""

    name: str
    curves: dict[int, ReachCurve]


def reach_while_training(
    experiments: Mapping[str, "Experiment"], at: Sequence[int] = (0, 100, 300), lags: int = 200, samples: int = 32
) -> Iterator[tuple[Reaching, ...]]:
    """Train each experiment and measure its reach after each number of steps in ``at``: all known, at every step.

    The text measured on is the validation text, so curves of different bptt, sizes and clipping are comparable.

    Raises:
        SettingsError: see :func:`reach`.
    """
    done: tuple[Reaching, ...] = ()
    for name, experiment in experiments.items():
        learner = prepare.learner_for(experiment)
        batches, curves = endless(learner), {}
        for step in range(max(at) + 1):
            if step in at:
                curves = {**curves, step: reach(learner.model, learner.data.valid, lags, samples)}
            yield (*done, Reaching(name, curves))
            if step < max(at):
                learner.model.train()
                learner.train_batch(next(batches), experiment.lr)
        done = (*done, Reaching(name, curves))


def work(job: "Job", result: str, found: Iterable[tuple], total: int) -> None:
    """Run :func:`exploding` or :func:`reach_while_training` in a job: publish as ``result`` what each yields.

    Args:
        job: stopped and paused between two yields.
        result: the name in ``job.results``.
        found: the iterator.
        total: how often it yields, for the progress.
    """
    job.ready()
    shown, value = -PUBLISH_SECONDS, ()
    for number, value in enumerate(found, 1):
        if time.monotonic() - shown >= PUBLISH_SECONDS:
            shown = time.monotonic()
            job.publish(**{result: value})
        job.between_steps(min(1.0, number / total))
    job.publish(**{result: value})
