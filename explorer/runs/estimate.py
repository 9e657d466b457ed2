"""How long a run would take on this machine, from runs like it that were measured here."""

import statistics
from collections.abc import Iterable, Sequence

from explorer import devices
from explorer.experiment import Experiment, settings_of
from explorer.ladders import Ladder
from explorer.store.history import EpochRow
from explorer.store.index import Query
from explorer.store.store import Store
from explorer.store.words import Kind

Measured = tuple[Experiment, Sequence[EpochRow]]  #: what was trained here, and its epochs
VALIDATED = 10_000  #: pictures, after each epoch
FORWARD = 1 / 3  #: what a picture costs that is only looked at, of one that is trained on
SHAPE = frozenset({"widths", "depth", "stem", "skip", "hidden", "layers", "n_fac", "window", "bptt", "data"})
BATCHES = 4  #: how many times as large a batch may be and still be like it


def seconds(experiment: Experiment, measured: Iterable[Measured]) -> float | None:
    """How long a run would take, by the first of the measured ones that is like it; None without one."""
    for other, rows in measured:
        if rows and _alike(experiment, other):
            epoch = statistics.median(row.seconds for row in rows)
            return epoch * work(experiment) / work(other) * experiment.total_epochs
    return None


def each(experiments: Sequence[Experiment], store: Store) -> list[float]:
    """How long each of some of one model would take; those left out that are like none that was measured here.

    Raises:
        StorageError: the record of runs cannot be read.
    """
    known = measured(store, experiments[0].model, most=40) if experiments else []
    found = [seconds(experiment, known) for experiment in experiments]
    return [taken for taken in found if taken is not None]


def measured(store: Store, model: str, most: int = 12) -> list[Measured]:
    """The newest runs of a model on this device, with their epochs.

    Raises:
        StorageError: the record of runs cannot be read.
    """
    here = devices.describe()
    runs = store.find(Query(models=(model,), kinds=(Kind.TRAIN,)))
    runs = [run for run in runs if run.device == here and run.epochs][:most]
    return [(run.experiment, store.epochs(run.id)) for run in runs if run.experiment]


def _alike(one: Experiment, other: Experiment) -> bool:
    """Whether a step of the one takes as long as a step of the other, picture for picture."""
    names = [setting.name for setting in settings_of(one.rung) if setting.name in SHAPE]
    batches = sorted((one.batch_size, other.batch_size))
    return all(getattr(one, name) == getattr(other, name) for name in names) and batches[1] <= BATCHES * batches[0]


def work(experiment: Experiment) -> float:
    """What an epoch costs, in pictures of 32 pixels a side that are trained on; a text is the same in each epoch."""
    if experiment.rung.ladder == Ladder.LANGUAGE:
        return 1.0
    return (experiment.images + FORWARD * VALIDATED) * (experiment.size / 32) ** 2
