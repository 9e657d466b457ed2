"""The learner: training as an iterator over optimiser steps.

    for event in learner.steps(plan):
        ...                     # a Step after every optimiser step, an Epoch after every validation

Whoever drives the iterator decides what happens between two steps: a job's thread (pause, stop, another
rate), a race that steps several learners in turn, the *one step* button, a test, a progress bar. The learner
knows nothing of threads, pages or files, and never waits for the device: losses stay tensors.
"""

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.data import Batch, Data
from explorer.models.char_rnn import State, repackage
from explorer.models.randomness import Masks, own_masks
from explorer.training.internals import take_step
from explorer.training.optimisers import make_optimiser
from explorer.training.schedules import MOMENTUM, Plan

if TYPE_CHECKING:
    from explorer.experiment import Experiment
    from explorer.training.memory import Need


@dataclass(frozen=True)
class Step:
    """One optimiser step, just done. ``loss`` and ``grad_norm`` are scalars on the device."""

    number: int  #: steps done, 1 after the first
    epoch: float  #: epochs done before this step, with the fraction
    loss: Tensor
    lr: float
    momentum: float
    grad_norm: Tensor | None  #: before clipping; only where clipping (or a probe) asked for it


@dataclass(frozen=True)
class Epoch:
    """One epoch, just validated."""

    number: int  #: epochs done
    step: int  #: steps done
    val_loss: float  #: nats per character or picture, the exact mean
    accuracy: float  #: share of right predictions, exact
    seconds: float  #: training and validation


