"""One mini-batch of a text as a run gets it, and where the next one goes on."""

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explorer.data.text import Corpus, TextData
from explorer.ladders import Cut

if TYPE_CHECKING:
    from explorer.experiment import Experiment


@dataclass(frozen=True, eq=False)
class Peek:
    """A mini-batch as numbers; the first axis of ``x`` is time, the second the stream (or the window)."""

    number: int  #: of the epoch, from 0
    start: float  #: share of the epoch before it, in [0, 1)
    x: np.ndarray  #: int64 (time, batch)
    y: np.ndarray  #: int64 (time, batch), or (batch,) where only the character after the last is asked for
    then: np.ndarray  #: the next batch's x; (0, batch) after the last one
    length: int  #: characters of each stream; 0 where the text is cut into windows


def batches(corpus: Corpus, experiment: "Experiment") -> int:
    """How many mini-batches an epoch has, as the loader says.

    Raises:
        DataError: the text is too short for these settings.
    """
    import torch

    return TextData(corpus, experiment, torch.device("cpu")).steps_per_epoch


def peek(corpus: Corpus, experiment: "Experiment", number: int) -> Peek:
    """The mini-batch of that number of a run's first epoch: the lengths and the order are the seed's.

    Raises:
        DataError: the text is too short for these settings.
    """
    import torch

    data = TextData(corpus, experiment, torch.device("cpu"))
    batches = data.train_batches(torch.Generator().manual_seed(experiment.seed))
    found = list(itertools.islice(batches, number, number + 2))
    if not found:  # a jittered epoch may have fewer than it says
        return peek(corpus, experiment, 0)
    this, after = found[0], found[1:]
    then = after[0].x.numpy() if after else np.zeros((0, this.x.shape[1]), np.int64)
    length = len(corpus.train) // experiment.batch_size if data.cut == Cut.STREAM else 0
    return Peek(number, this.start, this.x.numpy(), this.y.numpy(), then, length)
