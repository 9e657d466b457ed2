"""The version to read gives the numbers of the version that runs."""

import numpy as np
import pytest

from explorer.experiment import Experiment
from explorer.probes.activations import ActivationProbe
from explorer.probes.plain import PlainProbe
from explorer.training import prepare
from explorer.training.learner import Learner
from tests.probes.test_activations import CPU, Noise, train


@pytest.mark.parametrize("norm", ["none", "running"])
def test_the_plain_probe_gives_the_numbers_of_the_fast_one(norm) -> None:
    data = Noise(size=4)  # few enough pictures for the fast one to count every value
    experiment = Experiment.of("builder", norm=norm, widths="4,8", stem=3, depth=2, optimiser="sgd", batch_size=16)
    learner = Learner(prepare.model_for(experiment, data), data, experiment, CPU)
    with ActivationProbe(learner, every=1) as fast, PlainProbe(learner.model) as plain:
        train(learner, 5)
    record = fast.snapshot()
    assert record.layers == tuple(plain.means) and len(record) == 5
    for theirs, ours in ((record.mean, plain.means), (record.std, plain.stds), (record.dead, plain.near_zero)):
        np.testing.assert_allclose(np.array(list(ours.values())).T, theirs, rtol=1e-4, atol=1e-6)
    for layer, name in enumerate(record.layers):
        np.testing.assert_allclose(np.stack(plain.hists[name]), record.hist[:, layer], atol=1e-4)
    assert record.std.min() > 0 and record.dead.max() > 0.1


def test_the_plain_probe_looks_at_training_only_and_leaves_nothing_behind() -> None:
    data = Noise(size=4)
    experiment = Experiment.of("builder", widths="4,8", stem=3, optimiser="sgd", batch_size=16)
    learner = Learner(prepare.model_for(experiment, data), data, experiment, CPU)
    with PlainProbe(learner.model) as plain:
        learner.model.eval()(data.batch.x)
    train(learner, 1)
    assert not plain.means
    assert not any(module._forward_hooks for module in learner.model.modules())
