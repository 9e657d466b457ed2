"""Sweeps over each other: marks on their own curve, in its colour, with their names."""

import numpy as np
import pytest

from explorer.figures import style
from explorer.figures.sweep import sweep_curves
from explorer.training.lr_finder import Sweep

LR = np.geomspace(1e-5, 1, 60)
FALLING, RISING = np.linspace(2.3, 1.5, 60), np.linspace(2.0, 2.6, 60)
TWO = {"a": Sweep(LR, FALLING, FALLING), "b": Sweep(LR, RISING, RISING)}


def test_a_mark_lies_on_its_own_curve_in_its_colour_and_says_its_name() -> None:
    fig = sweep_curves(TWO, {"a": {"steepest": 1e-2, "valley": np.nan}, "b": {"steepest": 1e-3}}, {"a": "steepest"})
    marks = {trace.name: trace for trace in fig.data if "markers" in trace.mode}
    assert set(marks) == {"a: steepest", "b: steepest"}, "what is not a number is not marked"
    for name, curve in TWO.items():
        mark, line = marks[f"{name}: steepest"], next(t for t in fig.data if t.name == name)
        assert mark.y[0] == pytest.approx(np.interp(np.log(mark.x[0]), np.log(LR), curve.smooth))
        assert mark.marker.color == line.line.color == mark.textfont.color
        assert "steepest" in mark.text[0]
    assert marks["a: steepest"].marker.size > marks["b: steepest"].marker.size, "the recommended one is larger"
    assert {t.line.color for t in fig.data if t.name in TWO} == set(style.SERIES[:2])


def test_no_step_makes_an_empty_figure() -> None:
    assert len(sweep_curves({"a": Sweep()}, {"a": {"steepest": 1e-2}}).data) == 2
