"""Helpers for curves: smooth a series, and choose the few points that are drawn of it."""

import numpy as np

SMOOTHING = 0.98  #: how much of the average before stays at each step, as in the lecture's printout


def smooth(values: np.ndarray, beta: float = SMOOTHING) -> np.ndarray:
    """Exponential average with bias correction at every place, as the lecture prints its training loss.

    Computed in blocks short enough that no power under- or overflows. ``beta`` lies in [0, 1); 0 averages nothing.
    """
    if beta <= 0:
        return np.array(values, np.float64)
    out = np.empty(len(values))
    carry = 0.0
    size = max(1, min(256, int(-200 / np.log(beta))))
    for start in range(0, len(values), size):
        block = values[start : start + size]
        powers = beta ** np.arange(1, len(block) + 1)
        averaged = powers * (carry + (1 - beta) * np.cumsum(block / powers))
        out[start : start + len(block)] = averaged
        carry = averaged[-1]
    return out / (1 - beta ** np.arange(1, len(values) + 1))


def spread(length: int, points: int) -> np.ndarray:
    """At most ``points`` indices spread evenly over ``length``, first and last among them."""
    if length <= points:
        return np.arange(length)
    return np.unique(np.linspace(0, length - 1, points).round().astype(int))


def extremes(values: np.ndarray, points: int) -> np.ndarray:
    """At most ``points`` indices that keep each stretch's lowest and highest value: spikes stay visible."""
    if len(values) <= points:
        return np.arange(len(values))
    size = -(-len(values) // max(1, points // 2 - 1))  # rounded up, so that the end of the curve has its bucket too
    buckets = -(-len(values) // size)
    padded = np.full(buckets * size, np.nan)
    padded[: len(values)] = np.where(np.isfinite(values), values, np.nan)
    body = padded.reshape(buckets, size)
    starts = np.arange(buckets) * size
    lowest = starts + np.where(np.isnan(body), np.inf, body).argmin(1)
    highest = starts + np.where(np.isnan(body), -np.inf, body).argmax(1)
    return np.unique(np.concatenate([[0], lowest, highest, [len(values) - 1]]))
