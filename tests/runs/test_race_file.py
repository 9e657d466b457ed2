"""A race as a file: what is read is what was written, thinned."""

import numpy as np
import pytest

from explorer.experiment import Experiment
from explorer.lecture import recorded
from explorer.lecture.races import PRESETS
from explorer.runs import race_file
from explorer.runs.race import Race


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    """A tiny race of two networks, one of which breaks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLORER_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("EXPLORER_DATA", raising=False)
        shared = dict(widths="4,8", stem=0, images=500, batch_size=32, epochs=2, augment=False, schedule="constant")
        one = Experiment.of("builder", norm="running", lr=0.03, **shared)
        race = Race({"well": one, "broken": one.replace(norm="none", lr=100.0)}, every=1, valid_share=20)
        for _ in race.run():
            pass
        race.drain()
        return race.view(finished=True)


def test_what_is_read_is_what_was_written(view, tmp_path):
    race_file.write(view, "here", tmp_path / "race.npz")
    read, device = race_file.read(tmp_path / "race.npz")
    assert device == "here" and read.finished and read.planned == view.planned
    assert (read.source.kind, read.source.name) == (view.source.kind, view.source.name)
    assert np.allclose(read.picture, view.picture, atol=0.01)
    assert any(lane.broke for lane in view.lanes)
    for ours, theirs in zip(read.lanes, view.lanes, strict=True):
        assert (ours.name, ours.experiment, ours.broke) == (theirs.name, theirs.experiment, theirs.broke)
        assert (ours.parameters, ours.steps) == (theirs.parameters, theirs.steps)
        assert ours.final_loss == pytest.approx(theirs.final_loss, rel=1e-4)
        assert ours.history.epochs == theirs.history.epochs
        kept = [list(theirs.record.steps).index(step) for step in ours.record.steps]
        assert ours.record.layers == theirs.record.layers
        assert np.allclose(ours.record.std, theirs.record.std[kept], rtol=2e-3, atol=1e-6, equal_nan=True)
        assert np.allclose(ours.record.hist, theirs.record.hist[kept], atol=1e-3)
        assert ours.record.batchnorm(0).keys() == theirs.record.batchnorm(0).keys()
        assert [layer.name for layer in ours.maps] == [layer.name for layer in theirs.maps]
    assert len(read.lanes[0].record) <= race_file.ROWS


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.key)
def test_every_claims_race_ships_as_it_stands(preset):
    found = recorded.race(preset.key)
    assert found is not None
    view, device = found
    assert device and view.source.kind == "real" and view.finished
    assert {lane.name: lane.experiment for lane in view.lanes} == dict(preset.experiments)
    assert preset.verdict(view).text
    assert all(len(lane.history.epochs) == lane.experiment.total_epochs or lane.broke for lane in view.lanes)
