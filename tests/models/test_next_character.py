"""The next character taken apart is what sampling draws from."""

from collections import Counter

import numpy as np
import pytest
import torch

from explorer.models import generate
from explorer.models.next_character import Next, next_character
from explorer.models.sampling import Sampling


@pytest.mark.parametrize("key", ["char3", "char-rnn", "gru", "lstm"])
def test_the_likeliest_is_what_sampling_takes_when_it_is_cold(tiny, key) -> None:
    learner = tiny(key)
    for batch in list(learner.data.train_batches(learner.generator))[:30]:
        learner.train_batch(batch, 1e-2)
    model, vocabulary = learner.model.eval(), learner.data.vocabulary
    window = learner.experiment.window
    for prompt in ("a", "for thos", "the function of the object"):
        found = next_character(model, vocabulary, prompt, window)
        cold = next(iter(generate.sample(model, vocabulary, Sampling(prompt, 1, 0.0), window))).text
        assert found.characters[found.order()[0]] == cold
        surprise = next(iter(generate.sample(model, vocabulary, Sampling(prompt, 1, 0.0), window))).surprise
        whole = np.exp(-surprise)  # under the model itself, <unk> included
        assert found.shares(1.0).max() >= whole - 1e-6


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_the_shares_are_how_often_the_sampler_draws(temperature) -> None:
    logits = torch.tensor([[0.0, 0.0, 2.0, 1.0, 0.0, -1.0]])
    found = Next(tuple("abcd"), logits[0, 2:].double().numpy())
    generator = torch.Generator().manual_seed(0)
    drawn = Counter(generate.choose(logits.expand(20_000, -1), temperature, 0, generator).tolist())
    assert [drawn[i + 2] / 20_000 for i in range(4)] == pytest.approx(found.shares(temperature), abs=0.015)


def test_a_temperature_reshapes_and_never_reorders() -> None:
    found = Next(tuple("abc"), np.array([1.0, 3.0, -40.0]))
    assert found.order().tolist() == [1, 0, 2]
    sharp, plain, level = (found.shares(t) for t in (0.1, 1.0, 2.0))
    assert sharp[1] > plain[1] > level[1] and sharp.sum() == pytest.approx(1) == level.sum()
    assert found.shares(0.0)[1] == 1.0
