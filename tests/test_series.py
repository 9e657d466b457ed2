"""Curves: the lecture's smoothing, and which points are drawn."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from explorer.series import extremes, smooth, spread


@pytest.mark.parametrize("beta", [0.98, 0.9, 0.5, 0.05, 1e-6, 0.0])
def test_smooth_is_the_naive_recursion(beta):
    values = np.random.default_rng(0).normal(3, 1, 1500)
    naive, average = [], 0.0
    for count, value in enumerate(values, 1):
        average = beta * average + (1 - beta) * value
        naive.append(average / (1 - beta**count))
    np.testing.assert_allclose(smooth(values, beta), naive, rtol=1e-9)


@given(st.integers(0, 5000), st.integers(2, 400))
def test_spread_bounds_the_points_and_keeps_both_ends(length, points):
    kept = spread(length, points)
    assert len(kept) <= points and len(set(kept.tolist())) == len(kept)
    if length:
        assert kept[0] == 0 and kept[-1] == length - 1


@given(st.integers(1, 6000), st.integers(6, 500), st.floats(0, 1), st.booleans())
@example(2246, 1500, 0.9, True)
def test_extremes_bounds_the_points_and_keeps_any_spike(length, points, where, up):
    values = np.sin(np.arange(length) / 50)
    spike = min(length - 1, int(where * length))
    values[spike] = 100.0 if up else -100.0
    kept = extremes(values, points)
    assert len(kept) <= points and spike in kept
    assert kept[0] == 0 and kept[-1] == length - 1


def test_extremes_is_not_led_astray_by_what_is_not_a_number():
    values = np.full(5000, 2.0)
    values[1234], values[10], values[4000] = np.nan, np.inf, 1.0
    kept = extremes(values, 100)
    assert 4000 in kept and len(kept) <= 100
