"""The vision ladder: shapes and counts as the lecture prints them, and networks that cannot be."""

import pytest
import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode

from explorer import ladders
from explorer.errors import SettingsError
from explorer.experiment import Experiment
from explorer.models import vision
from explorer.models.sizes import parse_widths, picture_sides
from explorer.models.vision import BnLayer, ResnetLayer, build, check

COUNTS = {
    "simplenet": 123_330,
    "convnet": 37_490,
    "convnet2": 37_490,
    "bn": 155_970,
    "deep-bn": 462_570,
    "resnet": 769_170,
    "resnet2": 1_966_234,
}
RUNGS = [rung.key for rung in ladders.VISION]
CONV_RUNGS = RUNGS[1:]


def count(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("key", COUNTS)
def test_parameter_counts(key):
    assert count(build(Experiment.of(key))) == COUNTS[key]


def test_counts_layer_by_layer():
    assert [p.numel() for p in build(Experiment.of("simplenet")).parameters()] == [122_880, 40, 400, 10]
    convnet = build(Experiment.of("convnet"))
    assert [count(layer) for layer in [*convnet.layers, convnet.out]] == [560, 7_240, 28_880, 810]


@pytest.mark.parametrize(
    ("preset", "key"),
    [
        ("ConvLayer", "convnet2"),
        ("BatchNorm by hand", "bn"),
        ("Deeper", "deep-bn"),
        ("ResNet", "resnet"),
        ("ResNet 2", "resnet2"),
    ],
)
def test_the_builders_presets_are_the_rungs(preset, key):
    experiment, rung = Experiment.of("builder", preset), Experiment.of(key)
    assert preset == rung.rung.title, "one name for a thing"
    made, theirs = build(experiment), build(rung)
    assert sorted(p.numel() for p in made.parameters()) == sorted(p.numel() for p in theirs.parameters())
    assert picture_sides(experiment) == picture_sides(rung)
    x = torch.zeros(2, 3, 32, 32)
    assert made.features(x).shape == theirs.features(x).shape


def test_the_builder_computes_what_resnet_computes():
    torch.manual_seed(0)
    resnet = build(Experiment.of("resnet", widths="4,8"))
    built = build(Experiment.of("builder", "ResNet", widths="4,8", norm="lecture"))
    state = {"stem.weight": resnet.conv1.weight, "stem.bias": resnet.conv1.bias}
    state |= {"out.weight": resnet.out.weight, "out.bias": resnet.out.bias}
    for stage in range(2):
        for place, layers in enumerate([resnet.layers, resnet.layers2, resnet.layers3]):
            state |= {f"stages.{stage}.{place}.{k}": v for k, v in layers[stage].state_dict().items()}
    built.load_state_dict(state)
    x = torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(built(x), resnet(x))


@pytest.mark.parametrize(
    ("key", "sides"),
    [
        ("convnet", [32, 15, 7, 3]),
        ("convnet2", [32, 16, 8, 4]),
        ("bn", [32, 32, 16, 8, 4, 2]),
        ("deep-bn", [32, 32, 16, 8, 4, 2]),
        ("resnet", [32, 32, 16, 8, 4, 2]),
        ("resnet2", [32, 28, 14, 7, 4, 2]),
    ],
)
def test_sides_are_what_the_network_does(key, sides):
    experiment = Experiment.of(key)
    assert picture_sides(experiment) == sides
    assert build(experiment).features(torch.zeros(1, 3, 32, 32)).shape[2:] == (sides[-1], sides[-1])
    assert picture_sides(Experiment.of("simplenet")) == []


@pytest.mark.parametrize("stem", range(8))
def test_sides_of_every_stem(stem):
    experiment = Experiment.of("builder", stem=stem, widths="4,6", depth=2)
    features = build(experiment).features(torch.zeros(1, 3, 32, 32))
    assert features.shape == (1, 6, picture_sides(experiment)[-1], picture_sides(experiment)[-1])


@pytest.mark.parametrize("key", CONV_RUNGS)
def test_features_then_pooling_and_head_are_the_logits(key):
    torch.manual_seed(0)
    model, x = build(Experiment.of(key)), torch.randn(3, 3, 32, 32)
    model.eval()
    pooled = F.adaptive_max_pool2d(model.features(x), 1).flatten(1)
    assert torch.equal(model(x), model.out(pooled))


@pytest.mark.parametrize("key", RUNGS)
def test_memory_format_does_not_matter(key):
    torch.manual_seed(0)
    model, x = build(Experiment.of(key)).eval(), torch.randn(3, 3, 32, 32)
    torch.testing.assert_close(model(x.to(memory_format=torch.channels_last)), model(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("key", RUNGS)
def test_logits_take_either_sign_and_learn(key):
    torch.manual_seed(0)
    dropout = {"dropout": 0} if key in ("resnet2", "builder") else {}
    model = build(Experiment.of(key, widths="8,16", **dropout))
    x, y = torch.randn(16, 3, 32, 32), torch.arange(16) % 10
    assert (model(x) < 0).any()  # the last layer has no ReLU
    optimiser = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    losses = []
    for _ in range(8):
        loss = F.cross_entropy(model(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.02


def test_resnet_layer_adds_its_input():
    torch.manual_seed(0)
    layer = ResnetLayer(5, 5, 1)
    x = torch.randn(4, 5, 8, 8)
    assert torch.equal(layer(x), x + BnLayer.forward(layer, x))


def test_settings_reach_the_layers():
    net = build(Experiment.of("builder", widths="4,8", depth=3, stem=7, norm="torch", skip=True, dropout=0.3))
    assert net.drop.p == 0.3 and len(net.stages) == 2
    assert [[type(l) for l in stage] for stage in net.stages] == [[BnLayer, ResnetLayer, ResnetLayer]] * 2  # noqa: E741
    assert isinstance(net.stem, BnLayer) and net.stem.conv.kernel_size == (7, 7)
    assert all(m.norm == "torch" for m in net.modules() if isinstance(m, BnLayer))
    assert all(m.norm == "none" for m in build(Experiment.of("bn", norm="none")).modules() if isinstance(m, BnLayer))
    assert build(Experiment.of("resnet2", dropout=0.4)).drop.p == 0.4
    assert [l.out_features for l in build(Experiment.of("simplenet", widths="30,20")).layers] == [30, 20, 10]  # noqa: E741


def test_parse_widths():
    assert parse_widths(" 20, 40 ,80") == [20, 40, 80]


@pytest.mark.parametrize(
    "text", ["", "20,,40", "0", "-3", "a,b", "1.5", "20;40", "99999", "9" * 5000, "4,4,4,4,4,4,4", "²"]
)
def test_bad_widths(text):
    with pytest.raises(SettingsError, match="Widths"):
        parse_widths(text)


@pytest.mark.parametrize(
    ("key", "changes", "stages"),
    [
        ("convnet", {"widths": "4,4,4,4,4"}, 4),
        ("convnet2", {"widths": "4,4,4,4,4,4"}, 5),
        ("resnet2", {"widths": "4,4,4,4,4,4"}, 5),
        ("builder", {"widths": "4,4,4,4,4,4"}, 5),
    ],
)
def test_a_picture_shrunk_to_nothing_is_refused_before_anything_starts(key, changes, stages, monkeypatch):
    monkeypatch.setattr(vision, "_make", lambda experiment: pytest.fail("built"))
    with pytest.raises(SettingsError, match=rf"32 → .* → 0 pixels.*at most {stages} stages"):
        build(Experiment.of(key, **changes))


def test_one_stage_fewer_works():
    for key, widths in [("convnet", "4,4,4,4"), ("resnet2", "4,4,4,4,4")]:
        assert build(Experiment.of(key, widths=widths))(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize("key", [key for key in RUNGS if key not in ("simplenet", "builder")])
def test_a_rungs_shape_stands_in_the_table(key):
    """What memory and pictures' sides are worked out from is what the class builds."""
    experiment = Experiment.of(key, widths="4,8")
    net = build(experiment)
    kernels = [m.kernel_size[0] for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    assert kernels == [experiment.stem] * (experiment.stem > 0) + [3] * 2 * experiment.depth
    assert any(isinstance(m, ResnetLayer) for m in net.modules()) == experiment.skip


def test_a_run_of_before_the_shape_stood_in_the_table_still_opens():
    old = '{"model": "convnet", "widths": "20,40,80", "stem": 5, "depth": 1, "norm": "lecture", "skip": false}'
    assert Experiment.from_json(old) == Experiment.of("convnet") and Experiment.of("convnet").stem == 0
    assert build(Experiment.from_json(old)).layers[0].in_channels == 3


def test_an_absurd_size_is_refused_without_taking_memory():
    with pytest.raises(SettingsError, match="parameters"):
        check(Experiment.of("builder", widths="1024,1024,1024,1024,1024", depth=6))
    with pytest.raises(SettingsError, match="not a model for pictures"):
        check(Experiment.of("gru"))


def test_checking_draws_no_random_numbers():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    check(Experiment.of("resnet2"))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("key", RUNGS)
def test_everything_is_on_one_device(key):  # forward only: a backward pass asks for a real CUDA device
    with FakeTensorMode(), torch.device("cuda"):
        model, x = build(Experiment.of(key)), torch.randn(8, 3, 32, 32)
        assert model(x).device.type == "cuda"  # training
        assert model.eval()(x).shape == (8, 10)
