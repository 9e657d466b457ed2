"""Figures of a race's networks side by side."""

from dataclasses import replace

import numpy as np

from explorer.figures import layers, race, style
from explorer.ladders import GUESSING
from explorer.runs.race import Break
from tests.figures.size import small_enough


def test_race_figures(view):
    losses = small_enough(race.race_losses(view))
    assert {trace.name for trace in losses.data} >= {"plain", "BatchNorm", "broken"}
    low, high = losses.layout.yaxis.range
    assert low < GUESSING < high < 3.2 * GUESSING  # the broken one does not squeeze the others
    assert losses.layout.xaxis.range is None
    for figure in (
        race.race_losses,
        lambda shown, until: layers.histograms(shown["plain"].record, until=until),
        lambda shown, until: layers.over_training(shown["plain"].record, until=until),
    ):
        assert figure(view, until=40).layout.xaxis.range == (0, 40)
    assert any("broken broke" in (note.text or "") for note in losses.layout.annotations) == bool(view["broken"].broke)
    depth = small_enough(race.across_depth(view, "std", step=1))
    np.testing.assert_allclose(depth.data[0].y, view["plain"].record.std[0])
    low, high = race.common_range(view, "std")
    assert 0 < low < high < np.inf
    small_enough(layers.over_training(view["plain"].record, y_range=(low, high)))


def test_a_network_has_one_look_in_every_figure(view):
    """Cool colours with BatchNorm, warm without, and a dash of its own; also where it broke."""
    look = race.looks({lane.name: lane.experiment for lane in view.lanes})
    assert look["plain"][0] in race.PLAIN and look["BatchNorm"][0] in race.NORMED
    assert len({dash for _, dash in look.values()}) == 3
    *others, last = view.lanes
    broken = replace(view, lanes=(*others, replace(last, broke=Break(3, "stages.0.1", "the loss rose"))))
    losses, depth = race.race_losses(broken), race.across_depth(broken)
    for trace in (*losses.data, *depth.data):
        if trace.mode == "markers":
            assert trace.marker.color == look[trace.name.removesuffix(", validation")][0]
        else:
            assert (trace.line.color, trace.line.dash) == look[trace.name]
    broke = next(note for note in losses.layout.annotations if note.text == "broken broke in 1.2")
    assert broke.font.color == look["broken"][0]


def test_the_classifier_has_a_mark_of_its_own_in_every_network(view):
    for trace in race.across_depth(view, "std").data:
        *hidden, last = trace.marker.symbol
        assert last == "diamond-open" and set(hidden) == {"circle"} and len(hidden) + 1 == len(trace.x)
        assert trace.text[-1] == "classifier"


def test_a_logarithmic_axis_over_decades_has_a_tick_a_power_of_ten():

    wide, narrow = style.figure(log_y=True), style.figure(log_y=True)
    style.decades(wide, 0.004, 3.0)
    style.decades(narrow, 0.2, 0.9)
    assert wide.layout.yaxis.dtick == 1 and narrow.layout.yaxis.dtick is None
