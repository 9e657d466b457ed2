"""The learning-rate range test (Smith 2015): raise the rate a little every step and watch the loss.

The learner is left exactly as it was: weights, optimiser, random states and hidden state.
"""

import functools
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from explorer.data import Batch
from explorer.errors import SettingsError
from explorer.series import smooth
from explorer.training.learner import Learner

DIVERGED = 4.0  # times the best smoothed loss, as the lecture's library has it
MOST_STEPS = 100_000
FAR = 30.0  #: suggestions that differ by more than this are no longer one advice
BARELY = 0.1  #: of its way down: a curve that has made less is called flat
CHECK_EVERY = 10  # steps between looks at the loss on the host


@dataclass(frozen=True, eq=False)
class Sweep:
    """Rates tried and the losses met, one value a step; ``smooth`` is bias-corrected. One sweep equals itself alone."""

    lr: np.ndarray = field(default_factory=lambda: np.empty(0))
    loss: np.ndarray = field(default_factory=lambda: np.empty(0))
    smooth: np.ndarray = field(default_factory=lambda: np.empty(0))
    diverged: bool = False


def rates(low: float, high: float, steps: int) -> np.ndarray:
    """``steps`` rates from ``low`` to ``high``, each a fixed factor above the one before.

    Raises:
        SettingsError: not 0 < low < high, fewer than two steps, or far too many.
    """
    if steps > MOST_STEPS:
        raise SettingsError(f"A sweep takes at most {MOST_STEPS:,} steps, not {steps:,}.")
    if not (0 < low < high < np.inf and steps >= 2):
        raise SettingsError(
            f"A sweep needs at least 2 steps from a rate above 0 to a higher one, not {steps} from {low:g} to {high:g}."
        )
    return np.geomspace(low, high, steps)


def sweep(
    learner: Learner, low: float = 1e-5, high: float = 10.0, steps: int = 100, beta: float = 0.9
) -> Generator[Sweep, None, None]:
    """The sweep so far, about every ten steps, until the end or until the loss diverges.

    However the iteration ends, the learner is restored when the iterator is closed or exhausted.
    """
    import torch

    captured = learner.capture()
    tried = rates(low, high, steps)
    pending: list[torch.Tensor] = []
    losses: list[float] = []
    batches: Iterator[Batch] = iter(())
    try:
        learner.model.train()
        for number, lr in enumerate(tried, 1):
            batch = next(batches, None)
            if batch is None:
                batches = learner.data.train_batches(learner.generator)
                batch = next(batches)
            pending.append(learner.train_batch(batch, float(lr)).loss)
            if len(pending) == CHECK_EVERY or number == steps:
                losses += torch.stack(pending).float().tolist()
                pending.clear()
                found = _cut(tried, np.array(losses), beta)
                yield found
                if found.diverged:
                    return
    finally:
        learner.restore(captured)


def _cut(tried: np.ndarray, losses: np.ndarray, beta: float) -> Sweep:
    """The sweep up to the first loss that is not finite or four times the best."""
    bad = ~np.isfinite(losses)
    finite = losses[: int(bad.argmax())] if bad.any() else losses
    smoothed = smooth(finite, beta)
    over = smoothed > DIVERGED * np.minimum.accumulate(smoothed) if len(smoothed) else np.zeros(0, bool)
    end = int(over.argmax()) + 1 if over.any() else len(finite)
    return Sweep(tried[:end], finite[:end], smoothed[:end], bool(bad.any() or over.any()))


def find(learner: Learner, low: float = 1e-5, high: float = 10.0, steps: int = 100, beta: float = 0.9) -> Sweep:
    """The whole sweep at once."""
    return deque(sweep(learner, low, high, steps, beta), maxlen=1).pop()


