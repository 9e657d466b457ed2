"""Figures of gradients through time, of influence and of gates."""

import numpy as np
import torch

from explorer.figures import through_time
from explorer.probes import gates, gradients
from explorer.runs.through_time import Explosion
from tests.figures.size import small_enough


def test_gradient_figures(tiny):
    learner = tiny("lstm")
    tokens = learner.data.valid[:400]
    text = learner.data.vocabulary.decode(tokens.tolist())
    curve = gradients.reach(learner.model, tokens, lags=200, samples=4)
    for relative in (False, True):
        figure = small_enough(through_time.reach_curves({"LSTM": curve}, relative=relative, bptt=8))
        assert figure.layout.yaxis.type == "log" and len(figure.data) == 4
    bars = small_enough(through_time.influence_bars(gradients.influence(learner.model, tokens, 80), text)).data[0]
    assert len(bars.y) == 60 == len(bars.customdata)
    traced = gates.trace(learner.model, tokens)
    for name in traced.layers[0]:
        heat = small_enough(through_time.gate_map(traced, text, name, first=10, length=500)).data[0]
        assert heat.z.shape == (16, through_time.CHARACTERS)
    best = gates.tracking(traced, text)[0]
    small_enough(through_time.tracked_unit(traced, text, best, gates.features(text)[best.feature]))
    norms = np.geomspace(1, 1e6, 5000)
    runs = [Explosion("lr", lr, clip, norms, norms) for lr in (0.1, 1.0) for clip in (0.0, 1.0)]
    small_enough(through_time.exploding_norms(runs))
    assert torch.is_grad_enabled()


def test_reach_curves_wear_their_models_looks_and_end_where_nothing_arrives():
    lags = np.arange(30)
    fading = np.exp(-3.0 * lags)
    rnn = gradients.ReachCurve(lags, fading, fading / 2, fading * 2, None, 4)
    lstm = gradients.ReachCurve(lags, fading, fading / 2, fading * 2, fading, 4)
    looks = {"RNN": ("#3D7DC8", "solid"), "LSTM": ("#B5467F", "solid"), "LSTM, fresh": ("#B5467F", "dot")}
    figure = through_time.reach_curves({"RNN": rnn, "LSTM": lstm, "LSTM, fresh": lstm}, looks)
    worn = {trace.name: (trace.line.color, trace.line.dash) for trace in figure.data if trace.name}
    assert {name: worn[name] for name in looks} == looks
    assert worn["LSTM, cell state"] == ("#B5467F", "dash") and worn["LSTM, fresh, cell state"] == ("#B5467F", "dot")
    low, high = figure.layout.yaxis.range
    assert low == np.log10(through_time.FLOOR) and 0 < high < 1
