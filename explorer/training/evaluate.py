"""What a vision model says about every validation picture: accuracy by class, confusions, its worst mistakes."""

import dataclasses
import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from explorer import devices
from explorer.data.pictures import VisionData
from explorer.training import checkpoint, prepare

if TYPE_CHECKING:
    from torch import nn

    from explorer.data import Data


@dataclass(frozen=True, eq=False)
class Predictions:
    """For n validation pictures and c classes: ``probabilities`` (n, c) and ``labels`` (n,)."""

    probabilities: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    pictures: np.ndarray  #: their places in the validation set, (n,)

    @functools.cached_property
    def chosen(self) -> np.ndarray:
        """The likeliest class of each picture, (n,)."""
        chosen: np.ndarray = self.probabilities.argmax(1)
        return chosen

    @property
    def accuracy(self) -> float:
        """Share of pictures told right."""
        return float((self.chosen == self.labels).mean())

    def confusion(self) -> np.ndarray:
        """Counts (true class, chosen class)."""
        counts = np.zeros((len(self.classes),) * 2, int)
        np.add.at(counts, (self.labels, self.chosen), 1)
        return counts

    def by_class(self) -> np.ndarray:
        """Accuracy within each true class, (c,)."""
        counts = self.confusion()
        accuracies: np.ndarray = np.diag(counts) / counts.sum(1).clip(min=1)
        return accuracies

    def most_wrong(self, count: int, true: int | None = None, chosen: int | None = None) -> np.ndarray:
        """Indices of the mistakes made with the most certainty, optionally of one cell of the confusions."""
        wrong = self.chosen != self.labels
        if true is not None:
            wrong &= self.labels == true
        if chosen is not None:
            wrong &= self.chosen == chosen
        found = np.flatnonzero(wrong)
        certainty = self.probabilities[found, self.chosen[found]]
        return found[np.argsort(-certainty)][:count]


@torch.no_grad()
def predict(model: "nn.Module", data: "Data", classes: tuple[str, ...]) -> Predictions:
    """Probabilities for the whole validation set, in its own order."""
    model.eval()
    parts, labels = [], []
    for batch in data.valid_batches():
        parts.append(model(batch.x).float().softmax(-1))
        labels.append(batch.y)
    known = torch.cat(labels).cpu().numpy()
    return Predictions(torch.cat(parts).cpu().numpy(), known, classes, np.arange(len(known)))


SHARES = 10  #: in which the validation pictures are gone through; each has as many of every class


class Asking:
    """The model in a weights file, asked about one share of the validation pictures after the other.

    Whoever waits has something to see after the first. Several may ask for more at once: each gets one share further.

    Raises:
        WeightsError: the file cannot be used. OtherDataError: it knows other classes than the pictures here.
    """

    def __init__(self, path: Path) -> None:
        device = devices.choose()
        self._model, story = checkpoint.load(path, device)
        data = prepare.data_for(story.experiment, device)
        prepare.check_data(story, data, path.name)
        assert isinstance(data, VisionData), "a language model answers no questions about pictures"
        self._data = data
        self._classes = story.classes
        self._found: tuple[Predictions, ...] = ()
        self._together: Predictions | None = None  # of these shares, or of fewer
        self._one = threading.Lock()

    @property
    def done(self) -> bool:
        """Whether it has been asked about every picture."""
        return len(self._found) == SHARES

    @property
    def share(self) -> float:
        """How much of them that is, in [0, 1]."""
        return len(self._found) / SHARES

    def more(self) -> None:
        """Ask about the next share; nothing once all are done."""
        with self._one:
            first = len(self._found)
            if first < SHARES:
                share = predict(self._model, self._data.thinned(SHARES, first), self._classes)
                places = first + SHARES * share.pictures
                self._found = (*self._found, dataclasses.replace(share, pictures=places))

    def found(self) -> Predictions:
        """What it said so far, in the validation set's own order; ask for :meth:`more` first."""
        shares = self._found
        if self._together is None or len(self._together.labels) != sum(len(share.labels) for share in shares):
            self._together = _in_order(shares)
        return self._together


def _in_order(shares: Sequence[Predictions]) -> Predictions:
    """All the shares' pictures, as they follow one another in the set."""
    places = np.concatenate([share.pictures for share in shares])
    order = np.argsort(places)
    probabilities = np.concatenate([share.probabilities for share in shares])[order]
    labels = np.concatenate([share.labels for share in shares])[order]
    return Predictions(probabilities, labels, shares[0].classes, places[order])


def of_file(path: Path) -> Predictions:
    """Predictions of the model in a weights file, about every validation picture.

    Raises:
        WeightsError, OtherDataError: see :class:`Asking`.
    """
    asking = Asking(path)
    while not asking.done:
        asking.more()
    return asking.found()
