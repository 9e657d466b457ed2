"""The learning-rate finder: leaves everything as it was, stops in time, suggests sensibly."""

import importlib.util
from itertools import islice

import numpy as np
import pytest
import torch

from explorer import ladders
from explorer.data import Batch, Source
from explorer.errors import SettingsError
from explorer.experiment import Experiment
from explorer.lecture import recorded
from explorer.series import smooth
from explorer.training import lr_finder
from explorer.training.learner import Learner
from explorer.training.lr_finder import Sweep, find, rates, suggest, sweep
from explorer.training.schedules import plan
from tests.training.test_learner import equal

LANGUAGE = [rung.key for rung in ladders.LANGUAGE]
VISION = [rung.key for rung in ladders.VISION] if importlib.util.find_spec("explorer.models.vision") else []


class Noise:
    """Pictures nobody has to load; labels by their brightness."""

    source, steps_per_epoch = Source("Noise", "standin", ""), 4
    vocabulary, classes = None, ()

    def train_batches(self, generator):
        for number in range(4):
            x = torch.randn(8, 3, 32, 32, generator=generator)
            yield Batch(x, (x.mean((1, 2, 3)) > 0).long(), number / 4)

    def valid_batches(self):
        return self.train_batches(torch.Generator().manual_seed(1))


def vision(key):
    experiment = Experiment.of(key)
    experiment = experiment.replace(widths=",".join(["4"] * len(experiment.widths.split(","))), weight_decay=1e-4)
    torch.manual_seed(0)
    learner = Learner(experiment.rung.build(experiment), Noise(), experiment, torch.device("cpu"))
    learner.experiment = experiment
    return learner


def check_nothing_changed(learner):
    """In the middle of a run, with momentum, hidden state and random states all in use."""
    events = learner.steps(plan(learner.experiment))
    list(islice(events, 3))
    captured, training = learner.capture(), learner.model.training
    found = find(learner, 1e-5, 1.0, steps=13)
    assert len(found.lr)
    assert equal(learner.capture(), captured) and learner.model.training == training
    next(events)
    swept = torch.cat([p.detach().flatten() for p in learner.model.parameters()])
    return swept


@pytest.mark.parametrize("key", LANGUAGE)
def test_a_sweep_leaves_a_language_model_bit_for_bit(tiny, key):
    with_sweep = check_nothing_changed(tiny(key))
    without = tiny(key)
    list(islice(without.steps(plan(without.experiment)), 4))
    assert torch.equal(with_sweep, torch.cat([p.detach().flatten() for p in without.model.parameters()]))


@pytest.mark.parametrize("key", VISION)
def test_a_sweep_leaves_a_vision_model_bit_for_bit(key):
    with_sweep = check_nothing_changed(vision(key))
    without = vision(key)
    list(islice(without.steps(plan(without.experiment)), 4))
    assert torch.equal(with_sweep, torch.cat([p.detach().flatten() for p in without.model.parameters()]))


def test_a_sweep_that_is_abandoned_half_way_restores_too(tiny):
    learner = tiny("lstm")
    captured = learner.capture()
    running = sweep(learner, steps=60)
    next(running)
    assert not equal(learner.capture(), captured)
    running.close()
    assert equal(learner.capture(), captured)


def test_a_sweep_leaves_everybody_elses_random_numbers_alone(tiny):
    """Set back when it ends, they would give somebody the same masks twice."""
    running = sweep(tiny("lstm"), 1e-5, 1e-3, steps=20)
    next(running)
    drawn = torch.rand(3)
    state = torch.get_rng_state()
    running.close()
    assert torch.equal(torch.get_rng_state(), state) and not torch.equal(torch.rand(3), drawn)


def test_a_sweep_that_fails_restores_too(tiny, monkeypatch):
    learner = tiny()
    captured = learner.capture()
    count, real = [], learner.train_batch

    def failing(batch, lr):
        count.append(lr)
        if len(count) == 15:
            raise RuntimeError("out of memory")
        return real(batch, lr)

    monkeypatch.setattr(learner, "train_batch", failing)
    with pytest.raises(RuntimeError, match="memory"):
        find(learner)
    assert equal(learner.capture(), captured)


