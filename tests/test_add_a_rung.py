"""A worked example: a rung more is a model class and a row of the ladder's table; every room then knows it."""

import itertools

import pytest
import torch
from torch import nn

from explorer import ladders
from explorer.__main__ import main
from explorer.data import Source, text
from explorer.experiment import Experiment
from explorer.models.char_rnn import build  # noqa: F401 (the row's builder)
from explorer.training import prepare
from explorer.training.learner import Step
from explorer.training.schedules import plan


class BigramModel(nn.Module):
    """The next character from this one alone."""

    stateful = False

    def __init__(self, vocab_size, n_fac, n_hidden):
        super().__init__()
        self.e = nn.Embedding(vocab_size, n_fac)
        self.l_out = nn.Linear(n_fac, vocab_size)

    def forward(self, x, state=None):
        return self.l_out(self.e(x)), None


RUNG = ladders.Rung(
    "bigram",
    "Bigrams",
    ladders.Ladder.LANGUAGE,
    BigramModel.__name__,
    "One character in, the next one out.",
    f"{__name__}:build",
    {"lecture": dict(window=8, batch_size=64, lr=1e-2, epochs=1)},
    fixed=frozenset({"bptt", "jitter", "reset", "layers", "dropout", "hidden"}),
    cut=ladders.Cut.SEGMENTS,
)


@pytest.fixture(autouse=True)
def added(monkeypatch):
    monkeypatch.setitem(ladders.LADDERS, ladders.Ladder.LANGUAGE, (*ladders.LANGUAGE, RUNG))


def test_it_trains_in_the_same_learner():
    experiment = Experiment.of("bigram")
    corpus = text.prepare("the cat sat on the mat. " * 400, Source("Cats", "yours", ""))
    data = text.TextData(corpus, experiment, torch.device("cpu"))
    learner = prepare.learner_for(experiment, data=data)
    steps = list(itertools.islice(learner.steps(plan(experiment)), 2))
    assert type(learner.model) is BigramModel and all(isinstance(step, Step) for step in steps)
    assert [step.number for step in steps] == [1, 2] and steps[1].loss.isfinite()


def test_the_terminal_trains_it(capsys, home, tmp_path):
    target = tmp_path / "bigram.safetensors"
    words = ["train", "bigram", "--data", "pydoc", "--window", "64", "--batch-size", "512", "--save", str(target)]
    assert main(words) == 0, capsys.readouterr().err
    assert target.exists()


@pytest.mark.slow
def test_its_page_lets_one_choose_it_and_shows_its_code(home):
    from tests.pages.conftest import open_page, texts

    at = open_page("char_rnn", model="bigram")
    assert any("Bigrams" in pills.options for pills in at.get("button_group") if hasattr(pills, "options"))
    at.session_state["char_rnn.behind"] = "The model's code"
    at.run()
    assert "BigramModel" in texts(at) and any("class BigramModel" in code.value for code in at.code)
