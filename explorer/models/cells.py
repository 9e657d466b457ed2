"""Recurrent cells written out by hand, with the lecture's formulas and PyTorch's parameter names.

The functions compute one step for a whole mini-batch. ``x``: (batch, input), ``h`` and ``c``:
(batch, hidden), ``w_ih``: (gates · hidden, input), ``w_hh``: (gates · hidden, hidden).
They agree with ``torch.nn.RNNCell``, ``GRUCell`` and ``LSTMCell`` to rounding.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def rnn_cell(x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Tensor:
    """The new hidden state, (batch, hidden): h' = tanh(W_ih x + b_ih + W_hh h + b_hh)."""
    return torch.tanh(F.linear(x, w_ih, b_ih) + F.linear(h, w_hh, b_hh))


def gru_gates(
    x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Reset gate r, update gate z and candidate n of a GRU, each (batch, hidden).

    PyTorch's (and cuDNN's) form: r acts after the matrix product, and z = 1 keeps the old state.
    """
    i_r, i_z, i_n = F.linear(x, w_ih, b_ih).chunk(3, 1)
    h_r, h_z, h_n = F.linear(h, w_hh, b_hh).chunk(3, 1)
    resetgate = torch.sigmoid(i_r + h_r)
    updategate = torch.sigmoid(i_z + h_z)
    newgate = torch.tanh(i_n + resetgate * h_n)
    return resetgate, updategate, newgate


def gru_cell(x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Tensor:
    """The new hidden state, (batch, hidden): h' = n + z (h − n).

    The lecture calls z "inputgate", though 1 means *keep the old state*.
    """
    _, updategate, newgate = gru_gates(x, h, w_ih, w_hh, b_ih, b_hh)
    return newgate + updategate * (h - newgate)


def lstm_gates(
    x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Input gate i, forget gate f, candidate g and output gate o of an LSTM, each (batch, hidden)."""
    i, f, g, o = (F.linear(x, w_ih, b_ih) + F.linear(h, w_hh, b_hh)).chunk(4, 1)
    return torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)


def lstm_cell(
    x: Tensor, h: Tensor, c: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> tuple[Tensor, Tensor]:
    """The new hidden and cell states: c' = f c + i g, h' = o tanh(c')."""
    i, f, g, o = lstm_gates(x, h, w_ih, w_hh, b_ih, b_hh)
    c = f * c + i * g
    return o * torch.tanh(c), c


class _Cell(nn.Module):
    gates = 1
    weight_ih: nn.Parameter
    weight_hh: nn.Parameter
    bias_ih: nn.Parameter
    bias_hh: nn.Parameter

    def __init__(self, n_in: int, n_hidden: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(n_hidden)  # PyTorch's own initialisation, in its own order
        for name, shape in {
            "weight_ih": (self.gates * n_hidden, n_in),
            "weight_hh": (self.gates * n_hidden, n_hidden),
            "bias_ih": (self.gates * n_hidden,),
            "bias_hh": (self.gates * n_hidden,),
        }.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape).uniform_(-bound, bound)))

    @property
    def weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh


class RNNCell(_Cell):
    """One step of a plain RNN: two matrix products and a tanh."""

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """``x``: (batch, input), ``h``: (batch, hidden) → (batch, hidden)."""
        return rnn_cell(x, h, *self.weights)


class GRUCell(_Cell):
    """One step of a gated recurrent unit."""

    gates = 3

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """``x``: (batch, input), ``h``: (batch, hidden) → (batch, hidden)."""
        return gru_cell(x, h, *self.weights)