def test_rates_rise_by_a_fixed_factor():
    tried = rates(1e-5, 10, 100)
    assert tried[0] == pytest.approx(1e-5) and tried[-1] == pytest.approx(10) and len(tried) == 100
    np.testing.assert_allclose(tried[1:] / tried[:-1], tried[1] / tried[0])


@pytest.mark.parametrize(
    ("low", "high", "steps"),
    [(0, 1, 10), (-1, 1, 10), (1, 1, 10), (2, 1, 10), (1e-3, float("inf"), 10), (float("nan"), 1, 10), (1e-3, 1, 1)],
)
def test_a_range_that_is_none_gives_a_sentence(tiny, low, high, steps):
    with pytest.raises(SettingsError, match="sweep"):
        find(tiny(), low, high, steps)


def test_a_sweep_goes_over_the_data_more_than_once_and_each_step_has_its_rate(tiny):
    learner = tiny(batch_size=64, jitter=False)
    assert learner.data.steps_per_epoch < 60
    found = find(learner, 1e-6, 1e-4, steps=70)
    np.testing.assert_allclose(found.lr, rates(1e-6, 1e-4, 70))
    assert len(found.loss) == len(found.smooth) == 70 and not found.diverged
    np.testing.assert_allclose(found.smooth, smooth(found.loss, 0.9))


def test_a_sweep_grows_and_each_look_is_the_start_of_the_next(tiny):
    looks = list(sweep(tiny(), 1e-5, 1e-2, steps=25))
    assert [len(look.lr) for look in looks] == [10, 20, 25]
    np.testing.assert_array_equal(looks[-1].loss[:10], looks[0].loss)


def test_it_stops_soon_after_the_loss_diverges(tiny):
    learner = tiny("stateful", optimiser="sgd")
    taken, real = [], learner.train_batch
    learner.train_batch = lambda batch, lr: taken.append(lr) or real(batch, lr)
    found = find(learner, 1e-3, 1e6, steps=200)
    assert found.diverged and len(taken) < 200 and len(found.lr) <= len(taken)
    assert np.isfinite(found.loss).all() and np.isfinite(found.smooth).all()


class Scripted:
    """A learner whose losses are given beforehand."""

    def __init__(self, losses):
        self.losses, self.model, self.generator, self.data, self.restored = (
            list(losses),
            torch.nn.Identity(),
            None,
            self,
            0,
        )

    def train_batches(self, generator):
        while True:
            yield None

    def train_batch(self, batch, lr):
        return type("Step", (), {"loss": torch.tensor(self.losses.pop(0))})

    def capture(self):
        return {}

    def restore(self, captured):
        self.restored += 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_a_number_ends_the_sweep_and_is_left_out(bad):
    learner = Scripted([2.0] * 14 + [bad] * 86)
    found = find(learner)
    assert found.diverged and len(found.lr) == 14 and (found.loss == 2.0).all() and learner.restored == 1
    assert len(learner.losses) == 80


def test_not_a_number_from_the_start_gives_no_suggestion():
    found = find(Scripted([float("nan")] * 100))
    assert found.diverged and len(found.lr) == 0
    assert all(np.isnan(rate) for rate in suggest(found).values())


def test_four_times_the_best_smoothed_loss_is_divergence():
    found = find(Scripted([1.0] * 30 + [50.0] * 70))
    assert found.diverged and len(found.lr) == 31
    assert not find(Scripted([1.0] * 30 + [3.9] * 70)).diverged


