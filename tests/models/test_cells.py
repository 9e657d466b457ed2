"""The cells written by hand equal PyTorch's own, forward and backward, with the same weights."""

import pytest
import torch
from torch import nn

from explorer.models import cells

BATCH, N_IN, HIDDEN = 5, 7, 11


def weights_of(cell):
    return [p.detach().clone().requires_grad_() for p in (cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)]


def inputs(states=1):
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(BATCH, size, generator=generator, requires_grad=True) for size in (N_IN, *[HIDDEN] * states)]


def differences(ours, theirs, out, reference):
    """The largest difference of the outputs, and of every gradient of one random projection of them."""
    projection = torch.randn(reference.shape, generator=torch.Generator().manual_seed(4))
    a = torch.autograd.grad((out * projection).sum(), ours)
    b = torch.autograd.grad((reference * projection).sum(), theirs)
    return max((out - reference).abs().max(), *((x - y).abs().max() for x, y in zip(a, b, strict=True)))


@pytest.mark.parametrize(("function", "cell"), [(cells.rnn_cell, nn.RNNCell), (cells.gru_cell, nn.GRUCell)])
def test_the_hand_written_cell_is_pytorchs(function, cell):
    torch.manual_seed(0)
    theirs = cell(N_IN, HIDDEN)
    weights, (x, h), (x2, h2) = weights_of(theirs), inputs(), inputs()
    worst = differences([x, h, *weights], [x2, h2, *theirs.parameters()], function(x, h, *weights), theirs(x2, h2))
    assert worst <= 1e-6


def test_the_hand_written_lstm_cell_is_pytorchs():
    torch.manual_seed(0)
    theirs = nn.LSTMCell(N_IN, HIDDEN)
    weights, (x, h, c), (x2, h2, c2) = weights_of(theirs), inputs(2), inputs(2)
    out = torch.cat(cells.lstm_cell(x, h, c, *weights))
    worst = differences([x, h, c, *weights], [x2, h2, c2, *theirs.parameters()], out, torch.cat(theirs(x2, (h2, c2))))
    assert worst <= 1e-6


@pytest.mark.parametrize(("ours", "theirs"), [(cells.RNNCell, nn.RNNCell), (cells.GRUCell, nn.GRUCell)])
def test_modules_have_pytorchs_names_and_its_initial_weights(ours, theirs):
    torch.manual_seed(0)
    mine = ours(N_IN, HIDDEN)
    torch.manual_seed(0)
    reference = theirs(N_IN, HIDDEN)
    assert list(mine.state_dict()) == list(reference.state_dict())
    for name, tensor in reference.state_dict().items():
        torch.testing.assert_close(mine.state_dict()[name], tensor, rtol=0, atol=0)
    x, h = inputs()
    torch.testing.assert_close(mine(x, h), reference(x, h), rtol=0, atol=1e-6)


def test_gates_are_shares_and_a_closed_update_gate_keeps_the_old_state():
    torch.manual_seed(0)
    weights, (x, h) = weights_of(nn.GRUCell(N_IN, HIDDEN)), inputs()
    reset, update, new = cells.gru_gates(x, h, *weights)
    assert reset.min() > 0 and reset.max() < 1 and update.min() > 0 and update.max() < 1 and new.abs().max() < 1
    with torch.no_grad():
        weights[2][HIDDEN : 2 * HIDDEN] = 100.0  # z = 1
    torch.testing.assert_close(cells.gru_cell(x, h, *weights), h)


def test_an_lstm_gates_make_its_cell():
    torch.manual_seed(0)
    weights, (x, h, c) = weights_of(nn.LSTMCell(N_IN, HIDDEN)), inputs(2)
    i, f, g, o = cells.lstm_gates(x, h, *weights)
    new_h, new_c = cells.lstm_cell(x, h, c, *weights)
    torch.testing.assert_close(new_c, f * c + i * g)
    torch.testing.assert_close(new_h, o * new_c.tanh())
