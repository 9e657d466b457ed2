"""The probe: its numbers are NumPy's, it never makes a step wait, and it leaves nothing behind."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from explorer.data import Batch, Source
from explorer.errors import SettingsError
from explorer.experiment import Experiment
from explorer.probes import activations
from explorer.probes.activation_record import hist_edges
from explorer.probes.activations import PLACES, ActivationProbe, feature_maps, statistics
from explorer.training import prepare
from explorer.training.learner import Learner

CPU = torch.device("cpu")


class Noise:
    """Random pictures."""

    source = Source("random pictures", "standin", "")
    steps_per_epoch = 3

    def __init__(self, place=CPU, size=16):
        generator = torch.Generator().manual_seed(0)
        self.batch = Batch(
            torch.randn(size, 3, 32, 32, generator=generator).to(place),
            torch.randint(10, (size,), generator=generator).to(place),
        )

    def train_batches(self, generator):
        return iter([self.batch] * 3)

    def valid_batches(self):
        return iter([self.batch])


def learner_of(place=CPU, model="builder", **settings):
    if model == "builder":
        settings = {"widths": "4,8", "stem": 3, "depth": 2} | settings
    experiment = Experiment.of(model, batch_size=16, optimiser="sgd", **settings)
    data = Noise(place)
    return Learner(prepare.model_for(experiment, data), data, experiment, place)


def train(learner, steps, lr=0.05):
    learner.model.train()
    for _ in range(steps):
        learner.train_batch(learner.data.batch, lr)


def kept_outputs(learner, where):
    """Every layer's activations in one training step, by another way than the probe's: hooks on all modules."""
    found = {}
    handles = [
        module.register_forward_hook(lambda m, a, out, name=name: found.update({name: out.detach().clone()}))
        for name, module in learner.model.named_modules()
    ]
    train(learner, 1)
    for handle in handles:
        handle.remove()
    layers = {}
    for name in ("stem", *(f"stages.{i}.{j}" for i in range(2) for j in range(2)), "out"):
        conv = found.get(f"{name}.conv")
        layers[name] = found[name] if conv is None or where == "layer output" else conv
        if conv is not None and where == "after activation":
            layers[name] = F.relu(layers[name])
    return {name: layer.double().numpy() for name, layer in layers.items()}


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("norm, skip", [("lecture", True), ("torch", False), ("none", True)])
def test_statistics_are_numpys(where, norm, skip):
    kept = kept_outputs(learner_of(norm=norm, skip=skip), where)
    learner = learner_of(norm=norm, skip=skip)
    with ActivationProbe(learner, 1, where) as probe:
        train(learner, 1)
    record = probe.snapshot()
    assert record.layers == tuple(kept) and record.steps.tolist() == [1]
    edges = hist_edges()
    edges[[0, -1]] = -np.inf, np.inf
    for number, values in enumerate(kept.values()):
        other = tuple(d for d in range(values.ndim) if d != 1)
        close = {"rtol": 2e-4, "atol": 1e-6}
        np.testing.assert_allclose(record.mean[0, number], values.mean(), **close)
        np.testing.assert_allclose(record.std[0, number], values.std(), **close)
        np.testing.assert_allclose(record.dead[0, number], (np.abs(values) < 0.05).mean(), atol=1e-6)
        channels = record.channels(number)
        np.testing.assert_allclose(channels["mean"][0], values.mean(other), **close)
        np.testing.assert_allclose(channels["std"][0], values.std(other), **close)
        np.testing.assert_allclose(channels["dead"][0], (np.abs(values) < 0.05).mean(other), atol=1e-6)
        # No layer is so large here that its histogram is of a sample.
        expected = np.histogram(values.astype(np.float32), edges)[0] / values.size
        np.testing.assert_allclose(record.hist[0, number], expected, atol=3 / values.size)
        assert record.hist[0, number].sum() == pytest.approx(1, abs=1e-5)


def test_weights_gradients_and_updates_are_numpys():
    learner = learner_of(norm="lecture")

    def weights():
        return {name: p.detach().double().numpy().copy() for name, p in learner.model.named_parameters()}

    before = weights()
    with ActivationProbe(learner, 1) as probe:
        train(learner, 1)
    after, gradients = weights(), {n: p.grad.double().numpy() for n, p in learner.model.named_parameters()}
    record = probe.snapshot()
    for number, layer in enumerate(record.layers):
        mine = [name for name in before if name.startswith(layer + ".")]
        flat = [np.concatenate([at[name].ravel() for name in mine]) for at in (before, after, gradients)]
        assert record.weight_norm[0, number] == pytest.approx(np.linalg.norm(flat[1]), rel=1e-5)
        assert record.grad_norm[0, number] == pytest.approx(np.linalg.norm(flat[2]), rel=1e-4)
        ratio = np.linalg.norm(flat[1] - flat[0]) / np.linalg.norm(flat[0])
        assert record.update_ratio[0, number] == pytest.approx(ratio, rel=1e-3)
        if layer.startswith("stages"):
            norm = record.batchnorm(number)
            np.testing.assert_allclose(norm["m"][0], after[f"{layer}.m"].ravel(), rtol=1e-6)
            np.testing.assert_allclose(norm["a"][0], after[f"{layer}.a"].ravel(), rtol=1e-6)
        else:
            assert record.batchnorm(number) == {}


def test_a_large_layers_histogram_is_of_an_even_sample():
    torch.manual_seed(0)
    activations_ = torch.randn(64, 10, 32, 32) * torch.arange(1, 11)[:, None, None]
    _, hist = statistics(activations_)
    expected = np.histogram(activations_.numpy(), hist_edges())[0] / activations_.numel()
    np.testing.assert_allclose(hist.numpy(), expected, atol=0.01)


def test_what_is_not_a_number_stays_visible_and_breaks_nothing():
    broken = torch.full((8, 4), float("nan"))
    broken[:, 0] = float("inf")
    channels, hist = statistics(broken)
    assert not torch.isfinite(channels[0]).any() and hist[-1] == pytest.approx(0.25)


WAITS = ("_local_scalar_dense", "nonzero", "equal", "masked_select", "unique_consecutive", "_unique2")


class Counting(TorchDispatchMode):
    """Counts what makes the host wait for the device; the test after it is its control."""

    def __init__(self):
        super().__init__()
        self.waits = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        _, name, *_ = str(function).split(".")
        self.waits += name in WAITS or (name.startswith("index") and self.masked(args[1:]))
        return function(*args, **(kwargs or {}))

    def masked(self, args):
        """Whether a tensor is indexed by a mask: how many are meant is known on the device alone."""
        indices = next((arg for arg in args if isinstance(arg, (list, tuple))), ())
        return any(isinstance(index, torch.Tensor) and index.dtype in (torch.bool, torch.uint8) for index in indices)

    def __enter__(self):
        self.patch = pytest.MonkeyPatch()  # these copy without a dispatched call where the tensor is on the host
        for name in ("tolist", "numpy", "__array__"):
            self.patch.setattr(torch.Tensor, name, self.counted(getattr(torch.Tensor, name)))
        return super().__enter__()

    def __exit__(self, *failure):
        self.patch.undo()
        return super().__exit__(*failure)

    def counted(self, method):
        def counting(tensor, *args, **kwargs):
            self.waits += 1
            return method(tensor, *args, **kwargs)

        return counting


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.sum().item(),
        lambda x: float(x.mean()),
        lambda x: bool((x > 0).any()),
        lambda x: x[x > 0],
        lambda x: x.index_put_([x > 0], torch.ones(3)),
        lambda x: x.nonzero(),
        lambda x: torch.equal(x, x + 1),
        lambda x: x.tolist(),
        lambda x: x.numpy(),
    ],
    ids=["item", "float", "bool", "mask", "put", "nonzero", "equal", "tolist", "numpy"],
)
def test_what_makes_the_host_wait_is_counted(wait):
    """The control of the test below: each of these is seen, and what waits for nothing is not."""
    x = torch.arange(4.0)
    with Counting() as counting:
        (x * 2).relu_().sum()
        assert counting.waits == 0
        wait(x)
    assert counting.waits > 0


def test_a_step_that_looks_at_its_loss_is_counted():
    """The same training as in the test below, by somebody who asks for one number."""
    learner = learner_of(norm="lecture", skip=True)
    with Counting() as counting:
        train(learner, 1)
        assert counting.waits == 0
        batch = next(learner.data.train_batches(learner.generator))
        float(learner.train_batch(batch, 0.01).loss)
    assert counting.waits == 1


def test_no_step_waits_for_the_device(monkeypatch):
    learner = learner_of(norm="lecture", skip=True)
    transfers = []
    monkeypatch.setattr(torch.Tensor, "cpu", lambda self, to=torch.Tensor.cpu: transfers.append(1) or to(self))
    with ActivationProbe(learner, 1) as probe, Counting() as counting:
        train(learner, 20)
        assert counting.waits == 0 and not transfers
        probe.drain()
        assert len(transfers) == 1  # one for all twenty
    assert len(probe.snapshot()) == 20


def test_every_tensor_stays_on_the_learners_device():
    from torch._subclasses.fake_tensor import FakeTensorMode

    # A pretended GPU: mixing devices or reading a value raises. Autograd needs a real one, so gradients are made up.
    place = torch.device("cuda")
    with FakeTensorMode(), place:
        experiment = Experiment.of("builder", widths="4,8", stem=3, norm="lecture", skip=True)
        learner = Learner.__new__(Learner)
        learner.model, learner.device, learner.step = experiment.rung.build(experiment), place, 0
        learner.optimiser = torch.optim.SGD(learner.model.parameters(), lr=0.1)
        probe = ActivationProbe(learner, 1)
        with probe:
            learner.model.train()
            learner.model(torch.empty(16, 3, 32, 32))
            for parameter in learner.model.parameters():
                parameter.grad = torch.ones_like(parameter)
            learner.optimiser.step()
            pending, probe._pending = probe._pending, []
    assert [(number, row.device.type) for number, row in pending] == [(1, "cuda")]


def test_the_probe_changes_nothing_about_the_training():
    watched, alone = learner_of(norm="lecture"), learner_of(norm="lecture")
    with ActivationProbe(watched, 2):
        train(watched, 5)
    train(alone, 5)
    for a, b in zip(watched.model.parameters(), alone.model.parameters(), strict=True):
        assert torch.equal(a, b)


def hooks(learner):
    set_ = [m._forward_hooks for m in learner.model.modules()]
    return (
        sum(map(len, set_))
        + len(learner.optimiser._optimizer_step_pre_hooks)
        + len(learner.optimiser._optimizer_step_post_hooks)
    )


def test_hooks_come_off_also_after_a_failure():
    learner = learner_of()
    with pytest.raises(RuntimeError, match="on purpose"), ActivationProbe(learner, 1) as probe:
        assert hooks(learner) > 5
        train(learner, 2)
        raise RuntimeError("on purpose")
    assert hooks(learner) == 0 and len(probe.snapshot()) == 2  # and what was seen is kept
    train(learner, 1)
    assert len(probe.snapshot()) == 2


def test_only_training_is_recorded_and_at_the_steps_asked_for():
    learner = learner_of()
    with ActivationProbe(learner, 4) as probe:
        for _ in range(3):
            train(learner, 3)
            learner.evaluate()
    assert probe.snapshot().steps.tolist() == [1, 5, 9]


def test_a_long_record_is_thinned_and_readers_keep_what_they_have():
    learner = learner_of(widths="2", stem=0, depth=1)
    with ActivationProbe(learner, 1, rows=8) as probe:
        train(learner, 8)
        probe.drain()
        early = probe.snapshot()
        means = early.mean.copy()
        train(learner, 25)
        probe.drain()
        late = probe.snapshot()
    assert early.steps.tolist() == list(range(1, 9)) and np.array_equal(early.mean, means)
    assert late.steps.tolist() == [1, 9, 17, 25, 33] and late.every == 8
    np.testing.assert_array_equal(late.mean[:1], means[:1])


@pytest.mark.parametrize("model", ["simplenet", "convnet", "convnet2", "bn", "deep-bn", "resnet", "resnet2"])
def test_every_rung_is_watched_in_the_order_it_runs(model):
    learner = learner_of(model=model, widths="8" if model == "simplenet" else "4,8")
    with ActivationProbe(learner, 1) as probe:
        train(learner, 1)
    record = probe.snapshot()
    assert record.layers[-1] in ("out", "layers.1") and np.isfinite(record.std).all()
    if model == "resnet":
        wanted = ("conv1", "layers.0", "layers2.0", "layers3.0", "layers.1", "layers2.1", "layers3.1", "out")
        assert record.layers == wanted
    if model in ("convnet", "convnet2"):
        assert record.mean[0, 0] > 0 and record.hist[0, 0, : len(record.edges) // 2].sum() == 0  # after the ReLU


@pytest.mark.parametrize("key", ["stateful", "gru", "lstm", "rnn-cell", "char-loop"])
def test_recurrent_rungs_are_watched_too(key, tiny):
    learner = tiny(key)
    with ActivationProbe(learner, 1) as probe:
        learner.model.train()
        learner.train_batch(next(learner.data.train_batches(learner.generator)), 1e-3)
    record = probe.snapshot()
    assert np.isfinite(record.std).all() and record.layers[-1] == "l_out"
    assert record.channels(0)["mean"].shape == (1, 16)


def test_a_plain_sequential_net_can_be_watched():
    experiment = Experiment.of("builder", optimiser="sgd")
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(4, 10))
    learner = Learner(net, Noise(), experiment, CPU)
    with ActivationProbe(learner, 1) as probe:
        train(learner, 2)
    assert probe.snapshot().layers == ("0", "4")


def test_an_unknown_place_and_an_empty_record():
    with pytest.raises(SettingsError, match="after activation"):
        ActivationProbe(learner_of(), where="everywhere")
    empty = ActivationProbe(learner_of()).snapshot()
    assert len(empty) == 0 and empty.mean.shape == (0, 0) and empty.hist.shape == (0, 0, activations.HIST_BINS)


def test_feature_maps_of_one_picture():
    learner = learner_of(norm="running", skip=True)
    train(learner, 2)
    picture = learner.data.batch.x[0]
    maps = feature_maps(learner.model, picture, "layer output")
    assert [m.maps.shape for m in maps] == [(2, 32, 32), (4, 16, 16), (4, 16, 16), (8, 8, 8), (8, 8, 8)]
    with torch.no_grad():
        last = learner.model.eval().features(picture[None])[0].numpy()
    np.testing.assert_allclose(maps[-1].maps, last, atol=1e-6)
    assert hooks(learner) == 0
