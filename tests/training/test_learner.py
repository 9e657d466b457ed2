"""The learner: an iterator that any driver steps as it likes, exactly repeatable, never waiting for the device."""

import copy
from itertools import islice

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from explorer import ladders
from explorer.data import Batch
from explorer.experiment import Experiment
from explorer.models import generate
from explorer.models.sampling import Sampling
from explorer.store.history import History
from explorer.training import prepare
from explorer.training.learner import Epoch, Learner, Step, cross_entropy
from explorer.training.optimisers import make_optimiser
from explorer.training.schedules import plan

KEYS = [rung.key for rung in ladders.LANGUAGE]


def weights(learner):
    return torch.cat([p.detach().flatten() for p in learner.model.parameters()])


def run(learner, count=None):
    events = learner.steps(plan(learner.experiment))
    return list(islice(events, count))


def equal(a, b):
    """Whether two captured states are the same to the last bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    return a == b


@pytest.mark.parametrize("key", KEYS)
def test_every_rung_learns_something(tiny, key):
    learner = tiny(key, lr=2e-2, epochs=2, batch_size=16 if ladders.rung(key).cut != "sliding" else 128)
    before = learner.evaluate()[0]
    events = run(learner)
    epochs = [event for event in events if isinstance(event, Epoch)]
    assert [event.number for event in epochs] == [1, 2]
    assert epochs[-1].val_loss < before - 0.2 and 0 < epochs[-1].accuracy < 1


def test_control_comes_back_after_every_step_and_every_validation(tiny):
    learner = tiny(jitter=False)
    events = run(learner)
    steps = [event for event in events if isinstance(event, Step)]
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    per_epoch = len(steps) // 2
    assert [isinstance(event, Epoch) for event in events] == ([False] * per_epoch + [True]) * 2
    assert events[-1].step == len(steps) == learner.step
    assert steps[0].epoch == 0 and steps[per_epoch].epoch == 1 and 0 < steps[1].epoch < steps[2].epoch < 1
    assert all(step.loss.requires_grad is False and step.loss.dim() == 0 for step in steps)


def test_nothing_happens_until_it_is_asked_for(tiny):
    learner = tiny()
    before = weights(learner)
    learner.steps(plan(learner.experiment))
    assert torch.equal(weights(learner), before) and learner.step == 0


def test_an_uneven_drive_gives_the_very_same_weights(tiny):
    straight = tiny("lstm", clip=1.0)
    run(straight)
    other = tiny("lstm", clip=1.0)
    for number, _ in enumerate(other.steps(plan(other.experiment))):
        if number % 20 == 0:  # looks at it between two steps, as a page does
            other.evaluate()
            copied = copy.deepcopy(other.model).eval()
            list(generate.sample(copied, other.data.vocabulary, Sampling("a", 3)))
    assert torch.equal(weights(other), weights(straight))


def test_validating_between_two_steps_leaves_dropout_on(tiny):
    learner = tiny("lstm")
    events = learner.steps(plan(learner.experiment))
    next(events)
    learner.evaluate()
    assert learner.model.training
    learner.model.eval()
    learner.evaluate()
    assert not learner.model.training


def test_two_learners_stepped_in_turn_do_as_each_alone(tiny):
    alone = [tiny("gru", lr=lr) for lr in (1e-2, 1e-3)]
    for learner in alone:
        run(learner)
    together = [tiny("gru", lr=lr) for lr in (1e-2, 1e-3)]
    for _ in zip(*(learner.steps(plan(learner.experiment)) for learner in together), strict=True):
        pass
    for a, b in zip(alone, together, strict=True):
        assert torch.equal(weights(a), weights(b))


def test_the_seed_decides_everything_and_another_one_something_else(tiny):
    first, second, third = tiny(), tiny(), tiny(seed=1)
    for learner in (first, second, third):
        run(learner, 12)
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(third))


def test_a_run_with_dropout_does_not_depend_on_what_else_draws(tiny):
    """A page makes a layer, another run is prepared, a sweep ends: this run's masks stay the seed's."""
    alone, beside = tiny("lstm"), tiny("lstm")
    run(alone, 12)
    for number, _ in zip(range(12), beside.steps(plan(beside.experiment)), strict=False):
        if number == 3:
            torch.nn.Conv2d(3, 8, 3)
        elif number == 6:
            run(tiny("lstm", seed=0), 2)
        elif number == 9:
            other = tiny("lstm")
            other.restore(other.capture())
    assert torch.equal(weights(alone), weights(beside))


@pytest.mark.parametrize("key", ["resnet2", "builder"])
def test_masks_of_a_vision_run_are_its_seeds(key):
    experiment = Experiment.of(key, dropout=0.5, widths="4,8")
    batch = Batch(torch.randn(16, 3, 32, 32), torch.arange(16) % 10)
    losses = []
    for other in (False, True):
        learner = Learner(prepare.model_for(experiment, None), None, experiment, torch.device("cpu"))
        learner.model.train()
        losses.append([])
        for _ in range(4):
            losses[-1].append(float(learner.train_batch(batch, 0.0).loss))
            torch.rand(3 if other else 0)
    assert losses[0] == losses[1] and len(set(losses[0])) == 4


@pytest.mark.parametrize("optimiser", ["adam", "adamw", "sgd", "nesterov"])
def test_capture_and_restore_are_exact_and_the_run_repeats(tiny, optimiser):
    """With dropout, jittered lengths, momentum, decay, clipping and a live change of each."""
    learner = tiny("lstm", optimiser=optimiser, weight_decay=1e-3, clip=0.5, lr=1e-2)
    list(learner.steps(plan(learner.experiment.replace(epochs=1))))
    captured = learner.capture()
    first = run(learner)
    learner.lr_factor = 3.0
    for name in ("dropout", "clip", "weight_decay"):
        learner.set_live(name, 0.1)
    learner.model.eval()
    after = weights(learner)
    learner.restore(captured)
    assert equal(learner.capture(), captured)
    second = run(learner)
    assert torch.equal(weights(learner), after)
    assert [e.loss.item() for e in first if isinstance(e, Step)] == [
        e.loss.item() for e in second if isinstance(e, Step)
    ]


def test_a_captured_state_can_be_restored_twice(tiny):
    learner = tiny("lstm")
    captured = learner.capture()
    results = []
    for _ in range(2):
        run(learner, 5)
        results.append(weights(learner))
        learner.restore(captured)
    assert torch.equal(*results)


def starts(learner, steps=30):
    """At which steps a batch began without a memory."""
    found, real = [], learner.model.forward

    def watch(x, state=None):
        if learner.model.training:
            found.append(state is None)
        return real(x, state)

    learner.model.forward = watch
    epochs, losses = learner.experiment.total_epochs, 0
    for event in learner.steps(plan(learner.experiment)):
        losses += isinstance(event, Step)
    assert losses == len(found) and epochs == 2
    return found


def test_the_state_is_kept_reset_each_epoch_or_reset_each_batch(tiny):
    never = starts(tiny("gru", jitter=False, reset="never"))
    epoch = starts(tiny("gru", jitter=False, reset="epoch"))
    batch = starts(tiny("gru", jitter=False, reset="batch"))
    half = len(never) // 2
    assert [i for i, new in enumerate(never) if new] == [0]
    assert [i for i, new in enumerate(epoch) if new] == [0, half]
    assert all(batch)


def test_models_without_memory_always_begin_anew(tiny):
    assert all(starts(tiny("char-seq")))


def test_validation_does_not_touch_the_carried_state(tiny):
    learner = tiny("lstm")
    run(learner, 4)
    state = [part.clone() for part in learner.state]
    learner.evaluate()
    assert all(torch.equal(a, b) for a, b in zip(state, learner.state, strict=True))
    assert all(not part.requires_grad for part in learner.state)


@pytest.mark.parametrize("key", ["gru", "char-seq", "char-rnn"])
def test_the_validation_loss_is_the_exact_mean_over_every_character(tiny, key):
    learner = tiny(key)
    total, right, count, state = 0.0, 0, 0, None
    learner.model.eval()
    with torch.no_grad():
        for batch in learner.data.valid_batches():
            logits, state = learner.model(batch.x, state if learner.model.stateful else None)
            logits, y = logits.flatten(0, -2), batch.y.flatten()
            total += torch.nn.functional.cross_entropy(logits, y, reduction="sum").item()
            right += int((logits.argmax(1) == y).sum())
            count += len(y)
    loss, accuracy = learner.evaluate()
    assert loss == pytest.approx(total / count, rel=1e-5) and accuracy == pytest.approx(right / count)
    assert (loss, accuracy) == learner.evaluate()


def test_the_plan_sets_each_steps_rate_and_a_live_factor_scales_it(tiny):
    learner = tiny(schedule="one-cycle", optimiser="sgd", lr=0.4)
    planned, steps = plan(learner.experiment), learner.steps(plan(learner.experiment))
    for number in range(20):
        learner.lr_factor = 1.0 if number < 10 else 0.5
        step = next(steps)
        assert step.lr == pytest.approx(planned.lr(step.epoch) * learner.lr_factor)
        assert step.momentum == pytest.approx(planned.momentum(step.epoch))
        assert learner.optimiser.param_groups[0]["lr"] == step.lr
        assert learner.optimiser.param_groups[0]["momentum"] == step.momentum


def test_live_changes_reach_the_model_and_the_optimiser(tiny):
    learner = tiny("lstm")
    learner.set_live("dropout", 0.25)
    learner.set_live("weight_decay", 0.01)
    learner.set_live("clip", 0.5)
    assert learner.model.rnn.dropout == 0.25 and learner.clip == 0.5
    assert {group["weight_decay"] for group in learner.optimiser.param_groups} == {0.01}


def test_clipping_bounds_the_gradient_and_tells_its_norm_before(tiny):
    learner = tiny(clip=1e-3)
    step = run(learner, 1)[0]
    norm = torch.stack([p.grad.norm() for p in learner.model.parameters()]).norm()
    assert step.grad_norm > 1e-2 and norm == pytest.approx(1e-3, rel=1e-2)
    assert run(tiny(), 1)[0].grad_norm is None
    watched = tiny()
    watched.watch_gradients = True
    assert run(watched, 1)[0].grad_norm == pytest.approx(step.grad_norm.item())


@pytest.mark.parametrize(
    ("name", "kind", "extra"),
    [
        ("adam", torch.optim.Adam, {}),
        ("adamw", torch.optim.AdamW, {}),
        ("sgd", torch.optim.SGD, {"momentum": 0.9, "nesterov": False}),
        ("nesterov", torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    ],
)
def test_optimisers(name, kind, extra):
    experiment = Experiment.of("gru", optimiser=name, weight_decay=0.01, lr=0.5)
    made = make_optimiser(torch.nn.Linear(2, 2), experiment, torch.device("cpu"))
    group = made.param_groups[0]
    assert type(made) is kind and group["lr"] == 0.5 and group["weight_decay"] == 0.01
    assert {name: group[name] for name in extra} == extra


def test_the_loss_is_the_mean_over_time_and_batch():
    logits, y = torch.randn(3, 2, 5), torch.randint(0, 5, (3, 2))
    by_hand = -logits.log_softmax(-1).gather(-1, y[..., None]).mean()
    torch.testing.assert_close(cross_entropy(logits, y), by_hand)


SYNCS = ["item", "tolist", "numpy", "cpu", "__bool__", "__float__", "__int__", "__index__", "nonzero"]


@pytest.mark.parametrize("key", KEYS)
def test_no_step_waits_for_the_device(tiny, key, monkeypatch):
    learner = tiny(key, clip=1.0, optimiser="sgd")  # Adam counts its steps on the host, with item()
    steps = learner.steps(plan(learner.experiment))
    next(steps)  # the batches' lengths and order, drawn on the host, are read once an epoch
    waits = []
    for name in SYNCS:
        real = getattr(torch.Tensor, name)

        def watched(self, *args, name=name, real=real, **kwargs):
            waits.append(name)
            return real(self, *args, **kwargs)

        monkeypatch.setattr(torch.Tensor, name, watched)
    history = History()
    events = list(islice(steps, 8))
    for event in events:
        history.add(event)
    monkeypatch.undo()
    assert all(isinstance(event, Step) for event in events)
    assert waits == []


@pytest.mark.parametrize("key", KEYS)
def test_every_rung_keeps_to_one_device(key, tiny, monkeypatch):
    """Fake tensors on a device that is not the host: a tensor made on the host by mistake is an error.

    The device is called meta because back-propagation on a fake CUDA device needs a real driver.
    """
    host, place = tiny(key, clip=1.0), torch.device("meta")
    with FakeTensorMode():
        with place:
            model = host.experiment.rung.build(host.experiment, len(host.data.vocabulary))
        model.to = lambda device: model  # it is there already, and a fake cannot be moved in place
        real = torch.Generator  # there is no real device to draw on; a fake draw asks no generator
        monkeypatch.setattr(torch, "Generator", lambda device="cpu": real("cpu"))
        learner = Learner(model, host.data, host.experiment, place)
        x = torch.zeros(3 if key == "char3" else 8, 4, dtype=torch.int64, device=place)
        with pytest.raises(RuntimeError, match="device"):
            model.l_out(torch.zeros(4, host.experiment.hidden))
        y = x if host.experiment.rung.cut in ("stream", "segments") else x[-1]
        for _ in range(2):  # the second with a carried state
            step = learner.train_batch(Batch(x, y), 0.1)
        assert step.loss.device == step.grad_norm.device == place
        assert all(p.device == p.grad.device == place for p in model.parameters())

        monkeypatch.setattr(host.data, "valid_batches", lambda: iter([Batch(x, y), Batch(x, y)]))
        with pytest.raises(DataDependentOutputException):  # its very last line needs values: two numbers for the host
            learner.evaluate()

        monkeypatch.setattr(torch.Tensor, "exponential_", lambda self, generator: self)
        drawn = list(generate.tokens(model.eval(), x[:, :1], 2, [1.0, 0.0], top_k=3, window=len(x)))
        assert [part.device for pair in drawn for part in pair] == [place] * 4


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("key", KEYS)
def test_every_rung_trains_and_writes_on_a_real_cuda_device(key, tiny):
    from explorer.data import Source
    from explorer.data import text as corpus

    host, cuda = tiny(key, lr=1e-2), torch.device("cuda")
    text = "thus spoke the text of a test, again and again.\n" * 300
    data = corpus.TextData(corpus.prepare(text, Source("Test", "standin", "")), host.experiment, cuda)
    model = host.experiment.rung.build(host.experiment, len(data.vocabulary))
    learner = Learner(model, data, host.experiment, cuda)
    before = learner.evaluate()[0]
    torch.cuda.set_sync_debug_mode("error")
    try:
        batches = data.train_batches(learner.generator)
        for batch in islice(batches, 20):
            step = learner.train_batch(batch, 1e-2)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert step.loss.is_cuda and learner.evaluate()[0] < before
    captured = learner.capture()
    for batch in islice(data.train_batches(learner.generator), 3):
        learner.train_batch(batch, 1e-2)
    learner.restore(captured)
    assert equal(learner.capture(), captured)
    window = host.experiment.window
    assert len(list(generate.sample(learner.model.eval(), data.vocabulary, Sampling("thus", 20, 1.0), window))) == 20


@pytest.mark.parametrize("precision", ["auto", "bfloat16"])
def test_bfloat16_trains_close_to_float32_and_is_judged_in_float32(precision):
    experiment = Experiment.of("convnet2", precision=precision)
    torch.manual_seed(0)
    learner = Learner(experiment.rung.build(experiment), None, experiment, torch.device("cpu"))
    seen = []
    learner.model.register_forward_hook(lambda module, given, logits: seen.append(logits.dtype))
    batch = Batch(torch.randn(16, 3, 32, 32), torch.arange(16) % 10)
    learner.data = Judged([batch])
    learner.model.train()
    before = learner.evaluate()[0]
    loss = learner.train_batch(batch, 0.1).loss
    assert loss.item() == pytest.approx(before, abs=0.03)
    trained_in = torch.bfloat16 if precision == "bfloat16" else torch.float32
    assert seen == [torch.float32, trained_in]
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in learner.model.parameters())


class Judged:
    """Data that is only validated on."""

    def __init__(self, batches):
        self.batches = batches

    def valid_batches(self):
        return iter(self.batches)
