"""What Inside the network shows before any click is what was measured on the lecture's data."""

import numpy as np

from explorer.lecture import inside
from explorer.runs import evaluation, grid


def test_the_recorded_map_is_whole_and_of_the_pages_own_settings():
    view = inside.recorded().grid
    assert (view.rates, view.depths, view.norms, view.steps) == (grid.RATES, grid.DEPTHS, grid.NORMS, grid.STEPS)
    assert view.done == view.loss.size and view.source.kind == "real"
    assert np.isfinite(view.loss[1]).any() and view.trainable()[1].sum() > view.trainable()[0].sum()


def test_the_recorded_evaluation_is_of_all_validation_pictures():
    kept = inside.recorded().evaluated
    assert len(kept.found) == 2 + len(evaluation.SIZES)
    assert all(row.pictures == 10_000 for row in kept.found)
    assert kept.found[1].accuracy > 0.7 > kept.found[2].accuracy


def test_reach_grew_with_bptt_and_clipping_tamed_what_exploded():
    kept = inside.recorded()
    assert [one.name for one in kept.reached.models] == ["bptt 4", "bptt 16", "bptt 64"]
    assert all(len(curve.lags) == len(curve.hidden) for one in kept.reached.models for curve in one.curves.values())
    wild = {(run.value, run.clip): np.nanmax(run.grad_norm) for run in kept.exploded.runs}
    assert wild[64.0, 0.0] > 10 * wild[64.0, 1.0]