def curve(lr, steepest=1e-2, lowest=1e-1, noise=0.0):
    """Flat, then falling steepest at one rate, lowest at another, then rising."""
    x = np.log10(lr)
    loss = 2.3 - 0.8 / (1 + np.exp(-(x - np.log10(steepest)) * 4)) + np.maximum(0, x - np.log10(lowest)) ** 2 * 3
    return loss + np.random.default_rng(0).normal(0, noise, len(lr))


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_suggestions_on_a_textbook_curve(noise):
    lr = rates(1e-5, 10, 100)
    loss = curve(lr, noise=noise)
    end = int(np.argmax(loss > 4)) or len(lr)
    found = Sweep(lr[:end], loss[:end], smooth(loss[:end], 0.9 if noise else 0.0), True)
    rate = suggest(found)
    lowest = lr[found.smooth.argmin()]
    assert rate["minimum / 10"] == pytest.approx(lowest / 10)
    assert 3e-3 < rate["steepest"] < 1e-1 and rate["steepest"] < lowest
    assert 1e-5 < rate["valley"] < lowest
    if not noise:
        assert rate["steepest"] == pytest.approx(1e-2, rel=0.3)


def test_the_divergent_end_never_attracts_a_suggestion():
    lr = rates(1e-5, 10, 100)
    loss = curve(lr)
    loss[-6:] = [9, 2, 9, 2, 9, 2]  # a steeper fall than any, after the minimum
    assert suggest(Sweep(lr, loss, loss, True))["steepest"] < 0.1


@pytest.mark.parametrize(
    "loss",
    [np.full(50, 2.3), np.linspace(2, 3, 50), np.linspace(3, 2, 8), np.full(50, 2.3) - np.linspace(0, 0.01, 50)],
    ids=["flat", "only rises", "too short", "hardly falls"],
)
def test_no_suggestion_where_there_is_nothing_to_go_by(loss):
    lr = rates(1e-5, 10, len(loss))
    assert all(np.isnan(rate) for rate in suggest(Sweep(lr, loss, loss)).values())


def test_a_real_sweep_of_a_small_gru_suggests_a_usable_rate(tiny):
    found = find(tiny("gru", hidden=32, bptt=16), 1e-5, 10, steps=100)
    for name, rate in suggest(found).items():
        assert 1e-4 < rate < 1, name


def swept(fall, until=10.0):
    """A sweep whose smoothed loss is ``fall`` of the log10 of the rate."""
    lr = np.geomspace(1e-5, until, 100)
    loss = np.array([fall(at) for at in np.log10(lr)])
    return Sweep(lr, loss, loss, True)


def test_suggestions_near_each_other_need_no_explanation():
    found = swept(lambda at: 2.3 - 0.9 * np.exp(-((at + 2) ** 2) / 2) + max(0, at + 1) ** 3)
    advice = lr_finder.advise(found)
    assert advice.rule == "minimum / 10" and advice.apart < lr_finder.FAR and advice.why == ""
    assert advice.rate == suggest(found)[advice.rule]


def test_a_curve_that_falls_late_says_why_its_suggestions_lie_far_apart():
    found = swept(lambda at: 2.3 - 1e-4 * at - 0.5 * np.exp(-((at - 0) ** 2) / 0.1), until=2.0)
    advice = lr_finder.advise(found)
    assert advice.apart > lr_finder.FAR
    assert "flat" in advice.why and f"{min(suggest(found).values()):.2g}" in advice.why
    assert advice.rule == "steepest" and "flat" in advice.reason, "a tenth of the minimum lies where nothing is learnt"


def test_a_curve_that_never_falls_is_given_no_advice():
    assert lr_finder.advise(swept(lambda at: 2.3 + at)) is None


def test_over_the_recorded_sweeps_the_recommended_rule_comes_nearest_to_the_lecture():
    off = {rule: [] for rule in suggest(Sweep())}
    for key, found in recorded.sweeps().items():
        for rule, rate in suggest(found).items():
            off[rule].append(abs(np.log(rate / Experiment.of(key).lr)))
    nearest = min(off, key=lambda rule: np.mean(off[rule]))
    assert nearest == "minimum / 10"
    assert all(lr_finder.advise(found).rule == nearest for found in recorded.sweeps().values())
