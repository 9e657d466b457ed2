"""A cell's formula with a unit's numbers in it gives what the model has."""

import math

import pytest
import torch

from explorer.figures import formulas
from explorer.probes import gates


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize("key", ["stateful", "rnn-cell", "gru", "gru-cell", "lstm"])
@pytest.mark.parametrize("at", [0, 1, 9])
def test_the_numbers_of_a_unit_give_its_state(tiny, key, at) -> None:
    model = tiny(key).model.eval()
    tokens = torch.arange(2, 14)
    traced = gates.trace(model, tokens)
    for unit in (0, 7):
        found = gates.worked(model, traced, tokens, at, unit)
        total = {name: found.given[name] + found.recurrent[name] for name in found.gates}
        if len(total) == 1:
            assert math.tanh(total["h"]) == pytest.approx(found.h[1], abs=1e-5)
        elif len(total) == 3:
            r, z = sigmoid(total["r"]), sigmoid(total["z"])
            n = math.tanh(found.given["n"] + r * found.recurrent["n"])
            assert (r, z, n) == pytest.approx(tuple(found.gates.values()), abs=1e-5)
            assert n + z * (found.h[0] - n) == pytest.approx(found.h[1], abs=1e-5)
        else:
            i, f, g, o = (sigmoid(total[k]) if k != "g" else math.tanh(total[k]) for k in "ifgo")
            c = f * found.c[0] + i * g
            assert c == pytest.approx(found.c[1], abs=1e-5)
            assert o * math.tanh(c) == pytest.approx(found.h[1], abs=1e-5)
        assert (found.h[0] == 0.0) == (at == 0)


def test_the_formulas_carry_those_numbers(tiny) -> None:
    model = tiny("gru").model.eval()
    tokens = torch.arange(2, 14)
    found = gates.worked(model, gates.trace(model, tokens), tokens, 5, 3)
    lines = formulas.with_numbers(found)
    assert len(lines) == len(formulas.general(found)) == 4
    assert lines[0].endswith(f"\\mathbf{{{found.gates['r']:.2f}}}") and f"{found.given['r']:.2f}" in lines[0]
    assert lines[-1].endswith(f"\\mathbf{{{found.h[1]:.2f}}}")
    assert formulas.aligned(lines).count("&=") == 4
