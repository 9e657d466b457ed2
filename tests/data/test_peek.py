"""A mini-batch that is looked at is the one that a run gets."""

import itertools

import numpy as np
import pytest
import torch

from explorer.data import Source
from explorer.data import text as corpus
from explorer.data.peek import peek
from explorer.experiment import Experiment

SMALL = {"batch_size": 8, "seed": 3}


@pytest.mark.parametrize("key", ["char3", "char-loop", "char-seq", "gru"])
def test_the_batch_shown_is_the_runs_own(tiny, key) -> None:
    settings = {} if key in ("char3", "gru") else {"window": 5}
    learner = tiny(key, seed=3, batch_size=8, **settings)
    theirs = list(itertools.islice(learner.data.train_batches(learner.generator), 4, 6))
    data = learner.data
    made = corpus.Corpus(data.train.numpy(), data.valid.numpy(), data.vocabulary, data.source)
    found = peek(made, learner.experiment, 4)
    assert (found.x == theirs[0].x.numpy()).all() and (found.y == theirs[0].y.numpy()).all()
    assert (found.then == theirs[1].x.numpy()).all()
    assert found.start == theirs[0].start


def test_the_next_batch_goes_on_where_this_one_ends(text) -> None:
    made = corpus.prepare(text, Source("Test text", "standin", ""))
    found = peek(made, Experiment.of("gru", **SMALL), 2)
    assert (found.y[:-1] == found.x[1:]).all() and (found.then[0] == found.y[-1]).all()
    assert found.length == len(made.train) // 8


def test_after_the_last_batch_of_an_epoch_comes_none(text) -> None:
    made = corpus.prepare(text, Source("Test text", "standin", ""))
    experiment = Experiment.of("gru", jitter=False, **SMALL)
    data = corpus.TextData(made, experiment, torch.device("cpu"))
    batches = len(list(data.train_batches(torch.Generator().manual_seed(3))))
    last = peek(made, experiment, batches - 1)
    assert last.then.shape == (0, 8) and len(last.x)
    assert np.array_equal(peek(made, experiment, 10**5).x, peek(made, experiment, 0).x)
