"""Training with callbacks, as the lecture's library has it, to read: hooks that one passes functions to.

Runs here go the other way round: ``learner.steps`` hands control back after every step, and whoever drives it does what
a callback would do. The two are worth the same; this loop is written on top of that iterator.
"""

from collections.abc import Sequence

from explorer.training.learner import Epoch, Learner, Step
from explorer.training.schedules import Plan


class Callback:
    """What happens at the corners of training; each does nothing unless it is overridden."""

    def on_train_begin(self) -> None:
        """Before the first step."""

    def on_batch_end(self, step: Step) -> None:
        """After every optimiser step."""

    def on_epoch_end(self, epoch: Epoch) -> None:
        """After every validation."""

    def on_cycle_end(self, cycle: int) -> None:
        """When the rate has come down and is about to jump up again; cycles are counted from 0."""

    def on_train_end(self) -> None:
        """After the last step."""


def fit(learner: Learner, plan: Plan, ends: Sequence[int], callbacks: Sequence[Callback]) -> None:
    """Train to the plan's end and call everyone at every corner; ``ends``: epochs done at each cycle's end."""
    for callback in callbacks:
        callback.on_train_begin()
    for event in learner.steps(plan):
        for callback in callbacks:
            if isinstance(event, Step):
                callback.on_batch_end(event)
            else:
                callback.on_epoch_end(event)
                if event.number in ends:
                    callback.on_cycle_end(ends.index(event.number))
    for callback in callbacks:
        callback.on_train_end()


class SaveCycles(Callback):
    """The lecture's ``on_end = lambda sched, cycle: save_model(m, f'{PATH}models/cyc_{cycle}')``: here, in memory."""

    def __init__(self, learner: Learner) -> None:
        self.learner = learner
        self.saved: dict[str, dict[str, object]] = {}

    def on_cycle_end(self, cycle: int) -> None:
        """Copy the weights under the cycle's name."""
        tensors = self.learner.model.state_dict()
        self.saved[f"cyc_{cycle}"] = {name: tensor.detach().clone() for name, tensor in tensors.items()}


class Diary(Callback):
    """Who was called, and how often or with what: shows the order."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.batches = 0

    def on_train_begin(self) -> None:
        """Write it down."""
        self.lines.append("on_train_begin")

    def on_batch_end(self, step: Step) -> None:
        """Count; a line for all batches of an epoch is written at its end."""
        self.batches += 1

    def on_epoch_end(self, epoch: Epoch) -> None:
        """Write the batches and the epoch down."""
        self.lines += [
            f"on_batch_end        × {self.batches}",
            f"on_epoch_end        epoch {epoch.number}: {epoch.val_loss:.3f}",
        ]
        self.batches = 0

    def on_cycle_end(self, cycle: int) -> None:
        """Write it down."""
        self.lines.append(f"on_cycle_end        save_model(m, 'cyc_{cycle}')")

    def on_train_end(self) -> None:
        """Write it down."""
        self.lines.append("on_train_end")