@functools.lru_cache(maxsize=64)  # every visitor's page asks again whenever it is drawn
def suggest(found: Sweep) -> Mapping[str, float]:
    """Three suggestions, NaN where the curve is too short or never falls.

    - ``minimum / 10``: a tenth of the rate at the lowest smoothed loss; the safest, so it comes first.
    - ``valley``: half way through the longest fall (after fastai).
    - ``steepest``: where the smoothed loss falls fastest per factor of rate, before its minimum; often bold.
    """
    nothing = MappingProxyType({"minimum / 10": np.nan, "valley": np.nan, "steepest": np.nan})
    if len(found.lr) < 12:
        return nothing
    skip = max(2, len(found.lr) // 20)  # the average has not settled at the very start
    lr, loss = found.lr[skip:], found.smooth[skip:]
    lowest = int(loss.argmin())
    if lowest < 3 or loss[0] - loss[lowest] < 0.02 * abs(loss[0]):
        return nothing
    slope = np.gradient(loss[: lowest + 1], np.log(lr[: lowest + 1]))
    start, end = _longest_fall(loss)
    places = {
        "minimum / 10": float(lr[lowest] / 10),
        "valley": float(lr[start + (end - start) // 2]),
        "steepest": float(lr[int(slope.argmin())]),
    }
    return MappingProxyType(places)


@dataclass(frozen=True)
class Advice:
    """Which of a curve's suggestions to take first, and how far they lie apart."""

    rule: str  #: one of :func:`suggest`'s
    rate: float
    reason: str
    apart: float  #: the largest suggestion over the smallest
    why: str = ""  #: they lie far apart, in a sentence; "" where they do not


@functools.lru_cache(maxsize=64)
def advise(found: Sweep) -> Advice | None:
    """The suggestion to try first, with its reason; None where the curve suggests nothing.

    Over the rungs here a tenth of the minimum comes nearest to the rate that the lecture trained with. Where it lies on
    the flat start of the curve, where nothing is learnt yet, the steepest place is the better guess.
    """
    usable = {rule: rate for rule, rate in suggest(found).items() if np.isfinite(rate)}
    if not usable:
        return None
    rule, reason = "minimum / 10", "ten times below the lowest point: it still falls fast there, and seldom breaks"
    if rule not in usable or (_fallen(found, usable[rule]) < BARELY and usable.get("steepest", 0) > usable[rule]):
        rule = "steepest" if "steepest" in usable else next(iter(usable))
        reason = "a tenth of the minimum lies where the curve is still flat; here it falls"
    apart = max(usable.values()) / min(usable.values())
    return Advice(rule, usable[rule], reason, apart, _why_apart(found, usable) if apart >= FAR else "")


def _why_apart(found: Sweep, usable: dict[str, float]) -> str:
    """What about a curve puts its suggestions far apart."""
    lowest, highest = min(usable, key=usable.__getitem__), max(usable, key=usable.__getitem__)
    flat, edge = _fallen(found, usable[lowest]), found.lr[-1] / usable[highest]
    if flat < BARELY:
        said = (
            f"The curve is flat for long and falls late: at {usable[lowest]:.2g} ({lowest}) it has made {flat:.0%} of "
            "its way down"
        )
    else:
        said = f"The curve falls over a wide range: {usable[lowest]:.2g} ({lowest}) stands early on the slope"
    if found.diverged and edge < 10:
        said += f", and {usable[highest]:.2g} ({highest}) is only {edge:.2g} times below where it breaks"
    return said + "."


def _fallen(found: Sweep, rate: float) -> float:
    """How much of its way down the smoothed loss has made at a rate, 0 to 1."""
    start = float(found.smooth[: max(3, len(found.smooth) // 20)].mean())
    way = start - float(found.smooth.min())
    there = float(np.interp(np.log(rate), np.log(found.lr), found.smooth))
    return float(np.clip((start - there) / way, 0, 1)) if way > 0 else 0.0


def _longest_fall(loss: np.ndarray) -> tuple[int, int]:
    """First and last index of the longest decreasing subsequence that ends at or before the minimum."""
    loss = loss[: int(loss.argmin()) + 1]
    length, start = np.ones(len(loss), int), np.arange(len(loss))
    for i in range(1, len(loss)):
        better = np.flatnonzero(loss[:i] > loss[i])
        if len(better):
            best = better[length[better].argmax()]
            length[i], start[i] = length[best] + 1, start[best]
    end = int(length.argmax())
    return int(start[end]), end
