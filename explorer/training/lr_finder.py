"""The learning-rate range test (Smith 2015): raise the rate a little every step and watch the loss.

The learner is left exactly as it was: weights, optimiser, random states and hidden state.
"""

from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import numpy as np

from explorer.data import Batch
from explorer.errors import SettingsError
from explorer.series import smooth
from explorer.training.learner import Learner

DIVERGED = 4.0  # times the best smoothed loss, as the lecture's library has it
MOST_STEPS = 100_000
CHECK_EVERY = 10  # steps between looks at the loss on the host


@dataclass(frozen=True)
class Sweep:
    """Rates tried and the losses met, one value a step; ``smooth`` is bias-corrected."""

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


def suggest(found: Sweep) -> dict[str, float]:
    """Three suggestions, NaN where the curve is too short or never falls.

    - ``minimum / 10``: a tenth of the rate at the lowest smoothed loss; the safest, so it comes first.
    - ``valley``: half way through the longest fall (after fastai).
    - ``steepest``: where the smoothed loss falls fastest per factor of rate, before its minimum; often bold.
    """
    nothing = {"minimum / 10": np.nan, "valley": np.nan, "steepest": np.nan}
    if len(found.lr) < 12:
        return nothing
    skip = max(2, len(found.lr) // 20)  # the average has not settled at the very start
    lr, loss = found.lr[skip:], found.smooth[skip:]
    lowest = int(loss.argmin())
    if lowest < 3 or loss[0] - loss[lowest] < 0.02 * abs(loss[0]):
        return nothing
    slope = np.gradient(loss[: lowest + 1], np.log(lr[: lowest + 1]))
    start, end = _longest_fall(loss)
    return {
        "minimum / 10": float(lr[lowest] / 10),
        "valley": float(lr[start + (end - start) // 2]),
        "steepest": float(lr[int(slope.argmin())]),
    }


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
