"""A head from a few photos: the same as training the convolution, tested honestly."""

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from explorer.cam import head, view
from explorer.cam.explain import explain, sums
from explorer.cam.head import Features, Fit, background_shares, check, extract, fine_tune, leave_one_out, taps, warnings
from explorer.cam.heat import BORDER_HEAVY
from explorer.cam.view import as_seen, geometry, normalised
from explorer.errors import SettingsError
from explorer.figures.cam import head_training
from tests.cam.made import finished, made_up, photo


# -- the kept features are enough -----------------------------------------------------------------------
def test_taps_times_kernel_is_the_convolutions_mean():
    features, head = torch.randn(3, 5, 7, 4), torch.nn.Conv2d(5, 2, 3, padding=1)
    with torch.no_grad():
        ours = taps(features) @ head.weight.flatten(1).T + head.bias
        torch.testing.assert_close(ours, head(features).mean((2, 3)), rtol=0, atol=1e-6)


def test_the_head_is_gradient_descent_on_the_convolution_itself():
    """The same descent, written out on a Conv2d with torch's SGD, reaches the same head."""
    features = made_up((5, 4), channels=3, views=1)
    fit = Fit(features, steps=25, lr=0.5, weight_decay=0.01)
    losses = [step.loss for step in fit]
    weight = torch.zeros(2, 27, requires_grad=True)
    bias = torch.zeros(2, requires_grad=True)
    x = (features.taps[:, 0] - fit.centre) / fit.scale
    sgd = torch.optim.SGD([weight, bias], lr=0.5, momentum=0.9, nesterov=True, weight_decay=0.01)
    for expected in losses:
        loss = F.cross_entropy(x @ weight.T + bias, features.labels)
        assert float(loss.detach()) == pytest.approx(expected, abs=1e-5)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
    head = fit.head()
    torch.testing.assert_close(head.weight.flatten(1), (weight / fit.scale).detach(), rtol=1e-4, atol=1e-5)
    ours = features.taps[:, 0] @ head.weight.flatten(1).T + head.bias
    torch.testing.assert_close(ours.detach(), (x @ weight.T + bias).detach(), rtol=1e-4, atol=1e-4)


def test_leaving_one_out_is_training_without_it():
    features = made_up()
    tested = leave_one_out(features, steps=40)
    for i in (0, 7, 14):
        mask = torch.zeros(1, 15, dtype=torch.bool)
        mask[0, i] = True
        alone = Fit(features, steps=40, left_out=mask)
        finished(alone)
        logits = features.taps[i, 0] @ alone.head().weight.flatten(1).T + alone.head().bias
        np.testing.assert_allclose(tested.probabilities[i], logits.softmax(0).detach().numpy(), atol=1e-4)
        assert all(alone.coefficients[0, 2 * i + view].abs().max() == 0 for view in (0, 1))


def test_leave_one_out_is_honest_about_noise():
    """Labels without meaning: training is perfect, left-out photos are a coin's toss."""
    generator = torch.Generator().manual_seed(1)
    features = Features(torch.randn(40, 1, 90, generator=generator), torch.arange(40) % 2, ("a", "b"))
    fit = Fit(features, steps=200)
    assert finished(fit)[-1].accuracy == 1.0
    assert leave_one_out(features).accuracy < 0.75
    assert leave_one_out(made_up(spread=0.05)).accuracy == 1.0


def test_the_loss_falls_and_steps_are_handed_out_one_by_one():
    fit = iter(Fit(made_up(), steps=60))
    first = next(fit)
    assert first.step == 0 and first.loss == pytest.approx(np.log(3), abs=1e-5)
    last = list(fit)[-1]
    assert last.step == 59 and last.loss < 0.2 and last.accuracy == 1.0


def test_the_plot_of_a_heads_training_has_round_shares():
    fig = head_training(finished(Fit(made_up(), steps=30)))
    assert list(fig.layout.yaxis2.tickvals) == [0, 0.25, 0.5, 0.75, 1] and fig.layout.yaxis2.tickformat == ".0%"


# -- end to end -----------------------------------------------------------------------------------------
def test_from_photos_to_a_classifier_with_maps(trained):
    own, features, _ = trained
    assert features.taps.shape == (8, 2, 9 * 1280) and features.counts() == (4, 4)
    assert leave_one_out(features).accuracy == 1.0
    for name, colour in (("red", (210, 20, 40)), ("blue", (40, 20, 210))):
        found = explain(own, photo(colour))
        assert found.classes[found.winner] == name
        for _, mean, logit in sums(found):
            assert mean == pytest.approx(logit, abs=1e-4)


