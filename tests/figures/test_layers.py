"""Figures of one network's layers: drawn from what was measured, small, and never through WebGL."""

import numpy as np

from explorer.figures import layers
from explorer.probes.activation_record import ActivationRecord, Row, hist_edges
from explorer.probes.activations import PLACES
from tests.figures.size import small_enough


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
    for what in layers.WHAT:
        small_enough(layers.over_training(record, what))
    for figure in (
        layers.histograms(record),
        layers.at_step(record, 40),
        layers.channels(record, 3, "dead"),
        layers.batchnorm(record, 3, "a"),
    ):
        small_enough(figure)


def test_figures_show_the_recorded_numbers(view):
    record = view["BatchNorm"].record
    lines = layers.over_training(record, "mean").data
    assert [line.name for line in lines] == [layers.short(name) for name in record.layers]
    np.testing.assert_allclose(lines[1].y, record.mean[:, 1])
    low, high = layers._used_bins(record)
    rows = high - low + 1
    colours = small_enough(layers.histograms(record)).data[0].z
    assert colours.shape == (len(record.layers) * rows, len(record)) and colours.max() > 0
    # The first layer is on top, and its bins rise upwards.
    np.testing.assert_array_equal(colours[-rows:-1, 0], (255 * np.sqrt(record.hist[0, 0, low:high])).astype(np.uint8))
    assert record.hist[:, :, low:high].sum(2).min() > 0.95
    assert len(layers.batchnorm(record, 1).data) == 5 and not layers.batchnorm(record, 0).data
    np.testing.assert_allclose(layers.channels(record, 1).data[0].z, record.channels(1)["std"].T)


def test_an_empty_record_draws_empty_figures():
    empty = ActivationRecord(np.empty(0, np.int64), (), "after activation", 4, hist_edges(), np.empty((0, 0)), ())
    for figure in (layers.over_training(empty), layers.histograms(empty)):
        small_enough(figure)


def test_feature_maps(view):
    picture = small_enough(layers.feature_maps(view["BatchNorm"].maps)).data[0].z
    assert picture.dtype == np.uint8 and picture.max() == 255
