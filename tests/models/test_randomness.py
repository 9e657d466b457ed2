"""A seed is a seed: weights and masks come from the run's own generators, whatever else draws in the process."""

import contextlib
import copy
import threading

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from explorer import ladders
from explorer.experiment import Experiment
from explorer.models import randomness, vision
from explorer.models.randomness import Dropout, Masks, drawing_from, own_masks
from explorer.training import prepare

KINDS = [(randomness.RNN, nn.RNN), (randomness.GRU, nn.GRU), (randomness.LSTM, nn.LSTM)]
KEYS = [rung.key for ladder in ladders.LADDERS.values() for rung in ladder]
CPU = torch.device("cpu")


class Text:
    vocabulary = range(85)


@contextlib.contextmanager
def somebody_building():
    """A page's thread builds networks all the while, which draws from the process's generator."""
    stop, built = threading.Event(), []
    experiment = Experiment.of("builder")

    def build():
        while not stop.is_set():
            built.append(vision.build(experiment))

    thread = threading.Thread(target=build)
    thread.start()
    try:
        yield built
    finally:
        stop.set()
        thread.join()


def values(model):
    return [p.detach() for p in model.parameters()]


def same(a, b):
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("key", KEYS)
def test_a_seed_gives_the_weights_torch_gives_and_leaves_the_global_generator_alone(key):
    experiment = Experiment.of(key, seed=7)
    sizes = [len(Text.vocabulary)] if experiment.rung.is_language else []
    torch.manual_seed(7)
    wanted, state = experiment.rung.build(experiment, *sizes), torch.get_rng_state()
    assert same(values(prepare.model_for(experiment, Text)), values(wanted))
    assert torch.equal(torch.get_rng_state(), state)


def test_initial_weights_do_not_depend_on_who_else_builds_networks():
    experiment = Experiment.of("lstm", hidden=128)
    alone = values(prepare.model_for(experiment, Text))
    with somebody_building() as built:
        beside = [values(prepare.model_for(experiment, Text)) for _ in range(20)]
    assert built and all(same(found, alone) for found in beside)


def test_threads_that_draw_from_generators_of_their_own_do_not_meet():
    found = {}

    def build(seed):
        with drawing_from(torch.Generator().manual_seed(seed)):
            found[seed] = [values(nn.Linear(64, 64)) for _ in range(30)]

    threads = [threading.Thread(target=build, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(4):
        torch.manual_seed(seed)
        assert all(same(layer, values(nn.Linear(64, 64))) for layer in found[seed])


# -- masks -------------------------------------------------------------------------------------------
def test_dropout_is_pytorchs_with_masks_of_its_own():
    ours, theirs, x = Dropout(0.3), nn.Dropout(0.3), torch.randn(50, 20)
    own_masks(ours, Masks(CPU, 9))
    torch.manual_seed(9)
    wanted, state = [theirs(x), theirs(x)], torch.get_rng_state()
    assert same([ours(x), ours(x)], wanted) and torch.equal(torch.get_rng_state(), state)
    ours.p = 0.0
    assert ours(x) is x and ours.eval()(x) is x


@pytest.mark.parametrize(("kind", "reference"), KINDS)
@pytest.mark.parametrize("carried", [False, True])
def test_recurrent_layers_are_pytorchs_with_masks_of_their_own(kind, reference, carried):
    """Outputs, states and gradients, to the last bit; three layers, so that more than one mask is drawn a step."""
    torch.manual_seed(0)
    theirs, x = reference(5, 16, 3, dropout=0.5), torch.randn(7, 4, 5)
    ours = kind(5, 16, 3, dropout=0.5)
    ours.load_state_dict(theirs.state_dict())
    own_masks(ours, Masks(CPU, 9))
    start = torch.randn(3, 4, 16)
    start = ((start, start + 1) if reference is nn.LSTM else start) if carried else None
    torch.manual_seed(9)
    outcomes = []
    for layers in (theirs, ours):
        x.grad = None
        out, end = layers(x.requires_grad_(), start)
        (out.square().mean() + sum(part.sum() for part in ([end] if torch.is_tensor(end) else end))).backward()
        ends = [end] if torch.is_tensor(end) else list(end)
        outcomes.append([out, *ends, x.grad, *(p.grad for p in layers.parameters())])
    assert same(*outcomes)
    assert same([ours.eval()(x, start)[0]], [theirs.eval()(x, start)[0]])
    assert ours.state_dict().keys() == theirs.state_dict().keys()


def test_a_copy_draws_on_its_own():
    layer, x = Dropout(0.5), torch.ones(64)
    own_masks(layer, Masks(CPU, 3))
    layer(x)
    twin = copy.deepcopy(layer)
    wanted = [layer(x) for _ in range(3)]
    assert same([twin(x) for _ in range(3)], wanted)


@pytest.mark.filterwarnings("ignore:Accessing the data pointer")
@pytest.mark.parametrize(("kind", "reference"), KINDS)
def test_cudnn_is_given_the_runs_own_state(kind, reference, monkeypatch):
    """On a fake CUDA device: what is asked of cuDNN, and that gradients come back from it."""
    asked, cudnn = [], torch._cudnn_rnn
    monkeypatch.setattr(torch, "_cudnn_rnn", lambda *args: asked.append(args) or cudnn(*args))
    monkeypatch.setattr(torch.backends.cudnn, "is_acceptable", lambda x: True)
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(randomness, "_buffer", lambda weights: None)  # a fake tensor has no memory
    with FakeTensorMode():
        with torch.device("cuda"):
            layers, x = kind(5, 16, 2, dropout=0.25).train(), torch.zeros(7, 4, 5)
            layers.masks = Masks(CPU, 0)
            state = layers.masks._cudnn = torch.zeros(8, dtype=torch.uint8)
        out, end = layers(x)
    *_, layer_count, _, p, training, _, _, given = asked[0]
    assert (layer_count, p, training) == (2, 0.25, True) and given is state
    assert out.shape == (7, 4, 16) and "Cudnn" in type(out.grad_fn).__name__ and out.device.type == "cuda"
    ends = list(end) if reference is nn.LSTM else [end]
    assert [part.shape for part in ends] == [(2, 4, 16)] * (2 if reference is nn.LSTM else 1)


def test_weights_in_one_stretch_of_memory_are_handed_over_as_one():
    whole = torch.arange(5.0)
    assert torch.equal(randomness._buffer([whole[:3], whole[3:]]), whole)
    assert randomness._buffer([whole[:3], torch.zeros(2)]) is None


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("kind", "reference"), KINDS)
def test_masks_repeat_on_a_real_cuda_device(kind, reference):
    place, x = torch.device("cuda"), torch.randn(7, 4, 5, device="cuda")
    layers = kind(5, 16, 2, dropout=0.5).to(place)
    own_masks(layers, masks := Masks(place, 9))
    before = masks.get_state()
    first = [layers(x)[0] for _ in range(3)]
    reference(5, 16, 2, dropout=0.5).to(place)(x)  # somebody else's
    masks.set_state(before)
    assert same([layers(x)[0] for _ in range(3)], first) and not torch.equal(first[0], first[1])
    own_masks(layers, Masks(place, 9))
    assert torch.equal(layers(x)[0], first[0])
    with torch.backends.cudnn.flags(enabled=False):
        own_masks(layers, Masks(place, 9))
        layers.dropout = 1e-9  # nothing is dropped: both ways agree
        slow = layers(x)[0]
    torch.testing.assert_close(layers(x)[0], slow, rtol=1e-3, atol=1e-3)
    layers(x)[0].sum().backward()
    assert all(p.grad is not None for p in layers.parameters())
