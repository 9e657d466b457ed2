"""What an export is made of: the experiment, what was done to it while it ran, and what it came to."""

from collections.abc import Sequence
from dataclasses import dataclass

from explorer.data import Source, SourceKind, sampler
from explorer.errors import SettingsError
from explorer.experiment import SETTINGS, Experiment
from explorer.store.history import EpochRow, Mark
from explorer.store.index import Run
from explorer.store.store import Store, Which
from explorer.training import checkpoint


@dataclass(frozen=True)
class Recipe:
    """A run to repeat elsewhere."""

    experiment: Experiment
    name: str  #: what the run is called
    source: Source | None = None  #: the data it learnt from, where that is known
    epochs: Sequence[EpochRow] = ()  #: what it came to
    marks: Sequence[Mark] = ()  #: what was changed while it ran
    begun_from: str = ""  #: the weights it began with, in words; "" for fresh ones
    made_with: str = ""  #: versions and device

    @property
    def language(self) -> bool:
        """Whether it reads text, and not pictures."""
        return self.experiment.rung.ladder == "language"

    def changes(self) -> dict[int, list[tuple[str, float]]]:
        """Live changes, by the step after which they were made; other marks tell what happened to the run."""
        found: dict[int, list[tuple[str, float]]] = {}
        for mark in self.marks:
            name, _, value = mark.text.partition(" ")
            if name in SETTINGS and SETTINGS[name].live:
                found.setdefault(mark.step, []).append((name, float(value)))
        return found


@dataclass(frozen=True)
class Section:
    """A part of a script, or two cells of a notebook."""

    title: str
    words: str  #: prose, in Markdown
    code: str


def of_run(run: Run, store: Store) -> Recipe:
    """The recipe of a run on disk.

    Raises:
        ExplorerError: it is no training, or its record cannot be read.
    """
    if run.experiment is None:
        raise SettingsError("Only a training can be exported: this run has no experiment of its own.")
    history, source = store.history(run.id), None
    for which in (Which.FINAL, Which.BEST):
        path = store.weights(run.id, which)
        if source is None and path.exists():
            source = checkpoint.read_story(path).source
    if source is None and run.source == sampler.NAME:
        source = Source(run.source, SourceKind.SAMPLE, "")
    elif source is None and "stand-in" in run.source:
        source = Source(run.source, SourceKind.STANDIN, "")
    versions = [f"torch {run.torch}"] if run.torch else []
    made_with = ", ".join([*versions, *([run.device] if run.device else [])])
    return Recipe(run.experiment, run.label, source, history.epochs, history.marks, run.begun_from, made_with)


def of_experiment(experiment: Experiment, name: str = "A run") -> Recipe:
    """The recipe of an experiment that has not been run."""
    return Recipe(experiment, name)
