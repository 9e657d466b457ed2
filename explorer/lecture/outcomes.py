"""What came out of a claim's own run, as a sentence: judged from what the run itself recorded, when it is over.

A race's claim is judged by its preset in :mod:`explorer.lecture.races`; what takes no training is measured on the spot.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from explorer.experiment import Experiment
from explorer.lecture.claims import Claim
from explorer.lecture.recorded import recording
from explorer.lecture.verdicts import Verdict, judge, restarts
from explorer.models.sizes import picture_sides
from explorer.store.history import EpochRow, Snapshot
from explorer.training.schedules import cycle_ends

WORSE = 0.02  #: nats; losses nearer to each other than this are called equal
JUMP = 10.0  #: times the usual norm: a gradient that exploded
FELL = 0.02  #: of accuracy, from one epoch to the next


@dataclass(frozen=True)
class Ran:
    """A run that is over, or was stopped."""

    experiment: Experiment
    history: Snapshot
    diverged: bool
    real: bool  #: it saw the lecture's data, not a stand-in

    @property
    def last(self) -> EpochRow | None:
        """The last validation."""
        return self.history.epochs[-1] if self.history.epochs else None


def outcome(claim: Claim, ran: Ran) -> Verdict | None:
    """What a run says about the claim it was started for; None while it has nothing to say."""
    if claim.id not in OUTCOMES or ran.experiment.model != claim.model:
        return None
    if ran.last is None and not ran.diverged:
        return Verdict(None, "Stopped before the first validation: nothing is decided.")
    return OUTCOMES[claim.id](ran)


def _beside(ran: Ran, key: str) -> float | None:
    """Validation loss of a recorded run after as many epochs; None where the two cannot be compared."""
    recorded = recording(key)
    if not ran.real or recorded is None or ran.last is None:
        return None
    return next((row.val_loss for row in recorded.history.epochs if row.epoch == ran.last.epoch), None)


def _epochs(row: EpochRow) -> str:
    return f"after {row.epoch} epoch{'s' if row.epoch > 1 else ''}"


def _broke(ran: Ran) -> Verdict:
    steps = int(ran.history["step"][-1]) if len(ran.history) else 0
    return Verdict(None, f"The run broke at step {steps:,}: nothing is decided.")


def _against(key: str, whose: str, higher: bool) -> Callable[[Ran], Verdict]:
    """Whether validation loss ends ``higher`` (or lower) than the recorded run's of a rung, at the same epoch."""

    def judged(ran: Ran) -> Verdict:
        if ran.last is None:
            return _broke(ran)
        mine = f"Validation loss {ran.last.val_loss:.3f} {_epochs(ran.last)}"
        theirs = _beside(ran, key)
        if theirs is None:
            return Verdict(None, f"{mine}. No recorded run on the same data had as many, so there is none beside it.")
        gap = ran.last.val_loss - theirs
        return Verdict(gap > WORSE if higher else gap < -WORSE, f"{mine}; {whose} had {theirs:.3f} by then.")

    return judged


def _bptt(ran: Ran) -> Verdict:
    if ran.last is None:
        return _broke(ran)
    steps = ran.last.step / ran.last.epoch
    pace = float(ran.history["step"][-1]) / max(float(ran.history["seconds"][-1]), 1e-9)
    said = (
        f"At bptt {ran.experiment.bptt} an epoch is {steps:,.0f} steps, {pace:.1f} a second here, and validation loss "
        f"was {ran.last.val_loss:.3f} {_epochs(ran.last)}"
    )
    theirs = _beside(ran, "stateful")
    return Verdict(None, said + (f"; the recorded run at bptt 8 had {theirs:.3f}." if theirs is not None else "."))


def _explode(ran: Ran) -> Verdict:
    norms = ran.history["grad_norm"]
    norms = norms[np.isfinite(norms)]
    if not len(norms):  # without clipping nobody asks how large they are
        step = int(ran.history["step"][-1]) if len(ran.history) else 0
        return (
            Verdict(True, f"At step {step:,} the loss broke.") if ran.diverged else Verdict(None, "It did not break.")
        )
    largest, usual = float(norms.max()), float(np.median(norms))
    said = f"The largest gradient norm was {largest:,.1f}, the usual one {usual:,.1f}"
    if ran.diverged:
        return Verdict(True, f"{said}, and at step {int(ran.history['step'][-1]):,} the loss broke.")
    return Verdict(usual > 0 and largest > JUMP * usual, f"{said}. The loss did not break.")


def _restarts(ran: Ran) -> Verdict:
    values = restarts(ran.history, cycle_ends(ran.experiment))
    if sum(name.startswith("end") for name in values) < 2:
        return Verdict(None, "It was over before the second cycle's end: nothing is decided.")
    return judge("restarts", values)


def _weights(ran: Ran) -> Verdict:
    if ran.last is None:
        return _broke(ran)
    right = f"{ran.last.accuracy:.1%} of the validation pictures right {_epochs(ran.last)}"
    return Verdict(None, f"Fully connected: {right}. Train the convolutions as long to compare.")


def _stride(ran: Ran) -> Verdict:
    sides = [*picture_sides(ran.experiment), 1]
    right = f" With it {ran.last.accuracy:.1%} were right {_epochs(ran.last)}." if ran.last else ""
    return Verdict(
        sides == [32, 15, 7, 3, 1],
        f"This network's pictures measure {' → '.join(map(str, sides))} pixels a side; the last step is the "
        f"pooling.{right}",
    )


def _last_batch(ran: Ran) -> Verdict:
    accuracies = [row.accuracy for row in ran.history.epochs]
    if len(accuracies) < 2:
        return Verdict(None, "One epoch does not show whether accuracy jumps about.")
    fell = max(before - after for before, after in itertools.pairwise(accuracies))
    said = " → ".join(f"{accuracy:.1%}" for accuracy in accuracies)
    return Verdict(fell > FELL, f"Validation accuracy, epoch by epoch: {said}.")


OUTCOMES: dict[str, Callable[[Ran], Verdict]] = {
    "reset": _against("stateful", "the recorded run, which keeps its state,", higher=True),
    "bptt": _bptt,
    "gru": _against("stateful", "the recorded RNN", higher=False),
    "explode": _explode,
    "restarts": _restarts,
    "weights": _weights,
    "stride": _stride,
    "last-batch": _last_batch,
}  #: by a claim's id
