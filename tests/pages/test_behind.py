"""The tabs behind the curves: what is closed costs nothing, and what is opened is there."""

from unittest.mock import patch

import pytest
import torch

from explorer.data import text as corpus
from explorer.experiment import Experiment
from explorer.models import summary
from explorer.ui.char_rnn import alphabet, text
from tests.pages.conftest import open_page, texts


def test_a_closed_tab_is_not_computed_and_an_opened_one_is() -> None:
    with patch.object(text, "show") as first, patch.object(summary, "summarise", wraps=summary.summarise) as layers:
        at = open_page("char_rnn")
        assert first.call_count and "narrower" not in texts(at)
        at.session_state["char_rnn.behind"] = "Where the memory goes"
        before = first.call_count
        at.run()
        assert "narrower" in texts(at) and first.call_count == before
        at = open_page("cifar10", model="convnet")
        assert not layers.call_count


@pytest.mark.parametrize("model", ["char3", "char-rnn", "char-seq", "gru"])
def test_the_batches_of_an_epoch_are_the_loaders(model) -> None:
    at = open_page("char_rnn", model=model, show="text")
    experiment = at.session_state["char_rnn"].experiment
    data = corpus.TextData(corpus.of(experiment), experiment, torch.device("cpu"))
    (told,) = [metric.value for metric in at.metric if metric.label == "Batches an epoch"]
    assert told == f"{data.steps_per_epoch:,}"


def test_the_units_chart_is_that_of_the_cell_on_the_page() -> None:
    at = open_page("char_rnn", model="rnn-cell", show="code")
    stamps = [at.session_state["char_rnn"].charts["unit"][0]]
    for model in ("gru", "gru-cell"):
        at.session_state["char_rnn"].put(Experiment.of(model))
        at.run()
        stamps.append(at.session_state["char_rnn"].charts["unit"][0])
    assert len(set(stamps)) == 3


def test_every_preparation_of_a_text_has_symbols_of_its_own() -> None:
    seen = [
        alphabet._symbols(made, made.source.checksum, made.vocabulary.itos)
        for made in (corpus.load(), corpus.load(every_symbol=True), corpus.load())
    ]
    assert len(seen[0]) == len(seen[2]) < len(seen[1])
