"""Figures of activations, races and gradients: drawn from what was measured, small, and never through WebGL."""

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from explorer.experiment import Experiment
from explorer.figures import layers as inside
from explorer.figures import through_time as through_time
from explorer.probes import gates, gradients
from explorer.probes.activations import PLACES, ActivationRecord, Row, hist_edges
from explorer.probes.bn_statistics import Evaluation
from explorer.runs import grid
from explorer.runs.race import Race

LIMIT = 150_000  # bytes of a figure on its way to the browser


def small_enough(figure):
    assert isinstance(figure, go.Figure) and not any(isinstance(trace, go.Scattergl) for trace in figure.data)
    size = len(figure.to_json())
    assert size < LIMIT, size
    return figure


@pytest.fixture(scope="module")
def view():
    settings = dict(widths="4,8", stem=3, data="standin", images=500, batch_size=64, epochs=1, schedule="constant")
    experiments = {
        "plain": Experiment.of("builder", norm="none", lr=0.05, **settings),
        "BatchNorm": Experiment.of("builder", norm="running", depth=2, lr=0.05, **settings),
        "broken": Experiment.of("builder", norm="running", lr=100.0, **settings),
    }
    race = Race(experiments, every=1, valid_share=20)
    list(race.run())
    race.drain()
    return race.view(finished=True)


def long_record(steps=512, layers=30, channels=256, bins=40):
    width = 6 + 3 * channels + 2 * channels + bins
    starts = [width * number for number in range(layers)]
    rows = tuple(
        Row(
            slice(s, s + 6),
            slice(s + 6, s + 6 + 3 * channels),
            slice(s + 6 + 3 * channels, s + width - bins),
            slice(s + width - bins, s + width),
        )
        for s in starts
    )
    table = np.random.default_rng(0).random((steps, width * layers), np.float32)
    names = tuple(f"stages.{number}" for number in range(layers))
    return ActivationRecord(np.arange(steps) * 4 + 1, names, next(iter(PLACES)), 4, hist_edges(bins), table, rows)


def test_the_largest_record_still_makes_small_figures():
    record = long_record()
    for what in inside.WHAT:
        small_enough(inside.over_training(record, what, at=100))
    for figure in (
        inside.histograms(record, at=100),
        inside.at_step(record, 40),
        inside.channels(record, 3, "dead"),
        inside.batchnorm(record, 3, "a"),
    ):
        small_enough(figure)


def test_figures_show_the_recorded_numbers(view):
    record = view["BatchNorm"].record
    lines = inside.over_training(record, "mean").data
    assert [line.name for line in lines] == list(record.layers)
    np.testing.assert_allclose(lines[1].y, record.mean[:, 1])
    low, high = inside._used_bins(record)
    rows = high - low + 1
    colours = small_enough(inside.histograms(record)).data[0].z
    assert colours.shape == (len(record.layers) * rows, len(record)) and colours.max() > 0
    # The first layer is on top, and its bins rise upwards.
    np.testing.assert_array_equal(colours[-rows:-1, 0], (255 * np.sqrt(record.hist[0, 0, low:high])).astype(np.uint8))
    assert record.hist[:, :, low:high].sum(2).min() > 0.95
    assert len(inside.batchnorm(record, 1).data) == 5 and not inside.batchnorm(record, 0).data
    np.testing.assert_allclose(inside.channels(record, 1).data[0].z, record.channels(1)["std"].T)


def test_an_empty_record_draws_empty_figures():
    empty = ActivationRecord(np.empty(0, np.int64), (), "after activation", 4, hist_edges(), np.empty((0, 0)), ())
    for figure in (inside.over_training(empty), inside.histograms(empty)):
        small_enough(figure)


def test_race_figures(view):
    losses = small_enough(inside.race_losses(view))
    assert {trace.name for trace in losses.data} >= {"plain", "BatchNorm", "broken"}
    low, high = losses.layout.yaxis.range
    assert low < inside.GUESSING < high < 3.2 * inside.GUESSING  # the broken one does not squeeze the others
    assert losses.layout.xaxis.range is None
    for figure in (
        inside.race_losses,
        lambda race, until: inside.histograms(race["plain"].record, until=until),
        lambda race, until: inside.over_training(race["plain"].record, until=until),
    ):
        assert figure(view, until=40).layout.xaxis.range == (0, 40)
    assert any("broken broke" in (note.text or "") for note in losses.layout.annotations) == bool(view["broken"].broke)
    depth = small_enough(inside.across_depth(view, "std", step=1))
    np.testing.assert_allclose(depth.data[0].y, view["plain"].record.std[0])
    low, high = inside.common_range(view, "std")
    assert 0 < low < high < np.inf
    small_enough(inside.over_training(view["plain"].record, y_range=(low, high)))
    picture = small_enough(inside.feature_maps(view["BatchNorm"].maps)).data[0].z
    assert picture.dtype == np.uint8 and picture.max() == 255


def test_the_map_and_the_bars():
    cells = [found for _, found in grid.cells(grid.template(data="standin"), (1, 2), (0.01, 0.1), 2) if found]
    for found in (cells[0], cells[-1]):
        left, right = small_enough(inside.rate_depth_map(found)).data
        assert left.z.shape == right.z.shape == (2, 2)
    small_enough(inside.evaluation_bars([Evaluation("running averages", 1.2, 0.6, 1024)]))


def test_gradient_figures(tiny):
    learner = tiny("lstm")
    tokens = learner.data.valid[:400]
    text = learner.data.vocabulary.decode(tokens.tolist())
    curve = gradients.reach(learner.model, tokens, lags=200, samples=4)
    for relative in (False, True):
        figure = small_enough(through_time.reach_curves({"LSTM": curve}, relative=relative, bptt=8))
        assert figure.layout.yaxis.type == "log" and len(figure.data) == 4
    bars = small_enough(through_time.influence_bars(gradients.influence(learner.model, tokens, 80), text)).data[0]
    assert len(bars.y) == 60 == len(bars.customdata)
    traced = gates.trace(learner.model, tokens)
    for name in traced.layers[0]:
        heat = small_enough(through_time.gate_map(traced, text, name, first=10, length=500)).data[0]
        assert heat.z.shape == (16, through_time.CHARACTERS)
    best = gates.tracking(traced, text)[0]
    small_enough(through_time.tracked_unit(traced, text, best, gates.features(text)[best.feature]))
    norms = np.geomspace(1, 1e6, 5000)
    runs = [gradients.Explosion("lr", lr, clip, norms, norms) for lr in (0.1, 1.0) for clip in (0.0, 1.0)]
    small_enough(through_time.exploding_norms(runs))
    assert torch.is_grad_enabled()