def test_kept_features_give_the_networks_own_logits(trained):
    own, features, classes = trained
    with torch.no_grad():
        kept = features.taps[0, 0] @ own.head.weight.flatten(1).T + own.head.bias
    np.testing.assert_allclose(explain(own, classes["red"][0]).logits, kept.numpy(), atol=2e-3)


def test_training_predicting_and_explaining_see_a_picture_alike(trained, monkeypatch):
    """One function normalises for all three; were it another, all three would see another picture."""
    own, _, classes = trained
    red, blue = (photos[0] for photos in classes.values())
    pictures = np.stack([as_seen(p.rgb, geometry(80, 64, own.size)) for p in (red, blue)])
    expected = (pictures.transpose(0, 3, 1, 2) / 255 - np.reshape(own.mean, (3, 1, 1))) / np.reshape(own.std, (3, 1, 1))
    np.testing.assert_allclose(normalised(pictures, own), expected, atol=1e-6)

    asked = []

    def grey(pictures, network):
        asked.append(pictures.shape)
        return torch.zeros(len(pictures), 3, 224, 224)

    for module in (view, head):
        monkeypatch.setattr(module, "normalised", grey)
    np.testing.assert_array_equal(explain(own, red).logits, explain(own, blue).logits)
    taps = extract(own, classes, mirrored=False).taps
    torch.testing.assert_close(taps, taps[:1].expand_as(taps))
    list(fine_tune(copy.deepcopy(own), [red, blue], [0, 1], batch_size=1))
    assert asked == [(1, 224, 224, 3)] * 2 + [(8, 224, 224, 3)] + [(1, 224, 224, 3)] * 2


def test_stopping_comes_through_the_progress(network):
    class Stop(Exception):
        pass

    def progress(done, total):
        raise Stop

    with pytest.raises(Stop):
        extract(network, {n: [photo((9, 9, 9))] * 3 for n in "ab"}, progress=progress)


def test_fine_tuning_moves_early_layers_least_and_leaves_no_mode_behind(trained):
    own, _, classes = trained
    mine = copy.deepcopy(own)
    before = [p.detach().clone() for p in mine.parameters()]
    steps = list(fine_tune(mine, [*classes["red"], *classes["blue"]], [0] * 4 + [1] * 4, batch_size=4))
    assert len(steps) == 2 and steps[0].lr == pytest.approx(1e-3) and not mine.training
    assert all(np.isfinite(s.loss) for s in steps)
    assert any(not torch.equal(a, b) for a, b in zip(before, mine.parameters(), strict=True))
    assert torch.equal(next(own.body.parameters()), before[0])  # the shared body is not the one trained


# -- what to be wary of -----------------------------------------------------------------------------------
def test_warnings():
    few = warnings(made_up((3, 12)))
    assert any("a has only 3 photos" in w for w in few) and any("more than three times" in w for w in few)
    calm = made_up((9, 9), spread=0.05)
    assert warnings(calm, (0.4, 0.5), leave_one_out(calm)) == ()
    assert "For b most of the heat (80%) lies at the border" in warnings(calm, (0.4, 0.8))[0]
    muddled = Features(torch.zeros(20, 1, 36), torch.arange(20) % 2, ("a", "b"))
    assert any("left out" in w for w in warnings(muddled, (), leave_one_out(muddled)))


def test_background_that_decides_is_seen(network):
    """A head that looks at nothing but the frame: its heat lies at the border."""
    head = torch.nn.Conv2d(1280, 2, 3, padding=1)
    with torch.no_grad():
        head.weight.zero_()
        head.weight[0] = -1e-3  # fewer taps reach the frame's cells, so these are the least negative
        head.bias[:] = torch.tensor([20.0, 0.0])
    own = network.with_head(head, ("frame", "none"))
    shares = background_shares(own, {"frame": [photo((90, 120, 60), 60)], "none": [photo((9, 9, 9))]})
    assert shares[0] > BORDER_HEAVY and shares[1] == 0


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ({"a": [1, 2, 3]}, "2 to 5"),
        ({c: [1, 2, 3] for c in "abcdef"}, "2 to 5"),
        ({"a": [1, 2, 3], "b": [1, 2]}, "at least 3"),
        ({"a": [1, 2, 3], " A ": [1, 2, 3]}, "same name"),
        ({"": [1, 2, 3], "b": [1, 2, 3]}, "needs a name"),
        ({"x" * 41: [1, 2, 3], "b": [1, 2, 3]}, "too long"),
    ],
)
def test_what_cannot_be_trained_on_is_said(classes, words):
    with pytest.raises(SettingsError, match=words):
        check(classes)
