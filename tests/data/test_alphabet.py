"""The lecture's two alphabets, against what the notes print."""

import itertools

import numpy as np
import pytest

from explorer.data import Source
from explorer.data import text as corpus
from explorer.data.alphabet import FirstAlphabet, symbols, windows
from explorer.experiment import Experiment
from explorer.models import generate
from explorer.models.sampling import Sampling
from explorer.training import prepare


@pytest.mark.data
def test_the_inputs_are_those_that_the_notes_print() -> None:
    text = corpus.load().text
    alphabet = FirstAlphabet.of(text)
    found = windows(alphabet.encode(text))
    assert len(alphabet) == 85
    assert found.x[:, :4].tolist() == [[40, 30, 29, 1], [42, 25, 1, 43], [29, 27, 1, 45]]


#: ``TEXT.vocab.stoi`` as the notes print it, from 2 to 53
PRINTED = " etiaonsrhldcufmpg,ywbv-.\"kx;:qj!?()'z12=_3[]4568790"


@pytest.mark.data
def test_the_loaders_numbers_are_those_that_the_notes_print_and_what_is_rare_has_none() -> None:
    loaded = corpus.load()
    found = symbols(loaded)
    assert "".join(s.character for s in found if 2 <= s.number <= 53) == PRINTED
    assert [s.number for s in found if s.number] == list(range(2, 55))
    assert {s.character: s.count for s in found if not s.number} == {"é": 2, "æ": 1, "ë": 1}


def test_windows_follow_each_other_and_y_is_the_character_after() -> None:
    found = windows(np.arange(20), 3)
    assert found.x.tolist() == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]] and found.y.tolist() == [3, 6, 9, 12]


def test_every_symbol_of_the_text_has_a_number_and_a_count() -> None:
    made = corpus.prepare("aaa bbb ccc ddd éé\n" + "aaa\n" * 30, Source("", "standin", ""))
    found = symbols(made)
    assert sum(s.count for s in found) == len(made.train) - 1  # <eos>
    assert {s.character: s.count for s in found if not s.number} == {"é": 2}
    assert all(made.vocabulary.itos[s.number] == s.character for s in found if s.number)


@pytest.mark.data
def test_a_model_can_learn_the_first_alphabet_and_writes_capitals_and_line_breaks(tmp_path) -> None:
    experiment = Experiment.of("char3", "first alphabet", hidden=64, epochs=1)
    learner = prepare.learner_for(experiment)
    vocabulary = learner.data.vocabulary
    assert len(vocabulary) == 86 and not (learner.data.train[:-1] == 0).any()
    batches = learner.data.train_batches(learner.generator)
    losses = [float(learner.train_batch(batch, 1e-2).loss) for batch in itertools.islice(batches, 150)]
    assert np.mean(losses[-20:]) < 2.9 < losses[0]
    learner.model.eval()
    written = "".join(c.text for c in generate.sample(learner.model, vocabulary, Sampling("The", 400, 1.0), window=3))
    assert any(c.isupper() for c in written) and "\n" in written
    assert vocabulary.decode(generate.encode_prompt("The", vocabulary, learner.device)[:, 0].tolist()) == "The"
