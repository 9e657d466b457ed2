"""What a vision model says about every validation picture: accuracy by class, confusions, its worst mistakes."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from explorer import devices
from explorer.training import checkpoint, prepare

if TYPE_CHECKING:
    from torch import nn

    from explorer.data import Data


@dataclass(frozen=True, eq=False)
class Predictions:
    """For n pictures and c classes: ``probabilities`` (n, c) and ``labels`` (n,)."""

    probabilities: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    @property
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
    return Predictions(torch.cat(parts).cpu().numpy(), torch.cat(labels).cpu().numpy(), classes)


def of_file(path: Path) -> Predictions:
    """Predictions of the model in a weights file.

    Raises:
        WeightsError: the file cannot be used. OtherDataError: it knows other classes than the pictures here.
    """
    device = devices.choose()
    model, story = checkpoint.load(path, device)
    data = prepare.data_for(story.experiment, device)
    prepare.check_data(story, data, path.name)
    return predict(model, data, story.classes)
