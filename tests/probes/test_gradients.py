"""Gradients through time against finite differences; gates against the formulas by hand; text features."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from explorer.errors import SettingsError
from explorer.experiment import Experiment
from explorer.models.char_rnn import build
from explorer.probes import gates, gradients

VOCABULARY = 11
RUNGS = ("stateful", "rnn-cell", "gru", "gru-cell", "lstm")


def model_of(key, hidden=8, layers=1, seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    changes = {"hidden": hidden, "n_fac": 4}
    if key not in ("rnn-cell", "gru-cell"):
        changes |= {"layers": layers, "dropout": 0.5 if layers > 1 else 0.0}
    return build(Experiment.of(key, **changes), VOCABULARY).to(dtype)


@pytest.fixture
def tokens():
    return torch.randint(VOCABULARY, (300,), generator=torch.Generator().manual_seed(1))


def finite_differences(model, columns, lag, part, epsilon=1e-6):
    """Mean over samples of the norm of d loss / d state, by nudging every number of one state."""
    model.eval()
    end = len(columns) - 2 - lag  # the state after reading columns[end]
    with torch.no_grad():
        _, state = model(columns[: end + 1], None)

        def losses(states):
            if lag:
                _, states = model(columns[end + 1 : -1], states)
            h = states[0] if isinstance(states, tuple) else states
            return F.cross_entropy(model.l_out(h[-1] if h.dim() == 3 else h), columns[-1], reduction="none")

        parts = list(state) if isinstance(state, tuple) else [state]
        squares = torch.zeros(columns.shape[1], dtype=torch.float64)
        shape = parts[part].shape
        rows = parts[part].reshape(-1, *shape[-2:])
        for layer in range(len(rows)):
            for unit in range(shape[-1]):
                ends = []
                for sign in (1, -1):
                    nudged = [p.clone() for p in parts]
                    nudged[part].reshape(-1, *shape[-2:])[layer, :, unit] += sign * epsilon
                    ends.append(losses(tuple(nudged) if isinstance(state, tuple) else nudged[0]))
                squares += ((ends[0] - ends[1]) / (2 * epsilon)) ** 2
    return float(squares.sqrt().mean())


@pytest.mark.parametrize("key, layers", [(key, 1) for key in RUNGS] + [("lstm", 2), ("gru", 2)])
def test_reach_equals_finite_differences(key, layers, tokens):
    model = model_of(key, layers=layers)
    curve = gradients.reach(model, tokens, lags=12, samples=5, seed=3)
    columns = gradients._columns(tokens, gradients.WARM_UP + 14, 5, 3)
    for lag in (0, 1, 2, 5, 12):
        expected = finite_differences(model, columns, lag, 0)
        assert curve.hidden[lag] == pytest.approx(expected, rel=1e-4), lag
        if curve.cell is not None:
            assert curve.cell[lag] == pytest.approx(finite_differences(model, columns, lag, 1), rel=1e-4, abs=1e-12), (
                lag
            )
    assert (curve.cell is not None) == (key == "lstm")
    assert np.all(curve.low <= curve.high) and len(curve.lags) == 13


def test_reach_leaves_the_model_alone(tokens):
    model = model_of("gru", layers=2).train()
    before = {name: p.clone() for name, p in model.named_parameters()}
    gradients.reach(model, tokens, lags=5, samples=2)
    assert model.training and all(p.grad is None for p in model.parameters())
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


def test_reach_of_frozen_weights_and_its_horizon(tokens):
    model = model_of("stateful")
    trainable = gradients.reach(model, tokens, lags=20, samples=4)
    frozen = gradients.reach(model.requires_grad_(False), tokens, lags=20, samples=4)
    np.testing.assert_allclose(frozen.hidden, trainable.hidden)
    assert 0 < trainable.horizon(0.01) < 20  # a fresh RNN forgets fast


def test_reach_refuses_what_it_cannot_do(tokens):
    with pytest.raises(SettingsError, match="no hidden state"):
        gradients.reach(model_of("char-seq"), tokens)
    with pytest.raises(SettingsError, match="300 characters"):
        gradients.reach(model_of("gru"), tokens, lags=290)


def test_an_lstm_that_keeps_its_cell_reaches_further_than_an_rnn(tokens):
    lstm, rnn = model_of("lstm", 16), model_of("stateful", 16)
    with torch.no_grad():
        lstm.rnn.bias_hh_l0[16:32] = 10.0  # forget gate open
    far = gradients.reach(lstm, tokens, lags=100, samples=4)
    near = gradients.reach(rnn, tokens, lags=100, samples=4)
    assert far.cell[100] > 0.1 * far.cell[1] and near.hidden[100] < 1e-6 * near.hidden[0]


@pytest.mark.parametrize("key", [*RUNGS, "char-loop", "char-rnn"])
def test_influence_equals_finite_differences(key, tokens):
    model, position, epsilon = model_of(key), 6, 1e-6
    found = gradients.influence(model, tokens, position)
    embedded = model.e(tokens[:position]).detach()
    model.eval()

    def log_p(vectors):
        given = iter(vectors) if key == "char-loop" else None
        hook = model.e.register_forward_hook(lambda m, a, out: next(given)[None] if given else vectors[:, None])
        with torch.no_grad():
            logits, _ = model(tokens[:position, None], None)
        hook.remove()
        return float((logits[-1, 0] if logits.dim() == 3 else logits[0]).log_softmax(-1)[tokens[position]])

    for i in range(position):  # along the embedding itself: the directional derivative is gradient × input
        up, down = embedded.clone(), embedded.clone()
        up[i] *= 1 + epsilon
        down[i] *= 1 - epsilon
        assert found.score[i] == pytest.approx((log_p(up) - log_p(down)) / (2 * epsilon), abs=1e-7)
    assert len(found.score) == position and found.probability == pytest.approx(np.exp(log_p(embedded)))
    assert all(p.grad is None for p in model.parameters()) and not model.e._forward_hooks
    with pytest.raises(SettingsError):
        gradients.influence(model, tokens, 0)


def test_visitors_who_look_at_one_model_at_once_each_see_their_own_influences(tokens):
    """The network a page shows is everybody's: a hook on it would see everybody's characters."""
    model = model_of("gru", hidden=32).eval()
    places = (20, 90, 150, 290)
    alone = [gradients.influence(model, tokens, at) for at in places]

    def look(number):
        return [gradients.influence(model, tokens, places[number]) for _ in range(15)]

    with ThreadPoolExecutor(len(places)) as visitors:
        for found, wanted in zip(visitors.map(look, range(len(places))), alone, strict=True):
            for one in found:
                np.testing.assert_array_equal(one.score, wanted.score)
                assert one.probability == wanted.probability


def test_no_visit_touches_cudnns_switch_which_is_the_whole_processs(tokens, monkeypatch):
    """Two visits that overlap would each put back what they found: off."""
    monkeypatch.setattr(torch.backends.cudnn, "flags", lambda **_: pytest.fail("the switch is everybody's"))
    monkeypatch.setattr(torch._C, "_set_cudnn_enabled", lambda on: pytest.fail("the switch is everybody's"))
    gradients.reach(model_of("lstm", layers=2), tokens, lags=3, samples=2)
    gradients.influence(model_of("gru"), tokens, 5)


@pytest.mark.parametrize("key", ["stateful", "gru", "lstm"])
def test_cudnn_is_asked_in_training_mode_and_without_dropout(key, tokens, monkeypatch):
    """It can go back in no other; what is asked of it is what is asked on the host."""
    asked, real = [], getattr(torch, {"stateful": "rnn_tanh"}.get(key, key))

    def watched(*args):
        asked.append(args[4:7])
        return real(*args)

    monkeypatch.setattr(torch._VF, real.__name__, watched)
    model = model_of(key, layers=2, dtype=torch.float32).eval()
    gradients.influence(model, tokens, 5)
    assert asked == [(2, 0.0, True)] and not model.training and model.rnn.dropout == 0.5


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("key", ["stateful", "gru", "lstm"])
def test_reach_and_influence_on_a_real_cuda_device(key, tokens):
    model = model_of(key, layers=2, dtype=torch.float32).eval()
    host = gradients.reach(model, tokens, lags=10, samples=4), gradients.influence(model, tokens, 20)
    model, tokens = model.cuda(), tokens.cuda()
    there = gradients.reach(model, tokens, lags=10, samples=4), gradients.influence(model, tokens, 20)
    np.testing.assert_allclose(there[0].hidden, host[0].hidden, rtol=0.05)
    np.testing.assert_allclose(there[1].score, host[1].score, rtol=0.05, atol=1e-3)


def test_gru_gates_equal_those_by_hand(tokens):
    model = model_of("gru")
    h = gates.trace(model, tokens[:20]).layers[0]
    w_ih, w_hh, b_ih, b_hh = (w.detach().numpy() for w in model.rnn.all_weights[0])
    x, before = model.e(tokens[:20]).detach().numpy(), np.zeros(8)

    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    for t in range(20):
        i_r, i_z, i_n = np.split(w_ih @ x[t] + b_ih, 3)
        h_r, h_z, h_n = np.split(w_hh @ before + b_hh, 3)
        r, z = sigmoid(i_r + h_r), sigmoid(i_z + h_z)
        n = np.tanh(i_n + r * h_n)
        before = (1 - z) * n + z * before
        for name, value in zip("rznh", (r, z, n, before), strict=True):
            np.testing.assert_allclose(h[name][t], value, atol=1e-6)


@pytest.mark.parametrize("key, layers", [(key, 1) for key in RUNGS] + [("lstm", 2), ("stateful", 3)])
def test_trace_equals_the_modules_own_outputs(key, layers, tokens):
    model = model_of(key, layers=layers, dtype=torch.float32).train()
    traced = gates.trace(model, tokens)
    assert traced.error < 1e-5 and len(traced.layers) == layers and model.training
    if isinstance(model.rnn, nn.RNNBase):
        own = model.eval().rnn(model.e(tokens[:, None]))[0][:, 0].detach().numpy()
        np.testing.assert_allclose(traced.layers[-1]["h"], own, atol=1e-5)
    for values in traced.layers[-1].values():
        assert values.shape == (300, 8)
    spread = traced.layers[-1]["h"].std(0)[traced.liveliest()]
    assert np.all(np.diff(spread) <= 0)


def test_features_of_a_text():
    text = 'He said "no". Then\nall was well'
    found = gates.features(text)
    inside = found["inside quotation marks"]
    assert inside[text.index('"') + 1] == 1 and inside[0] == 0 and inside[-1] == 0
    assert found["position in line"][text.index("\n") + 1] == 1
    assert found["position in word"][text.index("said")] == 1 and found["position in word"][text.index("said") + 3] == 4
    assert found["capital"].sum() == 2
    assert "capital" not in gates.features("no capitals here") and "position in line" not in gates.features("ab c")


def test_a_text_of_marks_alone_has_nothing_to_follow():
    traced = gates.Trace(({"h": np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)},), 0.0)
    assert gates.tracking(traced, "?!?!?!?!") == () and gates.tracking(traced, "????????") == ()


def test_tracking_finds_the_unit_that_counts():
    text = 'one "two three" four. five "six"\nseven eight'
    random = np.random.default_rng(0).normal(size=(len(text), 6)).astype(np.float32)
    random[:, 4] = 2 - 3 * gates.features(text)["inside quotation marks"]
    random[:, 5] = 0.0  # a dead unit is no error
    best = gates.tracking(gates.Trace(({"h": random},), 0.0), text)
    assert best[0].feature == "inside quotation marks" and best[0].unit == 4
    assert best[0].correlation == pytest.approx(-1)
    expected = np.corrcoef(random[:, 0], gates.features(text)["vowel"])[0, 1]
    assert gates.correlation(random.astype(float), gates.features(text)["vowel"])[0] == pytest.approx(expected)
    with pytest.raises(SettingsError):
        gates.tracking(gates.Trace(({"h": random},), 0.0), text + "!")
