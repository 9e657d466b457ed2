"""The language ladder: from three characters to an LSTM, under the lecture's names.

Every rung is called the same way: ``logits, state = model(x, state)`` with ``x`` of token numbers,
(time, batch), and ``state`` None for zeros. The lecture keeps ``self.h`` inside the model and returns
log-probabilities; here the state is passed in and out, and the loss takes the softmax, so that one learner,
one sampler and one probe serve every rung.

``logits`` is (time, batch, vocabulary), or (batch, vocabulary) for the rungs that predict only the
character after the last one read.
"""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.models import randomness
from explorer.models.cells import GRUCell, RNNCell

if TYPE_CHECKING:
    from explorer.experiment import Experiment

State = Tensor | tuple[Tensor, Tensor] | None


class Char3Model(nn.Module):
    """Three characters in, the fourth out, every step written down."""

    stateful = False

    def __init__(self, vocab_size: int, n_fac: int, n_hidden: int) -> None:
        super().__init__()
        self.e = nn.Embedding(vocab_size, n_fac)
        self.l_in = nn.Linear(n_fac, n_hidden)  # the green arrow: input to hidden
        self.l_hidden = nn.Linear(n_hidden, n_hidden)  # the orange arrow: hidden to hidden
        self.l_out = nn.Linear(n_hidden, vocab_size)  # the blue arrow: hidden to output

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """``x``: (3, batch) → logits (batch, vocabulary)."""
        c1, c2, c3 = x
        in1 = F.relu(self.l_in(self.e(c1)))
        in2 = F.relu(self.l_in(self.e(c2)))
        in3 = F.relu(self.l_in(self.e(c3)))

        h = torch.zeros_like(in1)
        h = torch.tanh(self.l_hidden(h + in1))
        h = torch.tanh(self.l_hidden(h + in2))
        h = torch.tanh(self.l_hidden(h + in3))
        return self.l_out(h), None


class CharLoopModel(nn.Module):
    """The same three arrows in a loop: this is an RNN."""

    stateful = False

    def __init__(self, vocab_size: int, n_fac: int, n_hidden: int) -> None:
        super().__init__()
        self.n_hidden = n_hidden
        self.e = nn.Embedding(vocab_size, n_fac)
        self.l_in = nn.Linear(n_fac, n_hidden)
        self.l_hidden = nn.Linear(n_hidden, n_hidden)
        self.l_out = nn.Linear(n_hidden, vocab_size)

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """``x``: (n characters, batch) → logits (batch, vocabulary)."""
        h = x.new_zeros(x.size(1), self.n_hidden, dtype=self.l_in.weight.dtype)
        for c in x:
            inp = F.relu(self.l_in(self.e(c)))
            h = torch.tanh(self.l_hidden(h + inp))
        return self.l_out(h), None


class CharSeqRnn(nn.Module):
    """PyTorch's RNN, a prediction after every character, and no memory from one call to the next."""

    stateful = False
    recurrent: type[randomness.RNN | randomness.GRU | randomness.LSTM] = randomness.RNN

    def __init__(self, vocab_size: int, n_fac: int, n_hidden: int, layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.e = nn.Embedding(vocab_size, n_fac)
        # Dropout acts between layers only, so one layer has none.
        self.rnn = self.recurrent(n_fac, n_hidden, layers, dropout=dropout if layers > 1 else 0.0)
        self.l_out = nn.Linear(n_hidden, vocab_size)

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """``x``: (time, batch) → logits (time, batch, vocabulary) and the state after the last character."""
        outp, h = self.rnn(self.e(x), state)
        return self.l_out(outp), h


class CharRnn(CharSeqRnn):
    """PyTorch's RNN; only the last hidden state predicts."""

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """``x``: (n characters, batch) → logits (batch, vocabulary)."""
        outp, h = self.rnn(self.e(x))
        return self.l_out(outp[-1]), h


class CharSeqStatefulRnn(CharSeqRnn):
    """The hidden state runs on from batch to batch; whoever calls cuts its history (see :func:`repackage`)."""

    stateful = True


class CharSeqStatefulGRU(CharSeqStatefulRnn):
    """Gates that decide what to keep."""

    recurrent = randomness.GRU


class CharSeqStatefulLSTM(CharSeqStatefulRnn):
    """A cell state beside the hidden state; the state is the pair of them."""

    recurrent = randomness.LSTM


class CharSeqStatefulRnn2(nn.Module):
    """The loop over time written out around a cell that is itself written out."""

    stateful = True
    cell: type[nn.Module] = RNNCell

    def __init__(self, vocab_size: int, n_fac: int, n_hidden: int) -> None:
        super().__init__()
        self.n_hidden = n_hidden
        self.e = nn.Embedding(vocab_size, n_fac)
        self.rnn = self.cell(n_fac, n_hidden)
        self.l_out = nn.Linear(n_hidden, vocab_size)

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """``x``: (time, batch) → logits (time, batch, vocabulary) and the state, (batch, hidden)."""
        o = state if state is not None else x.new_zeros(x.size(1), self.n_hidden, dtype=self.e.weight.dtype)
        outp = []
        for c in self.e(x):
            o = self.rnn(c, o)
            outp.append(o)
        return self.l_out(torch.stack(outp)), o


class CharSeqStatefulGRU2(CharSeqStatefulRnn2):
    """The same loop around the hand-written GRU cell."""

    cell = GRUCell


def repackage(state: State) -> State:
    """The state without its history: back-propagation through time stops here."""
    if isinstance(state, tuple):
        h, c = state
        return h.detach(), c.detach()
    return None if state is None else state.detach()


def build(experiment: "Experiment", vocab_size: int) -> nn.Module:
    """The model an experiment describes, with fresh weights."""
    rung, size = experiment.rung, (vocab_size, experiment.n_fac, experiment.hidden)
    layered = () if "layers" in rung.fixed else (experiment.layers, experiment.dropout)
    model: nn.Module = rung.model_class(*size, *layered)
    return model
