"""The language ladder: sizes, one signature for all, and equal results where the lecture says they are equal."""

import pytest
import torch

from explorer import ladders
from explorer.experiment import Experiment
from explorer.models.char_rnn import build, repackage

KEYS = [rung.key for rung in ladders.LANGUAGE]
VOCABULARY = 55


def made(key, **settings):
    torch.manual_seed(0)
    return build(Experiment.of(key, **{"n_fac": 6, "hidden": 16, **settings}), VOCABULARY).eval()


def text(length=8, batch=4):
    return torch.randint(0, VOCABULARY, (length, batch), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("key", "count"),
    [
        ("stateful", 93_245),
        ("rnn-cell", 93_245),
        ("char-rnn", 93_245),
        ("char-seq", 93_245),
        ("gru", 246_845),
        ("gru-cell", 246_845),
        ("lstm", 3_270_461),
        # three arrows: n_fac → hidden, hidden → hidden, hidden → vocabulary; and the embedding
        ("char3", 55 * 42 + (42 + 1) * 256 + (256 + 1) * 256 + (256 + 1) * 55),
        ("char-loop", 55 * 42 + (42 + 1) * 256 + (256 + 1) * 256 + (256 + 1) * 55),
    ],
)
def test_parameter_counts_are_the_lectures(key, count):
    with torch.device("meta"):
        model = build(Experiment.of(key), VOCABULARY)
    assert sum(p.numel() for p in model.parameters()) == count


@pytest.mark.parametrize("key", KEYS)
def test_every_rung_is_called_the_same_way(key):
    model, rung = made(key), ladders.rung(key)
    x = text(3 if key == "char3" else 8)
    logits, state = model(x, None)
    whole = rung.cut in ("stream", "segments")
    assert logits.shape == ((*x.shape, VOCABULARY) if whole else (x.size(1), VOCABULARY))
    assert model.stateful == (rung.cut == "stream")
    if model.stateful:
        again, _ = model(x, state)
        assert not torch.equal(logits, again), "the state makes no difference"
    assert type(model) is rung.model_class and type(model).__name__ == rung.class_name


@pytest.mark.parametrize(("ours", "theirs"), [("rnn-cell", "stateful"), ("gru-cell", "gru")])
def test_the_loop_by_hand_equals_pytorchs_from_the_same_weights(ours, theirs):
    """Over two batches, so that the carried state counts; gradients too."""
    hand, torchs = made(ours, hidden=24), made(theirs, hidden=24)
    names = {name: name.replace("_l0", "") for name in torchs.state_dict()}
    hand.load_state_dict({names[name]: tensor for name, tensor in torchs.state_dict().items()})
    outputs = []
    for model in (hand, torchs):
        model.zero_grad()
        first, state = model(text(), None)
        second, _ = model(text(5), repackage(state))
        (first.square().mean() + second.square().mean()).backward()
        outputs.append((first, second, {n: p.grad for n, p in model.named_parameters()}))
    (a1, a2, mine), (b1, b2, reference) = outputs
    torch.testing.assert_close(a1, b1, rtol=0, atol=1e-6)
    torch.testing.assert_close(a2, b2, rtol=0, atol=1e-6)
    for name, gradient in reference.items():
        torch.testing.assert_close(mine[names[name]], gradient, rtol=0, atol=1e-6)


def test_three_characters_written_down_equal_the_loop():
    three, loop = made("char3"), made("char-loop")
    loop.load_state_dict(three.state_dict())
    torch.testing.assert_close(three(text(3))[0], loop(text(3))[0])


def test_the_last_prediction_of_char_seq_is_char_rnns():
    last, every = made("char-rnn"), made("char-seq")
    last.load_state_dict(every.state_dict())
    torch.testing.assert_close(last(text())[0], every(text())[0][-1])


@pytest.mark.parametrize("key", ["stateful", "rnn-cell", "gru-cell", "gru", "lstm"])
def test_carrying_the_state_equals_reading_everything_at_once(key):
    model, x = made(key), text(12)
    whole, _ = model(x, None)
    first, state = model(x[:5], None)
    second, _ = model(x[5:], repackage(state))
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("key", ["stateful", "lstm", "gru-cell"])
def test_a_repackaged_state_keeps_its_values_and_forgets_its_history(key):
    _, state = made(key)(text(), None)
    cut = repackage(state)
    pairs = zip(state, cut, strict=True) if isinstance(state, tuple) else [(state, cut)]
    for before, after in pairs:
        assert before.requires_grad and not after.requires_grad and torch.equal(before, after)
    assert repackage(None) is None


def test_dropout_acts_between_layers_only():
    assert made("lstm", layers=1, dropout=0.5).rnn.dropout == 0
    model = made("lstm", layers=2, dropout=0.5).train()
    assert not torch.equal(model(text())[0], model(text())[0])
    assert model.rnn.num_layers == 2 and model(text())[1][0].shape == (2, 4, 16)