class Learner:
    """A model, its data and its optimiser.

    Args:
        model: any rung. A model with a ``stateful`` attribute is called ``model(x, state)``, others ``model(x)``.
        data: batches on ``device``.
        experiment: optimiser, batch and regularisation settings, and the seed of the batches and dropout masks.
        device: where the model goes.
    """

    def __init__(self, model: nn.Module, data: Data, experiment: "Experiment", device: torch.device) -> None:
        self.model = model.to(device)
        self.passing: nn.Module = self.model  #: what a training pass goes through; evaluating asks the model itself
        self.data, self.device = data, device
        self.recurrent = hasattr(model, "stateful")
        self.reset = experiment.reset if getattr(model, "stateful", False) else "batch"
        self.label_smoothing = experiment.label_smoothing
        self.clip = experiment.clip
        self.between: Callable[[], None] = lambda: None  # called between two batches of a validation
        self.company = ""  #: who else trains this model, in words
        self.need: Need | None = None  # the memory it has been promised
        self.watch_gradients = False
        self.lr_factor = 1.0  #: a live change of rate, on top of the plan's
        self.generator = torch.Generator().manual_seed(experiment.seed)
        self.masks = Masks(device, experiment.seed)
        own_masks(self.model, self.masks)
        self.optimiser = make_optimiser(self.model, experiment, device)
        self.state: State = None
        self.step = self.epoch = 0
        self.batch = 0  #: batches of this epoch that are done; its draws were all made before the first
        self.epoch_began = self.generator.get_state()  #: of the batches' generator, before this epoch's draws
        self.spent = 0.0  #: seconds of this epoch before it was interrupted
        self.clock: Callable[[], float] = time.perf_counter  #: times epochs; a job's stands still while it waits
        # bfloat16 keeps float32's range, so it needs no loss scaling; recurrent nets stay in float32, where
        # cuDNN is already fast and the lecture's losses are comparable.
        precision = "float32" if self.recurrent else experiment.precision
        cuda = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        self.autocast = precision == "bfloat16" or (precision == "auto" and cuda)

    def steps(self, plan: Plan) -> Iterator[Step | Epoch]:
        """Train from where the learner stands, be it in mid-epoch, to the plan's end; control comes back every step."""
        while self.epoch < plan.epochs:
            started = self.clock() - self.spent
            if self.batch:  # interrupted here: the same draws again, and past the batches that are done
                self.generator.set_state(self.epoch_began)
            else:
                self.epoch_began = self.generator.get_state()
                if self.reset == "epoch":
                    self.state = None
            self.model.train()
            for batch in islice(self.data.train_batches(self.generator), self.batch, None):
                done = self.epoch + batch.start
                step = self.train_batch(batch, plan.lr(done) * self.lr_factor, plan.momentum(done))
                self.batch, self.spent = self.batch + 1, self.clock() - started
                yield step
            val_loss, accuracy = self.evaluate()
            self.epoch += 1
            self.batch, self.spent = 0, 0.0
            yield Epoch(self.epoch, self.step, val_loss, accuracy, self.clock() - started)
        self.model.eval()

    def train_batch(self, batch: Batch, lr: float, momentum: float = MOMENTUM) -> Step:
        """One forward pass, one backward pass, one optimiser step."""
        self.set_rates(lr, momentum)
        if self.reset == "batch":
            self.state = None
        self.optimiser.zero_grad()
        loss = self.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's stub has no types
        grad_norm = None
        if self.clip or self.watch_gradients:
            grad_norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.clip or float("inf"))
        take_step(self.optimiser)
        self.step += 1
        used = self.optimiser.param_groups[0].get("momentum", MOMENTUM)  # Adam's first beta stays where it is
        return Step(self.step, self.epoch + batch.start, loss.detach(), lr, used, grad_norm)

    def loss(self, batch: Batch) -> Tensor:
        """What a step makes smaller: a scalar, nats."""
        return cross_entropy(self.forward(batch.x), batch.y, self.label_smoothing)

    def forward(self, x: Tensor) -> Tensor:
        """Logits; a recurrent model's state is carried on, its history is not."""
        logits: Tensor
        model = self.passing if self.model.training else self.model
        if self.recurrent:
            logits, state = model(x, self.state)
            self.state = repackage(state)
        elif self.autocast and self.model.training:
            with torch.autocast(self.device.type, dtype=torch.bfloat16):
                logits = model(x)
        else:  # judged in float32, as everywhere; what cuDNN multiplies, on newer GPUs, as TF32
            logits = model(x)
        return logits

    @torch.no_grad()
    def evaluate(self) -> tuple[float, float]:
        """Exact mean loss and accuracy on the validation data; the training state is left alone."""
        training = self.model.training
        self.model.eval()
        kept, self.state = self.state, None
        total = right = torch.zeros((), device=self.device)
        count = 0
        for batch in self.data.valid_batches():
            self.between()
            if not getattr(self.model, "stateful", False):
                self.state = None
            logits = self.forward(batch.x)
            total = total + cross_entropy(logits, batch.y) * batch.y.numel()
            right = right + (logits.argmax(-1) == batch.y).sum()
            count += batch.y.numel()
        self.state = kept
        self.model.train(training)
        return float(total) / count, float(right) / count

    def set_rates(self, lr: float, momentum: float) -> None:
        """The rate and momentum of the next step."""
        for group in self.optimiser.param_groups:
            group["lr"] = lr
            if "momentum" in group:
                group["momentum"] = momentum

    def set_live(self, name: str, value: float) -> None:
        """Change a live setting (``dropout``, ``clip``, ``weight_decay``) from the next step on."""
        if name == "clip":
            self.clip = value
        elif name == "weight_decay":
            for group in self.optimiser.param_groups:
                group["weight_decay"] = value
        elif name == "dropout":
            for module, attribute in self._dropouts():
                setattr(module, attribute, value)

    def _dropouts(self) -> list[tuple[nn.Module, str]]:
        """Where the model drops activations: the modules, and what each calls its share."""
        found: list[tuple[nn.Module, str]] = []
        for module in self.model.modules():
            if isinstance(module, nn.Dropout):
                found.append((module, "p"))
            elif isinstance(module, nn.RNNBase) and module.num_layers > 1:
                found.append((module, "dropout"))
        return found

    def capture(self) -> dict[str, Any]:
        """Everything that decides the next step, copied: weights, optimiser, random states, hidden state."""
        return {
            "model": copy.deepcopy(self.model.state_dict()),
            "optimiser": copy.deepcopy(self.optimiser.state_dict()),
            "generator": self.generator.get_state().clone(),
            "masks": self.masks.get_state(),
            "state": copy.deepcopy(self.state),
            "dropout": [getattr(module, attribute) for module, attribute in self._dropouts()],
            "place": (self.step, self.epoch, self.lr_factor, self.clip, self.model.training),
            "epoch": (self.batch, self.epoch_began.clone(), self.spent),
        }

    def restore(self, captured: dict[str, Any]) -> None:
        """Go back to what :meth:`capture` copied, bit for bit."""
        self.model.load_state_dict(captured["model"])
        self.optimiser.load_state_dict(copy.deepcopy(captured["optimiser"]))
        self.optimiser.zero_grad(set_to_none=True)
        self.generator.set_state(captured["generator"])
        self.masks.set_state(captured["masks"])
        self.state = _moved(captured["state"], self.device)
        for (module, attribute), share in zip(self._dropouts(), captured["dropout"], strict=True):
            setattr(module, attribute, share)
        self.step, self.epoch, self.lr_factor, self.clip, training = captured["place"]
        self.batch, self.epoch_began, self.spent = captured["epoch"]
        self.model.train(training)


def _moved(state: State, device: torch.device) -> State:
    """A copy on ``device``."""
    if isinstance(state, tuple):
        return state[0].to(device, copy=True), state[1].to(device, copy=True)
    return None if state is None else state.to(device, copy=True)


def cross_entropy(logits: Tensor, y: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean over every prediction. ``logits``: (…, classes), ``y``: (…); scalar, nats."""
    return F.cross_entropy(logits.flatten(0, -2).float(), y.flatten(), label_smoothing=label_smoothing)
