"""Pooling over all places, by max, mean or both; and where adaptive pooling looks."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from explorer.cam.network import headed
from explorer.data import cifar10
from explorer.data.pictures import VisionData
from explorer.errors import SettingsError
from explorer.experiment import Experiment
from explorer.models import vision
from explorer.models.pooling import GlobalPool, bins
from explorer.training import memory, prepare


@pytest.mark.parametrize("size", range(1, 17))
@pytest.mark.parametrize("cells", [1, 2, 3, 4])
def test_the_cells_look_where_pytorchs_do(size, cells) -> None:
    if cells > size:
        return
    x = torch.randn(1, 1, size, size)
    theirs = F.adaptive_max_pool2d(x, cells)[0, 0]
    ours = [[x[0, 0, a:b, c:d].max() for c, d in bins(size, cells)] for a, b in bins(size, cells)]
    assert torch.equal(torch.tensor(ours), theirs)


def test_both_is_fastais_concatenation_of_mean_and_maximum() -> None:
    x = torch.randn(3, 5, 4, 6)
    both = GlobalPool("both")(x)
    assert torch.equal(both, torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)) or torch.allclose(
        both, torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
    )
    assert torch.equal(GlobalPool("max")(x), nn.AdaptiveMaxPool2d(1)(x).flatten(1))
    assert [GlobalPool(kind).width(5) for kind in ("max", "mean", "both")] == [5, 5, 10]


def test_the_builder_takes_it_and_its_last_layer_is_twice_as_wide() -> None:
    plain, both = (vision.build(Experiment.of("builder", preset)) for preset in ("lecture", "mean and max"))
    assert (plain.out.in_features, both.out.in_features) == (160, 320)
    assert Experiment.of("builder", "mean and max").to_query()["pool"] == "both"
    with pytest.raises(SettingsError, match="no setting"):
        Experiment.of("resnet", pool="both")


@pytest.mark.parametrize("pool", ["mean", "both"])
def test_a_network_with_it_learns(pool) -> None:
    settings = {"widths": "8,16", "depth": 1, "stem": 0, "norm": "running", "size": 32}
    experiment = Experiment.of("builder", pool=pool, images=500, batch_size=100, **settings)
    data = VisionData(cifar10.load("standin"), experiment, torch.device("cpu"))
    learner = prepare.learner_for(experiment, data=data)
    batches = itertools.cycle(list(learner.data.train_batches(learner.generator)))
    losses = [float(learner.train_batch(batch, 0.2).loss) for batch in itertools.islice(batches, 100)]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    assert memory.layers_of(experiment)[-1].weights == sum(p.numel() for p in learner.model.out.parameters())


def test_a_class_map_adds_up_to_the_score_after_a_mean_and_is_refused_where_there_are_two_numbers() -> None:
    nets = {pool: vision.StageNet([8, 16], 4, pool=pool).eval() for pool in ("mean", "max", "both")}
    x = torch.randn(2, 3, 32, 32)
    mean = headed(nets["mean"], tuple("abcd"), (0.5,) * 3, (0.25,) * 3)
    features = nets["mean"].features(x)
    assert mean.exact and torch.allclose(mean.maps(features).mean((2, 3)), nets["mean"](x), atol=1e-5)
    assert not headed(nets["max"], tuple("abcd"), (0.5,) * 3, (0.25,) * 3).exact
    with pytest.raises(SettingsError, match="maximum"):
        headed(nets["both"], tuple("abcd"), (0.5,) * 3, (0.25,) * 3)
