"""One photo's answer: the score, the lecture's map, and what one cell says."""

import numpy as np
import pytest
import torch

from explorer.cam.explain import evidence_at, explain, layer_maps, recipe, sums, weighted
from explorer.cam.heat import colours, enlarge, min_max, overlay, shared_scale, signed_scale
from explorer.cam.maps import Method, contrast, layer_names
from explorer.cam.view import View, prepare
from explorer.errors import SettingsError, WeightsError
from tests.cam.made import PHOTO, Fixed, noise, small


# -- the score ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("view", View)
def test_the_class_score_is_exactly_the_mean_of_the_map(network, view):
    found = explain(network, PHOTO, view=view)
    assert found.exact and found.maps.shape == ((2, 7, 9) if view == "own shape" else (2, 7, 7))
    for _, mean, logit in sums(found):
        assert mean == pytest.approx(logit, abs=1e-6)
    np.testing.assert_allclose(found.probabilities, torch.tensor(found.logits).softmax(0).numpy(), atol=1e-6)
    big = enlarge(found.maps[0], found.geometry.input_height, found.geometry.input_width)
    assert big.mean() == pytest.approx(found.logits[0], abs=1e-5)
    with torch.no_grad():
        x, _ = prepare(PHOTO, network, view)
        np.testing.assert_allclose(network(x)[0].numpy(), found.logits, atol=1e-6)


def test_after_a_max_the_score_is_not_the_mean_and_says_so():
    pair = small("max")
    found = explain(pair, PHOTO)
    x, _ = prepare(PHOTO, pair)
    features = pair.body[1][1](pair.body[0][1](x))
    linear = pair.head(features.amax((2, 3), keepdim=True)).flatten(1)[0]
    np.testing.assert_allclose(found.logits, linear.detach().numpy(), atol=1e-6)
    assert not found.exact and abs(sums(found)[0][1] - found.logits[0]) > 1e-3


# -- the lecture's map -------------------------------------------------------------------------------
def transcription(features, py):
    """The notes' cell, in NumPy, for one photo."""
    feat = np.maximum(0, features)
    f2 = np.dot(np.rollaxis(feat, 0, 3), py)
    f2 = f2 - f2.min()
    f2 = f2 / f2.max()
    return f2


def test_the_lectures_map_is_the_notes_own_cell(network):
    found = explain(network, PHOTO)
    np.testing.assert_allclose(found.heat.values, transcription(found.maps, found.probabilities), atol=1e-6)
    assert found.heat.values.min() == 0 and found.heat.values.max() == 1
    done = recipe(found, PHOTO)
    assert [s.value.shape for s in done] == [(2, 7, 7), (2, 7, 7), (7, 7), (7, 7), (224, 224), PHOTO.shape]
    np.testing.assert_array_equal(done[3].value, found.heat.values)


@pytest.mark.parametrize("method", Method)
def test_the_recipe_is_the_lectures_whatever_method_drew_the_heat(network, method):
    found = explain(network, PHOTO, method=method)
    f2 = np.dot(np.rollaxis(np.maximum(0, found.maps), 0, 3), found.probabilities)  # the notes' own line
    np.testing.assert_allclose(weighted(found), f2, atol=1e-6)
    np.testing.assert_allclose(recipe(found, PHOTO)[2].value, f2, atol=1e-6)


def test_plain_class_maps_and_the_lectures_weighting_differ():
    maps = noise(2, 7, 7)
    weighted = explain(Fixed(maps), PHOTO)
    plain = explain(Fixed(maps), PHOTO, weighting="class")
    chosen = explain(Fixed(maps), PHOTO, class_index=1 - plain.winner)
    np.testing.assert_allclose(plain.raw, np.maximum(maps[plain.winner], 0))
    np.testing.assert_allclose(chosen.raw, np.maximum(maps[1 - plain.winner], 0))
    assert np.abs(weighted.heat.values - plain.heat.values).max() > 0.05
    assert weighted.class_index is None and plain.class_index == plain.winner


def test_invariances():
    maps = noise(2, 7, 7)
    found, lifted = explain(Fixed(maps), PHOTO), explain(Fixed(maps + 5), PHOTO)
    np.testing.assert_allclose(found.probabilities, lifted.probabilities, atol=1e-6)
    np.testing.assert_allclose(contrast(found.maps, 0, 1), contrast(lifted.maps, 0, 1), atol=1e-5)
    assert np.abs(found.heat.values - lifted.heat.values).max() > 0.05  # the lecture's own map does move
    swapped = explain(Fixed(maps[::-1].copy()), PHOTO)
    np.testing.assert_allclose(swapped.probabilities, found.probabilities[::-1], atol=1e-6)
    np.testing.assert_allclose(swapped.heat.values, found.heat.values, atol=1e-6)


@pytest.mark.parametrize("maps", [np.full((2, 7, 7), -3.0), np.full((2, 7, 7), 2.0), np.zeros((2, 7, 7))])
def test_maps_without_evidence_are_flat_and_never_nan(maps):
    found = explain(Fixed(maps), PHOTO)
    assert found.flat and not found.heat.values.any()
    drawn = overlay(PHOTO, found.heat.values, found.geometry)
    assert drawn.shape == PHOTO.shape
    noise_only = explain(Fixed(maps + 1e-6 * noise(2, 7, 7)), PHOTO)
    assert noise_only.flat  # a range of 4e-6 is no evidence


def test_numbers_that_are_none_stop_with_a_sentence():
    maps = noise(2, 7, 7)
    maps[0, 3, 3] = np.nan
    with pytest.raises(WeightsError, match="not a number"):
        explain(Fixed(maps), PHOTO)
    assert np.isfinite(min_max(maps[0]).values).all()
    assert np.isfinite(shared_scale(maps)).all() and np.isfinite(signed_scale(maps[0])).all()


# -- other maps, and one cell ------------------------------------------------------------------------
def test_maps_of_every_stage(network):
    found = layer_maps(network, PHOTO, 1)
    sides = [h.values.shape[0] for h in found.values()]
    assert list(found) == [*layer_names(network)] and sides == [56, 28, 14, 7, 7]
    alone = explain(network, PHOTO, method="gradcam", class_index=1, layer="stage2")
    np.testing.assert_allclose(found["stage2"].values, alone.heat.values, atol=1e-4)


def test_unknown_choices_are_refused_by_name():
    pair = small()
    for wrong in ({"view": "x"}, {"method": "x"}, {"class_index": 2}, {"class_index": -1}, {"weighting": "x"}):
        with pytest.raises(SettingsError):
            explain(pair, PHOTO, **wrong)
    with pytest.raises(SettingsError, match="stage1, stage2, head"):
        explain(pair, PHOTO, method="gradcam", layer="x")
    with pytest.raises(SettingsError, match="viridis"):
        colours("x")


def test_evidence_at_a_point():
    maps = np.arange(98, dtype=np.float32).reshape(2, 7, 7)
    found = explain(Fixed(maps), np.zeros((100, 300, 3), np.uint8))
    at = evidence_at(found, 100 + 50, 50)
    assert (at.row, at.column) == (3, 3) and at.values == (24.0, 73.0) and at.ranks == (25, 25)
    assert evidence_at(found, 50, 50) is None and evidence_at(found, 150, 100) is None
    assert evidence_at(found, 199.9, 99.9).ranks == (1, 1)
