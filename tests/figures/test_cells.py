"""A sweep's figure: one that suits its axes, the best marked, what broke said, what is not there yet left empty."""

import json

import numpy as np
import pytest

from explorer.experiment import Experiment
from explorer.figures import cells
from explorer.runs.sweeps import Group, Plan
from explorer.store.history import EpochRow
from explorer.store.words import State
from tests.figures.size import small_enough
from tests.store.test_store import a_run


def a_group(over, loss, model="gru", seeds=1, broke=()):
    """A sweep whose cells came to ``loss(at)``; None where there is nothing yet."""
    runs, ends = [], {}
    for number, cell in enumerate(Plan.of(Experiment.of(model), over, seeds).cells):
        state = State.DIVERGED if number in broke else State.DONE
        at = json.dumps(dict(cell.at))
        runs.append(a_run(f"c{number}", experiment=cell.experiment, state=state, sweep="abc", cell=at))
        if (value := loss(cell.at)) is not None:
            ends[f"c{number}"] = EpochRow(1, 5, 2.0, value, 1 / (1 + value), 1.0)
    return Group.of(runs, ends)


def test_over_one_axis_a_curve_with_the_seeds_spread():
    group = a_group(["lr=1e-3,1e-2,1e-1"], lambda at: 2 + at["lr"] + at["seed"] / 10, seeds=2)
    (line,) = small_enough(cells.drawing(group)).data
    assert line.x == (1e-3, 1e-2, 1e-1) and line.y == pytest.approx([2.051, 2.06, 2.15])
    assert line.error_y.array == pytest.approx([0.1 / np.sqrt(2)] * 3)
    assert line.marker.symbol == ("star", "circle", "circle")
    axis = cells.drawing(group).layout.xaxis
    assert axis.type == "log" and axis.tickvals == (1e-3, 1e-2, 1e-1) and axis.ticktext == ("0.001", "0.01", "0.1")


def test_over_words_points_without_a_line():
    fig = cells.drawing(a_group(["optimiser=adam,sgd"], lambda at: len(at["optimiser"])))
    assert fig.data[0].mode == "markers" and fig.data[0].x == ("adam", "sgd") and fig.layout.xaxis.type == "category"


def test_over_two_axes_a_map():
    group = a_group(
        ["lr=1e-3,1e-2,1e-1", "bptt=8,16"],
        lambda at: None if at == {"lr": 1e-3, "bptt": 16} else at["lr"] * at["bptt"],
        broke=[4],
    )
    (seen,) = small_enough(cells.drawing(group)).data
    assert seen.x == ("0.001", "0.01", "0.1") and seen.y == ("8", "16")
    words = np.array(seen.text)
    assert words[0].tolist() == ["<b>★0.01</b>", "0.08", "broke"] and words[1].tolist() == ["", "0.16", "1.60"]
    z = np.array(seen.z, float)
    assert np.isnan(z[1, 0]) and z[0, 0] == pytest.approx(0.008) and z[0, 2] == pytest.approx(seen.zmax)
    assert seen.zmin == pytest.approx(0.008) and len(set(map(str, seen.colorscale))) == 2


def test_of_pictures_the_more_accurate_is_greener():
    group = a_group(["lr=1e-3,1e-2", "depth=1,2"], lambda at: at["lr"] * at["depth"], model="builder")
    (seen,) = cells.drawing(group).data
    assert np.array(seen.text)[0, 0] == "<b>★99.9%</b>" and np.array(seen.z).argmin() == 0


def test_a_wide_map_has_no_words_and_an_empty_one_no_colours():
    wide = a_group(["lr=1e-4:1e-1:log:20", "bptt=8,16"], lambda at: at["lr"])
    assert not cells.drawing(wide).data[0].texttemplate
    small_enough(cells.drawing(a_group(["lr=1e-3,1e-2", "bptt=8,16"], lambda at: None)))


def test_over_more_axes_a_line_a_point():
    group = a_group(
        ["lr=1e-3,1e-2", "bptt=8,16", "optimiser=adam,sgd"], lambda at: at["lr"] * at["bptt"], seeds=2, broke=[0]
    )
    (drawn,) = small_enough(cells.drawing(group)).data
    assert [d.label for d in drawn.dimensions] == ["lr", "bptt", "optimiser", "validation loss (nats)"]
    assert len(drawn.dimensions[0]["values"]) == 7  # eight points, of which one broke
